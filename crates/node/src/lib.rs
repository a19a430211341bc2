//! The Node addon: converts, locks, maps errors and panics. No arithmetic; one file per class.
//!
//! Every export catches panics. Long work runs outside the event loop's thread: on a job's trainer thread (`job`), one
//! thread per lane of predictions (`queue`), a few for files and evaluations (`calls`). A promise always settles
//! exactly once (`reply`).
#![cfg_attr(test, allow(dead_code))] // exports are registered in builds that are no tests

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
mod model;
mod priority;
mod queue;
mod reply;
mod stream;

use limbeck_core::allocator::{self, CachingAllocator};

#[global_allocator]
static ALLOCATOR: CachingAllocator = CachingAllocator;

/// Runs when the addon is loaded.
#[napi_derive::module_init]
fn init() {
    // If even this is refused, the first call that needs memory reports it.
    allocator::hold_reserve();
}
