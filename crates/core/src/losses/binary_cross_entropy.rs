//! Cross-entropy for multi-label data: each class is a separate binary decision.
//!
//! ```text
//! L = mean over rows and classes of w y ln(1 + e^-z) + (1 − y) ln(1 + e^z)      = −w y ln q − (1 − y) ln(1 − q)
//!     q = 1 / (1 + e^-z),  z the student's logit,  y the label in 0…1,  w = posWeight (of the class)
//! ∂L/∂z = ((1 − y) q − w y (1 − q)) / (rows · classes)                          = (q − y) / (rows · classes) for w = 1
//! ```
//!
//! Logits and labels are `[rows, classes]`. Source: Nam, Kim, Loza Mencía, Gurevych, Fürnkranz, "Large-scale
//! Multi-label Text Classification — Revisiting Neural Networks", 2014, arXiv:1312.5419. Where we differ: the
//! mean is over classes too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::class_weights::{OneOrEach, check_count, check_weights};
use super::given::Given;
use super::loss::{OfLabels, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::ranges::not_negative;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, Dense, RowTerm, Rows};
use crate::error::{Candle, Result};
use crate::kernels::cpu::pointwise;
use crate::schedule::Scheduled;
use crate::tensor::Tensor;

/// Binary cross-entropy between the labels and the student's probabilities, computed for each class separately: for
/// multi-label data.
///
/// Choose it when a row may have several labels or none; set `posWeight` when labels are rare.
///
/// ```js
/// train({ student, data: multiLabel, losses: { binaryCrossEntropy: { posWeight: 3 } } })
/// ```
///
/// See also: `binaryKl` to distil such a model, `crossEntropy` for one class per row.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BinaryCrossEntropy {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Weight of positive labels relative to negative ones: one number ≥ 0 for all classes, or a list with one number
    /// per class. Use a weight above 1 for rare labels. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pos_weight: Option<OneOrEach>,
}

impl RowLoss for BinaryCrossEntropy {
    fn validate(&self) -> Result<()> {
        match &self.pos_weight {
            None => Ok(()),
            Some(OneOrEach::Each(weights)) => check_weights("posWeight", weights),
            Some(OneOrEach::One(weight)) => not_negative("posWeight", *weight),
        }
    }

    fn check(&self, given: &Given) -> Result<()> {
        match &self.pos_weight {
            Some(OneOrEach::Each(weights)) => check_count("posWeight", weights, given.classes),
            _ => Ok(()),
        }
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::SeveralLabels])
    }

    fn classes(&self) -> usize {
        1
    }
}

impl OfLabels for BinaryCrossEntropy {
    fn begin<'a>(&'a self, _: &mut Ask) -> Box<dyn RowTerm + 'a> {
        match &self.pos_weight {
            None => Box::new(Term),
            Some(weights) => Box::new(Weighted { weights, each: Vec::new() }),
        }
    }

    fn reference(&self, rows: &Reference) -> Result<Plain> {
        let (y, z, classes) = (rows.targets()?, &rows.student, rows.classes() as f64);
        let (q, log) = plain::coin(z)?;
        let Some(weights) = &self.pos_weight else {
            let inner = || {
                let linear = z.gt(0.0)?.where_cond(&(z * (1.0 - y)?)?, &(z * y)?.neg()?)?;
                Ok((((linear + log)?.sum(1)? / classes)?, ((q - y)? / classes)?))
            };
            return inner().ok_or_internal();
        };
        let rare = plain::coin(&z.neg().ok_or_internal()?)?.0;
        let inner = || {
            let weights = Tensor::new(weights.each(rows.classes()), z.device())?.to_dtype(z.dtype())?;
            let (right, wrong) = (y.broadcast_mul(&weights)?, (1.0 - y)?);
            // ln(1 + e^-z) and ln(1 + e^z).
            let (miss, alarm) = ((&log + z.neg()?.relu()?)?, (&log + z.relu()?)?);
            let value = ((&right * miss)? + (&wrong * alarm)?)?;
            Ok(((value.sum(1)? / classes)?, (((wrong * q)? - (right * rare)?)? / classes)?))
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

/// The same with a weight of positive labels.
struct Weighted<'a> {
    weights: &'a OneOrEach,
    /// The weight of each class.
    each: Vec<f32>,
}

impl RowTerm for Weighted<'_> {
    fn look(&mut self, rows: &Rows, _: Option<&[f64]>) -> Result<()> {
        self.each = self.weights.each(rows.classes).into_iter().map(|weight| weight as f32).collect();
        Ok(())
    }

    fn is_dense(&self) -> bool {
        true
    }

    fn dense(&self, row: &mut Dense) -> f64 {
        let classes = row.classes() as f64;
        let scale = (row.scale / classes) as f32;
        let (z, y, weights) = (row.student(), row.targets(), self.each.as_slice());
        pointwise::weighted_binary_cross_entropy(z, y, weights, scale, row.gradient) / classes
    }
}
