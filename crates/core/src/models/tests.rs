//! Tests of networks with every kind of layer: shapes, names, counts, gradients, rejections.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Model, ModelOptions, Network, Request};
use crate::batch::Features;
use crate::checkpoint::ModelFile;
use crate::error::{Candle, Code, Result};
use crate::layers::Mode;
use crate::parameters::Parameters;
use crate::random::Key;
use crate::tape::{Engine, Tape};
use crate::tensor::{DType, Tensor, from_vec, to_f64};

fn network(json: serde_json::Value) -> Result<Network> {
    Network::new(crate::reading::parse::<ModelOptions>(&json.to_string())?.expand()?)
}

fn dense(shape: &[usize], seed: u64) -> Features {
    let mut values = vec![0f32; shape.iter().product()];
    Key::new(seed).fill_normal(&mut values, 0.0, 1.0);
    Features::Dense(from_vec(values, shape).unwrap())
}

fn as_f64(features: &Features) -> Features {
    match features {
        Features::Dense(tensor) => Features::Dense(tensor.to_dtype(DType::F64).unwrap()),
        other => other.clone(),
    }
}

/// Σ weights ⊙ logits of a forward, and the gradient of every trainable tensor.
fn objective(
    network: &Network,
    parameters: &Parameters,
    inputs: &Features,
    rows: usize,
    engine: Engine,
    mode: Mode,
) -> (f64, BTreeMap<String, Tensor>) {
    let mut tape = Tape::new(engine);
    let bound = parameters.leaves(&mut tape, &Default::default());
    let ids: Vec<u64> = (0..rows as u64).collect();
    let outputs = network.forward(&mut tape, &bound, inputs, &ids, &Request::default(), mode, Key::new(9)).unwrap();
    let logits = outputs.logits.tensor().clone();
    let mut weights = vec![0f32; logits.elem_count()];
    Key::new(77).fill_normal(&mut weights, 0.0, 1.0);
    let seed = from_vec(weights, logits.dims()).unwrap().to_dtype(logits.dtype()).unwrap();
    let value = to_f64(&logits).unwrap().iter().zip(to_f64(&seed).unwrap()).map(|(a, b)| a * b).sum();
    let mut gradients = tape.backward(vec![(outputs.logits, seed)]).unwrap();
    let of = |(name, value): (&String, &crate::tape::Value)| Some((name.clone(), gradients.take(value)?));
    (value, bound.iter().filter_map(of).collect())
}

fn in_f64(parameters: &Parameters) -> Parameters {
    let mut wide = parameters.clone();
    for parameter in wide.0.values_mut() {
        parameter.tensor = parameter.tensor.to_dtype(DType::F64).unwrap();
    }
    wide
}

