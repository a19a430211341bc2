//! One learner: a model with the parameters it trains, its optimizer and losses; and one step of it.
//!
//! teacher forward (or a column of the batch) → student forward → losses → backward → clip → update.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::batch::Batch;
use crate::check::Watch;
use crate::error::{Candle, Code, Error, Result};
use crate::generator::{GeneratorOptions, ParameterGenerator};
use crate::layers::{self, Bound, Mode, Spec};
use crate::losses::features::Student;
use crate::losses::{Losses, LossesOptions, TermReport};
use crate::models::{Model, Network, Request};
use crate::optimizers::{self, Average, Optimizer, OptimizerOptions};
use crate::outputs::Outputs;
use crate::parameters::{Kind, Parameter, Parameters};
use crate::random::Key;
use crate::tape::{Cancel, Engine, Tape};
use crate::targets;
use crate::tensor::{Tensor, to_f64};

/// Where a learner's teacher signal comes from.
#[derive(Clone)]
pub enum Teacher {
    /// A frozen model, asked at every step, in evaluation mode.
    Model(Box<Model>),
    /// The batch's own column of logits, found by sample id.
    Column,
    /// The same; the column holds what this model answers.
    Cached(Box<Model>),
}

impl Teacher {
    /// The network behind the answers, where there is one.
    pub(crate) fn network(&self) -> Option<&Network> {
        match self {
            Teacher::Model(model) | Teacher::Cached(model) => Some(&model.network),
            Teacher::Column => None,
        }
    }

    pub(crate) fn logits(&self, batch: &Batch, cancel: &Cancel) -> Result<Tensor> {
        self.answers(batch, &Request::default(), cancel).map(|(logits, _)| logits)
    }

    /// Logits, and the layers that were asked for.
    fn answers(&self, batch: &Batch, request: &Request, cancel: &Cancel) -> Result<(Tensor, BTreeMap<String, Tensor>)> {
        match self {
            Teacher::Model(model) => {
                let outputs = model.outputs_until(&batch.inputs, &batch.ids, request, cancel);
                let outputs = outputs.map_err(|error| error.at("teacher"))?;
                let hidden = outputs.hidden.into_iter().map(|(name, value)| (name, value.tensor().clone())).collect();
                Ok((outputs.logits.tensor().clone(), hidden))
            }
            Teacher::Column | Teacher::Cached(_) => {
                let logits = batch.teacher_logits.clone().ok_or_else(|| {
                    Error::data("teacherLogits", "expected a column of teacher logits in this batch, got none")
                })?;
                Ok((logits, BTreeMap::new()))
            }
        }
    }

    /// Everything that losses compare with.
    fn side(&self, batch: &Batch, request: &Request, cancel: &Cancel) -> Result<targets::Teacher> {
        let (logits, hidden) = self.answers(batch, request, cancel)?;
        let head_weight = match self {
            Teacher::Model(model) | Teacher::Cached(model) => model.head_weight().cloned(),
            Teacher::Column => None,
        };
        Ok(targets::Teacher { hidden, head_weight, ..targets::Teacher::logits(logits) })
    }
}

/// Where in the run a step is.
#[derive(Clone)]
pub(crate) struct At {
    /// Optimizer steps done before this one.
    pub step: u64,
    pub seed: u64,
    pub rate: f64,
    /// Whether the norms of the terms' gradients and the global norm are wanted.
    pub norms: bool,
    pub cancel: Arc<AtomicBool>,
}

/// Numbers of one step.
#[derive(Clone, Debug, Default)]
pub struct StepNumbers {
    pub loss: f64,
    pub rows: usize,
    pub terms: BTreeMap<&'static str, TermReport>,
    /// Global norm of the parameters' gradients before clipping, where it was asked for or clipping needs it.
    pub gradient_norm: Option<f64>,
}

pub struct Learner {
    /// The student. With a generator its trainable parameters stand as they began; its buffers go on.
    pub(crate) model: Model,
    /// Where the values of a forward come from, if not from the model's own parameters: then this is trained.
    pub(crate) generator: Option<ParameterGenerator>,
    pub(crate) losses: Losses,
    /// The losses' own, by name below `losses.`; no part of the student.
    pub(crate) loss_parameters: Parameters,
    /// What the student's forward, and the teacher's, are asked for.
    request: Request,
    teacher_request: Request,
    pub(crate) optimizer: Optimizer,
    pub(crate) average: Option<Average>,
    pub(crate) frozen: Arc<BTreeSet<String>>,
    clip_norm: Option<f64>,
}

