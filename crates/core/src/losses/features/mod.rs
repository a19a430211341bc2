//! Losses that compare tensors of the student (outputs, embeddings, hidden layers) with the teacher's.
//!
//! ```text
//! value = Σ_r w_r ℓ_r / Σ_r w_r        ℓ_r what row r adds, w_r its weight; rows of weight 0 take no part at all
//! ```
//!
//! `loss.rs` is what such a loss implements, `layers.rs` where it looks, `projection.rs` what makes unequal widths
//! comparable, `array.rs` the numbers that it gets, `vectors.rs` and `margin.rs` what several of them do with them. This
//! file brings them together. The gradient is made in the forward pass, by the formula in the loss's own file, and joins
//! the backward pass at the layer that was looked at.

mod array;
mod layers;
mod loss;
mod margin;
mod projection;
mod vectors;

pub use layers::Layers;

pub(crate) use array::{Apart, Array, Float};
pub(crate) use layers::{feature_maps, same_shape};
pub(crate) use loss::{Compare, Compared, Comparison, FeatureLoss, Place, of_options};
pub(crate) use margin::{EPSILON, distance, five, margin, pull};
pub(crate) use vectors::{NARROW, ROWS, SHORTEST, Units, dot, gram_back, smooth_l1, width_of};

use std::collections::{BTreeMap, BTreeSet};

use super::loss::Need;
use super::micro::Micro;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::layers::Spec;
use crate::models::Network;
use crate::numbers::TermReport;
use crate::outputs::Outputs;
use crate::tape::{Tape, Value};
use crate::targets::{Target, Teacher};
use crate::tensor::{DType, Tensor, read};
pub(crate) use layers::{LOGITS, LayerPair};
use projection::Projection;

/// A configured loss and, once the models are known, where it looks.
pub(crate) struct Feature {
    pub name: &'static str,
    pub loss: Box<dyn FeatureLoss>,
    places: Vec<(LayerPair, Option<Projection>)>,
}

impl Feature {
    pub fn new(name: &'static str, loss: Box<dyn FeatureLoss>) -> Feature {
        Feature { name, loss, places: Vec::new() }
    }

    /// Finds the layers and refuses shapes that cannot be compared. A teacher without a network gives logits of
    /// `classes` alone.
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

    /// Looks at nothing again.
    pub fn forget(&mut self) {
        self.places.clear();
    }

    /// Looks at one more pair of layers, of these shapes of one sample.
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

    /// The tensors that this loss trains beside the student's.
    pub fn parameters(&self) -> Vec<Spec> {
        self.places.iter().filter_map(|(_, projection)| projection.as_ref().map(Projection::spec)).collect()
    }

