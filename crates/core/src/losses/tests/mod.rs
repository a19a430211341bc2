//! Test suites for every loss of the registry, with the options of its golden file.

mod each;
mod edges;
mod features;
mod identities;
mod refused;
mod soft;
mod together;
mod unlabelled;
mod with_targets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::{Applied, Given, Losses, LossesOptions, Micro, Need};
use crate::batch::{Batch, Features};
use crate::error::Result;
use crate::labels::{LabelKind, Labels};
use crate::near::{Precision, compare};
use crate::numbers::Denominators;
use crate::outputs::Outputs;
use crate::tape::Tape;
use crate::targets::{Form, Signal, Target};
use crate::tensor::{Tensor, from_vec, to_f64};

pub(super) fn losses(options: Value) -> Losses {
    Losses::new(serde_json::from_value(options).unwrap()).unwrap()
}

/// Each single row loss, once with every set of options in its golden file.
pub(super) fn every() -> Vec<(String, Losses)> {
    all().into_iter().filter(|(_, losses)| losses.features.is_empty()).collect()
}

/// Each single loss, row losses and losses over features.
pub(super) fn all() -> Vec<(String, Losses)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/golden/losses");
    let mut all = BTreeMap::new();
    for name in LossesOptions::NAMES {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let cases = file["cases"].as_array().unwrap().iter();
        // Lists of one number per class fit one number of classes.
        let lists = |options: &Value| options.as_object().is_some_and(|all| all.values().any(Value::is_array));
        let options = cases.map(|case| &case["options"]).filter(|options| !lists(options));
        let options: BTreeSet<String> = options.map(Value::to_string).collect();
        for options in options {
            let parsed: Value = serde_json::from_str(&options).unwrap();
            let parsed = if parsed.is_null() { json!({}) } else { parsed };
            all.insert(format!("{name} {options}"), losses(json!({ *name: parsed })));
        }
    }
    all.into_iter().collect()
}

/// Those of them that a batch with this number of classes can have.
pub(super) fn every_for(classes: usize) -> Vec<(String, Losses)> {
    let given = Given { classes, ..given() };
    let fits = |losses: &Losses| losses.rows.iter().all(|row| row.loss.row().check(&given).is_ok());
    every().into_iter().filter(|(_, losses)| fits(losses)).collect()
}

/// Whether a class that the teacher masks makes the loss infinite.
pub(super) fn is_from_behind(name: &str) -> bool {
    name.starts_with("reverseKl") || name.starts_with("jsd {\"beta\":1.0")
}

/// Whether the loss couples rows.
pub(super) fn couples_rows(losses: &Losses) -> bool {
    losses.rows.iter().any(|row| row.loss.row().couples_rows().is_some())
}

/// Whether the losses read a teacher's logits.
pub(super) fn reads_logits(losses: &Losses) -> bool {
    let reads = |need: &Need| matches!(need, Need::Teacher | Need::TeacherLogits | Need::TeacherLogitsOfAnyWidth);
    losses.needs().iter().any(|(_, need)| reads(need))
}

/// A run that provides everything.
pub(super) fn given() -> Given {
    Given {
        classes: 5,
        teacher_classes: Some(5),
        teacher_form: Form::Logits,
        teacher_head: true,
        labels: LabelKind::Single,
        pairs: true,
        batch: None,
    }
}

/// Numbers from -½ to ½.
pub(super) struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    /// Numbers that f32 represents exactly, so that f64 and f32 get the same.
    pub fn many(&mut self, count: usize, scale: f64) -> Vec<f64> {
        (0..count).map(|_| f64::from((self.next() * 2.0 * scale) as f32)).collect()
    }
}

/// Everything that a loss may need.
#[derive(Clone)]
pub(super) struct Case {
    pub rows: usize,
    pub classes: usize,
    pub student: Vec<f64>,
    pub teachers: Vec<(Vec<f64>, f64)>,
    pub labels: Vec<u32>,
    pub targets: Vec<f64>,
    /// Whether single labels are given as probabilities, in the targets.
    pub soft: bool,
    pub row_weights: Option<Vec<f32>>,
}

impl Case {
    pub fn new(rows: usize, classes: usize, scale: f64) -> Case {
        let mut numbers = Numbers(rows as u64 * 1000 + classes as u64);
        let mut many = |scale: f64| numbers.many(rows * classes, scale);
        let (student, teacher, targets) = (many(scale), many(scale), many(0.5).iter().map(|x| x + 0.5).collect());
        let labels = (0..rows).map(|_| ((numbers.next() + 0.5) * classes as f64) as u32).collect();
        Case { rows, classes, student, teachers: vec![(teacher, 1.0)], labels, targets, soft: false, row_weights: None }
    }

    /// Only the rows of `range`.
    pub fn part(&self, range: std::ops::Range<usize>) -> Case {
        let of = |all: &[f64]| all[range.start * self.classes..range.end * self.classes].to_vec();
        Case {
            rows: range.len(),
            classes: self.classes,
            student: of(&self.student),
            teachers: self.teachers.iter().map(|(logits, weight)| (of(logits), *weight)).collect(),
            labels: self.labels[range.clone()].to_vec(),
            targets: of(&self.targets),
            soft: self.soft,
            row_weights: self.row_weights.as_ref().map(|weights| weights[range.clone()].to_vec()),
        }
    }

