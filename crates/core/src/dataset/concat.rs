//! Concatenates the rows of two data sets; this copies the columns.
//!
//! Columns and classes of the second data set are reordered by name to match the first. Ids are kept if all are
//! different. If both tables identify rows only by index, the rows are renumbered; a duplicate row is rejected.

use std::sync::Arc;

use super::columns::{Columns, Inputs, LabelColumn, TeacherColumn, TopColumn, different};
use super::view::{Answers, Dataset};
use crate::blocks::{self, collected};
use crate::error::{Error, Result};
use crate::top_logits::Tail;

impl Dataset {
    pub fn concat(&self, other: &Dataset) -> Result<Dataset> {
        let other = &other.seen_by(&self.signature(), "concat")?;
        let all = [self, other];
        self.joined(other).map_err(|error| error.at("concat")).and_then(|mut columns| {
            let mut ids = blocks::empty(self.rows() + other.rows());
            all.iter().for_each(|data| ids.extend((0..data.rows()).map(|at| data.id(at))));
            let by_index = all.iter().all(|data| data.columns().ids.is_none());
            match different("concat.ids", &ids) {
                Ok(()) => columns.ids = Some(ids),
                Err(_) if by_index && !Arc::ptr_eq(&self.table, &other.table) => {}
                Err(error) => return Err(error),
            }
            Dataset::new(columns)
        })
    }

    fn joined(&self, other: &Dataset) -> Result<Columns> {
        let (a, b) = (self.columns(), other.columns());
        let rows: [Vec<usize>; 2] = [self, other].map(|data| collected((0..data.rows()).map(|at| data.row(at))));
        let per_row = |path, a: &Option<Vec<f32>>, b: &Option<Vec<f32>>| match (a, b) {
            (None, None) => Ok(None),
            (Some(a), Some(b)) => Ok(Some(join(a, b, 1, &rows))),
            _ => Err(Error::data(path, "expected this column in both data sets or in neither, got it in one")),
        };
        let teacher = match (&self.answers, &other.answers) {
            (None, None) => None,
            (Some(a), Some(b)) => Some(answers(a, b, &rows)?),
            _ => {
                return Err(Error::data(
                    "teacherLogits",
                    "expected this column in both data sets or in neither, got it in one",
                ));
            }
        };
        if self.probabilities != other.probabilities {
            return Err(Error::data(
                "labels",
                "expected the same kind of labels in both data sets, got several labels per row and probabilities",
            ));
        }
        if a.label_names != b.label_names {
            return Err(Error::data("labelNames", "expected the same names in both data sets, got different names"));
        }
        Ok(Columns {
            inputs: inputs(&a.inputs, &b.inputs, &rows)?,
            labels: labels(&a.labels, &b.labels, &rows)?,
            ids: None,
            weights: per_row("weights", &a.weights, &b.weights)?,
            sampling: per_row("sampling", &a.sampling, &b.sampling)?,
            teacher,
            input_names: a.input_names.clone().or_else(|| b.input_names.clone()),
            label_names: a.label_names.clone(),
            probabilities: self.probabilities,
        })
    }
}

/// The teacher outputs of these rows.
fn answers(a: &Answers, b: &Answers, rows: &[Vec<usize>; 2]) -> Result<TeacherColumn> {
    let of = |answers: &Answers, rows: &[usize]| collected(rows.iter().map(|row| answers.of_row[*row] as usize));
    let (found, width) = ([of(a, &rows[0]), of(b, &rows[1])], a.width);
    let top = match (&a.top, &b.top) {
        (None, None) if width == b.width => None,
        (Some(of_a), Some(of_b)) if width == b.width => {
            let tail = match (&of_a.tail, &of_b.tail) {
                (None, None) => None,
                (Some(a), Some(b)) if a.temperature == b.temperature => {
                    let log_sum_exp = join(&a.log_sum_exp, &b.log_sum_exp, 1, &found);
                    Some(Tail { temperature: a.temperature, log_sum_exp })
                }
                _ => {
                    let message = "expected the same temperature in both data sets, or logSumExp in neither";
                    return Err(Error::data("teacherTopK.logSumExp", message));
                }
            };
            Some(TopColumn { classes: join(&of_a.classes, &of_b.classes, width, &found), tail })
        }
        _ => {
            let kind = |answers: &Answers| match answers.top {
                None => format!("the logits of {} classes", answers.width),
                Some(_) => format!("the largest {} logits", answers.width),
            };
            let (a, b) = (kind(a), kind(b));
            let message = format!("expected the same kind of teacher outputs in both data sets, got {a} and {b}");
            return Err(Error::data("teacherLogits", message));
        }
    };
    Ok(TeacherColumn { logits: join(&a.logits, &b.logits, width, &found), width, top, ids: None })
}

