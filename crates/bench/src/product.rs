//! One matrix product.

use limbeck_core::internals::{self, Matrix};

/// Numbers, rows, columns, and whether the product reads them transposed.
#[derive(Clone, Copy)]
pub struct Operand<'a>(pub &'a [f32], pub usize, pub usize, pub bool);

/// `out ← a · b`.
pub fn product(a: Operand, b: Operand, out: &mut [f32]) {
    fn view(Operand(data, rows, cols, transposed): Operand) -> Matrix {
        let matrix = Matrix::new(data, rows, cols);
        if transposed { matrix.transposed() } else { matrix }
    }
    internals::product(view(a), view(b), out, false);
}