    /// Only these rows.
    pub fn pick(&self, rows: &[usize]) -> Case {
        let parts: Vec<Case> = rows.iter().map(|row| self.part(*row..row + 1)).collect();
        let of = |values: fn(&Case) -> &[f64]| parts.iter().flat_map(|part| values(part).to_vec()).collect();
        let weights = |part: &Case| part.row_weights.clone().unwrap_or_else(|| vec![1.0]);
        Case {
            rows: rows.len(),
            classes: self.classes,
            student: of(|part| &part.student),
            teachers: vec![(of(|part| &part.teachers[0].0), 1.0)],
            labels: rows.iter().map(|row| self.labels[*row]).collect(),
            targets: of(|part| &part.targets),
            soft: self.soft,
            row_weights: Some(parts.iter().flat_map(weights).collect()),
        }
    }

    /// Class templates of a teacher, `[classes, 5]`.
    pub fn head(&self, precision: Precision) -> Tensor {
        let values = Numbers(self.classes as u64 + 77).many(self.classes * 5, 1.0);
        from_vec(values, (self.classes, 5)).unwrap().to_dtype(precision.dtype()).unwrap()
    }

    pub fn tensor(&self, values: &[f64], precision: Precision) -> Tensor {
        from_vec(values.to_vec(), (self.rows, self.classes)).unwrap().to_dtype(precision.dtype()).unwrap()
    }

    pub fn batch(&self, losses: &Losses, precision: Precision) -> Batch {
        let needs: Vec<Need> = losses.needs().into_iter().map(|(_, need)| need).collect();
        let labels = if self.soft || needs.contains(&Need::SeveralLabels) {
            Labels::Several(self.tensor(&self.targets, precision))
        } else if needs.contains(&Need::RealLabels) {
            Labels::Real(self.tensor(&self.targets, precision))
        } else {
            Labels::Single(self.labels.clone())
        };
        let inputs = Features::Ragged { ids: Vec::new(), offsets: Vec::new(), weights: None };
        let ids = (0..self.rows as u64).collect();
        Batch { ids, epoch: 0, inputs, labels, row_weights: self.row_weights.clone(), teacher_logits: None, pair: None }
    }

    pub fn teachers(&self, precision: Precision) -> Vec<Signal> {
        let teacher = |(logits, weight): &(Vec<f64>, f64)| Signal {
            head_weight: Some(self.head(precision)),
            ..Signal::new(Target::Logits(self.tensor(logits, precision)), *weight)
        };
        self.teachers.iter().map(teacher).collect()
    }

    /// The result of `apply`, and the gradient at the student's logits.
    #[allow(clippy::too_many_arguments)] // each test varies another one
    pub fn planned(
        &self,
        losses: &Losses,
        teachers: &[Signal],
        denominators: &Denominators,
        precision: Precision,
        norms: bool,
    ) -> Result<(Applied, Vec<f64>)> {
        let mut tape = Tape::new(precision.engine());
        let logits = tape.leaf(self.tensor(&self.student, precision));
        let outputs = Outputs::of_logits(logits.clone());
        let batch = self.batch(losses, precision);
        let micro = Micro { student: (&outputs).into(), teachers, batch: &batch, denominators, step: 0, norms };
        let mut applied = losses.apply(&mut tape, &micro)?;
        let mut gradients = tape.backward(std::mem::take(&mut applied.seeds))?;
        Ok((applied, to_f64(&gradients.take(&logits).unwrap())?))
    }

    pub fn against(&self, losses: &Losses, teachers: &[Signal], precision: Precision) -> Result<(f64, Vec<f64>)> {
        let denominators = losses.denominators(&[&self.batch(losses, precision)])?;
        self.planned(losses, teachers, &denominators, precision, false)
            .map(|(applied, gradient)| (applied.total, gradient))
    }

    pub fn try_run(&self, losses: &Losses, precision: Precision) -> Result<(f64, Vec<f64>)> {
        self.against(losses, &self.teachers(precision), precision)
    }

    pub fn run(&self, losses: &Losses, precision: Precision) -> (f64, Vec<f64>) {
        self.try_run(losses, precision).unwrap()
    }

    /// The same in micro-batches of one step: the sum of their values, and their gradients, concatenated.
    pub fn run_in_parts(
        &self,
        losses: &Losses,
        parts: &[std::ops::Range<usize>],
        precision: Precision,
    ) -> (f64, Vec<f64>) {
        let parts: Vec<Case> = parts.iter().map(|part| self.part(part.clone())).collect();
        let batches: Vec<Batch> = parts.iter().map(|part| part.batch(losses, precision)).collect();
        let denominators = losses.denominators(&batches.iter().collect::<Vec<_>>()).unwrap();
        let (mut value, mut gradient) = (0.0, Vec::new());
        for part in &parts {
            let teachers = part.teachers(precision);
            let (applied, more) = part.planned(losses, &teachers, &denominators, precision, false).unwrap();
            value += applied.total;
            gradient.extend(more);
        }
        (value, gradient)
    }
}

pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// Asserts a difference of at most `tolerance` times the largest expected entry (or times 1e-7 if all are about 0).
pub(super) fn assert_near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    let tolerance = tolerance * largest(expected).max(1e-7);
    compare(what, got, expected, tolerance).unwrap_or_else(|error| panic!("{error}"));
}
