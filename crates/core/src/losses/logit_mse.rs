//! Mean squared error between the student's and the teacher's logits.
//!
//! ```text
//! L = mean over rows and classes of (z − v)²,   ∂L/∂z = 2 (z − v) / (rows · classes)
//! ```
//!
//! z are the student's logits, v the teacher's, both `[rows, classes]`. Source: Ba, Caruana, "Do Deep Nets Really Need
//! to be Deep?", 2014, arXiv:1312.6184. Where we differ: for a class that the teacher masks (-∞) the difference is 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, Dense, RowTerm};
use crate::error::Result;
use crate::kernels::cpu::pointwise;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};

/// Mean squared error between the student's and the teacher's logits.
///
/// Choose it when the teacher is a regression model, or instead of `kl` with a very high temperature: the two are
/// equivalent except for a shift of the logits.
///
/// ```js
/// distill({ teacher, student, data, losses: { logitMse: {} } })
/// ```
///
/// See also: `kl`, `mse`, `hint`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogitMse {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
}

impl RowLoss for LogitMse {
    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits])
    }

    fn classes(&self) -> usize {
        1
    }
}

impl OfTeacher for LogitMse {
    fn begin<'a>(&'a self, _: f64, source: Source<'a>, _: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(Box::new(Term { teacher: source.teacher }))
    }

    fn reference(&self, _: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        plain::squared_error(&rows.student, &rows.teacher(teacher)?)
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
