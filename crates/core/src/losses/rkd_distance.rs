//! Samples are as far from one another in the student as in the teacher, by the mean distance.
//!
//! ```text
//! D_rj = ‖e_r − e_j‖₂,   μ = mean of D over all r ≠ j;        ℓ_r = 1/N Σ_j h(u_rj),   u_rj = D^s_rj/μ_s − D^t_rj/μ_t
//! ∂D_rj = c_rj/μ_s − Σ c D^s / (μ_s² N (N−1)),   c_rj = h'(u_rj)/N;   ∂e_r = Σ_j (∂D_rj + ∂D_jr) (e_r − e_j)/D_rj
//! ```
//!
//! e the rows of a layer, flattened to `[N, width]`; widths may differ; h(x) = ½x² within 1 of 0, else |x| − ½.
//! Squared distances below 1e-12 count as 1e-12 and have gradient 0. Source: Park, Kim, Lu, Cho, "Relational
//! Knowledge Distillation", CVPR 2019, arXiv:1904.05068.
//!
//! Couples the rows of a batch: accumulated small batches do not equal a large one; one row alone gives 0. So do two rows,
//! value and gradient: their one distance is its own mean, 1 on both sides, as in the paper.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::default_weight;
use super::features::{Array, Compare, Compared, Comparison, Float, Layers, SHORTEST, smooth_l1, square_distance};
use crate::error::Result;
use crate::schedule::Scheduled;

/// Samples are as far from one another in the student as in the teacher (relational distillation, distances). Distances are
/// measured by their mean, so a batch of two rows teaches nothing: set `dropLast` where the last batch may have one or two.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RkdDistance {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding, what the last linear layer reads.
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
}

impl Compare for RkdDistance {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Widths may differ: rows are compared with rows of the same model.
    fn check(&self, _student: &[usize], _teacher: &[usize]) -> Result<()> {
        Ok(())
    }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        let rows = compared.rows();
        let mut values = vec![0.0; rows];
        let mut student = Vec::new();
        for place in &compared.places {
            let mut gradient = vec![F::of(0.0); place.student.values.len()];
            if rows >= 2 {
                let (own, other) = (Distances::of(&place.student), Distances::of(&place.teacher));
                let mut slopes = vec![0.0; rows * rows];
                let mut along = 0.0;
                for (at, slope) in slopes.iter_mut().enumerate() {
                    let (value, h) = smooth_l1(own.each[at] / own.mean - other.each[at] / other.mean);
                    values[at / rows] += value / rows as f64;
                    *slope = h * compared.scales[at / rows] / rows as f64;
                    along += *slope * own.each[at];
                }
                // What each distance does to all by the mean.
                let shift = along / (own.mean * own.mean * (rows * (rows - 1)) as f64);
                let both = |r: usize, j: usize| (slopes[r * rows + j] + slopes[j * rows + r]) / own.mean - 2.0 * shift;
                own.back(both, &place.student, &mut gradient);
            }
            student.push(gradient);
        }
        Ok(Comparison::of(values, student))
    }
}

/// Of all rows from all rows; 0 from themselves.
struct Distances {
    each: Vec<f64>,
    mean: f64,
}

impl Distances {
    fn of<F: Float>(layer: &Array<F>) -> Distances {
        let rows = layer.dims[0];
        let mut each = vec![0.0; rows * rows];
        let mut sum = 0.0;
        for r in 0..rows {
            for j in 0..r {
                let square = square_distance(layer.row(r), layer.row(j));
                // Not `max`: what is no number has to stay none.
                let distance = if square < SHORTEST { SHORTEST } else { square }.sqrt();
                each[r * rows + j] = distance;
                each[j * rows + r] = distance;
                sum += 2.0 * distance;
            }
        }
        Distances { each, mean: sum / (rows * (rows - 1)) as f64 }
    }

    /// Adds the gradient at the layer, from what the distances of r from j and of j from r give together.
    fn back<F: Float>(&self, both: impl Fn(usize, usize) -> f64, layer: &Array<F>, gradient: &mut [F]) {
        let (rows, width) = (layer.dims[0], layer.width());
        for r in 0..rows {
            let (above, below) = gradient.split_at_mut(r * width);
            let of_r = &mut below[..width];
            for j in 0..r {
                let distance = self.each[r * rows + j];
                if distance <= SHORTEST.sqrt() {
                    continue;
                }
                let factor = F::of(both(r, j) / distance);
                let of_j = &mut above[j * width..(j + 1) * width];
                for (((to_r, to_j), a), b) in of_r.iter_mut().zip(of_j).zip(layer.row(r)).zip(layer.row(j)) {
                    let d = factor * (*a - *b);
                    *to_r += d;
                    *to_j -= d;
                }
            }
        }
    }
}
