//! Sum of two tensors of the same shape: the way a residual connection joins its branch.
//!
//! ```text
//! y = a + b;   ∂L/∂a = ∂L/∂b = ∂L/∂y
//! ```
//!
//! Where we differ: no broadcasting; a bias belongs to the operation that makes the sum it is added to.

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu;
use crate::pool;
use crate::tape::{Tape, Value};
use crate::tensor::{from_vec, read, uninit};

/// Numbers a task: 64 KiB.
const PIECE: usize = 16 << 10;

pub fn add(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value> {
    if a.dims() != b.dims() {
        return Err(Error::shape("add", format!("expected two equal shapes, got {:?} and {:?}", a.dims(), b.dims())));
    }
    let sum = if tape.takes(a.tensor()) && tape.takes(b.tensor()) {
        let mut sum = uninit(a.tensor().elem_count());
        {
            let (a, b) = (read::<f32>(a.tensor())?, read::<f32>(b.tensor())?);
            pool::pieces(&mut sum, PIECE, |i, sum| {
                let at = i * PIECE..i * PIECE + sum.len();
                cpu::activation::add(&a[at.clone()], &b[at], sum);
            });
        }
        from_vec(sum, a.dims())?
    } else {
        a.tensor().add(b.tensor()).ok_or_internal()?
    };
    let (left, right) = (a.clone(), b.clone());
    tape.record("add", &[a, b], sum, move |up, gradients| {
        // Both get the same numbers, so neither may be added to in place.
        gradients.add_shared(&left, up.clone())?;
        gradients.add_shared(&right, up)
    })
}

pub(crate) const OPERATION: Operation = Operation {
    name: "add",
    case: |tape, inputs, _| add(tape, inputs.get("a")?, inputs.get("b")?),
    samples: || vec![Sample::of(&[("a", &[3, 131]), ("b", &[3, 131])]), Sample::of(&[("a", &[1]), ("b", &[1])])],
};
