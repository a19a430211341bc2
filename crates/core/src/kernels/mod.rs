//! Kernels: plain slices and shapes in, plain slices out. No tape, no candle, no options.
//!
//! `cpu` has loops that are compiled once per instruction set and chosen at run time. `cuda` (feature `cuda`) will have
//! the .cu files and their loader. To add a kernel, write a file named after its computation, a plain reference in the
//! operation that uses it, and a test that compares the two on every instruction set.

pub mod cpu;
pub(crate) mod names;
pub(crate) mod window;
