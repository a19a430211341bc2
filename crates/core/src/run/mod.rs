//! A run: many steps of one learner, or of several in mutual learning, over epochs, with validation, early stop, best
//! parameters, a control run, checkpoints, proofs, and reports on request.
//!
//! ```text
//! Setup ─► prepare.rs, entrant.rs ─► Prepared ─► begin.rs ─► Run ─► steps.rs: up to the next report
//!          (rejects, fits, binds)                (proves, caches teacher outputs)
//! ```
//!
//! `state.rs` is the state of a run between two steps, `steps.rs` runs steps until a report is due, `finish.rs` makes
//! the reports, including the last one. `member.rs` is one learner with its records, `role.rs` its role in the run,
//! `mutual.rs` a step of mutual learning, `prove.rs` collects the input of the proofs.

#![deny(clippy::too_many_arguments)]

mod agree;
mod batches;
mod begin;
mod checkpoints;
mod control;
mod entrant;
mod feed;
mod finish;
mod labels;
mod length;
mod member;
mod mutual;
mod prepare;
mod prove;
mod report;
mod resume;
mod role;
mod state;
mod steps;
mod validation;

pub use feed::{Data, Stream};
pub use mutual::{Mutual, MutualOptions, Updates};
pub use prepare::{Setup, check};
pub use report::{Best, ControlReport, LearnerReport, LearnerSummary, Report, RunSummary};
pub use state::Run;
