//! One training step of a dense network, as in a run.

use std::collections::{BTreeMap, BTreeSet};

use limbeck_core::batch::{Batch, Features};
use limbeck_core::error::{Error, Result};
use limbeck_core::labels::Labels;
use limbeck_core::losses::{Losses, LossesOptions, Micro};
use limbeck_core::ops::activation::Activation;
use limbeck_core::ops::linear::linear;
use limbeck_core::optimizers::{Optimizer, OptimizerOptions};
use limbeck_core::outputs::Outputs;
use limbeck_core::parameters::{Kind, Parameter, Parameters};
use limbeck_core::tape::{Engine, Tape, Value};
use limbeck_core::tensor::{Tensor, from_vec, to_f64};

/// A dense network with relu between its layers, trained by mean cross entropy and plain SGD on one batch.
pub struct Mlp {
    parameters: Parameters,
    optimizer: Optimizer,
    losses: Losses,
    batch: Batch,
    layers: Vec<[String; 2]>,
}

impl Mlp {
    /// `layers`: name, numbers of the weight `[outputs, inputs]` and of the bias.
    pub fn new(layers: Vec<(&str, Vec<f32>, Vec<f32>)>, x: Vec<f32>, labels: Vec<u32>, rate: f64) -> Result<Mlp> {
        let mut parameters = BTreeMap::new();
        let mut names = Vec::new();
        for (name, weight, bias) in layers {
            let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
            let [weight_name, bias_name] = [format!("{name}.weight"), format!("{name}.bias")];
            let mut put = |name: &str, tensor: Tensor, decay: bool| {
                parameters.insert(name.to_string(), Parameter::new(tensor, Kind::Trainable, decay))
            };
            put(&weight_name, from_vec(weight, (outputs, inputs))?, true);
            put(&bias_name, from_vec(bias, outputs)?, false);
            names.push([weight_name, bias_name]);
        }
        let parameters = Parameters::from_iter(parameters);
        let json = serde_json::json!({ "sgd": { "learningRate": rate } });
        let options: OptimizerOptions =
            serde_json::from_value(json).map_err(|error| Error::internal(error.to_string()))?;
        let json = serde_json::json!({ "crossEntropy": {} });
        let losses: LossesOptions = serde_json::from_value(json).map_err(|error| Error::internal(error.to_string()))?;
        let rows = labels.len();
        let width = x.len() / rows;
        Ok(Mlp {
            optimizer: Optimizer::new(&options, &parameters)?,
            parameters,
            losses: Losses::new(losses)?,
            batch: Batch {
                ids: (0..rows as u64).collect(),
                epoch: 0,
                inputs: Features::Dense(from_vec(x, (rows, width))?),
                labels: Labels::Single(labels),
                row_weights: None,
                teacher_logits: None,
                pair: None,
            },
            layers: names,
        })
    }

    /// Loss and gradients by name.
    fn gradients(&self) -> Result<(f64, BTreeMap<String, Tensor>)> {
        let mut tape = Tape::new(Engine::Kernels);
        let bound = self.parameters.leaves(&mut tape, &BTreeSet::new());
        let Features::Dense(x) = &self.batch.inputs else { return Err(Error::internal("dense inputs")) };
        let mut hidden = Value::constant(x.clone());
        for (i, [weight, bias]) in self.layers.iter().enumerate() {
            let activation = if i + 1 < self.layers.len() { Activation::Relu } else { Activation::None };
            hidden = linear(&mut tape, &hidden, &bound[weight], Some(&bound[bias]), activation)?;
        }
        let outputs =
            Outputs { logits: hidden, hidden: BTreeMap::new(), head_weight: None, buffer_updates: Vec::new() };
        let denominators = &self.losses.denominators(&[&self.batch])?;
        let (student, batch) = ((&outputs).into(), &self.batch);
        let micro = Micro { student, teachers: &[], batch, denominators, step: 0, norms: false };
        let applied = self.losses.apply(&mut tape, &micro)?;
        let mut gradients = tape.backward(applied.seeds)?;
        let each = bound.iter().map(|(name, value)| Some((name.clone(), gradients.take(value)?)));
        let gradients = each.collect::<Option<_>>().ok_or_else(|| Error::internal("a layer without gradient"))?;
        Ok((applied.total, gradients))
    }

    /// One training step; returns the loss before it.
    pub fn step(&mut self) -> Result<f64> {
        let (loss, gradients) = self.gradients()?;
        self.optimizer.step(&self.parameters, &gradients, 1.0)?;
        Ok(loss)
    }

    /// Loss and all gradients as plain numbers, by name; changes no parameter.
    pub fn check(&self) -> Result<(f64, BTreeMap<String, Vec<f32>>)> {
        let (loss, gradients) = self.gradients()?;
        let plain = |(name, tensor): (String, Tensor)| Ok((name, to_f64(&tensor)?.iter().map(|x| *x as f32).collect()));
        Ok((loss, gradients.into_iter().map(plain).collect::<Result<_>>()?))
    }
}
