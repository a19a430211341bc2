//! Brings data to the order of a model: columns and classes are reordered by name, and the scaling of bytes must agree.

use std::sync::{Arc, OnceLock};

use super::columns::{Columns, Inputs, LabelColumn, TopColumn};
use super::view::{Answers, Dataset, Table};
use crate::blocks::collected;
use crate::error::{Error, Result};
use crate::labels::UNLABELLED;
use crate::signature::{Signature, order, places, same_bytes};

impl Dataset {
    /// The signature of the rows: names of inputs and labels, and scaling of bytes.
    pub fn signature(&self) -> Signature {
        let Columns { inputs, input_names, label_names, .. } = self.columns();
        Signature { input_names: input_names.clone(), label_names: label_names.clone(), bytes: inputs.bytes() }
    }

    /// The same rows in the order that a model of this signature expects; `path` is the path of the data in messages. The
    /// data are copied only if columns or classes must be reordered.
    pub fn seen_by(&self, wanted: &Signature, path: &str) -> Result<Dataset> {
        let columns = self.columns();
        same_bytes(path, wanted.bytes, columns.inputs.bytes())?;
        let inputs = order(path, "inputNames", wanted.input_names.as_deref(), columns.input_names.as_deref())?;
        let labels = self.classes_of(wanted, path)?;
        if inputs.is_none() && labels.is_none() {
            return Ok(self.clone());
        }
        let names = |own: &Option<Vec<String>>, wanted: &Option<Vec<String>>| wanted.clone().or_else(|| own.clone());
        let moved = Columns {
            inputs: match &inputs {
                Some(order) => columns.inputs.reordered(order),
                None => columns.inputs.clone(),
            },
            input_names: names(&columns.input_names, &wanted.input_names),
            labels: match &labels {
                Some(places) => columns.labels.renumbered(places, wanted.label_names.as_ref().map_or(0, Vec::len)),
                None => columns.labels.clone(),
            },
            label_names: names(&columns.label_names, &wanted.label_names),
            ids: columns.ids.clone(),
            weights: columns.weights.clone(),
            sampling: columns.sampling.clone(),
            teacher: None,
            probabilities: columns.probabilities,
        };
        let answers = match (&self.answers, &labels) {
            (Some(answers), Some(places)) => match &answers.top {
                Some(TopColumn { classes, tail }) => {
                    let classes = collected(classes.iter().map(|class| places[*class as usize]));
                    let (logits, top) = (answers.logits.clone(), Some(TopColumn { classes, tail: tail.clone() }));
                    Some(Arc::new(Answers { logits, width: answers.width, top, of_row: answers.of_row.clone() }))
                }
                None if answers.width == places.len() => Some(Arc::new(Answers {
                    logits: scattered(&answers.logits, places),
                    width: answers.width,
                    top: None,
                    of_row: answers.of_row.clone(),
                })),
                None => Some(answers.clone()),
            },
            (answers, _) => answers.clone(),
        };
        Ok(Dataset {
            table: Arc::new(Table { columns: moved, rows: self.table.rows }),
            selection: self.selection.clone(),
            answers,
            probabilities: self.probabilities,
            fingerprint: Arc::new(OnceLock::new()),
            pairs: Arc::default(),
        })
    }

    /// The model's class for each class of the data; `None` if they are the same.
    fn classes_of(&self, wanted: &Signature, path: &str) -> Result<Option<Vec<u32>>> {
        let (Some(wanted), Some(own)) = (&wanted.label_names, &self.columns().label_names) else { return Ok(None) };
        if wanted == own {
            return Ok(None);
        }
        let places = places(path, wanted, own)?;
        let by_number = matches!(self.columns().labels, LabelColumn::Single { .. } | LabelColumn::None);
        if own.len() < wanted.len() && !(by_number && self.teacher_classes().is_none()) {
            let message = format!(
                "expected all {} classes of the model, because each row has one number per class, got {}",
                wanted.len(),
                own.len()
            );
            return Err(Error::data(format!("{path}.labelNames"), message));
        }
        Ok(Some(places))
    }

