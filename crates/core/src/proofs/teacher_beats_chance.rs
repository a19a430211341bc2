//! The teacher predicts the labels better than chance.

use super::agreement::Agreement;
use super::evidence::Teaching;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct TeacherBeatsChance;

impl Proof for TeacherBeatsChance {
    const NAME: &'static str = "teacherBeatsChance";
    const MEANING: &'static str = "Before the first step, or within the first 2,048 rows of a stream: the teacher's \
        accuracy on labelled rows is less than three standard deviations above that of the same predictions in random \
        order. Check that the teacher is trained and that its rows belong to these samples.";
    const EXAMPLE: &'static str = "teacher: the teacher is right on 33.8 % of 600 labelled rows, but the same \
        predictions in random order are right on 33.3 %: is it trained, and do its rows belong to these samples?";

    fn teacher(teacher: &Teaching, findings: &mut Findings) -> Result<()> {
        let Some(rows) = teacher.agreement.filter(|rows| is_blind(rows) && rows.reordered().is_none()) else {
            return Ok(());
        };
        let message = format!(
            "the teacher is right on {:.1} % of {} labelled rows, but the same predictions in random order are right \
             on {:.1} %: is it trained, and do its rows belong to these samples?",
            100.0 * rows.accuracy(),
            rows.rows,
            100.0 * rows.blind()
        );
        findings.add::<Self>(teacher.path, message)
    }
}

/// Whether the accuracy can be explained by chance.
pub(super) fn is_blind(rows: &Agreement) -> bool {
    let blind = rows.blind();
    rows.accuracy() < (blind + 3.0 * (blind * (1.0 - blind) / rows.rows as f64).sqrt()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proofs::{Proofs, teacher};

    fn found(choices: &[u32], labels: &[u32], classes: usize) -> Vec<String> {
        let mut findings = Findings::new(Proofs::Warn);
        let agreement = Agreement::of(choices, labels, classes);
        let evidence =
            Teaching { path: "teacher", agreement: agreement.as_ref(), known: Some(1.0), ..Teaching::default() };
        teacher(&evidence, &mut findings).unwrap();
        findings.list.into_iter().map(|finding| finding.proof).collect()
    }

    fn reordered(order: &[u32]) -> Vec<String> {
        let labels: Vec<u32> = (0..60).map(|row| row % order.len() as u32).collect();
        let choices: Vec<u32> = labels.iter().map(|label| order[*label as usize]).collect();
        found(&choices, &labels, order.len())
    }

    #[test]
    fn a_good_teacher_raises_nothing() {
        assert!(reordered(&[0, 1, 2]).is_empty());
    }

    #[test]
    fn a_teacher_with_classes_in_another_order_is_named() {
        assert_eq!(reordered(&[1, 2, 0]), ["teacherClassOrder"]);
    }

    #[test]
    fn a_teacher_that_always_predicts_the_same_class_does_not_beat_chance() {
        assert_eq!(reordered(&[0, 0, 0]), ["teacherBeatsChance"]);
    }

    #[test]
    fn two_classes_that_changed_places_are_named() {
        assert_eq!(reordered(&[0, 1, 2, 4, 3]), ["teacherClassOrder"]);
    }

    #[test]
    fn a_teacher_that_finds_rare_rows_is_sound_and_one_that_never_does_is_not() {
        let labels: Vec<u32> = (0..60).map(|row| u32::from(row == 7)).collect();
        assert!(found(&labels, &labels, 2).is_empty());
        assert_eq!(found(&[0; 60], &labels, 2), ["teacherBeatsChance"]);
        let many: Vec<u32> = (0..2000).map(|row| u32::from(row % 100 == 0)).collect();
        let most: Vec<u32> =
            (0..2000).map(|row| u32::from(row % 100 == 0 && row % 300 != 0 || row % 400 == 1)).collect();
        assert!(found(&most, &many, 2).is_empty());
    }
}
