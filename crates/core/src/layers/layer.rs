//! What a layer is.

use super::init::LayerInit;
use super::pass::{Pass, Signal};
use super::shape::Shape;
use super::spec::Spec;
use crate::error::Result;

/// One kind of layer, with its options. Shapes are those of one sample, without the batch axis; `walk` has checked that each input
/// is of at most `MOST` numbers, so counts of two sides never overflow.
pub(crate) trait Layer {
    /// The shape it gives for this input, or why it cannot take it. Default: the same shape.
    fn output(&self, input: &Shape) -> Result<Shape> {
        Ok(input.clone())
    }
    /// The same for a block; `ends` are the output shapes of its inner lists of layers.
    fn joined(&self, input: &Shape, _ends: &[Shape]) -> Result<Shape> {
        self.output(input)
    }
    /// Numbers that the forward of one sample needs in addition to its output.
    fn scratch(&self, _input: &Shape) -> Result<u128> {
        Ok(0)
    }
    /// Its tensors for this input shape, names below its own.
    fn parameters(&self, _input: &Shape) -> Result<Vec<Spec>> {
        Ok(Vec::new())
    }
    /// The start values that its options ask for.
    fn init(&self) -> Option<&LayerInit> {
        None
    }
    /// Multiply-adds of one sample's forward.
    fn multiply_adds(&self, _input: &Shape) -> Result<u64> {
        Ok(0)
    }
    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal>;
}
