//! A network: an architecture whose shapes match, its initial values, and its forward pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Architecture, Summary};
use crate::batch::Features;
use crate::error::{Candle, Error, Result};
use crate::layers::{self, LayerOptions, MOST, Mode, Pass, Shape, Signal, Spec, show};
use crate::ops::embedding::Bag;
use crate::outputs::Outputs;
use crate::parameters::Bound;
use crate::parameters::Parameters;
use crate::random::Key;
use crate::tape::{Tape, Value};

pub use crate::layers::EMBEDDING;

/// Outputs that a forward pass returns in addition to the logits.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Names of the layers whose outputs are needed, and `EMBEDDING`.
    pub hidden: BTreeSet<String>,
    /// Names of tensors that are not trained. A batch norm with frozen statistics uses the stored statistics.
    pub frozen: Arc<BTreeSet<String>>,
}

/// Total number of values; `None` if their bytes exceed the address space.
fn elements(specs: &[Spec]) -> Option<u64> {
    let one = |spec: &Spec| spec.shape.iter().try_fold(1u64, |count, side| count.checked_mul(*side as u64));
    let all = specs.iter().try_fold(0u64, |sum, spec| sum.checked_add(one(spec)?));
    all.filter(|count| *count <= (isize::MAX as u64) / 4)
}

#[derive(Clone, Debug)]
pub struct Network {
    architecture: Architecture,
    input: Shape,
    output: Shape,
    specs: Vec<Spec>,
    names: BTreeSet<String>,
    /// Layer names in the order of `layers::walk`.
    order: Vec<String>,
    /// Name of the last linear layer, whose weight contains the class templates.
    head: Option<String>,
    multiply_adds: u64,
}

impl Network {
    /// Checks the shapes layer by layer.
    pub fn new(architecture: Architecture) -> Result<Network> {
        if architecture.layers.is_empty() {
            return Err(Error::config("layers", "expected at least one layer, got none"));
        }
        let input = architecture.input.shape().checked().map_err(|error| Error::config("input", error.message))?;
        let (mut specs, mut names, mut order, mut head) = (Vec::new(), BTreeSet::new(), Vec::new(), None);
        let (mut multiply_adds, mut numbers) = (0u64, 0u128);
        let output = layers::walk(&architecture.layers, "", &input, &mut |name, options, input, output| {
            if !names.insert(name.to_string()) {
                return Err(Error::config(
                    "name",
                    format!("expected a different name for each layer, got {name} twice"),
                ));
            }
            order.push(name.to_string());
            multiply_adds = multiply_adds.saturating_add(options.layer().multiply_adds(input)?);
            numbers += output.elements() as u128 + options.layer().scratch(input)?;
            if numbers > MOST as u128 {
                let message =
                    format!("expected at most {MOST} numbers per row in all layers, got {numbers} up to this layer");
                return Err(Error::shape("", message));
            }
            specs.extend(options.specs(input)?.into_iter().map(|spec| spec.below(name)));
            // A layer over tokens gives no logits of rows.
            if matches!(options, LayerOptions::Linear(_)) && !matches!(input, Shape::Tokens(_)) {
                head = Some(name.to_string());
            }
            Ok(())
        })?;
        output.dense().map_err(|error| error.at("layers"))?;
        if elements(&specs).is_none() {
            return Err(Error::config(
                "layers",
                "expected a model that fits in the address space, got too many parameters",
            ));
        }
        Ok(Network { architecture, input, output, specs, names, order, head, multiply_adds })
    }

    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    pub fn input(&self) -> &Shape {
        &self.input
    }

    /// Sizes of one sample's output.
    pub fn output(&self) -> &Shape {
        &self.output
    }

    /// Number of outputs of one sample.
    pub fn classes(&self) -> usize {
        self.output.elements()
    }

    /// Multiply-adds of one sample's forward.
    pub fn multiply_adds(&self) -> u64 {
        self.multiply_adds
    }

    pub fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// Total number of values in all tensors.
    pub fn elements(&self) -> u64 {
        elements(&self.specs).unwrap_or(u64::MAX)
    }

    pub fn layer_names(&self) -> &BTreeSet<String> {
        &self.names
    }

    pub(crate) fn order(&self) -> &[String] {
        &self.order
    }

