//! Root mean square normalization: each row is divided by its root mean square, then multiplied by a learned scale.
//!
//! ```text
//! y = w · x̂,   x̂ = x / √(mean(x²) + epsilon)
//! ∂L/∂x = (h − x̂ · mean(h · x̂)) / √(mean(x²) + epsilon),   h = w · ∂L/∂y
//! ∂L/∂w = Σ_rows x̂ · ∂L/∂y
//! ```
//!
//! Shapes: x `[…, width]`, w `[width]`.
//!
//! Source: Zhang, Sennrich, "Root Mean Square Layer Normalization", 2019, arXiv:1910.07467. Where we differ:
//! nowhere.

use super::{Operation, Sample};
use crate::error::Result;
use crate::kernels::cpu::norm::Centre;
use crate::ops::layer_norm::{Norm, check};
use crate::tape::{Tape, Value};

pub(crate) fn rms_norm(tape: &mut Tape, x: &Value, w: &Value, epsilon: f64) -> Result<Value> {
    check(x, &[("weight", w)]).map_err(|error| error.at("rmsNorm"))?;
    tape.apply("rmsNorm", &[x, w], Norm { x: x.clone(), w: w.clone(), b: None, epsilon, centre: Centre::Zero })
}

pub(crate) const OPERATION: Operation = Operation {
    name: "rmsNorm",
    case: |tape, inputs, options| {
        let epsilon = super::option(options, "epsilon")?.unwrap_or(1e-6);
        rms_norm(tape, inputs.get("x")?, inputs.get("weight")?, epsilon)
    },
    samples: || {
        let sample = |rows| Sample::of(&[("x", &[rows, 131]), ("weight", &[131])]).terms(131 * rows);
        vec![sample(1), sample(40)]
    },
};
