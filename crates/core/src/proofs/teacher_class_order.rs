//! The teacher's classes have the order of the labels.

use super::evidence::Teaching;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct TeacherClassOrder;

impl Proof for TeacherClassOrder {
    const NAME: &'static str = "teacherClassOrder";
    const MEANING: &'static str = "Before the first step, or within the first 2,048 rows of a stream: with its classes \
        in another order the teacher would be right on 60 % of the labelled rows or more; in their present order it is \
        right on clearly fewer. Bring its classes into the order of the labels.";
    const EXAMPLE: &'static str = "teacher: the teacher is right on 0.3 % of 600 labelled rows, but on 98.2 % with its \
        classes in another order: its class 0 looks like the labels' class 2";

    fn teacher(teacher: &Teaching, findings: &mut Findings) -> Result<()> {
        let Some((rows, order)) = teacher.agreement.and_then(|rows| Some((rows, rows.reordered()?))) else {
            return Ok(());
        };
        let example = order.example.map_or(String::new(), |(choice, label)| {
            format!(": its class {choice} looks like the labels' class {label}")
        });
        let message = format!(
            "the teacher is right on {:.1} % of {} labelled rows, but on {:.1} % with its classes in another order{example}",
            100.0 * rows.accuracy(),
            rows.rows,
            100.0 * order.accuracy
        );
        findings.add::<Self>(teacher.path, message)
    }
}
