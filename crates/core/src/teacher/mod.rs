//! Where a learner's teacher signal comes from: one teacher or several, each with its share, and how they are heard.
//!
//! ```text
//! losses          Σ_j a_j L(teacher j)                             a_j shares, Σ_j a_j = 1
//! probabilities   L(ρ),  ρ = Σ_j a_j softmax(v_j / T)              v_j logits of teacher j, [rows, classes]
//! logits          L(v),  v = Σ_j a_j v_j                           a geometric mean of their distributions
//! ```
//!
//! For `kl` the first two have the same gradient and differ by a constant of the student; for every other loss all three
//! differ. To add a kind of teacher: a variant of `Teacher`, what it answers in `answer.rs`, what it needs in `check.rs`,
//! its key in `TeacherOptions`.

mod answer;
mod check;
mod options;

pub use options::{Combine, OwnAverage, SmoothedLabels, TeacherOptions};

pub(crate) use answer::{Asking, weighted_by};

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::dataset::Dataset;
use crate::ensemble;
use crate::error::{Error, Result};
use crate::evaluate;
use crate::models::{Model, Network};
use crate::tape::Cancel;

/// One teacher.
#[derive(Clone)]
pub enum Teacher {
    /// A frozen model, asked at every step, in evaluation mode.
    Model(Box<Model>),
    /// The batch's own column of logits, found by sample id.
    Column,
    /// This model's answers, which stand in the batch's column.
    Cached(Box<Model>, Kept),
    /// The running average of the student's own parameters.
    Average(OwnAverage),
    /// The labels, smoothed.
    Smoothed(SmoothedLabels),
    /// Another learner of the same run, by its number and its network: as it answers in training.
    Peer(usize, Arc<Network>),
}

/// Where one model's answers stand in the batch's column: its logits, and behind them the layers that losses look at.
#[derive(Clone)]
pub struct Kept {
    pub(crate) start: usize,
    /// Names, and the sizes of one sample.
    pub(crate) layers: Vec<(String, Vec<usize>)>,
}

/// Teachers and their shares, which sum to 1; none at all for a student that learns from labels alone.
#[derive(Clone, Default)]
pub struct Teachers {
    pub(crate) members: Vec<(Teacher, f64)>,
    pub(crate) combine: Combine,
    /// The answers are permuted among the wrong classes.
    pub(crate) permute: bool,
}

impl From<Teacher> for Teachers {
    fn from(teacher: Teacher) -> Teachers {
        Teachers { members: vec![(teacher, 1.0)], ..Teachers::default() }
    }
}

impl From<Option<Teacher>> for Teachers {
    fn from(teacher: Option<Teacher>) -> Teachers {
        teacher.map(Teachers::from).unwrap_or_default()
    }
}

impl Teachers {
    /// Weights say how much each counts, in relation to each other.
    pub fn new(teachers: Vec<(Teacher, f64)>) -> Result<Teachers> {
        if teachers.is_empty() {
            return Ok(Teachers::default());
        }
        let (members, weights): (Vec<Teacher>, Vec<f64>) = teachers.into_iter().unzip();
        let shares = ensemble::shares("teacher", &weights)?;
        Ok(Teachers { members: members.into_iter().zip(shares).collect(), ..Teachers::default() })
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Those that are no learners of the run.
    pub(crate) fn frozen(&self) -> Teachers {
        let frozen = |(teacher, _): &&(Teacher, f64)| !matches!(teacher, Teacher::Peer(..));
        Teachers { members: self.members.iter().filter(frozen).cloned().collect(), ..self.clone() }
    }

    /// With the others' frozen teachers, in the same order, in place of its own; its shares stay.
    pub(crate) fn replace_frozen(&mut self, others: &Teachers) {
        let frozen = self.members.iter_mut().filter(|(teacher, _)| !matches!(teacher, Teacher::Peer(..)));
        frozen.zip(&others.members).for_each(|((own, _), (other, _))| *own = other.clone());
    }

    /// Whether there are several, mixed into one.
    pub(crate) fn mixed(&self) -> bool {
        self.members.len() > 1 && self.combine != Combine::Losses
    }

    /// The place of a teacher in messages.
    pub(crate) fn path(&self, at: usize) -> String {
        if self.members.len() == 1 { "teacher".into() } else { format!("teacher[{at}]") }
    }

    /// The models among them, with their places in messages.
    pub(crate) fn models(&self) -> impl Iterator<Item = (String, &Model)> {
        self.members.iter().enumerate().filter_map(|(at, (teacher, _))| Some((self.path(at), teacher.model()?)))
    }

    /// The model, where it is the only teacher.
    pub(crate) fn only_model(&self) -> Option<&Model> {
        if self.members.len() == 1 { self.members[0].0.model() } else { None }
    }

    pub(crate) fn any(&self, is: impl Fn(&Teacher) -> bool) -> bool {
        self.members.iter().any(|(teacher, _)| is(teacher))
    }

    /// Whether the batch's column holds what all of them answer.
    pub(crate) fn cached(&self) -> bool {
        self.any(|teacher| matches!(teacher, Teacher::Cached(..)))
    }

    /// The decay of the student's own average, where it is a teacher.
    pub(crate) fn average(&self) -> Option<f64> {
        self.members.iter().find_map(|(teacher, _)| match teacher {
            Teacher::Average(OwnAverage { decay }) => Some(*decay),
            _ => None,
        })
    }

    /// The teachers' networks, with `student` for the student's own average; none where only answers are known.
    pub(crate) fn networks<'a>(&'a self, student: &'a Network) -> Vec<Option<&'a Network>> {
        let network = |(teacher, _): &'a (Teacher, f64)| match teacher {
            Teacher::Average(_) => Some(student),
            Teacher::Peer(_, network) => Some(&**network),
            other => other.model().map(|model| &*model.network),
        };
        self.members.iter().map(network).collect()
    }

