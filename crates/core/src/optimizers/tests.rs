//! Properties that every optimizer of the registry must have.

use super::*;
use crate::kernels::cpu::isa;
use crate::near::compare;
use crate::parameters::Kind;
use crate::pool::Pool;
use crate::tensor::{DType, from_vec, to_f64};

/// Options that differ from the defaults in what the kernels do.
const VARIANTS: &[&str] = &[
    r#"{"sgd":{"learningRate":0.1,"weightDecay":0.01}}"#,
    r#"{"sgd":{"learningRate":0.1,"momentum":0.9,"weightDecay":0.01}}"#,
    r#"{"sgd":{"learningRate":0.1,"momentum":0.9,"nesterov":true,"weightDecay":0.01}}"#,
    r#"{"adam":{"learningRate":0.01,"weightDecay":0.01}}"#,
    r#"{"adamW":{"learningRate":0.01}}"#,
];

/// Every optimizer with its defaults and a rate of 0.01, and the variants.
fn all() -> Vec<String> {
    let defaults = OptimizerOptions::NAMES.iter().map(|name| format!(r#"{{"{name}":{{"learningRate":0.01}}}}"#));
    defaults.chain(VARIANTS.iter().map(|json| json.to_string())).collect()
}

fn options(json: &str) -> OptimizerOptions {
    serde_json::from_str(json).unwrap()
}

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut x = seed;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x as f32 / u32::MAX as f32 - 0.5) * 2.0
        })
        .collect()
}

fn parameters(tensors: Vec<(String, Tensor, bool)>) -> Parameters {
    let each = tensors.into_iter();
    Parameters(each.map(|(name, tensor, decay)| (name, Parameter { tensor, kind: Kind::Trainable, decay })).collect())
}

/// Runs steps over tensors of these sizes, which are cut from one row of numbers; returns all numbers after the last
/// step.
fn run(options: &OptimizerOptions, sizes: &[usize], dtype: DType, steps: u32) -> Vec<f64> {
    let cut = |values: Vec<f32>| {
        let mut from = 0;
        let each = sizes.iter().enumerate().map(|(i, len)| {
            from += len;
            let part = values[from - len..from].to_vec();
            (format!("p{i:04}"), from_vec(part, *len).unwrap().to_dtype(dtype).unwrap())
        });
        each.collect::<Vec<_>>()
    };
    let total = sizes.iter().sum();
    let start = cut(numbers(total, 1)).into_iter().map(|(name, tensor)| (name, tensor, true)).collect();
    let parameters = parameters(start);
    let mut optimizer = Optimizer::new(options, &parameters).unwrap();
    for step in 0..steps {
        let gradients = cut(numbers(total, 100 + step)).into_iter().collect();
        optimizer.step(&parameters, &gradients, 1.0).unwrap();
    }
    parameters.0.values().flat_map(|parameter| to_f64(&parameter.tensor).unwrap()).collect()
}

#[test]
fn kernels_equal_the_reference_on_every_instruction_set() {
    isa::on_each(|isa| {
        for json in &all() {
            let sizes = [131, 1, 7, 3000];
            let exact = run(&options(json), &sizes, DType::F64, 5);
            let got = run(&options(json), &sizes, DType::F32, 5);
            compare(json, &got, &exact, 5e-6).unwrap_or_else(|error| panic!("{}: {error}", isa.name()));
        }
    });
}

#[test]
fn the_bits_depend_neither_on_threads_nor_on_how_numbers_are_cut_into_tensors() {
    isa::on_each(|_| {
        for json in &all() {
            let sizes: Vec<usize> = (0..200).map(|i| 1 + i * 37 % 1000).collect();
            let total: usize = sizes.iter().sum();
            let ran = |threads, sizes: &[usize]| {
                Pool::new(Some(threads)).unwrap().enter(|| run(&options(json), sizes, DType::F32, 3))
            };
            let one = ran(1, &sizes);
            assert!(one == ran(2, &sizes) && one == ran(3, &sizes), "{json}: threads");
            assert!(one == ran(2, &[total]), "{json}: one tensor");
        }
    });
}

