//! Samples that look alike to the teacher look alike to the student.
//!
//! ```text
//! M = F Fᵀ,   G_rj = M_rj / ‖M_r‖;        ℓ_r = 1/N Σ_j (G^s_rj − G^t_rj)²
//! ∂M_r = (g − G_r (G_r·g)) / ‖M_r‖,   g = 2/N (G^s_r − G^t_r),   ∂F = (∂M + ∂Mᵀ) F
//! ```
//!
//! F a layer of N rows, flattened to `[N, width]`; widths may differ. The mean over rows is ‖G^s − G^t‖²_F / N².
//! Source: Tung, Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019, arXiv:1907.09682.
//!
//! Couples the rows of a batch: accumulated small batches do not equal a large one; one row alone gives 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::default_weight;
use super::features::{
    Array, Compare, Compared, Comparison, Float, Layers, NARROW, SHORTEST, Units, gram_back, of_options,
};
use crate::error::Result;
use crate::kernels::cpu::alike;
use crate::schedule::Scheduled;

/// Samples that look alike to the teacher look alike to the student (similarity-preserving distillation).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Similarity {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding, what the last linear layer reads.
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
}

impl Compare for Similarity {
    of_options! {}

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        let mut values = vec![0.0; compared.rows()];
        let mut student = Vec::new();
        for place in &compared.places {
            let (own, other, scales) = (&place.student, &place.teacher, &compared.scales);
            student.push(match own.width().min(other.width()) < NARROW {
                true => one(&own.to_f64(), &other.to_f64(), scales, &mut values).into_iter().map(F::of).collect(),
                false => match (F::single(&own.values), F::single(&other.values)) {
                    (Some(own), Some(other)) if scales.len() > 1 => {
                        F::of_single(alike::similarity(own, other, scales, SHORTEST, &mut values))
                    }
                    _ => one(own, other, scales, &mut values),
                },
            });
        }
        Ok(Comparison::of(values, student))
    }
}

/// In plain loops. Adds to the values; gives the gradient at the student's layer.
fn one<F: Float>(own: &Array<F>, other: &Array<F>, scales: &[f64], values: &mut [f64]) -> Vec<F> {
    let rows = scales.len();
    if rows < 2 {
        return vec![F::of(0.0); own.values.len()];
    }
    let gram = |layer: &Array<F>| Units::of(&F::products(&layer.values, &layer.values, layer.width()), rows);
    let (of_own, of_other) = (gram(own), gram(other));
    let mut gradient = Vec::with_capacity(rows * rows);
    for (at, (a, b)) in of_own.values.iter().zip(&of_other.values).enumerate() {
        let (row, d) = (at / rows, Into::<f64>::into(*a) - Into::<f64>::into(*b));
        values[row] += d * d / rows as f64;
        gradient.push(F::of(2.0 * scales[row] * d / rows as f64));
    }
    gram_back(&of_own.back(gradient), &own.values, own.width())
}
