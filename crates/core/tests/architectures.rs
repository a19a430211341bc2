//! Architectures from untrusted files: an architecture with any sizes is rejected with its path, or it works. No size
//! overflows, nothing panics, and no row needs more numbers than the limit.
#![allow(clippy::unwrap_used)] // helpers of tests too

use std::time::{Duration, Instant};

use limbeck_core::batch::Features;
use limbeck_core::dataset::{Columns, Inputs, LabelColumn};
use limbeck_core::error::{Code, Error, Result};
use limbeck_core::models::{Model, Network};
use limbeck_core::random::Key;
use limbeck_core::reading::parse;
use serde_json::{Value, json};

/// The largest count of numbers per row, as in `layers`.
const MOST: u128 = 1 << 31;

fn model(input: Value, layers: Value) -> Result<Model> {
    Model::undrawn(parse(&json!({ "input": input, "layers": layers }).to_string())?)
}

fn refused(input: Value, layers: Value, part: &str) {
    let error = model(input, layers).map(|model| model.network.output().to_string()).unwrap_err();
    assert!(matches!(error.code, Code::ShapeMismatch | Code::InvalidConfig), "{error:?}");
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn a_tiny_file_cannot_request_an_enormous_row() {
    let twice = json!({ "parallel": { "branches": [[], []], "join": "concat" } });
    let convolved = |more: Value| {
        let mut conv = json!({ "channels": 1, "kernel": 3 });
        conv.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([{ "conv2d": conv }, { "globalAvgPool": {} }])
    };
    for doubled in [31, 40, 62, 63, 64, 65, 200] {
        refused(json!([2]), json!(vec![twice.clone(); doubled]), "expected");
    }
    refused(json!([1, 4, 4]), convolved(json!({ "padding": 100_000 })), "numbers");
    refused(json!([1, 4, 4]), convolved(json!({ "padding": 1u64 << 62, "stride": 2 })), "padding: expected at most");
    refused(json!([1, 4, 4]), convolved(json!({ "stride": u64::MAX })), "stride: expected at most");
    refused(json!([1, 4, 4]), convolved(json!({ "dilation": 1u64 << 63 })), "dilation: expected at most");
    // The outputs are small, but the padded images are enormous: the memory of the kernel counts too.
    refused(
        json!([1, 4, 4]),
        convolved(json!({ "padding": 1 << 20, "stride": 1 << 20 })),
        "numbers per row in all layers",
    );
    refused(json!([1u64 << 32, 1u64 << 32]), json!([{ "flatten": {} }, { "linear": { "outputs": 3 } }]), "input");
    // 3 · 12297829382473034411 = 2^65 + 1 …: the product overflows to the expected count.
    refused(json!([1]), json!([{ "reshape": { "shape": [3, 12_297_829_382_473_034_411u64] } }]), "shape");
    refused(json!([1, 4, 4]), json!([{ "maxPool": { "kernel": 2, "padding": 1u64 << 63 } }]), "padding");
    refused(json!([1, 4, 4]), json!([{ "avgPool": { "kernel": 1 << 20, "padding": 1 << 19 } }]), "kernel");
}

#[test]
fn models_that_cannot_compute_outputs_are_rejected_at_creation() {
    let head = json!({ "linear": { "outputs": 3 } });
    refused(
        json!({ "ids": { "length": 6 } }),
        json!([{ "residual": { "layers": [] } }, { "embedding": { "vocabulary": 20, "width": 4 } }, { "flatten": {} }, head]),
        "layers.0 (residual): expected numbers, got ids",
    );
    refused(
        json!([4]),
        json!([{ "parallel": { "branches": [[]], "join": "concat", "axis": 2 } }, head]),
        "layers.0 (parallel).axis: expected an axis below 1",
    );
    refused(json!({ "ids": { "length": 0 } }), json!([{ "embedding": { "vocabulary": 2, "width": 4 } }]), "input");
    refused(json!([1]), json!([{ "reshape": { "shape": [] } }]), "numbers per row");
}

#[test]
fn the_time_for_nested_blocks_is_proportional_to_their_number() {
    let nested = |depth: usize| {
        (0..depth).fold(json!([]), |inner, _| json!([{ "parallel": { "branches": [inner, []], "join": "sum" } }]))
    };
    let started = Instant::now();
    model(json!([4]), nested(14)).unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    // The nesting exceeds the limit of the JSON reader.
    let error = model(json!([4]), nested(200)).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig, "{error}");
}

#[test]
fn a_stride_beyond_the_image_is_fast_and_uses_the_first_window() {
    let of = |stride: u64| {
        let layers = json!([{ "conv2d": { "channels": 2, "kernel": 3, "padding": 1, "stride": stride } }, { "globalAvgPool": {} }]);
        let options = parse(&json!({ "input": [1, 4, 4], "layers": layers }).to_string()).unwrap();
        Model::create(options, 1).unwrap().predict(&row(&[1, 4, 4]), 1).unwrap().logits
    };
    assert_eq!(of(1 << 31), of(6));
}

