//! The interface of an optimizer.

use crate::error::Result;
use crate::tensor::Tensor;

/// The step, rate and decay of one update.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// Counts from 1.
    pub step: u64,
    /// The learning rate, including the schedule.
    pub rate: f64,
    /// Whether weight decay applies to this tensor.
    pub decay: bool,
}

/// At most two state tensors per parameter; unused ones are empty.
pub(super) type State<'a> = [&'a mut [f32]; 2];

pub(super) trait Algorithm: Sync {
    fn validate(&self) -> Result<()>;
    fn learning_rate(&self) -> f64;
    /// Whether biases and norms decay too.
    fn decays_all(&self) -> bool;
    /// Names of the state tensors.
    fn state(&self) -> &'static [&'static str];
    /// Updates a piece of a parameter and of its state.
    /// State that decays towards 0 must become 0 (`settled` in `kernels/cpu/optimizer.rs`),
    /// because denormals are slow, and a gradient that is not finite must make the parameter or its state not finite.
    fn kernel(&self, at: At, parameter: &mut [f32], gradient: &[f32], state: State);
    /// Returns the new parameter and the new state, in candle calls, in the precision of the parameter.
    fn reference(
        &self,
        at: At,
        parameter: &Tensor,
        gradient: &Tensor,
        state: &[Tensor],
    ) -> candle_core::Result<(Tensor, Vec<Tensor>)>;
}
