//! Teachers and their shares.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::teach::{Asked, Teach, Teacher};
use crate::blocks;
use crate::checkpoint::Checkpoint;
use crate::dataset::Dataset;
use crate::ensemble;
use crate::error::{Error, Result};
use crate::evaluate;
use crate::models::{Model, Network};
use crate::tape::Cancel;

/// How several teachers are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Combine {
    /// Every loss is computed against each teacher; the values are added, weighted by the teachers' shares.
    #[default]
    Losses,
    /// The teachers are mixed into one, whose probabilities are their weighted mean at every temperature.
    Probabilities,
    /// The teachers are mixed into one, whose logits are their weighted mean.
    Logits,
}

/// Teachers and their shares, which sum to 1; empty for a student that learns only from labels.
#[derive(Clone, Default)]
pub struct Teachers {
    pub(crate) members: Vec<(Teacher, f64)>,
    pub(crate) combine: Combine,
    /// Whether the logits of the wrong classes are permuted.
    pub(crate) permute: bool,
}

impl From<Teacher> for Teachers {
    fn from(teacher: Teacher) -> Teachers {
        Teachers { members: vec![(teacher, 1.0)], ..Teachers::default() }
    }
}

impl<T: Teach + 'static> From<T> for Teachers {
    fn from(teacher: T) -> Teachers {
        Teacher::from(teacher).into()
    }
}

/// The path of a teacher in messages.
pub(super) fn path(count: usize, at: usize) -> String {
    if count == 1 { "teacher".into() } else { format!("teacher[{at}]") }
}

