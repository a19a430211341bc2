//! What `skewKl` and `skewReverseKl` ask of their mixture of teacher and student.

use crate::error::{Error, Result};
use crate::schedule::Scheduled;

pub(super) fn default_alpha() -> f64 {
    0.1
}

/// Refuses what no mixture can be made with.
pub(super) fn check(alpha: f64, temperature: &Scheduled) -> Result<()> {
    if !(0.0..1.0).contains(&alpha) {
        let message = format!("expected a number of at least 0 and below 1, got {alpha}");
        return Err(Error::config("alpha", message));
    }
    temperature.validate("temperature", "a number above 0", |temperature| temperature > 0.0)
}
