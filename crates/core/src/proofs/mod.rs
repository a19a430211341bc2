//! The proofs that every run carries: that it really is what it looks like.
//!
//! Before: the teacher beats chance, knows its classes' order and gets the inputs it was trained on; it is not a
//! copy of the student; its rows are logits, no probabilities; some weight and some rate are above 0. In the first updates: every trainable tensor gets a
//! gradient and changes, every loss term has a gradient. After: the loss is not far above what it was; the
//! teacher's bytes are what they were.

mod before;
mod classes;
mod finding;
mod first_rows;
mod rising;
mod teacher;
mod watch;

pub(crate) use before::{
    Looked, first_loss, inputs, is_copy, prove_apart, prove_options, prove_rows, reload, some_rows,
};
pub(crate) use classes::prove_classes;
pub(crate) use finding::Findings;
pub use finding::{Finding, Proofs};
pub(crate) use first_rows::FirstRows;
pub(crate) use rising::{Term, risen};
pub(crate) use teacher::{InputStatistics, prove_teacher};
pub(crate) use watch::Watch;
