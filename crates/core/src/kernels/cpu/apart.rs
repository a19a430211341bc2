//! Distances of rows and their gradients, computed from differences, because for close rows squares and products lose all
//! significant digits.
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
        // Beyond the row's end b is filled with the shift, so the difference is 0.
        let by = L::V::splat(shift);
        let [sum] = reduce!(L::V, 1, [a = 0.0, b = shift], a.len(), |acc, _from, _width, r, s| {
            let d = r.sub(s).add(by);
            acc[0] = d.mul_add(d, acc[0]);
        });
        sum
    }
}

kernel! {
    /// Σ x and Σ x².
    pub(crate) fn sums<L>(x: &[f32]) -> (f64, f64) {
        let [sum, square] = reduce!(L::V, 2, [x = 0.0], x.len(), |acc, _from, _width, r| {
            acc[0] = acc[0].add(r);
            acc[1] = r.mul_add(r, acc[1]);
        });
        if square.is_finite() {
            return (sum, square);
        }
        // Squares of large numbers overflow single precision.
        x.iter().map(|x| f64::from(*x)).fold((0.0, 0.0), |(sum, square), x| (sum + x, square + x * x))
    }
}

kernel! {
    /// gradient += Σ over rows a of scale · (a − b + shift), in the order of the rows; rows with scale 0 are skipped.
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
    fn distances_and_gradients_equal_plain_loops() {
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
                for scale in [1.0, 1e30] {
                    let b: Vec<f32> = b.iter().map(|x| x * scale).collect();
                    let (sum, squares) = sums(&b);
                    let (exact, of_all): (f64, f64) =
                        b.iter().map(|x| f64::from(*x)).fold((0.0, 0.0), |(sum, all), x| (sum + x, all + x * x));
                    assert!(
                        (sum - exact).abs() < 1e-6 * of_all.sqrt() * (width as f64).sqrt(),
                        "{width} {isa:?}: {sum}"
                    );
                    assert!((squares - of_all).abs() < 1e-6 * of_all, "{width} {isa:?}: {squares} {of_all}");
                }
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
