//! A distribution over classes that depends only on a row's label: the similarity of the teacher's class templates.
//!
//! ```text
//! c_k = cos(w_t, w_k),   ρ = softmax_k( sign(c_k) |c_k|^power / sharpness )
//! ```
//!
//! w_k row k of the weight of the teacher's last linear layer, `[classes, width]`; t the label. Rows are computed only
//! for labels that occurred, and are kept while the weight is unchanged: a table of all would need classes² numbers. An
//! in-place change of the weight is detected by its sums of squares and of products of neighbours.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::slopes;
use crate::pool;
use crate::tensor::{self, DType, Tensor, from_vec};

/// Numbers that are cached per teacher, in addition to those of the current batch.
const KEPT: usize = 16 << 20;
/// Teachers whose rows are cached.
const TEACHERS: usize = 8;
/// Numbers of a weight per task.
const PIECE: usize = 16 << 10;
/// Labels per matrix product.
const LABELS: usize = 64;

/// ρ of one label, and Σ ρ ln ρ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimilarRow<'r> {
    pub rho: &'r [f32],
    pub negative_entropy: f64,
}

/// The computed rows, concatenated.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimilarRows {
    /// The index of each label's row.
    places: Vec<Option<u32>>,
    rho: Vec<f32>,
    negative_entropies: Vec<f64>,
}

impl SimilarRows {
    fn new(classes: usize) -> SimilarRows {
        SimilarRows { places: vec![None; classes], ..SimilarRows::default() }
    }

    /// `None` for an invalid class; the rows of a batch's labels exist.
    pub fn of(&self, label: usize) -> Option<SimilarRow<'_>> {
        let (place, classes) = ((*self.places.get(label)?)? as usize, self.places.len());
        let rho = self.rho.get(place * classes..(place + 1) * classes)?;
        Some(SimilarRow { rho, negative_entropy: *self.negative_entropies.get(place)? })
    }

    fn push(&mut self, label: usize, rho: impl Iterator<Item = f32>, negative_entropy: f64) {
        self.places[label] = Some(self.negative_entropies.len() as u32);
        self.rho.extend(rho);
        self.negative_entropies.push(negative_entropy);
    }
}

/// Identifies a weight: equal marks mean that it has not changed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    id: candle_core::TensorId,
    squares: f64,
    neighbours: f64,
    power: f64,
    sharpness: f64,
}

#[derive(Debug)]
struct Known {
    mark: Mark,
    /// Templates of length 1, `[classes, width]` in f64; a zero row stays zero.
    templates: Tensor,
    rows: Arc<SimilarRows>,
}

/// The rows computed so far, with the most recently used teacher last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Similar(Arc<Mutex<Vec<Known>>>);

/// Normalises rows to length 1; a zero row stays zero.
pub(crate) fn normalised(weight: &Tensor) -> candle_core::Result<Tensor> {
    let norms = weight.sqr()?.sum_keepdim(1)?.sqrt()?;
    let one = norms.ones_like()?;
    weight.broadcast_div(&norms.gt(0.0)?.where_cond(&norms, &one)?)
}

/// sign(c) |c|^power / sharpness.
pub(crate) fn sharpened(c: &Tensor, power: f64, sharpness: f64) -> candle_core::Result<Tensor> {
    let size = c.abs()?;
    let size = if power == 1.0 { size } else { size.powf(power)? };
    c.lt(0.0)?.where_cond(&size.neg()?, &size)? / sharpness
}

/// Σ of squares and of products of neighbours, by pieces: a weight is read at every step.
fn mark(x: &[f32]) -> [f64; 2] {
    let mut sums = vec![[0.0; 2]; x.len().div_ceil(PIECE)];
    pool::pieces(&mut sums, 1, |piece, sums| {
        for (at, sums) in sums.iter_mut().enumerate() {
            let from = (piece + at) * PIECE;
            *sums = slopes::mark(&x[from..x.len().min(from + PIECE)]);
        }
    });
    sums.iter().fold([0.0; 2], |[a, b], [squares, neighbours]| [a + squares, b + neighbours])
}

