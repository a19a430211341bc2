//! Kullback–Leibler divergence of several labels at once: each class is a coin of its own.
//!
//! ```text
//! L = T² · mean over rows and classes of KL(p ‖ q),  KL(p ‖ q) = p ln(p / q) + (1 − p) ln((1 − p) / (1 − q))
//!     p = σ(teacher / T),  q = σ(student / T),  σ(x) = 1 / (1 + e^-x),  T = temperature
//! ∂L/∂z = T (q − p) / (rows · classes)                            z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. Source: `kl` (Hinton, Vinyals, Dean, 2015, arXiv:1503.02531) of each class by
//! itself. Where we differ: the mean is over classes too, as in `binaryCrossEntropy`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Dense};
use super::{default_temperature, default_weight};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::pointwise;
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

/// Forward Kullback–Leibler divergence of several labels at once, each class a coin of its own, times temperature².
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BinaryKl {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// What both sides' logits are divided by; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
}

impl RowLoss for BinaryKl {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        self.temperature.validate("temperature", "a number above 0", |temperature| temperature > 0.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::TeacherLogits]
    }

    fn classes(&self) -> usize {
        1
    }

    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, _: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let source = teacher.ok_or_else(|| Error::internal("binaryKl without a teacher"))?;
        Ok(Box::new(Term { teacher: source.teacher, temperature: self.temperature.at(step) }))
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let (temperature, classes) = (self.temperature.at(step), rows.classes() as f64);
        // As in the kernel: a masked class is a coin that never falls.
        let v = (rows.teacher(teacher)? / temperature).and_then(|v| v.maximum(-1e30)).ok_or_internal()?;
        let z = (&rows.student / temperature).ok_or_internal()?;
        let less_likely = v.abs().and_then(|v| v.neg()).ok_or_internal()?;
        let ((q, log_q), (p, log_p)) = (reference::coin(&z)?, reference::coin(&v)?);
        let rare = reference::coin(&less_likely)?.0;
        let inner = || {
            let turned = v.gt(0.0)?.where_cond(&z.neg()?, &z)?;
            let distance = (less_likely - &turned)?;
            let value = (((log_q - log_p)? + turned.relu()?)? + (rare * distance)?)?;
            Ok(((value.sum(1)? * (temperature.powi(2) / classes))?, ((q - p)? * (temperature / classes))?))
        };
        inner().ok_or_internal()
    }
}

struct Term {
    teacher: usize,
    temperature: f64,
}

impl RowTerm for Term {
    fn is_dense(&self) -> bool {
        true
    }

    fn dense(&self, row: &mut Dense) -> f64 {
        let (t, classes) = (self.temperature, row.classes() as f64);
        let scale = (row.scale * t / classes) as f32;
        let (student, teacher) = (row.student(), row.teacher(self.teacher));
        t * t / classes * pointwise::binary_divergence(student, teacher, (1.0 / t) as f32, scale, row.gradient)
    }
}
