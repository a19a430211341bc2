//! Root mean square normalisation: each row is divided by its root mean square, then a learned scale.
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

use crate::error::Result;
use crate::kernels::cpu::norm::Centre;
use crate::ops::layer_norm::{check, normalize};
use crate::tape::{Tape, Value};

pub(crate) fn rms_norm(tape: &mut Tape, x: &Value, w: &Value, epsilon: f64) -> Result<Value> {
    check(x, &[("weight", w)]).map_err(|error| error.at("rmsNorm"))?;
    normalize(tape, "rmsNorm", x, w, None, epsilon, Centre::Zero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_golden, assert_kernel, assert_slopes, normal};

    #[test]
    fn equals_pytorch() {
        assert_golden("rmsNorm", &["x", "weight"], |tape, v, _| rms_norm(tape, &v[0], &v[1], 1e-6));
    }

    #[test]
    fn kernels_equal_the_reference() {
        for rows in [1, 40] {
            let inputs = [normal(1, &[rows, 131]), normal(2, &[131])];
            assert_kernel("rmsNorm", 131 * rows, &inputs, |tape, v| rms_norm(tape, &v[0], &v[1], 1e-6));
        }
    }

    #[test]
    fn slopes_are_those_of_differences() {
        let inputs = [normal(1, &[3, 2, 5]), normal(2, &[5])];
        assert_slopes("rmsNorm", &inputs, |tape, v| rms_norm(tape, &v[0], &v[1], 1e-6));
    }
}
