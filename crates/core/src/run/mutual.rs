//! Deep mutual learning: learners that teach each other.
//!
//! ```text
//! L_k = Σ own losses, compared with the peers: 1/(M − 1) · Σ_{j≠k} L(q_j, q_k)         M learners, q_j constant in L_k
//! ```
//!
//! With `crossEntropy` and `kl` this is the paper's loss. There may be a frozen teacher in addition to the peers;
//! `combine` can average all of them into one teacher. Source: Zhang, Xiang, Hospedales, Lu, "Deep Mutual Learning", 2018,
//! arXiv:1706.00384. Where we differ: peers are in training mode in both roles; the sum over them is divided by M − 1
//! (the authors' code does not divide, which is the same for two learners); and nothing is added inside the logarithm.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::entrant::{Entry, heard};
use super::member::Member;
use super::role::Role;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::learner::{At, signal};
use crate::memory;
use crate::models::{Model, Network};
use crate::numbers::StepNumbers;
use crate::options::TrainOptions;
use crate::teacher::{Combine, Peer, Teacher, Teachers};

/// The order of the updates in mutual learning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Updates {
    /// All forwards first, then all updates.
    #[default]
    Simultaneous,
    /// One learner after the other: each is compared with the outputs of the others after their latest updates.
    Alternating,
}

/// Settings of mutual learning that all learners share.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MutualOptions {
    /// When the learners' parameters change.
    #[serde(default)]
    pub updates: Updates,
    /// Weight of a frozen teacher, where all peers together have the weight 1; must be ≥ 0. Default: 1.
    #[serde(default = "one")]
    pub teacher_weight: f64,
}

fn one() -> f64 {
    1.0
}

/// The other learners, each with its options.
pub struct Mutual {
    pub options: MutualOptions,
    pub others: Vec<(Model, TrainOptions)>,
}

impl MutualOptions {
    pub fn validate(&self) -> Result<()> {
        if self.teacher_weight.is_finite() && self.teacher_weight >= 0.0 {
            return Ok(());
        }
        let message = format!("expected a finite number of at least 0, got {}", self.teacher_weight);
        Err(Error::config("teacherWeight", message))
    }

    /// The teachers of one learner: all its peers, and the frozen ones.
    fn teachers(&self, own: usize, networks: &[Arc<Network>], frozen: Teachers) -> Teachers {
        let peers = (networks.len() - 1).max(1) as f64;
        let others = networks.iter().enumerate().filter(|(number, _)| *number != own);
        let peer = |(number, network): (usize, &Arc<Network>)| Peer { number, network: network.clone() };
        let mut members: Vec<(Teacher, f64)> = others.map(|other| (peer(other).into(), 1.0 / peers)).collect();
        if self.teacher_weight > 0.0 {
            let frozen = frozen.members.iter();
            members.extend(frozen.map(|(teacher, share)| (teacher.clone(), share * self.teacher_weight)));
        }
        if frozen.combine != Combine::Losses {
            let sum: f64 = members.iter().map(|(_, share)| share).sum();
            members.iter_mut().for_each(|(_, share)| *share /= sum);
        }
        Teachers { members, ..frozen }
    }

    /// All learners of a run.
    pub(super) fn entries(&self, students: Vec<(Model, TrainOptions)>, frozen: &Teachers) -> Vec<Entry> {
        let seed = students[0].1.seed;
        let networks: Vec<Arc<Network>> = students.iter().map(|(model, _)| model.network.clone()).collect();
        let entry = |(number, (student, options)): (usize, (Model, TrainOptions))| Entry {
            role: Role::Peer(number),
            teachers: self.teachers(number, &networks, heard(frozen, &options)),
            student,
            options,
            // Each learner of a run has its own dropout masks and initial values of the losses' parameters.
            seed: seed.wrapping_add(number as u64),
        };
        students.into_iter().enumerate().map(entry).collect()
    }

    /// Rejects learners that cannot teach each other, and options of the run that apply only to a single student.
    pub(super) fn fits(&self, students: &[(Model, TrainOptions)], frozen: &Teachers) -> Result<()> {
        self.validate()?;
        if students.len() < 2 {
            let message = "expected at least two learners, got one: use distill or train";
            return Err(Error::config("students", message));
        }
        let options = &students[0].1;
        for (path, given) in [
            ("control", options.control),
            ("generator", options.generator.is_some()),
            ("weightRowsByTeacher", options.weight_rows_by_teacher),
        ] {
            if given {
                return Err(Error::config(path, "not supported in mutual learning; remove it"));
            }
        }
        // All learners keep their activations at the same time.
        let own = students.iter().map(|(model, options)| memory::of_student(model, None, options)).sum::<u64>();
        let asked = memory::of_teachers(frozen.models().map(|(_, model)| model), options);
        memory::within(own + asked, options)
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
    let mut gathered = members.iter().map(|member| member.learner.gather(batches)).collect::<Result<Vec<_>>>()?;
    for batch in batches {
        let forwards: Vec<_> =
            members.iter().zip(at).map(|(member, at)| member.learner.forward(batch, at)).collect::<Result<_>>()?;
        let peers: Vec<_> = forwards.iter().map(|forward| Some(signal(&forward.outputs))).collect();
        let each = members.iter_mut().zip(at).zip(forwards).zip(&mut gathered);
        for (((Member { learner, role, .. }, at), forward), gathered) in each {
            let signals = learner.ask_teachers(batch, &peers, at).map_err(|error| error.at(&role.path()))?;
            learner.learn(forward, &signals, at, gathered).map_err(|error| error.at(&role.path()))?;
        }
    }
    let each = members.iter_mut().zip(at).zip(gathered);
    each.map(|((Member { learner, role, .. }, at), gathered)| {
        learner.update(gathered, at).map_err(|error| error.at(&role.path()))
    })
    .collect()
}

fn alternating(members: &mut [Member], own: usize, batches: &[Batch], at: &[At]) -> Result<StepNumbers> {
    let mut gathered = members[own].learner.gather(batches)?;
    for batch in batches {
        let mut peers = Vec::with_capacity(members.len());
        for (number, (member, at)) in members.iter().zip(at).enumerate() {
            peers.push(if number == own { None } else { Some(member.learner.forward_as_peer(batch, at)?) });
        }
        let Member { learner, role, .. } = &mut members[own];
        let signals = learner.ask_teachers(batch, &peers, &at[own]).map_err(|error| error.at(&role.path()))?;
        let forward = learner.forward(batch, &at[own])?;
        learner.learn(forward, &signals, &at[own], &mut gathered).map_err(|error| error.at(&role.path()))?;
    }
    let Member { learner, role, .. } = &mut members[own];
    learner.update(gathered, &at[own]).map_err(|error| error.at(&role.path()))
}
