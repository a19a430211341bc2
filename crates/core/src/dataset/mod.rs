//! The data of a run in native memory: columns, splits, shuffling, batches.
//!
//! A `Dataset` is a view: all views share the columns (bytes are stored as bytes), and a selection is a list of row
//! numbers. Augmentation and preprocessing work on batches and never change the columns.

mod augmentation;
mod batches;
mod columns;
mod concat;
mod conform;
mod fingerprint;
mod gather;
mod pairs;
mod preprocessing;
mod split;
mod view;

pub use augmentation::{Augment, Crop, CropFill, Flip, Noise, Shift};
pub use batches::{BatchOptions, Batches};
pub use columns::{Columns, Inputs, LabelColumn, TeacherColumn, TopColumn, largest_label};
pub use preprocessing::{Normalization, Preprocessing};
pub use split::SplitOptions;
pub use view::Dataset;
