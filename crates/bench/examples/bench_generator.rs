//! Row 14: three weight generators, each from two layers of 512 × 512 to one of 256 × 256, forward and backward; with
//! `--variant products` only their matrix products.

mod common;

use common::{Check, Stream};
use limbeck_bench::generators::{GeneratorNumbers, Generators};
use limbeck_bench::product::{Operand, product};
use limbeck_core::pool::Pool;

const TEACHER: usize = 512;
const STUDENT: usize = 256;
const LAYERS: usize = 2;
const COUNT: u32 = 3;

fn numbers(index: u32) -> GeneratorNumbers {
    let made = |at: u32, len: usize, scale: f64| Stream::new(100 + 10 * index + at).numbers(len, scale);
    GeneratorNumbers {
        planes: (0..LAYERS as u32).map(|layer| made(layer, TEACHER * TEACHER, 0.1)).collect(),
        teacher: [TEACHER; 2],
        student: [STUDENT; 2],
        trained: [
            made(2, TEACHER * STUDENT, 0.09),
            made(3, TEACHER * STUDENT, 0.09),
            made(4, LAYERS * LAYERS, 1.0),
            made(5, LAYERS, 1.0),
            made(6, STUDENT * STUDENT, 1.0),
            made(7, STUDENT * STUDENT, 0.1),
        ],
        upstream: made(8, STUDENT * STUDENT, 1.0),
    }
}

/// wOutᵀX and wOutᵀX · wIn, then the gradients of wIn, wOutᵀX, wOut and X.
fn products(large: &[f32], wide: &[f32], small: &[f32], out: &mut [f32]) {
    let (t, s) = (TEACHER, STUDENT);
    product(Operand(wide, t, s, true), Operand(large, t, t, false), &mut out[..s * t]);
    product(Operand(wide, s, t, false), Operand(wide, t, s, false), &mut out[..s * s]);
    product(Operand(wide, s, t, true), Operand(small, s, s, false), &mut out[..t * s]);
    product(Operand(small, s, s, false), Operand(wide, t, s, true), &mut out[..s * t]);
    product(Operand(large, t, t, false), Operand(wide, s, t, true), &mut out[..t * s]);
    product(Operand(wide, t, s, false), Operand(wide, s, t, false), &mut out[..t * t]);
}

fn main() -> common::Outcome {
    let arguments = common::arguments()?;
    let alone = std::env::args().any(|argument| argument == "products");
    let pool = Pool::new(Some(arguments.threads))?;
    let mut generators = Generators::default();
    for index in 0..COUNT {
        generators.add(numbers(index))?;
    }
    let (value, gradients) = pool.enter(|| generators.check())?;
    let all: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
    let check = Check::of(value, &all, all.first().ok_or("no gradient")?);
    let made = |stream, len| Stream::new(stream).numbers(len, 0.1);
    let (large, wide, small) = (made(1, TEACHER * TEACHER), made(2, TEACHER * STUDENT), made(3, STUDENT * STUDENT));
    let mut out = vec![0.0; TEACHER * TEACHER];
    common::serve(check, common::extra(), || {
        pool.enter(|| match alone {
            true => (0..COUNT).for_each(|_| products(&large, &wide, &small, &mut out)),
            false => generators.step().unwrap_or_else(|error| panic!("{error}")),
        });
        Ok(())
    })
}
