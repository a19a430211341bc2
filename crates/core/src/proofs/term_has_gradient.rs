//! Every loss with a weight has a gradient.

use super::evidence::FirstUpdates;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct TermHasGradient;

impl Proof for TermHasGradient {
    const NAME: &'static str = "termHasGradient";
    const MEANING: &'static str = "After 50 updates or the first epoch: a loss had a weight above 0 and rows, but \
        never a gradient, so it does not change the student. Check what it compares: equal numbers on both sides give \
        no gradient.";
    const EXAMPLE: &'static str = "losses.similarity: this loss had no gradient in the first 50 updates: it teaches the \
        student nothing";

    fn first_updates(FirstUpdates { seen, copied, .. }: &FirstUpdates, findings: &mut Findings) -> Result<()> {
        for (name, (weighed, moved)) in &seen.terms {
            if *weighed && !moved && !copied {
                let message = format!(
                    "this loss had no gradient in the first {} updates: it teaches the student nothing",
                    seen.updates
                );
                findings.add::<Self>(format!("losses.{name}"), message)?;
            }
        }
        Ok(())
    }
}
