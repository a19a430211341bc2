//! What the proofs examine: one type for each moment of a run.

use std::collections::BTreeMap;

use super::agreement::Agreement;
use super::sample::InputStatistics;
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::labels::{Labels, UNLABELLED};
use crate::losses::Losses;
use crate::models::Model;
use crate::numbers::StepNumbers;
use crate::tape::Cancel;
use crate::teacher::Teacher;

/// A student before its first step.
pub(crate) struct Student<'a> {
    /// Its path in messages; empty if there is only one student.
    pub place: &'a str,
    pub losses: &'a Losses,
    pub learning_rate: f64,
    /// The number of the model's outputs.
    pub classes: usize,
    /// `None` for a stream.
    pub data: Option<&'a Dataset>,
    pub validation: Option<&'a Dataset>,
    /// Another student of the run that starts with the same parameters.
    pub copy_of: Option<&'a str>,
}

/// A frozen teacher, and its outputs for some rows.
#[derive(Default)]
pub(crate) struct Teaching<'a> {
    pub path: &'a str,
    /// Whether a student starts with the teacher's parameters.
    pub copied: bool,
    /// The statistics of its first layer's input in its own training, and now.
    pub inputs: Option<(InputStatistics, InputStatistics)>,
    /// Whether every row contains only numbers ≥ 0 and sums to 1.
    pub probabilities: bool,
    /// Its accuracy after its own training, if known.
    pub known: Option<f64>,
    /// How its predictions agree with the labels, if some rows have a label.
    pub agreement: Option<&'a Agreement>,
}

/// A student after its first step.
pub(crate) struct FirstStep<'a> {
    pub place: &'a str,
    pub numbers: &'a StepNumbers,
    /// The number of the model's outputs.
    pub classes: usize,
}

/// What happened to a trained tensor in the first updates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moved {
    /// The backward pass never reached it.
    Unreached,
    /// Its gradient was exactly 0 in every update.
    NoGradient,
    /// It had a gradient and still has the same bits.
    Unchanged,
    Changed,
}

/// A student after its first updates.
pub(crate) struct FirstUpdates<'a> {
    pub place: &'a str,
    /// Whether the student started as a copy of a teacher: then a loss between them may be 0.
    pub copied: bool,
    pub seen: Seen,
}

/// What happened in the first updates.
pub(crate) struct Seen {
    pub updates: u64,
    pub highest_rate: f64,
    /// Per loss: whether it had a weight above 0, and whether it had a gradient.
    pub terms: BTreeMap<String, (bool, bool)>,
    pub tensors: BTreeMap<String, Moved>,
}

impl Seen {
    /// The other tensors of the same layer.
    pub fn rest_of_layer<'b>(&'b self, name: &'b str) -> impl Iterator<Item = Moved> + 'b {
        let same = move |(other, _): &(&String, &Moved)| *other != name && layer(other).0 == layer(name).0;
        self.tensors.iter().filter(same).map(|(_, moved)| *moved)
    }
}

/// The layer of a tensor, and whether the tensor is the layer's bias or a parameter that generates it.
pub(crate) fn layer(name: &str) -> (&str, bool) {
    let mut start = 0;
    for part in name.split('.') {
        if part == "weight" || part == "bias" {
            return (name[..start].trim_end_matches('.'), part == "bias");
        }
        start += part.len() + 1;
    }
    (name.rsplit_once('.').map_or("", |(layer, _)| layer), false)
}

/// One loss: its present weight, its first value, its mean over the last steps, and its value at the last step.
pub(crate) struct Term {
    pub weight: f64,
    pub first: f64,
    pub mean: f64,
    pub last: f64,
}

/// How many rows there were, and how many of them had a label.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rows {
    pub all: usize,
    pub labelled: usize,
}

impl Rows {
    pub fn add(&mut self, batch: &Batch) {
        self.all += batch.rows();
        self.labelled += match &batch.labels {
            Labels::None => 0,
            Labels::Single(labels) => labels.iter().filter(|label| **label != UNLABELLED).count(),
            Labels::Several(_) | Labels::Probabilities(_) | Labels::Real(_) => batch.rows(),
        };
    }
}

/// A student at the end of its run.
pub(crate) struct Ended<'a> {
    pub place: &'a str,
    pub steps: u64,
    pub learning_rate: f64,
    pub terms: Vec<Term>,
    /// The student with the parameters that the run keeps.
    pub model: &'a Model,
    /// Whether the student gives the same outputs after it is written to bytes and read again.
    pub reloaded: bool,
    /// The student of the control run, which has no teacher.
    pub control: Option<&'a Model>,
    /// The rows that the control run was trained on.
    pub control_rows: Rows,
    pub teachers: Vec<&'a Teacher>,
    /// Some rows of the validation data, or else of the training data; labelled rows if there are any. `None` for a
    /// stream.
    pub rows: Option<&'a Batch>,
    pub cancel: &'a Cancel,
}

impl Ended<'_> {
    /// The class with the largest logit of each row.
    pub fn choices(&self, model: &Model, rows: &Batch) -> Result<Vec<u32>> {
        super::sample::choices(model, rows, self.cancel)
    }
}
