//! Learners that teach each other: deep mutual learning.
//!
//! ```text
//! L_k = Σ own losses, compared with the peers: 1/(M − 1) · Σ_{j≠k} L(q_j, q_k)         M learners, q_j constant in L_k
//! ```
//!
//! With `crossEntropy` and `kl` these are the paper's. A frozen teacher may stand beside the peers; `combine` averages
//! them into one. Source: Zhang, Xiang, Hospedales, Lu, "Deep Mutual Learning", 2018, arXiv:1706.00384. Where we differ:
//! peers are in training mode in both roles, their sum is divided by M − 1 (the authors' code does not, which is the same
//! for two), and nothing is added inside the logarithm.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::member::Member;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::learner::At;
use crate::models::{Model, Network};
use crate::numbers::StepNumbers;
use crate::options::TrainOptions;
use crate::targets;
use crate::teacher::{Combine, Teacher, Teachers};

/// When learners that teach each other change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Updates {
    /// All answer first, then all change.
    #[default]
    Simultaneous,
    /// One after the other: each is compared with what the others answer after their last change.
    Alternating,
}

/// What learners that teach each other have in common.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MutualOptions {
    /// When they change.
    #[serde(default)]
    pub updates: Updates,
    /// How much a teacher beside them counts, where all peers together count 1; 0 or more.
    #[serde(default = "one")]
    pub teacher_weight: f64,
}

fn one() -> f64 {
    1.0
}

/// The other learners: each with its options.
pub struct Mutual {
    pub options: MutualOptions,
    pub others: Vec<(Model, TrainOptions)>,
}

impl MutualOptions {
    pub fn validate(&self) -> Result<()> {
        if self.teacher_weight.is_finite() && self.teacher_weight >= 0.0 {
            return Ok(());
        }
        let message = format!("expected a finite number of 0 or more, got {}", self.teacher_weight);
        Err(Error::config("teacherWeight", message))
    }

    /// The teachers of one learner: all others, and whoever is frozen beside them.
    pub(super) fn teachers(&self, own: usize, networks: &[Arc<Network>], frozen: &Teachers) -> Teachers {
        let peers = (networks.len() - 1).max(1) as f64;
        let others = networks.iter().enumerate().filter(|(number, _)| *number != own);
        let mut members: Vec<(Teacher, f64)> =
            others.map(|(number, network)| (Teacher::Peer(number, network.clone()), 1.0 / peers)).collect();
        if self.teacher_weight > 0.0 {
            members
                .extend(frozen.members.iter().map(|(teacher, share)| (teacher.clone(), share * self.teacher_weight)));
        }
        if frozen.combine != Combine::Losses {
            let sum: f64 = members.iter().map(|(_, share)| share).sum();
            members.iter_mut().for_each(|(_, share)| *share /= sum);
        }
        Teachers { members, ..frozen.clone() }
    }
}

/// One step of all learners over the batches of one accumulation.
pub(super) fn step(members: &mut [Member], batches: &[Batch], at: &[At], updates: Updates) -> Result<Vec<StepNumbers>> {
    match updates {
        Updates::Simultaneous => simultaneous(members, batches, at),
        Updates::Alternating => (0..members.len()).map(|own| alternating(members, own, batches, at)).collect(),
    }
}

fn simultaneous(members: &mut [Member], batches: &[Batch], at: &[At]) -> Result<Vec<StepNumbers>> {
    let mut gathered =
        members.iter().map(|member| Ok(Some(member.learner.gather(batches)?))).collect::<Result<Vec<_>>>()?;
    for batch in batches {
        let passes =
            members.iter().zip(at).map(|(member, at)| member.learner.begin(batch, at)).collect::<Result<Vec<_>>>()?;
        let answers: Vec<Option<targets::Teacher>> =
            members.iter().zip(&passes).map(|(member, pass)| Some(member.learner.answer(&pass.outputs))).collect();
        for (number, pass) in passes.into_iter().enumerate() {
            let Member { learner, asked, watch, place, .. } = &mut members[number];
            let sides = learner.ask(asked, batch, &answers, &at[number]).map_err(|error| error.at(place))?;
            if let Some(gathered) = &mut gathered[number] {
                let learnt = learner.learn(pass, batch, &sides, &at[number], watch, gathered);
                learnt.map_err(|error| error.at(place))?;
            }
        }
    }
    let mut all = Vec::with_capacity(members.len());
    for ((member, gathered), at) in members.iter_mut().zip(&mut gathered).zip(at) {
        let gathered = gathered.take().ok_or_else(|| Error::internal("a learner without gradients"))?;
        let updated = member.learner.update(gathered, at, &mut member.watch);
        all.push(updated.map_err(|error| error.at(&member.place))?);
    }
    Ok(all)
}

fn alternating(members: &mut [Member], own: usize, batches: &[Batch], at: &[At]) -> Result<StepNumbers> {
    let mut gathered = members[own].learner.gather(batches)?;
    for batch in batches {
        let mut answers = Vec::with_capacity(members.len());
        for (number, (member, at)) in members.iter().zip(at).enumerate() {
            answers.push(if number == own { None } else { Some(member.learner.say(batch, at)?) });
        }
        let Member { learner, asked, watch, place, .. } = &mut members[own];
        let sides = learner.ask(asked, batch, &answers, &at[own]).map_err(|error| error.at(place))?;
        let pass = learner.begin(batch, &at[own])?;
        learner.learn(pass, batch, &sides, &at[own], watch, &mut gathered).map_err(|error| error.at(place))?;
    }
    let Member { learner, watch, place, .. } = &mut members[own];
    learner.update(gathered, &at[own], watch).map_err(|error| error.at(place))
}
