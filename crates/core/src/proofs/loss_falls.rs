//! The loss does not end far above its first value, as it does with a learning rate that is too high.

use super::evidence::{Ended, Term};
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct LossFalls;

impl Proof for LossFalls {
    const NAME: &'static str = "lossFalls";
    const MEANING: &'static str = "At the end: the weighted losses are more than ten times as high as at the first \
        step, and more than ten times as high as those of equal probabilities. Lower the learning rate or set \
        `clipNorm`.";
    const EXAMPLE: &'static str = "optimizer.learningRate: the loss rose from 1.130 to 2.061e4: the student is worse than \
        at its start; the learning rate 10000 is probably too high, lower it or set clipNorm";

    fn end(ended: &Ended, findings: &mut Findings) -> Result<()> {
        let Some((first, end)) = risen(&ended.terms, ended.model.network.classes()) else { return Ok(()) };
        let message = format!(
            "the loss rose from {first:.3} to {end:.3e}: the student is worse than at its start; the learning rate {} is \
             probably too high, lower it or set clipNorm",
            ended.learning_rate
        );
        findings.add::<Self>("optimizer.learningRate", message)
    }
}

/// Σ weight · value of the first and the last step, if the last is more than ten times the first and more than ten
/// times that of equal probabilities (weight · ln(classes) for each loss). One unusual batch or a rise in the weights
/// is not enough.
fn risen(terms: &[Term], classes: usize) -> Option<(f64, f64)> {
    let sum = |value: fn(&Term) -> f64| terms.iter().map(|term| term.weight * value(term)).sum::<f64>();
    let (first, end) = (sum(|term| term.first), sum(|term| term.mean).min(sum(|term| term.last)));
    let blind = (classes as f64).ln().max(0.7) * sum(|_| 1.0);
    (!terms.is_empty() && end > 10.0 * first.max(blind)).then_some((first, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loss_that_ended_far_above_its_beginning_has_risen() {
        let term = |weight, first, mean, last| Term { weight, first, mean, last };
        assert_eq!(risen(&[term(1.0, 2.3, 1e9, 1e8)], 10), Some((2.3, 1e8)));
        // One unusual batch, a peak that is over, a copy that moves away, a weight that grew.
        for sound in [
            term(1.0, 2.3, 1.0, 90.0),
            term(1.0, 2.3, 90.0, 1.0),
            term(1.0, 0.0, 5.0, 5.0),
            term(9.0, 40.0, 90.0, 90.0),
        ] {
            assert_eq!(risen(&[sound], 10), None);
        }
        assert_eq!(risen(&[], 10), None);
    }
}
