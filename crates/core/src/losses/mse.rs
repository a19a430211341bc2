//! Mean squared error between the student's outputs and real numbers: regression.
//!
//! ```text
//! L = mean over rows and outputs of (z − y)²,   ∂L/∂z = 2 (z − y) / (rows · outputs)
//! ```
//!
//! z the student's outputs, y the labels, both `[rows, outputs]`. Source: Legendre, "Nouvelles méthodes pour la
//! détermination des orbites des comètes", 1805. Where we differ: nowhere.

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

/// Mean squared error between real numbers and the student's outputs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mse {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
}

impl RowLoss for Mse {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::RealLabels]
    }

    fn classes(&self) -> usize {
        1
    }

    fn begin<'a>(&'a self, _: u64, _: Option<Source<'a>>, _: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(Box::new(Term))
    }

    fn reference(&self, _: u64, rows: &Reference, _: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let y = rows.targets.as_ref().ok_or_else(|| Error::internal("mse without labels"))?;
        reference::squared_error(&rows.student, y)
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
