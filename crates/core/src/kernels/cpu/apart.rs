//! Distances of rows and the pulls that lessen them, on differences: of near rows squares and products would leave nothing.
//!
//! ```text
//! d(a, b) = ‖a − b + shift‖
//! ```

use super::isa::kernel;
use super::rows::{BLOCK, reduce};
use super::vector::Vector;

kernel! {
    /// d(a, b)².
    pub(crate) fn square<L>(a: &[f32], b: &[f32], shift: f32) -> f64 {
        // Beyond the row's end b is the shift, which leaves nothing.
        let by = L::V::splat(shift);
        let [sum] = reduce!(L::V, 1, [a = 0.0, b = shift], a.len(), |acc, _from, _width, r, s| {
            let d = r.sub(s).add(by);
            acc[0] = d.mul_add(d, acc[0]);
        });
        sum
    }
}

/// Lanes of sums in f64.
const LANES: usize = 16;

kernel! {
    /// Σ x and Σ x², in f64.
    pub(crate) fn sums<L>(x: &[f32]) -> (f64, f64) {
        let (mut sums, mut squares) = ([0.0f64; LANES], [0.0f64; LANES]);
        let (whole, rest) = x.as_chunks::<LANES>();
        for x in whole {
            for lane in 0..LANES {
                let x = f64::from(x[lane]);
                sums[lane] += x;
                squares[lane] += x * x;
            }
        }
        for (lane, x) in rest.iter().enumerate() {
            let x = f64::from(*x);
            sums[lane] += x;
            squares[lane] += x * x;
        }
        (sums.iter().sum(), squares.iter().sum())
    }
}

kernel! {
    /// gradient += Σ over rows a of scale · (a − b + shift), in the order of the rows; those of the scale 0 are left out.
    pub(crate) fn pull<L>(rows: &[f32], scales: &[f32], b: &[f32], shift: f32, gradient: &mut [f32]) {
        let (n, by) = (L::V::N, L::V::splat(shift));
        for (a, scale) in rows.chunks_exact(b.len()).zip(scales) {
            if *scale == 0.0 {
                continue;
            }
            let scale = L::V::splat(*scale);
            let whole = b.len() / n * n;
            let both = a.chunks_exact(n).zip(b.chunks_exact(n));
            for (out, (a, b)) in gradient[..whole].chunks_exact_mut(n).zip(both) {
                scale.mul_add(L::V::load(a).sub(L::V::load(b)).add(by), L::V::load(out)).store(out);
            }
            if whole < b.len() {
                let (a, b, out) = (&a[whole..], &b[whole..], &mut gradient[whole..]);
                let d = L::V::load_part(a, 0.0).sub(L::V::load_part(b, 0.0)).add(by);
                scale.mul_add(d, L::V::load_part(out, 0.0)).store_part(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;

    #[test]
    fn distances_and_pulls_are_those_of_plain_loops() {
        for width in [1, 7, 16, 33, 300] {
            let at = |index: usize| (index * 7919 % 1009) as f32 / 504.5 - 1.0;
            let rows: Vec<f32> = (0..3 * width).map(at).collect();
            let b: Vec<f32> = (0..width).map(|index| at(index + 5)).collect();
            let scales = [0.5f32, 0.0, -2.0];
            let difference = |row: usize, i: usize| f64::from(rows[row * width + i]) - f64::from(b[i]) + 0.25;
            on_each(|isa| {
                for row in 0..3 {
                    let exact: f64 = (0..width).map(|i| difference(row, i).powi(2)).sum();
                    let got = square(&rows[row * width..(row + 1) * width], &b, 0.25);
                    assert!((got - exact).abs() < 1e-6 * exact, "{width} {isa:?}: {got} {exact}");
                }
                let (sum, squares) = sums(&b);
                assert!((sum - b.iter().map(|x| f64::from(*x)).sum::<f64>()).abs() < 1e-12, "{width} {isa:?}");
                let exact: f64 = b.iter().map(|x| f64::from(*x).powi(2)).sum();
                assert!((squares - exact).abs() < 1e-12 * exact, "{width} {isa:?}");
                let mut gradient = vec![1.0; width];
                pull(&rows, &scales, &b, 0.25, &mut gradient);
                for (i, got) in gradient.iter().enumerate() {
                    let exact = 1.0 + 0.5 * difference(0, i) - 2.0 * difference(2, i);
                    assert!((f64::from(*got) - exact).abs() < 2e-6, "{width} {i} {isa:?}: {got} {exact}");
                }
            });
        }
    }
}
