//! All configured losses together: checked once, applied to each micro-batch of a step.

use std::collections::{BTreeMap, BTreeSet};

use super::call::Call;
use super::features::{self, Feature};
use super::loss::{AnyRow, Chosen};
use super::micro::Micro;
use super::need::{Need, Needs};
use super::rows::{row_weights, rows_of, sample_weights};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::labels::Labels;
use crate::layers::Spec;
use crate::models::Network;
use crate::numbers::{Denominators, TermReport};
use crate::schedule::Scheduled;
use crate::tape::{Tape, Value};
use crate::tensor::Tensor;

/// The losses of a run. The total is Σ weight · loss.
pub struct Losses {
    pub(super) rows: Vec<Chosen<AnyRow>>,
    pub(super) features: Vec<Feature>,
}

/// The result of one micro-batch.
pub struct Applied {
    /// Where the backward pass starts: values, and the gradient at each.
    pub seeds: Vec<(Value, Tensor)>,
    pub terms: BTreeMap<&'static str, TermReport>,
    /// Σ weight · value over the terms.
    pub total: f64,
}

impl Losses {
    /// Rejects invalid options; paths start at the key of the loss. `known` lists all keys.
    pub(super) fn of(rows: Vec<Chosen<AnyRow>>, features: Vec<Feature>, known: &[&str]) -> Result<Losses> {
        let losses = Losses { rows, features };
        for (name, weight) in losses.weights() {
            let checked = weight.validate("weight", "a finite number of at least 0", |weight| weight >= 0.0);
            checked.map_err(|error| error.at(name))?;
        }
        for row in &losses.rows {
            let positive = |temperature: f64| temperature > 0.0;
            let temperature = row.loss.temperature();
            let checked = temperature.map_or(Ok(()), |t| t.validate("temperature", "a number above 0", positive));
            checked.and_then(|()| row.loss.row().validate()).map_err(|error| error.at(row.name))?;
        }
        for feature in &losses.features {
            feature.loss.validate().map_err(|error| error.at(feature.name))?;
        }
        if !losses.weights().any(|(_, weight)| weight.ever_positive()) {
            let known = known.join(", ");
            let message =
                format!("expected at least one loss with a weight above 0 (the losses are {known}), got none");
            return Err(Error::config("", message));
        }
        Ok(losses)
    }

    fn weights(&self) -> impl Iterator<Item = (&'static str, &Scheduled)> {
        let rows = self.rows.iter().map(|row| (row.name, &row.weight));
        rows.chain(self.features.iter().map(|feature| (feature.name, &feature.weight)))
    }

    /// The needs of each loss, with its name.
    pub(super) fn all_needs(&self) -> impl Iterator<Item = (&'static str, Needs)> {
        let rows = self.rows.iter().map(|row| (row.name, row.needs));
        rows.chain(self.features.iter().map(|feature| (feature.name, feature.needs)))
    }

    /// The needs of all losses together.
    fn union(&self) -> Needs {
        self.all_needs().fold(Needs::default(), |all, (_, needs)| all.union(needs))
    }

    /// Each need of each loss, with the name of the loss.
    pub fn needs(&self) -> Vec<(&'static str, Need)> {
        self.all_needs().flat_map(|(name, needs)| needs.iter().map(move |need| (name, need))).collect()
    }

    /// Finds the layers that the losses read, and rejects layers that cannot be compared. A teacher without a network
    /// provides only logits.
    pub fn fit(&mut self, student: &Network, teacher: Option<&Network>) -> Result<()> {
        for feature in &mut self.features {
            feature.fit(student, teacher, student.classes()).map_err(|error| error.at(feature.name))?;
        }
        Ok(())
    }

    /// Whether any loss compares layers, or outputs as vectors.
    pub fn has_features(&self) -> bool {
        !self.features.is_empty()
    }

    /// Makes every loss over features compare the layer of this name in student and teacher, for callers without
    /// models. `student` and `teacher` are the shapes of one sample at that layer. Returns the names of the losses' own
    /// parameters.
    #[doc(hidden)]
    pub fn place(&mut self, layer: &str, student: &[usize], teacher: &[usize]) -> Result<Vec<String>> {
        let pair = features::LayerPair { student: layer.into(), teacher: layer.into() };
        self.features.iter_mut().try_for_each(|feature| feature.place(0, pair.clone(), student, teacher))?;
        Ok(self.specs().into_iter().map(|spec| spec.name).collect())
    }

