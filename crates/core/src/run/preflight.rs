//! What is looked at before the first step: whether the run can work at all, and whether it would be what it
//! looks like.

use serde::{Deserialize, Serialize};

use super::feed::Data;
use crate::batch::{Batch, Features, LabelKind};
use crate::check::{Findings, TeacherRows, digest, teacher_knows};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::evaluate;
use crate::generator::ParameterGenerator;
use crate::learner::{StepNumbers, Teacher};
use crate::losses::{Given, Losses};
use crate::memory;
use crate::models::Model;
use crate::options::{MetricChoice, Proofs, TrainOptions};
use crate::tape::Cancel;
use crate::tensor::{Tensor, read, to_f64};

/// Rows that the proofs look at.
const ROWS: usize = 2048;

/// What the inputs look like after preprocessing; kept in the model's provenance.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct InputStatistics {
    pub mean: f64,
    pub std: f64,
}

pub(crate) struct Before {
    pub copied: bool,
    pub inputs: Option<InputStatistics>,
}

/// Refuses what cannot work, by path; gives the losses, which know where they look.
pub(crate) fn check(
    student: &Model,
    teacher: Option<&Teacher>,
    data: &Data,
    validation: Option<&Dataset>,
    options: &TrainOptions,
) -> Result<Losses> {
    let mut losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
    let classes = student.network.classes();
    let teacher_model = match teacher {
        Some(Teacher::Model(model)) => Some(model.as_ref()),
        _ => None,
    };
    // Made here first, because the teacher may be asked about every row before the learner is made.
    let generator = match (&options.generator, teacher_model) {
        (Some(rules), Some(teacher)) => {
            let made = ParameterGenerator::new(teacher, student, rules, options.seed);
            Some(made.map_err(|error| error.at("generator"))?)
        }
        (Some(_), None) => {
            let message = "expected a model as teacher, whose parameters make the student's, got none";
            return Err(Error::config("teacher", message));
        }
        (None, _) => None,
    };
    if let Some(limit) = options.max_memory_bytes {
        let estimate = memory::estimate(student, generator.as_ref(), teacher_model, options);
        if estimate > limit {
            return Err(Error::new(
                crate::error::Code::Memory,
                "maxMemoryBytes",
                format!(
                    "expected the run to need at most {limit} bytes, got an estimate of {estimate}; lower batchSize"
                ),
            ));
        }
    }
    if generator.is_none() && teacher.is_some() && !losses.needs_teacher() {
        return Err(Error::config(
            "losses",
            "expected a loss that compares with the teacher (kl, …), got none: use train without a teacher",
        ));
    }
    if matches!(teacher, Some(Teacher::Column)) && !options.augment.is_empty() {
        return Err(Error::config(
            "augment",
            "expected no augmentation beside cached teacher logits: they belong to the inputs as they are; give the teacher itself",
        ));
    }
    if let (Data::Dataset(dataset), Some(Teacher::Column)) = (data, teacher)
        && !dataset.has_teacher_logits()
    {
        return Err(Error::config("teacher", "expected a teacher, or data with a teacherLogits column, got neither"));
    }
    let teacher_classes = match (teacher, data) {
        (Some(Teacher::Model(model) | Teacher::Cached(model)), _) => Some(model.network.classes()),
        (Some(Teacher::Column), Data::Dataset(dataset)) => dataset.teacher_classes(),
        (Some(Teacher::Column), Data::Stream(_)) => Some(classes),
        (None, _) => None,
    };
    let teacher_head = teacher_model.is_some_and(|model| model.network.head().is_some());
    // A model over tokens has a row for each of them.
    let batch = (student.network.output().sizes().len() == 1).then_some(options.batch_size);
    if let Data::Dataset(dataset) = data {
        let labels = dataset.label_kind();
        let pairs = dataset.pairs();
        let given = Given { classes, teacher_classes, teacher_dense: true, teacher_head, labels, pairs, batch };
        losses.check(&given).map_err(|error| error.at("losses"))?;
        fits(student, dataset, "data")?;
        if let Some(model) = teacher_model {
            fits(model, dataset, "data").map_err(|error| error.at("teacher"))?;
        }
    } else {
        // A stream shows its labels batch by batch; what does not depend on them is checked here.
        let kind = losses.label_kind();
        let given =
            Given { classes, teacher_classes, teacher_dense: true, teacher_head, labels: kind, pairs: false, batch };
        losses.check(&given).map_err(|error| error.at("losses"))?;
    }
    losses.fit(&student.network, teacher.and_then(Teacher::network)).map_err(|error| error.at("losses"))?;
    if let Some(validation) = validation {
        fits(student, validation, "validation")?;
        let asked = matches!(teacher, Some(Teacher::Model(_)));
        evaluate::check(&options.metrics, validation, asked, classes).map_err(|error| error.at("metrics"))?;
    } else if !options.metrics.is_empty() {
        return Err(Error::config("metrics", "expected validation data to compute them on, got none"));
    }
    let wants_validation = options.early_stop.is_some()
        || options.keep == crate::options::Keep::Best
        || options.validate_every.is_some()
        || options.metric.is_some();
    if wants_validation && validation.is_none() {
        return Err(Error::config(
            "validation",
            "expected validation data for earlyStop, keep: 'best', validateEvery or metric, got none",
        ));
    }
    let by_epoch = matches!(data, Data::Stream(_)) && options.validate_every.is_none();
    if by_epoch && (options.early_stop.is_some() || options.keep == crate::options::Keep::Best) {
        return Err(Error::config(
            "validateEvery",
            "expected the steps between two validations beside earlyStop or keep: 'best': a stream has no epochs, got nothing",
        ));
    }
    if options.metric == Some(MetricChoice::Agreement) && teacher.is_none() {
        return Err(Error::config("metric", "expected a teacher for agreement, got none"));
    }
    Ok(losses)
}

