//! The rows of a batch, as the losses count them.

use super::loss::RowLoss;
use super::need::Needs;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::labels::Labels;

/// The number of rows of a batch; every token of a sequence model is a row.
pub(super) fn rows_of(batch: &Batch) -> usize {
    match (&batch.row_weights, &batch.labels) {
        (Some(weights), _) => weights.len(),
        (None, Labels::Single(labels)) => labels.len(),
        _ => batch.rows(),
    }
}

/// The labels of a batch, if each row has one class.
pub(super) fn classes_of(batch: &Batch) -> Option<&[u32]> {
    match &batch.labels {
        Labels::Single(labels) => Some(labels),
        _ => None,
    }
}

/// The weight of one row for a loss with these needs; 0 if it needs a label that the row does not have.
fn weight(needs: Needs, batch: &Batch, row: usize) -> f64 {
    match needs.labelled() && !batch.labels.known(row) {
        true => 0.0,
        false => batch.row_weights.as_ref().map_or(1.0, |weights| f64::from(weights[row])),
    }
}

/// The weight of each row of a batch in a row loss.
pub(super) fn row_weights(needs: Needs, loss: &dyn RowLoss, batch: &Batch) -> impl Iterator<Item = f64> {
    let labels = classes_of(batch);
    let of_label = move |row: usize| loss.row_weight(labels.and_then(|labels| labels.get(row).copied()));
    (0..rows_of(batch)).map(move |row| match weight(needs, batch, row) {
        0.0 => 0.0,
        weight => weight * of_label(row),
    })
}

/// The weight of each sample of a batch in a loss over layers, which has no weights for parts of a sample.
pub(super) fn sample_weights(needs: Needs, batch: &Batch) -> Result<Vec<f64>> {
    let samples = batch.rows();
    if let Some(weights) = batch.row_weights.as_ref().filter(|weights| weights.len() != samples) {
        let message = format!(
            "expected one weight per sample, {samples} of them, got {}: losses over layers compare whole samples",
            weights.len()
        );
        return Err(Error::data("rowWeights", message));
    }
    Ok((0..samples).map(|row| weight(needs, batch, row)).collect())
}
