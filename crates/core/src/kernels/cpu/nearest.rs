//! For each row, the nearest row of another matrix with a different label, without a distance matrix.
//!
//! ‖a − b + s‖² = ‖b‖² − 2 s Σ b − 2 a·b + terms of a, which do not affect the order. The products are computed in
//! blocks that stay in cache. Rounding may swap rows with nearly equal distances, so all rows within the error bound
//! are kept, and `exact` decides between them.

use super::apart;
use super::gemm::{self, Matrix};
use super::isa::kernel;
use super::rows::{get, put};
use super::scratch::with_scratch;
use super::vector::Vector;
use crate::pool;

/// Rows and columns of a block.
const ROWS: usize = 128;
const COLS: usize = 64;
/// Half of the rounding error of ‖b‖², in units of its last digit.
const OFF: f64 = 20.0;
/// Number of rows with nearly equal distances from which on they are compared at once instead of kept.
const MANY: usize = 32;

/// The rows to search: `width` numbers and one label each.
pub struct Search<'a> {
    pub anchors: &'a [f32],
    pub others: &'a [f32],
    pub labels: &'a [u32],
    pub width: usize,
    /// Added by `exact` to every difference a − b.
    pub shift: f64,
}

/// Candidates for the nearest row, and the distance of each without the terms of a.
#[derive(Clone)]
struct Near {
    least: f32,
    slack: f32,
    rows: Vec<(u32, f32)>,
}

/// For anchor r the row j with a label other than r's and the least `exact(r, j)`, the first of equals. `None` if no
/// distance is finite or all labels are the same.
pub fn nearest(search: &Search, exact: &(dyn Fn(usize, usize) -> f64 + Sync)) -> Vec<Option<usize>> {
    let &Search { anchors, others, labels, width, shift } = search;
    assert!(anchors.len() == labels.len() * width && others.len() == anchors.len(), "one label a row");
    let mut sums = vec![(0.0, 0.0); labels.len()];
    pool::pieces(&mut sums, ROWS, |index, sums| {
        let rows = others[index * ROWS * width..].chunks(width);
        sums.iter_mut().zip(rows).for_each(|(sums, row)| *sums = apart::sums(row));
    });
    let longest = sums.iter().fold(0.0, |most: f64, (_, square)| most.max(*square)).sqrt();
    let terms: Vec<f32> = sums.iter().map(|(sum, square)| (square - 2.0 * shift * sum) as f32).collect();
    let names = names(labels);
    let mut found = vec![None; labels.len()];
    pool::pieces(&mut found, ROWS, |index, found| {
        let first = index * ROWS;
        let block = &anchors[first * width..(first + found.len()) * width];
        let start = |a: &[f32]| {
            let cross = apart::sums(a).1.sqrt() * longest;
            // Twice the error bound of a product and the sums it is combined with.
            let slack = 2.0 * f64::from(f32::EPSILON) * ((width + 2) as f64 * cross + OFF * longest * longest);
            Near { least: f32::INFINITY, slack: slack as f32, rows: Vec::new() }
        };
        let mut near: Vec<Near> = block.chunks(width).map(start).collect();
        with_scratch([found.len() * COLS], |[products]| {
            for from in (0..labels.len()).step_by(COLS) {
                let cols = COLS.min(labels.len() - from);
                let a = Matrix::new(block, found.len(), width);
                let b = Matrix::new(&others[from * width..(from + cols) * width], cols, width).transposed();
                gemm::serial(a, b, products, cols, false);
                for (r, (near, products)) in near.iter_mut().zip(products.chunks_mut(cols)).enumerate() {
                    let least =
                        measure(products, &terms[from..from + cols], &names[from..from + cols], names[first + r]);
                    if least > near.least + near.slack || least == f32::INFINITY || !near.slack.is_finite() {
                        continue;
                    }
                    near.least = near.least.min(least);
                    below(products, near.least + near.slack, from as u32, &mut near.rows);
                    if near.rows.len() > MANY {
                        near.settle(|j| exact(first + r, j));
                    }
                }
            }
        });
        for (r, (found, mut near)) in found.iter_mut().zip(near).enumerate() {
            near.settle(|j| exact(first + r, j));
            *found = near.rows.first().map(|(j, _)| *j as usize);
        }
    });
    found
}

impl Near {
    /// Keeps only the nearest row.
    fn settle(&mut self, exact: impl Fn(usize) -> f64) {
        let limit = self.least + self.slack;
        self.rows.retain(|(_, d)| *d <= limit);
        if self.rows.len() > 1 {
            let best = self.rows.iter().map(|row| (*row, exact(row.0 as usize))).min_by(|a, b| a.1.total_cmp(&b.1));
            self.rows = best.into_iter().map(|(row, _)| row).collect();
        }
    }
}

