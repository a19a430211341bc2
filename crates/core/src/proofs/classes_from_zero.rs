//! Classes without names are counted from 0.

use super::evidence::Student;
use super::finding::Findings;
use super::proof::Proof;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::labels::LabelKind;

pub(crate) struct ClassesFromZero;

impl Proof for ClassesFromZero {
    const NAME: &'static str = "classesFromZero";
    const MEANING: &'static str = "Before the first step: no row has class 0, although the rows have several classes \
        and the classes have no names. If labels are counted from 1, one output never gets a row. Subtract 1, or give \
        `labelNames`.";
    const EXAMPLE: &'static str = "data.labels: no row has class 0: the labels are 1 to 3, and classes are counted from \
        0; if the labels are counted from 1, subtract 1, or give labelNames";

    fn student(student: &Student, findings: &mut Findings) -> Result<()> {
        let unnamed = |data: &&Dataset| data.label_kind() == LabelKind::Single && data.label_names().is_none();
        let Some(data) = student.data.filter(unnamed) else { return Ok(()) };
        let known = || (0..data.rows()).filter_map(|row| data.label(row));
        match (known().min(), known().max()) {
            (Some(first), Some(last)) if first > 0 && last > first => {
                let message = format!(
                    "no row has class 0: the labels are {first} to {last}, and classes are counted from 0; if the labels \
                     are counted from 1, subtract 1, or give labelNames"
                );
                findings.add::<Self>("data.labels", message)
            }
            _ => Ok(()),
        }
    }
}
