//! Mean squared error between the student's and the teacher's logits.
//!
//! ```text
//! L = mean over rows and classes of (z − v)²,   ∂L/∂z = 2 (z − v) / (rows · classes)
//! ```
//!
//! z the student's logits, v the teacher's, both `[rows, classes]`. Source: Ba, Caruana, "Do Deep Nets Really
//! Need to be Deep?", 2014, arXiv:1312.6184. Where we differ: a class that the teacher masks (-∞)
//! counts as equal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::default_weight;
use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Dense};
use crate::error::{Error, Result};
use crate::kernels::cpu::pointwise;
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

/// Mean squared error between the teacher's and the student's logits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogitMse {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
}

impl RowLoss for LogitMse {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::TeacherLogits]
    }

    fn classes(&self) -> usize {
        1
    }

    fn begin<'a>(&'a self, _: u64, teacher: Option<Source<'a>>, _: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let source = teacher.ok_or_else(|| Error::internal("logitMse without a teacher"))?;
        Ok(Box::new(Term { teacher: source.teacher }))
    }

    fn reference(&self, _: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        reference::squared_error(&rows.student, &rows.teacher(teacher)?)
    }
}

struct Term {
    teacher: usize,
}

impl RowTerm for Term {
    fn is_dense(&self) -> bool {
        true
    }

    fn dense(&self, row: &mut Dense) -> f64 {
        let classes = row.classes() as f64;
        let scale = (2.0 * row.scale / classes) as f32;
        pointwise::squared_error(row.student(), row.teacher(self.teacher), scale, row.gradient) / classes
    }
}
