//! Files: models, checkpoints of runs, and everything that reads untrusted bytes.
//!
//! `format` reads and writes safetensors; `model_file` is a model on disk; `run_folder` manages the checkpoints of a run,
//! each of which is a `step_file`; `writer` writes them in the background. The only formats are safetensors and strict
//! JSON, because they never execute code or decompress. To add a kind of file: write a module that passes its tensors and
//! one JSON text to `format`, and that writes through `fs::write_atomically`.

pub mod array;
pub mod configuration;
#[cfg(test)]
mod damage;
pub(crate) mod digest;
#[cfg(all(test, unix))]
mod faults;
pub(crate) mod format;
pub mod fs;
pub mod header;
pub mod model_file;
pub mod paths;
#[cfg(test)]
mod power;
pub mod run_folder;
mod snapshot;
pub mod step_file;
pub mod writer;

pub use array::{Array, Dtype, NamedTensors, Numbers};
pub use fs::FolderLock;
pub use model_file::ModelFile;
pub use run_folder::{Recovered, RunFolder, Saved, Skipped};
pub(crate) use snapshot::expect_shape;
pub use step_file::Checkpoint;
pub use writer::Writer;
