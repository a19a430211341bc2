//! All configured losses together: checked once, planned each optimizer step, applied to each micro-batch.

use std::collections::BTreeMap;

use super::LossesOptions;
use super::loss::{Need, RowLoss};
use super::reference::Reference;
use super::sweep::Ask;
use super::sweep::{self, Rows, Swept, Term};
use crate::batch::{Batch, LabelKind, Labels};
use crate::error::{Candle, Code, Error, Result};
use crate::outputs::Outputs;
use crate::tape::{Tape, Value};
use crate::targets::{Source, Teacher};
use crate::tensor::{self, DType, Tensor};

/// The losses of a run. The total is Σ weight · loss.
pub struct Losses {
    losses: Vec<(&'static str, Box<dyn RowLoss>)>,
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
    pub labels: LabelKind,
}

/// The denominators of one optimizer step: the row weights of each loss, summed over all its micro-batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    denominators: Vec<f64>,
}

/// What one micro-batch gave.
pub struct Applied {
    /// Where backward starts: values and the gradients that arrive there.
    pub(crate) seeds: Vec<(Value, Tensor)>,
    pub terms: BTreeMap<&'static str, TermReport>,
    /// Σ weight · value over the terms.
    pub total: f64,
}

/// One loss of one micro-batch, or by `add` of all micro-batches of an optimizer step.
#[derive(Clone, Debug, PartialEq)]
pub struct TermReport {
    /// Without its weight; over the step's denominator, so that micro-batches add up.
    pub value: f64,
    pub weight: f64,
    /// The norm of the term's weighted gradient at the student's outputs, where it was asked for.
    pub gradient_norm: Option<f64>,
    /// All rows had the weight 0: the value and the gradient are 0.
    pub no_rows: bool,
}

impl TermReport {
    /// Adds another micro-batch of the same optimizer step.
    pub fn add(&mut self, other: &TermReport) {
        self.value += other.value;
        self.gradient_norm = self.gradient_norm.zip(other.gradient_norm).map(|(a, b)| a.hypot(b));
        self.no_rows &= other.no_rows;
    }
}

impl Losses {
    /// Refuses options that cannot work; paths start at the loss's key.
    pub fn new(options: LossesOptions) -> Result<Losses> {
        let losses = options.into_losses();
        for (name, loss) in &losses {
            let weight = loss.weight().validate("weight", "a finite number of 0 or more", |weight| weight >= 0.0);
            weight.and_then(|()| loss.validate()).map_err(|error| error.at(name))?;
        }
        if !losses.iter().any(|(_, loss)| loss.weight().ever_positive()) {
            let known = LossesOptions::NAMES.join(", ");
            let message = format!("expected at least one loss with a weight above 0 (of {known}), got none");
            return Err(Error::config("", message));
        }
        Ok(Losses { losses })
    }

    /// What each loss compares with, under its name.
    pub fn needs(&self) -> Vec<(&'static str, Need)> {
        let each = |(name, loss): &(&'static str, Box<dyn RowLoss>)| {
            let name = *name;
            loss.needs().into_iter().map(move |need| (name, need)).collect::<Vec<_>>()
        };
        self.losses.iter().flat_map(each).collect()
    }

    /// Whether any loss compares with a teacher.
    pub fn needs_teacher(&self) -> bool {
        self.needs().iter().any(|(_, need)| matches!(need, Need::Teacher | Need::TeacherLogits))
    }

