//! Optimizers: they get gradients, change parameters in place, and keep their state in named tensors that are stored in
//! checkpoints.
//!
//! To add one: write a file with its options, its kernel (`kernels::cpu::isa::kernel`) and its reference, its line in
//! `optimizers!` below, and a golden file in `__test__/golden/optimizers`, made by a program like `golden/adam.py`. The
//! doc comment of the options becomes the type's; `npm run build` writes it. `cargo test --release -p limbeck-core --lib
//! optimizers::` and `cargo test --release -p limbeck-bench --test golden` run what every optimizer must hold.
//!
//! Kernels run over all tensors as if they were one, and tasks are divided by numbers, not by tensors, so a thousand small
//! tensors cost no more than one large tensor.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Candle, Code, Error, Result};
use crate::kernels::cpu::optimizer::sum_of_squares;
use crate::parameters::{Parameter, Parameters};
use crate::pool;
use crate::tensor::{self, Tensor};

mod algorithm;
mod average;
mod clip;
mod ranges;

use algorithm::{Algorithm, At, State};
pub use average::Average;
pub use clip::{global_norm, scale_gradients};

/// Declares each module with its optimizers, and the names that they have in a configuration.
macro_rules! optimizers {
    ($(mod $module:ident { $($key:literal: $name:ident),* $(,)? })*) => {
        $(mod $module; pub use $module::{$($name),*};)*

        /// How gradients change parameters.
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        pub enum OptimizerOptions {
            $($(#[serde(rename = $key)] $name($name),)*)*
        }

        impl OptimizerOptions {
            pub const NAMES: &[&str] = &[$($($key),*),*];

            fn algorithm(&self) -> (&'static str, &dyn Algorithm) {
                match self { $($(OptimizerOptions::$name(options) => ($key, options),)*)* }
            }
        }
    };
}

optimizers! {
    mod sgd { "sgd": Sgd }
    mod adam { "adam": Adam, "adamW": AdamW }
}

impl Default for OptimizerOptions {
    fn default() -> Self {
        OptimizerOptions::AdamW(AdamW::default())
    }
}

impl OptimizerOptions {
    pub fn validate(&self) -> Result<()> {
        let (name, algorithm) = self.algorithm();
        algorithm.validate().map_err(|error| error.at(name))
    }

    /// The rate that a schedule multiplies.
    pub fn learning_rate(&self) -> f64 {
        self.algorithm().1.learning_rate()
    }

    /// The number of state tensors per parameter.
    pub fn state_tensors(&self) -> usize {
        self.algorithm().1.state().len()
    }
}

/// An optimizer with its state.
#[derive(Debug)]
pub struct Optimizer {
    options: OptimizerOptions,
    steps: u64,
    /// The tensors of each parameter, in the order of `Algorithm::state`.
    state: BTreeMap<String, Vec<Tensor>>,
}

const STEPS: &str = "steps";

impl Optimizer {
    /// Starts with zeros as the state of each parameter of `trained`.
    pub fn new(options: &OptimizerOptions, trained: &Parameters) -> Result<Optimizer> {
        options.validate()?;
        let count = options.algorithm().1.state().len();
        let zeros = |parameter: &Parameter| {
            (0..count).map(|_| tensor::zeros_like(&parameter.tensor)).collect::<Result<Vec<_>>>()
        };
        let state = trained.0.iter().map(|(name, parameter)| Ok((name.clone(), zeros(parameter)?)));
        Ok(Optimizer { options: options.clone(), steps: 0, state: state.collect::<Result<_>>()? })
    }

    /// Changes the parameters that have a gradient. `rate` multiplies the learning rate.
    pub fn step(&mut self, parameters: &Parameters, gradients: &BTreeMap<String, Tensor>, rate: f64) -> Result<()> {
        self.apply::<false>(parameters, gradients, rate).map(drop)
    }

    /// Like `step`; also returns the norm of all gradients together. The squares are summed while the gradients are in
    /// cache.
    pub fn step_with_norm(
        &mut self,
        parameters: &Parameters,
        gradients: &BTreeMap<String, Tensor>,
        rate: f64,
    ) -> Result<f64> {
        self.apply::<true>(parameters, gradients, rate).map(f64::sqrt)
    }

    /// Returns the sum of the squares of all gradients, or 0 without `NORM`.
    fn apply<const NORM: bool>(
        &mut self,
        parameters: &Parameters,
        gradients: &BTreeMap<String, Tensor>,
        rate: f64,
    ) -> Result<f64> {
        let (_, algorithm) = self.options.algorithm();
        self.steps += 1;
        let mut squares = 0.0;
        let mut updates = Vec::with_capacity(gradients.len());
        for (name, gradient) in gradients {
            let parameter = parameters.0.get(name).ok_or_else(|| no_such(name))?;
            let state = self.state.get(name).ok_or_else(|| no_such(name))?;
            if gradient.dims() != parameter.tensor.dims() {
                let message =
                    format!("expected a gradient of {:?}, got {:?}", parameter.tensor.dims(), gradient.dims());
                return Err(Error::shape(name, message));
            }
            let decay = parameter.decay || algorithm.decays_all();
            let at = At { step: self.steps, rate: rate * algorithm.learning_rate(), decay };
            let tensor = &parameter.tensor;
            if tensor::is_host_f32(tensor) {
                let gradient = gradient.contiguous().ok_or_internal()?;
                updates.push(Update { at, parameter: tensor, gradient, state });
            } else {
                if NORM {
                    squares += clip::sum_of_squares(gradient)?;
                }
                let (new, new_state) = algorithm.reference(at, tensor, gradient, state).ok_or_internal()?;
                tensor.slice_set(&new, 0, 0).ok_or_internal()?;
                for (state, new) in state.iter().zip(&new_state) {
                    state.slice_set(new, 0, 0).ok_or_internal()?;
                }
            }
        }
        for updates in updates.chunks(OPEN) {
            squares += run::<NORM>(algorithm, updates)?;
        }
        Ok(squares)
    }

    /// The tensors stored in a checkpoint: the count of steps, and each state tensor as `<state>.<parameter>`.
    pub fn export(&self) -> Result<BTreeMap<String, Tensor>> {
        let names = self.options.algorithm().1.state();
        let mut tensors = BTreeMap::from([(STEPS.to_string(), tensor::from_vec(vec![self.steps as i64], 1)?)]);
        for (parameter, state) in &self.state {
            for (name, tensor) in names.iter().zip(state) {
                tensors.insert(format!("{name}.{parameter}"), tensor.clone());
            }
        }
        Ok(tensors)
    }

    /// Continues from exported state; exactly these tensors must exist, with matching shapes.
    pub fn import(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let mismatch = |path: &str, message: String| Error::new(Code::CheckpointMismatch, path, message);
        let names = self.options.algorithm().1.state();
        let steps = tensors.get(STEPS).ok_or_else(|| mismatch(STEPS, "expected a tensor, got none".into()))?;
        let steps = tensor::item(steps)?;
        let mut state = BTreeMap::new();
        for (parameter, old) in &self.state {
            let mut new = Vec::with_capacity(old.len());
            for (name, old) in names.iter().zip(old) {
                let name = format!("{name}.{parameter}");
                match tensors.get(&name) {
                    Some(tensor) if tensor.dims() == old.dims() && tensor.dtype() == old.dtype() => {
                        new.push(tensor::owned(tensor)?);
                    }
                    other => {
                        let got = other.map(|tensor| format!("{:?}", tensor.dims()));
                        let got = got.as_deref().unwrap_or("none");
                        return Err(mismatch(&name, format!("expected a tensor of {:?}, got {got}", old.dims())));
                    }
                }
            }
            state.insert(parameter.clone(), new);
        }
        let expected = 1 + self.state.len() * names.len();
        if tensors.len() != expected {
            return Err(mismatch("", format!("expected {expected} tensors of state, got {}", tensors.len())));
        }
        (self.steps, self.state) = (steps as u64, state);
        Ok(())
    }
}

fn no_such(name: &str) -> Error {
    Error::internal(format!("a gradient for {name}, which the optimizer does not train"))
}

struct Update<'a> {
    at: At,
    parameter: &'a Tensor,
    gradient: Tensor,
    state: &'a [Tensor],
}

/// A part of a tensor.
struct Piece<'a> {
    at: At,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    state: State<'a>,
}

