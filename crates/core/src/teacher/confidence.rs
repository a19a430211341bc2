//! Weights each row by the teachers' confidence.

use crate::batch::Batch;
use crate::error::Result;
use crate::targets;
use crate::tensor::{DType, to_f64};

/// For each row, the largest of the teachers' weighted mean probabilities.
fn confidences(signals: &[targets::Signal], rows: usize) -> Result<Vec<f32>> {
    let mut mixed: Vec<f64> = Vec::new();
    for signal in signals {
        let p = to_f64(&signal.target.probabilities(1.0, DType::F32)?)?;
        if mixed.is_empty() {
            mixed = crate::blocks::filled(p.len(), 0.0);
        }
        mixed.iter_mut().zip(p).for_each(|(sum, p)| *sum += signal.weight * p);
    }
    let classes = mixed.len() / rows.max(1);
    Ok(mixed.chunks(classes.max(1)).map(|row| row.iter().copied().fold(0.0, f64::max) as f32).collect())
}

/// The batch with each row's weight multiplied by the teachers' confidence.
///
/// Source: Furlanello et al., "Born-Again Neural Networks", 2018, arXiv:1805.04770, section 3 (CWTM): the weight of a
/// row is m_s / Σ m, where m_s is its largest probability. Where we differ: nowhere.
pub(crate) fn weighted_by(batch: &Batch, signals: &[targets::Signal]) -> Result<Batch> {
    let rows = batch.row_weights.as_ref().map_or(batch.rows(), Vec::len);
    let mut weights = confidences(signals, rows)?;
    if let Some(own) = &batch.row_weights {
        weights.iter_mut().zip(own).for_each(|(weight, own)| *weight *= own);
    }
    Ok(Batch { row_weights: Some(weights), ..batch.clone() })
}
