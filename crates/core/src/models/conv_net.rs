//! Small convolutional network: blocks of 3×3 convolution, batch norm, relu, max pooling; then a linear layer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Architecture, Input};
use crate::error::{Error, Result};
use crate::layers::{BatchNorm, Conv2d, Flatten, LayerOptions, Linear, MaxPool, Pair};
use crate::ops::activation::Activation;

/// Small convolutional network. It has one block `blocks.0`, `blocks.1`, … per channel count, with a 3×3 convolution
/// (with bias), batch norm, relu and max pooling by 2; then follows the linear layer `head`. With channels `[4, 8]` on
/// 28 × 28 pixels it has 4,290 weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConvNet {
    /// Sizes of one image: `[channels, height, width]`.
    pub input: [usize; 3],
    /// Number of channels of each block; at least one block.
    pub channels: Vec<usize>,
    /// Number of outputs.
    pub classes: usize,
}

impl ConvNet {
    pub(crate) fn expand(self) -> Result<Architecture> {
        if self.channels.is_empty() || self.channels.contains(&0) {
            return Err(Error::config("channels", format!("expected integers above 0, got {:?}", self.channels)));
        }
        let mut layers = Vec::new();
        for (index, channels) in self.channels.iter().enumerate() {
            let name = |part: &str| Some(format!("blocks.{index}.{part}"));
            layers.push(LayerOptions::Conv2d(Conv2d {
                name: name("conv"),
                channels: *channels,
                kernel: Pair::Both(3),
                stride: Pair::Both(1),
                padding: Pair::Both(1),
                dilation: Pair::Both(1),
                groups: 1,
                bias: true,
                init: None,
            }));
            layers.push(LayerOptions::BatchNorm(BatchNorm {
                name: name("norm"),
                epsilon: 1e-5,
                momentum: 0.1,
                activation: Activation::Relu,
                init: None,
            }));
            layers.push(LayerOptions::MaxPool(MaxPool {
                name: name("pool"),
                kernel: Pair::Both(2),
                stride: None,
                padding: Pair::Both(0),
            }));
        }
        layers.push(LayerOptions::Flatten(Flatten { name: Some("flatten".into()) }));
        layers.push(LayerOptions::Linear(Linear {
            name: Some("head".into()),
            outputs: self.classes,
            bias: true,
            activation: Activation::None,
            init: None,
        }));
        Ok(Architecture { input: Input::Numbers(self.input.to_vec()), layers })
    }
}
