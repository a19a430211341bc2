//! The interface of a layer.

use super::init::LayerInit;
use super::pass::{Pass, Signal};
use super::shape::Shape;
use super::spec::Spec;
use crate::error::Result;

/// One kind of layer, with its options. Shapes are those of one sample, without the batch axis. `walk` has checked that
/// each input has at most `MOST` numbers, so products of two sizes never overflow.
pub(crate) trait Layer {
    /// The output shape for this input, or an error if the layer does not accept it. Default: the same shape.
    fn output(&self, input: &Shape) -> Result<Shape> {
        Ok(input.clone())
    }
    /// The output shape of a block; `ends` are the output shapes of its inner lists of layers.
    fn joined(&self, input: &Shape, _ends: &[Shape]) -> Result<Shape> {
        self.output(input)
    }
    /// The scratch memory, in numbers, that the forward pass of one sample needs in addition to its output.
    fn scratch(&self, _input: &Shape) -> Result<u128> {
        Ok(0)
    }
    /// Its tensors for this input shape, with names relative to the layer's.
    fn parameters(&self, _input: &Shape) -> Result<Vec<Spec>> {
        Ok(Vec::new())
    }
    /// The start values from its options.
    fn init(&self) -> Option<&LayerInit> {
        None
    }
    /// The number of multiply-adds in the forward pass of one sample.
    fn multiply_adds(&self, _input: &Shape) -> Result<u64> {
        Ok(0)
    }
    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal>;
}
