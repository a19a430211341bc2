//! Class relations: how similar the teacher's class templates are to the template of the row's label.
//!
//! ```text
//! L = T² · mean over rows of KL(r ‖ q),   r = softmax_k( sign(c_k) |c_k|^power / sharpness ),  c_k = cos(w_t, w_k)
//!     w_k row k of the weight of the teacher's last linear layer,  t the row's label
//!     q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = T · (q_k − r_k) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`, the weight `[classes, width]`, labels `[rows]`. r depends only on the label: it is
//! computed and cached only for labels that occur (`targets/similar.rs`). Source: Tang, Shivanna, Zhao, Lin, Singh,
//! Chi, Jain, "Understanding and Improving Knowledge Distillation", 2020, arXiv:2002.03532 (KD-sim). Where we differ:
//! we did not find how the paper sharpens, so we use a power and a divisor; T², as in `kl`. With power 1, sharpness 1
//! and 100 classes the label gets at most 6.9 %.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::likeness::{check_sharpening, one, similar_rows, similarities};
use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::reference::{Plain, Reference, towards};
use super::sweep::{Ask, Row, RowTerm, Side, Softmax};
use crate::error::Result;
use crate::kernels::cpu::rows;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Similar, SimilarRows, Source};

/// Divergence from the similarities between the label and all classes (KD-sim), times temperature². They are computed
/// from the weight of the teacher's last layer; the teacher's outputs are not used.
///
/// Choose it when the student should learn how the classes relate and the teacher's outputs are unreliable.
///
/// ```js
/// distill({ teacher, student, data, losses: { kdSim: { power: 1, sharpness: 0.3 }, crossEntropy: {} } })
/// ```
///
/// See also: `kdPt`, `kdPtSim`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KdSim {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Exponent of the absolute value of each cosine, which keeps its sign; must be > 0. Default 1.
    #[serde(default = "one")]
    pub power: f64,
    /// Divisor of the powers before the softmax; a smaller one makes the target sharper; must be > 0. Default 1.
    #[serde(default = "one")]
    pub sharpness: f64,
    /// Temperature applied to the student's logits before the softmax; must be > 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub temperature: Scheduled,
    #[serde(skip)]
    #[schemars(skip)]
    similar: Similar,
}

impl RowLoss for KdSim {
    fn validate(&self) -> Result<()> {
        check_sharpening(self.power, self.sharpness)
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherHead, Need::Labels])
    }
}

impl OfTeacher for KdSim {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let rows = similar_rows(&self.similar, source, self.power, self.sharpness)?;
        Ok(Box::new(Term { rows, student: ask.softmax(Side::Student, temperature), temperature }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let r = similarities(rows, teacher, self.power, self.sharpness)?;
        towards(&r, rows, temperature)
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
        // Each row with a weight other than 0 has a valid class.
        let Some(similar) = self.rows.of(row.label()) else { return f64::NAN };
        if let Some(next) = row.next_label().and_then(|label| self.rows.of(label)) {
            rows::fetch(next.rho);
        }
        row.add_softmax(self.student, t);
        row.add_row(similar.rho, -t);
        t.powi(2) * (similar.negative_entropy - row.mean_log_under(self.student, similar.rho))
    }
}
