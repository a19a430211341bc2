//! An image laid out for the tiles: zeros around it, rows that vectors may overrun, and with a column stride of
//! s the columns sorted by their remainder modulo s, so that what one tap sees lies side by side.
//!
//! ```text
//! channel c, padded row p, padded column q lies at  c · plane + p · row + (q mod s) · pitch + ⌊q / s⌋
//! ```

use crate::kernels::cpu::isa::kernel;
use crate::kernels::cpu::vector::Vector;

/// Numbers that the widest register holds: rows are laid out for it on every instruction set.
pub(super) const LANES: usize = 16;

#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub channels: usize,
    /// Of the image.
    pub size: [usize; 2],
    /// Zeros above and to the left of it.
    pub before: [usize; 2],
    /// Padded rows.
    pub rows: usize,
    pub phases: usize,
    /// Numbers of one row and one phase; a multiple of `LANES`.
    pub pitch: usize,
}

impl Field {
    /// `columns` are those that an output row has, `reach` is how far right of them a tap looks, both in one phase.
    pub fn new(
        channels: usize,
        size: [usize; 2],
        before: [usize; 2],
        rows: usize,
        phases: usize,
        columns: usize,
        reach: usize,
    ) -> Self {
        let pitch = (columns.next_multiple_of(LANES) + reach).next_multiple_of(LANES);
        Field { channels, size, before, rows, phases, pitch }
    }

    pub fn row(&self) -> usize {
        self.phases * self.pitch
    }

    pub fn plane(&self) -> usize {
        self.rows * self.row()
    }

    pub fn len(&self) -> usize {
        self.channels * self.plane()
    }

    /// Lays out one image; every number of `into` is written.
    pub fn fill(&self, image: &[f32], into: &mut [f32]) {
        fill(self, image, into)
    }
}

kernel! {
    fn fill<L>(field: &Field, image: &[f32], into: &mut [f32]) {
        let n = L::V::N;
        let zero = L::V::splat(0.0);
        let [rows, columns] = field.size;
        let [above, left] = field.before;
        let kept = rows.min(field.rows.saturating_sub(above));
        let width = columns.min((field.phases * field.pitch).saturating_sub(left));
        let planes = image.chunks_exact((rows * columns).max(1));
        for (image, into) in planes.zip(into.chunks_exact_mut(field.plane().max(1))) {
            into.chunks_exact_mut(n).for_each(|into| zero.store(into));
            let targets = into.chunks_exact_mut(field.row()).skip(above);
            for (row, into) in image.chunks_exact(columns).take(kept).zip(targets) {
                let row = &row[..width];
                if field.phases == 1 {
                    for (row, into) in row.chunks(n).zip(into[left..].chunks_mut(n)) {
                        if row.len() == n {
                            L::V::load(row).store(into);
                        } else {
                            L::V::load_part(row, 0.0).store_part(&mut into[..row.len()]);
                        }
                    }
                } else {
                    for (column, x) in row.iter().enumerate() {
                        let at = left + column;
                        let within = at / field.phases;
                        if within < field.pitch {
                            into[at % field.phases * field.pitch + within] = *x;
                        }
                    }
                }
            }
        }
    }
}
