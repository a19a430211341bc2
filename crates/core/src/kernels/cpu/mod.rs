//! CPU kernels, one idea a file.

pub mod activation;
pub mod gemm;
pub mod isa;
pub mod linear;
pub mod math;
