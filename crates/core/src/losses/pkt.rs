//! Kullback–Leibler divergence between neighbourhood probabilities of a batch.
//!
//! ```text
//! S_rj = (cos(f_r, f_j) + 1)/2,   p_rj = S_rj / Σ_k S_rk of the teacher, q the student's
//! ℓ_r = 1/N Σ_j p_rj log((p_rj + eps)/(q_rj + eps))
//! ∂S_rj = (g_rj − Σ_k g_rk q_rk) / Σ_k S_rk,   g_rj = −p_rj / (N (q_rj + eps));   ∂f̂ = ½ (∂S + ∂Sᵀ) f̂
//! ```
//!
//! f are the rows of a layer, flattened to `[N, width]`; widths may differ; f̂ = f/(‖f‖ + eps), with the gradient (g −
//! f̂ (f̂·g)(‖f‖ + eps)/‖f‖) / (‖f‖ + eps). Source: Passalis, Tefas, "Learning Deep Representations with Probabilistic
//! Knowledge Transfer", ECCV 2018, arXiv:1803.10837, and its code.
//!
//! The loss couples the rows of a batch: accumulated small batches do not equal a large one, and a single row gives 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{
    Array, Compare, Compared, Comparison, Float, Layers, NARROW, ROWS, SHORTEST, dot, gram_back, of_options,
};
use super::ranges;
use crate::error::Result;
use crate::pool;
use crate::schedule::Scheduled;

/// Divergence between the probabilities that samples of a batch are neighbours (probabilistic knowledge transfer).
///
/// Choose it for retrieval: it compares neighbourhoods instead of coordinates, and widths may differ.
///
/// ```js
/// distill({ teacher, student, data, losses: { pkt: {} } })
/// ```
///
/// See also: `similarity`, `rkdDistance`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pkt {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Number added to lengths and probabilities; must be > 0. Default 1e-7.
    #[serde(default = "tiny")]
    pub eps: f64,
    /// Which layers are compared. Default: the embedding (the input of the last linear layer).
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
}

fn tiny() -> f64 {
    1e-7
}

impl Compare for Pkt {
    of_options! {}

    fn validate(&self) -> Result<()> {
        ranges::positive("eps", self.eps)
    }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| {
            let (own, other) = (&place.student, &place.teacher);
            let scales = &compared.scales;
            match own.width().min(other.width()) < NARROW {
                true => {
                    let gradient = self.one(&own.to_f64(), &other.to_f64(), scales, values);
                    gradient.into_iter().map(F::of).collect()
                }
                false => self.one(own, other, scales, values),
            }
        })
    }
}

impl Pkt {
    /// Adds to the values; returns the gradient at the student's layer.
    fn one<F: Float>(&self, own: &Array<F>, other: &Array<F>, scales: &[f64], values: &mut [f64]) -> Vec<F> {
        let rows = scales.len();
        if rows < 2 {
            return vec![F::of(0.0); own.values.len()];
        }
        let (own, other) = (Near::of(own, self.eps), Near::of(other, self.eps));
        let mut gradient = vec![F::of(0.0); rows * rows];
        let work = gradient.chunks_mut(rows).zip(values).collect();
        pool::each(work, |row, (gradient, value): (&mut [F], &mut f64)| {
            let of_row = row * rows..(row + 1) * rows;
            let (p, q) = (&other.probabilities[of_row.clone()], &own.probabilities[of_row]);
            let (mut slopes, scale) = (vec![0.0; rows], scales[row] / rows as f64);
            for ((p, q), slope) in p.iter().zip(q).zip(&mut slopes) {
                let over = 1.0 / (q + self.eps);
                *value += p * ((p + self.eps) * over).ln() / rows as f64;
                *slope = -scale * p * over;
            }
            let mean = slopes.iter().zip(q).map(|(slope, q)| slope * q).sum::<f64>();
            let share = 2.0 * own.sums[row];
            gradient.iter_mut().zip(&slopes).for_each(|(to, slope)| *to = F::of((slope - mean) / share));
        });
        own.back(gradient, self.eps)
    }
}

/// Below this similarity two rows are almost opposite, and their cosine is computed again in f64.
const OPPOSITE: f64 = 1e-3;

/// The probability of each row as a neighbour of each row.
struct Near<F> {
    /// f̂.
    scaled: Vec<F>,
    width: usize,
    lengths: Vec<f64>,
    sums: Vec<f64>,
    probabilities: Vec<f64>,
}

impl<F: Float> Near<F> {
    fn of(layer: &Array<F>, eps: f64) -> Near<F> {
        let (rows, width) = (layer.dims[0], layer.width());
        let (mut scaled, mut lengths) = (layer.values.to_vec(), vec![0.0; rows]);
        let work = scaled.chunks_mut(ROWS * width).zip(lengths.chunks_mut(ROWS)).collect();
        pool::each(work, |_, (scaled, lengths): (&mut [F], &mut [f64])| {
            for (row, length) in scaled.chunks_mut(width).zip(lengths) {
                *length = dot(row, row).sqrt();
                row.iter_mut().for_each(|x| *x = F::of(Into::<f64>::into(*x) / (*length + eps)));
            }
        });
        let products = F::gram(&scaled, width);
        // Near −1, cosine + 1 consists mostly of rounding; then the product is computed again in f64.
        let near = |r: usize, j: usize| {
            let near = (Into::<f64>::into(products[r * rows + j]) + 1.0) / 2.0;
            if near > OPPOSITE {
                return near;
            }
            let cosine = dot(layer.row(r), layer.row(j)) / ((lengths[r] + eps) * (lengths[j] + eps));
            (cosine + 1.0) / 2.0
        };
        let (mut probabilities, mut sums) = (vec![0.0; rows * rows], vec![0.0; rows]);
        pool::each(probabilities.chunks_mut(rows).zip(&mut sums).collect(), |r, (row, sum): (&mut [f64], &mut f64)| {
            row.iter_mut().enumerate().for_each(|(j, to)| *to = near(r, j));
            *sum = row.iter().sum();
            let over = 1.0 / *sum;
            row.iter_mut().for_each(|p| *p *= over);
        });
        Near { scaled, width, lengths, sums, probabilities }
    }

    /// The gradient at the layer, from the gradient at the cosines.
    fn back(&self, gradient: Vec<F>, eps: f64) -> Vec<F> {
        let mut back = gram_back(&gradient, &self.scaled, self.width);
        let rows = back.chunks_mut(self.width).zip(self.scaled.chunks(self.width)).zip(&self.lengths);
        for ((gradient, scaled), length) in rows {
            if *length < SHORTEST {
                gradient.fill(F::of(0.0));
                continue;
            }
            let along = dot(gradient, scaled) * (length + eps) / length;
            for (g, f) in gradient.iter_mut().zip(scaled) {
                *g = F::of((Into::<f64>::into(*g) - Into::<f64>::into(*f) * along) / (length + eps));
            }
        }
        back
    }
}
