//! The columns of a data set, which are checked completely before use.
//!
//! Every column has one entry per row. Errors name the column, the row and the invalid value.

use crate::blocks::collected;
use crate::error::{Error, Result};
use crate::labels::{LabelKind, NOT_ONE, UNLABELLED, not_one};
use crate::signature::{self, Bytes};
use crate::top_logits::{self, Tail};

/// The inputs of the models.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// Numbers, row after row; each row has the shape `shape`, such as `[1, 28, 28]`.
    F32 { values: Vec<f32>, shape: Vec<usize> },
    /// Bytes; a batch contains `scale · byte + offset`.
    U8 { values: Vec<u8>, shape: Vec<usize>, scale: f32, offset: f32 },
    /// Ids (tokens, categories): `length` ids in every row.
    Ids { values: Vec<u32>, length: usize },
    /// A different number of ids in each row: row `r` has `values[offsets[r]..offsets[r + 1]]`. `weights` has one finite
    /// number ≥ 0 per id; without it all weights are 1.
    Ragged { values: Vec<u32>, offsets: Vec<u64>, weights: Option<Vec<f32>> },
}

impl Inputs {
    /// The shape of one row; `None` for ragged ids.
    pub fn shape(&self) -> Option<Vec<usize>> {
        match self {
            Inputs::F32 { shape, .. } | Inputs::U8 { shape, .. } => Some(shape.clone()),
            Inputs::Ids { length, .. } => Some(vec![*length]),
            Inputs::Ragged { .. } => None,
        }
    }

    /// The scaling of bytes; `None` if the inputs are not bytes.
    pub fn bytes(&self) -> Option<Bytes> {
        match self {
            Inputs::U8 { scale, offset, .. } => Some(Bytes { scale: *scale, offset: *offset }),
            Inputs::F32 { .. } | Inputs::Ids { .. } | Inputs::Ragged { .. } => None,
        }
    }

    /// The kind of inputs in words, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Inputs::F32 { .. } => "floating point numbers",
            Inputs::U8 { .. } => "bytes",
            Inputs::Ids { .. } => "ids of one count",
            Inputs::Ragged { .. } => "ids of different count",
        }
    }

    fn rows(&self) -> Result<usize> {
        let dense = |count: usize, shape: &[usize]| {
            let Some(size) =
                shape.iter().try_fold(1usize, |size, side| size.checked_mul(*side)).filter(|size| *size > 0)
            else {
                return Err(Error::data("inputs", format!("expected a row shape with sizes above 0, got {shape:?}")));
            };
            if !count.is_multiple_of(size) {
                let message = format!("expected a multiple of {size} numbers (rows of shape {shape:?}), got {count}");
                return Err(Error::data("inputs", message));
            }
            Ok(count / size)
        };
        match self {
            Inputs::F32 { values, shape } => dense(values.len(), shape),
            Inputs::U8 { values, shape, .. } => dense(values.len(), shape),
            Inputs::Ids { values, length } => dense(values.len(), &[*length]),
            Inputs::Ragged { values, offsets, .. } => {
                let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
                    return Err(Error::data("inputs.offsets", "expected one more offset than rows, got no offsets"));
                };
                if *first != 0 || *last != values.len() as u64 {
                    let count = values.len();
                    let message =
                        format!("expected offsets from 0 to {count} (the number of ids), got {first} to {last}");
                    return Err(Error::data("inputs.offsets", message));
                }
                if let Some(row) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
                    let message = format!(
                        "expected offsets that never decrease, got {} after {} at row {row}",
                        offsets[row + 1],
                        offsets[row]
                    );
                    return Err(Error::data("inputs.offsets", message));
                }
                Ok(offsets.len() - 1)
            }
        }
    }

    fn check(&self) -> Result<usize> {
        let rows = self.rows()?;
        if rows == 0 {
            return Err(Error::data("inputs", "expected at least one row, got an empty data set"));
        }
        if rows > u32::MAX as usize {
            return Err(Error::data("inputs", format!("expected at most {} rows, got {rows}", u32::MAX)));
        }
        match self {
            Inputs::F32 { values, .. } => finite("inputs", values, values.len() / rows)?,
            Inputs::U8 { scale, offset, .. } => Bytes { scale: *scale, offset: *offset }.validate()?,
            Inputs::Ragged { values, weights: Some(weights), .. } => {
                length("inputs.weights", weights.len(), values.len(), 1, "weight")?;
                if let Some(at) = weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
                    let message = format!("expected a finite number of at least 0, got {}", weights[at]);
                    return Err(Error::data(format!("inputs.weights[{at}]"), message));
                }
            }
            Inputs::Ids { .. } | Inputs::Ragged { .. } => {}
        }
        Ok(rows)
    }
}