    /// Rejects data with the classes −1 and +1, because −1 marks a row without a label.
    pub(crate) fn expect_classes_from_zero(&self, path: &str) -> Result<()> {
        let LabelColumn::Single { classes: Some(2), .. } = self.columns().labels else { return Ok(()) };
        let (mut known, mut rows) = (0, 0);
        for position in 0..self.rows() {
            match self.label(position) {
                Some(1) => known += 1,
                Some(_) => return Ok(()),
                None => rows += 1,
            }
        }
        if rows == 0 || known == 0 || self.columns().label_names.is_some() {
            return Ok(());
        }
        let message = format!(
            "expected classes 0 and 1, got 1 in {known} rows and -1, which stands for no label, in {rows}: if -1 is a class, \
             number the classes from 0 (label => (label + 1) / 2), or in a file name them: labelNames: [\"-1\", \"1\"]"
        );
        Err(Error::data(format!("{path}.labels"), message))
    }
}

impl Inputs {
    fn reordered(&self, order: &[usize]) -> Inputs {
        match self {
            Inputs::F32 { values, shape } => Inputs::F32 { values: gathered(values, order), shape: shape.clone() },
            Inputs::U8 { values, shape, scale, offset } => {
                Inputs::U8 { values: gathered(values, order), shape: shape.clone(), scale: *scale, offset: *offset }
            }
            Inputs::Ids { values, length } => Inputs::Ids { values: gathered(values, order), length: *length },
            Inputs::Ragged { .. } => self.clone(),
        }
    }
}

impl LabelColumn {
    fn renumbered(&self, places: &[u32], classes: usize) -> LabelColumn {
        match self {
            LabelColumn::Single { values, .. } => {
                let place = |label: &u32| if *label == UNLABELLED { UNLABELLED } else { places[*label as usize] };
                LabelColumn::Single { values: values.iter().map(place).collect(), classes: Some(classes) }
            }
            LabelColumn::Several { values, .. } => LabelColumn::Several { values: scattered(values, places), classes },
            LabelColumn::None | LabelColumn::Real { .. } => self.clone(),
        }
    }
}

/// The values of each row in the given order.
fn gathered<T: Copy>(values: &[T], order: &[usize]) -> Vec<T> {
    values.chunks_exact(order.len()).flat_map(|row| order.iter().map(|at| row[*at])).collect()
}

