//! Weight Distillation: a trained generator computes the student's parameters from those of the frozen teacher.
//!
//! ```text
//! plan: the rule and source of each parameter   →   generate, at every forward   →   bake: plain parameters
//! ```
//!
//! `options` holds the options; `slots` lists the layers of a model by role; `groups` divides the teacher's layers into
//! one run per student layer; `rules` define how one parameter is generated (one file per rule); `plan` is the
//! resulting table. The models are independent of how their parameters are generated.
//!
//! Source: Lin, Li, Wang, Li, Du, Xiao, Zhu, "Weight Distillation: Transferring the Knowledge in Neural Network
//! Parameters", ACL 2021, arXiv:2009.09152. Where we differ: any list of layers, not only translation models; running
//! statistics start anew.

mod groups;
mod options;
mod plan;
pub mod rules;
mod slots;
#[cfg(test)]
mod tests;

pub use options::{GeneratorOptions, Remainder, RuleFor};
pub use plan::{Origin, Plan, PlanRow};

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Candle, Error, Result};
use crate::layers::{Spec, show};
use crate::models::Model;
use crate::names::matches;
use crate::ops::weight_generator::{Weights, weight_generator};
use crate::parameters::Bound;
use crate::parameters::{Kind, Parameter, Parameters};
use crate::random::Key;
use crate::tape::{Tape, Value};
use crate::tensor::Tensor;
use rules::{Copy, Full, Making, Project, RuleOptions, ScaleShift, Side, Target, Vector};
use slots::{End, Slot};

/// The student's parameters as a function of the teacher's and of the trained generator parameters.
#[derive(Clone, Debug)]
pub struct ParameterGenerator {
    plan: Plan,
    /// How each trainable parameter of the student is made; buffers are the student's own.
    making: BTreeMap<String, Making>,
    /// The trained parameters: `<student's parameter>.wOut`, …; a parameter that is trained directly keeps its name.
    parameters: Parameters,
}

impl ParameterGenerator {
    /// A generator whose initial values follow from the seed. The teacher's parameters are read, never written.
    pub fn new(teacher: &Model, student: &Model, options: &GeneratorOptions, seed: u64) -> Result<ParameterGenerator> {
        let planned = Planned::new(teacher, student, options)?;
        let key = Key::new(seed).with("generator");
        let mut made =
            ParameterGenerator { plan: Plan::default(), making: BTreeMap::new(), parameters: Parameters::default() };
        for slot in &planned.student {
            for spec in &slot.specs {
                let name = format!("{}.{}", slot.layer, spec.name);
                let own = &student.parameters.0[&name];
                let mut row = PlanRow {
                    shape: spec.shape.clone(),
                    numbers: own.tensor.elem_count() as u64,
                    student: name.clone(),
                    teacher: Vec::new(),
                    teacher_shape: Vec::new(),
                    rule: "fresh",
                    trained: 0,
                };
                if spec.kind == Kind::Trainable {
                    let from = planned.sources(slot, spec, teacher)?;
                    let rule = planned.rule(slot, spec, &from)?;
                    let target = Target { name: &name, student: own, teacher: &from, key: key.with(name.as_str()) };
                    let done = rule.rule().make(&target)?;
                    row.rule = rule.key();
                    row.teacher = from.iter().take(done.used).map(|(name, _)| name.clone()).collect();
                    if let Some((_, tensor)) = from.first().filter(|_| done.used > 0) {
                        row.teacher_shape = tensor.dims().to_vec();
                    }
                    row.trained = done.trained.iter().map(|(_, p)| p.tensor.elem_count() as u64).sum();
                    made.making.insert(name.clone(), done.making);
                    for (part, parameter) in done.trained {
                        made.parameters.0.insert(below(&name, part), parameter);
                    }
                }
                made.plan.rows.push(row);
            }
        }
        made.plan.find_unused(planned.teacher.iter().map(|slot| slot.layer.as_str()));
        Ok(made)
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The trained parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// The student's values for one forward. `trained` are the generator's parameters, leaves or constants; `student`
    /// provides shapes and running statistics.
    pub(crate) fn generate(&self, tape: &mut Tape, trained: &Bound, student: &Parameters) -> Result<Bound> {
        let own = |name: &str, part: &str| trained.get(&below(name, part)).cloned();
        let mut bound = Bound::new();
        for (name, parameter) in &student.0 {
            let value = match self.making.get(name) {
                None => Value::constant(parameter.tensor.clone()),
                Some(Making::Constant(tensor)) => {
                    Value::constant(tensor.to_dtype(parameter.tensor.dtype()).ok_or_internal()?)
                }
                Some(Making::Own) => {
                    own(name, "").ok_or_else(|| Error::internal(format!("no parameter of the generator for {name}")))?
                }
                Some(Making::Generated(stack)) => {
                    let weights = Weights {
                        w_out: own(name, rules::W_OUT),
                        w_in: own(name, rules::W_IN),
                        layers: own(name, rules::W_LAYER).zip(own(name, rules::W_REDUCE)),
                        affine: own(name, rules::SCALE).zip(own(name, rules::SHIFT)),
                    };
                    weight_generator(tape, stack, &weights, parameter.tensor.dims()).map_err(|error| error.at(name))?
                }
            };
            bound.insert(name.clone(), value);
        }
        Ok(bound)
    }

    /// The student's parameters as plain numbers, in separate storage: bit-identical to those that a forward through
    /// `generate` uses.
    pub fn bake(&self, student: &Parameters) -> Result<Parameters> {
        self.bake_from(&self.parameters, student)
    }

    /// Like `bake`, from other values of the trained parameters, such as an average.
    pub(crate) fn bake_from(&self, trained: &Parameters, student: &Parameters) -> Result<Parameters> {
        let bound = self.generate(&mut Tape::default(), &trained.constants(), student)?;
        let bake = |(name, parameter): (&String, &Parameter)| {
            let value = bound.get(name).map_or(&parameter.tensor, Value::tensor);
            let tensor = match self.making.get(name) {
                Some(Making::Generated(_)) => value.clone(),
                _ => crate::tensor::owned(value)?,
            };
            Ok((name.clone(), Parameter { tensor, ..parameter.clone() }))
        };
        student.0.iter().map(bake).collect::<Result<_>>().map(Parameters)
    }
}

impl Model {
    /// Initialises the parameters from a larger teacher, as a generator with this seed generates them at its start.
    /// Returns the plan.
    pub fn start_from(&mut self, teacher: &Model, options: &GeneratorOptions, seed: u64) -> Result<Plan> {
        let generator = ParameterGenerator::new(teacher, self, options, seed)?;
        self.parameters = generator.bake(&self.parameters)?;
        Ok(generator.plan)
    }
}

fn below(name: &str, part: &str) -> String {
    if part.is_empty() { name.to_string() } else { format!("{name}.{part}") }
}

/// The matching of two models, with the requested exceptions.
struct Planned<'a> {
    options: &'a GeneratorOptions,
    student: Vec<Slot>,
    teacher: Vec<Slot>,
    groups: groups::Groups,
}

