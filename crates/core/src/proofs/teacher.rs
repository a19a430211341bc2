//! Whether a teacher is what it looks like.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Findings;
use super::before::{Looked, some_rows};
use crate::batch::{Batch, Features};
use crate::error::{Error, Result};
use crate::labels::{Labels, UNLABELLED};
use crate::models::Model;
use crate::tape::Cancel;
use crate::teacher::Teacher;
use crate::tensor::{Tensor, read, to_f64};

/// What the inputs look like after preprocessing; kept in the model's provenance.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct InputStatistics {
    pub mean: f64,
    pub std: f64,
}

/// Whether one teacher is what it looks like.
pub(crate) fn prove_teacher(teacher: &Teacher, path: &str, looked: &Looked, findings: &mut Findings) -> Result<()> {
    let model = teacher.model();
    // Cached answers are known on the training rows alone; a model is asked about rows it was not trained on, if it can be.
    let apart = model.and(looked.validation).map(some_rows).transpose()?;
    let Some(batch) = apart.as_ref().or(looked.sample) else { return Ok(()) };
    let choices = match teacher {
        Teacher::Model(model) | Teacher::Cached(model, _) => {
            inputs_as_trained(model, path, batch, findings)?;
            model_choices(model, batch, looked.cancel).map_err(|error| error.at(path))?
        }
        Teacher::Column => {
            let missing =
                || Error::data("teacherLogits", "expected a column of teacher logits in this batch, got none");
            let logits = batch.teacher_logits.as_ref().ok_or_else(missing)?;
            if looks_like_probabilities(batch)? == Some(true) {
                gives_probabilities(path, findings)?;
            }
            chosen(logits)?
        }
        // What labels say, and what does not know anything yet.
        Teacher::Average(_) | Teacher::Smoothed(_) | Teacher::Peer(..) => return Ok(()),
    };
    if let Labels::Single(labels) = &batch.labels {
        let known = model.and_then(|model| model.provenance.get("accuracy")).and_then(serde_json::Value::as_f64);
        let column = || batch.teacher_logits.as_ref().and_then(|logits| logits.dims().last().copied());
        let classes = model.map_or_else(|| column().unwrap_or(0), |model| model.network.classes());
        teacher_knows(&TeacherRows { choices: &choices, labels, classes }, path, known, findings)?;
    }
    Ok(())
}

/// Whether the column of teacher logits has probabilities in it; none where there is none, or where its numbers stand for
/// real labels, which may be anything.
pub(crate) fn looks_like_probabilities(batch: &Batch) -> Result<Option<bool>> {
    match (&batch.teacher_logits, &batch.labels) {
        (None, _) | (_, Labels::Real(_)) => Ok(None),
        (Some(logits), _) => {
            Ok(Some(are_probabilities(&read::<f32>(logits)?, logits.dims().last().copied().unwrap_or(0))))
        }
    }
}

