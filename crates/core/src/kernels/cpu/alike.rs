//! Similarity of the rows of two matrices, row by row of their Gram matrices: value and gradient.
//!
//! ```text
//! M = X Xᵀ,   u_rj = M_rj / ‖M_r‖,   v the same of Y;        ℓ_r = 1/N Σ_j (u_rj − v_rj)²
//! ∂M_rj = u_rj p_r − v_rj q_r,   q_r = k_r / ‖M_r‖,   p_r = q_r (1 − Σ_j (u_rj − v_rj) u_rj),   k_r = 2 w_r / N
//! ∂X = (∂M + ∂Mᵀ) X,   (∂M + ∂Mᵀ)_rj = M_rj (p_r/‖M_r‖ + p_j/‖M_j‖) − (Y Yᵀ)_rj (q_r/‖(Y Yᵀ)_r‖ + q_j/‖(Y Yᵀ)_j‖)
//! ```
//!
//! X and Y `[N, …]`, w_r the weight of row r. Both Gram matrices are symmetric: half of each is computed, and the sum with
//! the transposed gradient needs no transposing.

use super::apart::sums;
use super::gemm::{self, Matrix};
use super::isa::kernel;
use super::rows::{BLOCK, get, put, reduce};
use super::vector::Vector;
use crate::pool;
use crate::tensor::uninit;

/// Rows of one task.
const ROWS: usize = 16;

/// Factors of each row's Gram rows: 1/‖M_r‖ and p_r, then the same of Y and q_r.
#[derive(Default)]
struct Factors {
    own: Vec<f32>,
    p: Vec<f32>,
    other: Vec<f32>,
    q: Vec<f32>,
}

/// Adds ℓ to the values; returns the gradient of Σ w ℓ at X. Rows of a Gram matrix shorter than `shortest` are 0.
pub(crate) fn similarity(own: &[f32], other: &[f32], weights: &[f64], shortest: f64, values: &mut [f64]) -> Vec<f32> {
    let rows = weights.len();
    let matrix = |x| Matrix::new(x, rows, (x as &[f32]).len() / rows);
    let (mut of_own, mut of_other) = (uninit(rows * rows), uninit(rows * rows));
    gemm::gram(matrix(own), &mut of_own);
    gemm::gram(matrix(other), &mut of_other);
    let mut found = vec![[0.0; 4]; rows];
    pool::pairs(values, &mut found, ROWS, |piece, values, found| {
        for (at, (value, found)) in values.iter_mut().zip(found).enumerate() {
            let row = piece * ROWS + at;
            let part = row * rows..(row + 1) * rows;
            let (m, t) = (&of_own[part.clone()], &of_other[part]);
            let (length, other) = (sums(m).1.sqrt(), sums(t).1.sqrt());
            // Not `>=`, because NaN must stay NaN.
            let over = |length: f64| if length < shortest { 0.0 } else { 1.0 / length };
            let scales = [over(length) as f32, over(other) as f32];
            let [square, along] = differences(m, t, scales);
            *value += square / rows as f64;
            let q = 2.0 * weights[row] / rows as f64 * over(length);
            *found = [scales[0], (q * (1.0 - along)) as f32, scales[1], q as f32];
        }
    });
    let mut factors = Factors::default();
    for [own, p, other, q] in found {
        factors.own.push(own);
        factors.p.push(p);
        factors.other.push(other);
        factors.q.push(q);
    }
    pool::pieces(&mut of_own, ROWS * rows, |piece, of_own| {
        for (at, m) in of_own.chunks_mut(rows).enumerate() {
            let row = piece * ROWS + at;
            both_ways(m, &of_other[row * rows..(row + 1) * rows], &factors, row);
        }
    });
    let mut gradient = uninit(own.len());
    gemm::product(Matrix::new(&of_own, rows, rows), matrix(own), &mut gradient, false);
    gradient
}

kernel! {
    /// Σ (u − v)² and Σ (u − v) u.
    fn differences<L>(m: &[f32], t: &[f32], scales: [f32; 2]) -> [f64; 2] {
        let [own, other] = scales.map(L::V::splat);
        reduce!(L::V, 2, [m = 0.0, t = 0.0], m.len(), |acc, _from, _width, m, t| {
            let u = m.mul(own);
            let d = u.sub(t.mul(other));
            acc[0] = d.mul_add(d, acc[0]);
            acc[1] = d.mul_add(u, acc[1]);
        })
    }
}