/// Numbers that are equal if and only if the labels are equal; integers below 2^24 are exact.
pub(super) fn names(labels: &[u32]) -> Vec<f32> {
    if labels.iter().all(|label| *label < 1 << 24) {
        return labels.iter().map(|label| *label as f32).collect();
    }
    let mut known = labels.to_vec();
    known.sort_unstable();
    known.dedup();
    labels.iter().map(|label| known.partition_point(|known| known < label) as f32).collect()
}

kernel! {
    /// Turns products into distances, `terms` being the terms of b, infinite if the name is `own`; returns the least
    /// one.
    fn measure<L>(products: &mut [f32], terms: &[f32], names: &[f32], own: f32) -> f32 {
        let (n, len) = (L::V::N, products.len());
        let (infinity, twice, own) = (L::V::splat(f32::INFINITY), L::V::splat(-2.0), L::V::splat(own));
        let mut least = infinity;
        for from in (0..len).step_by(n) {
            let width = n.min(len - from);
            // Lanes beyond the end have an infinite distance.
            let term = if width == n { L::V::load(&terms[from..from + n]) } else { L::V::load_part(&terms[from..], f32::INFINITY) };
            let distance = twice.mul_add(get(products, from, width), term);
            let distance = get::<L::V>(names, from, width).where_equal(own, infinity, distance);
            put(distance, products, from, width);
            least = distance.min(least);
        }
        -L::V::splat(0.0).sub(least).max_lane()
    }
}

kernel! {
    /// Adds the distances up to a limit, with their positions; the first position is `start`.
    fn below<L>(distances: &[f32], limit: f32, start: u32, found: &mut Vec<(u32, f32)>) {
        let (n, len, limit) = (L::V::N, distances.len(), L::V::splat(limit));
        for from in (0..len).step_by(n) {
            let width = n.min(len - from);
            let mut lanes = limit.at_least(get(distances, from, width)) & ((1 << width) - 1);
            while lanes != 0 {
                let at = from + lanes.trailing_zeros() as usize;
                found.push((start + at as u32, distances[at]));
                lanes &= lanes - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;
    use crate::pool::Pool;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn distance(search: &Search, r: usize, j: usize) -> f64 {
        let row = |all: &[f32], at: usize| all[at * search.width..(at + 1) * search.width].to_vec();
        let each = row(search.anchors, r).into_iter().zip(row(search.others, j));
        each.map(|(a, b)| (f64::from(a) - f64::from(b) + search.shift).powi(2)).sum()
    }

    fn plain(search: &Search, r: usize) -> Option<usize> {
        let others = (0..search.labels.len()).filter(|j| search.labels[*j] != search.labels[r]);
        others.min_by(|a, b| distance(search, r, *a).total_cmp(&distance(search, r, *b)))
    }

    #[test]
    fn nearest_rows_equal_plain_loops_on_every_set_and_for_any_number_of_threads() {
        on_each(|isa| {
            for (rows, width) in [(1, 3), (2, 1), (17, 5), (129, 16), (300, 33)] {
                for (offset, labels) in [(0.0, 0), (1000.0, 0), (0.0, u32::MAX - 8)] {
                    let labels: Vec<u32> = (0..rows as u32).map(|row| labels + row * row % 5).collect();
                    // Far from the origin, products determine the distances of close rows poorly.
                    let move_by = |x: Vec<f32>| x.into_iter().map(|x| x + offset).collect::<Vec<f32>>();
                    let (anchors, others) = (move_by(numbers(rows * width, 1)), move_by(numbers(rows * width, 2)));
                    let search = Search { anchors: &anchors, others: &others, labels: &labels, width, shift: 1e-6 };
                    let found = |threads| {
                        let exact = |r, j| distance(&search, r, j);
                        Pool::new(Some(threads)).unwrap().enter(|| nearest(&search, &exact))
                    };
                    let expected: Vec<Option<usize>> = (0..rows).map(|r| plain(&search, r)).collect();
                    assert_eq!(found(1), expected, "{rows} × {width} + {offset} {}", isa.name());
                    assert_eq!(found(3), expected, "{rows} × {width} + {offset} {}", isa.name());
                }
            }
        });
    }

    #[test]
    fn the_first_of_equal_rows_is_found_and_none_without_another_label() {
        let others = vec![0.25; 200 * 4];
        let labels: Vec<u32> = (0..200).map(|row| u32::from(row >= 70)).collect();
        let search = Search { anchors: &others, others: &others, labels: &labels, width: 4, shift: 0.0 };
        let found = nearest(&search, &|r, j| distance(&search, r, j));
        assert!(found[..70].iter().all(|j| *j == Some(70)) && found[70..].iter().all(|j| *j == Some(0)));
        let search = Search { labels: &[3; 200], ..search };
        assert!(nearest(&search, &|r, j| distance(&search, r, j)).iter().all(Option::is_none));
    }
}
