//! The labelled rows are of more than one class.

use super::evidence::Student;
use super::finding::Findings;
use super::proof::Proof;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::labels::LabelKind;

pub(crate) struct LabelsVary;

/// With fewer labelled rows, all of them may have one class by chance.
const ROWS: usize = 10;

impl Proof for LabelsVary {
    const NAME: &'static str = "labelsVary";
    const MEANING: &'static str = "Before the first step: all labelled rows (10 or more) have the same class, although \
        the model has more classes. Labels of a single class teach a classifier nothing, and an accuracy measured on \
        them is meaningless. Check how the labels were read: −1 stands for a row without a label.";
    const EXAMPLE: &'static str = "data.labels: all 300 labelled rows (of 600) have class 1, and the model has 3 \
        classes: check how the labels were read; -1 stands for a row without a label";

    fn student(student: &Student, findings: &mut Findings) -> Result<()> {
        for (path, rows) in [("data.labels", student.data), ("validation.labels", student.validation)] {
            let Some((class, labelled, all)) = rows.and_then(only_class) else { continue };
            if student.classes > 1 && labelled >= ROWS {
                let message = format!(
                    "all {labelled} labelled rows (of {all}) have class {class}, and the model has {} classes: check how \
                     the labels were read; -1 stands for a row without a label",
                    student.classes
                );
                findings.add::<Self>(path, message)?;
            }
        }
        Ok(())
    }
}

/// The class that all labelled rows have, how many they are, and how many rows there are.
fn only_class(data: &Dataset) -> Option<(u32, usize, usize)> {
    if data.label_kind() != LabelKind::Single {
        return None;
    }
    let mut labels = data.labelled().filter_map(|row| data.label(row as usize));
    let first = labels.next()?;
    let others = labels.try_fold(1, |count, label| (label == first).then_some(count + 1))?;
    Some((first, others, data.rows()))
}
