//! Adam, and AdamW with decoupled weight decay.
//!
//! ```text
//! g ← g + λ·p                                 Adam;   AdamW instead: p ← p − η·λ·p
//! m ← β₁·m + (1 − β₁)·g,   v ← β₂·v + (1 − β₂)·g²
//! p ← p − η · m̂ / (√v̂ + ε),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)
//! ```
//!
//! η learning rate, λ weight decay, t the step, from 1. Source: Kingma, Ba, "Adam", 2015, arXiv:1412.6980; Loshchilov,
//! Hutter, "Decoupled Weight Decay Regularization", 2019, arXiv:1711.05101. Where we differ: biases and norms do not
//! decay by default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, At, State};
use super::ranges::{not_negative, positive, share};
use crate::error::Result;
use crate::kernels::cpu::optimizer::{self, AdamStep};
use crate::tensor::Tensor;

/// Adam: steps by a running mean of the gradients over the root of a running mean of their squares. Weight decay is added
/// to the gradient.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Adam {
    /// Learning rate; must be > 0. Default 0.001.
    pub learning_rate: f64,
    /// Decay of the running mean of the gradients; must be ≥ 0 and < 1. Default 0.9.
    pub beta1: f64,
    /// Decay of the running mean of the squared gradients; must be ≥ 0 and < 1. Default 0.999.
    pub beta2: f64,
    /// Number added to the denominator; must be > 0. Default 1e-8.
    pub epsilon: f64,
    /// Weight decay: weightDecay · parameter is added to the gradient; must be ≥ 0. Default 0.
    pub weight_decay: f64,
    /// Whether weight decay also applies to biases and normalization parameters. Default false.
    pub decay_all: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, decay_all: false }
    }
}

/// Adam with decoupled weight decay: the decay changes the parameter directly.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdamW {
    /// Learning rate; must be > 0. Default 0.001.
    pub learning_rate: f64,
    /// Decay of the running mean of the gradients; must be ≥ 0 and < 1. Default 0.9.
    pub beta1: f64,
    /// Decay of the running mean of the squared gradients; must be ≥ 0 and < 1. Default 0.999.
    pub beta2: f64,
    /// Number added to the denominator; must be > 0. Default 1e-8.
    pub epsilon: f64,
    /// Weight decay: each step subtracts learning rate · weightDecay · parameter from the parameter; must be ≥ 0.
    /// Default 0.01.
    pub weight_decay: f64,
    /// Whether weight decay also applies to biases and normalization parameters. Default false.
    pub decay_all: bool,
}

impl Default for AdamW {
    fn default() -> Self {
        AdamW { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, decay_all: false }
    }
}

/// The arithmetic of both; they differ only in where the weight decay is applied.
struct Moments {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    /// Weight decay that is added to the gradient.
    coupled: f64,
    /// Weight decay that is subtracted from the parameter.
    decoupled: f64,
}

impl Moments {
    fn corrections(&self, at: At) -> (f64, f64) {
        let power = |beta: f64| 1.0 - beta.powf(at.step as f64);
        (power(self.beta1), power(self.beta2))
    }

    fn kernel(&self, at: At, parameter: &mut [f32], gradient: &[f32], [first, second]: State) {
        let (first_correction, second_correction) = self.corrections(at);
        let step = AdamStep {
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            rest1: (1.0 - self.beta1) as f32,
            rest2: (1.0 - self.beta2) as f32,
            rate: (at.rate / first_correction) as f32,
            root: (1.0 / second_correction.sqrt()) as f32,
            epsilon: self.epsilon as f32,
            keep: (1.0 - at.rate * self.decoupled) as f32,
            decay: self.coupled as f32,
        };
        optimizer::adam(parameter, gradient, first, second, step);
    }

    fn reference(
        &self,
        at: At,
        parameter: &Tensor,
        gradient: &Tensor,
        state: &[Tensor],
    ) -> candle_core::Result<(Tensor, Vec<Tensor>)> {
        let [first, second] = state else { candle_core::bail!("expected two state tensors") };
        let (first_correction, second_correction) = self.corrections(at);
        let gradient = (gradient + (parameter * self.coupled)?)?;
        let first = ((first * self.beta1)? + (&gradient * (1.0 - self.beta1))?)?;
        let second = ((second * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
        let root = ((&second / second_correction)?.sqrt()? + self.epsilon)?;
        let along = ((&first * (at.rate / first_correction))? / root)?;
        Ok((((parameter * (1.0 - at.rate * self.decoupled))? - along)?, vec![first, second]))
    }
}

macro_rules! algorithm {
    ($name:ident, $options:ident, $decay:ident => $coupled:expr, $decoupled:expr) => {
        impl $name {
            fn moments(&self, at: At) -> Moments {
                let $options = self;
                let $decay = if at.decay { self.weight_decay } else { 0.0 };
                Moments {
                    beta1: $options.beta1,
                    beta2: $options.beta2,
                    epsilon: $options.epsilon,
                    coupled: $coupled,
                    decoupled: $decoupled,
                }
            }
        }

        impl Algorithm for $name {
            fn validate(&self) -> Result<()> {
                positive("learningRate", self.learning_rate)?;
                share("beta1", self.beta1)?;
                share("beta2", self.beta2)?;
                positive("epsilon", self.epsilon)?;
                not_negative("weightDecay", self.weight_decay)
            }

            fn learning_rate(&self) -> f64 {
                self.learning_rate
            }

            fn decays_all(&self) -> bool {
                self.decay_all
            }

            fn state(&self) -> &'static [&'static str] {
                &["firstMoment", "secondMoment"]
            }

            fn kernel(&self, at: At, parameter: &mut [f32], gradient: &[f32], state: State) {
                self.moments(at).kernel(at, parameter, gradient, state);
            }

            fn reference(
                &self,
                at: At,
                parameter: &Tensor,
                gradient: &Tensor,
                state: &[Tensor],
            ) -> candle_core::Result<(Tensor, Vec<Tensor>)> {
                self.moments(at).reference(at, parameter, gradient, state)
            }
        }
    };
}

algorithm!(Adam, options, decay => decay, 0.0);
algorithm!(AdamW, options, decay => 0.0, decay);