impl Teachers {
    /// Creates the teachers; their weights are relative to each other.
    pub fn new(teachers: Vec<(Teacher, f64)>) -> Result<Teachers> {
        if teachers.is_empty() {
            return Ok(Teachers::default());
        }
        let (members, weights): (Vec<Teacher>, Vec<f64>) = teachers.into_iter().unzip();
        let shares = ensemble::shares("teacher", &weights)?;
        let mut groups = BTreeSet::new();
        if !members.iter().filter_map(|teacher| teacher.group()).all(|group| groups.insert(group)) {
            return Err(Error::config("teacher", "expected at most one average of the student's parameters, got two"));
        }
        Ok(Teachers { members: members.into_iter().zip(shares).collect(), ..Teachers::default() })
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn each(&self) -> impl Iterator<Item = &dyn Teach> {
        self.members.iter().map(|(teacher, _)| &**teacher)
    }

    /// The teachers that are not learners of the run.
    pub(crate) fn frozen(&self) -> Teachers {
        let frozen = |(teacher, _): &&(Teacher, f64)| !teacher.learns();
        Teachers { members: self.members.iter().filter(frozen).cloned().collect(), ..self.clone() }
    }

    /// Replaces the frozen teachers by those of `others`, in the same order; the shares stay.
    pub(crate) fn replace_frozen(&mut self, others: &Teachers) {
        let frozen = self.members.iter_mut().filter(|(teacher, _)| !teacher.learns());
        frozen.zip(&others.members).for_each(|((own, _), (other, _))| *own = other.clone());
    }

    /// Whether several teachers are mixed into one.
    pub(crate) fn mixed(&self) -> bool {
        self.members.len() > 1 && self.combine != Combine::Losses
    }

    /// The path of a teacher in messages.
    pub(crate) fn path(&self, at: usize) -> String {
        path(self.members.len(), at)
    }

    /// The models among the teachers, with their paths in messages.
    pub(crate) fn models(&self) -> impl Iterator<Item = (String, &Model)> {
        self.each().enumerate().filter_map(|(at, teacher)| Some((self.path(at), teacher.model()?)))
    }

    /// The model, if it is the only teacher.
    pub(crate) fn only_model(&self) -> Option<&Model> {
        if self.members.len() == 1 { self.members[0].0.model() } else { None }
    }

    /// Whether one of the teachers reads the data's column of teacher logits.
    pub(crate) fn read_column(&self) -> bool {
        self.each().any(|teacher| teacher.reads_column())
    }

    /// Whether a frozen model among the teachers computes its outputs this often.
    pub(crate) fn asked(&self, asked: Asked) -> bool {
        self.each().any(|teacher| teacher.asked() == asked)
    }

    /// The teachers' networks; `None` for a teacher with only outputs. `student` is the network that they teach.
    pub(crate) fn networks<'a>(&'a self, student: &'a Network) -> Vec<Option<&'a Network>> {
        self.members.iter().map(|(teacher, _)| teacher.network(student)).collect()
    }

    /// Starts the averages of the student's parameters, before the first step.
    pub(crate) fn begin(&mut self, student: &Model) -> Result<()> {
        self.members.iter_mut().try_for_each(|(teacher, _)| teacher.begin(student))
    }

    /// Updates the averages of the student's parameters, after each step.
    pub(crate) fn after_step(&mut self, student: &Model) -> Result<()> {
        self.members.iter_mut().try_for_each(|(teacher, _)| teacher.after_step(student))
    }

    /// Saves the teachers' state in a checkpoint, below the group of the learner that they teach.
    pub(crate) fn save(&self, checkpoint: &mut Checkpoint, group: &str) -> Result<()> {
        for teacher in self.each() {
            if let Some(name) = teacher.group() {
                checkpoint.insert_tensors(&format!("{group}.{name}"), teacher.export()?)?;
            }
        }
        Ok(())
    }

    /// Restores the state from a checkpoint.
    pub(crate) fn restore(&mut self, checkpoint: &mut Checkpoint, group: &str) -> Result<()> {
        for (teacher, _) in &mut self.members {
            if let Some(name) = teacher.group() {
                teacher.import(&checkpoint.take_tensors(&format!("{group}.{name}"))?)?;
            }
        }
        Ok(())
    }

    /// Identifies the teachers in a checkpoint, because a run must not be resumed with other teachers.
    pub(crate) fn fingerprint(&self) -> Result<Json> {
        let mut all = Vec::new();
        for (teacher, share) in &self.members {
            all.push((teacher.fingerprint()?, *share));
        }
        Ok(match all.len() {
            0 => Json::Null,
            1 => all.remove(0).0,
            _ => all.into_iter().map(|(teacher, share)| json!({ "teacher": teacher, "share": share })).collect(),
        })
    }

    /// The combined logits of the models among the teachers for all rows: the number of classes, and `[rows, classes]`.
    /// `None` without a model.
    pub(crate) fn logits(&self, data: &Dataset, cancel: &Cancel) -> Result<Option<(usize, Vec<f32>)>> {
        let mut all = Vec::new();
        for (at, (teacher, share)) in self.members.iter().enumerate() {
            let Some(model) = teacher.model() else { continue };
            let logits = evaluate::logits_until(model, data, cancel).map_err(|error| error.at(&self.path(at)))?;
            all.push((logits, *share, model.network.classes()));
        }
        let Some(classes) = all.first().map(|(.., classes)| *classes) else { return Ok(None) };
        // Teachers with different numbers of classes cannot be combined; the first one is returned.
        if all.len() == 1 || all.iter().any(|(.., other)| *other != classes) {
            return Ok(Some((classes, all.remove(0).0)));
        }
        let sum: f64 = all.iter().map(|(_, share, _)| share).sum();
        if self.combine == Combine::Logits {
            let mut mean = blocks::filled(all[0].0.len(), 0.0f64);
            for (logits, share, _) in &all {
                mean.iter_mut().zip(logits).for_each(|(mean, logit)| *mean += share / sum * f64::from(*logit));
            }
            return Ok(Some((classes, blocks::collected(mean.into_iter().map(|logit| logit as f32)))));
        }
        let answers = all.into_iter().map(|(logits, share, _)| Ok((logits, share / sum)));
        let mixed = match self.models().all(|(_, model)| model.has_several_labels()) {
            true => ensemble::mixed_each(answers)?,
            false => ensemble::mixed(classes, answers)?,
        };
        Ok(Some((classes, mixed)))
    }
}
