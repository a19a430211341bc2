//! How alike the teacher's classes are to a row's label: what kdSim is made of, and kdPtSim in part.

use std::sync::Arc;

use super::plain;
use super::ranges;
use super::reference::Reference;
use crate::error::{Candle, Error, Result};
use crate::targets::{self, Signal, Similar, SimilarRows, Source};
use crate::tensor::{Tensor, from_vec};

/// Without power and divisor.
pub(super) fn one() -> f64 {
    1.0
}

/// Refuses exponents and divisors that are not above 0.
pub(super) fn check_sharpening(power: f64, sharpness: f64) -> Result<()> {
    ranges::positive("power", power)?;
    ranges::positive("sharpness", sharpness)
}

/// The teacher's class templates; a stream may bring teachers without them.
fn templates(head: Option<&Tensor>) -> Result<&Tensor> {
    let message = "expected the weight of the teacher's last linear layer, got none: pass the model itself";
    head.ok_or_else(|| Error::data("teacher.head", message))
}

/// The weight and the labels that rows of similar classes are made from.
pub(super) fn similar_rows(similar: &Similar, source: Source, power: f64, sharpness: f64) -> Result<Arc<SimilarRows>> {
    let head = templates(source.head)?;
    similar.rows(head, source.classes, source.labels.unwrap_or(&[]), power, sharpness)
}

/// r in plain tensor calls, `[rows, classes]`.
pub(super) fn similarities(rows: &Reference, teacher: &Signal, power: f64, sharpness: f64) -> Result<Tensor> {
    let head = templates(teacher.head_weight.as_ref())?;
    let classes = rows.classes() as u32;
    // A label that is no class belongs to a row that does not count.
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
