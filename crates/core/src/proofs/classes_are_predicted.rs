//! The student predicts every class that can be learnt.

use super::agreement::Agreement;
use super::evidence::Ended;
use super::finding::Findings;
use super::proof::Proof;
use super::sample::stored_choices;
use super::watch::WINDOW;
use crate::error::Result;
use crate::labels::Labels;
use crate::models::Model;

pub(crate) struct ClassesArePredicted;

/// The least number of labelled rows that a class must have to be examined.
const ROWS: u32 = 5;

impl Proof for ClassesArePredicted {
    const NAME: &'static str = "classesArePredicted";
    const MEANING: &'static str = "At the end of a run of 50 steps or more, on up to 1,024 labelled rows (of the \
        validation data, else of the training data): the student never predicts a class that has 5 rows or more, although \
        the teacher, or the control run's student, is right on at least half of them. Train longer, give the labels more \
        weight (`crossEntropy.weight`, `labelWeights`), or lower the temperature.";
    const EXAMPLE: &'static str = "student: it predicts class 2 for none of 300 labelled rows, although 100 of them \
        have this class; the control run's student is right on 91 of those: train longer, give the labels more weight, \
        or lower the temperature";

    fn end(ended: &Ended, findings: &mut Findings) -> Result<()> {
        let Some(rows) = ended.rows.filter(|_| ended.steps >= WINDOW) else { return Ok(()) };
        let Labels::Single(labels) = &rows.labels else { return Ok(()) };
        let agree = |choices: &[u32]| Agreement::of(choices, labels, ended.model.network.classes());
        let Some(student) = agree(&ended.choices(ended.model, rows)?) else { return Ok(()) };
        let missing = |(class, count): &(&u32, &u32)| **count >= ROWS && student.predicted(**class) == 0;
        let missing: Vec<(u32, u32)> =
            student.labels.iter().filter(missing).map(|(class, rows)| (*class, *rows)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let of_model = |model: &Model| Ok(agree(&ended.choices(model, rows)?));
        let mut others = Vec::new();
        for teacher in &ended.teachers {
            others.push((
                "teacher",
                match &rows.teacher_logits {
                    Some(logits) if teacher.reads_column() => agree(&stored_choices(logits)?),
                    _ => teacher.model().map(of_model).transpose()?.flatten(),
                },
            ));
        }
        others.push(("control run's student", ended.control.map(of_model).transpose()?.flatten()));
        for (class, count) in missing {
            let known = others.iter().filter_map(|(name, rows)| Some((name, rows.as_ref()?.right(class))));
            let Some((name, right)) = known.max_by_key(|(_, right)| *right).filter(|(_, right)| 2 * right >= count)
            else {
                continue;
            };
            let message = format!(
                "it predicts class {class} for none of {} labelled rows, although {count} of them have this class; the \
                 {name} is right on {right} of those: train longer, give the labels more weight, or lower the \
                 temperature",
                student.rows
            );
            findings.add::<Self>(if ended.place.is_empty() { "student" } else { "" }, message)?;
        }
        Ok(())
    }
}
