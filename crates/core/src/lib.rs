//! The core of limbeck: all computation, on top of candle and without any dependency on Node. The modules are listed in
//! the order in which a reader should visit them.

// Data.
pub mod batch;
pub mod dataset;
pub mod labels;
pub mod signature;
pub mod text;

// Models.
pub mod checkpoint;
pub mod ensemble;
pub mod models;
pub mod pretrained;
pub mod top_logits;
pub mod weights;

// Parts of a training run.
pub mod learning_rate;
pub mod losses;
pub mod metrics;
pub mod optimizers;
pub mod schedule;
pub mod teacher;

// Training runs, evaluation and analysis.
pub mod analysis;
pub mod evaluate;
pub mod options;
pub mod proofs;
pub mod run;

// Foundations that every module uses.
pub mod allocator;
pub mod blocks;
pub mod error;
pub mod machine;
pub mod pool;
pub mod reading;
pub mod schema;

mod json;
mod kernels;
mod keyed;
mod learner;
mod memory;
mod names;
mod numbers;

// Internal modules that `crates/bench` and the tests in `tests/` need; they are no part of the interface.
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

/// Internal parts of the kernels, for `crates/bench` and tests.
#[doc(hidden)]
pub mod internals {
    pub use crate::kernels::cpu::gemm::{Matrix, product};
    pub use crate::kernels::cpu::isa::{Isa, choose, current, detected};
    pub use crate::kernels::cpu::top::Top;
}
