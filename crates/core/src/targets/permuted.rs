//! A teacher whose wrong classes are shuffled: dark knowledge without class relations.
//!
//! ```text
//! v'_t = v_t for the largest logit t of a row (the lowest class if several are equal),  v'_k = v_π(k) for the others
//! ```
//!
//! v the logits, `[rows, classes]`; π a separate permutation of the other classes for each row, keyed by (seed, epoch,
//! sample id): independent of the row's position in its batch, different in each epoch. Every loss then gets a teacher
//! with the same confidence and the same moments, but no class relations. Source: Furlanello, Lipton, Tschannen, Itti,
//! Anandkumar, "Born-Again Neural Networks", 2018, arXiv:1805.04770 (DKPP). Where we differ: the paper does not specify
//! whether a row's permutation stays the same in all epochs.

use super::logits;
use crate::error::{Candle, Error, Result};
use crate::random::Key;
use crate::tensor::{DType, Tensor, from_vec};

/// `ids` are those of the batch's samples; each row of a sample with several rows has a separate permutation.
pub fn permuted(logits: &Tensor, ids: &[u64], seed: u64, epoch: u64) -> Result<Tensor> {
    let (rows, classes) = logits::dims(logits);
    if ids.is_empty() || !rows.is_multiple_of(ids.len()) {
        let message = format!("expected as many rows for each of {} samples, got {rows} rows", ids.len());
        return Err(Error::shape("teacher.logits", message));
    }
    let flat = logits.to_dtype(DType::F64).and_then(|logits| logits.flatten_all());
    let mut all: Vec<f64> = flat.and_then(|flat| flat.to_vec1()).ok_or_internal()?;
    let each = rows / ids.len();
    let key = Key::new(seed).with("permuted").with(epoch);
    for (row, logits) in all.chunks_exact_mut(classes.max(1)).enumerate() {
        let best = (1..classes).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
        // The largest logit is moved to the front while the others are shuffled, which otherwise keep their order.
        logits[..=best].rotate_right(1);
        key.with(ids[row / each]).with((row % each) as u64).shuffle(&mut logits[1..]);
        logits[..=best].rotate_left(1);
    }
    from_vec(all, logits.dims())?.to_dtype(logits.dtype()).ok_or_internal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::to_f64;

    fn teacher() -> Tensor {
        let values: Vec<f32> = (0..60).map(|i| ((i * 37) % 23) as f32 - 3.0).collect();
        from_vec(values, (6, 10)).unwrap()
    }

    fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
        to_f64(tensor).unwrap().chunks(10).map(<[f64]>::to_vec).collect()
    }

    #[test]
    fn the_best_class_stays_and_the_others_are_the_same_numbers_elsewhere() {
        let ids = [5, 6, 7, 8, 9, 10];
        let shuffled = rows(&permuted(&teacher(), &ids, 1, 0).unwrap());
        let mut moved = 0;
        for (before, after) in rows(&teacher()).iter().zip(&shuffled) {
            let best = |row: &[f64]| (0..10).rev().max_by(|a, b| row[*a].partial_cmp(&row[*b]).unwrap()).unwrap();
            assert_eq!(best(before), best(after));
            assert_eq!(before[best(before)], after[best(before)]);
            let sorted = |row: &[f64]| {
                let mut row = row.to_vec();
                row.sort_by(f64::total_cmp);
                row
            };
            assert_eq!(sorted(before), sorted(after));
            moved += before.iter().zip(after).filter(|(a, b)| a != b).count();
        }
        assert!(moved > 30, "{moved}");
    }

    #[test]
    fn a_row_has_the_same_permutation_wherever_it_stands_and_another_in_each_epoch() {
        let all = rows(&permuted(&teacher(), &[5, 6, 7, 8, 9, 10], 1, 3).unwrap());
        let two = permuted(&teacher().narrow(0, 2, 2).unwrap(), &[7, 8], 1, 3).unwrap();
        assert_eq!(rows(&two), all[2..4]);
        assert_ne!(rows(&permuted(&teacher(), &[5, 6, 7, 8, 9, 10], 1, 4).unwrap()), all);
        assert_ne!(rows(&permuted(&teacher(), &[5, 6, 7, 8, 9, 10], 2, 3).unwrap()), all);
    }

    #[test]
    fn of_equal_largest_logits_the_lower_class_stays() {
        let tied = from_vec(vec![1.0f32, 4.0, 2.0, 4.0, 0.0], (1, 5)).unwrap();
        let seen: std::collections::BTreeSet<usize> = (0..40)
            .map(|epoch| {
                let row = to_f64(&permuted(&tied, &[1], 1, epoch).unwrap()).unwrap();
                assert_eq!(row[1], 4.0);
                row.iter().rposition(|x| *x == 4.0).unwrap()
            })
            .collect();
        assert!(seen.len() > 2, "{seen:?}");
    }

    #[test]
    fn the_rows_of_a_sequence_have_permutations_of_their_own() {
        let row: Vec<f32> = (0..20).map(|i| i as f32).collect();
        let twice = from_vec(row.repeat(2), (1, 2, 20)).unwrap();
        let all = to_f64(&permuted(&twice, &[3], 1, 0).unwrap()).unwrap();
        assert_ne!(all[..20], all[20..]);
        assert!(permuted(&twice, &[3, 4, 5], 1, 0).is_err());
    }
}
