//! One learner: a model with the parameters it trains, its optimizer and losses; and one step of it.
//!
//! teacher forward (or a column of the batch) → student forward → losses → backward → clip → update.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::batch::Batch;
use crate::error::{Candle, Code, Error, Result};
use crate::layers::{self, Mode, Spec};
use crate::losses::{Losses, LossesOptions, Micro, Student};
use crate::models::{Model, Request};
use crate::names::matches;
use crate::numbers::{Denominators, StepNumbers};
use crate::optimizers::{self, Average, Optimizer, OptimizerOptions};
use crate::outputs::Outputs;
use crate::parameters::Bound;
use crate::parameters::{Kind, Parameter, Parameters};
use crate::proofs::Watch;
use crate::random::Key;
use crate::tape::{Engine, Tape};
use crate::targets;
use crate::teacher::{self, Asking, Teachers};
use crate::tensor::{Tensor, host_f32, to_f64};
use crate::weights::{GeneratorOptions, ParameterGenerator};

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

/// A forward that waits for its losses.
pub(crate) struct Pass {
    tape: Tape,
    leaves: Bound,
    of_losses: Bound,
    pub outputs: Outputs,
    pair: Option<Outputs>,
}

/// What the batches so far of one optimizer step gave.
pub(crate) struct Gathered {
    denominators: Denominators,
    sums: BTreeMap<String, Tensor>,
    numbers: StepNumbers,
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
    /// The running average that is one of its teachers.
    pub(crate) teaching_average: Option<Average>,
    weight_rows: bool,
    pub(crate) frozen: Arc<BTreeSet<String>>,
    clip_norm: Option<f64>,
}