/// Compares up to five entries of each tensor's gradient with central differences, in f64 by the references; then compares
/// the kernels with the references.
fn check_gradients(json: serde_json::Value, inputs: Features, rows: usize, mode: Mode) {
    let network = network(json).unwrap();
    let parameters = network.initialize(3).unwrap();
    let (wide, wide_inputs) = (in_f64(&parameters), as_f64(&inputs));
    let (_, gradients) = objective(&network, &wide, &wide_inputs, rows, Engine::Reference, mode);
    for spec in network.specs().iter().filter(|spec| spec.kind == crate::parameters::Kind::Trainable) {
        let gradient =
            to_f64(gradients.get(&spec.name).unwrap_or_else(|| panic!("no gradient of {}", spec.name))).unwrap();
        let values = to_f64(&wide.0[&spec.name].tensor).unwrap();
        for at in (0..values.len()).step_by(values.len().div_ceil(5)) {
            let moved = |by: f64| {
                let mut moved = wide.clone();
                let mut values = values.clone();
                values[at] += by;
                moved.0.get_mut(&spec.name).unwrap().tensor = from_vec(values, spec.shape.as_slice()).unwrap();
                objective(&network, &moved, &wide_inputs, rows, Engine::Reference, mode).0
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let scale = gradient.iter().fold(1.0f64, |scale, g| scale.max(g.abs()));
            assert!(
                (slope - gradient[at]).abs() < 1e-6 * scale,
                "{} [{at}]: {slope} against {}",
                spec.name,
                gradient[at]
            );
        }
    }
    let (_, kernels) = objective(&network, &parameters, &inputs, rows, Engine::Kernels, mode);
    for (name, gradient) in &gradients {
        let (want, got) = (to_f64(gradient).unwrap(), to_f64(&kernels[name]).unwrap());
        let scale = want.iter().fold(1e-3f64, |scale, g| scale.max(g.abs()));
        for (want, got) in want.iter().zip(got) {
            assert!((want - got).abs() < 2e-4 * scale, "{name}: kernel {got} against reference {want}");
        }
    }
}

#[test]
fn gradients_of_a_convolutional_network_with_residual_and_parallel_blocks() {
    let json = json!({ "input": [2, 8, 8], "layers": [
        { "conv2d": { "name": "stem", "channels": 4, "kernel": 3, "padding": 1 } },
        { "batchNorm": { "name": "norm", "activation": "tanh" } },
        { "residual": { "name": "block", "activation": "silu", "layers": [
            { "conv2d": { "name": "conv", "channels": 6, "kernel": 3, "padding": 1, "stride": 2, "groups": 2 } },
            { "activation": { "function": "sigmoid" } }
        ], "shortcut": [ { "conv2d": { "channels": 6, "kernel": 1, "stride": 2, "bias": false } } ] } },
        { "parallel": { "name": "both", "branches": [
            [ { "conv2d": { "channels": 2, "kernel": 1 } } ], [ { "avgPool": { "kernel": 3, "stride": 1, "padding": 1 } } ]
        ] } },
        { "avgPool": { "kernel": 2 } }, { "flatten": {} },
        { "linear": { "outputs": 5, "activation": "gelu" } }, { "linear": { "name": "head", "outputs": 3 } }
    ] });
    check_gradients(json.clone(), dense(&[4, 2, 8, 8], 1), 4, Mode::Train);
    check_gradients(json, dense(&[4, 2, 8, 8], 1), 4, Mode::Evaluate);
}

#[test]
fn gradients_of_a_network_over_tokens() {
    let ids: Vec<u32> = (0..15).map(|at| (at * 7) % 11).collect();
    let inputs = Features::Ids(from_vec(ids, (3, 5)).unwrap());
    let json = json!({ "input": { "ids": { "length": 5 } }, "layers": [
        { "embedding": { "vocabulary": 11, "width": 4 } }, { "layerNorm": {} },
        { "linear": { "outputs": 6, "activation": "geluTanh" } }, { "transpose": { "axes": [0, 1] } },
        { "conv1d": { "channels": 4, "kernel": 3, "padding": 1 } }, { "transpose": { "axes": [0, 1] } },
        { "rmsNorm": {} }, { "slice": { "axis": 0, "start": 1, "end": 5 } }, { "tokenMean": {} },
        { "reshape": { "shape": [2, 2] } }, { "flatten": {} }, { "linear": { "name": "head", "outputs": 2 } }
    ] });
    check_gradients(json, inputs, 3, Mode::Train);
}

#[test]
fn gradients_of_a_bag_of_ragged_ids_with_dropout() {
    let inputs = Features::Ragged { ids: vec![1, 2, 2, 5, 0], offsets: vec![0, 3, 3, 5], weights: None };
    let json = json!({ "input": { "ids": {} }, "layers": [
        { "embedding": { "vocabulary": 6, "width": 4 } }, { "dropout": { "rate": 0.3 } },
        { "linear": { "name": "head", "outputs": 3 } }
    ] });
    check_gradients(json, inputs, 3, Mode::Train);
}

/// Three texts of 3, 1 and 5 tokens.
fn texts() -> Features {
    Features::Ragged { ids: vec![1, 2, 2, 5, 0, 3, 4, 4, 1], offsets: vec![0, 3, 4, 9], weights: None }
}

fn encoder(more: serde_json::Value) -> serde_json::Value {
    let mut options = json!({
        "vocabulary": 6, "width": 8, "layers": 2, "heads": 2, "inner": 12, "positions": 7, "types": 2, "classes": 3
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "textEncoder": options })
}

#[test]
fn gradients_of_a_text_encoder() {
    for (more, mode) in [
        (json!({}), Mode::Train),
        (json!({ "pooling": "first", "pooler": "tanh", "firstPosition": 1 }), Mode::Evaluate),
        (json!({ "pooling": "max", "classes": null, "normalize": true, "types": 0 }), Mode::Evaluate),
        (json!({ "pooling": "last", "activation": "silu" }), Mode::Evaluate),
    ] {
        check_gradients(encoder(more), texts(), 3, mode);
    }
}

#[test]
fn a_text_has_the_same_logits_alone_and_among_others_to_the_bit() {
    let network = network(encoder(json!({}))).unwrap();
    let parameters = network.initialize(3).unwrap();
    let logits = |inputs: &Features, ids: &[u64], mode: Mode| {
        let mut tape = Tape::new(Engine::Kernels);
        let bound = parameters.constants();
        let request = Request::default();
        let outputs = network.forward(&mut tape, &bound, inputs, ids, &request, mode, Key::new(9)).unwrap();
        to_f64(outputs.logits.tensor()).unwrap()
    };
    for mode in [Mode::Evaluate, Mode::Train] {
        let all = logits(&texts(), &[7, 8, 9], mode);
        for row in 0..3 {
            let alone = logits(&texts().part(row, 1).unwrap(), &[7 + row as u64], mode);
            assert_eq!(alone, all[row * 3..][..3], "row {row}, {mode:?}");
        }
    }
}

#[test]
fn texts_that_do_not_fit_a_text_encoder_are_refused_by_row() {
    let long = Features::Ragged { ids: vec![1; 10], offsets: vec![0, 2, 10], weights: None };
    let refused = |more: serde_json::Value, inputs: Features| {
        let network = network(encoder(more)).unwrap();
        let bound = network.initialize(3).unwrap().constants();
        let forward = |inputs: &Features| {
            let (request, ids) = (Request::default(), [0, 1]);
            network.forward(&mut Tape::default(), &bound, inputs, &ids, &request, Mode::Evaluate, Key::new(9))
        };
        forward(&inputs).map(drop).unwrap_err().to_string()
    };
    assert!(refused(json!({}), long).contains("inputs[1]: expected at most 7 tokens, got 8; truncate the text"));
    let empty = Features::Ragged { ids: vec![1], offsets: vec![0, 1, 1], weights: None };
    assert!(refused(json!({ "pooling": "first" }), empty).contains("inputs[1]: expected at least one token, got none"));
    let weighted = Features::Ragged { ids: vec![1, 2], offsets: vec![0, 1, 2], weights: Some(vec![1.0, 2.0]) };
    assert!(refused(json!({}), weighted).contains("inputs.weights: expected none"));
    let unfit = |more: serde_json::Value| network(encoder(more)).map(drop).unwrap_err().to_string();
    assert!(unfit(json!({ "heads": 3 })).contains("heads: expected a number that divides the width 8, got 3"));
    assert!(unfit(json!({ "normalize": true })).contains("normalize: expected false together with classes"));
    assert!(unfit(json!({ "firstPosition": 7 })).contains("firstPosition: expected a position below 7, got 7"));
}

#[test]
fn presets_have_the_names_and_the_counts_that_are_documented() {
    let conv = network(json!({ "convNet": { "input": [1, 28, 28], "channels": [4, 8], "classes": 10 } })).unwrap();
    assert_eq!(conv.summary().unwrap().parameters, 4290);
    let names: Vec<&str> = conv.specs().iter().map(|spec| spec.name.as_str()).collect();
    assert!(names.contains(&"blocks.1.conv.weight") && names.contains(&"blocks.0.norm.running_mean"), "{names:?}");
    let mlp = network(json!({ "mlp": { "sizes": [784, 32, 10] } })).unwrap();
    let names: Vec<&str> = mlp.specs().iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["layers.0.weight", "layers.0.bias", "head.weight", "head.bias"]);
    assert_eq!(mlp.summary().unwrap().multiply_adds, 784 * 32 + 32 * 10);
    assert_eq!(mlp.head(), Some("head"));
    let encoder = network(encoder(json!({ "layers": 1, "pooler": "tanh" }))).unwrap();
    let names: Vec<&str> = encoder.specs().iter().map(|spec| spec.name.as_str()).collect();
    for name in [
        "embeddings.token",
        "embeddings.type",
        "embeddingNorm.weight",
        "blocks.0.attention.self.query.weight",
        "blocks.0.attention.self.output.bias",
        "blocks.0.attentionNorm.bias",
        "blocks.0.feedForward.inner.weight",
        "blocks.0.feedForward.outer.bias",
        "blocks.0.feedForwardNorm.weight",
        "pooler.weight",
        "head.weight",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(encoder.head(), Some("head"));
    let headless = network(json!({ "textEncoder": { "vocabulary": 6, "width": 8, "layers": 1, "heads": 2 } })).unwrap();
    assert_eq!(headless.head(), None);
    // Tables 6 + 7 + 2, five pairs of vectors, four projections, two feed-forward layers, pooler, head.
    let counted = 8 * 15 + 3 * 16 + 4 * 72 + (12 * 9 + 8 * 13) + 72 + 27;
    assert_eq!(encoder.summary().unwrap().parameters, counted);
}

#[test]
fn start_values_follow_the_seed_and_the_name_and_stay_within_the_fan_in_bound() {
    let net = network(json!({ "mlp": { "sizes": [100, 50, 50] } })).unwrap();
    let [a, b, other] = [1, 1, 2].map(|seed| net.initialize(seed).unwrap().get("head.weight").unwrap());
    assert_eq!(a, b);
    assert_ne!(a, other);
    assert!(a.1.iter().all(|value| value.abs() <= 1.0 / 50f32.sqrt()));
    assert!(a.1.iter().any(|value| value.abs() > 0.9 / 50f32.sqrt()));
}

#[test]
fn shapes_that_do_not_fit_name_the_layer() {
    for (json, path) in [
        (
            json!({ "input": [1, 4, 4], "layers": [{ "conv2d": { "name": "stem", "channels": 2, "kernel": 7 } }] }),
            "stem (conv2d)",
        ),
        (json!({ "input": [1, 4, 4], "layers": [{ "linear": { "outputs": 2 } }] }), "layers.0 (linear)"),
        (
            json!({ "input": [8], "layers": [{ "residual": { "name": "block", "layers": [{ "linear": { "outputs": 4 } }] } }] }),
            "block (residual)",
        ),
        (
            json!({ "input": [8], "layers": [{ "linear": { "name": "a", "outputs": 4 } }, { "linear": { "name": "a", "outputs": 4 } }] }),
            "a (linear).name",
        ),
        (json!({ "input": [8], "layers": [{ "embedding": { "vocabulary": 4, "width": 2 } }] }), "layers.0 (embedding)"),
        (json!({ "input": [], "layers": [{ "linear": { "outputs": 2 } }] }), "input"),
        (json!({ "mlp": { "sizes": [8] } }), "mlp.sizes"),
        (json!({ "layers": [] }), "input"),
    ] {
        assert_eq!(network(json.clone()).unwrap_err().path, path, "{json}");
    }
}

#[test]
fn a_file_with_fewer_tensors_than_it_claims_is_rejected_before_memory_is_allocated() {
    let layers = json!([{ "linear": { "name": "a", "outputs": 1_000_000_000 } }]);
    let architecture = json!({ "input": [1_000_000_000], "layers": layers });
    let error = Model::from_file(ModelFile { architecture, ..ModelFile::default() }).err().unwrap();
    assert_eq!((error.code, error.path.as_str()), (Code::InvalidFile, "a.weight"));
}

#[test]
fn hidden_layers_are_returned_by_name_together_with_the_weight_of_the_head() {
    let net = network(json!({ "mlp": { "sizes": [6, 5, 3] } })).unwrap();
    let parameters = net.initialize(1).unwrap();
    let request = Request { hidden: ["layers.0".to_string()].into(), ..Request::default() };
    let mut tape = Tape::new(Engine::Kernels);
    let outputs = net
        .forward(&mut tape, &parameters.constants(), &dense(&[2, 6], 1), &[0, 1], &request, Mode::Evaluate, Key::new(0))
        .unwrap();
    assert_eq!(outputs.hidden["layers.0"].dims(), [2, 5]);
    assert_eq!(outputs.head_weight.unwrap().dims(), [3, 5]);
}

#[test]
fn copying_uses_equal_names_and_shapes_or_a_map_of_layers() {
    let make = |sizes: [usize; 4], seed| {
        Model::create(crate::reading::parse(&json!({ "mlp": { "sizes": sizes } }).to_string()).unwrap(), seed).unwrap()
    };
    let teacher = make([6, 5, 5, 3], 1);
    let mut student = make([6, 5, 4, 3], 2);
    let copied = student.copy_from(&teacher, &[]).unwrap();
    assert_eq!(copied, ["head.bias", "layers.0.bias", "layers.0.weight"]);
    assert_eq!(student.parameters.get("layers.0.weight").unwrap(), teacher.parameters.get("layers.0.weight").unwrap());
    let mut other = make([5, 5, 4, 3], 2);
    other.copy_from(&teacher, &[("layers.0".into(), "layers.1".into())]).unwrap();
    assert_eq!(other.parameters.get("layers.0.weight").unwrap(), teacher.parameters.get("layers.1.weight").unwrap());
    let wrong = other.copy_from(&teacher, &[("layers.7".into(), "layers.1".into())]).unwrap_err();
    assert_eq!(wrong.path, "layers.layers.7");
}

#[test]
fn batch_statistics_are_followed_and_used_in_evaluation() {
    let net = network(json!({ "convNet": { "input": [1, 4, 4], "channels": [2], "classes": 2 } })).unwrap();
    let parameters = net.initialize(1).unwrap();
    let mut tape = Tape::new(Engine::Kernels);
    let outputs = net
        .forward(
            &mut tape,
            &parameters.constants(),
            &dense(&[3, 1, 4, 4], 1),
            &[0, 1, 2],
            &Request::default(),
            Mode::Train,
            Key::new(0),
        )
        .unwrap();
    let names: Vec<&str> = outputs.buffer_updates.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["blocks.0.norm.running_mean", "blocks.0.norm.running_var"]);
    let var = to_f64(&outputs.buffer_updates[1].1.contiguous().ok_or_internal().unwrap()).unwrap();
    assert!(var.iter().all(|value| *value > 0.9 * 0.9), "0.9 of the old 1 is kept: {var:?}");
}