    /// Who they are, for a checkpoint: a run is not resumed with others.
    pub(crate) fn fingerprint(&self) -> Result<Json> {
        let mut all = Vec::new();
        for (teacher, share) in &self.members {
            let who = match teacher {
                Teacher::Model(model) | Teacher::Cached(model, _) => json!(model.fingerprint()?),
                Teacher::Column => json!("column"),
                Teacher::Average(options) => json!({ "average": options }),
                Teacher::Smoothed(options) => json!({ "labelSmoothing": options }),
                Teacher::Peer(number, _) => json!({ "peer": number }),
            };
            all.push((who, *share));
        }
        Ok(match all.len() {
            0 => Json::Null,
            1 => all.remove(0).0,
            _ => all.into_iter().map(|(who, share)| json!({ "teacher": who, "share": share })).collect(),
        })
    }

    /// What the models among them say of all rows together: classes, and logits `[rows, classes]`. None where there is
    /// no model.
    pub(crate) fn logits(&self, data: &Dataset, cancel: &Cancel) -> Result<Option<(usize, Vec<f32>)>> {
        let mut all = Vec::new();
        for (at, (teacher, share)) in self.members.iter().enumerate() {
            let Some(model) = teacher.model() else { continue };
            let logits = evaluate::logits_until(model, data, cancel).map_err(|error| error.at(&self.path(at)))?;
            all.push((logits, *share, model.network.classes()));
        }
        let Some(classes) = all.first().map(|(.., classes)| *classes) else { return Ok(None) };
        // Teachers of other widths have no common answer.
        if all.len() == 1 || all.iter().any(|(.., other)| *other != classes) {
            return Ok(Some((classes, all.remove(0).0)));
        }
        let sum: f64 = all.iter().map(|(_, share, _)| share).sum();
        if self.combine == Combine::Logits {
            let mut mean = crate::blocks::filled(all[0].0.len(), 0.0f64);
            for (logits, share, _) in &all {
                mean.iter_mut().zip(logits).for_each(|(mean, logit)| *mean += share / sum * f64::from(*logit));
            }
            return Ok(Some((classes, crate::blocks::collected(mean.into_iter().map(|logit| logit as f32)))));
        }
        let answers = all.into_iter().map(|(logits, share, _)| Ok((logits, share / sum)));
        let mixed = match self.models().all(|(_, model)| model.has_several_labels()) {
            true => ensemble::mixed_each(answers)?,
            false => ensemble::mixed(classes, answers)?,
        };
        Ok(Some((classes, mixed)))
    }
}

impl Teacher {
    /// The model behind the answers, where there is one.
    pub(crate) fn model(&self) -> Option<&Model> {
        match self {
            Teacher::Model(model) | Teacher::Cached(model, _) => Some(model),
            Teacher::Column | Teacher::Average(_) | Teacher::Smoothed(_) | Teacher::Peer(..) => None,
        }
    }
}

/// Refuses a share of labels or of an old average that is none.
fn share(path: &str, value: f64, most: f64) -> Result<()> {
    if (0.0..most).contains(&value) {
        return Ok(());
    }
    Err(Error::config(path, format!("expected 0 or more and below {most}, got {value}")))
}
