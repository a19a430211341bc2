//! The angles between every two rows as seen from every third, in two matrices: value and gradient, in f64.
//!
//! ```text
//! K = E Eᵀ,   i_rj = 1/‖e_j − e_r‖,   A_rjk = (K_jk − K_rk + K_rr − K_rj) i_rj i_rk;     ℓ_r = 1/N² Σ_jk h(A_rjk − B_rjk)
//! c_rjk = 2 w_r/N² h' i_rj i_rk,   a_rj = i_rj Σ_k c_rjk A_rjk/i_rk,   W_jk = Σ_r c_rjk − δ_jk Σ_r a_rj,   R_jr = Σ_k c_rjk − a_rj
//! ∂e_j = Σ_k Q_jk e_k,   Q_jk = W_jk − R_jk − R_kj + δ_jk Σ_m R_mj
//! ```
//!
//! e the rows of a matrix `[N, width]` minus their mean, B the same as A for the other matrix, h(x) = ½x² within 1 of
//! 0, else |x| − ½, w_r the weight of row r. Only K and the last sum depend on the width: each of N³ numbers costs a
//! few operations, and N² are stored.

use super::isa::kernel;
use crate::blocks::{self, filled};
use crate::pool;

/// Numbers per lane group: rows of N numbers are padded to a multiple of it.
const LANES: usize = 8;
/// Rows of one task.
const ROWS: usize = 4;
/// Squared distances below this share of the squared lengths have lost their significant digits.
const NEAR: f64 = 1e-10;
/// Rows closer than this count as equal and form no angle.
const EQUAL: f64 = 1e-12;

/// The centred rows of one matrix, with their products and inverse distances.
pub(crate) struct Points {
    rows: usize,
    width: usize,
    /// N rounded up to whole lanes.
    stride: usize,
    /// e.
    centred: Vec<f64>,
    /// K.
    products: Vec<f64>,
    /// i; 0 where rows are equal, and in the padding.
    inverse: Vec<f64>,
}

impl Points {
    /// `None` if unequal rows are so close that their products do not give their distance.
    pub fn of(x: &[f32], rows: usize) -> Option<Points> {
        let (width, stride) = (x.len() / rows.max(1), rows.next_multiple_of(LANES));
        let mut middle = vec![0.0; width];
        for row in x.chunks(width) {
            middle.iter_mut().zip(row).for_each(|(sum, x): (&mut f64, &f32)| *sum += f64::from(*x) / rows as f64);
        }
        let mut centred = blocks::empty(x.len());
        x.chunks(width)
            .for_each(|row| centred.extend(row.iter().zip(&middle).map(|(x, middle)| f64::from(*x) - middle)));
        let (mut products, mut inverse) = (filled(rows * stride, 0.0), filled(rows * stride, 0.0));
        let row = |at: usize| &centred[at * width..(at + 1) * width];
        pool::pieces(&mut products, ROWS * stride, |piece, products| {
            for (at, products) in products.chunks_mut(stride).enumerate() {
                (0..rows).for_each(|j| products[j] = dot(row(piece * ROWS + at), row(j)));
            }
        });
        for r in 0..rows {
            for j in (0..rows).filter(|j| *j != r) {
                let both = products[r * stride + r] + products[j * stride + j];
                let square = both - 2.0 * products[r * stride + j];
                if square < NEAR * both && row(r) != row(j) {
                    return None;
                }
                // Not `>=`, because NaN must stay NaN.
                let equal = square < EQUAL * EQUAL || row(r) == row(j);
                inverse[r * stride + j] = if equal { 0.0 } else { 1.0 / square.sqrt() };
            }
        }
        Some(Points { rows, width, stride, centred, products, inverse })
    }
}

