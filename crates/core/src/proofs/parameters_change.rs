//! The rate is large enough to change the parameters.

use super::evidence::{FirstUpdates, Moved, Student};
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct ParametersChange;

impl Proof for ParametersChange {
    const NAME: &'static str = "parametersChange";
    const MEANING: &'static str = "Before the first step, and after 50 updates or the first epoch: the learning rate \
        is 0, or all tensors of a layer had gradients but none of them changed. Raise the learning rate. A \
        single tensor is not reported if the rest of its layer changes, because its gradient may be 0 except for \
        rounding: a batch norm, or a loss on differences between rows, cancels a bias.";
    const EXAMPLE: &'static str = "head.weight: the parameter had gradients but did not change in the first 38 updates";

    fn student(student: &Student, findings: &mut Findings) -> Result<()> {
        if student.learning_rate == 0.0 {
            findings.add::<Self>("optimizer.learningRate", "the learning rate is 0: nothing will be learnt")?;
        }
        Ok(())
    }

    fn first_updates(FirstUpdates { seen, .. }: &FirstUpdates, findings: &mut Findings) -> Result<()> {
        let updates = seen.updates;
        if seen.highest_rate == 0.0 {
            let message =
                format!("the learning rate was 0 in all of the first {updates} updates, so nothing was learnt");
            return findings.add::<Self>("optimizer.learningRate", message);
        }
        for (name, moved) in &seen.tensors {
            if *moved == Moved::Unchanged && !seen.rest_of_layer(name).any(|moved| moved == Moved::Changed) {
                let message = format!("the parameter had gradients but did not change in the first {updates} updates");
                findings.add::<Self>(name, message)?;
            }
        }
        Ok(())
    }
}
