//! Forward passes of a learner, with a tape or for its peers, and the signals of its teachers.

use super::at::At;
use super::state::{LOSSES, Learner};
use crate::batch::Batch;
use crate::error::Result;
use crate::layers::Mode;
use crate::outputs::Outputs;
use crate::parameters::Bound;
use crate::random::Key;
use crate::tape::{Engine, Tape};
use crate::targets::Signal;
use crate::teacher::Asking;

/// A forward pass in training mode, recorded for the losses.
pub(crate) struct Forward<'b> {
    pub tape: Tape,
    pub batch: &'b Batch,
    /// The values for which gradients are needed, by name.
    pub leaves: Bound,
    /// The losses' own parameters, by name below `losses.`.
    pub of_losses: Bound,
    pub outputs: Outputs,
    /// The outputs for the pair view of the batch, if a loss needs them.
    pub pair: Option<Outputs>,
}

impl Forward<'_> {
    /// The losses' own parameters by their names within the losses, without the prefix.
    pub fn loss_parameters(&self) -> Bound {
        let short = |name: &str| name.strip_prefix(LOSSES).unwrap_or(name).trim_start_matches('.').to_string();
        self.of_losses.iter().map(|(name, value)| (short(name), value.clone())).collect()
    }
}

/// The signal that other learners get from a forward pass, as constants.
pub(crate) fn signal(outputs: &Outputs) -> Signal {
    let hidden = outputs.hidden.iter().map(|(name, value)| (name.clone(), value.tensor().clone())).collect();
    let head_weight = outputs.head_weight.as_ref().map(|weight| weight.tensor().clone());
    Signal { hidden, head_weight, ..Signal::logits(outputs.logits.tensor().clone()) }
}

impl Learner {
    /// The student's forward pass on one batch, in training mode.
    pub(crate) fn forward<'b>(&self, batch: &'b Batch, at: &At) -> Result<Forward<'b>> {
        let mut tape = Tape::cancellable(Engine::Kernels, at.cancel.clone());
        let (leaves, made) = self.weights.bind(&mut tape, &self.model, &self.frozen)?;
        let values = made.as_ref().unwrap_or(&leaves);
        let of_losses = self.loss_parameters.leaves(&mut tape, &Default::default());
        let key = at.key(batch);
        let outputs = self.network(&mut tape, values, batch, key)?;
        let pair = match batch.pair.as_deref().filter(|_| self.losses.needs_pairs()) {
            Some(pair) => Some(self.network(&mut tape, values, pair, key.with("pair"))?),
            None => None,
        };
        Ok(Forward { tape, batch, leaves, of_losses, outputs, pair })
    }

    /// The forward pass in training mode for peers; nothing is recorded.
    pub(crate) fn forward_as_peer(&self, batch: &Batch, at: &At) -> Result<Signal> {
        let mut tape = Tape::cancellable(Engine::Kernels, at.cancel.clone());
        let values = self.weights.baked(self.weights.trained(&self.model).clone(), &self.model)?.constants();
        Ok(signal(&self.network(&mut tape, &values, batch, at.key(batch))?))
    }

    /// The teachers' signals for a batch; `peers` are those of the other learners of the run.
    pub(crate) fn ask_teachers(&self, batch: &Batch, peers: &[Option<Signal>], at: &At) -> Result<Vec<Signal>> {
        if !self.hears() {
            return Ok(Vec::new());
        }
        let asking =
            Asking { request: &self.teacher_request, cancel: &at.cancel, seed: at.seed, student: &self.model, peers };
        self.teachers.signals(batch, &asking)
    }

    /// The network on one view of a batch, with these parameter values.
    pub(super) fn network(&self, tape: &mut Tape, values: &Bound, batch: &Batch, key: Key) -> Result<Outputs> {
        let inputs = self.model.preprocessing.apply(&batch.inputs)?;
        self.model.network.forward(tape, values, &inputs, &batch.ids, &self.request, Mode::Train, key)
    }
}
