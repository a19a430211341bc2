//! The `Diagnostic` trait.

use super::seen::Seen;
use crate::error::Result;

/// One diagnostic: its options.
pub(super) trait Diagnostic {
    type Report;

    /// Refuses options out of range.
    fn validate(&self) -> Result<()>;

    fn report(&self, seen: &Seen<'_>) -> Result<Self::Report>;
}
