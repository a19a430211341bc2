//! Cosine distance between the student's and the teacher's vectors.
//!
//! ```text
//! ℓ_r = mean over the vectors of a row of 1 − a·b/(‖a‖ ‖b‖),   ∂/∂a = −(b̂ − â (â·b̂)) / ‖a‖
//! ```
//!
//! a are the student's vectors, b the teacher's, `[rows, d]` or `[rows, length, d]`; â and b̂ have length 1. A feature
//! map is one vector; with a projection each of its places is one vector. Source: Sanh, Debut, Chaumond, Wolf,
//! "DistilBERT", 2019, arXiv:1910.01108. Where we differ: a vector shorter than 1e-12 has cosine 0 with every vector
//! and gradient 0, while PyTorch divides by 1e-8.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Compare, Compared, Comparison, Float, Layers, Units, dot, of_options, width_of};
use crate::error::Result;
use crate::schedule::Scheduled;

/// One minus the cosine between the student's and the teacher's vectors (DistilBERT).
///
/// Choose it when the direction of vectors matters and their length does not, as for sentence vectors.
///
/// ```js
/// distill({ teacher, student, data, losses: { cosine: { projection: true } } })
/// ```
///
/// See also: `hint`, `patient`, `rkdAngle`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cosine {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Which layers are compared. Default: the embedding (the input of the last linear layer).
    #[serde(default = "Layers::embedding")]
    pub layers: Layers,
    /// Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
    #[serde(default)]
    pub projection: bool,
}

impl Compare for Cosine {
    of_options! { projection }

    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>> {
        compared.each(|place, values| {
            let width = width_of(&place.student);
            let count = place.student.width() / width;
            let (own, other) = (Units::of(&place.student.values, width), Units::of(&place.teacher.values, width));
            let mut gradient = crate::blocks::empty(own.values.len());
            for (at, (a, b)) in own.values.chunks(width).zip(other.values.chunks(width)).enumerate() {
                let row = at / count;
                values[row] += (1.0 - dot(a, b)) / count as f64;
                let scale = compared.scales[row] / count as f64;
                gradient.extend(b.iter().map(|b| F::of(-scale * Into::<f64>::into(*b))));
            }
            own.back(gradient)
        })
    }
}
