//! The interface of a kind of teacher.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use serde_json::Value as Json;

use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::models::{Model, Network, Request};
use crate::tape::Cancel;
use crate::targets::{self, Form};
use crate::tensor::Tensor;

/// One kind of teacher: a source of signals for the rows of a batch.
pub trait Teach: Copied + Send + Sync {
    /// What the teacher provides for every row to this student. Rejects data that it cannot use, with a path below its
    /// own. Without a data set, the content of a stream is checked later, batch by batch.
    fn offers(&self, student: &Network, data: Option<&Dataset>) -> Result<Offers>;

    /// The signal that losses compare with, for every row of a batch.
    fn answer(&self, batch: &Batch, asking: &Asking) -> Result<targets::Signal>;

    /// Identifies the teacher in a checkpoint, because a run must not be resumed with another teacher.
    fn fingerprint(&self) -> Result<Json>;

    /// The frozen model that computes the outputs, if there is one: it must fit the data and must not change.
    fn model(&self) -> Option<&Model> {
        None
    }

    /// The network whose layers losses can read; `student` is the network that the teacher teaches.
    fn network<'a>(&'a self, _student: &'a Network) -> Option<&'a Network> {
        self.model().map(|model| &*model.network)
    }

    /// How often a frozen model computes its outputs for each row.
    fn asked(&self) -> Asked {
        Asked::Never
    }

    /// Whether its outputs are stored with the rows of the data. They belong to inputs without augmentation, and the
    /// proofs can examine them.
    fn reads_column(&self) -> bool {
        false
    }

    /// Whether the teacher is a learner of the same run.
    fn learns(&self) -> bool {
        false
    }

    /// Called before the first step, with the student's initial parameters.
    fn begin(&mut self, _student: &Model) -> Result<()> {
        Ok(())
    }

    /// Called after each step, with the student's new parameters.
    fn after_step(&mut self, _student: &Model) -> Result<()> {
        Ok(())
    }

    /// The name of its tensors in a checkpoint, if it has any; at most one of a student's teachers may have each name.
    fn group(&self) -> Option<&'static str> {
        None
    }

    /// The tensors that a checkpoint keeps.
    fn export(&self) -> Result<BTreeMap<String, Tensor>> {
        Ok(BTreeMap::new())
    }

    /// Restores the state from exported tensors.
    fn import(&mut self, _tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        Ok(())
    }
}

/// What a teacher provides for every row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offers {
    pub classes: usize,
    pub form: Form,
}

/// How often a frozen model computes its outputs for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Never,
    /// Once, before the first step; its outputs are stored.
    Once,
    EachStep,
}

/// The request to the teachers of a batch, and the student that makes it.
pub struct Asking<'a> {
    /// The outputs of a teacher's forward pass in addition to its logits.
    pub(crate) request: &'a Request,
    pub(crate) cancel: &'a Cancel,
    pub(crate) seed: u64,
    pub(crate) student: &'a Model,
    /// The signals of the other learners for this batch, by their index.
    pub(crate) peers: &'a [Option<targets::Signal>],
}

/// Copies a boxed teacher, so that each learner has a separate copy.
pub trait Copied {
    fn copied(&self) -> Box<dyn Teach>;
}

impl<T: Teach + Clone + 'static> Copied for T {
    fn copied(&self) -> Box<dyn Teach> {
        Box::new(self.clone())
    }
}

/// A teacher of any kind.
pub struct Teacher(Box<dyn Teach>);

impl Clone for Teacher {
    fn clone(&self) -> Teacher {
        Teacher(self.0.copied())
    }
}

impl Deref for Teacher {
    type Target = dyn Teach;

    fn deref(&self) -> &(dyn Teach + 'static) {
        &*self.0
    }
}

impl DerefMut for Teacher {
    fn deref_mut(&mut self) -> &mut (dyn Teach + 'static) {
        &mut *self.0
    }
}

impl<T: Teach + 'static> From<T> for Teacher {
    fn from(teacher: T) -> Teacher {
        Teacher(Box::new(teacher))
    }
}

/// Rejects a share that is not in 0 ≤ share < 1.
pub(super) fn share(path: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::config(path, format!("expected a number of at least 0 and below 1, got {value}")))
}
