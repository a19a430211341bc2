//! Distances and the margin between them, for both triplet losses.

use super::Float;

/// The margin of the paper's code.
pub(crate) fn five() -> f64 {
    5.0
}

/// Added to every difference, as in PyTorch's triplet margin loss.
pub(crate) const EPSILON: f64 = 1e-6;

/// ‖a − b + 1e-6‖₂, in f64. Eight separate sums let the compiler use vector instructions.
pub(crate) fn distance<F: Float>(a: &[F], b: &[F]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (Into::<f64>::into(*a) - Into::<f64>::into(*b) + EPSILON).powi(2);
        }
    }
    sums.iter().sum::<f64>().sqrt()
}

/// gradient += scale · (a − b + 1e-6).
pub(crate) fn pull<F: Float>(a: &[F], b: &[F], scale: f64, gradient: &mut [F]) {
    for ((a, b), gradient) in a.iter().zip(b).zip(gradient) {
        let d = Into::<f64>::into(*a) - Into::<f64>::into(*b) + EPSILON;
        *gradient = F::of(Into::<f64>::into(*gradient) + scale * d);
    }
}
