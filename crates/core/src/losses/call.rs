//! One call of `Losses::apply`: the row engine where it takes the logits, else each loss's reference.

use std::collections::BTreeMap;

use super::Losses;
use super::loss::{Need, RowLoss};
use super::micro::Micro;
use super::reference::Reference;
use super::sweep::{self, Ask, Rows, Swept, Term};
use crate::batch::Batch;
use crate::error::{Candle, Code, Error, Result};
use crate::labels::Labels;
use crate::targets::{Source, Target};
use crate::tensor::{self, DType, Tensor};

/// The rows of a batch: of a sequence model every token is one.
pub(super) fn rows_of(batch: &Batch) -> usize {
    match (&batch.row_weights, &batch.labels) {
        (Some(weights), _) => weights.len(),
        (None, Labels::Single(labels)) => labels.len(),
        _ => batch.rows(),
    }
}

/// What each row of a batch counts in this loss: nothing where the loss needs a label that the row does not have.
pub(super) fn row_weights<'b>(loss: &'b dyn RowLoss, batch: &'b Batch) -> impl Iterator<Item = f64> + 'b {
    let labelled = loss.needs().into_iter().any(Need::is_of_labelled);
    let labels = match &batch.labels {
        Labels::Single(labels) => Some(labels),
        _ => None,
    };
    (0..rows_of(batch)).map(move |row| match labelled && !batch.labels.known(row) {
        true => 0.0,
        false => {
            let own = batch.row_weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
            own * loss.row_weight(labels.and_then(|labels| labels.get(row).copied()))
        }
    })
}

/// One call of `apply`, its shapes checked.
pub(super) struct Call<'c> {
    pub losses: &'c Losses,
    pub micro: &'c Micro<'c>,
    pub rows: usize,
    pub classes: usize,
}

impl<'c> Call<'c> {
    /// Each loss, and where it compares with a teacher each teacher and its share.
    fn pairs(&self) -> Vec<(usize, Option<usize>, f64)> {
        let mut pairs = Vec::new();
        for (number, (_, loss)) in self.losses.rows.iter().enumerate() {
            if loss.needs().iter().any(|need| need.is_teacher()) {
                pairs.extend(
                    self.micro.teachers.iter().enumerate().map(|(at, teacher)| (number, Some(at), teacher.weight)),
                );
            } else {
                pairs.push((number, None, 1.0));
            }
        }
        pairs
    }

    fn row_weights(&self, loss: usize) -> Vec<f64> {
        row_weights(self.losses.rows[loss].1.as_ref(), self.micro.batch).collect()
    }

