//! Squared difference between the similarity matrices of a batch.
//!
//! ```text
//! M = F Fᵀ,   G_rj = M_rj / ‖M_r‖;        ℓ_r = 1/N Σ_j (G^s_rj − G^t_rj)²
//! ∂M_r = (g − G_r (G_r·g)) / ‖M_r‖,   g = 2/N (G^s_r − G^t_r),   ∂F = (∂M + ∂Mᵀ) F
//! ```
//!
//! F is a layer of N rows, flattened to `[N, width]`; widths may differ. The mean over rows is ‖G^s − G^t‖²_F / N².
//! Source: Tung, Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019, arXiv:1907.09682.
//!
//! The loss couples the rows of a batch: accumulated small batches do not equal a large one, and a single row gives 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{
    Array, Compare, Compared, Comparison, Float, Layers, NARROW, SHORTEST, Units, gram_back, of_options,
};
use crate::error::Result;
use crate::kernels::cpu::alike;
use crate::schedule::Scheduled;

/// Mean squared difference between the similarity matrices of a batch (similarity-preserving distillation).
///
/// Choose it when the layers differ in width but should agree on which samples are similar.
///
/// ```js
/// distill({ teacher, student, data, losses: { similarity: {}, kl: {} } })
/// ```
///
/// See also: `pkt`, `rkdDistance`, `dist`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Similarity {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding (the input of the last linear layer).
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
}

impl Compare for Similarity {
    of_options! {}

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| {
            let (own, other, scales) = (&place.student, &place.teacher, &compared.scales);
            match own.width().min(other.width()) < NARROW {
                true => one(&own.to_f64(), &other.to_f64(), scales, values).into_iter().map(F::of).collect(),
                false => match (F::single(&own.values), F::single(&other.values)) {
                    (Some(own), Some(other)) if scales.len() > 1 => {
                        F::of_single(alike::similarity(own, other, scales, SHORTEST, values))
                    }
                    _ => one(own, other, scales, values),
                },
            }
        })
    }
}

/// The loss in plain loops. Adds to the values; returns the gradient at the student's layer.
fn one<F: Float>(own: &Array<F>, other: &Array<F>, scales: &[f64], values: &mut [f64]) -> Vec<F> {
    let rows = scales.len();
    if rows < 2 {
        return crate::blocks::filled(own.values.len(), F::of(0.0));
    }
    let gram = |layer: &Array<F>| Units::of(&F::products(&layer.values, &layer.values, layer.width()), rows);
    let (of_own, of_other) = (gram(own), gram(other));
    let mut gradient = crate::blocks::empty(rows * rows);
    for (at, (a, b)) in of_own.values.iter().zip(&of_other.values).enumerate() {
        let (row, d) = (at / rows, Into::<f64>::into(*a) - Into::<f64>::into(*b));
        values[row] += d * d / rows as f64;
        gradient.push(F::of(2.0 * scales[row] * d / rows as f64));
    }
    gram_back(&of_own.back(gradient), &own.values, own.width())
}
