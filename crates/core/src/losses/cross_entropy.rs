//! Cross-entropy between the labels and the student, with label smoothing and weights by label.
//!
//! ```text
//! L = Σ over rows of w_r ( −(1 − a) ln q_t − a · mean over classes of ln q_k ) / Σ w_r
//!     q = softmax(student),  t the row's label,  a = labelSmoothing,  w_r the row's weight × labelWeights[t]
//! ∂L/∂z_k = w_r ( q_k − (1 − a) [k = t] − a / classes ) / Σ w_r
//! ```
//!
//! Logits are `[rows, classes]`, labels `[rows]`. Source: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking
//! the Inception Architecture for Computer Vision", 2015, arXiv:1512.00567, section 7; Müller, Kornblith,
//! Hinton, "When Does Label Smoothing Help?", 2019, arXiv:1906.02629. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apply::Given;
use super::default_weight;
use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Row, Side, Softmax};
use crate::error::{Candle, Error, Result};
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

/// Cross-entropy between each row's label and the student.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrossEntropy {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// Share of the label that is spread over all classes; at least 0, below 1. Default 0.
    #[serde(default)]
    pub label_smoothing: f64,
    /// What each row is multiplied by, by its label: one number of 0 or more a class. Default: all 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_weights: Option<Vec<f64>>,
}

impl RowLoss for CrossEntropy {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        let a = self.label_smoothing;
        if !(0.0..1.0).contains(&a) {
            return Err(Error::config(
                "labelSmoothing",
                format!("expected a number of at least 0 and below 1, got {a}"),
            ));
        }
        for (class, weight) in self.label_weights.iter().flatten().enumerate() {
            if !(weight.is_finite() && *weight >= 0.0) {
                let message = format!("expected a number of 0 or more, got {weight}");
                return Err(Error::config(format!("labelWeights.{class}"), message));
            }
        }
        match &self.label_weights {
            Some(weights) if weights.iter().all(|weight| *weight == 0.0) => {
                Err(Error::config("labelWeights", "expected at least one number above 0, got none"))
            }
            _ => Ok(()),
        }
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Labels]
    }

    fn check(&self, given: &Given) -> Result<()> {
        let classes = given.classes;
        match &self.label_weights {
            Some(weights) if weights.len() != classes => {
                let message = format!("expected {classes} numbers, one a class, got {}", weights.len());
                Err(Error::config("labelWeights", message))
            }
            _ => Ok(()),
        }
    }

    fn row_weight(&self, label: Option<u32>) -> f64 {
        match (&self.label_weights, label) {
            (Some(weights), Some(label)) => weights.get(label as usize).copied().unwrap_or(0.0),
            _ => 1.0,
        }
    }

    fn begin<'a>(&'a self, _: u64, _: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(Box::new(Term { softmax: ask.softmax(Side::Student, 1.0), smoothing: self.label_smoothing }))
    }

    fn reference(&self, _: u64, rows: &Reference, _: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let log_q = reference::log_softmax(&rows.student, 1.0)?;
        let a = self.label_smoothing;
        let target = rows.one_hot()?.affine(1.0 - a, a / rows.classes() as f64).ok_or_internal()?;
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
        let (label, a) = (row.label(), self.smoothing);
        row.add_softmax(self.softmax, 1.0);
        row.add_class(label, a - 1.0);
        let hard = -row.log_probability(self.softmax, label);
        if a == 0.0 {
            return hard;
        }
        row.add_everywhere(-a / row.classes() as f64);
        (1.0 - a) * hard - a * row.mean_log_probability(self.softmax)
    }
}
