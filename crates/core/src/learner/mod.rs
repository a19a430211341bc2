//! One learner: a model, its trained parameters, its losses, teachers and optimizer.
//!
//! `state.rs` is the state of a learner; `step.rs` is one optimizer step, from batches to changed parameters;
//! `forward.rs` has its forward passes; `weights.rs` distinguishes directly trained from generated parameters;
//! `not_finite.rs` locates NaN and infinity.

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
