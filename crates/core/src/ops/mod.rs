//! One operation per file: forward, backward, plain reference, shape and error rules, source.
//!
//! To add one: write `ops/<name>.rs` with a constant `OPERATION`, add its line to `registry!`, put its golden file
//! in `__test__/golden/layers`. The registry's tests then run it: golden values in f64 and f32, finite
//! differences, kernel against reference on every instruction set.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::tape::{Tape, Value};
use crate::tensor::to_f64;

/// Declares each operation's module and its exports, by the name of its golden file.
macro_rules! registry {
    ($($visible:vis mod $module:ident: $($operation:ident),*;)*) => {
        $($visible mod $module;)*

        /// Every operation.
        pub const REGISTRY: &[Operation] = &[$($($module::$operation),*),*];
    };
}

registry! {
    pub mod linear: OPERATION;
    pub mod activation: RELU, GELU, GELU_TANH, SILU, TANH, SIGMOID;
    pub mod add: OPERATION;
    pub mod matmul: OPERATION;
    pub mod conv2d: OPERATION;
    pub(crate) mod conv1d: OPERATION;
    pub(crate) mod pool2d: MAX, AVERAGE, GLOBAL;
    pub(crate) mod batch_norm: OPERATION;
    pub(crate) mod layer_norm: OPERATION;
    pub(crate) mod rms_norm: OPERATION;
    pub(crate) mod embedding: OPERATION, BAG;
    pub(crate) mod attention: OPERATION;
    pub(crate) mod rotary: OPERATION;
    pub(crate) mod dropout: OPERATION;
    pub(crate) mod concat: OPERATION;
    pub(crate) mod reshape: OPERATION;
    pub(crate) mod transpose: OPERATION;
    pub(crate) mod slice: OPERATION;
    pub(crate) mod mean: OPERATION;
    pub mod weight_generator: OPERATION;
}

mod window;

/// An operation for golden files and tests: its inputs have names, its options are JSON.
#[cfg_attr(not(test), allow(dead_code))] // only tests read the samples
pub struct Operation {
    pub name: &'static str,
    pub case: fn(&mut Tape, &Inputs, &serde_json::Value) -> Result<Value>,
    /// Shapes that the tests fill with numbers: odd sizes, one row, a width that is not a multiple of a vector.
    pub samples: fn() -> Vec<Sample>,
}

pub fn find(name: &str) -> Option<&'static Operation> {
    REGISTRY.iter().find(|operation| operation.name == name)
}

/// The inputs of one case, by name.
#[derive(Default)]
pub struct Inputs(pub BTreeMap<String, Value>);

impl Inputs {
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub fn get(&self, name: &str) -> Result<&Value> {
        self.find(name).ok_or_else(|| Error::data(name, "expected an input, got none"))
    }

    /// An input of integers.
    pub fn ids(&self, name: &str) -> Result<Vec<u32>> {
        Ok(to_f64(self.get(name)?.tensor())?.into_iter().map(|id| id as u32).collect())
    }
}

/// One option of a case, `None` if it is absent.
pub(crate) fn option<T: DeserializeOwned>(options: &serde_json::Value, name: &str) -> Result<Option<T>> {
    let Some(given) = options.get(name).filter(|given| !given.is_null()) else { return Ok(None) };
    T::deserialize(given).map(Some).map_err(|error| Error::config(name, error.to_string()))
}

/// An option that is one number for both rows and columns, or `[rows, columns]`.
pub(crate) fn pair(options: &serde_json::Value, name: &str) -> Result<Option<[usize; 2]>> {
    match options.get(name) {
        Some(number) if number.is_u64() => Ok(option::<usize>(options, name)?.map(|size| [size, size])),
        _ => option(options, name),
    }
}

/// A case for tests: shapes and options.
pub struct Sample {
    pub options: serde_json::Value,
    pub inputs: Vec<Drawn>,
    /// The number of terms of the longest sum; rounding errors grow with its square root.
    pub terms: usize,
    /// Real numbers are drawn between −2 and 2 times this.
    pub scale: f64,
}

#[cfg_attr(not(test), allow(dead_code))]
pub struct Drawn {
    pub name: &'static str,
    pub dims: Vec<usize>,
    /// If given, the input has integers below this and no gradient; otherwise it has real numbers.
    pub below: Option<u32>,
    /// Whether it has a gradient.
    pub trained: bool,
}

impl Sample {
    pub fn of(inputs: &[(&'static str, &[usize])]) -> Self {
        let drawn =
            |(name, dims): &(&'static str, &[usize])| Drawn { name, dims: dims.to_vec(), below: None, trained: true };
        Sample { options: serde_json::json!({}), inputs: inputs.iter().map(drawn).collect(), terms: 1, scale: 1.0 }
    }

    pub fn constant(mut self, name: &'static str, dims: &[usize]) -> Self {
        self.inputs.push(Drawn { name, dims: dims.to_vec(), below: None, trained: false });
        self
    }

    pub fn scaled(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    pub fn ids(mut self, name: &'static str, dims: &[usize], below: u32) -> Self {
        self.inputs.push(Drawn { name, dims: dims.to_vec(), below: Some(below), trained: false });
        self
    }

    pub fn options(mut self, options: serde_json::Value) -> Self {
        self.options = options;
        self
    }

    pub fn terms(mut self, terms: usize) -> Self {
        self.terms = terms;
        self
    }
}

/// A constant of zeros, for tests.
#[cfg(test)]
pub(crate) fn zeros(dims: &[usize]) -> Value {
    Value::constant(crate::tensor::from_vec(vec![0f32; dims.iter().product()], dims).unwrap())
}

#[cfg(test)]
mod tests;
