//! What a proof finds, and what happens then.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Proofs {
    /// Findings stand in the reports.
    #[default]
    Warn,
    /// The first finding ends the run.
    Strict,
    /// Nothing is looked for.
    Off,
}

/// Something that makes the run look like what it is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Name of the proof: `teacherBeatsChance`.
    pub proof: String,
    /// What it is about: `teacher`, `losses.kl`, a parameter.
    pub path: String,
    /// What was seen, and the remedy.
    pub message: String,
}

/// Collects findings; in `strict` mode the first one ends the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    mode: Proofs,
    pub list: Vec<Finding>,
}

impl Findings {
    pub fn new(mode: Proofs) -> Self {
        Findings { mode, list: Vec::new() }
    }

    pub fn add(&mut self, proof: &str, path: impl Into<String>, message: impl Into<String>) -> Result<()> {
        let finding = Finding { proof: proof.into(), path: path.into(), message: message.into() };
        match self.mode {
            Proofs::Off => Ok(()),
            Proofs::Strict => {
                Err(Error::new(Code::ProofFailed, finding.path, format!("{} ({proof})", finding.message)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_mode_ends_the_run() {
        let error = Findings::new(Proofs::Strict).add("termHasGradient", "losses.kl", "nothing").unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (Code::ProofFailed, "losses.kl"));
    }
}
