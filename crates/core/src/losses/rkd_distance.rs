//! Huber loss between the pairwise distances of a batch, each side divided by its mean distance.
//!
//! ```text
//! D_rj = ‖e_r − e_j‖₂,   μ = mean of D over all r ≠ j;        ℓ_r = 1/N Σ_j h(u_rj),   u_rj = D^s_rj/μ_s − D^t_rj/μ_t
//! ∂D_rj = c_rj/μ_s − Σ c D^s / (μ_s² N (N−1)),   c_rj = h'(u_rj)/N;   ∂e_r = Σ_j (∂D_rj + ∂D_jr) (e_r − e_j)/D_rj
//! ```
//!
//! e are the rows of a layer, flattened to `[N, width]`; widths may differ; h(x) = ½x² for |x| < 1, else |x| − ½.
//! Squared distances below 1e-12 count as 1e-12 and have gradient 0. Source: Park, Kim, Lu, Cho, "Relational Knowledge
//! Distillation", CVPR 2019, arXiv:1904.05068.
//!
//! The loss couples the rows of a batch: accumulated small batches do not equal a large one. For one row, value and
//! gradient are 0. They are also 0 for two rows, because their only distance equals the mean, so u is 0, as in the
//! paper.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Array, Compare, Compared, Comparison, Float, Layers, ROWS, SHORTEST, of_options, smooth_l1};
use crate::error::Result;
use crate::pool;
use crate::schedule::Scheduled;

/// Huber loss between the pairwise distances within a batch (relational distillation). Distances are divided by their
/// batch mean; with only two rows the loss is always 0. Set `dropLast` if the last batch may have only one or two rows.
///
/// Choose it for embeddings that are compared by distance, as in retrieval.
///
/// ```js
/// distill({ teacher, student, data, losses: { rkdDistance: {}, kl: {} } })
/// ```
///
/// See also: `rkdAngle`, `pkt`, `similarity`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RkdDistance {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding (the input of the last linear layer).
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
}

impl Compare for RkdDistance {
    of_options! {}

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| match compared.rows() {
            0 | 1 => crate::blocks::filled(place.student.values.len(), F::of(0.0)),
            _ => one(&place.student, &place.teacher, &compared.scales, values),
        })
    }
}

/// Adds to the values; returns the gradient at the student's layer.
fn one<F: Float>(student: &Array<F>, teacher: &Array<F>, scales: &[f64], values: &mut [f64]) -> Vec<F> {
    let rows = scales.len();
    let (own, other) = (Distances::of(student), Distances::of(teacher));
    let (over_own, over_other) = (1.0 / own.mean, 1.0 / other.mean);
    let mut slopes = crate::blocks::filled(rows * rows, 0.0);
    let mut along = vec![0.0; rows];
    let work = slopes.chunks_mut(ROWS * rows).zip(values.chunks_mut(ROWS)).zip(along.chunks_mut(ROWS)).collect();
    pool::each(work, |piece, ((slopes, values), along): ((&mut [f64], &mut [f64]), &mut [f64])| {
        for (at, ((slopes, value), along)) in slopes.chunks_mut(rows).zip(values).zip(along).enumerate() {
            let r = piece * ROWS + at;
            let both = own.row(r).iter().zip(other.row(r));
            for (slope, (a, b)) in slopes.iter_mut().zip(both) {
                let (h, by) = smooth_l1(a * over_own - b * over_other);
                *value += h / rows as f64;
                *slope = by * scales[r] / rows as f64;
                *along += *slope * a;
            }
        }
    });
    // The effect of each distance on all others through the mean.
    let shift = along.iter().sum::<f64>() / (own.mean * own.mean * (rows * (rows - 1)) as f64);
    let mut gradient = crate::blocks::filled(student.values.len(), F::of(0.0));
    pool::pieces(&mut gradient, ROWS * student.width(), |piece, gradient| {
        let mut pulls = crate::blocks::filled(rows, F::of(0.0));
        for (at, gradient) in gradient.chunks_mut(student.width()).enumerate() {
            let r = piece * ROWS + at;
            for (j, (pull, distance)) in pulls.iter_mut().zip(own.row(r)).enumerate() {
                let both = (slopes[r * rows + j] + slopes[j * rows + r]) * over_own - 2.0 * shift;
                *pull = F::of(if *distance <= SHORTEST.sqrt() { 0.0 } else { -both / distance });
            }
            F::pull(&student.values, &pulls, student.row(r), 0.0, gradient);
        }
    });
    gradient
}

/// The distances between all rows; the distance of a row from itself is 0.
struct Distances {
    each: Vec<f64>,
    rows: usize,
    mean: f64,
}

impl Distances {
    fn of<F: Float>(layer: &Array<F>) -> Distances {
        let rows = layer.dims[0];
        let squares = F::squares_apart(&layer.values, layer.width());
        let mut each = crate::blocks::filled(rows * rows, 0.0);
        let mut sums = vec![0.0; rows];
        let work = each.chunks_mut(rows).zip(squares.chunks(rows)).zip(&mut sums).collect();
        pool::each(work, |r, ((each, squares), sum): ((&mut [f64], &[F]), &mut f64)| {
            for (distance, square) in each.iter_mut().zip(squares) {
                let square: f64 = (*square).into();
                // Not `max`, so that NaN stays NaN.
                *distance = if square < SHORTEST { SHORTEST } else { square }.sqrt();
            }
            each[r] = 0.0;
            *sum = each.iter().sum();
        });
        let mean = sums.iter().sum::<f64>() / (rows * (rows - 1)) as f64;
        Distances { each, rows, mean }
    }

    fn row(&self, r: usize) -> &[f64] {
        &self.each[r * self.rows..(r + 1) * self.rows]
    }
}
