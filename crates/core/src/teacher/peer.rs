//! Another learner of the same run, with its outputs in training mode.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::teach::{Asking, Offers, Teach};
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::models::Network;
use crate::targets::{self, Form};

/// A learner, by its index in the run.
#[derive(Clone)]
pub(crate) struct Peer {
    pub number: usize,
    pub network: Arc<Network>,
}

impl Teach for Peer {
    fn offers(&self, _student: &Network, _data: Option<&Dataset>) -> Result<Offers> {
        Ok(Offers { classes: self.network.classes(), form: Form::Logits })
    }

    fn answer(&self, _batch: &Batch, asking: &Asking) -> Result<targets::Signal> {
        let answer = asking.peers.get(self.number).and_then(Option::as_ref);
        answer.cloned().ok_or_else(|| Error::internal("a peer was not asked"))
    }

    fn fingerprint(&self) -> Result<Json> {
        Ok(json!({ "peer": self.number }))
    }

    fn network<'a>(&'a self, _student: &'a Network) -> Option<&'a Network> {
        Some(&self.network)
    }

    fn learns(&self) -> bool {
        true
    }
}
