//! The `Diagnostic` trait.

use super::seen::Seen;
use crate::error::Result;

/// The options of one diagnostic.
pub(super) trait Diagnostic {
    type Report;

    /// Rejects options out of range.
    fn validate(&self) -> Result<()>;

    fn report(&self, seen: &Seen<'_>) -> Result<Self::Report>;
}
