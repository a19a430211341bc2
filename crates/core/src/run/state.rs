//! The state of a run between two steps.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::checkpoints::Checkpoints;
use super::feed::Feed;
use super::member::Member;
use super::mutual::MutualOptions;
use super::role::Role;
use super::validation::Validation;
use crate::error::Result;
use crate::options::TrainOptions;
use crate::pool::Pool;
use crate::proofs::{Findings, Rows, TeacherFrozen, TeacherRows};
use crate::teacher::Teachers;

pub struct Run {
    pub(super) options: TrainOptions,
    /// The student, followed by its peers or its control run.
    pub(super) members: Vec<Member>,
    pub(super) mutual: Option<MutualOptions>,
    pub(super) teachers: Teachers,
    /// Training rows for which the teachers computed outputs.
    pub(super) teacher_rows: u64,
    pub(super) feed: Feed,
    /// The batches of a control run that does not use the student's batches.
    pub(super) control_feed: Option<Feed>,
    /// Counts of the rows that the control run was trained on.
    pub(super) control_rows: Rows,
    pub(super) validation: Option<Validation>,
    pub(super) pool: Pool,
    pub(super) cancel: Arc<AtomicBool>,
    /// Once this flag is set, the current step ends with a report.
    pub(super) hurry: Arc<AtomicBool>,
    /// Optimizer steps of the whole run, if known.
    pub(super) total: Option<u64>,
    pub(super) step: u64,
    /// The step that the run was resumed from.
    pub(super) began: u64,
    pub(super) findings: Findings,
    /// Digests of the parameters of every model among the teachers.
    pub(super) teacher_digests: Vec<u64>,
    /// The first rows of a stream, for checks of its teachers.
    pub(super) first_rows: Option<TeacherRows>,
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) started: Instant,
    /// When the next report was requested.
    pub(super) reported: Instant,
    pub(super) ended: Option<&'static str>,
}

impl Run {
    /// Once this flag is set, `next` returns a report after its current step.
    pub fn hurry_when(&mut self, flag: Arc<AtomicBool>) {
        self.hurry = flag;
    }

    /// Optimizer steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The members that learn from teachers or peers: all but a control run.
    pub(super) fn peers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.role != Role::Control)
    }

    /// To be called if the caller changed the teacher during the run. The run continues with the teacher's original
    /// parameters and reports a finding.
    pub fn teacher_replaced(&mut self) -> Result<()> {
        self.findings.add::<TeacherFrozen>("teacher", TeacherFrozen::REPLACED)
    }
}

/// A completed step, or the end of a run without a step.
pub(super) struct Done {
    pub epoch: u64,
    pub ended_epoch: bool,
    /// Whether it is known that the stream ends with this step.
    pub is_last: bool,
}

impl Done {
    pub fn none(epoch: u64) -> Done {
        Done { epoch, ended_epoch: true, is_last: true }
    }
}