/// The labels of the rows, if known.
#[derive(Clone, Debug, Default)]
pub enum LabelColumn {
    #[default]
    None,
    /// One class per row, below `classes`, or `UNLABELLED`. Default of `classes`: the largest label + 1.
    Single { values: Vec<u32>, classes: Option<usize> },
    /// Several classes per row, `[rows, classes]`, each number in 0…1.
    Several { values: Vec<f32>, classes: usize },
    /// Regression, `[rows, outputs]`.
    Real { values: Vec<f32>, outputs: usize },
}

impl LabelColumn {
    pub fn kind(&self) -> LabelKind {
        match self {
            LabelColumn::None => LabelKind::None,
            LabelColumn::Single { .. } => LabelKind::Single,
            LabelColumn::Several { .. } => LabelKind::Several,
            LabelColumn::Real { .. } => LabelKind::Real,
        }
    }

    fn check(&self, rows: usize) -> Result<()> {
        match self {
            LabelColumn::None => Ok(()),
            LabelColumn::Single { values, classes } => {
                length("labels", values.len(), rows, 1, "label")?;
                let Some(classes) = *classes else { return Ok(()) };
                match values.iter().position(|label| *label as usize >= classes && *label != UNLABELLED) {
                    Some(row) => Err(Error::data(
                        format!("labels[{row}]"),
                        format!(
                            "expected a label below {classes} (the number of classes), got {}: classes are counted from 0",
                            values[row]
                        ),
                    )),
                    None => Ok(()),
                }
            }
            LabelColumn::Several { values, classes } => {
                length("labels", values.len(), rows, *classes, "number")?;
                finite("labels", values, *classes)?;
                match values.iter().position(|value| !(0.0..=1.0).contains(value)) {
                    Some(at) => Err(Error::data(
                        format!("labels[{}][{}]", at / classes, at % classes),
                        format!("expected a number from 0 to 1, got {}", values[at]),
                    )),
                    None => Ok(()),
                }
            }
            LabelColumn::Real { values, outputs } => {
                length("labels", values.len(), rows, *outputs, "number")?;
                finite("labels", values, *outputs)
            }
        }
    }
}

impl LabelColumn {
    /// Rejects labels if the numbers of one of these rows are not probabilities of the classes.
    pub(super) fn check_probabilities(&self, rows: impl Iterator<Item = usize>) -> Result<()> {
        let LabelColumn::Several { values, classes } = self else {
            return Err(Error::data(
                "labels",
                "expected probabilities, one number per class in each row, got other labels",
            ));
        };
        for row in rows {
            if let Some((_, sum)) = not_one(&values[row * classes..(row + 1) * classes], *classes) {
                let message = format!("expected probabilities that add up to 1, got {sum}: {NOT_ONE}");
                return Err(Error::data(format!("labels[{row}]"), message));
            }
        }
        Ok(())
    }
}

/// A teacher's outputs, which are matched with the rows by sample id.
#[derive(Clone, Debug)]
pub struct TeacherColumn {
    /// `[answers, width]`; an answer is the output for one sample.
    pub logits: Vec<f32>,
    /// Numbers per answer: the number of classes, or k if only the k largest logits are stored.
    pub width: usize,
    /// The classes of the largest logits; `None` if the logits of all classes are stored.
    pub top: Option<TopColumn>,
    /// The sample id of each answer; `None`: answers are in the order of the rows.
    pub ids: Option<Vec<u64>>,
}

/// The classes of a column of largest logits.
#[derive(Clone, Debug)]
pub struct TopColumn {
    /// `[answers, width]`; the classes of one answer are all different.
    pub classes: Vec<u32>,
    pub tail: Option<Tail>,
}

