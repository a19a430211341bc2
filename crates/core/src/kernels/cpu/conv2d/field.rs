//! The memory layout of an image for the tiles: zeros surround it, vectors may read beyond a row, and with a column stride
//! of s the columns are sorted by their remainder modulo s, so that the numbers read by one tap are contiguous.
//!
//! ```text
//! channel c, padded row p, padded column q is at  c · plane + p · row + (q mod s) · pitch + ⌊q / s⌋
//! ```

use crate::kernels::cpu::isa::kernel;
use crate::kernels::cpu::vector::Vector;

/// Numbers that the widest register holds: images are laid out for it on every instruction set.
pub(super) const LANES: usize = 16;

#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub channels: usize,
    /// Rows and columns of the image.
    pub size: [usize; 2],
    /// Zeros above and to the left of it.
    pub before: [usize; 2],
    /// Padded rows.
    pub rows: usize,
    pub phases: usize,
    /// Numbers of one row and one phase.
    pub pitch: usize,
}

impl Field {
    pub fn row(&self) -> usize {
        self.phases * self.pitch
    }

    /// Numbers of one channel, including one register of zeros after it.
    pub fn plane(&self) -> usize {
        self.rows * self.row() + LANES
    }

    pub fn len(&self) -> usize {
        self.channels * self.plane()
    }

    /// Writes one image; `into` contains zeros or another image of the same field.
    pub fn fill(&self, image: &[f32], into: &mut [f32]) {
        fill(self, image, into)
    }
}

kernel! {
    fn fill<L>(field: &Field, image: &[f32], into: &mut [f32]) {
        let n = L::V::N;
        let [rows, columns] = field.size;
        let [above, left] = field.before;
        let kept = rows.min(field.rows.saturating_sub(above));
        let width = columns.min((field.phases * field.pitch).saturating_sub(left));
        for channel in 0..field.channels {
            let plane = &mut into[channel * field.plane()..(channel + 1) * field.plane()];
            for row in 0..kept {
                let from = &image[(channel * rows + row) * columns..][..width];
                let to = &mut plane[(above + row) * field.row()..][..field.row()];
                if field.phases == 1 {
                    let to = &mut to[left..left + width];
                    let mut at = 0;
                    while at + n <= width {
                        L::V::load(&from[at..]).store(&mut to[at..]);
                        at += n;
                    }
                    if at < width {
                        L::V::load_part(&from[at..], 0.0).store_part(&mut to[at..]);
                    }
                } else {
                    for (column, x) in from.iter().enumerate() {
                        let at = left + column;
                        let within = at / field.phases;
                        if within < field.pitch {
                            to[at % field.phases * field.pitch + within] = *x;
                        }
                    }
                }
            }
        }
    }
}
