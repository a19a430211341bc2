//! Cross-entropy between the labels and the student.
//!
//! ```text
//! L = Σ over rows of w_r ( −(1 − a) Σ_k y_k ln q_k − a · mean over classes of ln q_k ) / Σ w_r
//!     q = softmax(student),  y_k = [k = t] for a row of the label t, or the row's probabilities,  a = labelSmoothing
//!     w_r the row's weight, for a row of the label t times labelWeights[t]
//! ∂L/∂z_k = w_r ( q_k − (1 − a) y_k − a / classes ) / Σ w_r
//! ```
//!
//! Logits are `[rows, classes]`; labels are `[rows]`, or `[rows, classes]` if they are probabilities, which add up to 1
//! in each row. Source: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception Architecture for Computer
//! Vision", 2015, arXiv:1512.00567, section 7; Müller, Kornblith, Hinton, "When Does Label Smoothing Help?", 2019,
//! arXiv:1906.02629. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::class_weights::{LabelWeights, check_count, check_weights};
use super::given::Given;
use super::loss::{OfLabels, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::ranges;
use super::reference::{Plain, Reference};
use super::rows::rows_of;
use super::sweep::{Ask, Row, RowTerm, Side, Softmax};
use crate::batch::Batch;
use crate::error::{Candle, Error, Result};
use crate::labels::{LabelKind, Labels, NOT_ONE, not_one};
use crate::schedule::Scheduled;
use crate::tensor;

/// Cross-entropy between the labels and the student's probabilities. A label is one class, or one probability per
/// class.
///
/// Choose it whenever rows have class labels: as the only loss, or together with a loss that compares with a teacher.
///
/// ```js
/// train({ student, data, losses: { crossEntropy: { labelSmoothing: 0.1 } } })
/// ```
///
/// See also: `binaryCrossEntropy` for several labels per row, `kl`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrossEntropy {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Share of the label that is spread evenly over all classes; must be ≥ 0 and < 1. Default 0.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Weight of each row, chosen by its label: a list with one number ≥ 0 per class, or `'balanced'`. With
    /// `'balanced'` the weight of a class is the number of labelled rows ÷ (the number of classes that occur × the
    /// number of rows of the class), counted in the training data. Default: all weights are 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_weights: Option<LabelWeights>,
}

impl CrossEntropy {
    fn refuse_weights(&self) -> Error {
        let message =
            "expected labels of one class per row, got probabilities of the classes: set a weight for each row instead";
        Error::config("labelWeights", message)
    }

    fn weights(&self) -> Option<&[f64]> {
        match &self.label_weights {
            Some(LabelWeights::Each(weights)) => Some(weights),
            _ => None,
        }
    }
}

impl RowLoss for CrossEntropy {
    fn validate(&self) -> Result<()> {
        ranges::share_below_one("labelSmoothing", self.label_smoothing)?;
        let Some(weights) = self.weights() else { return Ok(()) };
        check_weights("labelWeights", weights)?;
        match weights.iter().all(|weight| *weight == 0.0) {
            true => Err(Error::config("labelWeights", "expected at least one number above 0, got none")),
            false => Ok(()),
        }
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::Distribution])
    }

    fn check(&self, given: &Given) -> Result<()> {
        match (&self.label_weights, given.labels) {
            (Some(_), LabelKind::Several | LabelKind::Probabilities) => Err(self.refuse_weights()),
            (Some(LabelWeights::Balanced), _) => Err(Error::config(
                "labelWeights",
                "expected one number per class for a stream, whose labels cannot be counted before training, got 'balanced'",
            )),
            (Some(LabelWeights::Each(weights)), _) => check_count("labelWeights", weights, given.classes),
            (None, _) => Ok(()),
        }
    }

    fn check_batch(&self, batch: &Batch) -> Result<()> {
        let soft = matches!(batch.labels, Labels::Several(_) | Labels::Probabilities(_));
        if soft && self.label_weights.is_some() {
            return Err(self.refuse_weights().at("crossEntropy"));
        }
        // Labels that were declared as probabilities were checked when the data set was made.
        let Labels::Several(targets) = &batch.labels else { return Ok(()) };
        let classes = targets.elem_count() / rows_of(batch).max(1);
        for (row, y) in tensor::to_f64(targets)?.chunks(classes.max(1)).enumerate() {
            let counts = batch.row_weights.as_ref().is_none_or(|weights| weights[row] != 0.0);
            if let Some((_, sum)) = not_one(y, classes).filter(|_| counts) {
                let message = format!("expected probabilities that add up to 1, got {sum} in row {row}: {NOT_ONE}");
                return Err(Error::data("labels", message));
            }
        }
        Ok(())
    }

    fn row_weight(&self, label: Option<u32>) -> f64 {
        match (self.weights(), label) {
            (Some(weights), Some(label)) => weights.get(label as usize).copied().unwrap_or(0.0),
            _ => 1.0,
        }
    }
}

impl OfLabels for CrossEntropy {
    fn begin<'a>(&'a self, ask: &mut Ask) -> Box<dyn RowTerm + 'a> {
        Box::new(Term { softmax: ask.softmax(Side::Student, 1.0), smoothing: self.label_smoothing })
    }

    fn reference(&self, rows: &Reference) -> Result<Plain> {
        let log_q = plain::log_softmax(&rows.student, 1.0)?;
        let a = self.label_smoothing;
        let y = if rows.labels.is_some() { rows.one_hot()? } else { rows.targets()?.clone() };
        let target = y.affine(1.0 - a, a / rows.classes() as f64).ok_or_internal()?;
        let inner = || Ok(((&log_q * &target)?.sum(1)?.neg()?, (log_q.exp()? - &target)?));
        inner().ok_or_internal()
    }
}

struct Term {
    softmax: Softmax,
    smoothing: f64,
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (y, a) = (row.targets(), self.smoothing);
        row.add_softmax(self.softmax, 1.0);
        let own = match y.is_empty() {
            true => {
                row.add_class(row.label(), a - 1.0);
                -row.log_probability(self.softmax, row.label())
            }
            false => {
                row.add_row(y, a - 1.0);
                -row.mean_log_under(self.softmax, y)
            }
        };
        if a == 0.0 {
            return own;
        }
        row.add_everywhere(-a / row.classes() as f64);
        (1.0 - a) * own - a * row.mean_log_probability(self.softmax)
    }
}
