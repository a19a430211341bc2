//! The models' outputs on the data: each model runs once; activations are computed only if a diagnostic needs them.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::batch::{Features, TeacherLogits};
use crate::blocks::{collected, empty};
use crate::dataset::{BatchOptions, Dataset};
use crate::error::{Candle, Error, Result};
use crate::evaluate;
use crate::labels::LabelKind;
use crate::layers::{LayerOptions, Mode, name_at};
use crate::models::{Model, Request};
use crate::random::Key;
use crate::tape::{Cancel, Engine, Tape};
use crate::tensor::{Tensor, to_f64};

/// The models and rows to analyse.
pub struct Given<'a> {
    pub data: &'a Dataset,
    /// The rows on which temperatures are fitted.
    pub validation: Option<&'a Dataset>,
    /// `None`: the teacher's logits in the data are used, if there are any.
    pub teacher: Option<&'a Model>,
    pub student: Option<&'a Model>,
    /// The same student trained without a teacher.
    pub control: Option<&'a Model>,
}

/// One report for each model that was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SidesOf{T}")]
pub struct Sides<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub student: Option<T>,
    /// The control: the same student, trained without a teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<T>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Teacher,
    Student,
    Control,
}

impl Who {
    pub fn name(self) -> &'static str {
        match self {
            Who::Teacher => "teacher",
            Who::Student => "student",
            Who::Control => "control",
        }
    }
}

/// Rows of numbers; all rows have the same length.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub width: usize,
    pub values: Vec<f64>,
}

impl Table {
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.width)
    }

    pub fn row(&self, at: usize) -> &[f64] {
        &self.values[at * self.width..][..self.width]
    }
}

/// The last linear layer: its input and its weight.
pub(super) struct Inner {
    /// `[rows, width]`: penultimate activations h.
    pub activations: Table,
    /// `[classes, width]`: class templates w_k.
    pub templates: Table,
}

struct Side<'a> {
    model: Option<&'a Model>,
    logits: OnceCell<Table>,
    inner: OnceCell<Inner>,
}

pub(super) struct Seen<'a> {
    data: Dataset,
    validation: Option<Dataset>,
    sides: [Option<Side<'a>>; 3],
    cancel: Cancel,
}

/// The rows with a non-zero weight and, in partly labelled data, a label: all diagnostics use the same rows.
fn counted(data: &Dataset) -> Result<Dataset> {
    let weights = data.columns().weights.as_ref();
    let needs_label = data.label_kind() == LabelKind::Single;
    let counts = |row: &u32| {
        let row = *row as usize;
        (!needs_label || data.label(row).is_some()) && weights.is_none_or(|weights| weights[data.row(row)] != 0.0)
    };
    let kept: Vec<u32> = (0..data.rows() as u32).filter(counts).collect();
    if kept.len() == data.rows() { Ok(data.clone()) } else { data.select(&kept) }
}

fn logits_of(model: &Model, data: &Dataset, cancel: &Cancel) -> Result<Table> {
    let width = model.network.classes();
    let asked = evaluate::logits_until(model, data, cancel)?;
    Ok(Table { width, values: collected(asked.into_iter().map(f64::from)) })
}

