//! How much information a difference of two logits carries about its row, under random augmentations of the rows.
//!
//! ```text
//! μ_x = mean of f over the augmented copies of row x,    s² = mean over rows and copies of (f(d(x)) − μ_x)²
//! I^  = mean over rows x and copies d of [ −(f(d(x)) − μ_x)² / 2s² − log( (1/N) Σ_x' exp(−(f(d(x)) − μ_x')² / 2s²) ) ]
//! ```
//!
//! f: logit of class a minus logit of class b; d: a random augmentation; N rows; in nats, 0 ≤ I ≤ ln N. With label
//! smoothing I falls towards ln 2: the model discards everything about a row except its class.
//!
//! Source: Müller, Kornblith, Hinton, "When Does Label Smoothing Help?", NeurIPS 2019, arXiv:1906.02629, section 4.
//! Where we differ: the inner sum runs over all rows, as we read it; the expectation over d is a mean over all copies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::seen::{Seen, Sides, Table};
use crate::dataset::{Augment, BatchOptions, Dataset};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::tensor::to_f64;

/// Options of the mutual information.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "MutualInformationDiagnostic")]
pub struct MutualInformation {
    /// The two classes whose logits are subtracted. Default `[0, 1]`.
    pub classes: [usize; 2],
    /// The random changes of the rows. Default: images are shifted by up to 2 pixels.
    pub augment: Augment,
    /// Number of changed copies of each row; 2…2³¹. Default 8.
    pub copies: usize,
    /// Number of rows to analyse, evenly spaced in the data; 2…2³¹. The time grows with its square. Default 500.
    pub rows: usize,
    /// Seed of the random changes. Default 0.
    pub seed: u64,
}

impl Default for MutualInformation {
    fn default() -> Self {
        let augment = Augment { shift: Some(crate::dataset::Shift { pixels: 2 }), ..Augment::default() };
        MutualInformation { classes: [0, 1], augment, copies: 8, rows: 500, seed: 0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MutualInformationReport {
    /// The estimate I^, in nats.
    pub nats: f64,
    /// ln N, the upper bound of the mutual information.
    pub most: f64,
    /// N, the number of rows that were analysed.
    pub rows: usize,
}

/// The estimate on plain numbers: row x of `values` contains f for each copy of row x.
pub(super) fn estimate(values: &Table) -> Result<f64> {
    let copies = values.width as f64;
    let means: Vec<f64> = values.rows().map(|row| row.iter().sum::<f64>() / copies).collect();
    let squared = |(row, mean): (&[f64], &f64)| row.iter().map(|f| (f - mean) * (f - mean)).sum::<f64>();
    let variance = values.rows().zip(&means).map(squared).sum::<f64>() / values.values.len() as f64;
    if variance <= 0.0 {
        return Err(Error::config(
            "augment",
            "expected changes of the rows that change the model's outputs, got the same outputs for every copy",
        ));
    }
    let exponent = |f: f64, mean: f64| -(f - mean) * (f - mean) / (2.0 * variance);
    let mut sum = 0.0;
    for (row, own) in values.rows().zip(&means) {
        for f in row {
            let largest = means.iter().map(|mean| exponent(*f, *mean)).fold(f64::NEG_INFINITY, f64::max);
            let others: f64 = means.iter().map(|mean| (exponent(*f, *mean) - largest).exp()).sum();
            sum += exponent(*f, *own) - largest - (others / means.len() as f64).ln();
        }
    }
    Ok(sum / values.values.len() as f64)
}

impl MutualInformation {
    /// f for every copy of every row.
    fn differences(&self, seen: &Seen<'_>, model: &Model, data: &Dataset) -> Result<Table> {
        let [a, b] = self.classes;
        let classes = model.network.classes();
        if a >= classes || b >= classes {
            return Err(Error::config("classes", format!("expected classes below {classes}, got {a} and {b}")));
        }
        let options = BatchOptions {
            augment: self.augment.clone(),
            seed: self.seed,
            ..BatchOptions::in_order(model.rows_at_once())
        };
        let mut values = crate::blocks::filled(data.rows().saturating_mul(self.copies), 0.0);
        for copy in 0..self.copies {
            let mut row = 0;
            for batch in data.batches(&options, copy as u64)? {
                seen.go_on()?;
                let batch = batch?;
                for logits in to_f64(&model.logits(&batch.inputs, &batch.ids)?)?.chunks_exact(classes) {
                    values[row * self.copies + copy] = logits[a] - logits[b];
                    row += 1;
                }
            }
        }
        Ok(Table { width: self.copies, values })
    }
}

/// Limit on (copies per row) × rows.
const MOST: usize = 1 << 31;

impl Diagnostic for MutualInformation {
    type Report = Sides<MutualInformationReport>;

    fn validate(&self) -> Result<()> {
        for (path, count) in [("copies", self.copies), ("rows", self.rows)] {
            if !(2..=MOST).contains(&count) {
                return Err(Error::config(path, format!("expected an integer from 2 to {MOST}, got {count}")));
            }
        }
        if self.classes[0] == self.classes[1] {
            return Err(Error::config(
                "classes",
                format!("expected two different classes, got {} twice", self.classes[0]),
            ));
        }
        if self.augment.is_empty() {
            return Err(Error::config(
                "augment",
                "expected a change of the rows, such as { shift: { pixels: 2 } }, got none",
            ));
        }
        self.augment.validate().map_err(|error| error.at("augment"))
    }

    fn report(&self, seen: &Seen<'_>) -> Result<Sides<MutualInformationReport>> {
        let all = seen.rows();
        let count = self.rows.min(all);
        if count < 2 {
            return Err(Error::data("data", format!("expected 2 rows or more, got {count}")));
        }
        let positions: Vec<u32> = (0..count).map(|at| (at * all / count) as u32).collect();
        let data = seen.data().select(&positions)?;
        seen.each_model(|model, _| {
            let nats = estimate(&self.differences(seen, model, &data)?)?;
            Ok(MutualInformationReport { nats, most: (count as f64).ln(), rows: count })
        })
    }
}
