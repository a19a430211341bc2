//! Layers: a model is a list of them. One layer one file: its options, the shapes it takes and gives,
//! its parameters with their start values, and a forward made of operations.
//!
//! To add one: write `layers/<name>.rs`, add its line to the registry below. Types, docs, `summary`,
//! files and the generator follow from here.

mod activation;
mod batch_norm;
mod conv1d;
mod conv2d;
mod dropout;
mod embedding;
mod flatten;
mod init;
mod layer_norm;
mod linear;
mod parallel;
mod pass;
mod pool2d;
mod reshape;
mod residual;
mod rms_norm;
mod shape;
mod slice;
mod token_mean;
mod transpose;

pub use activation::Activation;
pub use batch_norm::BatchNorm;
pub use conv1d::Conv1d;
pub(crate) use conv2d::product;
pub use conv2d::{Conv2d, Pair};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use init::{Init, Initializer, LayerInit};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use parallel::{Join, Parallel};
pub(crate) use pass::Signal;
pub use pass::{EMBEDDING, Mode, Pass};
pub use pool2d::{AvgPool, GlobalAvgPool, MaxPool};
pub use reshape::Reshape;
pub use residual::Residual;
pub use rms_norm::RmsNorm;
pub use shape::{Shape, show};
pub use slice::Slice;
pub use token_mean::TokenMean;
pub use transpose::Transpose;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks;
use crate::error::{Error, Result};
use crate::parameters::{Kind, Parameter, Parameters};
use crate::random::Key;
use crate::tensor::from_vec;

/// One tensor that a layer owns.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Below the layer's name: `weight`.
    pub name: String,
    pub shape: Vec<usize>,
    pub init: Init,
    pub kind: Kind,
    /// Whether weight decay applies by default.
    pub decay: bool,
}

impl Spec {
    fn weight(shape: Vec<usize>, init: Init) -> Spec {
        Spec { name: "weight".into(), shape, init, kind: Kind::Trainable, decay: true }
    }

    /// Biases and norms: trained, never decayed by default.
    fn plain(name: &str, shape: Vec<usize>, init: Init) -> Spec {
        Spec { name: name.into(), shape, init, kind: Kind::Trainable, decay: false }
    }

    fn buffer(name: &str, shape: Vec<usize>, init: Init) -> Spec {
        Spec { name: name.into(), shape, init, kind: Kind::Buffer, decay: false }
    }

    /// The same below `prefix`.
    pub(crate) fn below(mut self, prefix: &str) -> Spec {
        self.name = format!("{prefix}.{}", self.name);
        self
    }
}

/// Start values of these tensors, each drawn from a stream of its own, keyed by its name.
pub(crate) fn initialize(specs: &[Spec], key: Key) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    for spec in specs {
        let uninit = || Ok(blocks::uninit(spec.shape.iter().product()));
        let mut values = blocks::caught(uninit).map_err(|error| error.at(&spec.name))?;
        let key = key.with(spec.name.as_str());
        match spec.init {
            Init::Uniform(bound) => key.fill_uniform(&mut values, -bound as f32, bound as f32),
            Init::Normal(deviation) => key.fill_normal(&mut values, 0.0, deviation as f32),
            Init::Constant(constant) => values.fill(constant as f32),
        }
        let tensor = from_vec(values, spec.shape.as_slice())?;
        parameters.0.insert(spec.name.clone(), Parameter { tensor, kind: spec.kind, decay: spec.decay });
    }
    Ok(parameters)
}

/// What every layer answers. Shapes are those of one sample, without the batch axis; `walk` has checked that each input
/// is of at most `MOST` numbers, so counts of two sides never overflow.
pub(crate) trait Layer {
    fn name(&self) -> Option<&str>;
    /// The shape it gives for this input, or why it cannot take it. Default: the same shape.
    fn output(&self, input: &Shape) -> Result<Shape> {
        Ok(input.clone())
    }
    /// The same for a block; `ends` are the shapes in which its inner lists of layers end.
    fn joined(&self, input: &Shape, _ends: &[Shape]) -> Result<Shape> {
        self.output(input)
    }
    /// Numbers that the forward of one sample needs in addition to its output.
    fn scratch(&self, _input: &Shape) -> Result<u128> {
        Ok(0)
    }
    /// Its tensors for this input shape, names below its own.
    fn parameters(&self, _input: &Shape) -> Result<Vec<Spec>> {
        Ok(Vec::new())
    }
    /// The start values that its options ask for.
    fn init(&self) -> Option<&LayerInit> {
        None
    }
    /// Multiply-adds of one sample's forward.
    fn multiply_adds(&self, _input: &Shape) -> Result<u64> {
        Ok(0)
    }
    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal>;
    /// Layers inside, with their names below this one's: blocks.
    fn inner(&self) -> Vec<(String, &[LayerOptions])> {
        Vec::new()
    }
}

