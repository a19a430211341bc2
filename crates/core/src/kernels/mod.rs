//! Kernels: plain slices and shapes in, plain slices out. No tape, no candle, no options.
//!
//! `cpu` holds loops that are compiled once per instruction set and chosen at run time. `cuda` (feature
//! `cuda`) will hold the .cu files and their loader. To add one: a file named after what it computes, a
//! plain sibling in the operation that uses it, and a test between the two on every instruction set.

pub mod cpu;
pub(crate) mod names;
pub(crate) mod window;