kernel! {
    /// Row `row` of ∂M + ∂Mᵀ, written over that of M. Multiplies by lengths and gradients one after the other,
    /// because their product may underflow.
    fn both_ways<L>(m: &mut [f32], t: &[f32], factors: &Factors, row: usize) {
        let at = |of: &Vec<f32>| L::V::splat(of[row]);
        let (own, p, other, q) = (at(&factors.own), at(&factors.p), at(&factors.other), at(&factors.q));
        let (n, len) = (L::V::N, m.len());
        for from in (0..len).step_by(n) {
            let width = n.min(len - from);
            let (x, y) = (get::<L::V>(m, from, width), get::<L::V>(t, from, width));
            let column = |of: &Vec<f32>| get::<L::V>(of, from, width);
            let minus = y.mul(other).mul(q).add(y.mul(column(&factors.other)).mul(column(&factors.q)));
            let plus = x.mul(own).mul(p).add(x.mul(column(&factors.own)).mul(column(&factors.p)));
            put(plus.sub(minus), m, from, width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;
    use crate::pool::Pool;

    /// Units of the rows of X Xᵀ, and their lengths, in f64.
    fn units(x: &[f32], rows: usize) -> Vec<(f64, Vec<f64>)> {
        let width = x.len() / rows;
        let row = |r: usize| x[r * width..(r + 1) * width].iter().map(|x| f64::from(*x));
        let of_row = |r: usize| {
            let m: Vec<f64> = (0..rows).map(|j| row(r).zip(row(j)).map(|(a, b)| a * b).sum()).collect();
            let length = m.iter().map(|m: &f64| m * m).sum::<f64>().sqrt();
            (length, m.into_iter().map(|m| if length < 1e-12 { 0.0 } else { m / length }).collect())
        };
        (0..rows).map(of_row).collect()
    }

    #[test]
    fn similarities_equal_plain_loops_on_every_set_and_for_any_number_of_threads() {
        let number = |at: usize| (at * 7919 % 1009) as f32 / 504.5 - 1.0;
        on_each(|isa| {
            for (rows, width, teacher, scale) in [(2, 9, 8, 1.0), (33, 17, 40, 1e-3), (150, 20, 9, 1e4)] {
                let mut own: Vec<f32> = (0..rows * width).map(|at| scale * number(at + 3)).collect();
                own[..width].fill(0.0);
                let other: Vec<f32> = (0..rows * teacher).map(|at| number(at + 7)).collect();
                let weights: Vec<f64> = (0..rows).map(|row| 0.5 + (row % 3) as f64).collect();
                let (u, v) = (units(&own, rows), units(&other, rows));
                let mut at_products = vec![0.0; rows * rows];
                let mut expected = vec![0.0; rows];
                for r in 0..rows {
                    let (length, d) = (u[r].0, |j: usize| u[r].1[j] - v[r].1[j]);
                    expected[r] = (0..rows).map(|j| d(j).powi(2)).sum::<f64>() / rows as f64;
                    let along: f64 = (0..rows).map(|j| d(j) * u[r].1[j]).sum();
                    for j in (0..rows).filter(|_| length >= 1e-12) {
                        at_products[r * rows + j] =
                            2.0 * weights[r] / rows as f64 * (d(j) - u[r].1[j] * along) / length;
                    }
                }
                let mut gradient = vec![0.0; own.len()];
                for r in 0..rows {
                    for j in 0..rows {
                        let g = at_products[r * rows + j] + at_products[j * rows + r];
                        (0..width).for_each(|i| gradient[r * width + i] += g * f64::from(own[j * width + i]));
                    }
                }
                let largest = gradient.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                let run = |threads| {
                    let mut values = vec![0.0; rows];
                    let pool = Pool::new(Some(threads)).unwrap();
                    let gradient = pool.enter(|| similarity(&own, &other, &weights, 1e-12, &mut values));
                    (gradient, values)
                };
                let (got, values) = run(1);
                let what = format!("{rows} {width} {}", isa.name());
                for (got, expected) in got.iter().zip(&gradient) {
                    assert!((f64::from(*got) - expected).abs() < 1e-5 * largest, "{what}: {got} {expected}");
                }
                for (got, expected) in values.iter().zip(&expected) {
                    assert!((got - expected).abs() < 1e-5, "{what}: {got} {expected}");
                }
                assert!(run(3) == (got, values), "{what}");
            }
        });
    }
}
