//! What a kind of teacher is to a run.

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

/// One kind of teacher: a source of signals about the rows of a batch.
pub trait Teach: Copied + Send + Sync {
    /// What it gives of every row to this student; refuses, by path below its own, data that it cannot use. Without a data
    /// set the batches of a stream show later what they hold.
    fn offers(&self, student: &Network, data: Option<&Dataset>) -> Result<Offers>;

    /// Everything that losses compare with, for every row of a batch.
    fn answer(&self, batch: &Batch, asking: &Asking) -> Result<targets::Signal>;

    /// What identifies it in a checkpoint: a run is not resumed with another teacher.
    fn fingerprint(&self) -> Result<Json>;

    /// The frozen model that gives the answers, where there is one: it must fit the data and must not change.
    fn model(&self) -> Option<&Model> {
        None
    }

    /// The network whose layers losses can look at; `student` is the network that it teaches.
    fn network<'a>(&'a self, _student: &'a Network) -> Option<&'a Network> {
        self.model().map(|model| &*model.network)
    }

    /// How often a frozen model is asked about each row.
    fn asked(&self) -> Asked {
        Asked::Never
    }

    /// Whether its answers are stored with the rows of the data: they belong to the inputs as they are, and the proofs can
    /// look at them.
    fn reads_column(&self) -> bool {
        false
    }

    /// Whether it is a learner of the same run.
    fn learns(&self) -> bool {
        false
    }

    /// Takes over the student's parameters as they are before the first step.
    fn begin(&mut self, _student: &Model) -> Result<()> {
        Ok(())
    }

    /// Follows the student's parameters after each step.
    fn after_step(&mut self, _student: &Model) -> Result<()> {
        Ok(())
    }

    /// The name of its tensors in a checkpoint, where it has any; at most one of a student's teachers may have the name.
    fn group(&self) -> Option<&'static str> {
        None
    }

    /// The tensors that a checkpoint keeps.
    fn export(&self) -> Result<BTreeMap<String, Tensor>> {
        Ok(BTreeMap::new())
    }

    /// Goes on from exported tensors.
    fn import(&mut self, _tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        Ok(())
    }
}

/// What a teacher gives of every row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offers {
    pub classes: usize,
    pub form: Form,
}

/// How often a frozen model is asked about each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Never,
    /// Before the first step; its answers are kept.
    Once,
    EachStep,
}

/// What a batch's teachers are asked for, and by which student.
pub struct Asking<'a> {
    /// What a teacher's forward gives besides its logits.
    pub(crate) request: &'a Request,
    pub(crate) cancel: &'a Cancel,
    pub(crate) seed: u64,
    pub(crate) student: &'a Model,
    /// The signals of the other learners about this batch, by their number.
    pub(crate) peers: &'a [Option<targets::Signal>],
}

/// A copy of a boxed teacher, for each learner its own.
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

/// Refuses a share that is not in 0 ≤ share < 1.
pub(super) fn share(path: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::config(path, format!("expected 0 or more and below 1, got {value}")))
}
