//! A run: many steps of one learner, or of several that teach each other, over epochs, with validation, early stop, best
//! parameters, a control run, checkpoints, proofs, and reports that are pulled.
//!
//! ```text
//! Setup ─► prepare.rs, entrant.rs ─► Prepared ─► begin.rs ─► Run ─► steps.rs: up to the next report
//!          (refuses, fits, binds)                (proves, asks once)
//! ```
//!
//! `state.rs` is what a run holds between two steps, `steps.rs` does steps until a report is due, `finish.rs` makes the reports,
//! the last one among them. `member.rs` is one learner with what the run keeps about it, `role.rs` what it is in the run,
//! `mutual.rs` a step of learners that teach each other, `prove.rs` what the proofs get to see.

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
