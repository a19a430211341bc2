//! The Node addon: converts, locks, maps errors and panics. No arithmetic; one file a class.
//!
//! Every export catches panics. Long work runs on other threads than the event loop's: a job's trainer thread (`job`),
//! one thread for each lane of predictions (`queue`), a few for files and evaluations (`calls`). A promise settles once,
//! whatever happens (`reply`).
#![cfg_attr(test, allow(dead_code))] // exports are registered in builds that are no tests

mod analysis;
mod buffers;
mod calls;
mod dataset;
mod diagnostics;
mod ensemble;
mod errors;
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
    // Where even this is refused, the first call that needs memory says so.
    allocator::hold_reserve();
}
