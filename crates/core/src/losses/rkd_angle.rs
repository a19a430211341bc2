//! Huber loss between the angles that three samples form.
//!
//! ```text
//! n_rj = (e_j − e_r)/‖e_j − e_r‖,   A_rjk = n_rj·n_rk;        ℓ_r = 1/N² Σ_jk h(A^s_rjk − A^t_rjk)
//! ∂n_rj = 2 Σ_k c_jk n_rk,   c = h'/N²;   ∂e_j += (∂n_rj − n_rj (n_rj·∂n_rj))/‖e_j − e_r‖,   ∂e_r −= the same
//! ```
//!
//! e are the rows of a layer, flattened to `[N, width]`; widths may differ; r is the sample at the vertex of the angle;
//! h(x) = ½x² for |x| < 1, else |x| − ½. Equal samples form no angle. Memory holds N × N numbers, never N × N × N. In
//! single precision the angles are computed from the products of the rows (`kernels/cpu/angles.rs`). Source: Park, Kim,
//! Lu, Cho, "Relational Knowledge Distillation", CVPR 2019, arXiv:1904.05068.
//!
//! The loss couples the rows of a batch: accumulated small batches do not equal a large one, and a single row gives 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Array, Compare, Compared, Comparison, Float, Layers, Units, of_options, smooth_l1};
use crate::error::Result;
use crate::kernels::cpu::angles::{Points, angles};
use crate::schedule::Scheduled;

/// Huber loss between the angles that every three samples of a batch form (relational distillation).
///
/// Choose it together with `rkdDistance` for embeddings, when shape matters more than scale.
///
/// ```js
/// distill({ teacher, student, data, losses: { rkdAngle: { weight: 2 }, rkdDistance: {} } })
/// ```
///
/// See also: `rkdDistance`, `cosine`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RkdAngle {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding (the input of the last linear layer).
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
}

impl Compare for RkdAngle {
    of_options! {}

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| match (points(&place.student), points(&place.teacher)) {
            (Some(own), Some(other)) => F::of_single(angles(&own, &other, &compared.scales, values)),
            _ => plain(&place.student, &place.teacher, &compared.scales, values),
        })
    }
}

fn points<F: Float>(layer: &Array<F>) -> Option<Points> {
    F::single(&layer.values).and_then(|values| Points::of(values, layer.dims[0]))
}

/// Computes the loss from the differences of all rows, one row after the other. Adds to the values; returns the
/// gradient at the student's layer.
fn plain<F: Float>(student: &Array<F>, teacher: &Array<F>, scales: &[f64], values: &mut [f64]) -> Vec<F> {
    let (rows, width) = (scales.len(), student.width());
    let mut gradient = crate::blocks::filled(student.values.len(), F::of(0.0));
    let share = 1.0 / (rows * rows) as f64;
    for r in 0..rows {
        let (own, other) = (from(student, r), from(teacher, r));
        let mut angles = F::products(&own.values, &own.values, width);
        let of_teacher = F::products(&other.values, &other.values, teacher.width());
        let mut sum = 0.0;
        for (angle, other) in angles.iter_mut().zip(&of_teacher) {
            let (value, slope) = smooth_l1(Into::<f64>::into(*angle) - Into::<f64>::into(*other));
            sum += value;
            *angle = F::of(2.0 * share * scales[r] * slope);
        }
        values[r] += share * sum;
        let at_differences = own.back(F::matmul(&angles, &own.values, rows, width));
        for (j, of_pair) in at_differences.chunks(width).enumerate() {
            for (at, g) in of_pair.iter().enumerate() {
                gradient[j * width + at] += *g;
                gradient[r * width + at] -= *g;
            }
        }
    }
    gradient
}

/// The directions from row r to all rows.
fn from<F: Float>(layer: &Array<F>, r: usize) -> Units<F> {
    let start = layer.row(r);
    let width = layer.width();
    let differences: Vec<F> =
        layer.values.chunks(width).flat_map(|row| row.iter().zip(start).map(|(e, start)| *e - *start)).collect();
    Units::of(&differences, width)
}
