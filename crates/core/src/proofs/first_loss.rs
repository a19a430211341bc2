//! The first loss of a classifier is near that of equal probabilities.

use super::evidence::FirstStep;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct FirstLoss;

impl Proof for FirstLoss {
    const NAME: &'static str = "firstLoss";
    const MEANING: &'static str = "After the first step: the cross-entropy is more than ten times ln(classes), the \
        value for equal probabilities: the student starts with large logits. Normalise the inputs, or check the start \
        values.";
    const EXAMPLE: &'static str = "losses.crossEntropy: the first loss is 284.1, but equal probabilities give about \
        1.10: are the inputs normalised?";

    fn first_step(step: &FirstStep, findings: &mut Findings) -> Result<()> {
        let Some(term) = step.numbers.terms.get("crossEntropy") else { return Ok(()) };
        let expected = (step.classes as f64).ln();
        if term.value > 10.0 * expected.max(0.7) {
            let message = format!(
                "the first loss is {:.1}, but equal probabilities give about {expected:.2}: are the inputs normalised?",
                term.value
            );
            findings.add::<Self>("losses.crossEntropy", message)?;
        }
        Ok(())
    }
}
