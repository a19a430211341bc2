//! Several values concatenated along one axis; each gets its part of the gradient.
//!
//! Source: PyTorch's `cat`. Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
use crate::blocks;
use crate::error::{Candle, Error, Result};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, contiguous};

pub(crate) fn concat(tape: &mut Tape, parts: &[&Value], axis: usize) -> Result<Value> {
    check(parts, axis).map_err(|error| error.at("concat"))?;
    tape.apply("concat", parts, Concat { parts: parts.iter().map(|part| (*part).clone()).collect(), axis })
}

struct Concat {
    parts: Vec<Value>,
    axis: usize,
}

impl Compute for Concat {
    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Concat { parts, axis } = self;
        let tensors: Vec<&Tensor> = parts.iter().map(Value::tensor).collect();
        blocks::room(tensors.iter().map(|part| part.elem_count() * part.dtype().size_in_bytes()).sum());
        let y = Tensor::cat(&tensors, axis).and_then(|y| y.contiguous()).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let mut start = 0;
            for input in &parts {
                let length = input.dims()[axis];
                if gradients.wants(input) {
                    let part = contiguous(&up.narrow(axis, start, length).ok_or_internal()?)?;
                    gradients.add_shared(input, part)?;
                }
                start += length;
            }
            Ok(())
        }))
    }
}

fn check(parts: &[&Value], axis: usize) -> Result<()> {
    let Some(first) = parts.first().map(|part| part.dims()) else {
        return Err(Error::shape("", "expected at least one value, got none"));
    };
    if axis >= first.len() {
        return Err(Error::config("axis", format!("expected an axis below {}, got {axis}", first.len())));
    }
    for (index, part) in parts.iter().enumerate() {
        let fits = part.dims().len() == first.len()
            && part.dims().iter().zip(first).enumerate().all(|(at, (a, b))| at == axis || a == b);
        if !fits {
            let message = format!("expected {first:?} except for axis {axis}, got {:?}", part.dims());
            return Err(Error::shape(format!("{index}"), message));
        }
    }
    Ok(())
}

pub(crate) const OPERATION: Operation = Operation {
    name: "concat",
    case: |tape, inputs, options| {
        let parts = [inputs.get("a")?, inputs.get("b")?, inputs.get("a")?]; // one of them twice
        concat(tape, &parts, super::option(options, "axis")?.unwrap_or(0))
    },
    samples: || {
        let sample =
            |a: &[usize], b: &[usize], axis: usize| Sample::of(&[("a", a), ("b", b)]).options(json!({ "axis": axis }));
        vec![sample(&[2, 3, 2], &[1, 3, 2], 0), sample(&[2, 3, 2], &[2, 1, 2], 1), sample(&[1, 2, 131], &[1, 2, 5], 2)]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let (a, b) = (crate::ops::zeros(&[2, 3]), crate::ops::zeros(&[3, 3]));
        let error = concat(&mut Tape::default(), &[&a, &b], 1).unwrap_err();
        assert_eq!(error.to_string(), "concat.1: expected [2, 3] except for axis 1, got [3, 3]");
    }
}
