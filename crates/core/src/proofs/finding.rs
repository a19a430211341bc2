//! The findings of proofs, and what happens with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::proof::Proof;
use crate::error::{Code, Error, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Proofs {
    /// The reports contain the findings.
    #[default]
    Warn,
    /// The first finding ends the run.
    Strict,
    /// No proof runs.
    Off,
}

/// One result of a proof: a sign that something is wrong with the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Name of the proof: `teacherBeatsChance`.
    pub proof: String,
    /// The part of the run that it concerns: `teacher`, `losses.kl`, the name of a parameter.
    pub path: String,
    /// What was observed, and the remedy.
    pub message: String,
}

/// Collects findings; in `strict` mode the first one ends the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    mode: Proofs,
    /// The path of the student that is examined, if there are several: the beginning of each finding's path.
    place: String,
    pub list: Vec<Finding>,
}

impl Findings {
    pub fn new(mode: Proofs) -> Self {
        Findings { mode, ..Findings::default() }
    }

    /// Adds a checkpoint that could not be written after the last step. Every mode reports it, and no mode ends the run
    /// because of it.
    pub fn failed_write<P: Proof>(&mut self, error: &Error) {
        let message = format!("the last checkpoint was not written, but the student is trained: {}", error.message);
        self.list.push(Finding { proof: P::NAME.into(), path: error.path.clone(), message });
    }

    pub fn are_off(&self) -> bool {
        self.mode == Proofs::Off
    }

    /// Runs proofs of the student with this path.
    pub fn below(&mut self, place: &str, proofs: impl FnOnce(&mut Findings) -> Result<()>) -> Result<()> {
        self.place = place.into();
        let done = proofs(self);
        self.place.clear();
        done
    }

    pub fn add<P: Proof>(&mut self, path: impl Into<String>, message: impl Into<String>) -> Result<()> {
        let path = [self.place.clone(), path.into()].into_iter().filter(|part| !part.is_empty());
        let path = path.collect::<Vec<_>>().join(".");
        let finding = Finding { proof: P::NAME.into(), path, message: message.into() };
        match self.mode {
            Proofs::Off => Ok(()),
            Proofs::Strict => {
                Err(Error::new(Code::ProofFailed, finding.path, format!("{} ({})", finding.message, P::NAME)))
            }
            Proofs::Warn => {
                if !self.list.contains(&finding) {
                    self.list.push(finding);
                }
                Ok(())
            }
        }
    }
}
