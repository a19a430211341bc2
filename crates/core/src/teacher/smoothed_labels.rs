//! Smoothed labels: ρ = (1 − share) y + share / K, the same at every temperature.
//!
//! With this teacher, `kl` at temperature 1 has the gradient of `crossEntropy` with this `labelSmoothing`. Source:
//! Müller, Kornblith, Hinton, "When Does Label Smoothing Help?", 2019, arXiv:1906.02629; a teacher made of labels:
//! Yuan, Tay, Li, Wang, Feng, "Revisiting Knowledge Distillation via Label Smoothing Regularization", 2020,
//! arXiv:1909.11723. Where we differ: the virtual teacher of the latter spreads its share only over the wrong classes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::teach::{self, Asking, Offers, Teach, Teacher};
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::labels::{LabelKind, Labels};
use crate::models::Network;
use crate::targets::{self, Form, Table, Target};

/// A teacher made from the labels: it gives the label the probability 1 − share and spreads `share` evenly over all
/// classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmoothedLabels {
    /// Probability that is spread over all classes; must be ≥ 0 and < 1. Default 0.1.
    #[serde(default = "tenth")]
    pub share: f64,
}

fn tenth() -> f64 {
    0.1
}

impl SmoothedLabels {
    pub(super) fn teacher(self) -> Result<Teacher> {
        teach::share("share", self.share)?;
        Ok(self.into())
    }
}

impl Teach for SmoothedLabels {
    fn offers(&self, student: &Network, data: Option<&Dataset>) -> Result<Offers> {
        if let Some(data) = data {
            let kind = data.label_kind();
            if kind != LabelKind::Single {
                let message = format!("expected single-label data, got {}", kind.words());
                return Err(Error::config("labelSmoothing", message));
            }
            if let Some(row) = (0..data.rows()).find(|row| data.label(*row).is_none()) {
                return Err(without_label(row));
            }
        }
        Ok(Offers { classes: student.classes(), form: Form::Distribution })
    }

    fn answer(&self, batch: &Batch, asking: &Asking) -> Result<targets::Signal> {
        let Labels::Single(labels) = &batch.labels else {
            return Err(Error::data("labels", "expected single-label data for labelSmoothing, got other labels"));
        };
        let counts = |row: usize| batch.row_weights.as_ref().is_none_or(|weights| weights[row] != 0.0);
        if let Some(row) = (0..labels.len()).find(|row| !batch.labels.known(*row) && counts(*row)) {
            return Err(without_label(row));
        }
        let (classes, share) = (asking.student.network.classes(), self.share);
        let table = Table::new(labels, classes, |label| {
            let mut row = vec![share / classes as f64; classes];
            if let Some(own) = row.get_mut(label as usize) {
                *own += 1.0 - share;
            }
            Ok(row)
        })?;
        Ok(targets::Signal::new(Target::Table(table), 1.0))
    }

    fn fingerprint(&self) -> Result<Json> {
        Ok(json!({ "labelSmoothing": self }))
    }
}

fn without_label(row: usize) -> Error {
    let message = format!(
        "expected a label in every row, got none in row {row}: leave out the rows without a label, or use crossEntropy with \
         labelSmoothing, which skips them"
    );
    Error::config("labelSmoothing", message)
}