impl Piece<'_> {
    /// Returns the sum of the gradient's squares, or 0 without `NORM`.
    fn update<const NORM: bool>(&mut self, algorithm: &dyn Algorithm) -> f64 {
        let Piece { at, parameter, gradient, state: [first, second] } = self;
        if !NORM {
            algorithm.kernel(*at, parameter, gradient, [first, second]);
            return 0.0;
        }
        let mut squares = 0.0;
        let (mut first, mut second) = (first.chunks_mut(BLOCK), second.chunks_mut(BLOCK));
        for (parameter, gradient) in parameter.chunks_mut(BLOCK).zip(gradient.chunks(BLOCK)) {
            squares += sum_of_squares(gradient);
            let state = [first.next().unwrap_or_default(), second.next().unwrap_or_default()];
            algorithm.kernel(*at, parameter, gradient, state);
        }
        squares
    }
}

/// The number of parameters that are open for writing at once; each costs a stack frame.
const OPEN: usize = 64;
/// The least number of elements per task.
const TASK: usize = 32 << 10;
/// The largest number of tasks. Long tasks run at the speed of memory, tasks of 32 Ki numbers a third slower; 12 tasks
/// divide evenly among 2, 3, 4 or 6 threads.
const TASKS: usize = 12;

/// The number of gradient elements per block. A block stays in a core's first-level cache between the sum of its squares
/// and the update.
const BLOCK: usize = 4 << 10;