/// One row through the model: shapes and labels that do not fit are named before the first step.
fn fits(model: &Model, dataset: &Dataset, path: &str) -> Result<()> {
    let batch = dataset.batch(&[0], 0).map_err(|error| error.at(path))?;
    model.logits(&batch.inputs, &batch.ids).map_err(|error| error.at(path))?;
    let classes = model.network.classes();
    if let Some(of_data) = dataset.classes()
        && of_data > classes
    {
        let message = format!("expected classes from 0 to {}, got {}", classes - 1, of_data - 1);
        return Err(Error::data(format!("{path}.labels"), message));
    }
    if let Some(width) = dataset.label_width()
        && width != classes
    {
        let message = format!("expected {classes} numbers a row, as the model has outputs, got {width}");
        return Err(Error::data(format!("{path}.labels"), message));
    }
    Ok(())
}

/// The proofs before the first step.
pub(crate) fn prove(
    student: &Model,
    teacher: Option<&Teacher>,
    sample: Option<Batch>,
    validation: Option<&Dataset>,
    options: &TrainOptions,
    findings: &mut Findings,
    cancel: &Cancel,
) -> Result<Before> {
    let inputs = match &sample {
        Some(batch) => statistics(student, batch)?,
        None => None,
    };
    let mut before = Before { copied: false, inputs };
    if options.proofs == Proofs::Off {
        return Ok(before);
    }
    let losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
    for name in losses.without_weight() {
        let message = "the weight is 0: this loss teaches the student nothing; leave it out or give it a weight";
        findings.add("termHasWeight", format!("losses.{name}"), message)?;
    }
    if options.optimizer.learning_rate() == 0.0 {
        findings.add("parametersChange", "optimizer.learningRate", "the learning rate is 0: nothing will be learnt")?;
    }
    let Some(teacher) = teacher else { return Ok(before) };
    // A cached teacher is known on the training rows alone; a model is asked about rows it was not trained on, if it can be.
    let rows = match (teacher, validation) {
        (Teacher::Model(_), Some(validation)) => Some(some_rows(validation)?),
        _ => sample,
    };
    if let Teacher::Model(model) = teacher {
        before.copied = is_copy(student, model)?;
        if before.copied {
            let message =
                "the teacher has the student's parameters, tensor by tensor: there is nothing to learn from it";
            findings.add("teacherIsAnother", "teacher", message)?;
        }
    }
    let Some(batch) = rows else { return Ok(before) };
    let known = match teacher {
        Teacher::Model(model) => {
            inputs_as_trained(model, &batch, findings)?;
            model.provenance.get("accuracy").and_then(serde_json::Value::as_f64)
        }
        Teacher::Column | Teacher::Cached(_) => None,
    };
    if let crate::batch::Labels::Single(labels) = &batch.labels {
        let (choices, classes) = choices(teacher, &batch, cancel)?;
        teacher_knows(&TeacherRows { choices: &choices, labels, classes }, known, findings)?;
    }
    Ok(before)
}

