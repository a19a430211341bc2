//! Cross-entropy of several labels at once: each class is a coin of its own.
//!
//! ```text
//! L = mean over rows and classes of max(z, 0) − z y + ln(1 + e^-|z|)      = −y ln q − (1 − y) ln(1 − q)
//!     q = 1 / (1 + e^-z),  z the student's logit,  y the label in 0…1
//! ∂L/∂z = (q − y) / (rows · classes)
//! ```
//!
//! Logits and labels are `[rows, classes]`. Source: Nam, Kim, Loza Mencía, Gurevych, Fürnkranz, "Large-scale
//! Multi-label Text Classification — Revisiting Neural Networks", 2014, arXiv:1312.5419. Where we differ: the
//! mean is over classes too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::default_weight;
use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Dense};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::pointwise;
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

/// Cross-entropy between several labels a row and the student, each class a coin of its own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BinaryCrossEntropy {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
}

impl RowLoss for BinaryCrossEntropy {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::SeveralLabels]
    }

    fn classes(&self) -> usize {
        1
    }

    fn begin<'a>(&'a self, _: u64, _: Option<Source<'a>>, _: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(Box::new(Term))
    }

    fn reference(&self, _: u64, rows: &Reference, _: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let y = rows.targets.as_ref().ok_or_else(|| Error::internal("binaryCrossEntropy without labels"))?;
        let (z, classes) = (&rows.student, rows.classes() as f64);
        let (q, log) = reference::coin(z)?;
        let inner = || {
            let linear = z.gt(0.0)?.where_cond(&(z * (1.0 - y)?)?, &(z * y)?.neg()?)?;
            Ok((((linear + log)?.sum(1)? / classes)?, ((q - y)? / classes)?))
        };
        inner().ok_or_internal()
    }
}

struct Term;

impl RowTerm for Term {
    fn is_dense(&self) -> bool {
        true
    }

    fn dense(&self, row: &mut Dense) -> f64 {
        let classes = row.classes() as f64;
        let scale = (row.scale / classes) as f32;
        pointwise::binary_cross_entropy(row.student(), row.targets(), scale, row.gradient) / classes
    }
}
