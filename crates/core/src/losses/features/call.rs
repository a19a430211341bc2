//! One loss over features against one teacher, in one micro-batch.

use super::array::{self, Array, Float};
use super::layers::{LOGITS, LayerPair};
use super::loss::{Compared, Comparison, FeatureLoss, Place};
use super::projection::Projection;
use super::vectors::dot;
use crate::error::{Code, Error, Result};
use crate::losses::micro::Micro;
use crate::losses::need::{Need, Needs};
use crate::losses::rows::classes_of;
use crate::outputs::Outputs;
use crate::tape::{Tape, Value};
use crate::targets::{Signal, Target};
use crate::tensor::{Tensor, read};

/// One loss against one teacher.
pub(super) struct Call<'c> {
    pub name: &'static str,
    pub loss: &'c dyn FeatureLoss,
    pub needs: Needs,
    /// The layers that are compared, and the projection of the student's width to the teacher's.
    pub places: &'c [(LayerPair, Option<Projection>)],
    pub micro: &'c Micro<'c>,
    pub teacher: &'c Signal,
    /// The rows with a weight other than 0, out of `all` rows.
    pub rows: &'c [usize],
    pub all: usize,
    /// The share of each of these rows in the value.
    pub shares: Vec<f64>,
    pub weight: f64,
}

/// The value, the squared norm of the gradient (0 if not measured), and the further numbers that the loss reports.
pub(super) type Sums = (f64, f64, Vec<(&'static str, f64)>);

impl Call<'_> {
    pub fn run<F: FloatLoss>(&self, tape: &mut Tape, seeds: &mut Vec<(Value, Tensor)>) -> Result<Sums> {
        let (mut tensors, mut values) = (Vec::new(), Vec::new());
        for (pair, projection) in self.places {
            let own = self.own(tape, self.micro.student.main, pair, projection.as_ref())?;
            let second = match self.micro.student.pair {
                Some(outputs) if self.needs.has(Need::Pair) => {
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
        let labels = classes_of(self.micro.batch);
        let labels = labels.map_or(Vec::new(), |labels| self.rows.iter().map(|row| labels[*row]).collect());
        let scales: Vec<f64> = self.shares.iter().map(|share| share * self.weight).collect();
        let compared = Compared { places, labels, scales };
        let comparison = F::compare(self.loss, &compared).map_err(|error| error.at(self.name))?;
        if let Some(at) = comparison.values.iter().position(|value| !value.is_finite()) {
            let message = format!("expected a finite loss, got {} in row {}", comparison.values[at], self.rows[at]);
            return Err(Error::new(Code::NotFinite, self.name, message));
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
                    let message = format!("expected a teacher with the layer {}, got one without", pair.teacher);
                    return Err(Error::config(self.name, message));
                }
            },
        };
        projection.map_or_else(|| Ok(tensor.clone()), |projection| projection.align(tensor))
    }
}

/// The float types in which a loss compares.
pub(super) trait FloatLoss: Float {
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
