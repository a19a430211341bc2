//! The workload of the benchmark programs: the losses of one batch, forward and backward, as in a training step.

use std::collections::BTreeMap;

use limbeck_core::batch::{Batch, Features};
use limbeck_core::error::{Error, Result};
use limbeck_core::internals::{Top, current};
use limbeck_core::labels::Labels;
use limbeck_core::losses::{Losses, LossesOptions, Micro};
use limbeck_core::outputs::Outputs;
use limbeck_core::tape::{Engine, Tape, Value};
use limbeck_core::targets::{Signal, Target, TopK};
use limbeck_core::tensor::{self, Tensor};
use limbeck_core::top_logits::{Tail, TopLogits};

/// The instruction set in use.
pub fn instruction_set() -> &'static str {
    current().name()
}

/// The layer that losses over features read.
const LAYER: &str = "layer";

/// Logits of a student and a teacher (or a layer of each, if the losses read one), and labels, for repeated evaluation.
pub struct Distillation {
    losses: Losses,
    student: Tensor,
    teachers: Vec<Signal>,
    /// Logits that no loss reads, if the losses read a layer.
    aside: Option<Tensor>,
    batch: Batch,
}

impl Distillation {
    /// The student's numbers are `[labels, width]`, the teacher's have the same number of rows.
    pub fn new(
        options: LossesOptions,
        width: usize,
        student: Vec<f32>,
        teacher: Vec<f32>,
        labels: Vec<u32>,
    ) -> Result<Distillation> {
        let rows = labels.len();
        let teacher_width = teacher.len() / rows.max(1);
        let teacher = tensor::from_vec(teacher, (rows, teacher_width))?;
        let batch = Batch {
            ids: (0..rows as u64).collect(),
            epoch: 0,
            inputs: Features::Ragged { ids: Vec::new(), offsets: Vec::new(), weights: None },
            labels: Labels::Single(labels),
            row_weights: None,
            teacher_logits: None,
            pair: None,
        };
        let mut losses = Losses::new(options)?;
        losses.place(LAYER, &[width], &[teacher_width])?;
        let (aside, teacher) = match losses.has_features() {
            false => (None, Signal::logits(teacher)),
            true => {
                let logits = tensor::from_vec(vec![0f32; rows * width], (rows, width))?;
                let mut of = Signal::logits(logits.clone());
                of.hidden.insert(LAYER.into(), teacher);
                (Some(logits), of)
            }
        };
        let student = tensor::from_vec(student, (rows, width))?;
        Ok(Distillation { losses, student, teachers: vec![teacher], aside, batch })
    }

    /// Other losses over the same logits.
    pub fn beside(&self, options: LossesOptions) -> Result<Distillation> {
        let (student, teachers, aside) = (self.student.clone(), self.teachers.clone(), self.aside.clone());
        Ok(Distillation { losses: Losses::new(options)?, student, teachers, aside, batch: self.batch.clone() })
    }

    /// Adds the weight of the teacher's last layer, `[classes, width]`.
    pub fn with_head(mut self, weight: Vec<f32>, classes: usize) -> Result<Distillation> {
        let width = weight.len() / classes.max(1);
        self.teachers[0].head_weight = Some(tensor::from_vec(weight, (classes, width))?);
        Ok(self)
    }

    /// Reduces the teacher to the k largest logits of each row and the log-sum-exp of all at a temperature, in their stored
    /// form.
    pub fn with_top(mut self, k: usize, temperature: f64) -> Result<Distillation> {
        let classes = self.student.dims()[1];
        let Target::Logits(logits) = &self.teachers[0].target else {
            return Err(Error::internal("a teacher without logits"));
        };
        let logits = tensor::to_f64(logits)?;
        let (mut ids, mut kept, mut log_sum_exp, mut top) = (Vec::new(), Vec::new(), Vec::new(), Top::default());
        for row in logits.chunks_exact(classes) {
            let single: Vec<f32> = row.iter().map(|x| *x as f32).collect();
            top.find(&single, &[], k, None);
            kept.extend(&top.values);
            ids.extend(&top.indices);
            log_sum_exp.push(row.iter().map(|x| (x / temperature).exp()).sum::<f64>().ln() as f32);
        }
        let tail = Some(Tail { temperature, log_sum_exp });
        self.teachers[0].target = Target::TopK(TopK::new(classes, TopLogits { k, classes: ids, logits: kept, tail })?);
        Ok(self)
    }

    /// Forward and backward; returns the total and passes the gradient to `look`.
    pub fn run<R>(&self, look: impl FnOnce(&[f32]) -> R) -> Result<(f64, R)> {
        let mut tape = Tape::new(Engine::Kernels);
        let student = tape.leaf(self.student.clone());
        let outputs = match &self.aside {
            None => Outputs::of_logits(student.clone()),
            Some(logits) => Outputs {
                hidden: BTreeMap::from([(LAYER.to_string(), student.clone())]),
                ..Outputs::of_logits(Value::constant(logits.clone()))
            },
        };
        let denominators = &self.losses.denominators(&[&self.batch])?;
        let (teachers, batch) = (self.teachers.as_slice(), &self.batch);
        let micro = Micro { student: (&outputs).into(), teachers, batch, denominators, step: 0, norms: false };
        let applied = self.losses.apply(&mut tape, &micro)?;
        let mut gradients = tape.backward(applied.seeds)?;
        let gradient = gradients.take(&student).ok_or_else(|| Error::internal("no gradient"))?;
        Ok((applied.total, look(&tensor::read::<f32>(&gradient)?)))
    }
}
