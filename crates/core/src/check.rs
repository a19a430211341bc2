//! The proofs that every run carries: that it really is what it looks like.
//!
//! Before: the teacher beats chance, knows its classes' order and gets the inputs it was trained on; it is not a
//! copy of the student; some weight and some rate are above 0. In the first updates: every trainable tensor gets a
//! gradient and changes, every loss term has a gradient. After: the teacher's bytes are what they were.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::learner::StepNumbers;
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

/// What a teacher's logits say about rows whose labels are known.
pub(crate) struct TeacherRows<'a> {
    pub logits: &'a [f32],
    pub labels: &'a [u32],
    pub classes: usize,
}

/// Whether the teacher knows the labels, and under which class order.
pub(crate) fn teacher_knows(rows: &TeacherRows, known: Option<f64>, findings: &mut Findings) -> Result<f64> {
    let (count, classes) = (rows.labels.len(), rows.classes);
    if count == 0 || classes < 2 {
        return Ok(f64::NAN);
    }
    let mut table = vec![0u32; classes * classes]; // [teacher's choice][label]
    for (row, label) in rows.logits.chunks(classes).zip(rows.labels) {
        let choice = (0..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        table[choice * classes + *label as usize] += 1;
    }
    let right: u32 = (0..classes).map(|class| table[class * classes + class]).sum();
    let of_label = |label: usize| (0..classes).map(|choice| table[choice * classes + label]).sum::<u32>();
    let largest = (0..classes).map(of_label).max().unwrap_or(0);
    let (accuracy, chance) = (right as f64 / count as f64, largest as f64 / count as f64);
    let (order, ordered) = best_order(&table, classes);
    let ordered = ordered as f64 / count as f64;
    if ordered >= 0.6 && accuracy < 0.7 * ordered {
        let moved = order.iter().enumerate().find(|(choice, label)| choice != *label);
        let example = moved.map_or(String::new(), |(choice, label)| {
            format!(": its class {choice} looks like the labels' class {label}")
        });
        let message = format!(
            "the teacher is right on {:.1} % of {count} labelled rows, but on {:.1} % with its classes in another order{example}",
            100.0 * accuracy,
            100.0 * ordered
        );
        findings.add("teacherClassOrder", "teacher", message)?;
    } else if accuracy < chance + 3.0 * (chance * (1.0 - chance) / count as f64).sqrt() {
        let message = format!(
            "the teacher is right on {:.1} % of {count} labelled rows, where always naming the largest class gives {:.1} %: \
             is it trained, and do its rows belong to these samples?",
            100.0 * accuracy,
            100.0 * chance
        );
        findings.add("teacherBeatsChance", "teacher", message)?;
    } else if let Some(known) = known
        && accuracy < known - 0.1
    {
        let message = format!(
            "the teacher was right on {:.1} % when it was trained, and is on {:.1} % of these {count} rows: \
             are its inputs normalised as they were then?",
            100.0 * known,
            100.0 * accuracy
        );
        findings.add("teacherInputs", "teacher", message)?;
    }
    Ok(accuracy)
}

/// Gives each of the teacher's classes the label it goes with most, largest counts first.
fn best_order(table: &[u32], classes: usize) -> (Vec<usize>, u32) {
    let mut cells: Vec<(u32, usize, usize)> =
        (0..classes * classes).map(|cell| (table[cell], cell / classes, cell % classes)).collect();
    cells.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let (mut order, mut taken, mut right) = (vec![usize::MAX; classes], vec![false; classes], 0);
    for (count, choice, label) in cells {
        if order[choice] == usize::MAX && !taken[label] {
            order[choice] = label;
            taken[label] = true;
            right += count;
        }
    }
    (order, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(order: &[usize]) -> (Vec<f32>, Vec<u32>) {
        let classes = order.len();
        let labels: Vec<u32> = (0..60).map(|row| (row % classes) as u32).collect();
        let mut logits = vec![0f32; 60 * classes];
        for (row, label) in labels.iter().enumerate() {
            logits[row * classes + order[*label as usize]] = 5.0;
        }
        (logits, labels)
    }

    fn found(order: &[usize], known: Option<f64>) -> Vec<String> {
        let (logits, labels) = rows(order);
        let mut findings = Findings::new(Proofs::Warn);
        teacher_knows(&TeacherRows { logits: &logits, labels: &labels, classes: order.len() }, known, &mut findings)
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
    fn strict_mode_ends_the_run() {
        let error = Findings::new(Proofs::Strict).add("termHasGradient", "losses.kl", "nothing").unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (Code::ProofFailed, "losses.kl"));
    }
}