/// The class with the largest logit of each row.
pub(crate) fn chosen(logits: &Tensor) -> Result<Vec<u32>> {
    let classes = logits.dims().last().copied().unwrap_or(0).max(1);
    let largest = |row: &[f32]| (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    Ok(read::<f32>(logits)?.chunks(classes).map(|row| largest(row) as u32).collect())
}

pub(crate) fn model_choices(model: &Model, batch: &Batch, cancel: &Cancel) -> Result<Vec<u32>> {
    let mut choices = Vec::with_capacity(batch.rows());
    let piece = model.rows_at_once();
    for start in (0..batch.rows()).step_by(piece) {
        let count = piece.min(batch.rows() - start);
        let part = batch.inputs.part(start, count)?;
        choices.extend(chosen(&model.logits_until(&part, &batch.ids[start..start + count], cancel)?)?);
    }
    Ok(choices)
}

/// Mean and standard deviation of dense inputs as the first layer sees them.
pub(crate) fn statistics(model: &Model, batch: &Batch) -> Result<Option<InputStatistics>> {
    let Features::Dense(tensor) = model.preprocessing.apply(&batch.inputs)? else { return Ok(None) };
    let values = to_f64(&tensor)?;
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64;
    Ok(Some(InputStatistics { mean, std: variance.sqrt() }))
}

/// Compares what the teacher's first layer sees with what it saw when it was trained.
pub(crate) fn inputs_as_trained(teacher: &Model, path: &str, batch: &Batch, findings: &mut Findings) -> Result<()> {
    let Some(then) = teacher.provenance.get("inputs").cloned() else { return Ok(()) };
    let Ok(then) = serde_json::from_value::<InputStatistics>(then) else { return Ok(()) };
    let Some(now) = statistics(teacher, batch)? else { return Ok(()) };
    let shifted = (now.mean - then.mean).abs() > 0.5 * then.std.max(1e-6);
    let scaled = !(0.5..=2.0).contains(&(now.std / then.std.max(1e-12)));
    if shifted || scaled {
        let message = format!(
            "the teacher was trained on inputs of mean {:.3} and standard deviation {:.3}, and gets mean {:.3} and {:.3}: \
             normalise them as they were then",
            then.mean, then.std, now.mean, now.std
        );
        findings.add("teacherInputs", path, message)?;
    }
    Ok(())
}

/// Whether every row is 0 or more and sums to 1, as no logits do.
pub(crate) fn are_probabilities(rows: &[f32], classes: usize) -> bool {
    let row = |row: &[f32]| {
        row.iter().all(|value| *value >= 0.0) && (row.iter().map(|p| f64::from(*p)).sum::<f64>() - 1.0).abs() < 1e-3
    };
    classes > 1 && !rows.is_empty() && rows.chunks(classes).all(row)
}

/// Says that a teacher gives probabilities.
pub(crate) fn gives_probabilities(path: &str, findings: &mut Findings) -> Result<()> {
    let message = "the teacher's rows are 0 or more and sum to 1, as probabilities do, where logits are expected: \
                   give the numbers before softmax, or ln p of each probability";
    findings.add("teacherGivesLogits", path, message)
}

/// What a teacher says about some rows.
pub(crate) struct TeacherRows<'a> {
    /// The class that the teacher names.
    pub choices: &'a [u32],
    /// What they are; those that are `UNLABELLED` prove nothing.
    pub labels: &'a [u32],
    pub classes: usize,
}

/// Whether the teacher knows the labels, and under which class order.
pub(crate) fn teacher_knows(rows: &TeacherRows, path: &str, known: Option<f64>, findings: &mut Findings) -> Result<()> {
    let table = Table::of(rows);
    let count = table.labels.values().sum::<u32>() as usize;
    if count == 0 || rows.classes < 2 {
        return Ok(());
    }
    let share = |rows: u32| f64::from(rows) / count as f64;
    let accuracy = share(table.right());
    // What a teacher that names classes as often, but blindly, would be right on.
    let blind = table.blind(count);
    let (order, ordered) = table.best_order();
    let moved: Vec<(u32, u32)> = order.into_iter().filter(|(choice, label)| table.is_moved(*choice, *label)).collect();
    if share(ordered) >= 0.6 && (accuracy < 0.7 * share(ordered) || moved.len() >= 2) {
        let example = moved.first().map_or(String::new(), |(choice, label)| {
            format!(": its class {choice} looks like the labels' class {label}")
        });
        let message = format!(
            "the teacher is right on {:.1} % of {count} labelled rows, but on {:.1} % with its classes in another order{example}",
            100.0 * accuracy,
            100.0 * share(ordered)
        );
        findings.add("teacherClassOrder", path, message)?;
    } else if accuracy < (blind + 3.0 * (blind * (1.0 - blind) / count as f64).sqrt()).min(1.0) {
        let message = format!(
            "the teacher is right on {:.1} % of {count} labelled rows, where naming the same classes blindly gives {:.1} %: \
             is it trained, and do its rows belong to these samples?",
            100.0 * accuracy,
            100.0 * blind
        );
        findings.add("teacherBeatsChance", path, message)?;
    } else if let Some(known) = known
        && accuracy < known - 0.1
    {
        let message = format!(
            "the teacher was right on {:.1} % when it was trained, and is on {:.1} % of these {count} rows: \
             are its inputs normalised as they were then?",
            100.0 * known,
            100.0 * accuracy
        );
        findings.add("teacherInputs", path, message)?;
    }
    Ok(())
}

/// How often each class was named for each label: only the pairs that occur.
struct Table {
    pairs: BTreeMap<(u32, u32), u32>,
    choices: BTreeMap<u32, u32>,
    labels: BTreeMap<u32, u32>,
}

impl Table {
    fn of(rows: &TeacherRows) -> Table {
        let mut table = Table { pairs: BTreeMap::new(), choices: BTreeMap::new(), labels: BTreeMap::new() };
        for (choice, label) in rows.choices.iter().zip(rows.labels).filter(|(_, label)| **label != UNLABELLED) {
            *table.pairs.entry((*choice, *label)).or_default() += 1;
            *table.choices.entry(*choice).or_default() += 1;
            *table.labels.entry(*label).or_default() += 1;
        }
        table
    }

