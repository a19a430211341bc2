//! One optimizer step of a learner, from its batches to the changed parameters.
//!
//! ```text
//! batches ─► teachers' signals ─┐
//!        └─► student's forward ─┴─► losses ─► gradients, summed over the batches ─► clip ─► optimizer ─► averages
//! ```
//!
//! `step` is this sequence for a single learner. In mutual learning, the learners go through it stage by stage
//! (`run/mutual.rs`), since each needs the forwards of the others in between.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::at::At;
use super::forward::Forward;
use super::not_finite::REMEDY;
use super::state::Learner;
use crate::batch::Batch;
use crate::error::{Code, Error, Result};
use crate::losses::{Micro, Student};
use crate::numbers::{Denominators, StepNumbers};
use crate::optimizers;
use crate::tape::add_in_place;
use crate::targets::Signal;
use crate::teacher::weighted_by;
use crate::tensor::{Tensor, all_finite};

/// The results so far of the batches of one optimizer step.
pub(crate) struct Gathered {
    denominators: Denominators,
    gradients: BTreeMap<String, Tensor>,
    numbers: StepNumbers,
}

impl Learner {
    /// One optimizer step over the batches of one accumulation.
    pub(crate) fn step(&mut self, batches: &[Batch], at: &At) -> Result<StepNumbers> {
        let batches = batches.iter().map(|batch| self.weigh(batch, at)).collect::<Result<Vec<_>>>()?;
        let mut gathered = self.gather(batches.iter().map(|(batch, _)| &**batch))?;
        for (batch, signals) in &batches {
            let signals = match signals {
                Some(signals) => Cow::Borrowed(signals),
                None => Cow::Owned(self.ask_teachers(batch, &[], at)?),
            };
            self.learn(self.forward(batch, at)?, &signals, at, &mut gathered)?;
        }
        self.update(gathered, at)
    }

    /// Where rows are weighted by the teachers' confidence: the batch with those weights, and the signals that they come
    /// from. The losses' denominators follow from the weights, so all batches of a step are weighed before its first forward.
    fn weigh<'b>(&self, batch: &'b Batch, at: &At) -> Result<(Cow<'b, Batch>, Option<Vec<Signal>>)> {
        if !self.weight_rows || self.teachers.is_empty() {
            return Ok((Cow::Borrowed(batch), None));
        }
        let signals = self.ask_teachers(batch, &[], at)?;
        Ok((Cow::Owned(weighted_by(batch, &signals)?), Some(signals)))
    }

    /// Computes the denominators of the losses before the first batch of an optimizer step.
    pub(crate) fn gather<'b>(&self, batches: impl IntoIterator<Item = &'b Batch>) -> Result<Gathered> {
        let denominators = self.losses.denominators(&batches.into_iter().collect::<Vec<_>>())?;
        Ok(Gathered { denominators, gradients: BTreeMap::new(), numbers: StepNumbers::default() })
    }

    /// Losses and gradients of one forward.
    pub(crate) fn learn(
        &mut self,
        forward: Forward,
        signals: &[Signal],
        at: &At,
        gathered: &mut Gathered,
    ) -> Result<()> {
        let parameters = &forward.loss_parameters();
        let Forward { mut tape, leaves, of_losses, outputs, pair, batch } = forward;
        let Gathered { denominators, gradients: sums, numbers } = gathered;
        let student = Student { main: &outputs, pair: pair.as_ref(), parameters };
        let teachers = if self.losses.needs_teacher() { signals } else { &[] };
        let micro = Micro { student, teachers, batch, denominators, step: at.step, norms: at.norms };
        let applied = self.losses.apply(&mut tape, &micro).map_err(|error| self.explain(error, batch, at))?;
        numbers.add(batch.rows(), applied.total, applied.terms);
        let mut gradients = tape.backward(applied.seeds)?;
        for (name, leaf) in leaves.into_iter().chain(of_losses).filter(|(_, value)| value.node().is_some()) {
            match (gradients.take(&leaf), sums.get(&name)) {
                (None, _) => self.watch.unreached(&name),
                (Some(gradient), Some(sum)) => add_in_place(sum, &gradient)?,
                (Some(gradient), None) => drop(sums.insert(name, gradient)),
            }
        }
        // Each batch follows the running statistics of the one before, as if there were no accumulation.
        for (name, tensor) in outputs.buffer_updates {
            if let Some(parameter) = self.model.parameters.0.get_mut(&name) {
                parameter.tensor = tensor;
            }
        }
        Ok(())
    }

    /// After the last batch: changes the parameters by the gradients, and the averages of the parameters with them.
    pub(crate) fn update(&mut self, gathered: Gathered, at: &At) -> Result<StepNumbers> {
        let Gathered { mut gradients, mut numbers, .. } = gathered;
        let clipped = self.clip_norm.is_some();
        if clipped {
            numbers.gradient_norm = Some(self.clip(&mut gradients, at)?);
        }
        self.watch.gradients(&gradients)?;
        let all = (!self.loss_parameters.0.is_empty()).then(|| self.trained());
        let trained = all.as_ref().unwrap_or(self.weights.trained(&self.model));
        match at.norms && !clipped {
            false => self.optimizer.step(trained, &gradients, at.rate)?,
            true => {
                let norm = self.optimizer.step_with_norm(trained, &gradients, at.rate)?;
                numbers.gradient_norm = Some(check_norm(norm, &gradients, at)?);
            }
        }
        if let Some(average) = &mut self.average {
            average.update(self.weights.trained(&self.model))?;
        }
        self.teachers.after_step(&self.model)?;
        Ok(numbers)
    }

    /// The global norm of the gradients, before they are scaled down to `clipNorm` if it is larger.
    fn clip(&self, gradients: &mut BTreeMap<String, Tensor>, at: &At) -> Result<f64> {
        let norm = check_norm(optimizers::global_norm(gradients)?, gradients, at)?;
        if let Some(limit) = self.clip_norm.filter(|limit| norm > *limit) {
            optimizers::scale_gradients(gradients, limit / norm)?;
        }
        Ok(norm)
    }
}

/// Returns the norm, or an error that names a gradient that is not finite.
fn check_norm(norm: f64, gradients: &BTreeMap<String, Tensor>, at: &At) -> Result<f64> {
    if norm.is_finite() {
        return Ok(norm);
    }
    let bad = gradients.iter().find(|(_, gradient)| !all_finite(gradient).unwrap_or(false));
    let message = format!("the gradient is not finite at step {}{REMEDY}", at.step + 1);
    Err(Error::new(Code::NotFinite, bad.map_or("", |(name, _)| name), message))
}
