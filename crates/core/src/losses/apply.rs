//! All configured losses together: checked once, applied to each micro-batch of a step.

use std::collections::{BTreeMap, BTreeSet};

use super::LossesOptions;
use super::call::{Call, row_weights, rows_of};
use super::features::{self, Feature};
use super::loss::{Need, RowLoss};
use super::micro::Micro;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::labels::{LabelKind, Labels, UNLABELLED};
use crate::layers::Spec;
use crate::models::Network;
use crate::numbers::{Denominators, TermReport};
use crate::schedule::Scheduled;
use crate::tape::{Tape, Value};
use crate::tensor::Tensor;

/// The losses of a run. The total is Σ weight · loss.
pub struct Losses {
    pub(super) rows: Vec<(&'static str, Box<dyn RowLoss>)>,
    pub(super) features: Vec<Feature>,
}

/// What a run has to give to its losses.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// The width of the student's outputs.
    pub classes: usize,
    /// The width of the teacher's, where there is one.
    pub teacher_classes: Option<usize>,
    /// Whether the teacher gives all its logits, not a few or probabilities alone.
    pub teacher_dense: bool,
    /// Whether the teacher shows the weight of its last linear layer.
    pub teacher_head: bool,
    pub labels: LabelKind,
    /// Whether the data can give for every row one of a different class.
    pub pairs: bool,
    /// The rows of a micro-batch, where they are known.
    pub batch: Option<usize>,
}

/// What one micro-batch gave.
pub struct Applied {
    /// Where backward starts: values and the gradients that arrive there.
    pub(crate) seeds: Vec<(Value, Tensor)>,
    pub terms: BTreeMap<&'static str, TermReport>,
    /// Σ weight · value over the terms.
    pub total: f64,
}

impl Losses {
    /// Refuses options that cannot work; paths start at the loss's key.
    pub fn new(options: LossesOptions) -> Result<Losses> {
        let (rows, features) = options.into_losses();
        let losses = Losses { rows, features };
        for (name, weight) in losses.weights() {
            let checked = weight.validate("weight", "a finite number of 0 or more", |weight| weight >= 0.0);
            checked.map_err(|error| error.at(name))?;
        }
        for (name, loss) in &losses.rows {
            loss.validate().map_err(|error| error.at(name))?;
        }
        for feature in &losses.features {
            feature.loss.validate().map_err(|error| error.at(feature.name))?;
        }
        if !losses.weights().any(|(_, weight)| weight.ever_positive()) {
            let known = LossesOptions::NAMES.join(", ");
            let message = format!("expected at least one loss with a weight above 0 (of {known}), got none");
            return Err(Error::config("", message));
        }
        Ok(losses)
    }

    fn weights(&self) -> impl Iterator<Item = (&'static str, &Scheduled)> {
        let rows = self.rows.iter().map(|(name, loss)| (*name, loss.weight()));
        rows.chain(self.features.iter().map(|feature| (feature.name, feature.loss.weight())))
    }

    /// Finds the layers that losses look at, and refuses those that cannot be compared. A teacher without a network
    /// gives logits alone.
    pub fn fit(&mut self, student: &Network, teacher: Option<&Network>) -> Result<()> {
        for feature in &mut self.features {
            feature.fit(student, teacher, student.classes()).map_err(|error| error.at(feature.name))?;
        }
        Ok(())
    }