/// What makes a learner besides its model.
pub struct LearnerOptions<'a> {
    pub losses: &'a LossesOptions,
    /// The teacher's network, where it has one.
    pub teacher: Option<&'a Network>,
    /// The model whose parameters make the student's, and how.
    pub generator: Option<(&'a Model, &'a GeneratorOptions)>,
    /// Start values of the losses' own parameters and of a generator follow from it.
    pub seed: u64,
    pub optimizer: &'a OptimizerOptions,
    pub freeze: &'a [String],
    pub clip_norm: Option<f64>,
    pub average_decay: Option<f64>,
}

impl Learner {
    /// Takes a copy of the model's parameters: the model that was given stays as it is.
    pub fn new(model: &Model, options: &LearnerOptions) -> Result<Learner> {
        let mut model = model.clone();
        model.parameters = model.parameters.deep_copy()?;
        let made = options.generator.map(|(teacher, rules)| {
            ParameterGenerator::new(teacher, &model, rules, options.seed).map_err(|error| error.at("generator"))
        });
        let generator = made.transpose()?;
        let own = generator.as_ref().map_or(&model.parameters, ParameterGenerator::parameters);
        let frozen = frozen(&own.clone().with(&model.parameters.buffers()), options.freeze)?;
        let trains =
            |(name, parameter): &(&String, &Parameter)| parameter.kind == Kind::Trainable && !frozen.contains(*name);
        let trained: Parameters =
            own.0.iter().filter(trains).map(|(name, parameter)| (name.clone(), parameter.clone())).collect();
        if trained.0.is_empty() {
            return Err(Error::new(
                Code::ProofFailed,
                "freeze",
                "expected at least one trainable tensor to be left, got none: nothing would be learnt",
            ));
        }
        let mut losses = Losses::new(options.losses.clone()).map_err(|error| error.at("losses"))?;
        losses.fit(&model.network, options.teacher).map_err(|error| error.at("losses"))?;
        let specs: Vec<Spec> = losses.specs().into_iter().map(|spec| spec.below(LOSSES)).collect();
        let loss_parameters = layers::initialize(&specs, Key::new(options.seed).with("init"))?;
        let frozen = Arc::new(frozen);
        Ok(Learner {
            request: Request { hidden: losses.student_layers(), frozen: frozen.clone() },
            teacher_request: Request { hidden: losses.teacher_layers(), ..Request::default() },
            optimizer: Optimizer::new(options.optimizer, &trained.with(&loss_parameters))?,
            losses,
            loss_parameters,
            average: options.average_decay.map(|decay| Average::new(decay, own)).transpose()?,
            model,
            generator,
            frozen,
            clip_norm: options.clip_norm,
        })
    }

    /// What is trained so that the student learns: its own parameters, or those of its generator.
    fn own(&self) -> &Parameters {
        self.generator.as_ref().map_or(&self.model.parameters, ParameterGenerator::parameters)
    }

    /// The leaves that gradients are wanted of, and the student's values that they make.
    fn bind(&self, tape: &mut Tape) -> Result<(Bound, Bound)> {
        let leaves = self.own().leaves(tape, &self.frozen);
        let values = match &self.generator {
            Some(generator) => generator.generate(tape, &leaves, &self.model.parameters)?,
            None => leaves.clone(),
        };
        Ok((leaves, values))
    }

    /// The student's parameters as numbers, from these values of what is trained.
    fn baked(&self, own: Parameters) -> Result<Parameters> {
        match &self.generator {
            Some(generator) => generator.bake_from(&own, &self.model.parameters),
            None => Ok(own),
        }
    }

    /// Whether this tensor is changed by the optimizer.
    pub(crate) fn trains(&self, name: &str) -> bool {
        self.loss_parameters.0.contains_key(name)
            || self.own().0.get(name).is_some_and(|p| p.kind == Kind::Trainable) && !self.frozen.contains(name)
    }

    /// What has no gradient but for rounding: biases that a batch norm takes out again, and what makes them.
    pub(crate) fn cancelled(&self, name: &str, biases: &BTreeSet<String>) -> bool {
        biases.contains(name)
            || self.generator.is_some() && biases.iter().any(|bias| ParameterGenerator::makes(name, bias))
    }

