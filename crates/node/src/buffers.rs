//! Typed arrays, passed to native code once, and the JSON that describes them.

use limbeck_core::batch::Features;
use limbeck_core::blocks;
use limbeck_core::dataset::{Columns, Inputs, LabelColumn, TeacherColumn, TopColumn};
use limbeck_core::error::{Error, Result};
use limbeck_core::reading::parse;
use limbeck_core::signature::Signature;
use limbeck_core::top_logits::Tail;
use napi::bindgen_prelude::{Float32Array, Float64Array, Uint8Array, Uint32Array};
use napi_derive::napi;
use serde::Deserialize;

/// Arrays of one call; the call's JSON argument lists which of them are present. They are copied before the call returns.
#[napi(object)]
pub struct Buffers {
    /// Dense inputs.
    pub f32: Option<Float32Array>,
    /// Dense inputs as bytes.
    pub u8: Option<Uint8Array>,
    /// Ids, the same number in every row, or ragged.
    pub ids: Option<Uint32Array>,
    /// Offsets of ragged rows: one more than the number of rows.
    pub offsets: Option<Uint32Array>,
    /// Weights of ragged ids, one per id.
    pub id_weights: Option<Float32Array>,
    /// One class per row; 2³² − 1 in unlabelled rows.
    pub labels: Option<Uint32Array>,
    /// Multi-label or real-valued labels, `[rows, width]`.
    pub targets: Option<Float32Array>,
    /// One integer per row, 0…2⁵³ − 1.
    pub sample_ids: Option<Float64Array>,
    /// Loss weights of the rows.
    pub weights: Option<Float32Array>,
    /// Sampling weights of the rows.
    pub sampling: Option<Float32Array>,
    /// Teacher logits, `[outputs, width]`.
    pub teacher: Option<Float32Array>,
    /// For the k largest logits of each output: their classes, `[outputs, width]`.
    pub teacher_classes: Option<Uint32Array>,
    /// For the k largest logits: ln Σ e^(logit / temperature) over all classes, one per output.
    pub teacher_tail: Option<Float32Array>,
    /// The sample id of each output.
    pub teacher_ids: Option<Float64Array>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum InputsJson {
    F32 {
        shape: Vec<usize>,
    },
    U8 {
        shape: Vec<usize>,
        scale: f32,
        offset: f32,
    },
    Ids {
        length: usize,
    },
    Ragged {
        #[serde(default)]
        weights: bool,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum LabelsJson {
    Single { classes: Option<usize> },
    Several { classes: usize },
    Probabilities { classes: usize },
    Real { outputs: usize },
}

/// Description of a column of teacher outputs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TeacherJson {
    /// Numbers per output.
    width: usize,
    /// Temperature of the log-sum-exp over all classes.
    temperature: Option<f64>,
}

impl TeacherJson {
    pub(crate) fn column(&self, buffers: &Buffers) -> Result<TeacherColumn> {
        let tail = |log_sum_exp: &Float32Array| Tail {
            temperature: self.temperature.unwrap_or(1.0),
            log_sum_exp: blocks::copied(log_sum_exp),
        };
        let top = buffers.teacher_classes.as_ref().map(|classes| TopColumn {
            classes: blocks::copied(classes),
            tail: buffers.teacher_tail.as_ref().map(tail),
        });
        let logits = given(&buffers.teacher, "teacherLogits")?;
        Ok(TeacherColumn { logits, width: self.width, top, ids: buffers.teacher_ids.as_ref().map(ids) })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ColumnsJson {
    inputs: InputsJson,
    labels: Option<LabelsJson>,
    teacher: Option<TeacherJson>,
    input_names: Option<Vec<String>>,
    label_names: Option<Vec<String>>,
}

fn given<T: AsRef<[E]>, E: Copy>(buffer: &Option<T>, name: &str) -> Result<Vec<E>> {
    let buffer = buffer.as_ref().ok_or_else(|| Error::data(name, "expected a typed array, got none"))?;
    Ok(blocks::copied(buffer.as_ref()))
}

/// Sample ids are numbers in JavaScript; the facade has checked that they are integers.
fn ids(values: &Float64Array) -> Vec<u64> {
    blocks::collected(values.iter().map(|id| *id as u64))
}

pub(crate) fn columns(json: &str, buffers: &Buffers) -> Result<Columns> {
    let json: ColumnsJson = parse(json)?;
    let inputs = match json.inputs {
        InputsJson::F32 { shape } => Inputs::F32 { values: given(&buffers.f32, "inputs")?, shape },
        InputsJson::U8 { shape, scale, offset } => {
            Inputs::U8 { values: given(&buffers.u8, "inputs")?, shape, scale, offset }
        }
        InputsJson::Ids { length } => Inputs::Ids { values: given(&buffers.ids, "inputs")?, length },
        InputsJson::Ragged { weights } => Inputs::Ragged {
            values: given(&buffers.ids, "inputs.values")?,
            offsets: blocks::collected(given(&buffers.offsets, "inputs.offsets")?.into_iter().map(u64::from)),
            weights: if weights { Some(given(&buffers.id_weights, "inputs.weights")?) } else { None },
        },
    };
    let probabilities = matches!(json.labels, Some(LabelsJson::Probabilities { .. }));
    let labels = match json.labels {
        None => LabelColumn::None,
        Some(LabelsJson::Single { classes }) => {
            LabelColumn::Single { values: given(&buffers.labels, "labels")?, classes }
        }
        Some(LabelsJson::Several { classes } | LabelsJson::Probabilities { classes }) => {
            LabelColumn::Several { values: given(&buffers.targets, "labels")?, classes }
        }
        Some(LabelsJson::Real { outputs }) => LabelColumn::Real { values: given(&buffers.targets, "labels")?, outputs },
    };
    let copied = |buffer: &Option<Float32Array>| buffer.as_ref().map(|values| blocks::copied(values));
    Ok(Columns {
        probabilities,
        ids: buffers.sample_ids.as_ref().map(ids),
        weights: copied(&buffers.weights),
        sampling: copied(&buffers.sampling),
        teacher: json.teacher.map(|teacher| teacher.column(buffers)).transpose()?,
        input_names: json.input_names,
        label_names: json.label_names,
        ..Columns::new(inputs, labels)
    })
}

/// Only the inputs, for predictions of a model with the signature of `reader`.
pub(crate) fn inputs(json: &str, buffers: &Buffers, reader: impl FnOnce() -> Signature) -> Result<(Features, usize)> {
    Features::of_columns(columns(json, buffers)?, reader)
}
