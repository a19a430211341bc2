//! One member before its first step. Options, model, losses, teachers and data are checked to fit together.

use super::batches;
use super::control::without_teacher;
use super::feed::Data;
use super::role::Role;
use super::validation::choice;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::evaluate;
use crate::labels::LabelKind;
use crate::learner::{self, Parts, Weights};
use crate::losses::{Given, Losses};
use crate::memory;
use crate::models::Model;
use crate::options::{Keep, TrainOptions};
use crate::proofs::InputStatistics;
use crate::teacher::Teachers;
use crate::weights::ParameterGenerator;

/// The teachers, combined and permuted by these options.
pub(super) fn heard(teachers: &Teachers, options: &TrainOptions) -> Teachers {
    let combine = options.combine.unwrap_or_default();
    Teachers { combine, permute: options.permute_teacher, ..teachers.clone() }
}

/// The parts of a member.
pub(super) struct Entry {
    pub role: Role,
    pub student: Model,
    pub options: TrainOptions,
    pub seed: u64,
    /// All teachers, including peers.
    pub teachers: Teachers,
}

/// A member whose setup passed all checks.
pub(crate) struct Entrant {
    pub role: Role,
    pub options: TrainOptions,
    pub parts: Parts,
}

/// Measurements of a student before its first step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start {
    /// Whether it has the same parameters as a teacher or an earlier student; a loss between the two may then be 0.
    pub copied: bool,
    /// Statistics of its inputs.
    pub inputs: Option<InputStatistics>,
}

/// The rows that a run trains on and validates with.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub data: &'a Data,
    pub validation: Option<&'a Dataset>,
}

impl Entrant {
    /// Rejects invalid combinations, with their path.
    pub fn new(entry: Entry, rows: Rows) -> Result<Entrant> {
        let Entry { role, student, options, seed, teachers } = entry;
        options.validate()?;
        let mut losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
        let weights = weights(&student, &teachers, &options, seed)?;
        let asked = memory::of_teachers(teachers.models().map(|(_, model)| model), &options);
        memory::within(memory::of_student(&student, weights.generator(), &options) + asked, &options)?;
        teachers_are_used(&teachers, &losses, &options)?;
        losses.check(&given(&student, &teachers, &losses, rows, &options)?).map_err(|error| error.at("losses"))?;
        rows_fit(&student, &teachers, rows)?;
        batches::check(&student, rows.data, &options)?;
        teachers.fit(&mut losses, &student.network)?;
        validation_fits(&student, &teachers, rows, &options)?;
        let frozen = learner::frozen(&student, &weights, &options.freeze)?;
        let parts = Parts { model: student, weights, losses, teachers, frozen, seed };
        Ok(Entrant { role, options, parts })
    }

    /// Whether its steps use a teacher's outputs.
    pub fn compares(&self) -> bool {
        self.parts.losses.needs_teacher() || self.options.weight_rows_by_teacher
    }

    /// The same student from the same initial weights, trained only on the labels.
    pub fn control(&self, labels: LabelKind) -> Result<Entrant> {
        let losses = without_teacher(&self.options.losses, labels)?;
        // With a generator, `freeze` names the parameters of the generator, not the student's.
        let freeze = if self.options.generator.is_some() { Vec::new() } else { self.options.freeze.clone() };
        let options =
            TrainOptions { losses, freeze, generator: None, weight_rows_by_teacher: false, ..self.options.clone() };
        let mut losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
        let (model, teachers, weights) = (self.parts.model.clone(), Teachers::default(), Weights::Own);
        teachers.fit(&mut losses, &model.network)?;
        let frozen = learner::frozen(&model, &weights, &options.freeze)?;
        let parts = Parts { model, weights, losses, teachers, frozen, seed: self.parts.seed };
        Ok(Entrant { role: Role::Control, options, parts })
    }
}

/// The source of the student's parameters.
fn weights(student: &Model, teachers: &Teachers, options: &TrainOptions, seed: u64) -> Result<Weights> {
    match (&options.generator, teachers.only_model()) {
        (None, _) => Ok(Weights::Own),
        (Some(rules), Some(teacher)) => {
            let generator = ParameterGenerator::new(teacher, student, rules, seed);
            Ok(Weights::Generated(Box::new(generator.map_err(|error| error.at("generator"))?)))
        }
        (Some(_), None) => {
            let message = "expected one model as teacher, because the generator computes the student's parameters from it, got none";
            Err(Error::config("teacher", message))
        }
    }
}

