//! The state of a learner between two steps.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::weights::Weights;
use crate::error::{Code, Error, Result};
use crate::layers::{self, Spec};
use crate::losses::Losses;
use crate::models::{Model, Request};
use crate::names::matches;
use crate::optimizers::{Average, Optimizer};
use crate::options::TrainOptions;
use crate::parameters::{Kind, Parameter, Parameters};
use crate::proofs::Watch;
use crate::random::Key;
use crate::teacher::{Asked, Teachers};

/// The prefix of the losses' own parameters among all names.
pub(super) const LOSSES: &str = "losses";

pub(crate) struct Learner {
    /// The student. If a generator makes its parameters, they keep their initial values, except running statistics.
    pub model: Model,
    pub weights: Weights,
    pub losses: Losses,
    /// The losses' own parameters, by name below `losses.`; they are not part of the student.
    pub loss_parameters: Parameters,
    /// The teachers whose signals its steps use.
    pub teachers: Teachers,
    /// Outputs that the student's forward pass keeps, and those that the teachers return.
    pub(super) request: Request,
    pub(super) teacher_request: Request,
    pub optimizer: Optimizer,
    pub average: Option<Average>,
    /// Whether each row is weighted by the teachers' confidence.
    pub(super) weight_rows: bool,
    pub(super) frozen: Arc<BTreeSet<String>>,
    pub(super) clip_norm: Option<f64>,
    /// Records its first updates for the proofs.
    pub watch: Watch,
}

/// The parts of a learner, besides its options; they are checked to fit together.
pub(crate) struct Parts {
    /// The learner takes a copy of its parameters.
    pub model: Model,
    pub weights: Weights,
    /// The losses, fitted to the model and its teachers.
    pub losses: Losses,
    pub teachers: Teachers,
    /// The names of the tensors that stay as they are.
    pub frozen: BTreeSet<String>,
    /// Determines the initial values of the losses' own parameters.
    pub seed: u64,
}

impl Learner {
    pub fn new(parts: Parts, options: &TrainOptions) -> Result<Learner> {
        let Parts { mut model, weights, losses, mut teachers, frozen, seed } = parts;
        model.parameters = model.parameters.deep_copy()?;
        teachers.begin(&model)?;
        let specs: Vec<Spec> = losses.specs().into_iter().map(|spec| spec.below(LOSSES)).collect();
        let loss_parameters = layers::initialize(&specs, Key::new(seed).with("init"))?;
        let own = weights.trained(&model);
        let trained = trainable(own, &frozen).with(&loss_parameters);
        let frozen = Arc::new(frozen);
        Ok(Learner {
            request: Request { hidden: losses.student_layers(), frozen: frozen.clone() },
            teacher_request: Request { hidden: losses.teacher_layers(), ..Request::default() },
            optimizer: Optimizer::new(&options.optimizer, &trained)?,
            average: options.average.as_ref().map(|average| Average::new(average.decay, own)).transpose()?,
            weight_rows: options.weight_rows_by_teacher,
            clip_norm: options.clip_norm,
            watch: Watch::off(),
            losses,
            loss_parameters,
            teachers,
            weights,
            model,
            frozen,
        })
    }

    /// Layers of its teachers that its losses read.
    pub fn looks_at(&self) -> &BTreeSet<String> {
        &self.teacher_request.hidden
    }

    /// Whether its steps run frozen models.
    pub fn asks_models(&self) -> bool {
        self.hears() && self.teachers.asked(Asked::EachStep)
    }

    /// Whether its steps use the teachers' signals.
    pub(super) fn hears(&self) -> bool {
        self.losses.needs_teacher() || self.weight_rows
    }

    /// Makes its forward passes keep these layers, for other learners.
    pub fn show(&mut self, layers: &BTreeSet<String>) {
        let known = self.model.network.layer_names();
        self.request.hidden.extend(layers.iter().filter(|name| known.contains(*name)).cloned());
    }

    /// The tensors of the student or its generator, and the losses' own; the optimizer changes some or all of them.
    pub fn trained(&self) -> Parameters {
        self.weights.trained(&self.model).clone().with(&self.loss_parameters)
    }

    /// Watches the tensors that the optimizer changes.
    pub fn begin_watch(&mut self) -> Result<()> {
        self.watch =
            Watch::new(&trainable(self.weights.trained(&self.model), &self.frozen).with(&self.loss_parameters))?;
        Ok(())
    }

    /// The model with its current parameters, or with their running average if there is one.
    pub fn current(&self) -> Result<Model> {
        let own = self.weights.trained(&self.model);
        let own = match &self.average {
            Some(average) => average.parameters(own)?,
            None => own.clone(),
        };
        Ok(Model { parameters: self.weights.baked(own, &self.model)?, ..self.model.clone() })
    }
}

fn trainable(parameters: &Parameters, frozen: &BTreeSet<String>) -> Parameters {
    let trains =
        |(name, parameter): &(&String, &Parameter)| parameter.kind == Kind::Trainable && !frozen.contains(*name);
    parameters.0.iter().filter(trains).map(|(name, parameter)| (name.clone(), parameter.clone())).collect()
}

/// The tensors that are not trained: those matching the patterns of `freeze`. Rejects patterns that leave nothing to
/// train.
pub(crate) fn frozen(model: &Model, weights: &Weights, patterns: &[String]) -> Result<BTreeSet<String>> {
    let own = weights.trained(model);
    let all = own.clone().with(&model.parameters.buffers());
    let mut frozen = BTreeSet::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let before = frozen.len();
        let matching = all.names().filter(|name| {
            matches(pattern, name) || name.strip_prefix(pattern.as_str()).is_some_and(|rest| rest.starts_with('.'))
        });
        frozen.extend(matching.map(str::to_string));
        if frozen.len() == before {
            let known: Vec<&str> = all.names().collect();
            let message =
                format!("expected a parameter or layer, got {pattern:?}; the parameters are {}", known.join(", "));
            return Err(Error::config(format!("freeze[{index}]"), message));
        }
    }
    if trainable(own, &frozen).0.is_empty() {
        let message = "expected at least one trainable tensor to be left, got none: nothing would be learnt";
        return Err(Error::new(Code::ProofFailed, "freeze", message));
    }
    Ok(frozen)
}
