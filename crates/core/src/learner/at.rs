//! A position in a run.

use crate::batch::Batch;
use crate::random::Key;
use crate::tape::Cancel;

/// Where in the run a step is.
#[derive(Clone)]
pub(crate) struct At {
    /// Optimizer steps done before this one.
    pub step: u64,
    pub seed: u64,
    /// Multiplies the optimizer's learning rate.
    pub rate: f64,
    /// Whether the norms of the terms' gradients and the global norm are wanted.
    pub norms: bool,
    pub cancel: Cancel,
}

impl At {
    /// The key of the random numbers of a forward in training on this batch.
    pub fn key(&self, batch: &Batch) -> Key {
        Key::new(self.seed).with("forward").with(batch.epoch)
    }
}