    fn labels(&self) -> Option<&'c [u32]> {
        match &self.micro.batch.labels {
            Labels::Single(labels) => Some(labels),
            _ => None,
        }
    }

    /// The temperature at which a loss that reads logits needs a mixture's.
    fn mixed(&self, number: usize, teacher: Option<usize>) -> Result<Option<f64>> {
        let (name, loss) = &self.losses.rows[number];
        let is_mixture = teacher.is_some_and(|at| matches!(self.micro.teachers[at].target, Target::Mixture(_)));
        if !is_mixture || !loss.needs().iter().any(|need| need.is_dense()) {
            return Ok(None);
        }
        let temperature = loss.mixed_temperature(self.micro.step).ok_or_else(|| {
            let message = "expected teachers whose losses are added, got teachers mixed as probabilities, which have no logits to compare with";
            Error::config(*name, message)
        })?;
        Ok(Some(temperature))
    }

    pub fn kernels(&self, logits: &Tensor) -> Result<(Tensor, Swept)> {
        let plain =
            |tensor: &Tensor| tensor.to_dtype(DType::F32).and_then(|tensor| tensor.contiguous()).ok_or_internal();
        // Each teacher's dense logits, and the number of its first among all.
        let (mut dense, mut firsts) = (Vec::new(), Vec::new());
        for teacher in self.micro.teachers {
            firsts.push(dense.len());
            for tensor in teacher.target.dense() {
                dense.push(plain(tensor)?);
            }
        }
        // Of each pair of a loss and a teacher whose distributions are mixed, the mixture's logits.
        let mut mixed: BTreeMap<(usize, u64), usize> = BTreeMap::new();
        for (number, teacher, _) in self.pairs() {
            if let Some((at, temperature)) = teacher.zip(self.mixed(number, teacher)?)
                && !mixed.contains_key(&(at, temperature.to_bits()))
                && let Some(logits) = self.micro.teachers[at].target.logits_at(temperature)?
            {
                mixed.insert((at, temperature.to_bits()), dense.len());
                dense.push(plain(&logits)?);
            }
        }
        let targets = self.losses.targets(self.micro.batch).map(plain).transpose()?;
        let guards = dense.iter().map(tensor::read::<f32>).collect::<Result<Vec<_>>>()?;
        let target_guard = targets.as_ref().map(tensor::read::<f32>).transpose()?;
        let student = tensor::read::<f32>(logits)?;
        let rows = Rows {
            classes: self.classes,
            student: &student,
            teachers: guards.iter().map(|guard| &**guard).collect(),
            targets: target_guard.as_deref().unwrap_or(&[]),
            labels: self.labels(),
        };
        let (mut ask, mut terms) = (Ask::default(), Vec::new());
        for (number, teacher, share) in self.pairs() {
            let loss = &self.losses.rows[number].1;
            let temperature = self.mixed(number, teacher)?;
            let source = teacher.map(|at| Source {
                target: &self.micro.teachers[at].target,
                teacher: temperature.map_or(firsts[at], |temperature| mixed[&(at, temperature.to_bits())]),
                head: self.micro.teachers[at].head_weight.as_ref(),
                labels: self.labels(),
                classes: self.classes,
            });
            let weights = self.row_weights(number);
            terms.push(Term {
                loss: loss.begin(self.micro.step, source, &mut ask)?,
                name: self.losses.rows[number].0,
                group: number,
                weight: loss.weight().at(self.micro.step),
                share,
                row_weights: weights.iter().any(|weight| *weight != 1.0).then_some(weights),
                denominator: self.micro.denominators.0[number],
            });
        }
        for term in &mut terms {
            term.loss.look(&rows, term.row_weights.as_deref())?;
        }
        let mut gradient = tensor::uninit(student.len());
        let swept = sweep::sweep(ask, &terms, self.losses.rows.len(), &rows, &mut gradient, self.micro.norms)?;
        Ok((tensor::from_vec(gradient, logits.dims())?, swept))
    }

    /// Names the first number that is not finite in a row that counts; -∞ may mask a class.
    fn finite(&self, logits: &Tensor, path: &str, masks: bool) -> Result<()> {
        let all = tensor::to_f64(logits)?;
        let counts = |row: usize| self.micro.batch.row_weights.as_ref().is_none_or(|weights| weights[row] != 0.0);
        let good = |x: f64| x.is_finite() || (masks && x == f64::NEG_INFINITY);
        let classes = all.len() / self.rows.max(1);
        let masked = |row: &[f64]| row.iter().all(|x| *x == f64::NEG_INFINITY);
        if let Some(row) = (0..self.rows).find(|row| masked(&all[row * classes..(row + 1) * classes]) && counts(*row))
            && masks
        {
            let message = format!("expected one class that is not masked, got -∞ for all of row {row}");
            return Err(Error::new(Code::NotFinite, path, message));
        }
        match (0..all.len()).find(|at| !good(all[*at]) && counts(at / classes)) {
            None => Ok(()),
            Some(at) => {
                let (row, class) = (at / classes, at % classes);
                let message = format!("expected finite numbers, got {} in row {row}, class {class}", all[at]);
                Err(Error::new(Code::NotFinite, path, message))
            }
        }
    }

    pub fn references(&self, logits: &Tensor) -> Result<(Tensor, Swept)> {
        let student = logits.reshape((self.rows, self.classes)).ok_or_internal()?;
        let alike = |targets: &Tensor| targets.reshape(student.dims())?.to_dtype(student.dtype());
        let targets = self.losses.targets(self.micro.batch).map(alike).transpose().ok_or_internal()?;
        let weights = |row: usize| self.micro.batch.row_weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
        let weights = (0..self.rows).map(weights).collect();
        let reference = Reference { student, targets, labels: self.labels().map(<[u32]>::to_vec), weights };
        self.finite(&reference.student, "student.logits", false)?;
        for logits in self.micro.teachers.iter().flat_map(|teacher| teacher.target.dense()) {
            self.finite(logits, "teacher.logits", true)?;
        }
        let count = self.losses.rows.len();
        let mut swept = Swept { values: vec![0.0; count], squares: vec![0.0; count] };
        let mut gradients: Vec<Option<Tensor>> = vec![None; count];
        for (number, teacher, share) in self.pairs() {
            let loss = &self.losses.rows[number].1;
            let mut target = teacher.map(|at| self.micro.teachers[at].clone());
            if let Some((target, temperature)) = target.as_mut().zip(self.mixed(number, teacher)?)
                && let Some(logits) = target.target.logits_at(temperature)?
            {
                target.target = Target::Logits(logits);
            }
            let (values, gradient) = loss.reference(self.micro.step, &reference, target.as_ref())?;
            let denominator = self.micro.denominators.0[number];
            let by_row = |weight: f64| if denominator == 0.0 { 0.0 } else { share * weight / denominator };
            let weights: Vec<f64> = self.row_weights(number).into_iter().map(by_row).collect();
            for (row, (value, weight)) in tensor::to_f64(&values)?.iter().zip(&weights).enumerate() {
                if *weight != 0.0 {
                    if !value.is_finite() {
                        let message = format!("expected a finite loss, got {value} in row {row}");
                        return Err(Error::new(Code::NotFinite, self.losses.rows[number].0, message));
                    }
                    swept.values[number] += value * weight;
                }
            }
            let weight = loss.weight().at(self.micro.step);
            let scales: Vec<f64> = weights.iter().map(|row| row * weight).collect();
            let inner = || {
                let scales = Tensor::from_vec(scales, (self.rows, 1), gradient.device())?.to_dtype(gradient.dtype())?;
                let scales = scales.broadcast_as(gradient.shape())?;
                let open = scales.ne(&scales.zeros_like()?)?;
                let scaled = open.where_cond(&(gradient * scales)?, &reference.student.zeros_like()?)?;
                match &gradients[number] {
                    Some(sum) => sum + scaled,
                    None => Ok(scaled),
                }
            };
            gradients[number] = Some(inner().ok_or_internal()?);
        }
        let mut total = reference.student.zeros_like().ok_or_internal()?;
        for (gradient, square) in gradients.into_iter().zip(&mut swept.squares) {
            if let Some(gradient) = gradient {
                *square = tensor::to_f64(&gradient)?.iter().map(|x| x * x).sum();
                total = (total + gradient).ok_or_internal()?;
            }
        }
        Ok((total.reshape(logits.dims()).ok_or_internal()?, swept))
    }
}
