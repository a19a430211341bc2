//! What the programs of `examples/bench_*` need of the inside; no part of the library's interface.

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::{Batch, Features};
use crate::error::{Error, Result};
use crate::kernels::cpu::gemm::{self, Matrix};
use crate::labels::Labels;
use crate::losses::{Losses, LossesOptions, Micro};
use crate::ops::activation::Activation;
use crate::ops::linear::linear;
use crate::ops::weight_generator::{Stack, Weights, weight_generator};
use crate::optimizers::{Optimizer, OptimizerOptions};
use crate::outputs::Outputs;
use crate::parameters::{Kind, Parameter, Parameters};
use crate::tape::{Engine, Tape, Value};
use crate::tensor::{Tensor, from_vec, to_f64};

/// Numbers, rows, columns, and whether the product reads them transposed.
#[derive(Clone, Copy)]
pub struct Operand<'a>(pub &'a [f32], pub usize, pub usize, pub bool);

/// `out ← a · b`.
pub fn product(a: Operand, b: Operand, out: &mut [f32]) {
    fn view(Operand(data, rows, cols, transposed): Operand) -> Matrix {
        let matrix = Matrix::new(data, rows, cols);
        if transposed { matrix.transposed() } else { matrix }
    }
    gemm::product(view(a), view(b), out, false);
}

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
                parameters.insert(name.to_string(), Parameter { tensor, kind: Kind::Trainable, decay })
            };
            put(&weight_name, from_vec(weight, (outputs, inputs))?, true);
            put(&bias_name, from_vec(bias, outputs)?, false);
            names.push([weight_name, bias_name]);
        }
        let parameters = Parameters(parameters);
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

    /// One training step; gives the loss before it.
    pub fn step(&mut self) -> Result<f64> {
        let (loss, gradients) = self.gradients()?;
        self.optimizer.step(&self.parameters, &gradients, 1.0)?;
        Ok(loss)
    }

    /// Loss and all gradients as plain numbers, by name; nothing is changed.
    pub fn check(&self) -> Result<(f64, BTreeMap<String, Vec<f32>>)> {
        let (loss, gradients) = self.gradients()?;
        let plain = |(name, tensor): (String, Tensor)| Ok((name, to_f64(&tensor)?.iter().map(|x| *x as f32).collect()));
        Ok((loss, gradients.into_iter().map(plain).collect::<Result<_>>()?))
    }
}

/// Parameters that generators make: forward, and backward of `Σ upstream ⊙ S` to everything that is trained.
#[derive(Default)]
pub struct Generators(Vec<Generated>);

/// Tensors by the names that their formula gives them.
type Named = BTreeMap<&'static str, Tensor>;

struct Generated {
    stack: Stack,
    trained: BTreeMap<&'static str, Tensor>,
    upstream: Tensor,
}

/// The numbers of one generator: the teacher's planes `[outputs, inputs]`, and what is trained, with shapes.
pub struct GeneratorNumbers {
    pub planes: Vec<Vec<f32>>,
    pub teacher: [usize; 2],
    pub student: [usize; 2],
    /// wOut, wIn, wLayer, wReduce, scale, shift.
    pub trained: [Vec<f32>; 6],
    pub upstream: Vec<f32>,
}

const TRAINED: [&str; 6] = ["wOut", "wIn", "wLayer", "wReduce", "scale", "shift"];

impl Generators {
    pub fn add(&mut self, numbers: GeneratorNumbers) -> Result<()> {
        let ([ot, it], [os, is], l) = (numbers.teacher, numbers.student, numbers.planes.len());
        let planes = numbers.planes.into_iter().map(|plane| from_vec(plane, (ot, it))).collect::<Result<Vec<_>>>()?;
        let shapes = [vec![ot, os], vec![it, is], vec![l, l], vec![l], vec![os, is], vec![os, is]];
        let each = TRAINED.into_iter().zip(numbers.trained).zip(shapes);
        let trained =
            each.map(|((name, values), shape)| Ok((name, from_vec(values, shape)?))).collect::<Result<_>>()?;
        let upstream = from_vec(numbers.upstream, (os, is))?;
        self.0.push(Generated { stack: Stack::new(&planes)?, trained, upstream });
        Ok(())
    }

    /// What is made first, and the gradients of each generator.
    fn gradients(&self) -> Result<(Option<Tensor>, Vec<Named>)> {
        let mut tape = Tape::new(Engine::Kernels);
        let (mut leaves, mut seeds) = (Vec::new(), Vec::new());
        for one in &self.0 {
            let own: BTreeMap<&'static str, Value> =
                one.trained.iter().map(|(name, tensor)| (*name, tape.leaf(tensor.clone()))).collect();
            let weights = Weights {
                w_out: own.get("wOut").cloned(),
                w_in: own.get("wIn").cloned(),
                layers: own.get("wLayer").cloned().zip(own.get("wReduce").cloned()),
                affine: own.get("scale").cloned().zip(own.get("shift").cloned()),
            };
            let made = weight_generator(&mut tape, &one.stack, &weights, one.upstream.dims())?;
            seeds.push((made, one.upstream.clone()));
            leaves.push(own);
        }
        let first = seeds.first().map(|(made, _)| made.tensor().clone());
        let mut gradients = tape.backward(seeds)?;
        let of = |own: &BTreeMap<&'static str, Value>, gradients: &mut crate::tape::Gradients| {
            own.iter().filter_map(|(name, value)| Some((*name, gradients.take(value)?))).collect()
        };
        Ok((first, leaves.iter().map(|own| of(own, &mut gradients)).collect()))
    }

    /// Forward and backward.
    pub fn step(&self) -> Result<()> {
        self.gradients().map(|_| ())
    }

    /// Value of the first, and all gradients, those of a generator's wOut first.
    pub fn check(&self) -> Result<(f64, Vec<Vec<f32>>)> {
        let (first, gradients) = self.gradients()?;
        let value = match (first, self.0.first()) {
            (Some(made), Some(one)) => to_f64(&made)?.iter().zip(to_f64(&one.upstream)?).map(|(a, b)| a * b).sum(),
            _ => 0.0,
        };
        let plain = |tensor: &Tensor| -> Result<Vec<f32>> { Ok(to_f64(tensor)?.iter().map(|x| *x as f32).collect()) };
        let all = gradients.iter().flat_map(|own| TRAINED.into_iter().filter_map(|name| own.get(name)));
        Ok((value, all.map(plain).collect::<Result<_>>()?))
    }
}
