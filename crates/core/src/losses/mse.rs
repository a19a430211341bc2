//! Mean squared error between the student's outputs and real numbers: regression.
//!
//! ```text
//! L = mean over rows and outputs of (z − y)²,   ∂L/∂z = 2 (z − y) / (rows · outputs)
//! ```
//!
//! z are the student's outputs, y the labels, both `[rows, outputs]`. Source: Legendre, "Nouvelles méthodes pour la
//! détermination des orbites des comètes", 1805. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{OfLabels, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, Dense, RowTerm};
use crate::error::Result;
use crate::kernels::cpu::pointwise;
use crate::schedule::Scheduled;

/// Mean squared error between labels that are real numbers and the student's outputs.
///
/// Choose it for regression.
///
/// ```js
/// train({ student, data: regression, losses: { mse: {} } })
/// ```
///
/// See also: `logitMse` for the outputs of a teacher.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mse {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
}

impl RowLoss for Mse {
    fn needs(&self) -> Needs {
        Needs::of(&[Need::RealLabels])
    }

    fn classes(&self) -> usize {
        1
    }
}

impl OfLabels for Mse {
    fn begin<'a>(&'a self, _: &mut Ask) -> Box<dyn RowTerm + 'a> {
        Box::new(Term)
    }

    fn reference(&self, rows: &Reference) -> Result<Plain> {
        let y = rows.targets()?;
        plain::squared_error(&rows.student, y)
    }
}

struct Term;

impl RowTerm for Term {
    fn is_dense(&self) -> bool {
        true
    }

    fn dense(&self, row: &mut Dense) -> f64 {
        let outputs = row.classes() as f64;
        let scale = (2.0 * row.scale / outputs) as f32;
        pointwise::squared_error(row.student(), row.targets(), scale, row.gradient) / outputs
    }
}
