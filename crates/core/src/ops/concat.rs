//! Several values side by side along one axis; each gets its part of the gradient back.
//!
//! Source: PyTorch's `cat`. Where we differ: nowhere.

use crate::error::{Candle, Error, Result};
use crate::tape::{Tape, Value};
use crate::tensor::Tensor;

pub(crate) fn concat(tape: &mut Tape, parts: &[&Value], axis: usize) -> Result<Value> {
    check(parts, axis).map_err(|error| error.at("concat"))?;
    let tensors: Vec<&Tensor> = parts.iter().map(|part| part.tensor()).collect();
    let y = Tensor::cat(&tensors, axis).and_then(|y| y.contiguous()).ok_or_internal()?;
    let inputs: Vec<Value> = parts.iter().map(|part| (*part).clone()).collect();
    tape.record("concat", parts, y, move |up, gradients| {
        let mut start = 0;
        for input in &inputs {
            let length = input.dims()[axis];
            if gradients.wants(input) {
                let part = up.narrow(axis, start, length).and_then(|part| part.contiguous()).ok_or_internal()?;
                gradients.add_shared(input, part)?;
            }
            start += length;
        }
        Ok(())
    })
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
            let message = format!("expected {first:?} but for axis {axis}, got {:?}", part.dims());
            return Err(Error::shape(format!("{index}"), message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_kernel, assert_slopes, normal};

    #[test]
    fn every_part_gets_its_gradient() {
        let inputs = [normal(1, &[2, 3, 2]), normal(2, &[2, 1, 2])];
        for axis in [1, 2, 0] {
            let same = [normal(1, &[2, 3, 2]), normal(2, &[2, 3, 2])];
            let inputs = if axis == 1 { &inputs } else { &same };
            assert_slopes("concat", inputs, |tape, v| concat(tape, &[&v[0], &v[1]], axis));
            assert_kernel("concat", 1, inputs, |tape, v| concat(tape, &[&v[0], &v[1]], axis));
        }
    }

    #[test]
    fn a_value_beside_itself_gets_both_gradients() {
        assert_slopes("twice", &[normal(1, &[2, 3])], |tape, v| concat(tape, &[&v[0], &v[0]], 0));
    }

    #[test]
    fn says_what_does_not_fit() {
        let (a, b) = (Value::constant(normal(1, &[2, 3])), Value::constant(normal(1, &[3, 3])));
        let error = concat(&mut Tape::default(), &[&a, &b], 1).unwrap_err();
        assert_eq!(error.to_string(), "concat.1: expected [2, 3] but for axis 1, got [3, 3]");
    }
}
