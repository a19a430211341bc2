//! A loss over features in a run, with the layers that it compares once the models are known.

use std::collections::{BTreeMap, BTreeSet};

use super::call::Call;
use super::layers::{self, LOGITS, LayerPair};
use super::loss::FeatureLoss;
use super::projection::Projection;
use crate::error::{Error, Result};
use crate::layers::Spec;
use crate::losses::micro::Micro;
use crate::losses::need::Needs;
use crate::losses::rows::sample_weights;
use crate::models::Network;
use crate::numbers::TermReport;
use crate::schedule::Scheduled;
use crate::tape::{Tape, Value};
use crate::tensor::{DType, Tensor};

/// A configured loss and, once the models are known, the layers that it compares.
pub(crate) struct Feature {
    /// Its key in `losses`.
    pub name: &'static str,
    pub weight: Scheduled,
    pub needs: Needs,
    pub loss: Box<dyn FeatureLoss>,
    places: Vec<(LayerPair, Option<Projection>)>,
}

impl Feature {
    pub fn new(name: &'static str, weight: Scheduled, loss: Box<dyn FeatureLoss>) -> Feature {
        Feature { name, weight, needs: loss.needs(), loss, places: Vec::new() }
    }

    /// Finds the layers and rejects shapes that cannot be compared. A teacher without a network provides only logits of
    /// `classes`.
    pub fn fit(&mut self, student: &Network, teacher: Option<&Network>, classes: usize) -> Result<()> {
        self.forget();
        for (number, pair) in self.loss.layers().pairs(student, teacher)?.into_iter().enumerate() {
            let own = layers::shape(student, &pair.student).map_err(|error| error.at("layers"))?;
            let other = match teacher {
                Some(teacher) => layers::shape(teacher, &pair.teacher).map_err(|error| error.at("layers"))?,
                None => vec![classes],
            };
            self.place(number, pair, &own, &other)?;
        }
        Ok(())
    }

    /// Forgets the layers that it compares.
    pub fn forget(&mut self) {
        self.places.clear();
    }

    /// Adds a pair of layers to compare; `own` and `other` are the shapes of one sample.
    pub fn place(&mut self, number: usize, pair: LayerPair, own: &[usize], other: &[usize]) -> Result<()> {
        let (projection, own, other) = match self.loss.projects() {
            true => {
                let (projection, own, other) =
                    Projection::new(format!("{}.{number}.projection", self.name), own, other)?;
                (Some(projection), own, other)
            }
            false => (None, own.to_vec(), other.to_vec()),
        };
        self.loss.check(&own, &other).map_err(|error| {
            let at = format!("{} of the student, {} of the teacher", pair.student, pair.teacher);
            Error { message: format!("{} ({at})", error.message), ..error }
        })?;
        self.places.push((pair, projection));
        Ok(())
    }

    /// The tensors that this loss trains in addition to the student's.
    pub fn parameters(&self) -> Vec<Spec> {
        self.places.iter().filter_map(|(_, projection)| projection.as_ref().map(Projection::spec)).collect()
    }

    pub fn student_layers(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|(pair, _)| pair.student.as_str()).filter(|name| *name != LOGITS)
    }

    pub fn teacher_layers(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|(pair, _)| pair.teacher.as_str()).filter(|name| *name != LOGITS)
    }

    /// The value of one micro-batch; adds to the seeds of the backward pass.
    pub fn apply(
        &self,
        tape: &mut Tape,
        micro: &Micro,
        denominator: f64,
        seeds: &mut Vec<(Value, Tensor)>,
    ) -> Result<TermReport> {
        let (weight, norms) = (self.weight.at(micro.step), micro.norms);
        let gradient_norm = norms.then_some(0.0);
        let mut report = TermReport { value: 0.0, weight, gradient_norm, no_rows: true, details: BTreeMap::new() };
        if denominator == 0.0 {
            return Ok(report);
        }
        report.no_rows = false;
        let weights = sample_weights(self.needs, micro.batch)?;
        let rows: Vec<usize> = (0..weights.len()).filter(|row| weights[*row] != 0.0).collect();
        let mut square = 0.0;
        for teacher in micro.teachers {
            let shares: Vec<f64> = rows.iter().map(|row| teacher.weight * weights[*row] / denominator).collect();
            let all = weights.len();
            let (places, loss, needs) = (&self.places, self.loss.as_ref(), self.needs);
            let call = Call { name: self.name, loss, needs, places, micro, teacher, rows: &rows, all, shares, weight };
            let dtype = micro.student.main.logits.tensor().dtype();
            let result = if dtype == DType::F64 { call.run::<f64>(tape, seeds) } else { call.run::<f32>(tape, seeds) };
            let (value, squares, details) = result?;
            report.value += value;
            square += squares;
            for (name, share) in details {
                *report.details.entry(name).or_default() += share;
            }
        }
        report.gradient_norm = norms.then(|| square.sqrt());
        Ok(report)
    }
}

/// The names that any of these losses requests.
pub(crate) fn names<'f, I: Iterator<Item = &'f str>>(
    features: &'f [Feature],
    of: impl Fn(&'f Feature) -> I,
) -> BTreeSet<String> {
    features.iter().flat_map(of).map(str::to_string).collect()
}
