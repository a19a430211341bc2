//! Several teachers' distributions as one: ρ = Σ_j a_j softmax(v_j / T), v_j `[rows, classes]`, Σ_j a_j = 1.
//!
//! For `kl` the gradient equals that of the weighted sum of losses; the values differ by a number that does not depend
//! on the student.

use super::logits;
use super::soft::Soft;
use crate::error::{Candle, Error, Result};
use crate::losses::sweep::{Ask, Row, Side, Softmax};
use crate::tensor::{DType, Tensor};

struct Mixture<'a> {
    parts: &'a [(Tensor, f64)],
    teachers: Vec<Softmax>,
    student: Softmax,
}

impl Soft for Mixture<'_> {
    fn divergence(&self, row: &Row) -> f64 {
        let shares = || self.teachers.iter().zip(self.parts);
        let parts: Vec<(&[f32], f64)> = shares()
            .map(|(softmax, (_, share))| {
                let (exponentials, scale) = row.exponentials(*softmax);
                (exponentials, scale * share)
            })
            .collect();
        let each = |class: usize| {
            let p: f64 = parts.iter().map(|(exponentials, scale)| f64::from(exponentials[class]) * scale).sum();
            if p > 0.0 { p * (p.ln() - row.log_probability(self.student, class)) } else { 0.0 }
        };
        (0..row.classes()).map(each).sum()
    }

    fn add<'t>(&'t self, row: &mut Row<'t, '_, '_>, coefficient: f64) {
        for (softmax, (_, share)) in self.teachers.iter().zip(self.parts) {
            row.add_softmax(*softmax, coefficient * share);
        }
    }
}

pub(super) fn soft<'a>(
    parts: &'a [(Tensor, f64)],
    first: usize,
    temperature: f64,
    ask: &mut Ask,
) -> (Box<dyn Soft + 'a>, Softmax) {
    let student = ask.softmax(Side::Student, temperature);
    let mut stored = |teacher: usize| {
        let softmax = ask.softmax(Side::Teacher(first + teacher), temperature);
        ask.stored(softmax)
    };
    let teachers = (0..parts.len()).map(&mut stored).collect();
    (Box::new(Mixture { parts, teachers, student }), student)
}

pub(super) fn probabilities(parts: &[(Tensor, f64)], temperature: f64, dtype: DType) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (logits, share) in parts {
        let p = (logits::probabilities(logits, temperature, dtype)? * *share).ok_or_internal()?;
        sum = Some(match sum {
            None => p,
            Some(sum) => (sum + p).ok_or_internal()?,
        });
    }
    sum.ok_or_else(|| Error::internal("a mixture of no teachers"))
}

/// T ln ρ: logits of a single teacher whose softmax at this temperature is the mixture.
pub(super) fn logits_at(parts: &[(Tensor, f64)], temperature: f64) -> Result<Tensor> {
    let dtype = parts.first().map_or(DType::F32, |(logits, _)| logits.dtype());
    let p = probabilities(parts, temperature, dtype)?;
    p.log().and_then(|log| log * temperature).ok_or_internal()
}

/// Dimensions of all parts, which must agree; rejects an empty mixture.
pub(super) fn dims(parts: &[(Tensor, f64)]) -> Result<(usize, usize)> {
    let Some((first, _)) = parts.first() else {
        return Err(Error::config("teacher", "expected one or more, got none"));
    };
    let dims = logits::dims(first);
    if let Some((other, _)) = parts.iter().find(|(other, _)| logits::dims(other) != dims) {
        let message = format!("expected teachers of one shape, got {:?} and {:?}", other.dims(), first.dims());
        return Err(Error::shape("teacher.logits", message));
    }
    Ok(dims)
}
