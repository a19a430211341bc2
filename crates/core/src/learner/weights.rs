//! The source of the parameter values in a student's forward pass; it determines which parameters are trained.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::models::Model;
use crate::parameters::{Bound, Parameters};
use crate::tape::Tape;
use crate::weights::ParameterGenerator;

pub(crate) enum Weights {
    /// The model's own parameters are the values, and are trained.
    Own,
    /// A generator computes the values from its own, trained parameters. The model's parameters keep their initial
    /// values, except the running statistics.
    Generated(Box<ParameterGenerator>),
}

impl Weights {
    /// The trained parameters: the student's or its generator's.
    pub fn trained<'a>(&'a self, model: &'a Model) -> &'a Parameters {
        match self {
            Weights::Own => &model.parameters,
            Weights::Generated(generator) => generator.parameters(),
        }
    }

    /// The leaves that need gradients, and the student's values if they differ from the leaves.
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