#[test]
fn weight_decay_spares_biases_and_norms_unless_asked() {
    for json in &all() {
        let moved = |decay_all: bool, decay: bool| {
            let mut value: serde_json::Value = serde_json::from_str(json).unwrap();
            let inner = value.as_object_mut().unwrap().values_mut().next().unwrap();
            inner["weightDecay"] = 0.5.into();
            inner["decayAll"] = decay_all.into();
            let options: OptimizerOptions = serde_json::from_value(value).unwrap();
            let tensor = from_vec(vec![1.0f32; 3], 3).unwrap();
            let parameters = parameters(vec![("p".into(), tensor.clone(), decay)]);
            let gradients = BTreeMap::from([("p".to_string(), from_vec(vec![0.0f32; 3], 3).unwrap())]);
            Optimizer::new(&options, &parameters).unwrap().step(&parameters, &gradients, 1.0).unwrap();
            to_f64(&tensor).unwrap()[0] != 1.0
        };
        assert!(moved(false, true) && moved(true, true) && moved(true, false), "{json}");
        assert!(!moved(false, false), "{json}");
    }
}

#[test]
fn the_rate_multiplies_the_learning_rate_and_parameters_without_gradient_stay() {
    for json in &all() {
        let stepped = |rate| {
            let (a, b) = (from_vec(vec![1.0f32; 3], 3).unwrap(), from_vec(vec![1.0f32; 3], 3).unwrap());
            let parameters = parameters(vec![("a".into(), a.clone(), false), ("b".into(), b.clone(), false)]);
            let gradients = BTreeMap::from([("a".to_string(), from_vec(vec![1.0f32; 3], 3).unwrap())]);
            Optimizer::new(&options(json), &parameters).unwrap().step(&parameters, &gradients, rate).unwrap();
            assert_eq!(to_f64(&b).unwrap(), [1.0; 3]);
            1.0 - to_f64(&a).unwrap()[0]
        };
        let (full, half) = (stepped(1.0), stepped(0.5));
        assert!(full > 0.0 && (half / full - 0.5).abs() < 1e-3, "{json}: {full} {half}");
    }
}

#[test]
fn going_on_from_exported_state_equals_never_stopping() {
    for json in &all() {
        let ran = |stop: bool| {
            let tensor = from_vec(numbers(100, 1), 100).unwrap();
            let parameters = parameters(vec![("p".into(), tensor.clone(), true)]);
            let mut optimizer = Optimizer::new(&options(json), &parameters).unwrap();
            for step in 0..6 {
                if stop && step == 3 {
                    let saved = optimizer.export().unwrap();
                    optimizer = Optimizer::new(&options(json), &parameters).unwrap();
                    optimizer.import(&saved).unwrap();
                }
                let gradient = from_vec(numbers(100, 50 + step), 100).unwrap();
                optimizer.step(&parameters, &BTreeMap::from([("p".to_string(), gradient)]), 1.0).unwrap();
            }
            to_f64(&tensor).unwrap()
        };
        assert!(ran(true) == ran(false), "{json}");
    }
}

#[test]
fn state_of_another_model_is_refused_by_name() {
    let model = |len: usize| parameters(vec![("p".into(), from_vec(vec![0.0f32; len], len).unwrap(), true)]);
    let options = OptimizerOptions::default();
    let saved = Optimizer::new(&options, &model(3)).unwrap().export().unwrap();
    let error = Optimizer::new(&options, &model(4)).unwrap().import(&saved).unwrap_err();
    assert_eq!(error.to_string(), "firstMoment.p: expected a tensor of [4], got [3]");
    let sgd = OptimizerOptions::Sgd(Sgd::default());
    assert!(Optimizer::new(&sgd, &model(3)).unwrap().import(&saved).is_err());
}

