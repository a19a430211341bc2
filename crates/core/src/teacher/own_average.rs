//! The running average of the student's own parameters (mean teacher).
//!
//! It is in evaluation mode and gets the same inputs as the student. Source: Tarvainen, Valpola, "Mean teachers are
//! better role models", 2017, arXiv:1703.01780. Where we differ: any loss can compare with it, and its inputs are not
//! augmented separately.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::model;
use super::teach::{self, Asking, Offers, Teach, Teacher};
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::models::{Model, Network};
use crate::optimizers::Average;
use crate::targets::{self, Form};
use crate::tensor::Tensor;

/// A teacher that is the running average of the student's own parameters (mean teacher).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnAverage {
    /// Share of the old average that is kept at each step; must be ≥ 0 and < 1. Default 0.999.
    #[serde(default = "decay")]
    pub decay: f64,
}

fn decay() -> f64 {
    0.999
}

impl OwnAverage {
    pub fn teacher(self) -> Result<Teacher> {
        teach::share("decay", self.decay)?;
        Ok(Following { options: self, average: None }.into())
    }
}

struct Following {
    options: OwnAverage,
    /// `None` before `begin`.
    average: Option<Average>,
}

/// A copy is for another learner, so it starts without an average.
impl Clone for Following {
    fn clone(&self) -> Following {
        Following { options: self.options, average: None }
    }
}

impl Following {
    fn average(&self) -> Result<&Average> {
        self.average.as_ref().ok_or_else(|| Error::internal("an average that has not begun"))
    }
}

impl Teach for Following {
    fn offers(&self, student: &Network, _data: Option<&Dataset>) -> Result<Offers> {
        Ok(Offers { classes: student.classes(), form: Form::Logits })
    }

    fn answer(&self, batch: &Batch, asking: &Asking) -> Result<targets::Signal> {
        let parameters = self.average()?.shared(&asking.student.parameters);
        model::signal(&Model { parameters, ..asking.student.clone() }, batch, asking)
    }

    fn fingerprint(&self) -> Result<Json> {
        Ok(json!({ "average": self.options }))
    }

    fn network<'a>(&'a self, student: &'a Network) -> Option<&'a Network> {
        Some(student)
    }

    fn begin(&mut self, student: &Model) -> Result<()> {
        self.average = Some(Average::new(self.options.decay, &student.parameters)?);
        Ok(())
    }

    fn after_step(&mut self, student: &Model) -> Result<()> {
        self.average.as_mut().map_or(Ok(()), |average| average.update(&student.parameters))
    }

    fn group(&self) -> Option<&'static str> {
        Some("teachingAverage")
    }

    fn export(&self) -> Result<BTreeMap<String, Tensor>> {
        self.average()?.export()
    }

    fn import(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        self.average.as_mut().map_or(Ok(()), |average| average.import(tensors))
    }
}
