//! The pair view of a batch: for every row, a partner row of another class.
//!
//! ```text
//! the partner of row a: uniform over all labelled rows of the data set whose label is not a's
//! ```
//!
//! The partner depends on (seed, epoch, sample id): it is drawn anew in each epoch, is the same in every run, and does
//! not depend on the row's position in its batch. Source: Oki, Abe, Miyao, Kurita, "Triplet Loss for Knowledge
//! Distillation", IJCNN 2020, arXiv:2004.08116 (the code draws at each access). Where we differ: a row without a label
//! is never a partner. It has a partner, so that the view is complete, but no loss reads that partner.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Dataset;
use crate::error::{Error, Result};
use crate::random::Key;

/// The rows of a data set, sorted by label.
#[derive(Clone, Debug)]
pub(crate) struct Pairs {
    /// Positions of the labelled rows, grouped by class.
    sorted: Vec<u32>,
    /// For each class, the start of its positions in `sorted`, and their number.
    classes: BTreeMap<u32, (usize, usize)>,
}

impl Dataset {
    /// Whether there are rows of two or more classes.
    pub(crate) fn pairs(&self) -> bool {
        let mut labels = (0..self.rows()).filter_map(|position| self.label(position));
        labels.next().is_some_and(|first| labels.any(|label| label != first))
    }

    /// The rows sorted by class, computed once.
    pub(super) fn sorted_by_class(&self) -> Result<Arc<Pairs>> {
        if let Some(pairs) = self.pairs.get() {
            return Ok(pairs.clone());
        }
        let pairs = Arc::new(Pairs::new(self)?);
        Ok(self.pairs.get_or_init(|| pairs).clone())
    }
}

impl Pairs {
    pub fn new(dataset: &Dataset) -> Result<Pairs> {
        if !dataset.pairs() {
            return Err(Error::data("labels", "expected rows of at least two classes, got fewer"));
        }
        crate::blocks::room(dataset.rows() * size_of::<u32>());
        let mut sorted: Vec<u32> = dataset.labelled().collect();
        sorted.sort_by_key(|position| dataset.label(*position as usize));
        let mut classes: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
        for (at, position) in sorted.iter().enumerate() {
            let label = dataset.label(*position as usize).unwrap_or_default();
            classes.entry(label).or_insert((at, 0)).1 += 1;
        }
        Ok(Pairs { sorted, classes })
    }

    /// The partners of the rows at these positions.
    pub fn partners(&self, dataset: &Dataset, positions: &[u32], seed: u64, epoch: u64) -> Vec<u32> {
        let key = Key::new(seed).with("pair").with(epoch);
        let partner = |position: &u32| {
            let at = *position as usize;
            self.partner(dataset.id(at), dataset.label(at), key)
        };
        crate::blocks::collected(positions.iter().map(partner))
    }

    fn partner(&self, id: u64, label: Option<u32>, key: Key) -> u32 {
        let own = label.and_then(|label| self.classes.get(&label));
        let (start, count) = own.copied().unwrap_or((0, 0));
        let place = key.below(id, (self.sorted.len() - count) as u64) as usize;
        self.sorted[if place < start { place } else { place + count }]
    }
}
