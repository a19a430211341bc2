//! Class relations alone: how alike the teacher's class templates are to that of the row's label.
//!
//! ```text
//! L = T² · mean over rows of KL(r ‖ q),   r = softmax_k( sign(c_k) |c_k|^power / sharpness ),  c_k = cos(w_t, w_k)
//!     w_k row k of the weight of the teacher's last linear layer,  t the row's label
//!     q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = T · (q_k − r_k) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`, the weight `[classes, width]`, labels `[rows]`. r depends on the label alone: only the
//! rows of labels that occur are made, and kept (`targets/similar.rs`). Source: Tang, Shivanna, Zhao, Lin, Singh, Chi,
//! Jain, "Understanding and Improving Knowledge Distillation", 2020, arXiv:2002.03532 (KD-sim). Where we differ: the paper
//! sharpens in a way that was not found: here by a power and a divisor; T², as in `kl`. With power and sharpness 1
//! and 100 classes the label gets at most 6.9 %.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::likeness::{check_sharpening, one, similar_rows, similarities};
use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Row, Side, Softmax};
use super::{default_temperature, default_weight};
use crate::error::{Error, Result};
use crate::kernels::cpu::rows;
use crate::schedule::Scheduled;
use crate::targets::{Similar, SimilarRows, Source, Teacher};
use crate::tensor::Tensor;

/// How alike the teacher's classes are to the label, by the weight of its last layer (KD-sim); without its answers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KdSim {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// What the size of each cosine is raised to; above 0. Default 1.
    #[serde(default = "one")]
    pub power: f64,
    /// What the powers are divided by before the softmax: smaller is sharper; above 0. Default 1.
    #[serde(default = "one")]
    pub sharpness: f64,
    /// What the student's logits are divided by before the softmax; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
    #[serde(skip)]
    #[schemars(skip)]
    similar: Similar,
}

impl RowLoss for KdSim {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        check_sharpening(self.power, self.sharpness)?;
        self.temperature.validate("temperature", "a number above 0", |temperature| temperature > 0.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::TeacherHead, Need::Labels]
    }

    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let temperature = self.temperature.at(step);
        let source = teacher.ok_or_else(|| Error::internal("kdSim without a teacher"))?;
        let rows = similar_rows(&self.similar, source, self.power, self.sharpness)?;
        Ok(Box::new(Term { rows, student: ask.softmax(Side::Student, temperature), temperature }))
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let r = similarities(rows, teacher, self.power, self.sharpness)?;
        reference::towards(&r, rows, self.temperature.at(step))
    }
}

struct Term {
    rows: Arc<SimilarRows>,
    student: Softmax,
    temperature: f64,
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let t = self.temperature;
        // Each row that counts has a label that is a class.
        let Some(similar) = self.rows.of(row.label()) else { return f64::NAN };
        if let Some(next) = row.next_label().and_then(|label| self.rows.of(label)) {
            rows::fetch(next.rho);
        }
        row.add_softmax(self.student, t);
        row.add_row(similar.rho, -t);
        t.powi(2) * (similar.negative_entropy - row.mean_log_under(self.student, similar.rho))
    }
}