macro_rules! layers {
    ($($(#[$meta:meta])* $key:ident: $layer:ident,)*) => {
        /// One layer of a model: an object with one key, the kind of layer, and its options.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum LayerOptions {
            $($(#[$meta])* $layer($layer),)*
        }

        impl LayerOptions {
            pub(crate) fn layer(&self) -> &dyn Layer {
                match self { $(LayerOptions::$layer(layer) => layer,)* }
            }

            /// The layer's tensors, with the start values that its options ask for.
            pub(crate) fn specs(&self, input: &Shape) -> Result<Vec<Spec>> {
                let mut specs = self.layer().parameters(input)?;
                if let Some(init) = self.layer().init() {
                    init.apply(&mut specs).map_err(|error| error.at("init"))?;
                }
                Ok(specs)
            }

            /// The kind, as it is written in a configuration.
            pub fn kind(&self) -> &'static str {
                match self { $(LayerOptions::$layer(_) => stringify!($key),)* }
            }
        }
    };
}

layers! {
    linear: Linear,
    conv1d: Conv1d,
    conv2d: Conv2d,
    batchNorm: BatchNorm,
    layerNorm: LayerNorm,
    rmsNorm: RmsNorm,
    embedding: Embedding,
    activation: Activation,
    dropout: Dropout,
    maxPool: MaxPool,
    avgPool: AvgPool,
    globalAvgPool: GlobalAvgPool,
    tokenMean: TokenMean,
    flatten: Flatten,
    reshape: Reshape,
    transpose: Transpose,
    slice: Slice,
    residual: Residual,
    parallel: Parallel,
}

/// The name of the layer at `index` of a list below `prefix`: its own, or its place.
pub(crate) fn name_at(prefix: &str, index: usize, layer: &LayerOptions) -> String {
    let own = layer.layer().name().map_or_else(|| index.to_string(), str::to_string);
    match prefix {
        "" if layer.layer().name().is_none() => format!("layers.{own}"),
        "" => own,
        _ => format!("{prefix}.{own}"),
    }
}

/// Numbers of one sample, at most: 8 GiB. A file may claim any architecture, and its activations have no bytes there.
pub(crate) const MOST: usize = 1 << 31;

/// Blocks inside blocks, at most.
const DEEPEST: usize = 32;

/// A value of a layer's option as a count of numbers; refuses what is above `MOST`.
pub(crate) fn bounded(name: &str, value: usize) -> Result<usize> {
    if value > MOST {
        return Err(Error::config(name, format!("expected at most {MOST}, got {value}")));
    }
    Ok(value)
}

/// Walks a list from `input`, giving each layer's full name, input and output shape to `visit`, blocks' inner
/// layers before the block itself; returns what comes out at the end. Errors name the layer.
pub(crate) fn walk(
    layers: &[LayerOptions],
    prefix: &str,
    input: &Shape,
    visit: &mut dyn FnMut(&str, &LayerOptions, &Shape, &Shape) -> Result<()>,
) -> Result<Shape> {
    walk_at(0, layers, prefix, input, visit)
}

fn walk_at(
    depth: usize,
    layers: &[LayerOptions],
    prefix: &str,
    input: &Shape,
    visit: &mut dyn FnMut(&str, &LayerOptions, &Shape, &Shape) -> Result<()>,
) -> Result<Shape> {
    if depth > DEEPEST {
        return Err(Error::config(prefix, format!("expected blocks that are nested at most {DEEPEST} deep, got more")));
    }
    let mut shape = input.clone();
    for (index, options) in layers.iter().enumerate() {
        let name = name_at(prefix, index, options);
        let inner = options.layer().inner().into_iter().map(|(below, inner)| {
            let below = if below.is_empty() { name.clone() } else { format!("{name}.{below}") };
            walk_at(depth + 1, inner, &below, &shape, visit)
        });
        let ends = inner.collect::<Result<Vec<_>>>()?;
        let output = options.layer().joined(&shape, &ends).and_then(Shape::checked);
        let output = output.map_err(|error| named(error, &name, options))?;
        visit(&name, options, &shape, &output).map_err(|error| named(error, &name, options))?;
        shape = output;
    }
    Ok(shape)
}

fn named(error: Error, name: &str, options: &LayerOptions) -> Error {
    if error.path.starts_with(name) { error } else { error.at(&format!("{name} ({})", options.kind())) }
}

/// Runs a list of layers one after the other.
pub(crate) fn forward(layers: &[LayerOptions], pass: &mut Pass, prefix: &str, input: Signal) -> Result<Signal> {
    let mut signal = input;
    for (index, options) in layers.iter().enumerate() {
        let name = name_at(prefix, index, options);
        let outer = std::mem::replace(&mut pass.prefix, name);
        pass.keep_embedding(&signal);
        signal = options.layer().forward(pass, signal).map_err(|error| named(error, &pass.prefix, options))?;
        pass.keep(&signal);
        pass.prefix = outer;
    }
    Ok(signal)
}
