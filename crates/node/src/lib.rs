//! The Node addon: converts, locks, maps errors and panics. No arithmetic; one file a class.
//!
//! Every export catches panics. Long work runs on threads of its own: a job's trainer thread (`job`), the predictor
//! (`desk`), short-lived threads for files and evaluations. A promise settles once, whatever happens (`reply`).
#![cfg_attr(test, allow(dead_code))] // exports are registered in builds that are no tests

mod analysis;
mod buffers;
mod courtesy;
mod dataset;
mod desk;
mod diagnostics;
mod ensemble;
mod errors;
mod held;
mod job;
mod lifecycle;
mod model;
mod reply;
mod stream;

use limbeck_core::allocator::CachingAllocator;

#[global_allocator]
static ALLOCATOR: CachingAllocator = CachingAllocator;
