//! One-dimensional convolution over `[channels, length]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conv2d::{fits, window};
use super::init::LayerInit;
use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::Shape;
use super::shape::product;
use super::spec::Spec;
use crate::error::Result;
use crate::ops;

/// One-dimensional convolution (cross-correlation) over `[channels, length]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conv1d {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number of output channels; must be ≥ 1.
    pub channels: usize,
    /// Kernel size; must be ≥ 1.
    pub kernel: usize,
    /// Distance between two positions of the kernel; must be ≥ 1. Default 1.
    #[serde(default = "one")]
    pub stride: usize,
    /// Number of zeros added on each side. Default 0.
    #[serde(default)]
    pub padding: usize,
    /// Distance between two elements of the kernel; must be ≥ 1. Default 1.
    #[serde(default = "one")]
    pub dilation: usize,
    /// Number of groups of input and output channels, each of which is convolved separately; must divide both numbers
    /// of channels. Default 1.
    #[serde(default = "one")]
    pub groups: usize,
    /// Whether a bias is added. Default true.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Start values of the layer's tensors. Default: uniform in ±1/√fan_in, for weight and bias alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<LayerInit>,
}

fn one() -> usize {
    1
}
fn yes() -> bool {
    true
}

impl Conv1d {
    fn sizes(&self, input: &Shape) -> Result<[usize; 2]> {
        let [channels, length] = input.exactly::<2>("[channels, length]")?;
        fits(channels, self.channels, self.groups)?;
        Ok([channels, window(length, self.kernel, self.stride, self.padding, self.dilation)?])
    }

    fn geometry(&self) -> ops::conv1d::Conv1d {
        ops::conv1d::Conv1d { stride: self.stride, padding: self.padding, dilation: self.dilation, groups: self.groups }
    }
}

impl Layer for Conv1d {
    fn init(&self) -> Option<&LayerInit> {
        self.init.as_ref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        let [_, length] = self.sizes(input)?;
        Ok(Shape::Dense(vec![self.channels, length]))
    }

    fn parameters(&self, input: &Shape) -> Result<Vec<Spec>> {
        let [channels, _] = self.sizes(input)?;
        Ok(Spec::uniform(vec![self.channels, channels / self.groups, self.kernel], self.bias))
    }

    fn multiply_adds(&self, input: &Shape) -> Result<u64> {
        let [channels, length] = self.sizes(input)?;
        Ok(product(&[self.channels, length, channels / self.groups, self.kernel]))
    }

    fn scratch(&self, input: &Shape) -> Result<u128> {
        let [channels, length] = input.exactly::<2>("[channels, length]")?;
        Ok(self.geometry().image().laid_out([channels, 1, length], [1, self.kernel]))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let (x, weight) = (input.dense()?, pass.parameter("weight")?);
        let bias = if self.bias { Some(pass.parameter("bias")?) } else { None };
        ops::conv1d::conv1d(pass.tape, &x, &weight, bias.as_ref(), &self.geometry()).map(Signal::Dense)
    }
}
