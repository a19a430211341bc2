//! CPU kernels, one idea a file.

pub mod isa;