impl<'a> Planned<'a> {
    fn new(teacher: &Model, student: &Model, options: &'a GeneratorOptions) -> Result<Planned<'a>> {
        options.validate()?;
        let (own, theirs) = (slots::slots(&student.network)?, slots::slots(&teacher.network)?);
        let planned = Planned { options, student: own, teacher: theirs, groups: BTreeMap::new() };
        planned.every_rule_names_something()?;
        // The matching leaves out student layers that exceptions settle completely, and the teacher layers that these
        // exceptions name.
        let (mut open, mut given, mut taken) = (Vec::new(), groups::Groups::new(), BTreeSet::new());
        for slot in &planned.student {
            let (mut settled, mut named) = (true, Vec::new());
            for spec in slot.specs.iter().filter(|spec| spec.kind == Kind::Trainable) {
                let name = format!("{}.{}", slot.layer, spec.name);
                match planned.named(&name) {
                    Some(at) => named.extend(planned.named_sources(at, &name, &spec.name, teacher)?),
                    None => settled &= matches!(planned.exception(&name), Some(RuleOptions::Fresh(_))),
                }
            }
            if !settled {
                open.push(slot);
                continue;
            }
            let mut layers = Vec::new();
            for layer in named.iter().filter_map(|name| Some(name.rsplit_once('.')?.0.to_string())) {
                if !layers.contains(&layer) {
                    layers.push(layer);
                }
            }
            taken.extend(layers.iter().cloned());
            given.insert(slot.layer.clone(), layers);
        }
        let free: Vec<&Slot> = planned.teacher.iter().filter(|slot| !taken.contains(&slot.layer)).collect();
        let groups = groups::groups(given, &open, &free, &planned.teacher, options.remainder)?;
        Ok(Planned { groups, ..planned })
    }

    fn every_rule_names_something(&self) -> Result<()> {
        let names: Vec<String> = self
            .student
            .iter()
            .flat_map(|slot| {
                let trained = slot.specs.iter().filter(|spec| spec.kind == Kind::Trainable);
                trained.map(|spec| format!("{}.{}", slot.layer, spec.name))
            })
            .collect();
        for (index, rule) in self.options.rules.iter().enumerate() {
            if !names.iter().any(|name| covers(&rule.student, name)) {
                let message = format!(
                    "expected a trainable parameter or layer of the student, got {:?}; its parameters are {}",
                    rule.student,
                    names.join(", ")
                );
                return Err(Error::config(format!("rules[{index}].student"), message));
            }
        }
        Ok(())
    }

    /// The last rule that names teacher layers for this parameter.
    fn named(&self, name: &str) -> Option<usize> {
        self.options.rules.iter().rposition(|rule| rule.teacher.is_some() && covers(&rule.student, name))
    }

    /// The last rule that applies to this parameter.
    fn exception(&self, name: &str) -> Option<&RuleOptions> {
        let rules = self.options.rules.iter().rev();
        rules.filter(|rule| covers(&rule.student, name)).find_map(|rule| rule.rule.as_ref())
    }

    /// The teacher's parameters that a rule names for `name`, which is called `own` in its layer.
    fn named_sources(&self, at: usize, name: &str, own: &str, teacher: &Model) -> Result<Vec<String>> {
        let rule = &self.options.rules[at];
        let mut sources = Vec::new();
        for (index, from) in rule.teacher.iter().flatten().enumerate() {
            let rest = name.strip_prefix(rule.student.as_str()).filter(|rest| rest.starts_with('.')).unwrap_or("");
            let candidates = [from.clone(), format!("{from}{rest}"), format!("{from}.{own}")];
            match candidates.into_iter().find(|name| teacher.parameters.0.contains_key(name)) {
                Some(source) => sources.push(source),
                None => {
                    let known: Vec<&str> = self.teacher.iter().map(|slot| slot.layer.as_str()).collect();
                    let message = format!(
                        "expected a layer or parameter of the teacher to generate {name} from, got {from:?}; \
                         its layers are {}",
                        known.join(", ")
                    );
                    return Err(Error::config(format!("rules[{at}].teacher[{index}]"), message));
                }
            }
        }
        Ok(sources)
    }

    /// The teacher's parameters that this one is generated from, all of one shape; empty if it is newly initialised.
    fn sources(&self, slot: &Slot, spec: &Spec, teacher: &Model) -> Result<Vec<(String, Tensor)>> {
        let name = format!("{}.{}", slot.layer, spec.name);
        if let Some(RuleOptions::Fresh(_)) = self.exception(&name) {
            return Ok(Vec::new());
        }
        let names = match self.named(&name) {
            Some(at) => self.named_sources(at, &name, &spec.name, teacher)?,
            None => {
                let layers = self.groups.get(&slot.layer).map(Vec::as_slice).unwrap_or(&[]);
                layers.iter().map(|layer| format!("{layer}.{}", spec.name)).collect()
            }
        };
        let mut sources: Vec<(String, Tensor)> = Vec::new();
        for from in names {
            let Some(parameter) = teacher.parameters.0.get(&from) else {
                let message = format!(
                    "expected {from} in the teacher to generate it from, got none; \
                     initialise it anew with rules: [{{ student: '{name}', rule: {{ fresh: {{}} }} }}]"
                );
                return Err(Error::config(name, message));
            };
            if let Some((first, tensor)) = sources.first()
                && tensor.dims() != parameter.tensor.dims()
            {
                let message = format!(
                    "expected teacher layers of one shape, got {first} of {} and {from} of {}; \
                     name the layers to use with rules: [{{ student: '{name}', teacher: ['{from}'] }}]",
                    show(tensor.dims()),
                    show(parameter.tensor.dims())
                );
                return Err(Error::shape(name, message));
            }
            sources.push((from, parameter.tensor.clone()));
        }
        Ok(sources)
    }

    /// The rule for this parameter: the requested one, else the published one for its position.
    fn rule(&self, slot: &Slot, spec: &Spec, from: &[(String, Tensor)]) -> Result<RuleOptions> {
        let name = format!("{}.{}", slot.layer, spec.name);
        let vector = spec.shape.len() == 1;
        if let Some(rule) = self.exception(&name) {
            return Ok(match rule {
                RuleOptions::Full(_) if vector => RuleOptions::Vector(Vector {}),
                rule => rule.clone(),
            });
        }
        let theirs = from.first().map_or(&[][..], |(_, tensor)| tensor.dims());
        let equal = theirs == spec.shape;
        let full = |keep| RuleOptions::Full(Full { keep });
        Ok(match slot.end {
            Some(End::Head) if theirs.first() != spec.shape.first() => {
                let got = spec.shape.first().copied().unwrap_or(0);
                let message = format!(
                    "expected as many classes as the teacher, {}, got {got}; \
                     initialise the layer anew with rules: [{{ student: '{}', rule: {{ fresh: {{}} }} }}]",
                    theirs.first().copied().unwrap_or(0),
                    slot.layer
                );
                return Err(Error::shape(name, message));
            }
            // The published output matrix has no bias. A bias starts at the teacher's values and is trained.
            Some(End::Head) if equal => RuleOptions::Copy(Copy { frozen: !vector }),
            Some(End::Head) => RuleOptions::Project(Project {}),
            _ if vector => RuleOptions::Vector(Vector {}),
            Some(End::Input) if equal => RuleOptions::ScaleShift(ScaleShift {}),
            Some(End::Input) if slot.kind == "embedding" => full(Some(Side::Outputs)),
            Some(End::Input) => full(Some(Side::Inputs)),
            None => full(None),
        })
    }
}

/// Whether a pattern of the options covers this parameter: by its name, by the name of an enclosing layer or block, or
/// with `*`.
fn covers(pattern: &str, name: &str) -> bool {
    matches(pattern, name) || name.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.'))
}
