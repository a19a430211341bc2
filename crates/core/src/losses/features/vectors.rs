//! Shared computations of losses over features: unit vectors, Gram matrices, distances, and their gradients.

use super::{Array, Float};
use crate::pool;

/// A shorter vector has no direction: `Units` replaces it by zeros, and its gradient is 0.
pub(crate) const SHORTEST: f64 = 1e-12;

/// Narrower vectors are often almost parallel or opposite, so the gradients of their directions cancel; they are
/// computed in f64, which is cheap for them.
pub(crate) const NARROW: usize = 8;

/// Vectors of one width, each divided by its length.
pub(crate) struct Units<F> {
    pub values: Vec<F>,
    lengths: Vec<f64>,
    width: usize,
}

impl<F: Float> Units<F> {
    pub fn of(vectors: &[F], width: usize) -> Units<F> {
        let (mut values, mut lengths) = (crate::blocks::empty(vectors.len()), Vec::new());
        for vector in vectors.chunks(width) {
            let length = dot(vector, vector).sqrt();
            // Not `>=`, so that NaN stays NaN.
            match length < SHORTEST {
                true => values.resize(values.len() + width, F::of(0.0)),
                false => values.extend(vector.iter().map(|x| F::of(Into::<f64>::into(*x) / length))),
            }
            lengths.push(length);
        }
        Units { values, lengths, width }
    }

    /// The gradient at the vectors, where u are the unit vectors: (g − u (u · g)) / length.
    pub fn back(&self, mut gradient: Vec<F>) -> Vec<F> {
        let units = self.values.chunks(self.width);
        for ((gradient, unit), length) in gradient.chunks_mut(self.width).zip(units).zip(&self.lengths) {
            if *length < SHORTEST {
                gradient.fill(F::of(0.0));
                continue;
            }
            let along = dot(gradient, unit);
            for (g, u) in gradient.iter_mut().zip(unit) {
                *g = F::of((Into::<f64>::into(*g) - Into::<f64>::into(*u) * along) / length);
            }
        }
        gradient
    }
}

/// a · b, summed in f64. Eight separate sums let the compiler use vector instructions.
pub(crate) fn dot<F: Float>(a: &[F], b: &[F]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += Into::<f64>::into(*a) * Into::<f64>::into(*b);
        }
    }
    sums.iter().sum()
}

/// Rows per task.
pub(crate) const ROWS: usize = 16;

/// The gradient at X from the gradient G at X · Xᵀ: (G + Gᵀ) · X.
pub(crate) fn gram_back<F: Float>(gradient: &[F], vectors: &[F], width: usize) -> Vec<F> {
    let rows = vectors.len() / width;
    let mut symmetric = crate::blocks::copied(gradient);
    pool::pieces(&mut symmetric, ROWS * rows, |piece, symmetric| {
        // The entries of a few columns are adjacent in memory.
        for (j, across) in gradient.chunks(rows).enumerate() {
            for (at, row) in symmetric.chunks_mut(rows).enumerate() {
                row[j] += across[piece * ROWS + at];
            }
        }
    });
    F::matmul(&symmetric, vectors, rows, width)
}

/// ½ x² for |x| < 1, else |x| − ½; and its slope.
pub(crate) fn smooth_l1(x: f64) -> (f64, f64) {
    match x.abs() < 1.0 {
        true => (0.5 * x * x, x),
        false => (x.abs() - 0.5, x.signum()),
    }
}

/// The length of a vector of a layer: the last size for vectors and sequences; a feature map is one vector.
pub(crate) fn width_of<F: Float>(layer: &Array<F>) -> usize {
    match layer.dims.as_slice() {
        [_, width] | [_, _, width] => *width,
        _ => layer.width(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_through_products_takes_both_sides() {
        // X 20 × 1, so that there are two tasks: row r gets Σ_j (g_rj + g_jr) x_j.
        let (x, g): (Vec<f64>, Vec<f64>) = ((0..20).map(f64::from).collect(), (0..400).map(f64::from).collect());
        let of = |r: usize| (0..20).map(|j| (g[r * 20 + j] + g[j * 20 + r]) * x[j]).sum::<f64>();
        assert_eq!(gram_back(&g, &x, 1), (0..20).map(of).collect::<Vec<f64>>());
    }

    #[test]
    fn units_and_distances_are_those_by_hand() {
        let units = Units::of(&[3.0f64, 4.0, 0.0, 0.0], 2);
        assert_eq!(units.values, [0.6, 0.8, 0.0, 0.0]);
        // ((1, 0) − (0.6, 0.8) · 0.6) / 5; a zero vector has the gradient 0.
        let back = units.back(vec![1.0, 0.0, 1.0, 1.0]);
        assert!((back[0] - 0.128f64).abs() < 1e-15 && (back[1] + 0.096f64).abs() < 1e-15, "{back:?}");
        assert_eq!(back[2..], [0.0, 0.0]);
        assert!(Units::of(&[f32::NAN, 1.0], 2).values[1].is_nan());
        assert_eq!(smooth_l1(-3.0), (2.5, -1.0));
        assert_eq!(smooth_l1(0.5), (0.125, 0.5));
    }
}
