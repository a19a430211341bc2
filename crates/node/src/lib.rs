//! The Node addon: converts, locks, maps errors and panics. No arithmetic; one file per class.
//!
//! Every export catches panics. Long work runs outside the event loop's thread: on a job's trainer thread (`job`), one
//! thread per lane of predictions (`queue`), a few threads for files and evaluations (`calls`). A promise always settles
//! exactly once (`reply`).
#![cfg_attr(test, allow(dead_code))] // test builds do not register exports

mod analysis;
mod buffers;
mod calls;
mod dataset;
mod diagnostics;
mod ensemble;
mod errors;
mod external;
mod handles;
mod job;
mod lifecycle;
mod made;
mod model;
mod priority;
mod queue;
mod reply;
mod stream;
mod tokenizer;

use limbeck_core::allocator::{self, CachingAllocator};

#[global_allocator]
static ALLOCATOR: CachingAllocator = CachingAllocator;

/// Runs when the addon is loaded.
#[napi_derive::module_init]
fn init() {
    // If this allocation fails, the first call that needs memory reports the error.
    allocator::hold_reserve();
}
