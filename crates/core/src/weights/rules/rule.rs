//! The interface of a rule, and helpers that every rule needs for its target.

use crate::error::{Error, Result};
use crate::layers::show;
use crate::ops::weight_generator::Stack;
use crate::parameters::{Kind, Parameter};
use crate::random::Key;
use crate::tensor::{Tensor, from_vec};

/// The parameter to generate.
pub(crate) struct Target<'a> {
    pub name: &'a str,
    /// The student's parameter: its initial values, its shape, and whether it decays.
    pub student: &'a Parameter,
    /// The teacher's parameters, in order; all of one shape.
    pub teacher: &'a [(String, Tensor)],
    /// Key of the random initial values.
    pub key: Key,
}

/// Where the values of one student parameter come from.
#[derive(Clone, Debug)]
pub(crate) enum Making {
    /// Computed from the teacher's, through the trained parameters below its name.
    Generated(Stack),
    /// Trained directly, from initial values.
    Own,
    /// Not trained.
    Constant(Tensor),
}

/// The result of a rule for a target.
pub(crate) struct Made {
    pub making: Making,
    /// The trained parameters: name below the target's (empty for the target itself) and initial value.
    pub trained: Vec<(&'static str, Parameter)>,
    /// How many of the teacher's parameters are used, from the first.
    pub used: usize,
}

pub(crate) trait Rule {
    fn make(&self, target: &Target) -> Result<Made>;
}

impl Target<'_> {
    pub(super) fn dims(&self) -> &[usize] {
        self.student.tensor.dims()
    }

    /// Shape of the teacher's parameters; an error if there are none.
    pub(super) fn teacher_dims(&self) -> Result<&[usize]> {
        self.teacher.first().map(|(_, tensor)| tensor.dims()).ok_or_else(|| {
            self.refuse("expected a parameter of the teacher to generate it from, got none", "fresh: {}")
        })
    }

    pub(super) fn stack(&self) -> Result<Stack> {
        Stack::new(&self.teacher.iter().map(|(_, tensor)| tensor.clone()).collect::<Vec<_>>())
    }

    /// Rejects this target and names a rule that would work.
    pub(super) fn refuse(&self, message: impl std::fmt::Display, instead: &str) -> Error {
        let rule = format!("rules: [{{ student: '{}', rule: {{ {instead} }} }}]", self.name);
        Error::shape(self.name, format!("{message}; use {rule}"))
    }

    /// Kernel sizes are not channels: the dimensions after outputs and inputs must be equal.
    pub(super) fn equal_positions(&self) -> Result<()> {
        let (own, theirs) = (self.dims(), self.teacher_dims()?);
        let positions = |dims: &[usize]| dims.iter().skip(2).copied().collect::<Vec<usize>>();
        if own.len() != theirs.len() {
            return Err(self.refuse(
                format!("expected as many dimensions as the teacher's {}, got {}", show(theirs), show(own)),
                "fresh: {}",
            ));
        }
        if positions(own) != positions(theirs) {
            return Err(self.refuse(
                format!(
                    "expected the teacher's kernel size {}, got {}",
                    show(&positions(theirs)),
                    show(&positions(own))
                ),
                "fresh: {}",
            ));
        }
        Ok(())
    }

    pub(super) fn equal_shapes(&self, instead: &str) -> Result<()> {
        let theirs = self.teacher_dims()?;
        if theirs != self.dims() {
            let message = format!("expected the teacher's shape {}, got {}", show(theirs), show(self.dims()));
            return Err(self.refuse(message, instead));
        }
        Ok(())
    }

    /// `[rows, columns]`, Xavier normal.
    pub(super) fn xavier(&self, part: &'static str, rows: usize, columns: usize) -> Result<(&'static str, Parameter)> {
        let mut values = vec![0f32; rows * columns];
        let deviation = (2.0 / (rows + columns) as f64).sqrt();
        self.key.with(part).fill_normal(&mut values, 0.0, deviation as f32);
        Ok((part, Parameter::new(from_vec(values, (rows, columns))?, Kind::Trainable, true)))
    }

    /// wLayer and wReduce.
    pub(super) fn layers(&self) -> Result<[(&'static str, Parameter); 2]> {
        let count = self.teacher.len();
        let (_, layer) = self.xavier(W_LAYER, count, count)?;
        let reduce = from_vec(vec![1.0 / count as f32; count], count)?;
        Ok([(W_LAYER, Parameter { decay: false, ..layer }), (W_REDUCE, Parameter::new(reduce, Kind::Trainable, false))])
    }

    /// `scale` of ones and `shift` of zeros.
    pub(super) fn affine(&self) -> Result<[(&'static str, Parameter); 2]> {
        let filled = |value: f32| {
            let values = vec![value; self.dims().iter().product()];
            Ok(Parameter::new(from_vec(values, self.dims())?, Kind::Trainable, false))
        };
        Ok([(SCALE, filled(1.0)?), (SHIFT, filled(0.0)?)])
    }

    pub(super) fn generated(&self, trained: Vec<(&'static str, Parameter)>) -> Result<Made> {
        Ok(Made { making: Making::Generated(self.stack()?), trained, used: self.teacher.len() })
    }

    /// Trained like any other parameter, from these initial numbers.
    pub(super) fn own(&self, start: Tensor, used: usize) -> Made {
        let start = Parameter { tensor: start, ..self.student.clone() };
        Made { making: Making::Own, trained: vec![("", start)], used }
    }
}

pub(crate) const W_OUT: &str = "wOut";
pub(crate) const W_IN: &str = "wIn";
pub(crate) const W_LAYER: &str = "wLayer";
pub(crate) const W_REDUCE: &str = "wReduce";
pub(crate) const SCALE: &str = "scale";
pub(crate) const SHIFT: &str = "shift";