fn join<T: Copy>(a: &[T], b: &[T], width: usize, rows: &[Vec<usize>; 2]) -> Vec<T> {
    let mut all = blocks::empty((rows[0].len() + rows[1].len()) * width);
    for (values, rows) in [a, b].into_iter().zip(rows) {
        rows.iter().for_each(|row| all.extend_from_slice(&values[row * width..][..width]));
    }
    all
}

fn inputs(a: &Inputs, b: &Inputs, rows: &[Vec<usize>; 2]) -> Result<Inputs> {
    match (a, b) {
        (Inputs::F32 { values: a, shape }, Inputs::F32 { values: b, shape: other }) if shape == other => {
            Ok(Inputs::F32 { values: join(a, b, shape.iter().product(), rows), shape: shape.clone() })
        }
        (
            Inputs::U8 { values: a, shape, scale, offset },
            Inputs::U8 { values: b, shape: other, scale: other_scale, offset: other_offset },
        ) if (shape, scale, offset) == (other, other_scale, other_offset) => Ok(Inputs::U8 {
            values: join(a, b, shape.iter().product(), rows),
            shape: shape.clone(),
            scale: *scale,
            offset: *offset,
        }),
        (Inputs::Ids { values: a, length }, Inputs::Ids { values: b, length: other }) if length == other => {
            Ok(Inputs::Ids { values: join(a, b, *length, rows), length: *length })
        }
        (
            Inputs::Ragged { values: a, offsets: of_a, weights: weights_a },
            Inputs::Ragged { values: b, offsets: of_b, weights: weights_b },
        ) if weights_a.is_some() == weights_b.is_some() => {
            let (mut values, mut offsets, mut weights) = (Vec::new(), vec![0], Vec::new());
            for ((ids, of, own), rows) in [(a, of_a, weights_a), (b, of_b, weights_b)].into_iter().zip(rows) {
                for row in rows {
                    let range = of[*row] as usize..of[row + 1] as usize;
                    values.extend_from_slice(&ids[range.clone()]);
                    weights.extend_from_slice(own.as_ref().map_or(&[], |own| &own[range]));
                    offsets.push(values.len() as u64);
                }
            }
            Ok(Inputs::Ragged { values, offsets, weights: weights_a.is_some().then_some(weights) })
        }
        _ => {
            let message = format!("expected rows of the same kind and shape, got {} and {}", kind(a), kind(b));
            Err(Error::data("inputs", message))
        }
    }
}

fn kind(inputs: &Inputs) -> String {
    match inputs {
        Inputs::F32 { shape, .. } => format!("f32 {shape:?}"),
        Inputs::U8 { shape, scale, offset, .. } if (*scale, *offset) == (1.0, 0.0) => format!("u8 {shape:?}"),
        Inputs::U8 { shape, scale, offset, .. } => format!("u8 {shape:?} (scale {scale}, offset {offset})"),
        Inputs::Ids { length, .. } => format!("ids [{length}]"),
        Inputs::Ragged { weights: None, .. } => "ragged ids".to_string(),
        Inputs::Ragged { .. } => "ragged ids with weights".to_string(),
    }
}

fn labels(a: &LabelColumn, b: &LabelColumn, rows: &[Vec<usize>; 2]) -> Result<LabelColumn> {
    match (a, b) {
        (LabelColumn::None, LabelColumn::None) => Ok(LabelColumn::None),
        (LabelColumn::Single { values: a, classes }, LabelColumn::Single { values: b, classes: other })
            if classes == other =>
        {
            Ok(LabelColumn::Single { values: join(a, b, 1, rows), classes: *classes })
        }
        (LabelColumn::Several { values: a, classes }, LabelColumn::Several { values: b, classes: other })
            if classes == other =>
        {
            Ok(LabelColumn::Several { values: join(a, b, *classes, rows), classes: *classes })
        }
        (LabelColumn::Real { values: a, outputs }, LabelColumn::Real { values: b, outputs: other })
            if outputs == other =>
        {
            Ok(LabelColumn::Real { values: join(a, b, *outputs, rows), outputs: *outputs })
        }
        _ => Err(Error::data(
            "labels",
            "expected the same kind of labels and number of classes in both data sets, got different ones",
        )),
    }
}
