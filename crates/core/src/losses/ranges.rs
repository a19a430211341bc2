//! The ranges of numbers among the options.

use crate::error::{Error, Result};

/// Rejects a number that is below 0 or not finite.
pub(super) fn not_negative(name: &str, value: f64) -> Result<()> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(()),
        false => Err(Error::config(name, format!("expected a finite number of at least 0, got {value}"))),
    }
}

/// Rejects a number that is not above 0 or not finite.
pub(super) fn positive(name: &str, value: f64) -> Result<()> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(Error::config(name, format!("expected a finite number above 0, got {value}"))),
    }
}

/// Rejects a number that is not from 0 to 1.
pub(super) fn share(name: &str, value: f64) -> Result<()> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::config(name, format!("expected a number from 0 to 1, got {value}"))),
    }
}

/// Rejects a number that is not at least 0 and below 1.
pub(super) fn share_below_one(name: &str, value: f64) -> Result<()> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::config(name, format!("expected a number of at least 0 and below 1, got {value}"))),
    }
}

/// Checks two weights, one of which must be above 0.
pub(super) fn weights([(first, a), (second, b)]: [(&str, f64); 2]) -> Result<()> {
    not_negative(first, a)?;
    not_negative(second, b)?;
    match a == 0.0 && b == 0.0 {
        true => Err(Error::config(second, format!("expected a number above 0 if {first} is 0, got 0"))),
        false => Ok(()),
    }
}
