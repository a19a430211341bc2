//! The fingerprint of a data set: SHA-256 over the rows of all columns. It prevents that a run is resumed on other data.
//!
//! The fingerprint of a selection depends only on its rows. It is computed at the first use and then stored.

use sha2::{Digest, Sha256};

use super::columns::{Inputs, LabelColumn, TopColumn};
use super::view::{Dataset, MISSING};
use crate::top_logits::Tail;

impl Dataset {
    /// 64 hexadecimal digits, which are equal for equal rows in the same order.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.get_or_init(|| self.digest()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn digest(&self) -> [u8; 32] {
        let columns = &self.table.columns;
        let mut sum = Sum { hasher: Sha256::new(), buffer: Vec::with_capacity(SIZE + 8) };
        sum.name("limbeck data 1", &[self.rows()]);
        match &columns.inputs {
            Inputs::F32 { values, shape } => {
                sum.name("f32", shape);
                self.each(|row| sum.floats(row_of(values, row, shape.iter().product())));
            }
            Inputs::U8 { values, shape, scale, offset } => {
                sum.name("u8", shape);
                sum.floats(&[*scale, *offset]);
                self.each(|row| sum.bytes(row_of(values, row, shape.iter().product())));
            }
            Inputs::Ids { values, length } => {
                sum.name("ids", &[*length]);
                self.each(|row| sum.integers(row_of(values, row, *length)));
            }
            Inputs::Ragged { values, offsets, weights } => {
                sum.name(if weights.is_some() { "weighted ragged" } else { "ragged" }, &[]);
                self.each(|row| {
                    let ids = &values[offsets[row] as usize..offsets[row + 1] as usize];
                    sum.bytes(&(ids.len() as u64).to_le_bytes());
                    sum.integers(ids);
                    if let Some(weights) = weights {
                        sum.floats(&weights[offsets[row] as usize..offsets[row + 1] as usize]);
                    }
                });
            }
        }
        match &columns.labels {
            LabelColumn::None => sum.name("no labels", &[]),
            LabelColumn::Single { values, classes } => {
                sum.name("single", &[classes.unwrap_or_default()]);
                self.each(|row| sum.integers(&values[row..=row]));
            }
            LabelColumn::Several { values, classes } => {
                sum.name("several", &[*classes]);
                self.each(|row| sum.floats(row_of(values, row, *classes)));
            }
            LabelColumn::Real { values, outputs } => {
                sum.name("real", &[*outputs]);
                self.each(|row| sum.floats(row_of(values, row, *outputs)));
            }
        }
        sum.name("sample ids", &[]);
        self.each(|row| sum.bytes(&self.id_of_row(row).to_le_bytes()));
        for (name, column) in [("weights", &columns.weights), ("sampling", &columns.sampling)] {
            if let Some(values) = column {
                sum.name(name, &[]);
                self.each(|row| sum.floats(&values[row..=row]));
            }
        }
        if let Some(answers) = &self.answers {
            sum.name("teacher logits", &[answers.width]);
            self.each(|row| match answers.of_row[row] {
                MISSING => {}
                answer => sum.floats(row_of(&answers.logits, answer as usize, answers.width)),
            });
            if let Some(TopColumn { classes, tail }) = &answers.top {
                sum.name("teacher classes", &[answers.width]);
                let known = |row: usize| Some(answers.of_row[row]).filter(|answer| *answer != MISSING);
                self.each(|row| {
                    known(row).into_iter().for_each(|at| sum.integers(row_of(classes, at as usize, answers.width)))
                });
                if let Some(Tail { temperature, log_sum_exp }) = tail {
                    sum.name("teacher tail", &[]);
                    sum.bytes(&temperature.to_le_bytes());
                    self.each(|row| {
                        known(row).into_iter().for_each(|at| sum.floats(row_of(log_sum_exp, at as usize, 1)))
                    });
                }
            }
        }
        sum.finish()
    }

    fn each(&self, mut add: impl FnMut(usize)) {
        (0..self.rows()).for_each(|position| add(self.row(position)));
    }
}

fn row_of<T>(values: &[T], row: usize, width: usize) -> &[T] {
    &values[row * width..][..width]
}

/// Number of bytes that are collected before hashing, because the hasher is slow on single numbers.
const SIZE: usize = 1 << 16;

struct Sum {
    hasher: Sha256,
    buffer: Vec<u8>,
}

impl Sum {
    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.spill();
    }

    fn floats(&mut self, values: &[f32]) {
        values.iter().for_each(|value| self.buffer.extend_from_slice(&value.to_le_bytes()));
        self.spill();
    }

    fn integers(&mut self, values: &[u32]) {
        values.iter().for_each(|value| self.buffer.extend_from_slice(&value.to_le_bytes()));
        self.spill();
    }

    /// Starts a column; lengths are included, so that different tables never give the same bytes.
    fn name(&mut self, name: &str, numbers: &[usize]) {
        self.bytes(&(name.len() as u64).to_le_bytes());
        self.bytes(name.as_bytes());
        self.bytes(&(numbers.len() as u64).to_le_bytes());
        numbers.iter().for_each(|number| self.bytes(&(*number as u64).to_le_bytes()));
    }

    fn spill(&mut self) {
        if self.buffer.len() >= SIZE {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
    }

    fn finish(mut self) -> [u8; 32] {
        self.hasher.update(&self.buffer);
        self.hasher.finalize().into()
    }
}
