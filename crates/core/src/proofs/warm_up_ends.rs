//! The rate reaches its peak before the run ends.

use super::proof::Proof;

/// The run adds the findings of this proof, because only the run has its number of steps.
pub(crate) struct WarmUpEnds;

impl Proof for WarmUpEnds {
    const NAME: &'static str = "warmUpEnds";
    const MEANING: &'static str = "Before the first step: the warm-up of the schedule takes more steps than the run \
        has, so the rate never reaches the learning rate. Shorten `warmupSteps` or train for longer.";
    const EXAMPLE: &'static str = "schedule: the warm-up takes 1000 steps and the run has 10: the rate never rises above \
        1.0 % of the learning rate; shorten warmupSteps";
}
