//! Soft labels of a row, in any form.

use crate::losses::sweep::Row;

/// Soft labels ρ of a row, compared with the student's softmax q.
pub(crate) trait Soft: Sync {
    /// KL(ρ ‖ q).
    fn divergence(&self, row: &Row) -> f64;
    /// Adds `coefficient` · ρ to the gradient.
    fn add<'t>(&'t self, row: &mut Row<'t, '_, '_>, coefficient: f64);
}
