//! Properties that every operation of the registry must have.

use super::*;
use crate::kernels::cpu::isa;
use crate::near::compare;
use crate::pool::Pool;
use crate::tape::Engine;
use crate::tensor::{DType, Tensor, from_vec};

/// Pseudorandom numbers in −2 … 2, the same on every platform.
fn numbers(len: usize, seed: usize) -> Vec<f64> {
    let mut x = (seed as u32).wrapping_mul(747_796_405).wrapping_add(1);
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (f64::from(x) / 4_294_967_296.0 - 0.5) * 4.0
        })
        .collect()
}

/// The numbers of a sample rounded to f32, so that both paths get the same numbers.
fn draw(sample: &Sample, dtype: DType) -> Vec<(&'static str, Tensor, bool)> {
    let each = sample.inputs.iter().enumerate();
    each.map(|(i, drawn)| {
        let mut values = numbers(drawn.dims.iter().product(), i + 1);
        match drawn.below {
            Some(below) => values.iter_mut().for_each(|x| *x = ((*x + 2.0) / 4.0 * f64::from(below)).floor()),
            None => values.iter_mut().for_each(|x| *x = f64::from((*x * sample.scale) as f32)),
        }
        let tensor = from_vec(values, drawn.dims.clone()).unwrap().to_dtype(dtype).unwrap();
        (drawn.name, tensor, drawn.trained)
    })
    .collect()
}