impl TeacherColumn {
    /// The name of the column in messages.
    pub(super) fn path(&self) -> &'static str {
        if self.top.is_some() { "teacherTopK" } else { "teacherLogits" }
    }

    /// Checks the column. `classes` is the number of classes of the labels, if the labels are classes.
    pub(super) fn check(&self, rows: usize, classes: Option<usize>) -> Result<()> {
        let TeacherColumn { logits, width, top, ids } = self;
        let answers = ids.as_ref().map_or(rows, Vec::len);
        let path = if top.is_some() { "teacherTopK.logits" } else { "teacherLogits" };
        length(path, logits.len(), answers, *width, "number")?;
        finite(path, logits, *width)?;
        if let Some(ids) = ids {
            different(&format!("{}.ids", self.path()), ids)?;
        }
        match (top, classes) {
            (Some(top), classes) => top.check(logits, *width, classes),
            (None, Some(own)) if own != *width => {
                let message = format!("expected {own} classes, as in the labels, got {width}");
                Err(Error::data("teacherLogits", message))
            }
            (None, _) => Ok(()),
        }
    }
}

impl TopColumn {
    fn check(&self, logits: &[f32], width: usize, below: Option<usize>) -> Result<()> {
        let answers = logits.len() / width;
        length("teacherTopK.classes", self.classes.len(), answers, width, "number")?;
        top_logits::different(&self.classes, width, below)?;
        let Some(Tail { temperature, log_sum_exp }) = &self.tail else { return Ok(()) };
        if !(temperature.is_finite() && *temperature > 0.0) {
            let message = format!("expected a number above 0, got {temperature}");
            return Err(Error::data("teacherTopK.temperature", message));
        }
        length("teacherTopK.logSumExp", log_sum_exp.len(), answers, 1, "number")?;
        finite("teacherTopK.logSumExp", log_sum_exp, 1)?;
        for (answer, (row, all)) in logits.chunks(width).zip(log_sum_exp).enumerate() {
            let scaled = || row.iter().map(|logit| f64::from(*logit) / temperature);
            let max = scaled().fold(f64::NEG_INFINITY, f64::max);
            let own = max + scaled().map(|logit| (logit - max).exp()).sum::<f64>().ln();
            // The sum over all classes is not below that over some of them; both were rounded to 24 bits.
            if f64::from(*all) < own - 1e-5 * own.abs().max(max.abs()).max(1.0) {
                let message = format!(
                    "expected ln Σ e^(logit / {temperature}) over all classes, at least {own:.4} (the value of the stored \
                     classes), got {all}"
                );
                return Err(Error::data(format!("teacherTopK.logSumExp[{answer}]"), message));
            }
        }
        Ok(())
    }
}

/// All columns of a data set, or of one batch of a stream.
#[derive(Clone, Debug)]
pub struct Columns {
    pub inputs: Inputs,
    pub labels: LabelColumn,
    /// The sample ids, all different. Default: the row index.
    pub ids: Option<Vec<u64>>,
    /// Weights of the rows in the losses, ≥ 0; 0 masks a row.
    pub weights: Option<Vec<f32>>,
    /// Weights for sampling rows with replacement, ≥ 0; without them every row occurs once per epoch.
    pub sampling: Option<Vec<f32>>,
    pub teacher: Option<TeacherColumn>,
    /// One name per input column.
    pub input_names: Option<Vec<String>>,
    /// The names of the classes, in the order of the labels.
    pub label_names: Option<Vec<String>>,
    /// Whether the labels of a row are the probabilities of its classes, which sum to 1.
    pub probabilities: bool,
}

impl Columns {
    pub fn new(inputs: Inputs, labels: LabelColumn) -> Columns {
        Columns {
            inputs,
            labels,
            ids: None,
            weights: None,
            sampling: None,
            teacher: None,
            input_names: None,
            label_names: None,
            probabilities: false,
        }
    }

