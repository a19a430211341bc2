//! The teacher gets inputs like those of its training.

use super::evidence::Teaching;
use super::finding::Findings;
use super::proof::Proof;
use super::sample::InputStatistics;
use super::teacher_beats_chance::is_blind;
use crate::error::Result;

pub(crate) struct TeacherInputs;

impl Proof for TeacherInputs {
    const NAME: &'static str = "teacherInputs";
    const MEANING: &'static str = "Before the first step, or within the first 2,048 rows of a stream: the inputs, \
        after the teacher's own preprocessing, have another mean or standard deviation than in its training (the mean \
        differs by more than half a standard deviation, or the standard deviation by more than a factor of two), and \
        its accuracy is unknown or more than 10 percentage points lower than in its training. If the inputs of its \
        training are unknown, only the accuracy is compared. Normalise the inputs as in the teacher's training.";
    const EXAMPLE: &'static str = "teacher: the teacher was trained on inputs with mean 0.000 and standard deviation \
        1.000, but gets mean 100.000 and standard deviation 40.000: normalise them as in its training";

    fn teacher(teacher: &Teaching, findings: &mut Findings) -> Result<()> {
        let judged =
            teacher.known.zip(teacher.agreement).filter(|(_, rows)| !is_blind(rows) && rows.reordered().is_none());
        let lost = judged.map(|(known, rows)| rows.accuracy() < known - 0.1);
        if let Some((then, now)) = teacher.inputs {
            // If the teacher is as accurate as in its training, its inputs are fine even if their statistics differ.
            if differ(then, now) && lost != Some(false) {
                let message = format!(
                    "the teacher was trained on inputs with mean {:.3} and standard deviation {:.3}, but gets mean \
                     {:.3} and standard deviation {:.3}: normalise them as in its training",
                    then.mean, then.std, now.mean, now.std
                );
                findings.add::<Self>(teacher.path, message)?;
            }
        } else if let (Some(true), Some((known, rows))) = (lost, judged) {
            let message = format!(
                "the teacher was right on {:.1} % of the rows in its training, but is right on {:.1} % of these {} \
                 rows: are its inputs normalised as in its training?",
                100.0 * known,
                100.0 * rows.accuracy(),
                rows.rows
            );
            findings.add::<Self>(teacher.path, message)?;
        }
        Ok(())
    }
}

fn differ(then: InputStatistics, now: InputStatistics) -> bool {
    let shifted = (now.mean - then.mean).abs() > 0.5 * then.std.max(1e-6);
    let scaled = !(0.5..=2.0).contains(&(now.std / then.std.max(1e-12)));
    shifted || scaled
}
