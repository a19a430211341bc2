//! The similarities of the teacher's classes to a row's label, which kdSim and kdPtSim use.

use std::sync::Arc;

use super::plain;
use super::ranges;
use super::reference::Reference;
use crate::error::{Candle, Error, Result};
use crate::targets::{self, Signal, Similar, SimilarRows, Source};
use crate::tensor::{Tensor, from_vec};

/// The default power and sharpness.
pub(super) fn one() -> f64 {
    1.0
}

/// Rejects a power or sharpness that is not above 0.
pub(super) fn check_sharpening(power: f64, sharpness: f64) -> Result<()> {
    ranges::positive("power", power)?;
    ranges::positive("sharpness", sharpness)
}

/// The teacher's class templates; a stream may contain teachers without them.
fn templates(head: Option<&Tensor>) -> Result<&Tensor> {
    let message = "expected the weight of the teacher's last linear layer, got none: pass the model itself";
    head.ok_or_else(|| Error::data("teacher.head", message))
}

/// The rows of similar classes for the labels of the batch.
pub(super) fn similar_rows(similar: &Similar, source: Source, power: f64, sharpness: f64) -> Result<Arc<SimilarRows>> {
    let head = templates(source.head)?;
    similar.rows(head, source.classes, source.labels.unwrap_or(&[]), power, sharpness)
}

/// r in plain tensor calls, `[rows, classes]`.
pub(super) fn similarities(rows: &Reference, teacher: &Signal, power: f64, sharpness: f64) -> Result<Tensor> {
    let head = templates(teacher.head_weight.as_ref())?;
    let classes = rows.classes() as u32;
    // Only rows of weight 0 have an invalid label.
    let labels: Vec<u32> = rows.labels.iter().flatten().map(|label| (*label).min(classes - 1)).collect();
    let count = labels.len();
    let labels = from_vec(labels, count)?;
    let inner = || {
        let templates = targets::normalised(&head.to_dtype(rows.dtype())?)?;
        let own = templates.index_select(&labels, 0)?;
        targets::sharpened(&own.matmul(&templates.t()?)?, power, sharpness)
    };
    plain::softmax(&inner().ok_or_internal()?, 1.0)
}
