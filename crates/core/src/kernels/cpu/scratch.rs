//! Buffers that a thread keeps between tasks.

use std::cell::RefCell;

use crate::tensor::uninit;

/// Numbers of a cache line.
const LINE: usize = 16;

/// Runs `work` with buffers that this thread keeps; their contents are unspecified.
pub(crate) fn with_scratch<R, const N: usize>(lengths: [usize; N], work: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
    }
    // Taken out while it is used, so that a nested task finds an empty slot instead of a locked one.
    let mut scratch = SCRATCH.take();
    scratch.resize_with(scratch.len().max(N), Vec::new);
    let mut buffers = scratch.iter_mut().zip(lengths).map(|(buffer, length)| {
        if buffer.len() < length + LINE {
            *buffer = uninit(length + LINE);
        }
        // Buffers begin at cache lines.
        let skip = buffer.as_ptr().align_offset(64).min(LINE);
        &mut buffer[skip..skip + length]
    });
    let result = work(std::array::from_fn(|_| buffers.next().unwrap_or_default()));
    SCRATCH.set(scratch);
    result
}
