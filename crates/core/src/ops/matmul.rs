//! Matrix product, plain or batched.
//!
//! ```text
//! y = a · b,   a [..., rows, inner], b [..., inner, columns], y [..., rows, columns]
//! ∂L/∂a = ∂L/∂y · bᵀ,   ∂L/∂b = aᵀ · ∂L/∂y
//! ```
//!
//! Where we differ: leading axes must be equal, nothing is broadcast.

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::gemm::{self, Job, Matrix};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read, uninit};

pub fn matmul(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value> {
    let shape = Shape::check(a, b)?;
    tape.apply("matmul", &[a, b], Matmul { a: a.clone(), b: b.clone(), shape })
}

struct Matmul {
    a: Value,
    b: Value,
    shape: Shape,
}

impl Compute for Matmul {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Matmul { a, b, shape } = self;
        let y = shape.product(a.tensor(), b.tensor(), Side::None)?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            if gradients.wants(&a) {
                gradients.add(&a, shape.product(&up, b.tensor(), Side::Right)?)?;
            }
            if gradients.wants(&b) {
                gradients.add(&b, shape.product(a.tensor(), &up, Side::Left)?)?;
            }
            Ok(())
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Matmul { a, b, shape } = self;
        let turned = move |x: &Value| x.tensor().transpose(shape.rank - 2, shape.rank - 1).ok_or_internal();
        let y = plain(a.tensor(), b.tensor())?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            if gradients.wants(&a) {
                gradients.add(&a, plain(&up, &turned(&b)?)?)?;
            }
            if gradients.wants(&b) {
                gradients.add(&b, plain(&turned(&a)?, &up)?)?;
            }
            Ok(())
        }))
    }
}

fn plain(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.contiguous().and_then(|a| a.matmul(&b.contiguous()?)).ok_or_internal()
}

/// Which operand is read transposed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    None,
    Left,
    Right,
}

#[derive(Clone, Copy)]
struct Shape {
    rank: usize,
    count: usize,
}

impl Shape {
    fn check(a: &Value, b: &Value) -> Result<Shape> {
        let (left, right) = (a.dims(), b.dims());
        let rank = left.len();
        let fits = rank >= 2
            && rank == right.len()
            && left[..rank - 2] == right[..rank - 2]
            && left[rank - 1] == right[rank - 2];
        if !fits {
            let message = format!("expected [..., rows, inner] and [..., inner, columns], got {left:?} and {right:?}");
            return Err(Error::shape("matmul", message));
        }
        Ok(Shape { rank, count: left[..rank - 2].iter().product() })
    }

    fn product(self, a: &Tensor, b: &Tensor, transposed: Side) -> Result<Tensor> {
        let size = |t: &Tensor| (t.dims()[self.rank - 2], t.dims()[self.rank - 1]);
        let ((ar, ac), (br, bc)) = (size(a), size(b));
        let rows = if transposed == Side::Left { ac } else { ar };
        let cols = if transposed == Side::Right { br } else { bc };
        let mut dims = a.dims()[..self.rank - 2].to_vec();
        dims.extend([rows, cols]);
        let mut out = uninit(self.count * rows * cols);
        {
            let (a, b) = (read::<f32>(a)?, read::<f32>(b)?);
            let each = out.chunks_mut((rows * cols).max(1)).enumerate();
            gemm::products(
                each.map(|(i, out)| {
                    let a = Matrix::new(&a[i * ar * ac..(i + 1) * ar * ac], ar, ac);
                    let b = Matrix::new(&b[i * br * bc..(i + 1) * br * bc], br, bc);
                    Job {
                        a: if transposed == Side::Left { a.transposed() } else { a },
                        b: if transposed == Side::Right { b.transposed() } else { b },
                        out,
                        accumulate: false,
                    }
                })
                .collect(),
            );
        }
        from_vec(out, dims)
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "matmul",
    case: |tape, inputs, _| matmul(tape, inputs.get("a")?, inputs.get("b")?),
    samples: || {
        vec![
            Sample::of(&[("a", &[3, 131]), ("b", &[131, 2])]).terms(131),
            Sample::of(&[("a", &[2, 2, 3, 5]), ("b", &[2, 2, 5, 4])]).terms(5),
            Sample::of(&[("a", &[1, 1]), ("b", &[1, 1])]),
        ]
    },
};
