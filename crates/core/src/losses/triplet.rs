//! The student's output for a sample is pulled to the teacher's, its output for a sample of another class is pushed
//! away from it.
//!
//! ```text
//! ℓ_r = max(0, D(a, p) − D(a, n) + m),   D(x, y) = ‖x − y + 1e-6‖₂
//! open hinge:   ∂ℓ_r/∂p = −(a − p + 1e-6) / D(a, p),   ∂ℓ_r/∂n = +(a − n + 1e-6) / D(a, n)
//! ```
//!
//! a is the teacher's output for the row, p the student's for the same row, n the student's for its partner of another
//! class, `[rows, d]` each; m is the margin. The teacher does not compute an output for the partner. Source: Oki, Abe,
//! Miyao, Kurita, "Triplet Loss for Knowledge Distillation", IJCNN 2020, arXiv:2004.08116, and its code.
//! Where we differ: any layer may be compared, not only the logits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Compare, Compared, Comparison, Float, Layers, distance, five, of_options, pull};
use super::need::{Need, Needs};
use super::ranges;
use crate::error::{Error, Result};
use crate::schedule::Scheduled;

/// Triplet loss with the teacher's output as the anchor: the positive is the student's output for the same sample, the
/// negative is its output for a sample of another class, which is drawn anew in each epoch.
///
/// Choose it when outputs or embeddings of different classes should be far apart.
///
/// ```js
/// distill({ teacher, student, data, losses: { triplet: { margin: 5 }, crossEntropy: {} } })
/// ```
///
/// See also: `tripletBatch`, `rkdDistance`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Triplet {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// How much farther from the anchor the negative must be than the positive; must be ≥ 0. Default 5.
    #[serde(default = "five")]
    pub margin: f64,
    /// Which layers are compared. Default: the logits, as in the paper's code.
    #[serde(default = "Layers::logits")]
    pub layers: Layers,
    /// Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
    #[serde(default)]
    pub projection: bool,
}

impl Compare for Triplet {
    of_options! { projection }

    fn validate(&self) -> Result<()> {
        ranges::not_negative("margin", self.margin)
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::Pair])
    }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        let mut values = vec![0.0; compared.rows()];
        let mut open = vec![0.0; compared.rows()];
        let (mut student, mut pair) = (Vec::new(), Vec::new());
        for place in &compared.places {
            let negatives = place.pair.as_ref().ok_or_else(|| Error::internal("triplet without its pair view"))?;
            let zero = crate::blocks::filled(place.student.values.len(), F::of(0.0));
            let (mut drawn, mut pushed) = (zero.clone(), zero);
            let width = place.student.width();
            for (row, scale) in compared.scales.iter().enumerate() {
                let (a, p, n) = (place.teacher.row(row), place.student.row(row), negatives.row(row));
                let (near, far) = (distance(a, p), distance(a, n));
                let hinge = near - far + self.margin;
                if hinge <= 0.0 {
                    continue;
                }
                values[row] += hinge;
                open[row] += 1.0 / compared.places.len() as f64;
                let of_row = row * width..(row + 1) * width;
                pull(a, p, -scale / near, &mut drawn[of_row.clone()]);
                pull(a, n, scale / far, &mut pushed[of_row]);
            }
            student.push(drawn);
            pair.push(pushed);
        }
        Ok(Comparison { values, student, pair, details: vec![("openHinges", open)] })
    }
}