/// Adds ℓ to the values; returns the gradient of Σ w ℓ at the first matrix.
pub(crate) fn angles(own: &Points, other: &Points, weights: &[f64], values: &mut [f64]) -> Vec<f32> {
    let Points { rows, width, stride, centred, .. } = own;
    let (rows, width, stride) = (*rows, *width, *stride);
    let share = 1.0 / (rows * rows) as f64;
    let scales: Vec<f64> = weights.iter().map(|weight| 2.0 * share * weight).collect();
    // Of row j: W, then R and the values, by r.
    let mut pulls = filled(rows * stride, 0.0);
    let mut sums = filled(rows * rows, (0.0, 0.0));
    let work = pulls.chunks_mut(ROWS * stride).zip(sums.chunks_mut(ROWS * rows)).collect();
    pool::each(work, |piece, (pulls, sums): (&mut [f64], &mut [(f64, f64)])| {
        for (at, (pulls, sums)) in pulls.chunks_mut(stride).zip(sums.chunks_mut(rows)).enumerate() {
            of_row(own, other, piece * ROWS + at, &scales, pulls, sums);
        }
    });
    let mut totals = vec![0.0; rows];
    for sums in sums.chunks(rows) {
        for ((value, total), (r, at)) in values.iter_mut().zip(&mut totals).zip(sums) {
            *value += share * at;
            *total += r;
        }
    }
    let mut gradient = filled(rows * width, 0.0);
    pool::pieces(&mut gradient, ROWS * width, |piece, gradient| {
        let mut sum = vec![0.0; width];
        for (at, gradient) in gradient.chunks_mut(width).enumerate() {
            let j = piece * ROWS + at;
            sum.fill(0.0);
            for (k, e) in centred.chunks(width).enumerate() {
                let q = pulls[j * stride + k] - sums[j * rows + k].0 - sums[k * rows + j].0;
                add(&mut sum, if k == j { q + totals[j] } else { q }, e);
            }
            gradient.iter_mut().zip(&sum).for_each(|(to, sum): (&mut f32, &f64)| *to = *sum as f32);
        }
    });
    gradient
}

kernel! {
    fn dot<L>(a: &[f64], b: &[f64]) -> f64 {
        let mut sums = [0.0; 2 * LANES];
        let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<{ 2 * LANES }>(), b.as_chunks::<{ 2 * LANES }>());
        for (a, b) in whole_a.iter().zip(whole_b) {
            for lane in 0..2 * LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        for (lane, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
            sums[lane] += a * b;
        }
        sums.iter().sum()
    }
}

kernel! {
    /// sum += scale · x.
    fn add<L>(sum: &mut [f64], scale: f64, x: &[f64]) {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += scale * x;
        }
    }
}