    /// Whether every loss with a weight above 0 needs labels, so that a row without a label does not change the
    /// student.
    pub(crate) fn needs_labels_in_each(&self) -> bool {
        self.weights()
            .zip(self.all_needs())
            .all(|((_, weight), (_, needs))| !weight.ever_positive() || needs.labelled())
    }

    /// Whether a class of the student is compared with the same class of the teacher.
    pub(crate) fn compares_classes(&self) -> bool {
        self.rows.iter().any(|row| row.needs.any(&[Need::Teacher, Need::TeacherLogits, Need::TeacherTop]))
    }

    /// Whether every row needs a partner of another class.
    pub fn needs_pairs(&self) -> bool {
        self.union().has(Need::Pair)
    }

    /// The layers of the student that the losses read.
    pub(crate) fn student_layers(&self) -> BTreeSet<String> {
        features::names(&self.features, Feature::student_layers)
    }

    pub(crate) fn teacher_layers(&self) -> BTreeSet<String> {
        features::names(&self.features, Feature::teacher_layers)
    }

    /// The losses' own parameters (projections): they are trained together with the student's, but are not part of the
    /// student.
    pub(crate) fn specs(&self) -> Vec<Spec> {
        self.features.iter().flat_map(Feature::parameters).collect()
    }

    /// Whether any loss compares with a teacher.
    pub fn needs_teacher(&self) -> bool {
        self.union().teacher()
    }

    /// Losses whose weight is 0 at every step.
    pub fn without_weight(&self) -> Vec<&'static str> {
        self.weights().filter(|(_, weight)| !weight.ever_positive()).map(|(name, _)| name).collect()
    }

    /// Computes the denominators of an optimizer step from all its micro-batches, before the first gradient. Therefore
    /// four micro-batches of 16 rows equal one batch of 64.
    pub fn denominators(&self, batches: &[&Batch]) -> Result<Denominators> {
        let mut denominators = vec![0.0; self.rows.len() + self.features.len()];
        for batch in batches {
            if let Some(weights) = &batch.row_weights
                && let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0))
            {
                let message = format!("expected a number of at least 0 in row {row}, got {}", weights[row]);
                return Err(Error::data("rowWeights", message));
            }
            let (of_rows, of_features) = denominators.split_at_mut(self.rows.len());
            for (row, sum) in self.rows.iter().zip(of_rows) {
                *sum += row_weights(row.needs, row.loss.row(), batch).sum::<f64>();
            }
            for (feature, sum) in self.features.iter().zip(of_features) {
                *sum += sample_weights(feature.needs, batch)?.iter().sum::<f64>();
            }
        }
        Ok(Denominators(denominators))
    }

    /// Values and gradient of one micro-batch.
    pub fn apply(&self, tape: &mut Tape, micro: &Micro) -> Result<Applied> {
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
            let any_width = !self.union().classes();
            if dims.0 != rows || (dims.1 != classes && !any_width) {
                let message = format!("expected {rows} rows of {classes} classes, got {} of {}", dims.0, dims.1);
                return Err(Error::shape("teacher.logits", message));
            }
        }
        self.check_forms(teachers)?;
        self.check_labels(batch, classes)?;
        let mut terms = BTreeMap::new();
        let mut seeds = Vec::new();
        if !self.rows.is_empty() {
            let call = Call { losses: &self.rows, targets: self.targets(batch), micro, rows, classes };
            let (gradient, swept) = if tape.takes(logits) { call.kernels(logits)? } else { call.references(logits)? };
            seeds.push((student.main.logits.clone(), gradient));
            for (number, row) in self.rows.iter().enumerate() {
                let report = TermReport {
                    value: swept.values[number],
                    weight: row.weight.at(step),
                    gradient_norm: norms.then(|| swept.squares[number].sqrt()),
                    no_rows: denominators.0[number] == 0.0,
                    details: BTreeMap::new(),
                };
                terms.insert(row.name, report);
            }
        }
        for (feature, denominator) in self.features.iter().zip(&denominators.0[self.rows.len()..]) {
            let report = feature.apply(tape, micro, *denominator, &mut seeds)?;
            terms.insert(feature.name, report);
        }
        let total = terms.values().map(|term: &TermReport| term.weight * term.value).sum();
        Ok(Applied { seeds, terms, total })
    }

    /// The labels as numbers, if a loss compares with them.
    pub(super) fn targets<'b>(&self, batch: &'b Batch) -> Option<&'b Tensor> {
        match &batch.labels {
            Labels::Several(targets) | Labels::Probabilities(targets) | Labels::Real(targets) => {
                self.union().targets().then_some(targets)
            }
            _ => None,
        }
    }
}
