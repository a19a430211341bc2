//! A position in a run.

use crate::batch::Batch;
use crate::random::Key;
use crate::tape::Cancel;

/// The position of a step in its run, and settings that depend on it.
#[derive(Clone)]
pub(crate) struct At {
    /// Optimizer steps done before this one.
    pub step: u64,
    pub seed: u64,
    /// Multiplies the optimizer's learning rate.
    pub rate: f64,
    /// Whether to compute the norm of each loss's gradient and the global norm.
    pub norms: bool,
    pub cancel: Cancel,
}

impl At {
    /// The key of the random numbers of a forward pass in training mode on this batch.
    pub fn key(&self, batch: &Batch) -> Key {
        Key::new(self.seed).with("forward").with(batch.epoch)
    }
}
