//! What is looked at before the first step: whether the run can work at all, and whether it would be what it
//! looks like.

use serde::{Deserialize, Serialize};

use super::feed::Data;
use crate::batch::{Batch, Features};
use crate::check::{Findings, TeacherRows, are_probabilities, digest, gives_probabilities, teacher_knows};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::evaluate;
use crate::labels::{LabelKind, Labels};
use crate::losses::{Given, Losses};
use crate::memory;
use crate::models::Model;
use crate::numbers::StepNumbers;
use crate::options::{MetricChoice, TrainOptions};
use crate::tape::Cancel;
use crate::teacher::{Teacher, Teachers};
use crate::tensor::{Tensor, read, to_f64};
use crate::weights::ParameterGenerator;

/// Rows that the proofs look at.
pub(super) const ROWS: usize = 2048;

/// What the inputs look like after preprocessing; kept in the model's provenance.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct InputStatistics {
    pub mean: f64,
    pub std: f64,
}

/// Refuses what cannot work, by path; gives the losses, which know where they look.
pub(crate) fn check(
    student: &Model,
    teachers: &Teachers,
    data: &Data,
    validation: Option<&Dataset>,
    options: &TrainOptions,
) -> Result<Losses> {
    let mut losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
    let classes = student.network.classes();
    // Made here first, because the teacher may be asked about every row before the learner is made.
    let generator = match (&options.generator, teachers.only_model()) {
        (Some(rules), Some(teacher)) => {
            let made = ParameterGenerator::new(teacher, student, rules, options.seed);
            Some(made.map_err(|error| error.at("generator"))?)
        }
        (Some(_), None) => {
            let message = "expected one model as teacher, whose parameters make the student's, got none";
            return Err(Error::config("teacher", message));
        }
        (None, _) => None,
    };
    let asked = memory::of_teachers(teachers.models().map(|(_, model)| model), options);
    memory::within(memory::of_student(student, generator.as_ref(), options) + asked, options)?;
    let heard = losses.needs_teacher() || options.weight_rows_by_teacher;
    if generator.is_none() && !teachers.is_empty() && !heard {
        return Err(Error::config(
            "losses",
            "expected a loss that compares with the teacher (kl, …), got none: use train without a teacher",
        ));
    }
    for (path, given) in [
        ("permuteTeacher", options.permute_teacher),
        ("weightRowsByTeacher", options.weight_rows_by_teacher),
        ("combine", options.combine.is_some()),
    ] {
        if given && teachers.is_empty() {
            return Err(Error::config(path, "expected a teacher, got none"));
        }
    }
    if teachers.any(|teacher| matches!(teacher, Teacher::Column)) && !options.augment.is_empty() {
        return Err(Error::config(
            "augment",
            "expected no augmentation beside cached teacher logits: they belong to the inputs as they are; give the teacher itself",
        ));
    }
    let dataset = match data {
        Data::Dataset(dataset) => Some(dataset),
        Data::Stream(_) => None,
    };
    let answers = teachers.answers(&student.network, dataset, &losses)?;
    let given = Given {
        classes,
        teacher_classes: answers.classes,
        teacher_dense: answers.dense,
        teacher_head: answers.head,
        // A stream shows its labels batch by batch; what does not depend on them is checked here.
        labels: dataset.map_or_else(|| losses.label_kind(), Dataset::label_kind),
        pairs: dataset.is_some_and(Dataset::pairs),
        // A model over tokens has a row for each of them.
        batch: (student.network.output().sizes().len() == 1).then_some(options.batch_size),
    };
    losses.check(&given).map_err(|error| error.at("losses"))?;
    if let Some(dataset) = dataset {
        fits(student, dataset, "data")?;
        for (path, model) in teachers.models() {
            fits(model, dataset, "data").map_err(|error| error.at(&path))?;
        }
    }
    teachers.fit(&mut losses, &student.network)?;
    if let Some(validation) = validation {
        fits(student, validation, "validation")?;
        let asked = teachers.models().next().is_some();
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
    if options.metric == Some(MetricChoice::Agreement) && teachers.is_empty() {
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

/// What the student's inputs look like, where they are known.
pub(crate) fn inputs(student: &Model, sample: Option<&Batch>) -> Result<Option<InputStatistics>> {
    match sample {
        Some(batch) => statistics(student, batch),
        None => Ok(None),
    }
}

/// Whether the options teach anything at all; `place` of this student among several.
pub(crate) fn prove_options(options: &TrainOptions, place: &str, findings: &mut Findings) -> Result<()> {
    let path = |key: String| if place.is_empty() { key } else { format!("{place}.{key}") };
    let losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
    for name in losses.without_weight() {
        let message = "the weight is 0: this loss teaches the student nothing; leave it out or give it a weight";
        findings.add("termHasWeight", path(format!("losses.{name}")), message)?;
    }
    if options.optimizer.learning_rate() == 0.0 {
        let message = "the learning rate is 0: nothing will be learnt";
        findings.add("parametersChange", path("optimizer.learningRate".into()), message)?;
    }
    Ok(())
}

/// Whether every row teaches something; `place` of this student among several.
pub(crate) fn prove_rows(options: &TrainOptions, data: &Dataset, place: &str, findings: &mut Findings) -> Result<()> {
    let losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
    let unlabelled = data.rows() - data.labelled().count();
    if data.label_kind() == LabelKind::Single && unlabelled > 0 && losses.needs_labels_in_each() {
        let message = format!(
            "{unlabelled} of {} rows have no label, and every loss needs one: they teach the student nothing; add a loss that \
             compares with the teacher alone (kl, …) or leave them out",
            data.rows()
        );
        findings.add("rowsAreUsed", if place.is_empty() { "data".into() } else { format!("{place}.data") }, message)?;
    }
    Ok(())
}

/// Whether the student begins as the teacher's copy.
pub(crate) fn prove_apart(student: &Model, teacher: &Teacher, path: &str, findings: &mut Findings) -> Result<bool> {
    let Some(model) = teacher.model() else { return Ok(false) };
    let copied = is_copy(student, model)?;
    if copied {
        let message = "the teacher has the student's parameters, tensor by tensor: there is nothing to learn from it";
        findings.add("teacherIsAnother", path, message)?;
    }
    Ok(copied)
}

/// Rows that the proofs look at.
pub(crate) struct Looked<'a> {
    pub sample: Option<&'a Batch>,
    /// None for a stream.
    pub data: Option<&'a Dataset>,
    pub validation: Option<&'a Dataset>,
    pub cancel: &'a Cancel,
}

/// Whether one teacher is what it looks like.
pub(crate) fn prove_teacher(teacher: &Teacher, path: &str, looked: &Looked, findings: &mut Findings) -> Result<()> {
    let model = teacher.model();
    // Cached answers are known on the training rows alone; a model is asked about rows it was not trained on, if it can be.
    let apart = model.and(looked.validation).map(some_rows).transpose()?;
    let Some(batch) = apart.as_ref().or(looked.sample) else { return Ok(()) };
    let choices = match teacher {
        Teacher::Model(model) | Teacher::Cached(model, _) => {
            inputs_as_trained(model, path, batch, findings)?;
            model_choices(model, batch, looked.cancel).map_err(|error| error.at(path))?
        }
        Teacher::Column => {
            let missing =
                || Error::data("teacherLogits", "expected a column of teacher logits in this batch, got none");
            let logits = batch.teacher_logits.as_ref().ok_or_else(missing)?;
            if looks_like_probabilities(batch)? == Some(true) {
                gives_probabilities(path, findings)?;
            }
            chosen(logits)?
        }
        // What labels say, and what does not know anything yet.
        Teacher::Average(_) | Teacher::Smoothed(_) | Teacher::Peer(..) => return Ok(()),
    };
    if let Labels::Single(labels) = &batch.labels {
        let known = model.and_then(|model| model.provenance.get("accuracy")).and_then(serde_json::Value::as_f64);
        let column = || batch.teacher_logits.as_ref().and_then(|logits| logits.dims().last().copied());
        let classes = model.map_or_else(|| column().unwrap_or(0), |model| model.network.classes());
        teacher_knows(&TeacherRows { choices: &choices, labels, classes }, path, known, findings)?;
    }
    Ok(())
}

/// Whether the column of teacher logits has probabilities in it; none where there is none, or where its numbers stand for
/// real labels, which may be anything.
pub(super) fn looks_like_probabilities(batch: &Batch) -> Result<Option<bool>> {
    match (&batch.teacher_logits, &batch.labels) {
        (None, _) | (_, Labels::Real(_)) => Ok(None),
        (Some(logits), _) => {
            Ok(Some(are_probabilities(&read::<f32>(logits)?, logits.dims().last().copied().unwrap_or(0))))
        }
    }
}

/// The class with the largest logit of each row.
pub(super) fn chosen(logits: &Tensor) -> Result<Vec<u32>> {
    let classes = logits.dims().last().copied().unwrap_or(0).max(1);
    let largest = |row: &[f32]| (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    Ok(read::<f32>(logits)?.chunks(classes).map(|row| largest(row) as u32).collect())
}

pub(super) fn model_choices(model: &Model, batch: &Batch, cancel: &Cancel) -> Result<Vec<u32>> {
    let mut choices = Vec::with_capacity(batch.rows());
    let piece = model.rows_at_once();
    for start in (0..batch.rows()).step_by(piece) {
        let count = piece.min(batch.rows() - start);
        let part = batch.inputs.part(start, count)?;
        choices.extend(chosen(&model.logits_until(&part, &batch.ids[start..start + count], cancel)?)?);
    }
    Ok(choices)
}

/// Up to `ROWS` rows, fewer where they are large, spread over the data: over those with a label, where some have one.
pub(crate) fn some_rows(dataset: &Dataset) -> Result<Batch> {
    let size = dataset.shape().map_or(1, |shape| shape.iter().product::<usize>()).max(1);
    let all = 0..dataset.rows() as u32;
    let (among, count): (Box<dyn Iterator<Item = u32>>, usize) = match dataset.labelled().count() {
        0 => (Box::new(all), dataset.rows()),
        labelled => (Box::new(dataset.labelled()), labelled),
    };
    let step = count.div_ceil(((16 << 20) / size).clamp(64, ROWS)).max(1);
    let positions: Vec<u32> = among.step_by(step).collect();
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
pub(super) fn inputs_as_trained(teacher: &Model, path: &str, batch: &Batch, findings: &mut Findings) -> Result<()> {
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
        findings.add("teacherInputs", path, message)?;
    }
    Ok(())
}

/// Whether both models hold the same numbers under the same names.
pub(crate) fn is_copy(student: &Model, teacher: &Model) -> Result<bool> {
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
pub(crate) fn first_loss(numbers: &StepNumbers, place: &str, model: &Model, findings: &mut Findings) -> Result<()> {
    let Some(term) = numbers.terms.get("crossEntropy") else { return Ok(()) };
    let expected = (model.network.classes() as f64).ln();
    if term.value > 10.0 * expected.max(0.7) {
        let message = format!(
            "the first loss is {:.1}, where a student that knows nothing has about {expected:.2}: are the inputs normalised?",
            term.value
        );
        let path = if place.is_empty() { "losses.crossEntropy".into() } else { format!("{place}.losses.crossEntropy") };
        findings.add("firstLoss", path, message)?;
    }
    Ok(())
}

/// Writes the student to bytes, reads them again, and compares the outputs on some rows.
pub(crate) fn reload(model: &Model, rows: Option<&Dataset>, findings: &mut Findings) -> Result<bool> {
    let again = Model::from_file(model.to_file()?)?;
    let same = match rows {
        Some(dataset) => {
            let rows = dataset.rows().min(model.rows_at_once());
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
