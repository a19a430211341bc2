//! Compares numbers with those of another implementation, within a tolerance.

use crate::error::{Error, Result};
use crate::tape::Engine;
use crate::tensor::DType;

/// The arithmetic in which a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The plain reference in f64.
    F64,
    /// The kernels of the instruction set in use, in f32.
    F32,
}

impl Precision {
    pub fn engine(self) -> Engine {
        if self == Precision::F64 { Engine::Reference } else { Engine::Kernels }
    }

    pub fn dtype(self) -> DType {
        if self == Precision::F64 { DType::F64 } else { DType::F32 }
    }

    /// Tolerance for f64: 1e-9 of the largest entry, at least 1e-12; for f32: 1e-5 of the largest entry + 1e-6.
    pub fn tolerance(self, expected: &[f64]) -> f64 {
        let largest = expected.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        if self == Precision::F64 { 1e-9 * largest.max(1e-3) } else { 1e-5 * largest + 1e-6 }
    }

    /// Returns an error that names the worst entry if `got` is outside the tolerance.
    pub fn compare(self, what: &str, got: &[f64], expected: &[f64]) -> Result<()> {
        compare(what, got, expected, self.tolerance(expected))
    }
}

/// Returns an error that names the worst entry if any entry is outside `tolerance`.
pub fn compare(what: &str, got: &[f64], expected: &[f64], tolerance: f64) -> Result<()> {
    if got.len() != expected.len() {
        return Err(Error::data(what, format!("expected {} numbers, got {}", expected.len(), got.len())));
    }
    let distance = |i: usize| if got[i] == expected[i] { 0.0 } else { (got[i] - expected[i]).abs() };
    // The distance of a NaN is NaN, which is never within the tolerance.
    let near = |i: usize| distance(i) <= tolerance;
    match (0..got.len()).filter(|i| !near(*i)).max_by(|a, b| distance(*a).total_cmp(&distance(*b))) {
        None => Ok(()),
        Some(worst) => {
            let message = format!("expected {} ± {tolerance:.1e} at {worst}, got {}", expected[worst], got[worst]);
            Err(Error::data(what, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_sees_the_worst_entry_and_never_accepts_nan() {
        let error = compare("value", &[1.0, 2.5, 3.1], &[1.0, 2.0, 3.0], 0.01).unwrap_err();
        assert!(error.to_string().starts_with("value: expected 2 ± 1.0e-2 at 1, got 2.5"), "{error}");
        assert!(compare("value", &[f64::NAN], &[1.0], 0.01).is_err());
        assert!(compare("value", &[1.0], &[1.0, 1.0], 0.01).is_err());
    }
}
