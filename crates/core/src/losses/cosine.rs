//! The student's vectors point where the teacher's point.
//!
//! ```text
//! ℓ_r = mean over the vectors of a row of 1 − a·b/(‖a‖ ‖b‖),   ∂/∂a = −(b̂ − â (â·b̂)) / ‖a‖
//! ```
//!
//! a the student's vectors, b the teacher's, `[rows, d]` or `[rows, length, d]`; â, b̂ of length 1. A feature map is one
//! vector, unless it is projected: then each of its places is one. Source: Sanh, Debut, Chaumond, Wolf, "DistilBERT",
//! 2019, arXiv:1910.01108. Where we differ: a vector shorter than 1e-12 has cosine 0 with all and gradient 0, where
//! PyTorch divides by 1e-8.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::default_weight;
use super::features::{Compare, Compared, Comparison, Float, Layers, Units, dot, of_options, width_of};
use crate::error::Result;
use crate::schedule::Scheduled;

/// The student's vectors point where the teacher's point (DistilBERT): 1 − cosine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cosine {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding, what the last linear layer reads.
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
    /// Trains a linear map from the student's width to the teacher's. Default: widths must be equal.
    #[serde(default)]
    pub projection: bool,
}

impl Compare for Cosine {
    of_options! { projection }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        let mut values = vec![0.0; compared.rows()];
        let mut student = Vec::new();
        for place in &compared.places {
            let width = width_of(&place.student);
            let count = place.student.width() / width;
            let (own, other) = (Units::of(&place.student.values, width), Units::of(&place.teacher.values, width));
            let mut gradient = Vec::with_capacity(own.values.len());
            for (at, (a, b)) in own.values.chunks(width).zip(other.values.chunks(width)).enumerate() {
                let row = at / count;
                values[row] += (1.0 - dot(a, b)) / count as f64;
                let scale = compared.scales[row] / count as f64;
                gradient.extend(b.iter().map(|b| F::of(-scale * Into::<f64>::into(*b))));
            }
            student.push(own.back(gradient));
        }
        Ok(Comparison::of(values, student))
    }
}
