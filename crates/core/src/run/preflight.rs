//! What is looked at before the first step: whether the run can work at all.

use super::feed::Data;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::evaluate;
use crate::labels::LabelKind;
use crate::losses::{Given, Losses};
use crate::memory;
use crate::models::Model;
use crate::options::{MetricChoice, TrainOptions};
use crate::teacher::{Teacher, Teachers};
use crate::weights::ParameterGenerator;

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

impl crate::losses::Losses {
    /// The kind of labels that the losses ask for; none where they need none.
    fn label_kind(&self) -> LabelKind {
        let mut kinds = self.needs().into_iter().filter_map(|(_, need)| need.label_kind());
        kinds.next_back().unwrap_or(LabelKind::None)
    }
}
