//! The teacher gets inputs like those that it was trained on.

use super::evidence::Teaching;
use super::finding::Findings;
use super::proof::Proof;
use super::sample::InputStatistics;
use super::teacher_beats_chance::is_blind;
use crate::error::Result;

pub(crate) struct TeacherInputs;

impl Proof for TeacherInputs {
    const NAME: &'static str = "teacherInputs";
    const MEANING: &'static str = "Before the first step, or within the first 2,048 rows of a stream: mean and standard \
        deviation of the inputs, after the teacher's own preprocessing, are not those of its training (the mean is off by \
        more than half a standard deviation, or the standard deviation by more than a factor of two), and its accuracy \
        is not known to be as it was. For a teacher whose training inputs are not known, its accuracy is compared \
        instead: it fires at 10 points below. Normalise the inputs as in the teacher's training.";
    const EXAMPLE: &'static str = "teacher: the teacher was trained on inputs of mean 0.000 and standard deviation 1.000, \
        and gets mean 100.000 and 40.000: normalise them as they were then";

    fn teacher(teacher: &Teaching, findings: &mut Findings) -> Result<()> {
        let judged =
            teacher.known.zip(teacher.agreement).filter(|(_, rows)| !is_blind(rows) && rows.reordered().is_none());
        let lost = judged.map(|(known, rows)| rows.accuracy() < known - 0.1);
        if let Some((then, now)) = teacher.inputs {
            // A teacher that is as good as it was gets what it needs, whatever the numbers look like.
            if differ(then, now) && lost != Some(false) {
                let message = format!(
                    "the teacher was trained on inputs of mean {:.3} and standard deviation {:.3}, and gets mean {:.3} and \
                     {:.3}: normalise them as they were then",
                    then.mean, then.std, now.mean, now.std
                );
                findings.add::<Self>(teacher.path, message)?;
            }
        } else if let (Some(true), Some((known, rows))) = (lost, judged) {
            let message = format!(
                "the teacher was right on {:.1} % when it was trained, and is on {:.1} % of these {} rows: are its inputs \
                 normalised as they were then?",
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