impl<'a> Seen<'a> {
    pub fn new(given: &Given<'a>, cancel: Cancel) -> Result<Seen<'a>> {
        let data = counted(given.data)?;
        let side =
            |model: Option<&'a Model>| model.map(|_| Side { model, logits: OnceCell::new(), inner: OnceCell::new() });
        let column = Side { model: None, logits: OnceCell::new(), inner: OnceCell::new() };
        let teacher = side(given.teacher).or_else(|| data.has_teacher_logits().then_some(column));
        let sides = [teacher, side(given.student), side(given.control)];
        if sides.iter().all(Option::is_none) {
            return Err(Error::config("teacher", "expected a teacher, a student or both, got neither"));
        }
        let validation = given.validation.map(counted).transpose()?;
        let seen = Seen { data, validation, sides, cancel };
        seen.fit()?;
        Ok(seen)
    }

    /// Checks that all models have the same number of outputs and that the labels are below it.
    fn fit(&self) -> Result<()> {
        let mut first: Option<(Who, usize)> = None;
        for who in self.given() {
            let classes = self.classes(who)?;
            match first {
                None => first = Some((who, classes)),
                Some((other, expected)) if expected != classes => {
                    let message = format!("expected {expected} classes, like the {}, got {classes}", other.name());
                    return Err(Error::shape(who.name(), message));
                }
                Some(_) => {}
            }
        }
        let Some((who, classes)) = first else { return Ok(()) };
        for (path, data) in [("data", Some(&self.data)), ("validation", self.validation.as_ref())] {
            let labels = data.into_iter().flat_map(|data| (0..data.rows()).filter_map(|row| data.label(row)));
            if let Some(largest) = labels.max().filter(|label| *label as usize >= classes) {
                let message =
                    format!("expected labels below {classes}, the class count of the {}, got {largest}", who.name());
                return Err(Error::data(path, message));
            }
        }
        Ok(())
    }

    pub fn rows(&self) -> usize {
        self.data.rows()
    }

    /// Returns an error once the analysis is cancelled.
    pub fn go_on(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::cancelled()) } else { Ok(()) }
    }

    pub fn data(&self) -> &Dataset {
        &self.data
    }

    pub fn has(&self, who: Who) -> bool {
        self.sides[who as usize].is_some()
    }

    fn given(&self) -> impl Iterator<Item = Who> + '_ {
        [Who::Teacher, Who::Student, Who::Control].into_iter().filter(|who| self.has(*who))
    }

    /// The label of each row.
    pub fn labels(&self) -> Result<Vec<usize>> {
        labels_of(&self.data, "data")
    }

    pub fn classes(&self, who: Who) -> Result<usize> {
        match self.side(who)?.model {
            Some(model) => Ok(model.network.classes()),
            None => self.data.teacher_classes().ok_or_else(|| Error::internal("the data have no teacher")),
        }
    }

    fn side(&self, who: Who) -> Result<&Side<'a>> {
        self.sides[who as usize].as_ref().ok_or_else(|| {
            let remedy = match who {
                Who::Teacher => "a teacher, or data with teacherLogits",
                Who::Student => "a student",
                Who::Control => "the same student trained without a teacher",
            };
            Error::config(who.name(), format!("expected {remedy}, got none"))
        })
    }

    pub fn model(&self, who: Who) -> Result<&'a Model> {
        self.side(who)?.model.ok_or_else(|| {
            Error::config(who.name(), "expected a model, because its layers are read, got stored logits only")
        })
    }

    /// A report for each model that was given.
    pub fn each<T>(&self, report: impl Fn(Who) -> Result<T>) -> Result<Sides<T>> {
        let one = |who: Who| self.has(who).then(|| report(who).map_err(|error| error.at(who.name()))).transpose();
        Ok(Sides { teacher: one(Who::Teacher)?, student: one(Who::Student)?, control: one(Who::Control)? })
    }

    /// Like `each`, but only for models, not for stored logits.
    pub fn each_model<T>(&self, report: impl Fn(&'a Model, Who) -> Result<T>) -> Result<Sides<T>> {
        let one = |who: Who| -> Result<Option<T>> {
            let Some(model) = self.sides[who as usize].as_ref().and_then(|side| side.model) else { return Ok(None) };
            report(model, who).map(Some).map_err(|error| error.at(who.name()))
        };
        let sides = Sides { teacher: one(Who::Teacher)?, student: one(Who::Student)?, control: one(Who::Control)? };
        if sides.teacher.is_none() && sides.student.is_none() && sides.control.is_none() {
            self.model(Who::Teacher)?;
        }
        Ok(sides)
    }

    /// The logits of all rows, `[rows, classes]`.
    pub fn logits(&self, who: Who) -> Result<&Table> {
        let side = self.side(who)?;
        once(&side.logits, || match side.model {
            Some(model) => logits_of(model, &self.data, &self.cancel),
            None => {
                let mut values = Vec::new();
                for batch in self.data.batches(&BatchOptions::in_order(256), 0)? {
                    let Some(TeacherLogits::All(logits)) = batch?.teacher_logits else {
                        return Err(Error::internal("the data have no teacher"));
                    };
                    values.extend(to_f64(&logits)?);
                }
                Ok(Table { width: self.classes(who)?, values })
            }
        })
    }

    /// Logits and labels of the validation rows; `None` without such rows.
    pub fn validation(&self, who: Who) -> Result<Option<(Table, Vec<usize>)>> {
        let (Some(data), Some(model)) = (&self.validation, self.side(who)?.model) else { return Ok(None) };
        Ok(Some((logits_of(model, data, &self.cancel)?, labels_of(data, "validation")?)))
    }

    /// Penultimate activations of all rows, and class templates.
    pub fn inner(&self, who: Who) -> Result<&Inner> {
        let model = self.model(who)?;
        once(&self.side(who)?.inner, || inner_of(model, &self.data, &|| self.go_on()))
    }
}

fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

fn labels_of(data: &Dataset, path: &str) -> Result<Vec<usize>> {
    if data.label_kind() != LabelKind::Single {
        let message = format!("expected one label per row, got {}", data.label_kind().words());
        return Err(Error::data(path, message));
    }
    let mut labels = empty(data.rows());
    labels.extend((0..data.rows()).filter_map(|row| data.label(row)).map(|label| label as usize));
    Ok(labels)
}

fn inner_of(model: &Model, data: &Dataset, go_on: &dyn Fn() -> Result<()>) -> Result<Inner> {
    let layers = &model.network.architecture().layers;
    let head = layers.len() - 1;
    let unfit =
        || Error::config("layers", "expected a linear layer as the last one, because its rows are the class templates");
    let (LayerOptions::Linear(_), Some(name)) = (&layers[head], model.network.head()) else { return Err(unfit()) };
    let (dims, weight) = model.parameters.get(&format!("{name}.weight"))?;
    let &[classes, width] = dims.as_slice() else { return Err(unfit()) };
    if classes != model.network.classes() {
        let message =
            format!("expected one vector per row before the last layer, got {}", model.network.classes() / classes);
        return Err(Error::shape("layers", message));
    }
    let before = head.checked_sub(1).map(|index| name_at("", index, &layers[index]));
    let mut values = empty(data.rows().saturating_mul(width));
    for batch in data.batches(&BatchOptions::in_order(model.rows_at_once()), 0)? {
        go_on()?;
        let batch = batch?;
        values.extend(to_f64(&hidden(model, &batch.inputs, &batch.ids, before.as_deref())?)?);
    }
    let templates = Table { width, values: collected(weight.into_iter().map(f64::from)) };
    Ok(Inner { activations: Table { width, values }, templates })
}

/// The output of a layer, or the normalised input itself, in evaluation mode.
fn hidden(model: &Model, inputs: &Features, ids: &[u64], layer: Option<&str>) -> Result<Tensor> {
    let inputs = model.preprocessing.apply(inputs)?;
    let tensor = match (layer, &inputs) {
        (None, Features::Dense(tensor)) => tensor.clone(),
        (None, _) => return Err(Error::config("layers", "expected a layer before the last one, got none")),
        (Some(layer), _) => {
            let request = Request { hidden: BTreeSet::from([layer.to_string()]), ..Request::default() };
            let mut tape = Tape::new(Engine::Kernels);
            let bound = model.parameters.constants();
            let outputs =
                model.network.forward(&mut tape, &bound, &inputs, ids, &request, Mode::Evaluate, Key::new(0))?;
            let kept = outputs.hidden.get(layer).map(|value| value.tensor().clone());
            kept.ok_or_else(|| Error::internal(format!("layer {layer} gave nothing")))?
        }
    };
    tensor.contiguous().ok_or_internal()
}