    fn at(&self, choice: u32, label: u32) -> u32 {
        self.pairs.get(&(choice, label)).copied().unwrap_or(0)
    }

    fn right(&self) -> u32 {
        self.labels.keys().map(|class| self.at(*class, *class)).sum()
    }

    /// Σ over classes of (share of choices · share of labels).
    fn blind(&self, count: usize) -> f64 {
        let both = |(class, choices): (&u32, &u32)| {
            f64::from(*choices) * f64::from(self.labels.get(class).copied().unwrap_or(0))
        };
        self.choices.iter().map(both).sum::<f64>() / (count as f64).powi(2)
    }

    /// Gives each of the teacher's classes the label it goes with most, largest counts first.
    fn best_order(&self) -> (BTreeMap<u32, u32>, u32) {
        let mut cells: Vec<(u32, u32, u32)> =
            self.pairs.iter().map(|((choice, label), count)| (*count, *choice, *label)).collect();
        cells.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let (mut order, mut taken, mut right) = (BTreeMap::new(), BTreeSet::new(), 0);
        for (count, choice, label) in cells {
            if !order.contains_key(&choice) && !taken.contains(&label) {
                order.insert(choice, label);
                taken.insert(label);
                right += count;
            }
        }
        (order, right)
    }

    /// Whether the teacher's `choice` clearly means another label: most of its rows, and hardly any of its own.
    fn is_moved(&self, choice: u32, label: u32) -> bool {
        let (all, there, own) =
            (self.choices.get(&choice).copied().unwrap_or(0), self.at(choice, label), self.at(choice, choice));
        choice != label && there >= 5 && 10 * there >= 6 * all && 5 * own <= all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proofs::Proofs;

    fn rows(order: &[usize]) -> (Vec<u32>, Vec<u32>) {
        let labels: Vec<u32> = (0..60).map(|row| (row % order.len()) as u32).collect();
        (labels.iter().map(|label| order[*label as usize] as u32).collect(), labels)
    }

    fn found(order: &[usize], known: Option<f64>) -> Vec<String> {
        let (choices, labels) = rows(order);
        let mut findings = Findings::new(Proofs::Warn);
        teacher_knows(
            &TeacherRows { choices: &choices, labels: &labels, classes: order.len() },
            "teacher",
            known,
            &mut findings,
        )
        .unwrap();
        findings.list.into_iter().map(|finding| finding.proof).collect()
    }

    #[test]
    fn a_good_teacher_raises_nothing() {
        assert!(found(&[0, 1, 2], Some(1.0)).is_empty());
    }

    #[test]
    fn a_teacher_with_classes_in_another_order_is_named() {
        assert_eq!(found(&[1, 2, 0], None), ["teacherClassOrder"]);
    }

    #[test]
    fn a_teacher_that_always_says_the_same_does_not_beat_chance() {
        assert_eq!(found(&[0, 0, 0], None), ["teacherBeatsChance"]);
    }

    #[test]
    fn two_classes_that_changed_places_are_named() {
        assert_eq!(found(&[0, 1, 2, 4, 3], None), ["teacherClassOrder"]);
    }

    fn judged(choices: &[u32], labels: &[u32]) -> Vec<String> {
        let mut findings = Findings::new(Proofs::Warn);
        teacher_knows(&TeacherRows { choices, labels, classes: 2 }, "teacher", None, &mut findings).unwrap();
        findings.list.into_iter().map(|finding| finding.proof).collect()
    }

    #[test]
    fn a_teacher_that_finds_rare_rows_is_sound_and_one_that_never_does_is_not() {
        let labels: Vec<u32> = (0..60).map(|row| u32::from(row == 7)).collect();
        assert!(judged(&labels, &labels).is_empty());
        assert_eq!(judged(&[0; 60], &labels), ["teacherBeatsChance"]);
        let many: Vec<u32> = (0..2000).map(|row| u32::from(row % 100 == 0)).collect();
        let most: Vec<u32> =
            (0..2000).map(|row| u32::from(row % 100 == 0 && row % 300 != 0 || row % 400 == 1)).collect();
        assert!(judged(&most, &many).is_empty());
    }

    #[test]
    fn probabilities_are_told_from_logits() {
        assert!(are_probabilities(&[0.2, 0.8, 0.0, 1.0], 2));
        assert!(!are_probabilities(&[0.2, 0.8, -0.5, 1.5], 2));
        assert!(!are_probabilities(&[0.2, 0.8, 1.0, 1.0], 2));
        assert!(!are_probabilities(&[1.0, 1.0], 1));
        assert!(!are_probabilities(&[], 2));
    }
}
