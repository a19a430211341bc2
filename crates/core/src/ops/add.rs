//! Sum of two tensors of the same shape, for residual connections.
//!
//! ```text
//! y = a + b;   ∂L/∂a = ∂L/∂b = ∂L/∂y
//! ```
//!
//! Where we differ: no broadcasting; a bias is part of the operation to whose output it is added.

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::tape::{self, Backward, Compute, Gradients, Tape, Value};
use crate::tensor::Tensor;

pub fn add(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value> {
    if a.dims() != b.dims() {
        return Err(Error::shape("add", format!("expected two equal shapes, got {:?} and {:?}", a.dims(), b.dims())));
    }
    tape.apply("add", &[a, b], Add(a.clone(), b.clone()))
}

struct Add(Value, Value);

impl Add {
    /// Both inputs get the same tensor, so neither gradient may be changed in place.
    fn backward(self, up: Tensor, gradients: &mut Gradients) -> Result<()> {
        gradients.add_shared(&self.0, up.clone())?;
        gradients.add_shared(&self.1, up)
    }
}

impl Compute for Add {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let sum = tape::sum(self.0.tensor(), self.1.tensor())?;
        Ok((sum, |up: Tensor, gradients: &mut Gradients| self.backward(up, gradients)))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let sum = self.0.tensor().add(self.1.tensor()).ok_or_internal()?;
        Ok((sum, |up: Tensor, gradients: &mut Gradients| self.backward(up, gradients)))
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "add",
    case: |tape, inputs, _| add(tape, inputs.get("a")?, inputs.get("b")?),
    samples: || vec![Sample::of(&[("a", &[3, 131]), ("b", &[3, 131])]), Sample::of(&[("a", &[1]), ("b", &[1])])],
};
