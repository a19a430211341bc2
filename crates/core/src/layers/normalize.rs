//! Scales each vector to length 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::Shape;
use crate::error::{Candle, Result};
use crate::ops;
use crate::tape::Value;
use crate::tensor::from_vec;

/// Number added to the squared length: a vector of zeros stays zero.
const EPSILON: f64 = 1e-24;

/// Scales each vector along the last axis to the Euclidean length 1. A vector of zeros stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Normalize {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for Normalize {
    fn output(&self, input: &Shape) -> Result<Shape> {
        input.width().map(|_| input.clone())
    }

    fn multiply_adds(&self, input: &Shape) -> Result<u64> {
        Ok(input.elements() as u64)
    }

    /// x / ‖x‖ is x / √(mean(x²)) · 1 / √width.
    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        input.each(|x| {
            let width = x.dims().last().copied().unwrap_or(1);
            let weight = from_vec(vec![1.0 / (width as f32).sqrt(); width], width)?;
            let weight = Value::constant(weight.to_dtype(x.tensor().dtype()).ok_or_internal()?);
            ops::rms_norm::rms_norm(pass.tape, x, &weight, EPSILON / width as f64)
        })
    }
}
