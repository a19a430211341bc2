//! One learner: a model, what is trained of it, its losses, teachers and optimizer.
//!
//! `state.rs` is what a learner holds; `step.rs` is one optimizer step, from batches to changed parameters; `forward.rs` the forwards that it needs; `weights.rs`
//! answers whether the parameters are the model's own or made by a generator; `not_finite.rs` finds what went wrong.

#![deny(clippy::too_many_arguments)]

mod at;
mod forward;
mod not_finite;
mod state;
mod step;
mod weights;

pub(crate) use at::At;
pub(crate) use forward::signal;
pub(crate) use not_finite::REMEDY;
pub(crate) use state::{Learner, Parts, frozen};
pub(crate) use weights::Weights;
