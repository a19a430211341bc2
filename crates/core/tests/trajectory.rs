//! Twenty steps of distillation from PyTorch's weights on PyTorch's batches: the losses, their terms and the weights
//! in the end are PyTorch's, for weight decay on all parameters and on matrices alone.
//! The files and the script that made them: `__test__/golden/trajectory.py`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use limbeck_bench::golden::Numbers;
use limbeck_core::checkpoint::Array;
use limbeck_core::dataset::{Columns, Dataset, Inputs, LabelColumn};
use limbeck_core::models::Model;
use limbeck_core::reading::parse;
use limbeck_core::run::{Data, Run, Setup};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trajectory {
    student: Value,
    teacher: Value,
    losses: Value,
    batch_size: usize,
    inputs: Numbers,
    labels: Vec<u32>,
    teacher_weights: BTreeMap<String, Numbers>,
    start_weights: BTreeMap<String, Numbers>,
    runs: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    optimizer: Value,
    losses: Vec<f64>,
    terms: BTreeMap<String, Vec<f64>>,
    final_weights: BTreeMap<String, Numbers>,
}

fn model(options: &Value, weights: &BTreeMap<String, Numbers>) -> Model {
    let mut model = Model::create(parse(&options.to_string()).unwrap(), 0).unwrap();
    let array = |(name, numbers): (&String, &Numbers)| {
        (name.clone(), Array::f32(numbers.dims.clone(), numbers.values.iter().map(|&x| x as f32).collect()).unwrap())
    };
    model.parameters.assign(weights.iter().map(array).collect()).unwrap();
    model
}

/// Relative to the expected value of a loss; to the largest entry of a weight.
fn assert_near(what: &str, got: f64, expected: f64, scale: f64) {
    assert!((got - expected).abs() <= 1e-5 * scale, "{what}: expected {expected}, got {got}");
}

fn follows_pytorch(name: &str) {
    let path = format!("{}/../../__test__/golden/trajectories/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let golden: Trajectory = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let inputs = Inputs::F32 {
        values: golden.inputs.values.iter().map(|&x| x as f32).collect(),
        shape: golden.inputs.dims[1..].to_vec(),
    };
    let labels = LabelColumn::Single { values: golden.labels.clone(), classes: None };
    let data = Dataset::new(Columns::new(inputs, labels)).unwrap();
    assert_eq!(golden.runs.len(), 2);
    for (policy, expected) in &golden.runs {
        let options = json!({
            "losses": golden.losses, "optimizer": expected.optimizer, "batchSize": golden.batch_size,
            "epochs": 1, "shuffle": false, "reportEvery": 1,
        });
        let mut run = Run::new(Setup {
            student: model(&golden.student, &golden.start_weights),
            teacher: model(&golden.teacher, &golden.teacher_weights).into(),
            data: Data::Dataset(data.clone()),
            validation: None,
            options: parse(&options.to_string()).unwrap(),
            cancel: Arc::new(AtomicBool::new(false)),
            mutual: None,
        })
        .unwrap();
        let mut steps = 0;
        while let Some(report) = run.next().unwrap() {
            let at = format!("{name}, decay of {policy}, step {steps}");
            assert_near(&at, report.loss, expected.losses[steps], expected.losses[steps]);
            for (term, values) in &expected.terms {
                assert_near(&format!("{at}, {term}"), report.terms[term], values[steps], values[steps]);
            }
            steps += 1;
        }
        assert_eq!(steps, 20);
        let student = run.student().unwrap();
        for (weight, numbers) in &expected.final_weights {
            let (_, got) = student.parameters.get(weight).unwrap();
            let scale = numbers.values.iter().fold(0f64, |scale, x| scale.max(x.abs()));
            for (got, expected) in got.iter().zip(&numbers.values) {
                assert_near(&format!("{name}, decay of {policy}, {weight}"), f64::from(*got), *expected, scale);
            }
        }
    }
}

#[test]
fn twenty_steps_of_kd_with_sgd_follow_pytorch() {
    follows_pytorch("sgd");
}

#[test]
fn twenty_steps_of_kd_with_adam_w_follow_pytorch() {
    follows_pytorch("adamW");
}

#[test]
fn twenty_steps_of_a_conv_net_with_batch_norm_follow_pytorch() {
    follows_pytorch("convNet");
}
