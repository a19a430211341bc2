//! The share of rows for which student and teacher predict the same class, independent of the label.
//!
//! ```text
//! agreement = (rows with argmax_k z_k = argmax_k t_k) / rows        z: student's logits, t: teacher's
//! ```
//!
//! Source: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really Work?", 2021,
//! arXiv:2106.05945, section 3.2 (top-1 agreement). Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::Rows;
use super::rows::largest;

/// The share of rows for which student and teacher predict the same class; 0…1.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agreement {}

impl MeanMetric for Agreement {
    const NEEDS: Needs = Needs::TeacherClasses;
    const BETTER: Option<Better> = Some(Better::Higher);

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        for (row, (best, teacher)) in rows.best().iter().zip(rows.teacher()).enumerate() {
            mean.add(f64::from(*best == largest(teacher)), rows.weight(row));
        }
    }
}
