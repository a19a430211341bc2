//! All arithmetic of limbeck, in the order of the walk. Knows candle, never Node.

pub mod allocator;
pub mod analysis;
pub mod batch;
#[doc(hidden)]
pub mod bench;
pub mod blocks;

pub mod checkpoint;
pub mod dataset;
pub mod ensemble;
pub mod error;
pub mod evaluate;
pub mod golden;
pub mod golden_runner;
pub(crate) mod kernels;
pub mod labels;
pub mod layers;
pub(crate) mod learner;
pub mod learning_rate;
pub mod losses;
pub mod machine;
pub(crate) mod memory;
pub mod metrics;
pub mod models;
pub(crate) mod names;
pub(crate) mod numbers;
pub mod ops;
pub mod optimizers;
pub mod options;
pub mod outputs;
pub mod parameters;
pub mod pool;
pub mod probe;
pub mod proofs;
pub mod random;
pub mod reading;
pub mod run;

pub mod schedule;
pub mod schema;
pub mod signature;
pub mod tape;
pub mod targets;
pub mod teacher;
pub(crate) mod tensor;
pub mod weights;