    /// Every tensor that the optimizer may change: the student's, or its generator's, and the losses' own.
    pub(crate) fn trained(&self) -> Parameters {
        self.own().clone().with(&self.loss_parameters)
    }

    /// The model with the parameters that count: the average where one is kept.
    pub(crate) fn current(&self) -> Result<Model> {
        let mut model = self.model.clone();
        let own = match &self.average {
            Some(average) => average.parameters(self.own())?,
            None => self.own().clone(),
        };
        model.parameters = self.baked(own)?;
        Ok(model)
    }

    /// One optimizer step over the batches of one accumulation.
    pub(crate) fn step(
        &mut self,
        batches: &[Batch],
        teacher: Option<&Teacher>,
        at: &At,
        watch: &mut Watch,
    ) -> Result<StepNumbers> {
        let plan = self.losses.plan(&batches.iter().collect::<Vec<_>>())?;
        let mut numbers = StepNumbers::default();
        let mut sums: BTreeMap<String, Tensor> = BTreeMap::new();
        for batch in batches {
            let teachers = match teacher {
                Some(teacher) if self.losses.needs_teacher() => {
                    vec![teacher.side(batch, &self.teacher_request, &at.cancel)?]
                }
                _ => Vec::new(),
            };
            let mut tape = Tape::cancellable(Engine::Kernels, at.cancel.clone());
            let (leaves, bound) = self.bind(&mut tape)?;
            let of_losses = self.loss_parameters.leaves(&mut tape, &BTreeSet::new());
            let outputs = self.forward(&mut tape, &bound, batch, at.seed, "main")?;
            let pair = match batch.pair.as_deref().filter(|_| self.losses.needs_pairs()) {
                Some(pair) => Some(self.forward(&mut tape, &bound, pair, at.seed, "pair")?),
                None => None,
            };
            let named = below_losses(&of_losses);
            let student = Student { main: &outputs, pair: pair.as_ref(), parameters: &named };
            let applied = self.losses.apply(&mut tape, student, &teachers, batch, &plan, at.step, at.norms);
            let applied = match applied {
                Err(error) if error.code == Code::NotFinite => {
                    return Err(self.first_not_finite(batch, at, error));
                }
                other => other?,
            };
            let updates = outputs.buffer_updates;
            numbers.loss += applied.total;
            numbers.rows += batch.rows();
            for (name, term) in applied.terms {
                match numbers.terms.get_mut(name) {
                    None => {
                        numbers.terms.insert(name, term);
                    }
                    Some(sum) => sum.add(&term),
                }
            }
            let mut gradients = tape.backward(applied.seeds)?;
            for (name, value) in leaves.iter().chain(&of_losses) {
                if value.node().is_none() {
                    continue;
                }
                let Some(gradient) = gradients.take(value) else {
                    watch.unreached(name);
                    continue;
                };
                match sums.get(name) {
                    None => {
                        sums.insert(name.clone(), gradient);
                    }
                    Some(sum) => crate::tape::add_in_place(sum, &gradient)?,
                }
            }
            // Each batch follows the running statistics of the one before, as if there were no accumulation.
            for (name, tensor) in updates {
                if let Some(parameter) = self.model.parameters.0.get_mut(&name) {
                    parameter.tensor = tensor;
                }
            }
        }
        if at.norms || self.clip_norm.is_some() {
            let norm = optimizers::global_norm(&sums)?;
            if !norm.is_finite() {
                let name = sums.iter().find(|(_, g)| !all_finite(g).unwrap_or(false)).map_or("", |(name, _)| name);
                return Err(Error::new(
                    Code::NotFinite,
                    name,
                    format!(
                        "the gradient is not finite at step {}; lower the learning rate or set clipNorm",
                        at.step + 1
                    ),
                ));
            }
            numbers.gradient_norm = Some(norm);
            if let Some(limit) = self.clip_norm
                && norm > limit
            {
                optimizers::scale_gradients(&mut sums, limit / norm)?;
            }
        }
        watch.gradients(&sums)?;
        if self.loss_parameters.0.is_empty() {
            let own = self.generator.as_ref().map_or(&self.model.parameters, ParameterGenerator::parameters);
            self.optimizer.step(own, &sums, at.rate)?;
        } else {
            self.optimizer.step(&self.trained(), &sums, at.rate)?;
        }
        if let Some(average) = &mut self.average {
            average.update(self.generator.as_ref().map_or(&self.model.parameters, ParameterGenerator::parameters))?;
        }
        Ok(numbers)
    }

