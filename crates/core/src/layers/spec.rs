//! The tensors that a layer owns, and how their start values are drawn.

use super::shape::product;
use crate::blocks;
use crate::error::Result;
use crate::parameters::{Kind, Parameter, Parameters};
use crate::random::Key;
use crate::tensor::from_vec;

/// How the start values of a tensor are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform in ±bound.
    Uniform(f64),
    /// Normal around 0 with this standard deviation.
    Normal(f64),
    Constant(f64),
}

/// One tensor that a layer owns.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Name relative to the layer's, for example `weight`.
    pub name: String,
    pub shape: Vec<usize>,
    pub init: Init,
    pub kind: Kind,
    /// Whether weight decay applies by default.
    pub decay: bool,
}

impl Spec {
    pub(super) fn weight(shape: Vec<usize>, init: Init) -> Spec {
        Spec { name: "weight".into(), shape, init, kind: Kind::Trainable, decay: true }
    }

    /// A bias or a parameter of a norm: trained, without weight decay by default.
    pub(super) fn plain(name: &str, shape: Vec<usize>, init: Init) -> Spec {
        Spec { name: name.into(), shape, init, kind: Kind::Trainable, decay: false }
    }

    pub(super) fn buffer(name: &str, shape: Vec<usize>, init: Init) -> Spec {
        Spec { name: name.into(), shape, init, kind: Kind::Buffer, decay: false }
    }

    /// A weight of this shape and, if `bias`, a bias with one number per output. Both are uniform in ±1/√fan_in, as in
    /// PyTorch's kaiming_uniform with a = √5.
    pub(super) fn uniform(shape: Vec<usize>, bias: bool) -> Vec<Spec> {
        let (outputs, fan_in) = (shape[0], product(&shape[1..]).max(1));
        let init = Init::Uniform(1.0 / (fan_in as f64).sqrt());
        let bias = bias.then(|| Spec::plain("bias", vec![outputs], init));
        [Spec::weight(shape, init)].into_iter().chain(bias).collect()
    }

    /// The same with `prefix` before the name.
    pub(crate) fn below(mut self, prefix: &str) -> Spec {
        self.name = format!("{prefix}.{}", self.name);
        self
    }
}

/// Draws the start values of these tensors, each from a separate random stream that depends on its name.
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