/// Rejects a teacher that no option uses, and an option about a teacher without a teacher.
fn teachers_are_used(teachers: &Teachers, losses: &Losses, options: &TrainOptions) -> Result<()> {
    let used = losses.needs_teacher() || options.weight_rows_by_teacher || options.generator.is_some();
    if !teachers.is_empty() && !used {
        let message =
            "expected a loss that uses the teacher, such as kl, got none; to train without a teacher, use train";
        return Err(Error::config("losses", message));
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
    if teachers.read_column() && !options.augment.is_empty() {
        let message = "expected no augmentation together with stored teacher logits, which belong to the original inputs; \
                       pass the teacher itself";
        return Err(Error::config("augment", message));
    }
    Ok(())
}

/// The signals and sizes that are available to the losses.
fn given(student: &Model, teachers: &Teachers, losses: &Losses, rows: Rows, options: &TrainOptions) -> Result<Given> {
    let dataset = rows.data.dataset();
    let offer = teachers.offer(&student.network, dataset, losses)?;
    // A stream's labels arrive with its batches; checks that do not depend on them run now.
    let wanted = || losses.needs().into_iter().filter_map(|(_, need)| need.label_kind()).next_back();
    Ok(Given {
        classes: student.network.classes(),
        teacher_classes: offer.classes,
        teacher_form: offer.form,
        teacher_head: offer.head,
        labels: dataset.map_or_else(|| wanted().unwrap_or(LabelKind::None), Dataset::label_kind),
        pairs: dataset.is_some_and(Dataset::pairs),
        // A model over tokens has one row per token.
        batch: (student.network.output().sizes().len() == 1).then_some(options.batch_size),
    })
}

/// Runs every model on one row, to reject shapes and labels that do not fit before the first step.
fn rows_fit(student: &Model, teachers: &Teachers, rows: Rows) -> Result<()> {
    let Some(dataset) = rows.data.dataset() else { return Ok(()) };
    fits(student, dataset, "data")?;
    for (path, model) in teachers.models() {
        fits(model, dataset, "data").map_err(|error| error.at(&path))?;
    }
    Ok(())
}

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
        let message = format!("expected {classes} numbers per row, one per output of the model, got {width}");
        return Err(Error::data(format!("{path}.labels"), message));
    }
    Ok(())
}

/// Checks that the validation rows fit the student, and that they exist if an option needs them.
fn validation_fits(student: &Model, teachers: &Teachers, rows: Rows, options: &TrainOptions) -> Result<()> {
    if let Some(validation) = rows.validation {
        fits(student, validation, "validation")?;
        let (asked, classes) = (teachers.models().next().is_some(), student.network.classes());
        evaluate::check(&options.metrics, validation, asked, classes).map_err(|error| error.at("metrics"))?;
        let choice = choice(options, validation, asked)?;
        evaluate::check(&options.metrics.clone().with(choice), validation, asked, classes).map_err(|error| {
            let message = format!("{} cannot be computed on the validation rows: {}", choice.name(), error.message);
            Error { path: "metric".into(), message, ..error }
        })?;
    } else if !options.metrics.is_empty() {
        return Err(Error::config("metrics", "expected validation data for these metrics, got none"));
    }
    let chooses = options.early_stop.is_some() || options.keep == Keep::Best;
    let wanted = chooses || options.validate_every.is_some() || options.metric.is_some();
    if wanted && rows.validation.is_none() {
        let message = "expected validation data for earlyStop, keep: 'best', validateEvery or metric, got none";
        return Err(Error::config("validation", message));
    }
    if chooses && rows.data.dataset().is_none() && options.validate_every.is_none() {
        let message = "expected the number of steps between two validations, which earlyStop and keep: 'best' need because a \
                       stream has no epochs, got none";
        return Err(Error::config("validateEvery", message));
    }
    Ok(())
}