/// What the first rows of a stream say of its teacher, which can be asked about nothing before.
#[derive(Default)]
pub(crate) struct FirstRows {
    choices: Vec<u32>,
    labels: Vec<u32>,
    classes: usize,
    seen: usize,
}

impl FirstRows {
    /// Where the proofs before the first step have no rows to ask the teacher about.
    pub fn of(
        data: &Data,
        teacher: Option<&Teacher>,
        validation: Option<&Dataset>,
        proofs: Proofs,
    ) -> Option<FirstRows> {
        let asked = matches!((teacher, validation), (None, _) | (Some(Teacher::Model(_)), Some(_)));
        let proven = asked || proofs == Proofs::Off || matches!(data, Data::Dataset(_));
        (!proven).then(FirstRows::default)
    }

    pub fn see(&mut self, teacher: &Teacher, batch: &Batch, cancel: &Cancel, findings: &mut Findings) -> Result<()> {
        if let (Teacher::Model(model), 0) = (teacher, self.seen) {
            inputs_as_trained(model, batch, findings)?;
        }
        self.seen += batch.rows();
        if let crate::batch::Labels::Single(labels) = &batch.labels {
            let (choices, classes) = choices(teacher, batch, cancel)?;
            self.choices.extend(choices);
            self.labels.extend(labels);
            self.classes = classes;
        }
        Ok(())
    }

    pub fn are_enough(&self) -> bool {
        self.seen >= ROWS
    }

    pub fn judge(&self, teacher: &Teacher, findings: &mut Findings) -> Result<()> {
        let known = match teacher {
            Teacher::Model(model) => model.provenance.get("accuracy").and_then(serde_json::Value::as_f64),
            Teacher::Column | Teacher::Cached(_) => None,
        };
        teacher_knows(
            &TeacherRows { choices: &self.choices, labels: &self.labels, classes: self.classes },
            known,
            findings,
        )
    }
}