    /// Rejects invalid columns by name, sets the number of classes, and returns the number of rows.
    pub(super) fn check(&mut self) -> Result<usize> {
        let rows = self.inputs.check()?;
        if let (LabelColumn::Single { values, classes: classes @ None }, names) = (&mut self.labels, &self.label_names)
        {
            let seen = largest_label(values).map(|largest| largest as usize + 1);
            match names.as_ref().map(Vec::len).or(seen) {
                Some(count) => *classes = Some(count),
                // No row has a label.
                None => self.labels = LabelColumn::None,
            }
        }
        self.labels.check(rows)?;
        if self.probabilities {
            self.labels.check_probabilities(0..rows)?;
        }
        if let Some(ids) = &self.ids {
            length("ids", ids.len(), rows, 1, "id")?;
            different("ids", ids)?;
        }
        for (path, column) in [("weights", &self.weights), ("sampling", &self.sampling)] {
            let Some(weights) = column else { continue };
            length(path, weights.len(), rows, 1, "weight")?;
            if let Some(row) = weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
                let message = format!("expected a finite number of at least 0, got {}", weights[row]);
                return Err(Error::data(format!("{path}[{row}]"), message));
            }
            if weights.iter().all(|weight| *weight == 0.0) {
                return Err(Error::data(path, "expected a weight above 0 in at least one row, got 0 in all"));
            }
        }
        if let Some(names) = &self.input_names {
            let width = self.inputs.shape().map(|shape| shape.iter().product::<usize>());
            if width != Some(names.len()) {
                let expected = width.map_or("no names for ids of different count".into(), |width| {
                    format!("{width} names, one per number of a row")
                });
                return Err(Error::data("inputNames", format!("expected {expected}, got {}", names.len())));
            }
            signature::different("inputNames", names)?;
        }
        if let Some(names) = &self.label_names {
            signature::different("labelNames", names)?;
            match self.classes() {
                Some(classes) if classes == names.len() => {}
                Some(classes) => {
                    let message = format!("expected {classes} names, one for each class, got {}", names.len());
                    return Err(Error::data("labelNames", message));
                }
                None => return Err(Error::data("labelNames", "expected labels that are classes, got real numbers")),
            }
        }
        if let Some(teacher) = &self.teacher {
            teacher.check(rows, self.classes())?;
        }
        Ok(rows)
    }

    pub fn classes(&self) -> Option<usize> {
        match &self.labels {
            LabelColumn::Single { classes, .. } => *classes,
            LabelColumn::Several { classes, .. } => Some(*classes),
            // Data without labels may still have names of classes.
            LabelColumn::None => self.label_names.as_ref().map(Vec::len),
            LabelColumn::Real { .. } => None,
        }
    }
}

/// The largest known label.
pub fn largest_label(labels: &[u32]) -> Option<u32> {
    labels.iter().copied().filter(|label| *label != UNLABELLED).max()
}

fn length(path: &str, got: usize, rows: usize, each: usize, what: &str) -> Result<()> {
    if each == 0 {
        return Err(Error::data(path, format!("expected at least one {what} per row, got 0")));
    }
    if rows.checked_mul(each) == Some(got) {
        return Ok(());
    }
    let expected = match each {
        1 => format!("expected {rows} {what}s, one for each row"),
        _ => format!("expected {} {what}s, {each} for each of {rows} rows", rows.saturating_mul(each)),
    };
    Err(Error::data(path, format!("{expected}, got {got}")))
}

fn finite(path: &str, values: &[f32], width: usize) -> Result<()> {
    // Checking whole blocks needs no branch per number, so it is as fast as reading the memory.
    let sound = |block: &&[f32]| block.iter().fold(true, |sound, value| sound & value.is_finite());
    let whole = values.chunks(4096).take_while(sound).map(<[f32]>::len).sum::<usize>();
    match values[whole..].iter().position(|value| !value.is_finite()).map(|at| whole + at) {
        Some(at) => {
            let logit = path.starts_with("teacher") && values[at] == f32::NEG_INFINITY;
            let remedy = if logit { ": give an impossible class a very small logit, such as -1e4" } else { "" };
            let message =
                format!("expected finite numbers, got {} at position {} of the row{remedy}", values[at], at % width);
            Err(Error::data(format!("{path}[{}]", at / width), message))
        }
        None => Ok(()),
    }
}

pub(super) fn different(path: &str, ids: &[u64]) -> Result<()> {
    if ids.windows(2).all(|pair| pair[0] < pair[1]) {
        return Ok(()); // the usual case, without a copy
    }
    let mut sorted = collected(ids.iter().enumerate().map(|(row, id)| (*id, row as u32)));
    sorted.sort_unstable();
    match sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0).min_by_key(|pair| pair[1].1) {
        Some(pair) => Err(Error::data(
            format!("{path}[{}]", pair[1].1),
            format!("expected unique ids, got {}, which is also the id of row {}", pair[0].0, pair[0].1),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_that_is_not_finite_is_named_at_any_position() {
        for at in [0, 4095, 4096, 9_999, 10_000] {
            let mut values = vec![1.0; 10_001];
            values[at] = f32::INFINITY;
            values[10_000] = f32::NAN;
            let message = finite("inputs", &values, 10).unwrap_err().to_string();
            assert!(message.starts_with(&format!("inputs[{}]", at / 10)), "{message}");
            assert!(message.ends_with(&format!("at position {} of the row", at % 10)), "{message}");
        }
        assert!(finite("inputs", &[f32::MAX; 5000], 10).is_ok());
    }
}