#[test]
fn options_out_of_range_are_refused_by_path() {
    for (json, expected) in [
        (r#"{"sgd":{"learningRate":0}}"#, "sgd.learningRate: expected a number above 0, got 0"),
        (r#"{"sgd":{"momentum":1}}"#, "sgd.momentum: expected a number of at least 0 and below 1, got 1"),
        (r#"{"sgd":{"nesterov":true}}"#, "sgd.nesterov: expected a momentum above 0 when nesterov is true, got 0"),
        (r#"{"adam":{"beta2":-0.1}}"#, "adam.beta2: expected a number of at least 0 and below 1, got -0.1"),
        (r#"{"adamW":{"weightDecay":-1}}"#, "adamW.weightDecay: expected a number of at least 0, got -1"),
        (r#"{"adamW":{"epsilon":0}}"#, "adamW.epsilon: expected a number above 0, got 0"),
    ] {
        assert_eq!(options(json).validate().unwrap_err().to_string(), expected);
    }
    assert!(serde_json::from_str::<OptimizerOptions>(r#"{"sgd":{"rate":1}}"#).is_err());
}

#[test]
fn clipping_scales_to_the_limit_and_the_norm_sees_a_nan() {
    let gradients = || -> BTreeMap<String, Tensor> {
        [("a", numbers(100_000, 3)), ("b", numbers(7, 4))]
            .into_iter()
            .map(|(name, values)| (name.to_string(), from_vec(values.clone(), values.len()).unwrap()))
            .collect()
    };
    let exact: f64 = gradients().values().flat_map(|g| to_f64(g).unwrap()).map(|x| x * x).sum::<f64>().sqrt();
    isa::on_each(|_| {
        let mut gradients = gradients();
        let norm = global_norm(&gradients).unwrap();
        assert!((norm / exact - 1.0).abs() < 1e-12);
        for threads in [2, 3] {
            assert!(norm == Pool::new(Some(threads)).unwrap().enter(|| global_norm(&gradients).unwrap()));
        }
        scale_gradients(&mut gradients, 1.0 / norm).unwrap();
        assert!((global_norm(&gradients).unwrap() - 1.0).abs() < 1e-6);
        gradients.insert("c".into(), from_vec(vec![f32::NAN], 1).unwrap());
        assert!(global_norm(&gradients).unwrap().is_nan());
    });
}

#[test]
fn the_average_follows_its_formula_and_leaves_buffers_alone() {
    isa::on_each(|_| {
        let tensor = from_vec(vec![1.0f32; 40], 40).unwrap();
        let mut all = parameters(vec![("p".into(), tensor.clone(), true)]);
        let buffer = Parameter { tensor: from_vec(vec![5.0f32], 1).unwrap(), kind: Kind::Buffer, decay: false };
        all.0.insert("running".into(), buffer);
        let mut average = Average::new(0.3, &all).unwrap();
        let mut expected = 1.0;
        for step in 0..8 {
            tensor::update(&tensor, |p| p.fill(step as f32)).unwrap();
            average.update(&all).unwrap();
            let decay = 0.3f64.min((1.0 + f64::from(step)) / (10.0 + f64::from(step)));
            expected = decay * expected + (1.0 - decay) * f64::from(step);
            if step == 3 {
                let saved = average.export().unwrap();
                average = Average::new(0.3, &all).unwrap();
                average.import(&saved).unwrap();
            }
        }
        let averaged = average.parameters(&all).unwrap();
        assert!(to_f64(&averaged.0["p"].tensor).unwrap().iter().all(|a| (a - expected).abs() < 1e-5));
        assert_eq!(to_f64(&averaged.0["running"].tensor).unwrap(), [5.0]);
        assert_eq!(to_f64(&tensor).unwrap()[0], 7.0);
    });
}

#[test]
fn state_of_a_parameter_without_gradient_settles_at_zero_and_keeps_nan() {
    // Options with which state halves within a few steps.
    let fast = [
        r#"{"sgd":{"momentum":0.9}}"#,
        r#"{"sgd":{"momentum":0.9,"nesterov":true}}"#,
        r#"{"adam":{"beta2":0.9}}"#,
        r#"{"adamW":{"beta2":0.9,"weightDecay":0}}"#,
    ];
    let is_fast = |name: &&&str| fast.iter().any(|json| json.contains(&format!("\"{name}\"")));
    let others = OptimizerOptions::NAMES.iter().filter(|name| !is_fast(name));
    let others: Vec<String> = others.map(|name| format!(r#"{{"{name}":{{}}}}"#)).collect();
    let all = fast.map(|json| (json, 1_000)).into_iter().chain(others.iter().map(|json| (json.as_str(), 100_000)));
    let all: Vec<(&str, u32)> = all.collect();
    isa::on_each(|isa| {
        for &(json, steps) in &all {
            let ran = |first: f32| {
                let tensor = from_vec(vec![0.5f32; 20], 20).unwrap();
                let parameters = parameters(vec![("p".into(), tensor.clone(), true)]);
                let mut optimizer = Optimizer::new(&options(json), &parameters).unwrap();
                for step in 0..steps {
                    let gradient = from_vec(vec![if step == 0 { first } else { 0.0 }; 20], 20).unwrap();
                    optimizer.step(&parameters, &BTreeMap::from([("p".to_string(), gradient)]), 1.0).unwrap();
                }
                let state = optimizer.export().unwrap().into_iter().filter(|(name, _)| name.ends_with(".p"));
                state.flat_map(|(_, tensor)| to_f64(&tensor).unwrap()).collect::<Vec<_>>()
            };
            assert!(ran(1.0).iter().all(|x| *x == 0.0), "{json} with {}", isa.name());
            assert!(ran(f32::NAN).iter().all(|x| x.is_nan()), "{json} with {}", isa.name());
        }
    });
}