impl Similar {
    /// ρ for all these labels; invalid classes (of rows with weight 0) are skipped.
    pub fn rows(
        &self,
        head: &Tensor,
        classes: usize,
        labels: &[u32],
        power: f64,
        sharpness: f64,
    ) -> Result<Arc<SimilarRows>> {
        if head.rank() != 2 || head.dims()[0] != classes {
            let message = format!("expected one row per class, {classes}, got the shape {:?}", head.dims());
            return Err(Error::shape("teacher.head", message));
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Similar::known(&mut all, head, power, sharpness)?;
        let is_missing = |label: &u32| known.rows.places.get(*label as usize).is_some_and(Option::is_none);
        let mut missing: Vec<u32> = labels.iter().copied().filter(is_missing).collect();
        missing.sort_unstable();
        missing.dedup();
        let made = known.rows.negative_entropies.len();
        if !missing.is_empty() && (made + missing.len()) * classes > KEPT {
            let wanted: BTreeSet<usize> = labels.iter().map(|label| *label as usize).collect();
            let mut rows = SimilarRows::new(classes);
            for label in wanted {
                if let Some(SimilarRow { rho, negative_entropy }) = known.rows.of(label) {
                    rows.push(label, rho.iter().copied(), negative_entropy);
                }
            }
            known.rows = Arc::new(rows);
        }
        for labels in missing.chunks(LABELS) {
            known.make(labels, power, sharpness)?;
        }
        Ok(known.rows.clone())
    }

    fn known<'k>(
        all: &'k mut MutexGuard<Vec<Known>>,
        head: &Tensor,
        power: f64,
        sharpness: f64,
    ) -> Result<&'k mut Known> {
        let plain = head.to_dtype(DType::F32).and_then(|head| head.contiguous()).ok_or_internal()?;
        let [squares, neighbours] = mark(&tensor::read::<f32>(&plain)?);
        if !squares.is_finite() {
            return Err(Error::data("teacher.head", "expected finite numbers, got others"));
        }
        let mark = Mark { id: head.id(), squares, neighbours, power, sharpness };
        match all.iter().position(|known| known.mark == mark) {
            Some(at) => {
                let found = all.remove(at);
                all.push(found);
            }
            None => {
                // If a weight changed in place, the rows computed from its earlier values are dropped.
                all.retain(|known| known.mark.id != mark.id);
                if all.len() == TEACHERS {
                    all.remove(0);
                }
                let templates = head.to_dtype(DType::F64).and_then(|head| normalised(&head)).ok_or_internal()?;
                all.push(Known { mark, templates, rows: Arc::new(SimilarRows::new(head.dims()[0])) });
            }
        }
        all.last_mut().ok_or_else(|| Error::internal("no rows of similar classes"))
    }
}

impl Known {
    fn make(&mut self, labels: &[u32], power: f64, sharpness: f64) -> Result<()> {
        let index = from_vec(labels.to_vec(), labels.len())?;
        let inner = || {
            let own = self.templates.index_select(&index, 0)?;
            sharpened(&own.matmul(&self.templates.t()?)?, power, sharpness)
        };
        let logits = inner().ok_or_internal()?;
        let classes = logits.dims()[1];
        // The steps before this one have released their references, so this does not copy.
        let rows = Arc::make_mut(&mut self.rows);
        for (label, logits) in labels.iter().zip(tensor::to_f64(&logits)?.chunks_exact(classes)) {
            let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = max + logits.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
            let negative_entropy = logits.iter().map(|x| (x - log_sum).exp() * (x - log_sum)).sum();
            let rho = logits.iter().map(|x| (x - log_sum).exp() as f32);
            rows.push(*label as usize, rho, negative_entropy);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(values: &[f32]) -> Tensor {
        from_vec(values.to_vec(), (values.len() / 2, 2)).unwrap()
    }

    #[test]
    fn a_row_is_made_once_and_again_when_the_weight_changes() {
        let similar = Similar::default();
        let weight = head(&[1.0, 0.0, 0.6, 0.8, 0.0, 1.0, -1.0, 0.0]);
        let first = similar.rows(&weight, 4, &[0, 2, 0, 9], 1.0, 1.0).unwrap();
        assert!(first.of(2).is_some() && first.of(1).is_none() && first.of(9).is_none(), "no class");
        let again = similar.rows(&weight, 4, &[2, 1], 1.0, 1.0).unwrap();
        assert_eq!(again.negative_entropies.len(), 3, "made once");
        let expected = [0.460_080_056_5, 0.308_400_884_7, 0.169_253_994_1, 0.062_265_064_8];
        for rows in [&first, &again] {
            for (got, expected) in rows.of(0).unwrap().rho.iter().zip(expected) {
                assert!((f64::from(*got) - expected).abs() < 1e-7);
            }
        }
        let before = Arc::as_ptr(&similar.rows(&weight, 4, &[0], 1.0, 1.0).unwrap());
        assert_eq!(before, Arc::as_ptr(&again));
        tensor::update(&weight, |values| values[1] = 0.5).unwrap();
        let changed = similar.rows(&weight, 4, &[0], 1.0, 1.0).unwrap();
        assert_ne!(changed.of(0).unwrap().rho, first.of(0).unwrap().rho);
    }

    #[test]
    fn a_template_of_zeros_is_like_no_other() {
        let rows = Similar::default().rows(&head(&[0.0, 0.0, 1.0, 2.0, 3.0, 1.0]), 3, &[0], 0.4, 0.3).unwrap();
        assert_eq!(rows.of(0).unwrap().rho, [1.0f32 / 3.0; 3]);
    }

    #[test]
    fn a_weight_of_other_classes_is_refused() {
        let error = Similar::default().rows(&head(&[1.0; 6]), 4, &[0], 1.0, 1.0).unwrap_err();
        assert_eq!(error.to_string(), "teacher.head: expected one row per class, 4, got the shape [3, 2]");
    }
}
