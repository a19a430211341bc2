//! What holds the core to golden files and measures it, from outside: nothing here is part of a training.
//!
//! `golden` runs the cases of a golden file through the registries and engines that training uses. The other modules
//! are what the programs in `examples/` share, which `npm run bench` builds and runs.

pub mod distillation;
pub mod generators;
pub mod golden;
pub mod mlp;
pub mod product;