    /// What each loss compares with, under its name.
    pub fn needs(&self) -> Vec<(&'static str, Need)> {
        let rows = self.rows.iter().map(|(name, loss)| (*name, loss.needs()));
        let features = self.features.iter().map(|feature| (feature.name, feature.loss.needs()));
        let named = |(name, needs): (&'static str, Vec<Need>)| needs.into_iter().map(move |need| (name, need));
        rows.chain(features).flat_map(named).collect()
    }

    /// Whether any of them compares more than a row with a row: layers, outputs as points.
    pub(crate) fn has_features(&self) -> bool {
        !self.features.is_empty()
    }

    /// Whether a row without a label teaches nothing: every loss that weighs anything needs one.
    pub(crate) fn needs_labels_in_each(&self) -> bool {
        let weighing: BTreeSet<&str> =
            self.weights().filter(|(_, weight)| weight.ever_positive()).map(|(name, _)| name).collect();
        let of_labelled = |name: &&str| self.needs().iter().any(|(of, need)| of == name && need.is_of_labelled());
        weighing.iter().all(of_labelled)
    }

    /// Whether a class of the student is compared with the same class of the teacher.
    pub(crate) fn compares_classes(&self) -> bool {
        let by_class = |need: &Need| matches!(need, Need::Teacher | Need::TeacherLogits);
        self.rows.iter().any(|(_, loss)| loss.needs().iter().any(by_class))
    }

    /// Whether every row needs a partner of another class.
    pub fn needs_pairs(&self) -> bool {
        self.features.iter().any(|feature| feature.loss.pairs())
    }

    /// Layers of the student, and of the teacher, that losses look at.
    pub(crate) fn student_layers(&self) -> BTreeSet<String> {
        features::names(&self.features, Feature::student_layers)
    }

    pub(crate) fn teacher_layers(&self) -> BTreeSet<String> {
        features::names(&self.features, Feature::teacher_layers)
    }

    /// The losses' own parameters (projections): trained beside the student's, never part of it.
    pub(crate) fn specs(&self) -> Vec<Spec> {
        self.features.iter().flat_map(Feature::parameters).collect()
    }

    /// Whether any loss compares with a teacher.
    pub fn needs_teacher(&self) -> bool {
        self.needs().iter().any(|(_, need)| need.is_teacher())
    }

    /// Losses whose weight is 0 at every step.
    pub fn without_weight(&self) -> Vec<&'static str> {
        self.weights().filter(|(_, weight)| !weight.ever_positive()).map(|(name, _)| name).collect()
    }

    /// Refuses a run that cannot give a loss what it needs.
    pub fn check(&self, given: &Given) -> Result<()> {
        for (name, need) in self.needs() {
            if let Some(kind) = need.label_kind().filter(|kind| *kind != given.labels) {
                let (got, remedy) = (given.labels.words(), given.labels.remedy(kind));
                let message = format!("expected {} in the data, got {got}{remedy}", kind.words());
                return Err(Error::config(name, message));
            }
            match need {
                Need::Labels | Need::SeveralLabels | Need::RealLabels => {}
                Need::Pair if given.pairs => {}
                Need::Pair => {
                    let message = "expected a data set with rows of two or more classes, to pair every row with one of a different class, got none: use tripletBatch, whose negatives are rows of the batch";
                    return Err(Error::config(name, message));
                }
                _ => match given.teacher_classes {
                    None => return Err(Error::config(name, "expected a teacher, got none: use `distill` with one")),
                    Some(classes) if classes != given.classes && need != Need::TeacherLogitsOfAnyWidth => {
                        let message = format!(
                            "expected a teacher of the student's {} classes, got one of {classes}",
                            given.classes
                        );
                        return Err(Error::shape(name, message));
                    }
                    Some(_) if need.is_dense() && !given.teacher_dense => {
                        return Err(Error::config(
                            name,
                            "expected a teacher that gives all its logits, got a part of them",
                        ));
                    }
                    Some(_) if need == Need::TeacherHead && !given.teacher_head => {
                        let message = "expected a teacher that shows the weight of its last linear layer, got its answers alone: give the model itself";
                        return Err(Error::config(name, message));
                    }
                    Some(_) => {}
                },
            }
        }
        for (name, loss) in &self.rows {
            if given.classes < loss.classes() {
                let message = format!("expected at least {} classes, got {}", loss.classes(), given.classes);
                return Err(Error::shape(*name, message));
            }
            loss.check(given).map_err(|error| error.at(name))?;
            if let Some(option) = loss.couples_rows().filter(|_| given.batch == Some(1)) {
                let message = "expected 0 beside a batchSize of 1, whose rows have none to be compared with, got more";
                return Err(Error::config(format!("{name}.{option}"), message));
            }
        }
        Ok(())
    }

