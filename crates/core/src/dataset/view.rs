//! A view of a table of columns: a selection of rows in an order, and the teacher's outputs for them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::columns::{Columns, Inputs, LabelColumn, TeacherColumn, TopColumn};
use super::pairs::Pairs;
use crate::blocks;
use crate::error::{Error, Result};
use crate::labels::{LabelKind, UNLABELLED};

/// Marks a row for which there is no output of the teacher.
pub(super) const MISSING: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Columns,
    pub(super) rows: usize,
}

/// The teacher's outputs (answers) and, for each row of the table, the index of its answer.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) logits: Vec<f32>,
    pub(super) width: usize,
    pub(super) top: Option<TopColumn>,
    pub(super) of_row: Vec<u32>,
}

/// Rows of a table in an order. Clones and selections are cheap.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub(super) table: Arc<Table>,
    /// Row numbers of the table; `None`: all rows, in order.
    pub(super) selection: Option<Arc<[u32]>>,
    pub(super) answers: Option<Arc<Answers>>,
    /// Whether the labels of a row are used as the probabilities of its classes.
    pub(super) probabilities: bool,
    pub(super) fingerprint: Arc<OnceLock<[u8; 32]>>,
    /// Computed at the first use.
    pub(super) pairs: Arc<OnceLock<Arc<Pairs>>>,
}

impl Dataset {
    /// Checks all columns and takes ownership of them.
    pub fn new(mut columns: Columns) -> Result<Dataset> {
        let rows = columns.check()?;
        let teacher = columns.teacher.take();
        let dataset = Dataset {
            probabilities: columns.probabilities,
            table: Arc::new(Table { columns, rows }),
            selection: None,
            answers: None,
            fingerprint: Arc::default(),
            pairs: Arc::default(),
        };
        match teacher {
            Some(teacher) => dataset.with_answers(teacher),
            None => Ok(dataset),
        }
    }

    pub fn rows(&self) -> usize {
        self.selection.as_ref().map_or(self.table.rows, |rows| rows.len())
    }

    /// The shape of one row of the inputs; `None` for ragged ids.
    pub fn shape(&self) -> Option<Vec<usize>> {
        self.table.columns.inputs.shape()
    }

    /// The number of classes, if the labels are classes.
    pub fn classes(&self) -> Option<usize> {
        self.table.columns.classes()
    }

    /// The kind of labels; also `None` if no row has a label.
    pub fn label_kind(&self) -> LabelKind {
        match &self.table.columns.labels {
            LabelColumn::Single { .. } if (0..self.rows()).all(|at| self.label(at).is_none()) => LabelKind::None,
            LabelColumn::Several { .. } if self.probabilities => LabelKind::Probabilities,
            labels => labels.kind(),
        }
    }

    /// The same data, with the labels of a row used as the probabilities of its classes.
    pub fn with_probabilities(&self) -> Result<Dataset> {
        self.table.columns.labels.check_probabilities((0..self.rows()).map(|position| self.row(position)))?;
        Ok(Dataset { probabilities: true, ..self.clone() })
    }

