//! Every trained tensor gets a gradient.

use super::evidence::{FirstUpdates, Moved, layer};
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct GradientReaches;

impl Proof for GradientReaches {
    const NAME: &'static str = "gradientReaches";
    const MEANING: &'static str = "After 50 updates or the first epoch: a trainable tensor never had a gradient other \
        than 0, so it does not affect the outputs. Check the architecture, or freeze the tensor. A bias is not \
        reported if the rest of its layer has a gradient, because a batch norm after the layer, or a loss that only \
        compares rows with each other, cancels a bias.";
    const EXAMPLE: &'static str = "lost.weight: the parameter's gradient was always 0 in the first 38 updates: it does \
        not affect the outputs";

    fn first_updates(FirstUpdates { seen, .. }: &FirstUpdates, findings: &mut Findings) -> Result<()> {
        for (name, moved) in &seen.tensors {
            let why = match moved {
                Moved::Unreached => "the backward pass never reached the parameter",
                Moved::NoGradient => "the parameter's gradient was always 0",
                Moved::Unchanged | Moved::Changed => continue,
            };
            let reached = |moved| matches!(moved, Moved::Unchanged | Moved::Changed);
            if layer(name).1 && seen.rest_of_layer(name).any(reached) {
                continue;
            }
            let message = format!("{why} in the first {} updates: it does not affect the outputs", seen.updates);
            findings.add::<Self>(name, message)?;
        }
        Ok(())
    }
}
