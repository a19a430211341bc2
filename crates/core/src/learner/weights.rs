//! The source of the values in a student's forward, which determines what is trained.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::models::Model;
use crate::parameters::{Bound, Parameters};
use crate::tape::Tape;
use crate::weights::ParameterGenerator;

pub(crate) enum Weights {
    /// The model's own parameters are the values, and are trained.
    Own,
    /// A generator computes the values from trained parameters of its own. The model's parameters keep their initial
    /// values, except the running statistics.
    Generated(Box<ParameterGenerator>),
}

impl Weights {
    /// The parameters that are trained so that the student learns.
    pub fn trained<'a>(&'a self, model: &'a Model) -> &'a Parameters {
        match self {
            Weights::Own => &model.parameters,
            Weights::Generated(generator) => generator.parameters(),
        }
    }

    /// The leaves that need gradients, and the student's values if they are not the leaves themselves.
    pub fn bind(&self, tape: &mut Tape, model: &Model, frozen: &BTreeSet<String>) -> Result<(Bound, Option<Bound>)> {
        let leaves = self.trained(model).leaves(tape, frozen);
        let made = match self {
            Weights::Own => None,
            Weights::Generated(generator) => Some(generator.generate(tape, &leaves, &model.parameters)?),
        };
        Ok((leaves, made))
    }

    /// The student's parameters as plain numbers; `trained` may be an average of the trained ones.
    pub fn baked(&self, trained: Parameters, model: &Model) -> Result<Parameters> {
        match self {
            Weights::Own => Ok(trained),
            Weights::Generated(generator) => generator.bake_from(&trained, &model.parameters),
        }
    }

    pub fn generator(&self) -> Option<&ParameterGenerator> {
        match self {
            Weights::Own => None,
            Weights::Generated(generator) => Some(generator),
        }
    }
}