    /// The denominators of an optimizer step, from all its micro-batches: they are known before the first
    /// gradient, so four micro-batches of 16 rows equal one batch of 64.
    pub fn denominators(&self, batches: &[&Batch]) -> Result<Denominators> {
        let mut denominators = vec![0.0; self.rows.len() + self.features.len()];
        for batch in batches {
            if let Some(weights) = &batch.row_weights
                && let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0))
            {
                let message = format!("expected a number of 0 or more in row {row}, got {}", weights[row]);
                return Err(Error::data("rowWeights", message));
            }
            let (of_rows, of_features) = denominators.split_at_mut(self.rows.len());
            for ((_, loss), sum) in self.rows.iter().zip(of_rows) {
                *sum += row_weights(loss.as_ref(), batch).sum::<f64>();
            }
            for (feature, sum) in self.features.iter().zip(of_features) {
                *sum += feature.row_weights(batch).iter().sum::<f64>();
            }
        }
        Ok(Denominators(denominators))
    }

    /// Values and gradient of one micro-batch.
    pub(crate) fn apply(&self, tape: &mut Tape, micro: &Micro) -> Result<Applied> {
        let Micro { student, teachers, batch, denominators, step, norms } = *micro;
        let logits = student.main.logits.tensor();
        let classes = logits.dims().last().copied().unwrap_or(0);
        let rows = logits.elem_count() / classes.max(1);
        if classes == 0 || rows != rows_of(batch) {
            let message = format!("expected {} rows of one or more classes, got {:?}", rows_of(batch), logits.dims());
            return Err(Error::shape("student.logits", message));
        }
        for teacher in teachers.iter().filter(|_| self.needs_teacher()) {
            let dims = teacher.target.dims()?;
            let any_width = !self.needs().iter().any(|(_, need)| need.is_of_classes());
            if dims.0 != rows || (dims.1 != classes && !any_width) {
                let message = format!("expected {rows} rows of {classes} classes, got {} of {}", dims.0, dims.1);
                return Err(Error::shape("teacher.logits", message));
            }
        }
        self.check_labels(batch, rows, classes)?;
        let mut terms = BTreeMap::new();
        let mut seeds = Vec::new();
        if !self.rows.is_empty() {
            let call = Call { losses: self, micro, rows, classes };
            let (gradient, swept) = if tape.takes(logits) { call.kernels(logits)? } else { call.references(logits)? };
            seeds.push((student.main.logits.clone(), gradient));
            for (number, (name, loss)) in self.rows.iter().enumerate() {
                let report = TermReport {
                    value: swept.values[number],
                    weight: loss.weight().at(step),
                    gradient_norm: norms.then(|| swept.squares[number].sqrt()),
                    no_rows: denominators.0[number] == 0.0,
                    details: BTreeMap::new(),
                };
                terms.insert(*name, report);
            }
        }
        for (feature, denominator) in self.features.iter().zip(&denominators.0[self.rows.len()..]) {
            let report = feature.apply(tape, micro, *denominator, &mut seeds)?;
            terms.insert(feature.name, report);
        }
        let total = terms.values().map(|term: &TermReport| term.weight * term.value).sum();
        Ok(Applied { seeds, terms, total })
    }

    /// Several labels or real numbers, where a loss compares with them.
    pub(super) fn targets<'b>(&self, batch: &'b Batch) -> Option<&'b Tensor> {
        let wanted = |need: Need| matches!(need, Need::SeveralLabels | Need::RealLabels);
        match &batch.labels {
            Labels::Several(targets) | Labels::Real(targets) => {
                self.needs().iter().any(|(_, need)| wanted(*need)).then_some(targets)
            }
            _ => None,
        }
    }

    /// A stream may give each batch other labels. One out of range would read past its row; rows that no loss
    /// looks at may have any, and losses over labels look at no row that has none.
    fn check_labels(&self, batch: &Batch, rows: usize, classes: usize) -> Result<()> {
        let got = batch.labels.kind();
        for (name, need) in self.needs() {
            if let Some(kind) = need.label_kind().filter(|kind| *kind != got) {
                let message = format!("expected {} for {name}, got {}{}", kind.words(), got.words(), got.remedy(kind));
                return Err(Error::data("labels", message));
            }
        }
        if let Some(targets) = self.targets(batch)
            && targets.elem_count() != rows * classes
        {
            let message = format!("expected {rows} rows of {classes} numbers, got the shape {:?}", targets.dims());
            return Err(Error::shape("labels", message));
        }
        let Labels::Single(labels) = &batch.labels else { return Ok(()) };
        if labels.len() != rows {
            return Err(Error::shape("labels", format!("expected {rows} labels, one a row, got {}", labels.len())));
        }
        for (row, label) in labels.iter().enumerate() {
            if *label as usize >= classes
                && *label != UNLABELLED
                && batch.row_weights.as_ref().is_none_or(|weights| weights[row] != 0.0)
            {
                let message = format!("expected a class from 0 to {}, got {label} in row {row}", classes - 1);
                return Err(Error::data("labels", message));
            }
        }
        Ok(())
    }
}
