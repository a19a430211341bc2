//! Mean squared difference between the student's outputs and the teacher's.
//!
//! ```text
//! D = mean over rows and outputs of (z − t)²        z: student's output, t: teacher's
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::Rows;

/// The mean squared difference between the student's and the teacher's outputs; 0 or more. Use it for outputs that are
/// vectors rather than classes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeacherDistance {}

impl MeanMetric for TeacherDistance {
    const NEEDS: Needs = Needs::Teacher;
    const BETTER: Option<Better> = Some(Better::Lower);

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        for (row, (outputs, teacher)) in rows.logits().zip(rows.teacher()).enumerate() {
            outputs.iter().zip(teacher).for_each(|(z, t)| mean.add((z - t).powi(2), rows.weight(row)));
        }
    }
}
