//! How often a model's predictions agree with the labels of some rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::labels::UNLABELLED;

/// How often each class was predicted for each label; holds only pairs that occur, and counts only rows with a label.
pub(crate) struct Agreement {
    pairs: BTreeMap<(u32, u32), u32>,
    choices: BTreeMap<u32, u32>,
    /// Rows of each label.
    pub labels: BTreeMap<u32, u32>,
    /// Rows with a label.
    pub rows: usize,
}

/// The order of classes with which a model would be right most often.
pub(crate) struct Order {
    pub accuracy: f64,
    /// A class of the model, and the label that it most probably means.
    pub example: Option<(u32, u32)>,
}

impl Agreement {
    /// `None` without a labelled row, or with only one class.
    pub fn of(choices: &[u32], labels: &[u32], classes: usize) -> Option<Agreement> {
        let (mut pairs, mut chosen, mut known) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut rows = 0;
        for (choice, label) in choices.iter().zip(labels).filter(|(_, label)| **label != UNLABELLED) {
            *pairs.entry((*choice, *label)).or_default() += 1;
            *chosen.entry(*choice).or_default() += 1;
            *known.entry(*label).or_default() += 1;
            rows += 1;
        }
        (rows > 0 && classes > 1).then_some(Agreement { pairs, choices: chosen, labels: known, rows })
    }

    fn at(&self, choice: u32, label: u32) -> u32 {
        self.pairs.get(&(choice, label)).copied().unwrap_or(0)
    }

    /// The number of rows for which the class was predicted.
    pub fn predicted(&self, class: u32) -> u32 {
        self.choices.get(&class).copied().unwrap_or(0)
    }

    /// The number of rows of the class for which it was predicted.
    pub fn right(&self, class: u32) -> u32 {
        self.at(class, class)
    }

    pub fn accuracy(&self) -> f64 {
        self.share(self.labels.keys().map(|class| self.right(*class)).sum())
    }

    fn share(&self, rows: u32) -> f64 {
        f64::from(rows) / self.rows as f64
    }

    /// The accuracy of the same predictions in random order.
    ///
    /// ```text
    /// Σ over classes of (share of predictions · share of labels)
    /// ```
    pub fn blind(&self) -> f64 {
        let labels = |class: &u32| self.labels.get(class).copied().unwrap_or(0);
        self.choices.iter().map(|(class, rows)| self.share(*rows) * self.share(labels(class))).sum()
    }

    /// Another order of the classes, if it fits the labels clearly better.
    pub fn reordered(&self) -> Option<Order> {
        let mut cells: Vec<(u32, u32, u32)> =
            self.pairs.iter().map(|((choice, label), count)| (*count, *choice, *label)).collect();
        cells.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        // Each of the model's classes gets the label with which it occurs most often, largest counts first.
        let (mut order, mut taken, mut right) = (BTreeMap::new(), BTreeSet::new(), 0);
        for (count, choice, label) in cells {
            if !order.contains_key(&choice) && taken.insert(label) {
                order.insert(choice, label);
                right += count;
            }
        }
        let moved: Vec<(u32, u32)> =
            order.into_iter().filter(|(choice, label)| self.is_moved(*choice, *label)).collect();
        let accuracy = self.share(right);
        let better = accuracy >= 0.6 && (self.accuracy() < 0.7 * accuracy || moved.len() >= 2);
        better.then(|| Order { accuracy, example: moved.first().copied() })
    }

    /// Whether the model's class `choice` clearly means `label`: most of the rows for which it is predicted have
    /// `label`, and hardly any have the class itself.
    fn is_moved(&self, choice: u32, label: u32) -> bool {
        let (all, there, own) = (self.predicted(choice), self.at(choice, label), self.right(choice));
        choice != label && there >= 5 && 10 * there >= 6 * all && 5 * own <= all
    }
}