    pub fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }

    /// The shape of one sample at the output of a layer, or at `EMBEDDING`; `None` if there is no such layer.
    pub fn shape_of(&self, name: &str) -> Result<Option<Shape>> {
        let mut found = None;
        layers::walk(&self.architecture.layers, "", &self.input, &mut |layer, _, input, output| {
            if layer == name {
                found = Some(output.clone());
            } else if name == EMBEDDING && Some(layer) == self.embedding_of() {
                found = Some(input.clone());
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Names of the residual blocks, and names of the linear and convolutional layers before the head. Layers inside blocks
    /// are not included.
    pub(crate) fn depth(&self) -> (Vec<String>, Vec<String>) {
        let (mut blocks, mut plain) = (Vec::new(), Vec::new());
        for (index, options) in self.architecture.layers.iter().enumerate() {
            let name = layers::name_at("", index, options);
            match options {
                LayerOptions::Residual(_) => blocks.push(name),
                LayerOptions::Linear(_) | LayerOptions::Conv1d(_) | LayerOptions::Conv2d(_) => plain.push(name),
                _ => {}
            }
        }
        plain.retain(|name| Some(name.as_str()) != self.head());
        (blocks, plain)
    }

    /// The layer whose input is `EMBEDDING`; `None` if a layer has that name.
    fn embedding_of(&self) -> Option<&str> {
        self.head().filter(|_| !self.names.contains(EMBEDDING))
    }

    pub fn summary(&self) -> Result<Summary> {
        Summary::of(&self.architecture, &self.input)
    }

    /// Initial values: each tensor is drawn from a separate stream, keyed by seed and name.
    pub fn initialize(&self, seed: u64) -> Result<Parameters> {
        layers::initialize(&self.specs, Key::new(seed).with("init"))
    }

    /// The batch normalizations that have one number per row and channel, so that a batch of one row has no variance.
    pub(crate) fn normalizes_rows(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        layers::walk(&self.architecture.layers, "", &self.input, &mut |name, options, input, _| {
            let of_rows = Some(&input.elements()) == input.sizes().first();
            names.extend((of_rows && matches!(options, LayerOptions::BatchNorm(_))).then(|| name.to_string()));
            Ok(())
        })?;
        Ok(names)
    }

    /// Like `initialize`, but draws only the tensors of these names; their values are the same.
    pub(crate) fn initialize_only(&self, seed: u64, names: &[String]) -> Result<Parameters> {
        let specs: Vec<Spec> = self.specs.iter().filter(|spec| names.contains(&spec.name)).cloned().collect();
        layers::initialize(&specs, Key::new(seed).with("init"))
    }

    /// Converts the inputs of a batch to the signal of the first layer; dense inputs are reshaped if their size is right.
    fn signal(&self, inputs: &Features) -> Result<Signal> {
        match (inputs, &self.input) {
            (Features::Dense(tensor), Shape::Dense(sizes)) => {
                let got = &tensor.dims()[1..];
                if got.iter().product::<usize>() != sizes.iter().product::<usize>() {
                    return Err(Error::shape(
                        "inputs",
                        format!("expected samples of shape {}, got {}", show(sizes), show(got)),
                    ));
                }
                let wanted: Vec<usize> = std::iter::once(tensor.dims()[0]).chain(sizes.iter().copied()).collect();
                Ok(Signal::Dense(Value::constant(tensor.reshape(wanted).ok_or_internal()?)))
            }
            (Features::Ids(ids), Shape::Ids(length)) => {
                let got = ids.dims()[1];
                match length {
                    Some(length) if *length == got => Ok(Signal::Ids(ids.clone())),
                    _ => Err(Error::shape("inputs", format!("expected {} per row, got {got} ids", self.input))),
                }
            }
            (Features::Ragged { ids, offsets, weights }, Shape::Ids(None)) => Ok(Signal::Ragged(Bag {
                ids: Arc::new(ids.clone()),
                offsets: Arc::new(offsets.clone()),
                weights: weights.clone().map(Arc::new),
            })),
            (_, wanted) => {
                let got = match inputs {
                    Features::Dense(tensor) => format!("numbers of shape {}", show(&tensor.dims()[1..])),
                    Features::Ids(ids) => format!("{} ids per row", ids.dims()[1]),
                    Features::Ragged { .. } => "rows with different numbers of ids".into(),
                };
                Err(Error::shape("inputs", format!("expected {wanted}, got {got}")))
            }
        }
    }

    /// The forward pass. `bound` contains the parameter values, whatever their source.
    pub(crate) fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        inputs: &Features,
        ids: &[u64],
        request: &Request,
        mode: Mode,
        key: Key,
    ) -> Result<Outputs> {
        let signal = self.signal(inputs)?;
        let mut pass = Pass {
            tape,
            bound,
            mode,
            key,
            ids,
            prefix: String::new(),
            wanted: &request.hidden,
            frozen: &request.frozen,
            embedding_of: self.embedding_of().filter(|_| request.hidden.contains(EMBEDDING)),
            hidden: BTreeMap::new(),
            buffer_updates: Vec::new(),
        };
        let signal = layers::forward(&self.architecture.layers, &mut pass, "", signal)?;
        let (hidden, buffer_updates) = (pass.hidden, pass.buffer_updates);
        let head_weight = self.head.as_ref().and_then(|head| bound.get(&format!("{head}.weight")).cloned());
        Ok(Outputs { logits: signal.dense()?, hidden, head_weight, buffer_updates })
    }
}