/// The values of each row, moved to their new positions.
fn scattered(values: &[f32], places: &[u32]) -> Vec<f32> {
    let mut all = vec![0.0; values.len()];
    for (to, from) in all.chunks_exact_mut(places.len()).zip(values.chunks_exact(places.len())) {
        places.iter().zip(from).for_each(|(place, value)| to[*place as usize] = *value);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::TeacherLogits;
    use crate::dataset::TeacherColumn;

    fn names(text: &str) -> Option<Vec<String>> {
        Some(text.split(' ').map(String::from).collect())
    }

    fn rows(labels: LabelColumn) -> Columns {
        let values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut columns = Columns::new(Inputs::F32 { values, shape: vec![3] }, labels);
        columns.input_names = names("a b c");
        columns.label_names = names("x y");
        columns
    }

    fn wanted(inputs: &str, labels: &str) -> Signature {
        Signature { input_names: names(inputs), label_names: names(labels), bytes: None }
    }

    #[test]
    fn columns_classes_and_teacher_logits_are_brought_to_the_order_of_the_model() {
        let mut columns = rows(LabelColumn::Single { values: vec![0, 1], classes: None });
        columns.teacher = Some(TeacherColumn { logits: vec![0.1, 0.2, 0.3, 0.4], width: 2, top: None, ids: None });
        let data = Dataset::new(columns).unwrap();
        let seen = data.seen_by(&wanted("c a b", "y x"), "data").unwrap();
        let batch = seen.batch_of_all(0).unwrap();
        assert_eq!(batch.inputs.raw().unwrap().numbers.unwrap(), [3.0, 1.0, 2.0, 6.0, 4.0, 5.0]);
        assert_eq!((seen.label(0), seen.label(1)), (Some(1), Some(0)));
        let Some(TeacherLogits::All(logits)) = batch.teacher_logits else { panic!() };
        assert_eq!(logits.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.2, 0.1, 0.4, 0.3]);
        assert_eq!(seen.signature(), wanted("c a b", "y x"));
        assert_ne!(seen.fingerprint(), data.fingerprint());
        assert_eq!(seen.seen_by(&wanted("a b c", "x y"), "data").unwrap().fingerprint(), data.fingerprint());
    }

    #[test]
    fn the_largest_logits_of_a_teacher_move_with_their_classes() {
        let mut columns = rows(LabelColumn::Single { values: vec![0, 1], classes: None });
        let top = Some(TopColumn { classes: vec![0, 1], tail: None });
        columns.teacher = Some(TeacherColumn { logits: vec![0.5, 0.7], width: 1, top, ids: None });
        let seen = Dataset::new(columns).unwrap().seen_by(&wanted("a b c", "z y x"), "data").unwrap();
        let Some(TeacherLogits::Top(top)) = seen.batch_of_all(0).unwrap().teacher_logits else { panic!() };
        assert_eq!((top.classes, top.logits), (vec![2, 1], vec![0.5, 0.7]));
    }

    #[test]
    fn a_selection_keeps_its_rows_and_several_labels_move_with_their_classes() {
        let labels = LabelColumn::Several { values: vec![1.0, 0.0, 0.0, 0.5], classes: 2 };
        let data = Dataset::new(rows(labels)).unwrap().select(&[1]).unwrap();
        let seen = data.seen_by(&wanted("a b c", "y x"), "data").unwrap();
        let crate::labels::Labels::Several(labels) = seen.batch_of_all(0).unwrap().labels else { panic!() };
        assert_eq!(labels.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.5, 0.0]);
    }

    #[test]
    fn data_may_have_fewer_classes_than_the_model_and_rows_without_labels_keep_their_names() {
        let data = Dataset::new(rows(LabelColumn::Single { values: vec![1, UNLABELLED], classes: None })).unwrap();
        let seen = data.seen_by(&wanted("a b c", "w x y"), "validation").unwrap();
        assert_eq!((seen.label(0), seen.label(1), seen.classes()), (Some(2), None, Some(3)));
        let unlabelled = Dataset::new(rows(LabelColumn::None)).unwrap();
        assert_eq!((unlabelled.classes(), unlabelled.label_names().map(<[String]>::len)), (Some(2), Some(2)));
        let several = Dataset::new(rows(LabelColumn::Several { values: vec![1.0; 4], classes: 2 })).unwrap();
        let path = |data: &Dataset, signature: &Signature| data.seen_by(signature, "data").unwrap_err().path;
        assert_eq!(path(&several, &wanted("a b c", "w x y")), "data.labelNames");
        assert_eq!(path(&data, &wanted("a b d", "x y")), "data.inputNames");
        assert_eq!(path(&data, &wanted("a b c", "x z")), "data.labelNames");
    }

    #[test]
    fn bytes_that_a_model_reads_in_another_way_are_refused() {
        let bytes = |scale| {
            Columns::new(Inputs::U8 { values: vec![1, 2], shape: vec![1], scale, offset: 0.0 }, LabelColumn::None)
        };
        let data = Dataset::new(bytes(1.0)).unwrap();
        let signature = Dataset::new(bytes(0.5)).unwrap().signature();
        assert_eq!(data.seen_by(&signature, "data").unwrap_err().path, "data.scale");
        assert!(data.seen_by(&data.signature(), "data").is_ok());
    }

    #[test]
    fn minus_one_and_one_are_rejected_as_classes() {
        let of = |values: Vec<u32>, classes| {
            let rows = values.len();
            Dataset::new(Columns::new(
                Inputs::F32 { values: vec![0.0; rows], shape: vec![1] },
                LabelColumn::Single { values, classes },
            ))
            .unwrap()
        };
        let refused = of(vec![UNLABELLED, 1, 1], None).expect_classes_from_zero("data").unwrap_err().to_string();
        assert!(refused.starts_with("data.labels: expected classes 0 and 1, got 1 in 2 rows and -1"), "{refused}");
        for (values, classes) in [(vec![UNLABELLED, 1, 0], None), (vec![1, 1], None), (vec![UNLABELLED, 1], Some(3))] {
            assert!(of(values, classes).expect_classes_from_zero("data").is_ok());
        }
    }
}
