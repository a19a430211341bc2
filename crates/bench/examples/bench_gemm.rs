//! Row 16: matrix products of training, into an existing buffer.

mod common;

use common::{Check, Stream};
use limbeck_bench::product::{Operand, product};
use limbeck_core::pool::Pool;

fn main() -> common::Outcome {
    let arguments = common::arguments()?;
    let pool = Pool::new(Some(arguments.threads))?;
    let made = |stream, rows: usize, cols: usize| Stream::new(stream).numbers(rows * cols, 1.0);
    // Rows, inner width and columns; whether each side is transposed.
    let ((m, k, n), turn_a, turn_b) = match arguments.row.as_str() {
        "16.square" => ((1024, 1024, 1024), false, false),
        "16.head" => ((64, 256, 32000), false, true),
        "16.dw" => ((32000, 64, 256), true, false),
        other => return Err(format!("--row: expected 16.square, 16.head or 16.dw, got {other}").into()),
    };
    let side = |stream, rows, cols, turned| if turned { made(stream, cols, rows) } else { made(stream, rows, cols) };
    let (a, b) = (side(1, m, k, turn_a), side(2, k, n, turn_b));
    let a = if turn_a { Operand(&a, k, m, true) } else { Operand(&a, m, k, false) };
    let b = if turn_b { Operand(&b, n, k, true) } else { Operand(&b, k, n, false) };
    let mut out = vec![0.0; m * n];
    pool.enter(|| product(a, b, &mut out));
    let mean = out.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / out.len() as f64;
    let check = Check::of(mean, &[&out], &out);
    common::serve(check, common::extra(), || {
        pool.enter(|| product(a, b, &mut out));
        Ok(())
    })
}
