//! Two-dimensional convolution over `[channels, height, width]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::init::LayerInit;
use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{Shape, bounded, product};
use super::spec::Spec;
use crate::error::{Error, Result};
use crate::ops;

/// One number for both axes, or `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Pair {
    Both(usize),
    Each([usize; 2]),
}

impl Pair {
    pub(crate) fn sizes(self) -> [usize; 2] {
        match self {
            Pair::Both(size) => [size, size],
            Pair::Each(sizes) => sizes,
        }
    }
}

/// Two-dimensional convolution (cross-correlation) over `[channels, height, width]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conv2d {
    /// Name of the layer; its tensors are `<name>.weight` and `<name>.bias`. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number of output channels; must be ≥ 1.
    pub channels: usize,
    /// Kernel size, one number or `[height, width]`; must be ≥ 1.
    pub kernel: Pair,
    /// Distance between two positions of the kernel; must be ≥ 1. Default 1.
    #[serde(default = "one")]
    pub stride: Pair,
    /// Number of zeros added on each side. Default 0.
    #[serde(default = "zero")]
    pub padding: Pair,
    /// Distance between two elements of the kernel; must be ≥ 1. Default 1.
    #[serde(default = "one")]
    pub dilation: Pair,
    /// Number of groups of input and output channels, each of which is convolved separately; must divide both numbers
    /// of channels. Default 1.
    #[serde(default = "single")]
    pub groups: usize,
    /// Whether a bias is added. Default true.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Start values of the layer's tensors. Default: uniform in ±1/√fan_in, for weight and bias alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<LayerInit>,
}

fn one() -> Pair {
    Pair::Both(1)
}
fn zero() -> Pair {
    Pair::Both(0)
}
fn single() -> usize {
    1
}
fn yes() -> bool {
    true
}

/// The output size along one axis for a window of `kernel`.
pub(crate) fn window(size: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Result<usize> {
    let named = [("kernel", kernel), ("stride", stride), ("dilation", dilation), ("padding", padding)];
    for (name, value) in named {
        if bounded(name, value)? == 0 && name != "padding" {
            return Err(Error::config(name, "expected an integer above 0, got 0"));
        }
    }
    // All factors are at most 2³¹, so neither sum overflows.
    let (padded, reach) = (size + 2 * padding, dilation * (kernel - 1) + 1);
    if padded < reach {
        return Err(Error::shape("", format!("expected a size of at least {reach} for this kernel, got {padded}")));
    }
    Ok((padded - reach) / stride + 1)
}

/// Rejects groups that do not divide both numbers of channels.
pub(super) fn fits(inputs: usize, outputs: usize, groups: usize) -> Result<()> {
    if outputs == 0 || groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        let message =
            format!("expected a number that divides {inputs} input and {outputs} output channels, got {groups}");
        return Err(Error::shape("groups", message));
    }
    Ok(())
}

impl Conv2d {
    fn sizes(&self, input: &Shape) -> Result<[usize; 3]> {
        let [channels, height, width] = input.exactly::<3>("[channels, height, width]")?;
        fits(channels, self.channels, self.groups)?;
        let axis = |size, i: usize| {
            window(
                size,
                self.kernel.sizes()[i],
                self.stride.sizes()[i],
                self.padding.sizes()[i],
                self.dilation.sizes()[i],
            )
        };
        Ok([channels, axis(height, 0)?, axis(width, 1)?])
    }

    fn geometry(&self) -> ops::conv2d::Conv2d {
        ops::conv2d::Conv2d {
            stride: self.stride.sizes(),
            padding: self.padding.sizes(),
            dilation: self.dilation.sizes(),
            groups: self.groups,
        }
    }
}

impl Layer for Conv2d {
    fn init(&self) -> Option<&LayerInit> {
        self.init.as_ref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        let [_, height, width] = self.sizes(input)?;
        Ok(Shape::Dense(vec![self.channels, height, width]))
    }

    fn parameters(&self, input: &Shape) -> Result<Vec<Spec>> {
        let [channels, ..] = self.sizes(input)?;
        let [kernel_height, kernel_width] = self.kernel.sizes();
        let shape = vec![self.channels, channels / self.groups, kernel_height, kernel_width];
        Ok(Spec::uniform(shape, self.bias))
    }

    fn multiply_adds(&self, input: &Shape) -> Result<u64> {
        let [channels, height, width] = self.sizes(input)?;
        let [kernel_height, kernel_width] = self.kernel.sizes();
        Ok(product(&[self.channels, height, width, channels / self.groups, kernel_height, kernel_width]))
    }

    fn scratch(&self, input: &Shape) -> Result<u128> {
        let image = input.exactly::<3>("[channels, height, width]")?;
        Ok(self.geometry().laid_out(image, self.kernel.sizes()))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let (x, weight) = (input.dense()?, pass.parameter("weight")?);
        let bias = if self.bias { Some(pass.parameter("bias")?) } else { None };
        ops::conv2d::conv2d(pass.tape, &x, &weight, bias.as_ref(), &self.geometry()).map(Signal::Dense)
    }
}
