//! Start values of tensors.
//!
//! ```text
//! fan_in  = inputs of one output:  weight [outputs, inputs, …kernel]  →  inputs · kernel
//! fan_out = outputs of one input:  outputs · kernel
//! xavier:  variance = gain² · 2 / (fan_in + fan_out)
//! kaiming: variance = gain² / fan_in
//! uniform forms reach to ±√(3 · variance)
//! ```
//!
//! Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010 (xavier);
//! He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015, arXiv:1502.01852 (kaiming).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{Init, Spec};
use crate::error::{Error, Result};
use crate::parameters::Kind;

/// Start values of one tensor: an object with one key. Random values depend only on the model's seed and the tensor's
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Initializer {
    /// Every number is `value`.
    Constant(ConstantInit),
    /// Uniform from −bound to bound.
    Uniform(UniformInit),
    /// Normal with mean 0 and standard deviation `std`.
    Normal(NormalInit),
    /// Uniform with variance gain² · 2 / (fan_in + fan_out) (Glorot, Bengio 2010).
    XavierUniform(XavierInit),
    /// Normal with variance gain² · 2 / (fan_in + fan_out) (Glorot, Bengio 2010).
    XavierNormal(XavierInit),
    /// Uniform with variance gain² / fan_in (He et al. 2015).
    KaimingUniform(KaimingInit),
    /// Normal with variance gain² / fan_in (He et al. 2015).
    KaimingNormal(KaimingInit),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConstantInit {
    /// Value of every number; must be finite.
    pub value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniformInit {
    /// Largest absolute value; must be finite and ≥ 0.
    pub bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalInit {
    /// Standard deviation; must be finite and ≥ 0.
    pub std: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct XavierInit {
    /// Factor of the standard deviation; must be finite and ≥ 0. Default 1.
    #[serde(default = "one")]
    pub gain: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KaimingInit {
    /// Factor of the standard deviation; must be finite and ≥ 0. Default √2, which suits layers that are followed by
    /// relu.
    #[serde(default = "root_of_two")]
    pub gain: f64,
}

fn one() -> f64 {
    1.0
}

fn root_of_two() -> f64 {
    std::f64::consts::SQRT_2
}

/// Start values of a layer's tensors. A tensor that is not named keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerInit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Initializer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias: Option<Initializer>,
}

impl LayerInit {
    /// Writes these start values into the specs of the layer.
    pub(super) fn apply(&self, specs: &mut [Spec]) -> Result<()> {
        for (name, initializer) in [("weight", self.weight), ("bias", self.bias)] {
            let Some(initializer) = initializer else { continue };
            let spec = specs.iter_mut().find(|spec| spec.name == name && spec.kind == Kind::Trainable);
            let spec = spec.ok_or_else(|| Error::config(name, format!("this layer has no {name}; leave it out")))?;
            spec.init = initializer.init(&spec.shape).map_err(|error| error.at(name))?;
        }
        Ok(())
    }
}

impl Initializer {
    fn init(self, shape: &[usize]) -> Result<Init> {
        // The kernel multiplies fan_in and fan_out.
        let kernel: f64 = shape.iter().skip(2).map(|side| *side as f64).product();
        let (fan_in, fan_out) = match shape {
            [outputs, inputs, ..] => (*inputs as f64 * kernel, *outputs as f64 * kernel),
            _ => (0.0, 0.0),
        };
        let xavier = |gain: f64| gain * (2.0 / (fan_in + fan_out)).sqrt();
        let kaiming = |gain: f64| gain / fan_in.sqrt();
        let (key, given, init) = match self {
            Initializer::Constant(ConstantInit { value }) => ("constant.value", value, Init::Constant(value)),
            Initializer::Uniform(UniformInit { bound }) => ("uniform.bound", bound, Init::Uniform(bound)),
            Initializer::Normal(NormalInit { std }) => ("normal.std", std, Init::Normal(std)),
            Initializer::XavierUniform(XavierInit { gain }) => {
                ("xavierUniform.gain", gain, Init::Uniform(3f64.sqrt() * xavier(gain)))
            }
            Initializer::XavierNormal(XavierInit { gain }) => ("xavierNormal.gain", gain, Init::Normal(xavier(gain))),
            Initializer::KaimingUniform(KaimingInit { gain }) => {
                ("kaimingUniform.gain", gain, Init::Uniform(3f64.sqrt() * kaiming(gain)))
            }
            Initializer::KaimingNormal(KaimingInit { gain }) => {
                ("kaimingNormal.gain", gain, Init::Normal(kaiming(gain)))
            }
        };
        let any_sign = matches!(self, Initializer::Constant(_));
        if !(given as f32).is_finite() || (given < 0.0 && !any_sign) {
            let wanted = if any_sign { "a finite number" } else { "a finite number of at least 0" };
            return Err(Error::config(key, format!("expected {wanted}, got {given}")));
        }
        let by_fan = key.ends_with(".gain");
        if by_fan && shape.len() < 2 {
            let kind = key.trim_end_matches(".gain");
            return Err(Error::config(
                kind,
                "expected a matrix or a kernel, got a vector; use constant, uniform or normal here",
            ));
        }
        Ok(init)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn init(initializer: serde_json::Value, shape: &[usize]) -> Result<Init> {
        serde_json::from_value::<Initializer>(initializer).unwrap().init(shape)
    }

    #[test]
    fn variances_follow_from_the_fans() {
        let close = |a: Init, b: Init| match (a, b) {
            (Init::Uniform(a), Init::Uniform(b)) | (Init::Normal(a), Init::Normal(b)) => (a - b).abs() < 1e-12,
            _ => false,
        };
        for (initializer, shape, expected) in [
            (json!({ "xavierUniform": {} }), vec![4, 8], Init::Uniform((6.0f64 / 12.0).sqrt())),
            (json!({ "xavierNormal": { "gain": 2.0 } }), vec![4, 8], Init::Normal(2.0 * (2.0f64 / 12.0).sqrt())),
            (json!({ "kaimingUniform": {} }), vec![16, 3, 5, 5], Init::Uniform((6.0f64 / 75.0).sqrt())),
            (json!({ "kaimingNormal": {} }), vec![16, 3, 5, 5], Init::Normal((2.0f64 / 75.0).sqrt())),
            (json!({ "normal": { "std": 0.02 } }), vec![7], Init::Normal(0.02)),
        ] {
            let made = init(initializer.clone(), &shape).unwrap();
            assert!(close(made, expected), "{initializer}: {made:?}, expected {expected:?}");
        }
    }

    #[test]
    fn wrong_numbers_and_shapes_are_refused() {
        for (initializer, message) in [
            (json!({ "normal": { "std": -1.0 } }), "normal.std: expected a finite number of at least 0, got -1"),
            (json!({ "constant": { "value": 1e39 } }), "constant.value: expected a finite number, got 1000"),
            (
                json!({ "kaimingNormal": {} }),
                "kaimingNormal: expected a matrix or a kernel, got a vector; use constant, uniform or normal here",
            ),
        ] {
            let error = init(initializer, &[5]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
