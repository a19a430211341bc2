//! The student's layer repeats the teacher's.
//!
//! ```text
//! ℓ_r = mean over the numbers of a row of (f_s · P − f_t)²,   ∂ℓ_r/∂f_s·P = 2 (f_s · P − f_t) / d
//! ```
//!
//! f_s and f_t the student's and the teacher's layer `[rows, …]`, d the numbers of a row, P a trained projection (one
//! by default absent). Source: Romero et al., "FitNets: Hints for Thin Deep Nets", 2015, arXiv:1412.6550.
//! Where we differ: several pairs of layers are added up; the projection has no bias.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::default_weight;
use super::features::{Compare, Compared, Comparison, Float, Layers, of_options};
use crate::error::Result;
use crate::schedule::Scheduled;

/// The student's layers repeat the teacher's, number by number (FitNets).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hint {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding, what the last linear layer reads.
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
    /// Trains a linear map (on feature maps a 1 × 1 convolution) from the student's width to the teacher's. Default:
    /// widths must be equal.
    #[serde(default)]
    pub projection: bool,
}

impl Compare for Hint {
    of_options! { projection }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        let mut values = vec![0.0; compared.rows()];
        let mut student = Vec::new();
        for place in &compared.places {
            let width = place.student.width();
            let mut gradient = Vec::with_capacity(place.student.values.len());
            for (row, value) in values.iter_mut().enumerate() {
                let scale = 2.0 * compared.scales[row] / width as f64;
                for (s, t) in place.student.row(row).iter().zip(place.teacher.row(row)) {
                    let d: f64 = Into::<f64>::into(*s) - Into::<f64>::into(*t);
                    *value += d * d / width as f64;
                    gradient.push(F::of(scale * d));
                }
            }
            student.push(gradient);
        }
        Ok(Comparison::of(values, student))
    }
}
