//! Layers: a model is a list of layers. Each file has one layer: its options, its input and output shapes, its
//! parameters with their start values, and a forward pass made of operations.
//!
//! To add one: write `layers/<name>.rs` and add its line to the registry below. Types, docs, `summary`, files and the
//! generator of weights follow from the line.

mod activation;
mod attention;
mod batch_norm;
mod block;
mod conv1d;
mod conv2d;
mod dropout;
mod embedding;
mod flatten;
mod init;
mod layer;
mod layer_norm;
mod linear;
mod normalize;
mod pass;
mod pool2d;
mod reshape;
mod rms_norm;
mod shape;
mod slice;
mod spec;
mod token_embedding;
mod token_mean;
mod token_pool;
mod transpose;

pub use activation::Activation;
pub use attention::Attention;
pub use batch_norm::BatchNorm;
pub use block::{Join, Parallel, Residual};
pub use conv1d::Conv1d;
pub use conv2d::{Conv2d, Pair};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use init::{ConstantInit, Initializer, LayerInit, NormalInit};
use layer::Layer;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use normalize::Normalize;
pub(crate) use pass::Signal;
pub use pass::{EMBEDDING, Mode, Pass};
pub use pool2d::{AvgPool, GlobalAvgPool, MaxPool};
pub use reshape::Reshape;
pub use rms_norm::RmsNorm;
pub(crate) use shape::{MOST, product};
pub use shape::{Shape, show};
pub use slice::Slice;
pub(crate) use spec::initialize;
pub use spec::{Init, Spec};
pub use token_embedding::TokenEmbedding;
pub use token_mean::TokenMean;
pub use token_pool::{TokenPool, TokenPooling};
pub use transpose::Transpose;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

macro_rules! layers {
    ($($(#[$meta:meta])* $key:ident: $layer:ident,)*) => {
        /// One layer of a model: an object with one key. The key is the kind of layer; the value holds its options.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum LayerOptions {
            $($(#[$meta])* $layer($layer),)*
        }

        impl LayerOptions {
            pub(crate) fn layer(&self) -> &dyn Layer {
                match self { $(LayerOptions::$layer(layer) => layer,)* }
            }

            /// The layer's tensors, with the start values from its options.
            pub(crate) fn specs(&self, input: &Shape) -> Result<Vec<Spec>> {
                let mut specs = self.layer().parameters(input)?;
                if let Some(init) = self.layer().init() {
                    init.apply(&mut specs).map_err(|error| error.at("init"))?;
                }
                Ok(specs)
            }

            pub(crate) fn name(&self) -> Option<&str> {
                match self { $(LayerOptions::$layer(layer) => layer.name.as_deref(),)* }
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
    tokenEmbedding: TokenEmbedding,
    attention: Attention,
    activation: Activation,
    dropout: Dropout,
    maxPool: MaxPool,
    avgPool: AvgPool,
    globalAvgPool: GlobalAvgPool,
    tokenMean: TokenMean,
    tokenPool: TokenPool,
    normalize: Normalize,
    flatten: Flatten,
    reshape: Reshape,
    transpose: Transpose,
    slice: Slice,
    residual: Residual,
    parallel: Parallel,
}

impl LayerOptions {
    /// The lists of layers inside a block, with their names relative to the block's.
    pub(crate) fn inner(&self) -> Vec<(String, &[LayerOptions])> {
        match self {
            LayerOptions::Residual(block) => block.inner(),
            LayerOptions::Parallel(block) => block.inner(),
            _ => Vec::new(),
        }
    }
}

/// The name of the layer at `index` of a list below `prefix`: its own name, or its position.
pub(crate) fn name_at(prefix: &str, index: usize, layer: &LayerOptions) -> String {
    let own = layer.name().map_or_else(|| index.to_string(), str::to_string);
    match prefix {
        "" if layer.name().is_none() => format!("layers.{own}"),
        "" => own,
        _ => format!("{prefix}.{own}"),
    }
}

/// The deepest nesting of blocks.
const DEEPEST: usize = 32;

/// Walks a list from `input` and calls `visit` with each layer's full name, input and output shape; the inner layers of a
/// block come before the block. Returns the shape of the last output. Errors name the layer.
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
        let inner = options.inner().into_iter().map(|(below, inner)| {
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

/// Puts the layer before the path, except where the path is that of a row of the inputs.
fn named(error: Error, name: &str, options: &LayerOptions) -> Error {
    if error.path.starts_with(name) || error.path.starts_with("inputs[") {
        error
    } else {
        error.at(&format!("{name} ({})", options.kind()))
    }
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