    /// Losses whose weight is 0 at every step.
    pub fn without_weight(&self) -> Vec<&'static str> {
        let idle = self.losses.iter().filter(|(_, loss)| !loss.weight().ever_positive());
        idle.map(|(name, _)| *name).collect()
    }

    /// Refuses a run that cannot give a loss what it needs.
    pub fn check(&self, given: &Given) -> Result<()> {
        for (name, need) in self.needs() {
            let labels = |kind: LabelKind, what: &str| match given.labels == kind {
                true => Ok(()),
                false => Err(Error::config(name, format!("expected {what} in the data, got {}", given.labels.words()))),
            };
            match need {
                Need::Labels => labels(LabelKind::Single, "one label a row")?,
                Need::SeveralLabels => labels(LabelKind::Several, "several labels a row")?,
                Need::RealLabels => labels(LabelKind::Real, "real numbers as labels")?,
                Need::Teacher | Need::TeacherLogits => match given.teacher_classes {
                    None => return Err(Error::config(name, "expected a teacher, got none: use `distill` with one")),
                    Some(classes) if classes != given.classes => {
                        let message = format!(
                            "expected a teacher of the student's {} classes, got one of {classes}",
                            given.classes
                        );
                        return Err(Error::shape(name, message));
                    }
                    Some(_) if need == Need::TeacherLogits && !given.teacher_dense => {
                        return Err(Error::config(
                            name,
                            "expected a teacher that gives all its logits, got a part of them",
                        ));
                    }
                    Some(_) => {}
                },
            }
        }
        for (name, loss) in &self.losses {
            if given.classes < loss.classes() {
                let message = format!("expected at least {} classes, got {}", loss.classes(), given.classes);
                return Err(Error::shape(*name, message));
            }
            loss.check(given.classes).map_err(|error| error.at(name))?;
        }
        Ok(())
    }

    /// The denominators of an optimizer step, from all its micro-batches: they are known before the first
    /// gradient, so four micro-batches of 16 rows equal one batch of 64.
    pub fn plan(&self, batches: &[&Batch]) -> Result<Plan> {
        let mut denominators = vec![0.0; self.losses.len()];
        for batch in batches {
            let rows = rows_of(batch);
            if let Some(weights) = &batch.row_weights
                && let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0))
            {
                let message = format!("expected a number of 0 or more in row {row}, got {}", weights[row]);
                return Err(Error::data("rowWeights", message));
            }
            for ((_, loss), sum) in self.losses.iter().zip(&mut denominators) {
                *sum += (0..rows).map(|row| row_weight(loss.as_ref(), batch, row)).sum::<f64>();
            }
        }
        Ok(Plan { denominators })
    }

    /// Values and gradient of one micro-batch at optimizer step `step` (the first being 0). With several
    /// teachers each loss that compares with one is their weighted sum. `norms` measures each term's gradient.
    pub fn apply(
        &self,
        tape: &mut Tape,
        student: &Outputs,
        teachers: &[Teacher],
        batch: &Batch,
        plan: &Plan,
        step: u64,
        norms: bool,
    ) -> Result<Applied> {
        let logits = student.logits.tensor();
        let classes = logits.dims().last().copied().unwrap_or(0);
        let rows = logits.elem_count() / classes.max(1);
        if rows != rows_of(batch) {
            let message = format!("expected {} rows, as many as the batch has, got {rows}", rows_of(batch));
            return Err(Error::shape("student.logits", message));
        }
        for teacher in teachers.iter().filter(|_| self.needs_teacher()) {
            let dims = teacher.target.dims()?;
            if dims != (rows, classes) {
                let message = format!("expected {rows} rows of {classes} classes, got {} of {}", dims.0, dims.1);
                return Err(Error::shape("teacher.logits", message));
            }
        }
        self.check_labels(batch, rows, classes)?;
        let call = Call { losses: self, teachers, batch, plan, step, norms, rows, classes };
        let (gradient, swept) = if tape.takes(logits) { call.kernels(logits)? } else { call.references(logits)? };
        let mut terms = BTreeMap::new();
        for (number, (name, loss)) in self.losses.iter().enumerate() {
            let report = TermReport {
                value: swept.values[number],
                weight: loss.weight().at(step),
                gradient_norm: norms.then(|| swept.squares[number].sqrt()),
                no_rows: plan.denominators[number] == 0.0,
            };
            terms.insert(*name, report);
        }
        let total = terms.values().map(|term: &TermReport| term.weight * term.value).sum();
        Ok(Applied { seeds: vec![(student.logits.clone(), gradient)], terms, total })
    }

    /// A label out of range would read past its row; rows that no loss looks at may have any.
    fn check_labels(&self, batch: &Batch, rows: usize, classes: usize) -> Result<()> {
        let Labels::Single(labels) = &batch.labels else { return Ok(()) };
        for (row, label) in labels.iter().enumerate().take(rows) {
            if *label as usize >= classes && batch.row_weights.as_ref().is_none_or(|weights| weights[row] != 0.0) {
                let message = format!("expected a class from 0 to {}, got {label} in row {row}", classes - 1);
                return Err(Error::data("labels", message));
            }
        }
        Ok(())
    }
}

/// The rows of a batch: of a sequence model every token is one.
fn rows_of(batch: &Batch) -> usize {
    match (&batch.row_weights, &batch.labels) {
        (Some(weights), _) => weights.len(),
        (None, Labels::Single(labels)) => labels.len(),
        _ => batch.rows(),
    }
}

fn row_weight(loss: &dyn RowLoss, batch: &Batch, row: usize) -> f64 {
    let label = match &batch.labels {
        Labels::Single(labels) => labels.get(row).copied(),
        _ => None,
    };
    batch.row_weights.as_ref().map_or(1.0, |weights| f64::from(weights[row])) * loss.row_weight(label)
}

/// One call of `apply`.
struct Call<'c> {
    losses: &'c Losses,
    teachers: &'c [Teacher],
    batch: &'c Batch,
    plan: &'c Plan,
    step: u64,
    norms: bool,
    rows: usize,
    classes: usize,
}