    pub fn student_layers(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|(pair, _)| pair.student.as_str()).filter(|name| *name != LOGITS)
    }

    pub fn teacher_layers(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|(pair, _)| pair.teacher.as_str()).filter(|name| *name != LOGITS)
    }

    /// What a sample's weight is: nothing where the loss needs a label that the sample does not have.
    pub fn row_weights(&self, batch: &Batch) -> Vec<f64> {
        let given = batch.row_weights.as_ref().filter(|weights| weights.len() == batch.rows());
        let labelled = self.loss.needs().into_iter().any(Need::is_of_labelled);
        let weight = |row: usize| match labelled && !batch.labels.known(row) {
            true => 0.0,
            false => given.map_or(1.0, |weights| f64::from(weights[row])),
        };
        (0..batch.rows()).map(weight).collect()
    }

    /// Value, and seeds of the backward pass, of one micro-batch.
    pub fn apply(
        &self,
        tape: &mut Tape,
        micro: &Micro,
        denominator: f64,
        seeds: &mut Vec<(Value, Tensor)>,
    ) -> Result<TermReport> {
        let (weight, norms) = (self.loss.weight().at(micro.step), micro.norms);
        let gradient_norm = norms.then_some(0.0);
        let mut report = TermReport { value: 0.0, weight, gradient_norm, no_rows: true, details: BTreeMap::new() };
        if denominator == 0.0 {
            return Ok(report);
        }
        report.no_rows = false;
        let weights = self.row_weights(micro.batch);
        let rows: Vec<usize> = (0..weights.len()).filter(|row| weights[*row] != 0.0).collect();
        let mut square = 0.0;
        for teacher in micro.teachers {
            let shares: Vec<f64> = rows.iter().map(|row| teacher.weight * weights[*row] / denominator).collect();
            let all = weights.len();
            let call = Call { feature: self, micro, teacher, rows: &rows, all, shares, weight };
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

/// One loss against one teacher.
struct Call<'c> {
    feature: &'c Feature,
    micro: &'c Micro<'c>,
    teacher: &'c Teacher,
    /// The rows that count, of `all`.
    rows: &'c [usize],
    all: usize,
    /// Of each row that counts: its share of the value.
    shares: Vec<f64>,
    weight: f64,
}

/// Value, squares of the gradient (0 where nobody asked), and what else the loss counts.
type Sums = (f64, f64, Vec<(&'static str, f64)>);

impl Call<'_> {
    fn run<F: FloatLoss>(&self, tape: &mut Tape, seeds: &mut Vec<(Value, Tensor)>) -> Result<Sums> {
        let (mut tensors, mut values) = (Vec::new(), Vec::new());
        for (pair, projection) in &self.feature.places {
            let own = self.own(tape, self.micro.student.main, pair, projection.as_ref())?;
            let second = match self.micro.student.pair {
                Some(outputs) if self.feature.loss.pairs() => {
                    Some(self.own(tape, outputs, pair, projection.as_ref())?)
                }
                _ => None,
            };
            tensors.push(array::dense::<F>(own.tensor())?);
            tensors.push(array::dense::<F>(&self.other(pair, projection.as_ref())?)?);
            tensors.extend(second.as_ref().map(|second| array::dense::<F>(second.tensor())).transpose()?);
            values.push((own, second));
        }
        let numbers = tensors.iter().map(read::<F>).collect::<Result<Vec<_>>>()?;
        let arrays = numbers.iter().zip(&tensors);
        let mut arrays = arrays.map(|(numbers, tensor)| Array::of_rows(numbers, tensor.dims(), self.rows, self.all));
        let mut next = || arrays.next().unwrap_or_else(|| Err(Error::internal("a place without its tensors")));
        let mut places = Vec::new();
        for (_, second) in &values {
            let (student, teacher) = (next()?, next()?);
            places.push(Place { student, teacher, pair: second.as_ref().map(|_| next()).transpose()? });
        }
        let labels = match &self.micro.batch.labels {
            crate::labels::Labels::Single(labels) => self.rows.iter().map(|row| labels[*row]).collect(),
            _ => Vec::new(),
        };
        let scales: Vec<f64> = self.shares.iter().map(|share| share * self.weight).collect();
        let compared = Compared { places, labels, scales };
        let comparison =
            F::compare(self.feature.loss.as_ref(), &compared).map_err(|error| error.at(self.feature.name))?;
        if let Some(at) = comparison.values.iter().position(|value| !value.is_finite()) {
            let message = format!("expected a finite loss, got {} in row {}", comparison.values[at], self.rows[at]);
            return Err(Error::new(crate::error::Code::NotFinite, self.feature.name, message));
        }
        let of_rows = |each: &[f64]| each.iter().zip(&self.shares).map(|(each, share)| each * share).sum::<f64>();
        let mut squares = 0.0;
        let pairs = comparison.pair.into_iter().map(Some).chain(std::iter::repeat(None));
        for (((own, second), gradient), of_pair) in values.into_iter().zip(comparison.student).zip(pairs) {
            for (value, gradient) in [(Some(own), Some(gradient)), (second, of_pair)] {
                let (Some(value), Some(gradient)) = (value, gradient) else { continue };
                if self.micro.norms {
                    squares += dot(&gradient, &gradient);
                }
                let gradient = array::scatter(gradient, self.rows, value.dims())?;
                seeds.push((value, gradient));
            }
        }
        let details = comparison.details.iter().map(|(name, each)| (*name, of_rows(each))).collect();
        Ok((of_rows(&comparison.values), squares, details))
    }

    fn own(
        &self,
        tape: &mut Tape,
        outputs: &Outputs,
        pair: &LayerPair,
        projection: Option<&Projection>,
    ) -> Result<Value> {
        let value = outputs.at(&pair.student).ok_or_else(|| Error::internal(format!("no layer {}", pair.student)))?;
        match projection {
            Some(projection) => projection.apply(tape, value, self.micro.student.parameters),
            None => Ok(value.clone()),
        }
    }

    fn other(&self, pair: &LayerPair, projection: Option<&Projection>) -> Result<Tensor> {
        let tensor = match self.teacher.hidden.get(&pair.teacher) {
            Some(tensor) => tensor,
            None => match &self.teacher.target {
                Target::Logits(logits) if pair.teacher == LOGITS => logits,
                _ => {
                    let message =
                        format!("expected a teacher that gives {} of each row, got other answers", pair.teacher);
                    return Err(Error::config(self.feature.name, message));
                }
            },
        };
        projection.map_or_else(|| Ok(tensor.clone()), |projection| projection.align(tensor))
    }
}

/// The float types that a loss compares in.
pub(crate) trait FloatLoss: Float {
    fn compare(loss: &dyn FeatureLoss, compared: &Compared<Self>) -> Result<Comparison<Self>>;
}

impl FloatLoss for f32 {
    fn compare(loss: &dyn FeatureLoss, compared: &Compared<f32>) -> Result<Comparison<f32>> {
        loss.compare_single(compared)
    }
}

impl FloatLoss for f64 {
    fn compare(loss: &dyn FeatureLoss, compared: &Compared<f64>) -> Result<Comparison<f64>> {
        loss.compare_double(compared)
    }
}

/// The names that all of some losses ask for.
pub(crate) fn names<'f, I: Iterator<Item = &'f str>>(
    features: &'f [Feature],
    of: impl Fn(&'f Feature) -> I,
) -> BTreeSet<String> {
    features.iter().flat_map(of).map(str::to_string).collect()
}
