//! All arithmetic of limbeck. Knows candle, never Node. The rooms stand in the order of the walk.

// Data.
pub mod batch;
pub mod dataset;
pub mod labels;
pub mod signature;

// Models.
pub mod checkpoint;
pub mod ensemble;
pub mod models;
pub mod top_logits;
pub mod weights;

// What a training is made of.
pub mod learning_rate;
pub mod losses;
pub mod metrics;
pub mod optimizers;
pub mod schedule;
pub mod teacher;

// Trainings, and what is asked of models afterwards.
pub mod analysis;
pub mod evaluate;
pub mod options;
pub mod proofs;
pub mod run;

// What every room stands on.
pub mod allocator;
pub mod blocks;
pub mod error;
pub mod machine;
pub mod pool;
pub mod reading;
pub mod schema;

mod json;
mod kernels;
mod learner;
mod memory;
mod names;
mod numbers;

// No part of the interface: what `crates/bench` and the tests in `tests/` need of the inside.
#[doc(hidden)]
pub mod layers;
#[doc(hidden)]
pub mod near;
#[doc(hidden)]
pub mod ops;
#[doc(hidden)]
pub mod outputs;
#[doc(hidden)]
pub mod parameters;
#[doc(hidden)]
pub mod probe;
#[doc(hidden)]
pub mod random;
#[doc(hidden)]
pub mod tape;
#[doc(hidden)]
pub mod targets;
#[doc(hidden)]
pub mod tensor;

/// Of the kernels.
#[doc(hidden)]
pub mod internals {
    pub use crate::kernels::cpu::gemm::{Matrix, product};
    pub use crate::kernels::cpu::isa::{Isa, choose, current, detected};
    pub use crate::kernels::cpu::top::Top;
}
