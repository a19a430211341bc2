//! Whether a run's loss ended far above where it began: what a learning rate does that is too high, short of infinity.

/// One loss: its weight now, its value at first, its mean over the last steps, its value at the last step.
pub(crate) struct Term {
    pub weight: f64,
    pub first: f64,
    pub mean: f64,
    pub last: f64,
}

/// Σ weight · value at first and in the end, where it ended more than ten times as high as it began, and than a student
/// has that knows nothing (ln of the classes for each weight). One odd batch is not enough, nor a rise in the weights.
pub(crate) fn risen(terms: &[Term], classes: usize) -> Option<(f64, f64)> {
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
        // One odd batch, a peak that is over, a copy that moves away, a weight that grew.
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