fn row(shape: &[usize]) -> Features {
    let values = (0..shape.iter().product::<usize>()).map(|at| (at % 5) as f32 - 2.0).collect();
    let inputs = Inputs::F32 { values, shape: shape.to_vec() };
    Features::of_columns(Columns::new(inputs, LabelColumn::None), Default::default).unwrap().0
}

/// Random numbers from one seed.
struct Draws(Key, u64);

impl Draws {
    fn below(&mut self, count: u64) -> u64 {
        self.1 += 1;
        self.0.below(self.1, count)
    }

    /// A size that is usually small and sometimes at a limit of the number range.
    fn size(&mut self) -> u64 {
        const LARGE: [u64; 12] = [
            0,
            1 << 16,
            100_000,
            1 << 30,
            (1 << 31) - 1,
            1 << 31,
            (1 << 31) + 1,
            1 << 32,
            1 << 33,
            1 << 62,
            1 << 63,
            u64::MAX,
        ];
        match self.below(4) {
            0 => LARGE[self.below(LARGE.len() as u64) as usize],
            _ => 1 + self.below(4),
        }
    }

    fn sizes(&mut self) -> Vec<u64> {
        (0..1 + self.below(3)).map(|_| self.size()).collect()
    }

    fn layers(&mut self, depth: u64) -> Vec<Value> {
        (0..self.below(4)).map(|_| self.layer(depth)).collect()
    }

    fn layer(&mut self, depth: u64) -> Value {
        let window = json!({ "kernel": self.size(), "stride": self.size(), "padding": self.size() });
        let conv = json!({
            "channels": self.size(), "kernel": self.size(), "stride": self.size(), "padding": self.size(),
            "dilation": self.size(), "groups": 1 + self.below(2),
        });
        match self.below(if depth == 0 { 12 } else { 14 }) {
            0 => json!({ "linear": { "outputs": self.size() } }),
            1 => json!({ "conv1d": conv }),
            2 | 3 => json!({ "conv2d": conv }),
            4 => json!({ "maxPool": window }),
            5 => json!({ "avgPool": window }),
            6 => json!({ "reshape": { "shape": self.sizes() } }),
            7 => json!({ "flatten": {} }),
            8 => json!({ "batchNorm": {} }),
            9 => json!({ "slice": { "axis": self.size(), "start": self.below(2), "end": self.size() } }),
            10 => json!({ "transpose": { "axes": [self.below(3), self.size()] } }),
            11 => json!({ "parallel": { "branches": [[], [], []], "axis": self.below(3) } }),
            12 => json!({ "parallel": { "branches": [self.layers(depth - 1), self.layers(depth - 1)] } }),
            _ => json!({ "residual": { "layers": self.layers(depth - 1) } }),
        }
    }
}

/// Checks the counts of an accepted network with numbers that cannot overflow.
fn holds(network: &Network) {
    let summary = network.summary().unwrap();
    let mut numbers = 0;
    for name in network.layer_names() {
        let shape = network.shape_of(name).unwrap().unwrap();
        numbers += shape.sizes().iter().map(|side| *side as u128).product::<u128>();
    }
    assert!(numbers <= MOST, "{numbers} numbers\n{summary}");
    let parameters: u128 =
        network.specs().iter().map(|spec| spec.shape.iter().map(|side| *side as u128).product::<u128>()).sum();
    assert_eq!(u128::from(summary.parameters + summary.buffers), parameters);
    assert_eq!(u128::from(network.elements()), parameters);
}

#[test]
fn random_architectures_are_rejected_with_a_path_or_work() {
    let (mut refused, mut counted, mut answered) = (0, 0, 0);
    for seed in 0..30_000 {
        let mut draws = Draws(Key::new(seed), 0);
        let (input, mut layers) = (draws.sizes(), draws.layers(2));
        layers.push(json!({ "flatten": {} }));
        let made = model(json!(input), json!(layers));
        let network = match &made {
            Err(Error { code: Code::ShapeMismatch | Code::InvalidConfig, path, .. }) if !path.is_empty() => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{seed}: {error:?}"),
            Ok(model) => &*model.network,
        };
        holds(network);
        counted += 1;
        if network.elements() < 1 << 16 && network.multiply_adds() < 1 << 20 && network.input().elements() < 1 << 16 {
            let options = json!({ "input": input, "layers": layers }).to_string();
            let whole = Model::create(parse(&options).unwrap(), seed).unwrap();
            let shape: Vec<usize> = input.iter().map(|side| *side as usize).collect();
            let prediction =
                whole.predict(&row(&shape), 1).unwrap_or_else(|error| panic!("{seed}: {error}\n{options}"));
            assert_eq!(prediction.logits.len(), network.classes());
            answered += 1;
        }
    }
    assert!(refused > 5_000 && counted > 2_000 && answered > 2_000, "{refused} {counted} {answered}");
}
