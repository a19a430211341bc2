//! All arithmetic of limbeck, in the order of the walk. Knows candle, never Node.
#![allow(dead_code)] // until the walk is whole

pub mod allocator;
pub mod batch;

pub mod checkpoint;
pub mod dataset;
pub mod error;
pub mod golden;
pub(crate) mod kernels;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod models;
pub mod ops;
pub mod optimizers;
pub mod outputs;
pub mod parameters;
pub mod pool;
pub mod probe;
pub mod random;

pub mod schedule;
pub mod tape;
pub mod targets;
pub(crate) mod tensor;
