//! Mean squared error between a layer of the student and one of the teacher.
//!
//! ```text
//! ℓ_r = mean over the numbers of a row of (f_s · P − f_t)²,   ∂ℓ_r/∂f_s·P = 2 (f_s · P − f_t) / d
//! ```
//!
//! f_s and f_t are the student's and the teacher's layer `[rows, …]`, d is the size of a row, P is a
//! trained projection (absent by default). Source: Romero et al., "FitNets: Hints for Thin Deep Nets", 2015,
//! arXiv:1412.6550. Where we differ: the losses of several pairs of layers are added; the projection has no bias.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Compare, Compared, Comparison, Float, Layers, of_options};
use crate::error::Result;
use crate::schedule::Scheduled;

/// Mean squared error between a layer of the student and one of the teacher (FitNets).
///
/// Choose it when a layer of the student should have the same outputs as a layer of the teacher.
///
/// ```js
/// distill({ teacher, student, data, losses: { hint: { projection: true }, kl: {} } })
/// ```
///
/// See also: `cosine`, `patient`, `attentionTransfer` for feature maps.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hint {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding (the input of the last linear layer).
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
    /// Trains a linear map (on feature maps a 1 × 1 convolution) from the student's width to the teacher's. Default
    /// false: widths must be equal.
    #[serde(default)]
    pub projection: bool,
}

impl Compare for Hint {
    of_options! { projection }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| {
            let width = place.student.width();
            let mut gradient = crate::blocks::empty(place.student.values.len());
            for (row, value) in values.iter_mut().enumerate() {
                let scale = 2.0 * compared.scales[row] / width as f64;
                for (s, t) in place.student.row(row).iter().zip(place.teacher.row(row)) {
                    let d: f64 = Into::<f64>::into(*s) - Into::<f64>::into(*t);
                    *value += d * d / width as f64;
                    gradient.push(F::of(scale * d));
                }
            }
            gradient
        })
    }
}