struct Ran {
    output: Vec<f64>,
    gradients: Vec<(&'static str, Vec<f64>)>,
}

/// Output, and gradients of Σ upstream ⊙ output.
fn run(operation: &Operation, sample: &Sample, engine: Engine, dtype: DType) -> Ran {
    let mut tape = Tape::new(engine);
    let mut inputs = Inputs::default();
    let drawn = draw(sample, dtype);
    for (name, tensor, trained) in &drawn {
        let value = if *trained { tape.leaf(tensor.clone()) } else { Value::constant(tensor.clone()) };
        inputs.0.insert(name.to_string(), value);
    }
    let y = (operation.case)(&mut tape, &inputs, &sample.options).unwrap();
    let output = to_f64(y.tensor()).unwrap();
    let up = numbers(output.len(), 99).iter().map(|x| f64::from(*x as f32)).collect::<Vec<_>>();
    let up = from_vec(up, y.dims()).unwrap().to_dtype(dtype).unwrap();
    let mut gradients = tape.backward(vec![(y, up)]).unwrap();
    let trained = drawn.iter().filter(|(.., trained)| *trained);
    let gradients = trained
        .map(|(name, ..)| {
            let gradient = gradients.take(inputs.get(name).unwrap());
            (*name, to_f64(&gradient.unwrap_or_else(|| panic!("{}: no gradient of {name}", operation.name))).unwrap())
        })
        .collect();
    Ran { output, gradients }
}

fn forward(operation: &Operation, sample: &Sample, drawn: &[(&'static str, Tensor, bool)]) -> f64 {
    let mut inputs = Inputs::default();
    for (name, tensor, _) in drawn {
        inputs.0.insert(name.to_string(), Value::constant(tensor.clone()));
    }
    let y = (operation.case)(&mut Tape::new(Engine::Reference), &inputs, &sample.options).unwrap();
    let output = to_f64(y.tensor()).unwrap();
    let up = numbers(output.len(), 99);
    output.iter().zip(up).map(|(y, up)| y * f64::from(up as f32)).sum()
}

fn each(mut check: impl FnMut(&Operation, &Sample, &str)) {
    for operation in REGISTRY {
        let samples = (operation.samples)();
        assert!(!samples.is_empty(), "{} has no samples", operation.name);
        for (i, sample) in samples.iter().enumerate() {
            check(operation, sample, &format!("{} sample {i} {}", operation.name, sample.options));
        }
    }
}

#[test]
fn gradients_equal_finite_differences_in_f64() {
    each(|operation, sample, name| {
        let ran = run(operation, sample, Engine::Reference, DType::F64);
        for (input, gradient) in &ran.gradients {
            let scale = gradient.iter().fold(1e-3f64, |scale, x| scale.max(x.abs()));
            let drawn = draw(sample, DType::F64);
            for at in (0..gradient.len()).step_by(gradient.len().div_ceil(40).max(1)) {
                let moved = |by: f64| {
                    let mut drawn = drawn.clone();
                    let entry = drawn.iter_mut().find(|(name, ..)| name == input).unwrap();
                    let mut values = to_f64(&entry.1).unwrap();
                    values[at] += by;
                    entry.1 = from_vec(values, entry.1.dims()).unwrap();
                    forward(operation, sample, &drawn)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let off = (slope - gradient[at]).abs();
                assert!(off < 2e-7 * scale, "{name}: {input}[{at}] is {}, finite difference {slope}", gradient[at]);
            }
        }
    });
}

#[test]
fn kernels_equal_the_reference_on_every_instruction_set() {
    isa::on_each(|isa| {
        each(|operation, sample, name| {
            let exact = run(operation, sample, Engine::Reference, DType::F64);
            let kernel = run(operation, sample, Engine::Kernels, DType::F32);
            let near = |what: &str, got: &[f64], expected: &[f64]| {
                let scale = expected.iter().fold(1e-3f64, |scale, x| scale.max(x.abs()));
                let tolerance = 2e-6 * (sample.terms as f64).sqrt() * scale;
                compare(what, got, expected, tolerance)
                    .unwrap_or_else(|error| panic!("{name} with {}: {error}", isa.name()));
            };
            near("output", &kernel.output, &exact.output);
            for ((input, got), (_, expected)) in kernel.gradients.iter().zip(&exact.gradients) {
                near(input, got, expected);
            }
        })
    });
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    isa::on_each(|_| {
        each(|operation, sample, name| {
            let ran = |threads| {
                let pool = Pool::new(Some(threads)).unwrap();
                let ran = pool.enter(|| run(operation, sample, Engine::Kernels, DType::F32));
                (ran.output, ran.gradients)
            };
            let one = ran(1);
            assert!(one == ran(2) && one == ran(3), "{name}");
        })
    });
}

#[test]
fn a_leaf_used_twice_gets_both_gradients() {
    for (engine, dtype) in [(Engine::Reference, DType::F64), (Engine::Kernels, DType::F32)] {
        each(|operation, sample, name| {
            let single = run(operation, sample, engine, dtype);
            let mut tape = Tape::new(engine);
            let mut inputs = Inputs::default();
            for (name, tensor, trained) in draw(sample, dtype) {
                let value = if trained { tape.leaf(tensor) } else { Value::constant(tensor) };
                inputs.0.insert(name.to_string(), value);
            }
            let mut seeds = Vec::new();
            for factor in [1.0, 2.0, -0.5] {
                let y = (operation.case)(&mut tape, &inputs, &sample.options).unwrap();
                let up = numbers(y.tensor().elem_count(), 99).iter().map(|x| f64::from(*x as f32) * factor).collect();
                let up = from_vec::<f64>(up, y.dims()).unwrap().to_dtype(dtype).unwrap();
                seeds.push((y, up));
            }
            let mut gradients = tape.backward(seeds).unwrap();
            for (input, once) in &single.gradients {
                let got = to_f64(&gradients.take(inputs.get(input).unwrap()).unwrap()).unwrap();
                let expected: Vec<f64> = once.iter().map(|x| 2.5 * x).collect();
                let scale = expected.iter().fold(1e-3f64, |scale, x| scale.max(x.abs()));
                let tolerance = if dtype == DType::F64 { 1e-12 } else { 5e-6 } * (sample.terms as f64).sqrt() * scale;
                compare(input, &got, &expected, tolerance).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        });
    }
}

#[test]
fn constants_get_no_gradient_and_nothing_is_recorded_for_them() {
    each(|operation, sample, name| {
        let drawn = draw(sample, DType::F32);
        // If only one input is trained, its gradient is the same as when all are.
        let all = run(operation, sample, Engine::Kernels, DType::F32);
        for (input, expected) in &all.gradients {
            let mut tape = Tape::default();
            let mut inputs = Inputs::default();
            for (name, tensor, _) in &drawn {
                let value = if name == input { tape.leaf(tensor.clone()) } else { Value::constant(tensor.clone()) };
                inputs.0.insert(name.to_string(), value);
            }
            let y = (operation.case)(&mut tape, &inputs, &sample.options).unwrap();
            let up = numbers(y.tensor().elem_count(), 99).iter().map(|x| *x as f32).collect();
            let up = from_vec::<f32>(up, y.dims()).unwrap();
            let mut gradients = tape.backward(vec![(y, up)]).unwrap();
            let got = to_f64(&gradients.take(inputs.get(input).unwrap()).unwrap()).unwrap();
            assert!(got == *expected, "{name}: gradient of {input} alone");
            assert!(
                drawn
                    .iter()
                    .filter(|(name, ..)| name != input)
                    .all(|(name, ..)| { gradients.take(inputs.get(name).unwrap()).is_none() })
            );
        }
        let mut inputs = Inputs::default();
        for (name, tensor, _) in drawn {
            inputs.0.insert(name.to_string(), Value::constant(tensor));
        }
        let y = (operation.case)(&mut Tape::default(), &inputs, &sample.options).unwrap();
        assert!(y.node().is_none(), "{name}: constants in, a recorded value out");
    });
}
