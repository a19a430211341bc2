//! One call of `Losses::apply`: it uses the row engine if that accepts the logits, otherwise the reference of each
//! loss.

use std::collections::BTreeMap;

use super::loss::{AnyRow, Chosen, OfLabels, OfTeacher};
use super::micro::Micro;
use super::reference::{Plain, Reference};
use super::rows::{classes_of, row_weights};
use super::sweep::{Ask, Rows, Sweep, Swept, Term, check_finite, check_teacher};
use crate::error::{Candle, Code, Error, Result};
use crate::targets::{Signal, Source, Target};
use crate::tensor::{self, DType, Tensor};

/// One call of `apply`, with checked shapes.
pub(super) struct Call<'c> {
    pub losses: &'c [Chosen<AnyRow>],
    /// The labels as numbers, if a loss compares with them.
    pub targets: Option<&'c Tensor>,
    pub micro: &'c Micro<'c>,
    pub rows: usize,
    pub classes: usize,
}

/// What a loss compares with.
#[derive(Clone, Copy)]
enum Against<'c> {
    Labels(&'c dyn OfLabels),
    /// One of the teachers, by its index, at a temperature.
    Teacher {
        loss: &'c dyn OfTeacher,
        at: usize,
        temperature: f64,
        /// Whether the logits of several teachers are mixed into those of one teacher for this loss.
        mixed: bool,
    },
}

/// The index of a loss, what it compares with, and the share of this comparison in its value.
type Comparison<'c> = (usize, Against<'c>, f64);

