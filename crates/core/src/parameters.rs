//! Named tensors, which optimizers, generators and files share. They are sorted by name, so that every loop over them
//! has the same order in every process.

use std::collections::{BTreeMap, BTreeSet};

use crate::blocks;
use crate::error::{Code, Error, Result};
use crate::tape::{Tape, Value};
use crate::tensor::{self, DType, Tensor, digest, to_f64};

/// The parameter values of one forward pass, by name: the leaves of a trained student, the constants of a frozen teacher,
/// or an average. Layers treat them all alike.
pub type Bound = BTreeMap<String, Value>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Changed by the optimizer.
    Trainable,
    /// Running statistics, which forward passes in training change; the optimizer does not.
    Buffer,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub tensor: Tensor,
    pub kind: Kind,
    /// Whether weight decay applies; it does not apply to biases and normalization layers.
    pub decay: bool,
}

/// A map from name to tensor. A clone shares the storage; a `deep_copy` does not.
#[derive(Clone, Debug, Default)]
pub struct Parameters(pub(crate) BTreeMap<String, Parameter>);

impl Parameter {
    pub fn new(tensor: Tensor, kind: Kind, decay: bool) -> Parameter {
        Parameter { tensor, kind, decay }
    }
}

impl FromIterator<(String, Parameter)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (String, Parameter)>>(named: I) -> Parameters {
        Parameters(named.into_iter().collect())
    }
}

impl Parameters {
    /// Values without gradients, for frozen teachers, validation and predictions.
    pub(crate) fn constants(&self) -> Bound {
        self.0.iter().map(|(name, parameter)| (name.clone(), Value::constant(parameter.tensor.clone()))).collect()
    }

    /// Values of a trained model: trainable tensors become leaves of the tape, except frozen ones.
    pub fn leaves(&self, tape: &mut Tape, frozen: &BTreeSet<String>) -> Bound {
        let bind = |(name, parameter): (&String, &Parameter)| {
            let trained = parameter.kind == Kind::Trainable && !frozen.contains(name);
            let tensor = parameter.tensor.clone();
            (name.clone(), if trained { tape.leaf(tensor) } else { Value::constant(tensor) })
        };
        self.0.iter().map(bind).collect()
    }

    /// The digest of all tensors together.
    pub(crate) fn digest(&self) -> Result<u64> {
        self.0.values().try_fold(0u64, |sum, p| Ok(sum.rotate_left(7) ^ digest(&p.tensor)?))
    }

    /// These parameters and `others`, whose names are different; the storage is shared.
    #[must_use]
    pub(crate) fn with(mut self, others: &Parameters) -> Parameters {
        self.0.extend(others.0.iter().map(|(name, parameter)| (name.clone(), parameter.clone())));
        self
    }

    /// The parameters of kind `Buffer`.
    pub(crate) fn buffers(&self) -> Parameters {
        let buffers = self.0.iter().filter(|(_, parameter)| parameter.kind == Kind::Buffer);
        buffers.map(|(name, parameter)| (name.clone(), parameter.clone())).collect()
    }

    /// The same values in separate storage.
    pub fn deep_copy(&self) -> Result<Parameters> {
        let copy = |(name, parameter): (&String, &Parameter)| {
            let tensor = tensor::owned(&parameter.tensor)?;
            Ok((name.clone(), Parameter { tensor, ..parameter.clone() }))
        };
        self.0.iter().map(copy).collect::<Result<_>>().map(Parameters)
    }

    /// Rejects infinite values and NaN; the error's path is the name of the tensor.
    pub(crate) fn expect_finite(&self, code: Code, remedy: &str) -> Result<()> {
        for (name, parameter) in &self.0 {
            if !tensor::all_finite(&parameter.tensor)? {
                let message = format!("expected finite parameters, got infinity or NaN{remedy}");
                return Err(Error::new(code, name, message));
            }
        }
        Ok(())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Name, shape and whether it is trained, of every tensor.
    pub fn list(&self) -> Vec<(String, Vec<usize>, bool)> {
        let of = |(name, p): (&String, &Parameter)| (name.clone(), p.tensor.dims().to_vec(), p.kind == Kind::Trainable);
        self.0.iter().map(of).collect()
    }

    /// Shape and numbers of one tensor.
    pub fn get(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let parameter = self.0.get(name).ok_or_else(|| Error::config(name, "expected a parameter of this model"))?;
        let tensor = tensor::contiguous(&parameter.tensor)?;
        let values = match tensor.dtype() {
            DType::F32 => blocks::copied(&tensor::read(&tensor)?),
            _ => to_f64(&tensor)?.into_iter().map(|value| value as f32).collect(),
        };
        Ok((tensor.dims().to_vec(), values))
    }

    /// Total number of values.
    pub fn elements(&self) -> u64 {
        self.0.values().map(|parameter| parameter.tensor.elem_count() as u64).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.0.values().map(|p| (p.tensor.elem_count() * p.tensor.dtype().size_in_bytes()) as u64).sum()
    }
}
