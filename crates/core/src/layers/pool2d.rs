//! Pooling over windows of `[channels, height, width]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conv2d::{Pair, window};
use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{MOST, Shape};
use crate::error::{Error, Result};
use crate::ops;

fn zero() -> Pair {
    Pair::Both(0)
}

fn geometry(kernel: Pair, stride: Option<Pair>, padding: Pair) -> ops::pool2d::Pool2d {
    ops::pool2d::Pool2d { kernel: kernel.sizes(), stride: stride.unwrap_or(kernel).sizes(), padding: padding.sizes() }
}

fn pooled(input: &Shape, kernel: Pair, stride: Option<Pair>, padding: Pair) -> Result<Shape> {
    let [channels, height, width] = input.exactly::<3>("[channels, height, width]")?;
    let geometry = geometry(kernel, stride, padding);
    let [rows, columns] = geometry.kernel;
    if rows.checked_mul(columns).is_none_or(|count| count > MOST) {
        return Err(Error::config(
            "kernel",
            format!("expected windows of at most {MOST} numbers, got {rows} x {columns}"),
        ));
    }
    let axis = |size, i: usize| {
        if geometry.padding[i] > geometry.kernel[i] / 2 {
            return Err(Error::config(
                "padding",
                format!("expected at most half of the kernel {}, got {}", geometry.kernel[i], geometry.padding[i]),
            ));
        }
        window(size, geometry.kernel[i], geometry.stride[i], geometry.padding[i], 1)
    };
    Ok(Shape::Dense(vec![channels, axis(height, 0)?, axis(width, 1)?]))
}

macro_rules! pool {
    ($(#[$meta:meta])* $name:ident: $run:path) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Name of the layer. Default: its position in the list.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub name: Option<String>,
            /// Window size, one number or `[height, width]`; must be ≥ 1.
            pub kernel: Pair,
            /// Distance between two windows; must be ≥ 1. Default: the window size.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub stride: Option<Pair>,
            /// Padding on each side; must be at most half of the window size. Default 0.
            #[serde(default = "zero")]
            pub padding: Pair,
        }

        impl Layer for $name {
            fn output(&self, input: &Shape) -> Result<Shape> {
                pooled(input, self.kernel, self.stride, self.padding)
            }

            fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
                let geometry = geometry(self.kernel, self.stride, self.padding);
                $run(pass.tape, &input.dense()?, &geometry).map(Signal::Dense)
            }
        }
    };
}

pool! {
    /// The largest value of each window.
    MaxPool: ops::pool2d::max_pool2d
}

pool! {
    /// The mean of each window; padding counts as zeros.
    AvgPool: ops::pool2d::avg_pool2d
}

/// The mean of each channel: `[channels, height, width]` becomes `[channels]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GlobalAvgPool {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for GlobalAvgPool {
    fn output(&self, input: &Shape) -> Result<Shape> {
        let [channels, _, _] = input.exactly::<3>("[channels, height, width]")?;
        Ok(Shape::Dense(vec![channels]))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        ops::pool2d::global_avg_pool(pass.tape, &input.dense()?).map(Signal::Dense)
    }
}