impl<'c> Call<'c> {
    /// One comparison for each loss on labels, and one per teacher for each loss on teachers.
    fn comparisons(&self) -> Result<Vec<Comparison<'c>>> {
        let mut all = Vec::new();
        for (number, chosen) in self.losses.iter().enumerate() {
            match &chosen.loss {
                AnyRow::OfLabels(loss) => all.push((number, Against::Labels(loss.as_ref()), 1.0)),
                AnyRow::OfTeacher(loss) => {
                    let loss = loss.as_ref();
                    let temperature = loss.temperature().map_or(1.0, |temperature| temperature.at(self.micro.step));
                    for (at, teacher) in self.micro.teachers.iter().enumerate() {
                        let mixed = chosen.needs.logits() && matches!(teacher.target, Target::Mixture(_));
                        if mixed && !loss.reads_mixtures() {
                            let message = "expected combine: 'losses', because teachers mixed as probabilities have no logits to compare with";
                            return Err(Error::config(chosen.name, message));
                        }
                        all.push((number, Against::Teacher { loss, at, temperature, mixed }, teacher.weight));
                    }
                }
            }
        }
        Ok(all)
    }

    fn row_weights(&self, number: usize) -> Vec<f64> {
        let chosen = &self.losses[number];
        row_weights(chosen.needs, chosen.loss.row(), self.micro.batch).collect()
    }

    fn labels(&self) -> Option<&'c [u32]> {
        classes_of(self.micro.batch)
    }

    pub fn kernels(&self, logits: &Tensor) -> Result<(Tensor, Swept)> {
        let plain =
            |tensor: &Tensor| tensor.to_dtype(DType::F32).and_then(|tensor| tensor.contiguous()).ok_or_internal();
        let (comparisons, teachers) = (self.comparisons()?, self.micro.teachers);
        // The dense logits of all teachers, and the index of each teacher's first ones.
        let (mut dense, mut firsts) = (Vec::new(), Vec::new());
        for teacher in teachers {
            firsts.push(dense.len());
            for tensor in teacher.target.dense() {
                dense.push(plain(tensor)?);
            }
        }
        // The logits of each mixture of teachers at each temperature.
        let mut mixtures: BTreeMap<(usize, u64), usize> = BTreeMap::new();
        for (_, against, _) in &comparisons {
            if let Against::Teacher { at, temperature, mixed: true, .. } = *against
                && !mixtures.contains_key(&(at, temperature.to_bits()))
                && let Some(logits) = teachers[at].target.logits_at(temperature)?
            {
                mixtures.insert((at, temperature.to_bits()), dense.len());
                dense.push(plain(&logits)?);
            }
        }
        let targets = self.targets.map(plain).transpose()?;
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
        for (number, against, share) in comparisons {
            let (chosen, weights) = (&self.losses[number], self.row_weights(number));
            let loss = match against {
                Against::Labels(loss) => loss.begin(&mut ask),
                Against::Teacher { loss, at, temperature, mixed } => {
                    let Signal { target, head_weight, .. } = &teachers[at];
                    let teacher = if mixed { mixtures[&(at, temperature.to_bits())] } else { firsts[at] };
                    let (head, labels, classes) = (head_weight.as_ref(), self.labels(), self.classes);
                    loss.begin(temperature, Source { target, teacher, head, labels, classes }, &mut ask)?
                }
            };
            terms.push(Term {
                loss,
                name: chosen.name,
                group: number,
                weight: chosen.weight.at(self.micro.step),
                share,
                row_weights: weights.iter().any(|weight| *weight != 1.0).then_some(weights),
                denominator: self.micro.denominators.0[number],
            });
        }
        for term in &mut terms {
            term.loss.look(&rows, term.row_weights.as_deref())?;
        }
        let mut gradient = tensor::uninit(student.len());
        let sweep = Sweep { terms: &terms, groups: self.losses.len(), rows: &rows, norms: self.micro.norms };
        let swept = sweep.run(ask, &mut gradient)?;
        Ok((tensor::from_vec(gradient, logits.dims())?, swept))
    }

    /// Checks each row with a weight other than 0.
    fn check_rows(&self, logits: &Tensor, check: impl Fn(&[f64], usize) -> Result<()>) -> Result<()> {
        let all = tensor::to_f64(logits)?;
        let counts = |row: usize| self.micro.batch.row_weights.as_ref().is_none_or(|weights| weights[row] != 0.0);
        let rows = all.chunks((all.len() / self.rows.max(1)).max(1)).enumerate();
        rows.filter(|(row, _)| counts(*row)).try_for_each(|(row, logits)| check(logits, row))
    }

    /// One comparison in plain tensor calls.
    fn reference(&self, against: Against, rows: &Reference) -> Result<Plain> {
        match against {
            Against::Labels(loss) => loss.reference(rows),
            Against::Teacher { loss, at, temperature, mixed } => {
                let mut teacher = self.micro.teachers[at].clone();
                if mixed && let Some(logits) = teacher.target.logits_at(temperature)? {
                    teacher.target = Target::Logits(logits);
                }
                loss.reference(temperature, rows, &teacher)
            }
        }
    }

    pub fn references(&self, logits: &Tensor) -> Result<(Tensor, Swept)> {
        let student = logits.reshape((self.rows, self.classes)).ok_or_internal()?;
        let alike = |targets: &Tensor| targets.reshape(student.dims())?.to_dtype(student.dtype());
        let targets = self.targets.map(alike).transpose().ok_or_internal()?;
        let weights = |row: usize| self.micro.batch.row_weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
        let weights = (0..self.rows).map(weights).collect();
        let reference = Reference { student, targets, labels: self.labels().map(<[u32]>::to_vec), weights };
        self.check_rows(&reference.student, |row, at| check_finite(row, at, "student.logits", false))?;
        for logits in self.micro.teachers.iter().flat_map(|teacher| teacher.target.dense()) {
            self.check_rows(logits, check_teacher)?;
        }
        let count = self.losses.len();
        let mut swept = Swept { values: vec![0.0; count], squares: vec![0.0; count] };
        let mut gradients: Vec<Option<Tensor>> = vec![None; count];
        for (number, against, share) in self.comparisons()? {
            let chosen = &self.losses[number];
            let (values, gradient) = self.reference(against, &reference)?;
            let denominator = self.micro.denominators.0[number];
            let by_row = |weight: f64| if denominator == 0.0 { 0.0 } else { share * weight / denominator };
            let weights: Vec<f64> = self.row_weights(number).into_iter().map(by_row).collect();
            for (row, (value, weight)) in tensor::to_f64(&values)?.iter().zip(&weights).enumerate() {
                if *weight != 0.0 {
                    if !value.is_finite() {
                        let message = format!("expected a finite loss, got {value} in row {row}");
                        return Err(Error::new(Code::NotFinite, chosen.name, message));
                    }
                    swept.values[number] += value * weight;
                }
            }
            let weight = chosen.weight.at(self.micro.step);
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
