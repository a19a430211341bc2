//! One-dimensional convolution: conv2d on images of one row.
//!
//! ```text
//! y[n,o,s] = b[o] + Σ_{c,j} w[o,c,j] · x[n, c, stride·s + dilation·j − padding]
//! ```
//!
//! Shapes: x `[rows, channels, length]`, w `[outputs, channels / groups, kernel]`, b `[outputs]`.
//!
//! Source: PyTorch's `conv1d`. Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
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

impl Conv1d {
    /// The same over images of one row.
    pub fn image(&self) -> Conv2d {
        Conv2d {
            stride: [1, self.stride],
            padding: [0, self.padding],
            dilation: [1, self.dilation],
            groups: self.groups,
        }
    }
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
    Plan::new(&[rows, channels, 1, length], &[outputs, inputs, 1, kernel], b, &options.image())
}

pub(crate) const OPERATION: Operation = Operation {
    name: "conv1d",
    case: |tape, inputs, options| {
        let w = inputs.get("weight")?;
        let options = Conv1d {
            stride: super::option(options, "stride")?.unwrap_or(1),
            padding: super::option(options, "padding")?.unwrap_or(w.dims().last().map_or(0, |size| size / 2)),
            dilation: super::option(options, "dilation")?.unwrap_or(1),
            groups: super::option(options, "groups")?.unwrap_or(1),
        };
        conv1d(tape, inputs.get("x")?, w, inputs.find("bias"), &options)
    },
    samples: || {
        let sample = |x: [usize; 3], w: [usize; 3], options: serde_json::Value| {
            Sample::of(&[("x", &x), ("weight", &w), ("bias", &w[..1])]).options(options).terms(x[0] * x[2])
        };
        vec![
            sample([3, 4, 131], [6, 4, 3], json!({})),
            sample([1, 1, 1], [2, 1, 1], json!({})),
            sample([2, 4, 20], [6, 2, 3], json!({ "stride": 2, "padding": 2, "dilation": 2, "groups": 2 })),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let error = plan(&[2, 3], &[4, 3, 3], None, &Conv1d::default()).unwrap_err();
        assert_eq!(error.to_string(), "input: expected [rows, channels, length], got [2, 3]");
    }
}
