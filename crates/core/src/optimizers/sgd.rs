//! Stochastic gradient descent.
//!
//! ```text
//! g ← g + λ·p                      λ weight decay
//! v ← μ·v + g                      μ momentum, v 0 at first
//! p ← p − η·v                      η learning rate; Nesterov: p − η·(g + μ·v)
//! ```
//!
//! Source: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning", ICML
//! 2013, in PyTorch's form (no dampening). Where we differ: biases and norms do not decay by default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, At, State};
use super::ranges::{not_negative, positive, share};
use crate::error::{Error, Result};
use crate::kernels::cpu::optimizer::{self, SgdStep};
use crate::tensor::Tensor;

/// Stochastic gradient descent, plain or with momentum.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Sgd {
    /// Learning rate; must be > 0. Default 0.01.
    pub learning_rate: f64,
    /// Momentum: share of the previous step that is kept; must be ≥ 0 and < 1. Default 0.
    pub momentum: f64,
    /// Uses Nesterov's form of momentum; needs a momentum > 0. Default false.
    pub nesterov: bool,
    /// Weight decay: weightDecay · parameter is added to the gradient; must be ≥ 0. Default 0.
    pub weight_decay: f64,
    /// Whether weight decay also applies to biases and normalization parameters. Default false.
    pub decay_all: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd { learning_rate: 0.01, momentum: 0.0, nesterov: false, weight_decay: 0.0, decay_all: false }
    }
}

impl Algorithm for Sgd {
    fn validate(&self) -> Result<()> {
        positive("learningRate", self.learning_rate)?;
        share("momentum", self.momentum)?;
        not_negative("weightDecay", self.weight_decay)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::config("nesterov", "expected a momentum above 0 when nesterov is true, got 0"));
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn decays_all(&self) -> bool {
        self.decay_all
    }

    fn state(&self) -> &'static [&'static str] {
        if self.momentum > 0.0 { &["momentum"] } else { &[] }
    }

    fn kernel(&self, at: At, parameter: &mut [f32], gradient: &[f32], [velocity, _]: State) {
        let step = SgdStep {
            rate: at.rate as f32,
            momentum: self.momentum as f32,
            nesterov: self.nesterov,
            decay: if at.decay { self.weight_decay as f32 } else { 0.0 },
        };
        optimizer::sgd(parameter, gradient, velocity, step);
    }

    fn reference(
        &self,
        at: At,
        parameter: &Tensor,
        gradient: &Tensor,
        state: &[Tensor],
    ) -> candle_core::Result<(Tensor, Vec<Tensor>)> {
        let decay = if at.decay { self.weight_decay } else { 0.0 };
        let gradient = (gradient + (parameter * decay)?)?;
        let Some(velocity) = state.first() else {
            return Ok(((parameter - (gradient * at.rate)?)?, Vec::new()));
        };
        let velocity = ((velocity * self.momentum)? + &gradient)?;
        let along = if self.nesterov { (gradient + (&velocity * self.momentum)?)? } else { velocity.clone() };
        Ok(((parameter - (along * at.rate)?)?, vec![velocity]))
    }
}