/// Updates all numbers of these tensors in one parallel region. Returns the sum of the gradients' squares, or 0 without
/// `NORM`.
fn run<const NORM: bool>(algorithm: &dyn Algorithm, updates: &[Update]) -> Result<f64> {
    let gradients = updates.iter().map(|update| tensor::read::<f32>(&update.gradient)).collect::<Result<Vec<_>>>()?;
    let written: Vec<&Tensor> =
        updates.iter().flat_map(|update| std::iter::once(update.parameter).chain(update.state)).collect();
    let mut sum = 0.0;
    tensor::update_many(&written, |slices| {
        let total: usize = gradients.iter().map(|gradient| gradient.len()).sum();
        let size = total.div_ceil(TASKS).max(TASK);
        let mut slices = slices.into_iter();
        let mut tasks: Vec<(Vec<Piece>, f64)> = Vec::with_capacity(total.div_ceil(size));
        let mut room = size;
        for (update, gradient) in updates.iter().zip(&gradients) {
            let mut parameter = slices.next().unwrap_or_default();
            let mut gradient: &[f32] = gradient;
            let mut state: State = [&mut [], &mut []];
            for part in state.iter_mut().take(update.state.len()) {
                *part = slices.next().unwrap_or_default();
            }
            while !parameter.is_empty() {
                let len = room.min(parameter.len());
                let (now, later) = std::mem::take(&mut parameter).split_at_mut(len);
                let (now_gradient, later_gradient) = gradient.split_at(len);
                let now_state = state.each_mut().map(|part| {
                    let whole = std::mem::take(part);
                    let (now, later) = whole.split_at_mut(len.min(whole.len()));
                    *part = later;
                    now
                });
                let piece = Piece { at: update.at, parameter: now, gradient: now_gradient, state: now_state };
                match tasks.last_mut().filter(|_| room < size) {
                    Some((pieces, _)) => pieces.push(piece),
                    None => tasks.push((vec![piece], 0.0)),
                }
                (parameter, gradient) = (later, later_gradient);
                room = if room == len { size } else { room - len };
            }
        }
        pool::pieces(&mut tasks, 1, |_, tasks| {
            for (pieces, squares) in tasks {
                for piece in pieces {
                    *squares += piece.update::<NORM>(algorithm);
                }
            }
        });
        sum = tasks.iter().map(|(_, squares)| squares).sum();
    })?;
    Ok(sum)
}

#[cfg(test)]
mod tests;
