//! Checks the core against golden files and measures its speed; nothing here is used in training.
//!
//! `golden` runs the cases of a golden file through the registries and engines that training uses. The other modules
//! are shared by the programs in `examples/`, which `npm run bench` builds and runs.

pub mod distillation;
pub mod generators;
pub mod golden;
pub mod mlp;
pub mod product;