/// What makes a learner besides its model.
pub struct LearnerOptions<'a> {
    pub losses: &'a LossesOptions,
    pub teachers: &'a Teachers,
    /// Whether rows count as much as the teachers are sure of them.
    pub weight_rows: bool,
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
        options.teachers.fit(&mut losses, &model.network)?;
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
            teaching_average: options.teachers.average().map(|decay| Average::new(decay, own)).transpose()?,
            weight_rows: options.weight_rows,
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

    /// Layers of its teachers that its losses look at.
    pub(crate) fn looks_at(&self) -> &BTreeSet<String> {
        &self.teacher_request.hidden
    }

    /// Shows these layers to other learners too.
    pub(crate) fn show(&mut self, layers: &BTreeSet<String>) {
        self.request
            .hidden
            .extend(layers.iter().filter(|name| self.model.network.layer_names().contains(*name)).cloned());
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
        teachers: &Teachers,
        at: &At,
        watch: &mut Watch,
    ) -> Result<StepNumbers> {
        let (mut asked, mut weighted) = (Vec::new(), Vec::new());
        if self.weight_rows && !teachers.is_empty() {
            for batch in batches {
                let sides = self.ask(teachers, batch, &[], at)?;
                weighted.push(teacher::weighted_by(batch, &sides)?);
                asked.push(sides);
            }
        }
        let batches = if weighted.is_empty() { batches } else { &weighted };
        let mut gathered = self.gather(batches)?;
        for (number, batch) in batches.iter().enumerate() {
            let sides = match asked.get_mut(number).map(std::mem::take) {
                Some(sides) => sides,
                None => self.ask(teachers, batch, &[], at)?,
            };
            let pass = self.begin(batch, at)?;
            self.learn(pass, batch, &sides, at, watch, &mut gathered)?;
        }
        self.update(gathered, at, watch)
    }

    /// Of an optimizer step over these batches, before the first of them.
    pub(crate) fn gather(&self, batches: &[Batch]) -> Result<Gathered> {
        let denominators = self.losses.denominators(&batches.iter().collect::<Vec<_>>())?;
        Ok(Gathered { denominators, sums: BTreeMap::new(), numbers: StepNumbers::default() })
    }

    /// The student's forward on one batch.
    pub(crate) fn begin(&self, batch: &Batch, at: &At) -> Result<Pass> {
        let mut tape = Tape::cancellable(Engine::Kernels, at.cancel.clone());
        let (leaves, bound) = self.bind(&mut tape)?;
        let of_losses = self.loss_parameters.leaves(&mut tape, &BTreeSet::new());
        let outputs = self.forward(&mut tape, &bound, batch, at.seed, "main")?;
        let pair = match batch.pair.as_deref().filter(|_| self.losses.needs_pairs()) {
            Some(pair) => Some(self.forward(&mut tape, &bound, pair, at.seed, "pair")?),
            None => None,
        };
        Ok(Pass { tape, leaves, of_losses, outputs, pair })
    }

    /// What other learners see of a forward: constants.
    pub(crate) fn answer(&self, outputs: &Outputs) -> targets::Teacher {
        let hidden = outputs.hidden.iter().map(|(name, value)| (name.clone(), value.tensor().clone())).collect();
        let head_weight = outputs.head_weight.as_ref().map(|weight| weight.tensor().clone());
        targets::Teacher { hidden, head_weight, ..targets::Teacher::logits(outputs.logits.tensor().clone()) }
    }

    /// What other learners see of it now: its forward in training, of which nothing is recorded.
    pub(crate) fn say(&self, batch: &Batch, at: &At) -> Result<targets::Teacher> {
        let mut tape = Tape::cancellable(Engine::Kernels, at.cancel.clone());
        let bound = self.baked(self.own().clone())?.constants();
        Ok(self.answer(&self.forward(&mut tape, &bound, batch, at.seed, "main")?))
    }

    /// Losses and gradients of one forward.
    pub(crate) fn learn(
        &mut self,
        pass: Pass,
        batch: &Batch,
        sides: &[targets::Teacher],
        at: &At,
        watch: &mut Watch,
        gathered: &mut Gathered,
    ) -> Result<()> {
        let Pass { mut tape, leaves, of_losses, outputs, pair } = pass;
        let Gathered { denominators, sums, numbers } = gathered;
        let sides = if self.losses.needs_teacher() { sides } else { &[] };
        let named = below_losses(&of_losses);
        let student = Student { main: &outputs, pair: pair.as_ref(), parameters: &named };
        let micro = Micro { student, teachers: sides, batch, denominators, step: at.step, norms: at.norms };
        let applied = match self.losses.apply(&mut tape, &micro) {
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
        Ok(())
    }

    /// Changes the parameters by what was gathered.
    pub(crate) fn update(&mut self, gathered: Gathered, at: &At, watch: &mut Watch) -> Result<StepNumbers> {
        let Gathered { mut sums, mut numbers, .. } = gathered;
        if at.norms || self.clip_norm.is_some() {
            let norm = optimizers::global_norm(&sums)?;
            if !norm.is_finite() {
                let name = sums.iter().find(|(_, g)| !all_finite(g).unwrap_or(false)).map_or("", |(name, _)| name);
                return Err(Error::new(
                    Code::NotFinite,
                    name,
                    format!("the gradient is not finite at step {}{REMEDY}", at.step + 1),
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
        for average in self.average.iter_mut().chain(&mut self.teaching_average) {
            average.update(self.generator.as_ref().map_or(&self.model.parameters, ParameterGenerator::parameters))?;
        }
        Ok(numbers)
    }

    /// What the teachers say of a batch, other learners of the run among them.
    pub(crate) fn ask(
        &self,
        teachers: &Teachers,
        batch: &Batch,
        peers: &[Option<targets::Teacher>],
        at: &At,
    ) -> Result<Vec<targets::Teacher>> {
        if !(self.losses.needs_teacher() || self.weight_rows) {
            return Ok(Vec::new());
        }
        let average = match &self.teaching_average {
            Some(average) => Some(Model { parameters: self.baked(average.shared(self.own()))?, ..self.model.clone() }),
            None => None,
        };
        let asking = Asking {
            request: &self.teacher_request,
            cancel: &at.cancel,
            seed: at.seed,
            classes: self.model.network.classes(),
            average: average.as_ref(),
            peers,
        };
        teachers.sides(batch, &asking)
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
        // Before the first update no rate has done anything yet.
        let remedy = if step > 1 { REMEDY } else { "" };
        let bad = |path: String, what: &str| {
            Error::new(Code::NotFinite, path, format!("{what} is not finite at step {step}{remedy}"))
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

/// What makes numbers finite again that grew from step to step.
pub(crate) const REMEDY: &str = "; lower the learning rate or set clipNorm";

/// The prefix of the losses' own parameters among all names.
const LOSSES: &str = "losses";

/// The same values under the names that the losses know.
fn below_losses(bound: &Bound) -> Bound {
    let short = |name: &str| name.strip_prefix(LOSSES).unwrap_or(name).trim_start_matches('.').to_string();
    bound.iter().map(|(name, value)| (short(name), value.clone())).collect()
}

pub(crate) fn all_finite(tensor: &Tensor) -> Result<bool> {
    Ok(match host_f32(tensor)? {
        Some(values) => values.iter().all(|value| value.is_finite()),
        None => to_f64(&tensor.contiguous().ok_or_internal()?)?.iter().all(|value| value.is_finite()),
    })
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