    /// The student on one view of a batch.
    fn forward(&self, tape: &mut Tape, bound: &Bound, batch: &Batch, seed: u64, view: &str) -> Result<Outputs> {
        let inputs = self.model.preprocessing.apply(&batch.inputs)?;
        let mut key = Key::new(seed).with("forward").with(batch.epoch);
        if view != "main" {
            key = key.with(view);
        }
        self.model.network.forward(tape, bound, &inputs, &batch.ids, &self.request, Mode::Train, key)
    }

    /// Looks for what went wrong first, in the order of the walk: inputs, parameters, layers.
    fn first_not_finite(&self, batch: &Batch, at: &At, error: Error) -> Error {
        let step = at.step + 1;
        let bad = |path: String, what: &str| {
            Error::new(Code::NotFinite, path, format!("{what} is not finite at step {step}"))
        };
        for (name, parameter) in self.own().0.iter().chain(&self.model.parameters.0) {
            if !all_finite(&parameter.tensor).unwrap_or(true) {
                return bad(name.clone(), "the parameter");
            }
        }
        let hidden = || -> Result<Option<String>> {
            let mut tape = Tape::new(Engine::Kernels);
            let inputs = self.model.preprocessing.apply(&batch.inputs)?;
            let request = Request { hidden: self.model.network.layer_names().clone(), frozen: self.frozen.clone() };
            let own = self.baked(self.own().clone())?;
            let (bound, key) = (own.constants(), Key::new(at.seed).with("forward").with(batch.epoch));
            let outputs =
                self.model.network.forward(&mut tape, &bound, &inputs, &batch.ids, &request, Mode::Train, key)?;
            for name in self.model.network.order() {
                if let Some(value) = outputs.hidden.get(name)
                    && !all_finite(value.tensor())?
                {
                    return Ok(Some(name.clone()));
                }
            }
            Ok(None)
        };
        match hidden() {
            Ok(Some(name)) => bad(name, "the layer's output"),
            _ => Error { message: format!("{} at step {step}", error.message), ..error },
        }
    }
}

/// The prefix of the losses' own parameters among all names.
const LOSSES: &str = "losses";

/// The same values under the names that the losses know.
fn below_losses(bound: &Bound) -> Bound {
    let short = |name: &str| name.strip_prefix(LOSSES).unwrap_or(name).trim_start_matches('.').to_string();
    bound.iter().map(|(name, value)| (short(name), value.clone())).collect()
}

pub(crate) fn all_finite(tensor: &Tensor) -> Result<bool> {
    if tensor.device().is_cpu() && tensor.dtype() == crate::tensor::DType::F32 && tensor.is_contiguous() {
        return Ok(crate::tensor::read::<f32>(tensor)?.iter().all(|value| value.is_finite()));
    }
    Ok(to_f64(&tensor.contiguous().ok_or_internal()?)?.iter().all(|value| value.is_finite()))
}

/// The trainable tensors that the patterns name: a tensor's name, a layer's name, or a pattern with `*`.
fn frozen(parameters: &Parameters, patterns: &[String]) -> Result<BTreeSet<String>> {
    let mut frozen = BTreeSet::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let before = frozen.len();
        let matching = parameters.names().filter(|name| {
            matches(pattern, name) || name.strip_prefix(pattern.as_str()).is_some_and(|rest| rest.starts_with('.'))
        });
        frozen.extend(matching.map(str::to_string));
        if frozen.len() == before {
            let known: Vec<&str> = parameters.names().collect();
            return Err(Error::config(
                format!("freeze[{index}]"),
                format!("expected a parameter or layer, got {pattern:?}; the parameters are {}", known.join(", ")),
            ));
        }
    }
    Ok(frozen)
}

/// `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    (0..=rest.len()).any(|start| rest.is_char_boundary(start) && matches(tail, &rest[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, want) in [
            ("*.bias", "head.bias", true),
            ("blocks.*.conv.*", "blocks.0.conv.weight", true),
            ("blocks.*.conv.*", "blocks.0.norm.weight", false),
            ("*", "anything", true),
            ("head", "head.bias", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
