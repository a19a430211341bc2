//! Of each row the nearest row of another matrix that has another label, without a matrix of distances.
//!
//! ‖a − b + s‖² = ‖b‖² − 2 s Σ b − 2 a·b, and what a alone decides, which says nothing here. The products are made in blocks that stay in
//! cache. Rounding may exchange rows that are about equally near: all within its bound are kept, and `exact` decides.

use super::gemm::{self, Matrix};
use super::isa::kernel;
use super::scratch::with_scratch;
use crate::pool;

/// Rows and columns of a block.
const ROWS: usize = 128;
const COLS: usize = 64;
const LANES: usize = 16;
/// So many rows about equally near are compared at once, instead of kept.
const MANY: usize = 32;

/// What is searched: rows of `width` numbers, one label each.
pub struct Search<'a> {
    pub anchors: &'a [f32],
    pub others: &'a [f32],
    pub labels: &'a [u32],
    pub width: usize,
    /// What `exact` adds to every difference a − b.
    pub shift: f64,
}

/// Rows that may be the nearest, and the distance of each less what a alone gives.
#[derive(Clone)]
struct Near {
    least: f32,
    slack: f32,
    rows: Vec<(u32, f32)>,
}

/// For anchor r the row j of another label than r with the least `exact(r, j)`, the first of equals. None where no
/// distance is finite or all labels are the same.
pub fn nearest(search: &Search, exact: &(dyn Fn(usize, usize) -> f64 + Sync)) -> Vec<Option<usize>> {
    let &Search { anchors, others, labels, width, shift } = search;
    assert!(anchors.len() == labels.len() * width && others.len() == anchors.len(), "one label a row");
    let squares: Vec<f64> = others.chunks(width).map(square).collect();
    let longest = squares.iter().fold(0.0, |most: f64, square| most.max(*square)).sqrt();
    let shifted = |(row, square): (&[f32], &f64)| (square - 2.0 * shift * sum(row)) as f32;
    let terms: Vec<f32> = others.chunks(width).zip(&squares).map(shifted).collect();
    let mut found = vec![None; labels.len()];
    pool::pieces(&mut found, ROWS, |index, found| {
        let first = index * ROWS;
        let block = &anchors[first * width..(first + found.len()) * width];
        let start = |a: &[f32]| {
            let cross = square(a).sqrt() * longest;
            // Twice the bound of what a product and the sum behind it may be off.
            let slack = 2.0 * f64::from(f32::EPSILON) * ((width + 2) as f64 * cross + longest * longest);
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
                    let labels_here = &labels[from..from + cols];
                    let least = measure(products, &terms[from..from + cols], labels_here, labels[first + r]);
                    if least > near.least + near.slack || least == f32::INFINITY || !near.slack.is_finite() {
                        continue;
                    }
                    near.least = near.least.min(least);
                    let limit = near.least + near.slack;
                    let close = products.iter().enumerate().filter(|(_, d)| **d <= limit);
                    near.rows.extend(close.map(|(j, d)| ((from + j) as u32, *d)));
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
    /// Leaves one row.
    fn settle(&mut self, exact: impl Fn(usize) -> f64) {
        let limit = self.least + self.slack;
        self.rows.retain(|(_, d)| *d <= limit);
        if self.rows.len() > 1 {
            let best = self.rows.iter().map(|row| (*row, exact(row.0 as usize))).min_by(|a, b| a.1.total_cmp(&b.1));
            self.rows = best.into_iter().map(|(row, _)| row).collect();
        }
    }
}

fn sum(row: &[f32]) -> f64 {
    eight(row, |x| x)
}

fn square(row: &[f32]) -> f64 {
    eight(row, |x| x * x)
}

fn eight(row: &[f32], of: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    for chunk in row.chunks(8) {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += of(f64::from(*x)));
    }
    sums.iter().sum()
}

kernel! {
    /// Makes distances of the products, `terms` what b alone gives, infinite where the label is `own`; the least of them.
    fn measure<L>(products: &mut [f32], terms: &[f32], labels: &[u32], own: u32) -> f32 {
        let mut least = [f32::INFINITY; LANES];
        let groups = products.chunks_mut(LANES).zip(terms.chunks(LANES)).zip(labels.chunks(LANES));
        for ((products, terms), labels) in groups {
            if let (Ok(products), Ok(terms), Ok(labels)) = (
                <&mut [f32; LANES]>::try_from(&mut *products),
                <&[f32; LANES]>::try_from(terms),
                <&[u32; LANES]>::try_from(labels),
            ) {
                for lane in 0..LANES {
                    let distance = L::mul_add(-2.0, products[lane], terms[lane]);
                    let distance = if labels[lane] == own { f32::INFINITY } else { distance };
                    products[lane] = distance;
                    least[lane] = if distance < least[lane] { distance } else { least[lane] };
                }
                continue;
            }
            for (((product, term), label), least) in products.iter_mut().zip(terms).zip(labels).zip(&mut least) {
                let distance = L::mul_add(-2.0, *product, *term);
                *product = if *label == own { f32::INFINITY } else { distance };
                *least = if *product < *least { *product } else { *least };
            }
        }
        least.into_iter().fold(f32::INFINITY, f32::min)
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
    fn the_nearest_are_those_of_plain_loops_on_every_set_and_for_any_number_of_threads() {
        on_each(|isa| {
            for (rows, width) in [(1, 3), (2, 1), (17, 5), (129, 16), (300, 33)] {
                let labels: Vec<u32> = (0..rows as u32).map(|row| row * row % 5).collect();
                for offset in [0.0, 1000.0] {
                    // Far from the origin the products say little about near rows.
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
    fn of_equal_rows_the_first_counts_and_without_another_label_there_is_none() {
        let others = vec![0.25; 200 * 4];
        let labels: Vec<u32> = (0..200).map(|row| u32::from(row >= 70)).collect();
        let search = Search { anchors: &others, others: &others, labels: &labels, width: 4, shift: 0.0 };
        let found = nearest(&search, &|r, j| distance(&search, r, j));
        assert!(found[..70].iter().all(|j| *j == Some(70)) && found[70..].iter().all(|j| *j == Some(0)));
        let search = Search { labels: &[3; 200], ..search };
        assert!(nearest(&search, &|r, j| distance(&search, r, j)).iter().all(Option::is_none));
    }
}