    /// The number of rows of each class, without rows of weight 0; empty if labels are not classes.
    pub fn label_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.classes().unwrap_or(0)];
        let weighs = |row: usize| self.table.columns.weights.as_ref().is_none_or(|weights| weights[row] > 0.0);
        for label in (0..self.rows()).filter(|at| weighs(self.row(*at))).filter_map(|at| self.label(at)) {
            counts[label as usize] += 1;
        }
        counts
    }

    /// The number of label values per row; `None` for single labels or none.
    pub fn label_width(&self) -> Option<usize> {
        match &self.table.columns.labels {
            LabelColumn::Several { classes, .. } => Some(*classes),
            LabelColumn::Real { outputs, .. } => Some(*outputs),
            LabelColumn::None | LabelColumn::Single { .. } => None,
        }
    }

    /// The number of classes in the column of teacher logits, if the column has the logits of all classes.
    pub fn teacher_classes(&self) -> Option<usize> {
        self.answers.as_ref().filter(|answers| answers.top.is_none()).map(|answers| answers.width)
    }

    /// If the data have a column of the teacher's largest logits: the number of logits per row, and one more than the
    /// largest class.
    pub fn teacher_top(&self) -> Option<(usize, usize)> {
        let answers = self.answers.as_ref()?;
        let largest = answers.top.as_ref()?.classes.iter().max();
        Some((answers.width, largest.map_or(0, |class| *class as usize + 1)))
    }

    pub fn input_names(&self) -> Option<&[String]> {
        self.table.columns.input_names.as_deref()
    }

    pub fn label_names(&self) -> Option<&[String]> {
        self.table.columns.label_names.as_deref()
    }

    /// All columns of the complete table.
    pub fn columns(&self) -> &Columns {
        &self.table.columns
    }

    pub fn has_teacher_logits(&self) -> bool {
        self.teacher_classes().is_some()
    }

    /// The largest id of the inputs (a token or category), which decides the size of an embedding.
    pub fn largest_id(&self) -> Option<u32> {
        match &self.table.columns.inputs {
            Inputs::Ids { values, .. } | Inputs::Ragged { values, .. } => values.iter().max().copied(),
            Inputs::F32 { .. } | Inputs::U8 { .. } => None,
        }
    }

    /// The row of the table at `position` of this view.
    pub(crate) fn row(&self, position: usize) -> usize {
        self.selection.as_ref().map_or(position, |rows| rows[position] as usize)
    }

    /// The sample id of the row at `position`.
    pub fn id(&self, position: usize) -> u64 {
        self.id_of_row(self.row(position))
    }

    pub(super) fn id_of_row(&self, row: usize) -> u64 {
        self.table.columns.ids.as_ref().map_or(row as u64, |ids| ids[row])
    }

    /// The weight of the row in losses and metrics; 1 if the data have no weights.
    pub fn weight(&self, position: usize) -> f64 {
        self.table.columns.weights.as_ref().map_or(1.0, |weights| f64::from(weights[self.row(position)]))
    }

    /// The single label of the row at `position`, if there is one.
    pub fn label(&self, position: usize) -> Option<u32> {
        match &self.table.columns.labels {
            LabelColumn::Single { values, .. } => Some(values[self.row(position)]).filter(|label| *label != UNLABELLED),
            _ => None,
        }
    }

    /// Positions of the rows that have a label of any kind.
    pub fn labelled(&self) -> impl Iterator<Item = u32> + '_ {
        let known = |position: &u32| match &self.table.columns.labels {
            LabelColumn::None => false,
            LabelColumn::Single { .. } => self.label(*position as usize).is_some(),
            LabelColumn::Several { .. } | LabelColumn::Real { .. } => true,
        };
        (0..self.rows() as u32).filter(known)
    }

    /// The rows at these positions, in this order. Only row numbers are copied.
    pub fn select(&self, positions: &[u32]) -> Result<Dataset> {
        let rows = self.rows();
        if positions.is_empty() {
            return Err(Error::data("indices", "expected at least one row, got an empty selection"));
        }
        if let Some(at) = positions.iter().position(|position| *position as usize >= rows) {
            let message = format!("expected an index below {rows} (the number of rows), got {}", positions[at]);
            return Err(Error::data(format!("indices[{at}]"), message));
        }
        blocks::room(size_of_val(positions));
        let selection: Arc<[u32]> = positions.iter().map(|position| self.row(*position as usize) as u32).collect();
        let mut sorted = blocks::copied(positions);
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(Error::data("indices", format!("expected every row at most once, got {} more than once", pair[0])))
            }
            None => Ok(Dataset {
                selection: Some(selection),
                fingerprint: Arc::default(),
                pairs: Arc::default(),
                ..self.clone()
            }),
        }
    }

    /// The same rows with a column of the teacher's outputs, which are matched by sample id.
    pub fn with_teacher_logits(&self, teacher: TeacherColumn) -> Result<Dataset> {
        teacher.check(self.rows(), self.classes())?;
        self.with_answers(teacher)
    }

    /// Like `with_teacher_logits`, for outputs whose width differs from the number of classes: outputs of several teachers,
    /// or of one with other classes.
    pub(crate) fn with_wide_teacher_logits(&self, teacher: TeacherColumn) -> Result<Dataset> {
        teacher.check(self.rows(), None)?;
        self.with_answers(teacher)
    }

    pub(super) fn with_answers(&self, teacher: TeacherColumn) -> Result<Dataset> {
        let path = teacher.path();
        let mut of_row = blocks::filled(self.table.rows, MISSING);
        match &teacher.ids {
            None => (0..self.rows()).for_each(|position| of_row[self.row(position)] = position as u32),
            Some(ids) => {
                blocks::room(ids.len() * 4 * size_of::<u64>());
                let answer_of: HashMap<u64, u32> = ids.iter().copied().zip(0..).collect();
                for position in 0..self.rows() {
                    let id = self.id(position);
                    of_row[self.row(position)] = *answer_of.get(&id).ok_or_else(|| {
                        Error::data(
                            format!("{path}.ids"),
                            format!("expected a teacher output for every row, got none for id {id}"),
                        )
                    })?;
                }
            }
        }
        let TeacherColumn { logits, width, top, .. } = teacher;
        let answers = Answers { logits, width, top, of_row };
        Ok(Dataset { answers: Some(Arc::new(answers)), fingerprint: Arc::default(), ..self.clone() })
    }

    /// The memory of the columns in bytes; all views of a table share it.
    pub fn bytes(&self) -> usize {
        let Columns { inputs, labels, ids, weights, sampling, .. } = &self.table.columns;
        let inputs = match inputs {
            Inputs::F32 { values, .. } => size_of_val(&values[..]),
            Inputs::U8 { values, .. } => values.len(),
            Inputs::Ids { values, .. } => size_of_val(&values[..]),
            Inputs::Ragged { values, offsets, weights } => {
                let weights = weights.as_ref().map_or(0, |weights| size_of_val(&weights[..]));
                size_of_val(&values[..]) + size_of_val(&offsets[..]) + weights
            }
        };
        let labels = match labels {
            LabelColumn::None => 0,
            LabelColumn::Single { values, .. } => size_of_val(&values[..]),
            LabelColumn::Several { values, .. } | LabelColumn::Real { values, .. } => size_of_val(&values[..]),
        };
        let rows = [weights, sampling].into_iter().flatten().map(|column| size_of_val(&column[..])).sum::<usize>();
        let ids = ids.as_ref().map_or(0, |ids| size_of_val(&ids[..]));
        let answers = self.answers.as_ref().map_or(0, |answers| {
            let top = |TopColumn { classes, tail }: &TopColumn| {
                size_of_val(&classes[..]) + tail.as_ref().map_or(0, |tail| size_of_val(&tail.log_sum_exp[..]))
            };
            size_of_val(&answers.logits[..]) + size_of_val(&answers.of_row[..]) + answers.top.as_ref().map_or(0, top)
        });
        let selection = self.selection.as_ref().map_or(0, |rows| size_of_val(&rows[..]));
        inputs + labels + rows + ids + answers + selection
    }
}