/// The class that the teacher names for each row, and how many classes it has.
fn choices(teacher: &Teacher, batch: &Batch, cancel: &Cancel) -> Result<(Vec<u32>, usize)> {
    let (mut choices, mut classes) = (Vec::with_capacity(batch.rows()), 0);
    let mut add = |logits: &Tensor| -> Result<()> {
        classes = logits.dims().last().copied().unwrap_or(0);
        let largest =
            |row: &[f32]| (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        choices.extend(read::<f32>(logits)?.chunks(classes.max(1)).map(|row| largest(row) as u32));
        Ok(())
    };
    match teacher {
        Teacher::Column | Teacher::Cached(_) => add(&teacher.logits(batch, cancel)?)?,
        Teacher::Model(model) => {
            let piece = memory::piece(model);
            for start in (0..batch.rows()).step_by(piece) {
                let count = piece.min(batch.rows() - start);
                let part = batch.inputs.part(start, count)?;
                let logits = model.logits_until(&part, &batch.ids[start..start + count], cancel);
                add(&logits.map_err(|error| error.at("teacher"))?)?;
            }
        }
    }
    Ok((choices, classes))
}

/// Up to `ROWS` rows, fewer where they are large, spread over the data.
pub(crate) fn some_rows(dataset: &Dataset) -> Result<Batch> {
    let size = dataset.shape().map_or(1, |shape| shape.iter().product::<usize>()).max(1);
    let step = dataset.rows().div_ceil(((16 << 20) / size).clamp(64, ROWS)).max(1);
    let positions: Vec<u32> = (0..dataset.rows() as u32).step_by(step).collect();
    dataset.batch(&positions, 0)
}

/// Mean and standard deviation of dense inputs as the first layer sees them.
fn statistics(model: &Model, batch: &Batch) -> Result<Option<InputStatistics>> {
    let Features::Dense(tensor) = model.preprocessing.apply(&batch.inputs)? else { return Ok(None) };
    let values = to_f64(&tensor)?;
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64;
    Ok(Some(InputStatistics { mean, std: variance.sqrt() }))
}

/// Compares what the teacher's first layer sees with what it saw when it was trained.
fn inputs_as_trained(teacher: &Model, batch: &Batch, findings: &mut Findings) -> Result<()> {
    let Some(then) = teacher.provenance.get("inputs").cloned() else { return Ok(()) };
    let Ok(then) = serde_json::from_value::<InputStatistics>(then) else { return Ok(()) };
    let Some(now) = statistics(teacher, batch)? else { return Ok(()) };
    let shifted = (now.mean - then.mean).abs() > 0.5 * then.std.max(1e-6);
    let scaled = !(0.5..=2.0).contains(&(now.std / then.std.max(1e-12)));
    if shifted || scaled {
        let message = format!(
            "the teacher was trained on inputs of mean {:.3} and standard deviation {:.3}, and gets mean {:.3} and {:.3}: \
             normalise them as they were then",
            then.mean, then.std, now.mean, now.std
        );
        findings.add("teacherInputs", "teacher", message)?;
    }
    Ok(())
}

/// Whether both models hold the same numbers under the same names.
fn is_copy(student: &Model, teacher: &Model) -> Result<bool> {
    if student.network.architecture() != teacher.network.architecture() {
        return Ok(false);
    }
    for (name, parameter) in &student.parameters.0 {
        let Some(other) = teacher.parameters.0.get(name) else { return Ok(false) };
        if digest(&parameter.tensor)? != digest(&other.tensor)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first cross entropy of a fresh classifier is near ln K; far above, inputs or start values are off.
pub(crate) fn first_loss(numbers: &StepNumbers, model: &Model, findings: &mut Findings) -> Result<()> {
    let Some(term) = numbers.terms.get("crossEntropy") else { return Ok(()) };
    let expected = (model.network.classes() as f64).ln();
    if term.value > 10.0 * expected.max(0.7) {
        let message = format!(
            "the first loss is {:.1}, where a student that knows nothing has about {expected:.2}: are the inputs normalised?",
            term.value
        );
        findings.add("firstLoss", "losses.crossEntropy", message)?;
    }
    Ok(())
}

/// Writes the student to bytes, reads them again, and compares the outputs on some rows.
pub(crate) fn reload(model: &Model, rows: Option<&Dataset>, findings: &mut Findings) -> Result<bool> {
    let again = Model::from_file(model.to_file()?)?;
    let same = match rows {
        Some(dataset) => {
            let rows = dataset.rows().min(memory::piece(model));
            let batch = dataset.batch(&(0..rows as u32).collect::<Vec<_>>(), 0)?;
            let logits = |model: &Model| model.logits(&batch.inputs, &batch.ids).and_then(|logits| digest(&logits));
            logits(model)? == logits(&again)?
        }
        None => is_copy(model, &again)?,
    };
    if !same {
        findings.add("reload", "student", "the saved student gives other outputs after it was read again")?;
    }
    Ok(same)
}

impl crate::losses::Losses {
    /// The kind of labels that the losses ask for; none where they need none.
    fn label_kind(&self) -> LabelKind {
        let mut kinds = self.needs().into_iter().filter_map(|(_, need)| need.label_kind());
        kinds.next_back().unwrap_or(LabelKind::None)
    }
}
