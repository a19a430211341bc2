//! Builds the tensors of a batch from the columns, on all threads of the pool.

use super::columns::{Columns, Inputs, LabelColumn, TopColumn};
use super::view::{Answers, Dataset, MISSING};
use crate::batch::{Batch, Features, TeacherLogits};
use crate::blocks::{self, collected};
use crate::error::{Error, Result};
use crate::labels::Labels;
use crate::pool;
use crate::signature::Signature;
use crate::tensor::{self, Tensor};
use crate::top_logits::{Tail, TopLogits};

/// Count of numbers per task; less work is not worth a thread.
const TASK: usize = 1 << 15;

impl Dataset {
    /// The rows at these positions as a batch.
    pub fn batch(&self, positions: &[u32], epoch: u64) -> Result<Batch> {
        let rows = collected(positions.iter().map(|position| self.row(*position as usize) as u32));
        let columns = &self.table.columns;
        Ok(Batch {
            ids: collected(rows.iter().map(|row| self.id_of_row(*row as usize))),
            epoch,
            inputs: features(&columns.inputs, &rows)?,
            labels: labels(&columns.labels, &rows, self.probabilities)?,
            row_weights: columns
                .weights
                .as_ref()
                .map(|weights| collected(rows.iter().map(|row| weights[*row as usize]))),
            teacher_logits: self.answers.as_ref().map(|answers| teacher_logits(answers, &rows)).transpose()?,
            pair: None,
        })
    }

    /// All rows as one batch.
    pub fn batch_of_all(&self, epoch: u64) -> Result<Batch> {
        self.batch(&collected(0..self.rows() as u32), epoch)
    }
}

impl Batch {
    /// A batch of a stream, with the same checks as a data set. Rows without ids are numbered from `first_id`.
    pub fn from_columns(mut columns: Columns, epoch: u64, first_id: u64) -> Result<Batch> {
        if columns.ids.is_none() {
            let rows = columns.check()?;
            columns.ids = Some(collected((0..rows).map(|row| first_id + row as u64)));
        }
        Dataset::new(columns)?.batch_of_all(epoch)
    }
}

impl Features {
    /// The inputs of all rows, with columns in the order of `reader`, and the number of rows.
    pub fn of_columns(columns: Columns, reader: impl FnOnce() -> Signature) -> Result<(Features, usize)> {
        let named = columns.input_names.is_some();
        let mut rows = Dataset::new(columns)?;
        if named {
            rows = rows.seen_by(&reader(), "")?;
        }
        Ok((rows.batch_of_all(0)?.inputs, rows.rows()))
    }
}

fn features(inputs: &Inputs, rows: &[u32]) -> Result<Features> {
    let shaped = |shape: &[usize]| [&[rows.len()], shape].concat();
    Ok(match inputs {
        Inputs::F32 { values, shape } => Features::Dense(dense(values, &shaped(shape), rows)?),
        Inputs::U8 { values, shape, scale, offset } => {
            let width = shape.iter().product::<usize>();
            let mut buffer = tensor::uninit(rows.len() * width);
            by_rows(&mut buffer, width, |at, target| {
                let start = rows[at] as usize * width;
                for (number, byte) in target.iter_mut().zip(&values[start..start + width]) {
                    *number = scale * f32::from(*byte) + offset;
                }
            });
            Features::Dense(tensor::from_vec(buffer, shaped(shape))?)
        }
        Inputs::Ids { values, length } => {
            let mut ids = blocks::empty(rows.len() * length);
            rows.iter().for_each(|row| ids.extend_from_slice(&values[*row as usize * length..][..*length]));
            Features::Ids(tensor::from_vec(ids, (rows.len(), *length))?)
        }
        Inputs::Ragged { values, offsets, weights } => {
            let length = |row: &u32| (offsets[*row as usize + 1] - offsets[*row as usize]) as usize;
            let count = rows.iter().map(length).sum();
            let mut ids = blocks::empty(count);
            let mut own = weights.as_ref().map(|_| blocks::empty(count));
            let mut ends = blocks::empty(rows.len() + 1);
            ends.push(0);
            for row in rows {
                let row = *row as usize;
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                ids.extend_from_slice(&values[range.clone()]);
                if let (Some(own), Some(weights)) = (&mut own, weights) {
                    own.extend_from_slice(&weights[range]);
                }
                let end = u32::try_from(ids.len()).map_err(|_| {
                    Error::data("batchSize", format!("expected fewer than 2^32 ids in a batch, got {}", ids.len()))
                })?;
                ends.push(end);
            }
            Features::Ragged { ids, offsets: ends, weights: own }
        }
    })
}

fn labels(column: &LabelColumn, rows: &[u32], probabilities: bool) -> Result<Labels> {
    Ok(match column {
        LabelColumn::None => Labels::None,
        LabelColumn::Single { values, .. } => Labels::Single(collected(rows.iter().map(|row| values[*row as usize]))),
        LabelColumn::Several { values, classes } => {
            let made = dense(values, &[rows.len(), *classes], rows)?;
            if probabilities { Labels::Probabilities(made) } else { Labels::Several(made) }
        }
        LabelColumn::Real { values, outputs } => Labels::Real(dense(values, &[rows.len(), *outputs], rows)?),
    })
}

fn teacher_logits(answers: &Answers, rows: &[u32]) -> Result<TeacherLogits> {
    let found = collected(rows.iter().map(|row| answers.of_row[*row as usize]));
    if found.contains(&MISSING) {
        return Err(Error::internal("a row of the batch has no teacher output"));
    }
    let Answers { logits, width, top, .. } = answers;
    let Some(TopColumn { classes, tail }) = top else {
        return Ok(TeacherLogits::All(dense(logits, &[rows.len(), *width], &found)?));
    };
    let tail = tail.as_ref().map(|Tail { temperature, log_sum_exp }| Tail {
        temperature: *temperature,
        log_sum_exp: picked(log_sum_exp, 1, &found),
    });
    let (classes, logits) = (picked(classes, *width, &found), picked(logits, *width, &found));
    Ok(TeacherLogits::Top(TopLogits { k: *width, classes, logits, tail }))
}

/// The `width` numbers of each of these rows.
fn picked<T: Copy>(values: &[T], width: usize, rows: &[u32]) -> Vec<T> {
    let mut all = blocks::empty(rows.len() * width);
    rows.iter().for_each(|row| all.extend_from_slice(&values[*row as usize * width..][..width]));
    all
}

/// The given rows of `values` as one tensor.
fn dense(values: &[f32], shape: &[usize], rows: &[u32]) -> Result<Tensor> {
    let width = shape[1..].iter().product::<usize>();
    let mut buffer = tensor::uninit(rows.len() * width);
    by_rows(&mut buffer, width, |at, target| target.copy_from_slice(&values[rows[at] as usize * width..][..width]));
    tensor::from_vec(buffer, shape)
}

/// Runs `write(index, row)` on every row of the buffer.
pub(super) fn by_rows(buffer: &mut [f32], width: usize, write: impl Fn(usize, &mut [f32]) + Sync + Send) {
    let each = (TASK / width).max(1);
    pool::pieces(buffer, each * width, |piece, rows| {
        rows.chunks_mut(width).enumerate().for_each(|(at, row)| write(piece * each + at, row));
    });
}
