//! What is looked at before the first step, at it, and after the last.

use super::Findings;
use super::teacher::{InputStatistics, statistics};
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::labels::LabelKind;
use crate::losses::Losses;
use crate::models::Model;
use crate::numbers::StepNumbers;
use crate::options::TrainOptions;
use crate::tape::Cancel;
use crate::teacher::Teacher;
use crate::tensor::digest;

/// Rows that the proofs look at.
pub(crate) const ROWS: usize = 2048;

/// What the student's inputs look like, where they are known.
pub(crate) fn inputs(student: &Model, sample: Option<&Batch>) -> Result<Option<InputStatistics>> {
    match sample {
        Some(batch) => statistics(student, batch),
        None => Ok(None),
    }
}

/// Whether the options teach anything at all; `place` of this student among several.
pub(crate) fn prove_options(
    options: &TrainOptions,
    losses: &Losses,
    place: &str,
    findings: &mut Findings,
) -> Result<()> {
    let path = |key: String| if place.is_empty() { key } else { format!("{place}.{key}") };
    for name in losses.without_weight() {
        let message = "the weight is 0: this loss teaches the student nothing; leave it out or give it a weight";
        findings.add("termHasWeight", path(format!("losses.{name}")), message)?;
    }
    if options.optimizer.learning_rate() == 0.0 {
        let message = "the learning rate is 0: nothing will be learnt";
        findings.add("parametersChange", path("optimizer.learningRate".into()), message)?;
    }
    Ok(())
}

/// Whether every row teaches something; `place` of this student among several.
pub(crate) fn prove_rows(losses: &Losses, data: &Dataset, place: &str, findings: &mut Findings) -> Result<()> {
    let unlabelled = data.rows() - data.labelled().count();
    if data.label_kind() == LabelKind::Single && unlabelled > 0 && losses.needs_labels_in_each() {
        let message = format!(
            "{unlabelled} of {} rows have no label, and every loss needs one: they teach the student nothing; add a loss that \
             compares with the teacher alone (kl, …) or leave them out",
            data.rows()
        );
        findings.add("rowsAreUsed", if place.is_empty() { "data".into() } else { format!("{place}.data") }, message)?;
    }
    Ok(())
}

/// Whether the student begins as the teacher's copy.
pub(crate) fn prove_apart(student: &Model, teacher: &Teacher, path: &str, findings: &mut Findings) -> Result<bool> {
    let Some(model) = teacher.model() else { return Ok(false) };
    let copied = is_copy(student, model)?;
    if copied {
        let message = "the teacher has the student's parameters, tensor by tensor: there is nothing to learn from it";
        findings.add("teacherIsAnother", path, message)?;
    }
    Ok(copied)
}

/// Rows that the proofs look at.
pub(crate) struct Looked<'a> {
    pub sample: Option<&'a Batch>,
    /// None for a stream.
    pub data: Option<&'a Dataset>,
    pub validation: Option<&'a Dataset>,
    pub cancel: &'a Cancel,
}

/// Up to `ROWS` rows, fewer where they are large, spread over the data: over those with a label, where some have one.
pub(crate) fn some_rows(dataset: &Dataset) -> Result<Batch> {
    let size = dataset.shape().map_or(1, |shape| shape.iter().product::<usize>()).max(1);
    let all = 0..dataset.rows() as u32;
    let (among, count): (Box<dyn Iterator<Item = u32>>, usize) = match dataset.labelled().count() {
        0 => (Box::new(all), dataset.rows()),
        labelled => (Box::new(dataset.labelled()), labelled),
    };
    let step = count.div_ceil(((16 << 20) / size).clamp(64, ROWS)).max(1);
    let positions: Vec<u32> = among.step_by(step).collect();
    dataset.batch(&positions, 0)
}

/// Whether both models hold the same numbers under the same names.
pub(crate) fn is_copy(student: &Model, teacher: &Model) -> Result<bool> {
    if student.network.architecture() != teacher.network.architecture() {
        return Ok(false);
    }
    for (name, parameter) in &student.parameters.0 {
        let Some(other) = teacher.parameters.0.get(name) else { return Ok(false) };
        if digest(&parameter.tensor)? != digest(&other.tensor)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first cross entropy of a fresh classifier is near ln K; far above, inputs or start values are off.
pub(crate) fn first_loss(numbers: &StepNumbers, place: &str, model: &Model, findings: &mut Findings) -> Result<()> {
    let Some(term) = numbers.terms.get("crossEntropy") else { return Ok(()) };
    let expected = (model.network.classes() as f64).ln();
    if term.value > 10.0 * expected.max(0.7) {
        let message = format!(
            "the first loss is {:.1}, where a student that knows nothing has about {expected:.2}: are the inputs normalised?",
            term.value
        );
        let path = if place.is_empty() { "losses.crossEntropy".into() } else { format!("{place}.losses.crossEntropy") };
        findings.add("firstLoss", path, message)?;
    }
    Ok(())
}

/// Writes the student to bytes, reads them again, and compares the outputs on some rows.
pub(crate) fn reload(model: &Model, rows: Option<&Dataset>, findings: &mut Findings) -> Result<bool> {
    let again = Model::from_file(model.to_file()?)?;
    let same = match rows {
        Some(dataset) => {
            let rows = dataset.rows().min(model.rows_at_once());
            let batch = dataset.batch(&(0..rows as u32).collect::<Vec<_>>(), 0)?;
            let logits = |model: &Model| model.logits(&batch.inputs, &batch.ids).and_then(|logits| digest(&logits));
            logits(model)? == logits(&again)?
        }
        None => is_copy(model, &again)?,
    };
    if !same {
        findings.add("reload", "student", "the saved student gives other outputs after it was read again")?;
    }
    Ok(same)
}
