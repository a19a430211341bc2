//! The proofs that every run carries: that it really is what it looks like.
//!
//! Before: the teacher beats chance, knows its classes' order and gets the inputs it was trained on; it is not a
//! copy of the student; its rows are logits, no probabilities; some weight and some rate are above 0. In the first updates: every trainable tensor gets a
//! gradient and changes, every loss term has a gradient. After: the loss is not far above what it was; the
//! teacher's bytes are what they were.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::labels::UNLABELLED;
use crate::numbers::StepNumbers;
use crate::options::Proofs;
use crate::parameters::Parameters;
use crate::tensor::{DType, Tensor, read, to_f64};

/// Updates within which everything must have moved; an epoch, where that is shorter.
pub(crate) const WINDOW: u64 = 50;

/// Something that makes the run look like what it is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Name of the proof: `teacherBeatsChance`.
    pub proof: String,
    /// What it is about: `teacher`, `losses.kl`, a parameter.
    pub path: String,
    /// What was seen, and the remedy.
    pub message: String,
}

/// Collects findings; in `strict` mode the first one ends the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    mode: Proofs,
    pub list: Vec<Finding>,
}

impl Findings {
    pub fn new(mode: Proofs) -> Self {
        Findings { mode, list: Vec::new() }
    }

    pub fn add(&mut self, proof: &str, path: impl Into<String>, message: impl Into<String>) -> Result<()> {
        let finding = Finding { proof: proof.into(), path: path.into(), message: message.into() };
        match self.mode {
            Proofs::Off => Ok(()),
            Proofs::Strict => {
                Err(Error::new(Code::ProofFailed, finding.path, format!("{} ({proof})", finding.message)))
            }
            Proofs::Warn => {
                if !self.list.contains(&finding) {
                    self.list.push(finding);
                }
                Ok(())
            }
        }
    }
}

/// What is watched during the first updates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watch {
    updates: u64,
    closed: bool,
    highest_rate: f64,
    unreached: BTreeSet<String>,
    /// Trainable tensors that have not had a gradient other than 0 yet.
    without_gradient: BTreeSet<String>,
    digests: BTreeMap<String, u64>,
    /// Per loss: whether it had a weight above 0, and a gradient.
    terms: BTreeMap<String, (bool, bool)>,
}

impl Watch {
    pub fn new(parameters: &Parameters, trained: impl Fn(&str) -> bool) -> Result<Watch> {
        let names: Vec<&String> = parameters.0.keys().filter(|name| trained(name)).collect();
        let mut watch =
            Watch { without_gradient: names.iter().map(|name| name.to_string()).collect(), ..Watch::default() };
        for name in names {
            watch.digests.insert(name.clone(), digest(&parameters.0[name].tensor)?);
        }
        Ok(watch)
    }

    /// A watch that looks at nothing: a control run, or proofs that are off.
    pub fn off() -> Watch {
        Watch { closed: true, ..Watch::default() }
    }

    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Backward did not reach this tensor in this step.
    pub fn unreached(&mut self, name: &str) {
        if !self.closed {
            self.unreached.insert(name.to_string());
        }
    }

    pub fn gradients(&mut self, gradients: &BTreeMap<String, Tensor>) -> Result<()> {
        if self.closed || self.without_gradient.is_empty() {
            return Ok(());
        }
        let waiting: Vec<String> = self.without_gradient.iter().cloned().collect();
        for name in waiting {
            if let Some(gradient) = gradients.get(&name)
                && !all_zero(gradient)?
            {
                self.without_gradient.remove(&name);
            }
        }
        Ok(())
    }

    /// After an update; gives whether the window is full.
    pub fn updated(&mut self, numbers: &StepNumbers, rate: f64) -> bool {
        if self.closed {
            return false;
        }
        self.updates += 1;
        self.highest_rate = self.highest_rate.max(rate);
        for (name, term) in &numbers.terms {
            let Some(norm) = term.gradient_norm else { continue };
            let seen = self.terms.entry(name.to_string()).or_default();
            seen.0 |= term.weight > 0.0 && !term.no_rows;
            seen.1 |= norm > 0.0;
        }
        self.updates >= WINDOW
    }

    /// Says what did not happen within the window.
    pub fn close(&mut self, parameters: &Parameters, copied: bool, findings: &mut Findings) -> Result<()> {
        if self.closed || self.updates == 0 {
            return Ok(());
        }
        self.closed = true;
        let updates = self.updates;
        if self.highest_rate == 0.0 {
            let message = format!("the learning rate was 0 in all of the first {updates} updates: nothing is learnt");
            findings.add("parametersChange", "optimizer.learningRate", message)?;
            return Ok(());
        }
        for (name, (weighed, moved)) in &self.terms {
            if *weighed && !moved && !copied {
                let message =
                    format!("this loss had no gradient in the first {updates} updates: it teaches the student nothing");
                findings.add("termHasGradient", format!("losses.{name}"), message)?;
            }
        }
        for name in &self.without_gradient {
            let why =
                if self.unreached.contains(name) { "backward never reached it" } else { "its gradient was always 0" };
            let message = format!("{why} in the first {updates} updates: it does not take part in the outputs");
            findings.add("gradientReaches", name, message)?;
        }
        for (name, before) in &self.digests {
            if self.without_gradient.contains(name) {
                continue;
            }
            if let Some(parameter) = parameters.0.get(name)
                && digest(&parameter.tensor)? == *before
            {
                let message = format!("it had gradients but did not change in the first {updates} updates");
                findings.add("parametersChange", name, message)?;
            }
        }
        self.digests.clear();
        Ok(())
    }
}

/// A number that changes when any bit of the tensor does (not cryptographic).
pub(crate) fn digest(tensor: &Tensor) -> Result<u64> {
    let mix = |sum: u64, bits: u64| (sum ^ bits).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    if tensor.device().is_cpu() && tensor.dtype() == DType::F32 && tensor.is_contiguous() {
        return Ok(read::<f32>(tensor)?.iter().fold(0x51_7c_c1_b7, |sum, value| mix(sum, value.to_bits() as u64)));
    }
    Ok(to_f64(tensor)?.iter().fold(0x51_7c_c1_b7, |sum, value| mix(sum, value.to_bits())))
}

/// The digest of all tensors together.
pub(crate) fn digest_all(parameters: &Parameters) -> Result<u64> {
    parameters.0.values().try_fold(0u64, |sum, p| Ok(sum.rotate_left(7) ^ digest(&p.tensor)?))
}

fn all_zero(tensor: &Tensor) -> Result<bool> {
    if tensor.device().is_cpu() && tensor.dtype() == DType::F32 && tensor.is_contiguous() {
        return Ok(read::<f32>(tensor)?.iter().all(|value| *value == 0.0));
    }
    Ok(to_f64(tensor)?.iter().all(|value| *value == 0.0))
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

    #[test]
    fn strict_mode_ends_the_run() {
        let error = Findings::new(Proofs::Strict).add("termHasGradient", "losses.kl", "nothing").unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (Code::ProofFailed, "losses.kl"));
    }
}
