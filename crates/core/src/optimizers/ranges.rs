//! The ranges of numbers among the options.

use crate::error::{Error, Result};

pub(super) fn positive(path: &str, value: f64) -> Result<()> {
    let fits = value > 0.0 && value.is_finite();
    if fits { Ok(()) } else { Err(Error::config(path, format!("expected a number above 0, got {value}"))) }
}

pub(super) fn not_negative(path: &str, value: f64) -> Result<()> {
    let fits = value >= 0.0 && value.is_finite();
    if fits { Ok(()) } else { Err(Error::config(path, format!("expected a number of at least 0, got {value}"))) }
}

pub(super) fn share(path: &str, value: f64) -> Result<()> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::config(path, format!("expected a number of at least 0 and below 1, got {value}"))),
    }
}
