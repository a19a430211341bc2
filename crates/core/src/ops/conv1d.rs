//! One-dimensional convolution: conv2d on images of one row.
//!
//! ```text
//! y[n,o,s] = b[o] + Σ_{c,j} w[o,c,j] · x[n, c, stride·s + dilation·j − padding]
//! ```
//!
//! Shapes: x `[rows, channels, length]`, w `[outputs, channels / groups, kernel]`, b `[outputs]`.
//!
//! Source: PyTorch's `conv1d`. Where we differ: nowhere.

use crate::error::{Error, Result};
use crate::ops::conv2d::{self, Conv2d, Plan};
use crate::tape::{Tape, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conv1d {
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
    pub groups: usize,
}

impl Default for Conv1d {
    fn default() -> Self {
        Conv1d { stride: 1, padding: 0, dilation: 1, groups: 1 }
    }
}

pub(crate) fn conv1d(tape: &mut Tape, x: &Value, w: &Value, b: Option<&Value>, options: &Conv1d) -> Result<Value> {
    let plan = plan(x.dims(), w.dims(), b.map(Value::dims), options).map_err(|error| error.at("conv1d"))?;
    conv2d::record(tape, "conv1d", x, w, b, plan)
}

fn plan(x: &[usize], w: &[usize], b: Option<&[usize]>, options: &Conv1d) -> Result<Plan> {
    let &[rows, channels, length] = x else {
        return Err(Error::shape("input", format!("expected [rows, channels, length], got {x:?}")));
    };
    let &[outputs, inputs, kernel] = w else {
        return Err(Error::shape("weight", format!("expected [outputs, channels / groups, kernel], got {w:?}")));
    };
    let options = Conv2d {
        stride: [1, options.stride],
        padding: [0, options.padding],
        dilation: [1, options.dilation],
        groups: options.groups,
    };
    Plan::new(&[rows, channels, 1, length], &[outputs, inputs, 1, kernel], b, &options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_golden, assert_kernel, assert_slopes, normal};

    #[test]
    fn equals_pytorch() {
        assert_golden("conv1d", &["x", "weight", "bias"], |tape, v, _| {
            conv1d(tape, &v[0], &v[1], Some(&v[2]), &Conv1d { padding: 1, ..Conv1d::default() })
        });
    }

    #[test]
    fn kernels_equal_the_reference() {
        for (length, options) in [
            (131, Conv1d { padding: 1, ..Conv1d::default() }),
            (20, Conv1d { stride: 2, padding: 2, dilation: 2, groups: 2 }),
        ] {
            let inputs = [normal(1, &[3, 4, length]), normal(2, &[6, 4 / options.groups, 3]), normal(3, &[6])];
            assert_kernel("conv1d", 400, &inputs, |tape, v| conv1d(tape, &v[0], &v[1], Some(&v[2]), &options));
        }
    }

    #[test]
    fn slopes_are_those_of_differences() {
        let options = Conv1d { stride: 2, padding: 1, dilation: 2, groups: 1 };
        let inputs = [normal(1, &[2, 3, 9]), normal(2, &[4, 3, 3]), normal(3, &[4])];
        assert_slopes("conv1d", &inputs, |tape, v| conv1d(tape, &v[0], &v[1], Some(&v[2]), &options));
    }

    #[test]
    fn says_what_does_not_fit() {
        let error = plan(&[2, 3], &[4, 3, 3], None, &Conv1d::default()).unwrap_err();
        assert_eq!(error.to_string(), "input: expected [rows, channels, length], got [2, 3]");
    }
}
