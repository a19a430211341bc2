//! CPU kernels, one idea a file.

pub mod activation;
pub(crate) mod apart;
pub(crate) mod batch_norm;
pub(crate) mod conv2d;
pub(crate) mod embedding;
pub mod gemm;
pub(crate) mod generator;
pub mod isa;
pub mod linear;
pub mod math;
pub(crate) mod mean;
pub(crate) mod nearest;
pub(crate) mod norm;
pub mod optimizer;
pub mod pack;
pub(crate) mod pointwise;
pub(crate) mod pool2d;
pub(crate) mod rows;
pub(crate) mod scratch;
pub(crate) mod slopes;
pub(crate) mod sums;
pub mod team;
pub mod tile;
pub(crate) mod top;
pub mod vector;
