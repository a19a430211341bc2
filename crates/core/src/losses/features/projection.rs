//! A trained linear map that brings the student's width to the teacher's.
//!
//! ```text
//! r(f) = f · P,   f [..., student's width], P [student's width, teacher's width]
//! ```
//!
//! The width of a feature map is its number of channels: the projection is a 1 × 1 convolution, computed as a product
//! with the channels last. Source: Romero et al., "FitNets", 2015, arXiv:1412.6550. Where we differ: no bias.

use crate::error::{Candle, Error, Result};
use crate::layers::{Init, Spec};
use crate::ops::{matmul::matmul, reshape::reshape, transpose::transpose};
use crate::parameters::Bound;
use crate::parameters::Kind;
use crate::tape::{Tape, Value};
use crate::tensor::Tensor;

pub(super) struct Projection {
    name: String,
    from: usize,
    to: usize,
    /// Whether the samples are feature maps, whose first axis is the channels.
    maps: bool,
}

impl Projection {
    /// The projection, and the student's and the teacher's shapes of one sample after it.
    pub fn new(name: String, student: &[usize], teacher: &[usize]) -> Result<(Projection, Vec<usize>, Vec<usize>)> {
        match (student, teacher) {
            ([from, own @ ..], [to, other @ ..]) if own.len() == 2 && other.len() == 2 => {
                let last = |sizes: &[usize]| vec![sizes.iter().product(), *to];
                let projection = Projection { name, from: *from, to: *to, maps: true };
                Ok((projection, last(own), last(other)))
            }
            ([own @ .., from], [other @ .., to]) if own.len() < 2 && other.len() < 2 => {
                let projection = Projection { name, from: *from, to: *to, maps: false };
                Ok((projection, [own, &[*to]].concat(), [other, &[*to]].concat()))
            }
            _ => {
                let message = format!(
                    "expected two vectors, two sequences or two feature maps to project, got {student:?} and {teacher:?}"
                );
                Err(Error::shape("projection", message))
            }
        }
    }

    pub fn spec(&self) -> Spec {
        Spec {
            name: self.name.clone(),
            shape: vec![self.from, self.to],
            init: Init::Uniform((self.from as f64).powf(-0.5)),
            kind: Kind::Trainable,
            decay: true,
        }
    }

    pub fn apply(&self, tape: &mut Tape, value: &Value, parameters: &Bound) -> Result<Value> {
        let weight =
            parameters.get(&self.name).ok_or_else(|| Error::internal(format!("no parameter {}", self.name)))?;
        let rows = value.dims()[0];
        let places = value.tensor().elem_count() / rows / self.from;
        let last = match self.maps {
            true => {
                let flat = reshape(tape, value, &[rows, self.from, places])?;
                transpose(tape, &flat, 1, 2)?
            }
            false => value.clone(),
        };
        let flat = reshape(tape, &last, &[rows * places, self.from])?;
        let projected = matmul(tape, &flat, weight)?;
        let dims = match (self.maps, value.dims().len()) {
            (false, 2) => vec![rows, self.to],
            _ => vec![rows, places, self.to],
        };
        reshape(tape, &projected, &dims)
    }

    /// The teacher's tensor with the same order of axes as the projected student's.
    pub fn align(&self, teacher: &Tensor) -> Result<Tensor> {
        if !self.maps {
            return Ok(teacher.clone());
        }
        let flat = teacher.flatten_from(2).ok_or_internal()?;
        flat.transpose(1, 2).and_then(|last| last.contiguous()).ok_or_internal()
    }
}
