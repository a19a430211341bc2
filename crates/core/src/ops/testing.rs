//! What the tests of the operations share: run one forward and back on chosen engine and type, compare.

use candle_core::Device;

use crate::kernels::cpu::isa;
use crate::pool::Pool;
use crate::random::Key;
use crate::tape::{Engine, Tape, Value};
use crate::tensor::{DType, Tensor, to_f64};

/// An output and the gradient of `<upstream, output>` for every input.
pub(crate) type Run = (Vec<f64>, Vec<Vec<f64>>);

/// Numbers around 0, the same at every call with the same `stream`.
pub(crate) fn normal(stream: u64, shape: &[usize]) -> Tensor {
    let mut values = vec![0f32; shape.iter().product()];
    Key::new(7).with(stream).fill_normal(&mut values, 0.0, 1.0);
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
}

/// Forward and back; the upstream gradient is `normal(999)` of the output's shape.
pub(crate) fn run(
    engine: Engine,
    dtype: DType,
    inputs: &[Tensor],
    operation: &impl Fn(&mut Tape, &[Value]) -> crate::error::Result<Value>,
) -> Run {
    let mut tape = Tape::new(engine);
    let leaves: Vec<Value> = inputs.iter().map(|input| tape.leaf(input.to_dtype(dtype).unwrap())).collect();
    let output = operation(&mut tape, &leaves).unwrap();
    let values = to_f64(output.tensor()).unwrap();
    let upstream = normal(999, output.dims()).to_dtype(dtype).unwrap();
    let mut gradients = tape.backward(vec![(output, upstream)]).unwrap();
    let gradients = leaves.iter().map(|leaf| to_f64(&gradients.take(leaf).unwrap()).unwrap()).collect();
    (values, gradients)
}

/// Fails where an entry differs by more than `tolerance` of the largest entry.
pub(crate) fn assert_close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: length");
    let scale = expected.iter().fold(1e-30f64, |scale, x| scale.max(x.abs()));
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= tolerance * scale,
            "{what}[{index}]: expected {expected}, got {got}, scale {scale}"
        );
    }
}

pub(crate) fn assert_close_runs(what: &str, got: &Run, expected: &Run, tolerance: f64) {
    assert_close(&format!("{what}: output"), &got.0, &expected.0, tolerance);
    for (index, (got, expected)) in got.1.iter().zip(&expected.1).enumerate() {
        assert_close(&format!("{what}: gradient {index}"), got, expected, tolerance);
    }
}

/// The kernel on every instruction set against the f64 reference, and equal bits on 1, 2 and 3 threads.
/// `terms` is how many products the longest sum has.
pub(crate) fn assert_kernel(
    what: &str,
    terms: usize,
    inputs: &[Tensor],
    operation: impl Fn(&mut Tape, &[Value]) -> crate::error::Result<Value> + Sync,
) {
    let expected = run(Engine::Reference, DType::F64, inputs, &operation);
    let tolerance = 2e-6 * (terms.max(1) as f64).sqrt();
    isa::on_each(|isa| {
        let what = format!("{what} on {}", isa.name());
        let one = run(Engine::Kernels, DType::F32, inputs, &operation);
        assert_close_runs(&what, &one, &expected, tolerance);
        for threads in [1, 2, 3] {
            let pool = Pool::new(Some(threads)).unwrap();
            let many = pool.enter(|| run(Engine::Kernels, DType::F32, inputs, &operation));
            assert!(one == many, "{what}: other bits on {threads} threads");
        }
    });
}

/// Compares gradients with central differences, in f64 on the reference.
pub(crate) fn assert_slopes(
    what: &str,
    inputs: &[Tensor],
    operation: impl Fn(&mut Tape, &[Value]) -> crate::error::Result<Value>,
) {
    let (output, gradients) = run(Engine::Reference, DType::F64, inputs, &operation);
    let upstream = to_f64(&normal(999, &[output.len()])).unwrap();
    let value = |inputs: &[Tensor]| -> f64 {
        let (output, _) = run(Engine::Reference, DType::F64, inputs, &operation);
        output.iter().zip(&upstream).map(|(y, g)| y * g).sum()
    };
    for (which, gradient) in gradients.iter().enumerate() {
        let base = to_f64(&inputs[which]).unwrap();
        let step = 1e-5;
        let slopes: Vec<f64> = (0..base.len())
            .map(|entry| {
                let at = |change: f64| {
                    let mut moved = base.clone();
                    moved[entry] += change;
                    let mut inputs = inputs.to_vec();
                    inputs[which] = Tensor::from_vec(moved, inputs[which].dims(), &Device::Cpu).unwrap();
                    value(&inputs)
                };
                (at(step) - at(-step)) / (2.0 * step)
            })
            .collect();
        assert_close(&format!("{what}: slope of input {which}"), gradient, &slopes, 1e-7);
    }
}

/// Runs every case of `__test__/golden/layers/<name>.json`: value and gradients, f64 by the reference and f32
/// by the kernels of every instruction set.
pub(crate) fn assert_golden(
    name: &str,
    names: &[&str],
    operation: impl Fn(&mut Tape, &[Value], &serde_json::Value) -> crate::error::Result<Value>,
) {
    let path = format!("{}/../../__test__/golden/layers/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let what = format!("{name}, {}", case["name"]);
        let inputs: Vec<Tensor> = names.iter().map(|name| tensor(&case["inputs"][*name])).collect();
        let upstream = tensor(&case["inputs"]["upstream"]);
        let check = |engine: Engine, dtype: DType, tolerance: f64, more: f64| {
            let mut tape = Tape::new(engine);
            let leaves: Vec<Value> = inputs.iter().map(|input| tape.leaf(input.to_dtype(dtype).unwrap())).collect();
            let output = operation(&mut tape, &leaves, case).unwrap();
            let values = to_f64(output.tensor()).unwrap();
            let weights = to_f64(&upstream).unwrap();
            let value: f64 = values.iter().zip(&weights).map(|(y, g)| y * g).sum();
            let scale: f64 = values.iter().zip(&weights).map(|(y, g)| (y * g).abs()).sum();
            let expected = case["value"].as_f64().unwrap();
            assert!((value - expected).abs() <= tolerance * scale, "{what}: expected {expected}, got {value}");
            let seed = upstream.reshape(output.dims()).unwrap().to_dtype(dtype).unwrap();
            let mut gradients = tape.backward(vec![(output, seed)]).unwrap();
            for (name, leaf) in names.iter().zip(&leaves) {
                let got = to_f64(&gradients.take(leaf).unwrap()).unwrap();
                let expected = to_f64(&tensor(&case["gradient"][*name])).unwrap();
                assert_close(&format!("{what}: gradient of {name}"), &got, &expected, tolerance + more);
            }
        };
        check(Engine::Reference, DType::F64, 1e-9, 0.0);
        isa::on_each(|_| check(Engine::Kernels, DType::F32, 1e-5, 1e-6));
    }
}

/// A nested JSON list as a tensor.
pub(crate) fn tensor(list: &serde_json::Value) -> Tensor {
    fn walk(list: &serde_json::Value, depth: usize, shape: &mut Vec<usize>, values: &mut Vec<f64>) {
        match list {
            serde_json::Value::Array(entries) => {
                if shape.len() == depth {
                    shape.push(entries.len());
                }
                entries.iter().for_each(|entry| walk(entry, depth + 1, shape, values));
            }
            number => values.push(number.as_f64().unwrap()),
        }
    }
    let (mut shape, mut values) = (Vec::new(), Vec::new());
    walk(list, 0, &mut shape, &mut values);
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