impl<'c> Call<'c> {
    /// Each loss, and where it compares with a teacher each teacher and its share.
    fn pairs(&self) -> Vec<(usize, Option<usize>, f64)> {
        let mut pairs = Vec::new();
        for (number, (_, loss)) in self.losses.losses.iter().enumerate() {
            if loss.needs().iter().any(|need| matches!(need, Need::Teacher | Need::TeacherLogits)) {
                pairs.extend(self.teachers.iter().enumerate().map(|(at, teacher)| (number, Some(at), teacher.weight)));
            } else {
                pairs.push((number, None, 1.0));
            }
        }
        pairs
    }

    fn row_weights(&self, loss: usize) -> Vec<f64> {
        (0..self.rows).map(|row| row_weight(self.losses.losses[loss].1.as_ref(), self.batch, row)).collect()
    }

    fn targets(&self) -> Option<&'c Tensor> {
        match &self.batch.labels {
            Labels::Several(targets) | Labels::Real(targets) => Some(targets),
            _ => None,
        }
    }

    fn labels(&self) -> Option<&'c [u32]> {
        match &self.batch.labels {
            Labels::Single(labels) => Some(labels),
            _ => None,
        }
    }

    fn kernels(&self, logits: &Tensor) -> Result<(Tensor, Swept)> {
        let plain =
            |tensor: &Tensor| tensor.to_dtype(DType::F32).and_then(|tensor| tensor.contiguous()).ok_or_internal();
        // Each teacher's dense logits, and the number of its first among all.
        let (mut dense, mut firsts) = (Vec::new(), Vec::new());
        for teacher in self.teachers {
            firsts.push(dense.len());
            for tensor in teacher.target.dense() {
                dense.push(plain(tensor)?);
            }
        }
        let targets = self.targets().map(plain).transpose()?;
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
            let loss = &self.losses.losses[number].1;
            let source = teacher.map(|at| Source { target: &self.teachers[at].target, teacher: firsts[at] });
            let weights = self.row_weights(number);
            terms.push(Term {
                loss: loss.begin(self.step, source, &mut ask)?,
                name: self.losses.losses[number].0,
                group: number,
                weight: loss.weight().at(self.step),
                share,
                row_weights: weights.iter().any(|weight| *weight != 1.0).then_some(weights),
                denominator: self.plan.denominators[number],
            });
        }
        let mut gradient = tensor::uninit(student.len());
        let swept = sweep::sweep(ask, &terms, self.losses.losses.len(), &rows, &mut gradient, self.norms)?;
        Ok((tensor::from_vec(gradient, logits.dims())?, swept))
    }

    fn references(&self, logits: &Tensor) -> Result<(Tensor, Swept)> {
        let student = logits.reshape((self.rows, self.classes)).ok_or_internal()?;
        let targets = self.targets().map(|targets| targets.to_dtype(student.dtype())).transpose().ok_or_internal()?;
        let reference = Reference { student, targets, labels: self.labels().map(<[u32]>::to_vec) };
        let all = tensor::to_f64(&reference.student)?;
        let masked = |row: usize| self.batch.row_weights.as_ref().is_some_and(|weights| weights[row] == 0.0);
        if let Some(at) = (0..all.len()).find(|at| !all[*at].is_finite() && !masked(at / self.classes)) {
            let (row, class) = (at / self.classes, at % self.classes);
            let message = format!("expected finite numbers, got {} in row {row}, class {class}", all[at]);
            return Err(Error::new(Code::NotFinite, "student.logits", message));
        }
        let count = self.losses.losses.len();
        let mut swept = Swept { values: vec![0.0; count], squares: vec![0.0; count] };
        let mut gradients: Vec<Option<Tensor>> = vec![None; count];
        for (number, teacher, share) in self.pairs() {
            let loss = &self.losses.losses[number].1;
            let target = teacher.map(|at| &self.teachers[at].target);
            let (values, gradient) = loss.reference(self.step, &reference, target)?;
            let denominator = self.plan.denominators[number];
            let by_row = |weight: f64| if denominator == 0.0 { 0.0 } else { share * weight / denominator };
            let weights: Vec<f64> = self.row_weights(number).into_iter().map(by_row).collect();
            for (row, (value, weight)) in tensor::to_f64(&values)?.iter().zip(&weights).enumerate() {
                if *weight != 0.0 {
                    if !value.is_finite() {
                        let message = format!("expected a finite loss, got {value} in row {row}");
                        return Err(Error::new(Code::NotFinite, self.losses.losses[number].0, message));
                    }
                    swept.values[number] += value * weight;
                }
            }
            let weight = loss.weight().at(self.step);
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