kernel! {
    /// All angles between row j and a second row at a third: W_j, and for each r as the vertex R_jr and Σ_k h.
    fn of_row<L>(own: &Points, other: &Points, j: usize, scales: &[f64], pulls: &mut [f64], sums: &mut [(f64, f64)]) {
        let stride = own.stride;
        let ((own_j, _), (other_j, _)) = (
            own.products[j * stride..(j + 1) * stride].as_chunks::<LANES>(),
            other.products[j * stride..(j + 1) * stride].as_chunks::<LANES>(),
        );
        let mut at_itself = 0.0;
        for (r, (sums, scale)) in sums.iter_mut().zip(scales).enumerate() {
            let of_r = r * stride..(r + 1) * stride;
            let (own_r, _) = own.products[of_r.clone()].as_chunks::<LANES>();
            let (other_r, _) = other.products[of_r.clone()].as_chunks::<LANES>();
            let (own_inverse, _) = own.inverse[of_r.clone()].as_chunks::<LANES>();
            let (other_inverse, _) = other.inverse[of_r].as_chunks::<LANES>();
            let (own_base, other_base) = (own_r[r / LANES][r % LANES] - own_r[j / LANES][j % LANES], other_r[r / LANES][r % LANES] - other_r[j / LANES][j % LANES]);
            let (i, other_i) = (own.inverse[r * stride + j], other.inverse[r * stride + j]);
            let factor = scale * i;
            let (mut value, mut along, mut total) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
            let (pulls, _) = pulls.as_chunks_mut::<LANES>();
            let all = pulls.iter_mut().zip(own_j).zip(own_r).zip(own_inverse).zip(other_j).zip(other_r).zip(other_inverse);
            for ((((((pulls, own_j), own_r), own_inverse), other_j), other_r), other_inverse) in all {
                for lane in 0..LANES {
                    let a = (own_j[lane] - own_r[lane] + own_base) * i * own_inverse[lane];
                    let b = (other_j[lane] - other_r[lane] + other_base) * other_i * other_inverse[lane];
                    let d = a - b;
                    // The slope; NaN stays NaN.
                    let slope = d.clamp(-1.0, 1.0);
                    value[lane] += slope * (d - 0.5 * slope);
                    along[lane] += slope * a;
                    let pull = slope * own_inverse[lane];
                    total[lane] += pull;
                    pulls[lane] += factor * pull;
                }
            }
            let sum = |lanes: [f64; LANES]| lanes.iter().sum::<f64>();
            let back = factor * i * sum(along);
            at_itself += back;
            *sums = (factor * sum(total) - back, sum(value));
        }
        pulls[j] -= at_itself;
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

    fn value(own: &[f32], other: &[f32], weights: &[f64]) -> f64 {
        let rows = weights.len();
        let unit = |x: &[f32], r: usize, j: usize| -> Vec<f64> {
            let width = x.len() / rows;
            let d: Vec<f64> = (0..width).map(|i| f64::from(x[j * width + i]) - f64::from(x[r * width + i])).collect();
            let length = d.iter().map(|d| d * d).sum::<f64>().sqrt();
            d.into_iter().map(|d| if length == 0.0 { 0.0 } else { d / length }).collect()
        };
        let angle = |x: &[f32], r, j, k| unit(x, r, j).iter().zip(unit(x, r, k)).map(|(a, b)| a * b).sum::<f64>();
        let mut sum = 0.0;
        for (r, weight) in weights.iter().enumerate() {
            for (j, k) in (0..rows).flat_map(|j| (0..rows).map(move |k| (j, k))) {
                let d: f64 = angle(own, r, j, k) - angle(other, r, j, k);
                sum += weight / (rows * rows) as f64 * if d.abs() < 1.0 { 0.5 * d * d } else { d.abs() - 0.5 };
            }
        }
        sum
    }

    #[test]
    fn angles_equal_plain_loops_and_the_gradient_equals_finite_differences() {
        on_each(|isa| {
            for (rows, width, teacher) in [(2, 3, 4), (5, 1, 2), (11, 6, 3)] {
                let (mut own, other) = (numbers(rows * width, 1), numbers(rows * teacher, 2));
                own.iter_mut().for_each(|x| *x += 3.0);
                // Equal rows make no angle.
                let first = own[..width].to_vec();
                own[width * (rows - 1)..].copy_from_slice(&first);
                let weights: Vec<f64> = (0..rows).map(|row| 0.5 + (row % 3) as f64).collect();
                let run = |threads| {
                    let mut values = vec![0.0; rows];
                    let gradient = Pool::new(Some(threads)).unwrap().enter(|| {
                        let (own, other) = (Points::of(&own, rows).unwrap(), Points::of(&other, rows).unwrap());
                        angles(&own, &other, &weights, &mut values)
                    });
                    (gradient, values)
                };
                let (gradient, values) = run(1);
                let what = format!("{rows} {width} {}", isa.name());
                let total: f64 = values.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
                let expected = value(&own, &other, &weights);
                assert!((total - expected).abs() < 1e-9 * (1.0 + expected), "{what}: {total} {expected}");
                // A row equal to another one would no longer be equal after the change, and has a different slope.
                for at in width..width * (rows - 1) {
                    let moved = |by: f32| {
                        let mut own = own.clone();
                        own[at] += by;
                        (value(&own, &other, &weights), f64::from(own[at]))
                    };
                    let (above, below) = (moved(1e-3), moved(-1e-3));
                    let slope = (above.0 - below.0) / (above.1 - below.1);
                    assert!((f64::from(gradient[at]) - slope).abs() < 1e-4, "{what}: {} {slope}", gradient[at]);
                }
                assert!(run(3) == (gradient, values), "{what}");
            }
        });
    }

    #[test]
    fn points_are_none_if_products_cannot_separate_unequal_rows() {
        let mut rows = numbers(12, 1);
        let near: Vec<f32> = rows[..3].iter().map(|x| x * (1.0 + 2e-7)).collect();
        rows[3..6].copy_from_slice(&near);
        assert!(Points::of(&rows, 4).is_none());
        let equal = rows[..3].to_vec();
        rows[3..6].copy_from_slice(&equal);
        assert!(Points::of(&rows, 4).is_some());
    }
}
