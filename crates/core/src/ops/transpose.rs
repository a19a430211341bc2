//! Two axes swapped, the numbers laid out anew; the gradient is swapped back.
//!
//! Source: PyTorch's `transpose(…).contiguous()`. Where we differ: nowhere.

use crate::error::{Candle, Error, Result};
use crate::tape::{Tape, Value};

pub(crate) fn transpose(tape: &mut Tape, x: &Value, first: usize, second: usize) -> Result<Value> {
    let rank = x.dims().len();
    if first >= rank || second >= rank {
        return Err(Error::shape("transpose", format!("expected axes below {rank}, got {first} and {second}")));
    }
    let y = x.tensor().transpose(first, second).and_then(|y| y.contiguous()).ok_or_internal()?;
    let input = x.clone();
    tape.record("transpose", &[x], y, move |up, gradients| {
        let back = up.transpose(first, second).and_then(|back| back.contiguous()).ok_or_internal()?;
        gradients.add_shared(&input, back)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_kernel, assert_slopes, normal};

    #[test]
    fn slopes_are_those_of_differences() {
        for (first, second) in [(0, 1), (1, 2), (2, 0), (1, 1)] {
            let x = [normal(1, &[2, 3, 4])];
            assert_slopes("transpose", &x, |tape, v| transpose(tape, &v[0], first, second));
            assert_kernel("transpose", 1, &x, |tape, v| transpose(tape, &v[0], first, second));
        }
    }

    #[test]
    fn says_what_does_not_fit() {
        let x = Value::constant(normal(1, &[2, 3]));
        let error = transpose(&mut Tape::default(), &x, 0, 2).unwrap_err();
        assert_eq!(error.to_string(), "transpose: expected axes below 2, got 0 and 2");
    }
}
