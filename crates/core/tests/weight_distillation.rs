//! Weight Distillation in complete runs: phase 1 trains a generator, and its student is then trained as an ordinary model.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

mod support;

use limbeck_core::dataset::{Dataset, SplitOptions};
use limbeck_core::models::Model;
use limbeck_core::run::{Report, Run};
use limbeck_core::teacher::Teachers;
use serde_json::{Value, json};
use support::{clusters, drain, model, setup};

fn parts() -> (Dataset, Dataset) {
    let split = clusters(600, 1).split(&[0.75, 0.25], &SplitOptions { seed: 7, ..SplitOptions::default() }).unwrap();
    (split[0].clone(), split[1].clone())
}

/// A network with batch norms, so that the tests cover running statistics.
fn network(width: usize, blocks: usize) -> Value {
    let mut layers = Vec::new();
    for block in 0..blocks {
        layers.push(json!({ "linear": { "name": format!("blocks.{block}.linear"), "outputs": width } }));
        layers.push(json!({ "batchNorm": { "name": format!("blocks.{block}.norm"), "activation": "relu" } }));
    }
    layers.push(json!({ "linear": { "name": "head", "outputs": 3 } }));
    json!({ "input": [8], "layers": layers })
}

fn teacher(train: &Dataset, test: &Dataset) -> Model {
    let options = json!({
        "losses": { "crossEntropy": {} }, "optimizer": { "adamW": { "learningRate": 0.01 } }, "epochs": 4, "seed": 2
    });
    let mut run = Run::new(setup(model(network(24, 5), 3), None, train, test, options)).unwrap();
    drain(&mut run).unwrap();
    run.student().unwrap()
}

fn student() -> Model {
    model(network(10, 3), 5)
}

fn phase1() -> Value {
    json!({
        "losses": { "crossEntropy": {}, "kl": { "temperature": 2 } },
        "optimizer": { "adam": { "learningRate": 0.01 } }, "clipNorm": 5, "average": { "decay": 0.9 },
        "generator": {}, "epochs": 6, "seed": 1, "proofs": "strict"
    })
}

fn ran(run: &mut Run) -> (Model, Report) {
    let last = drain(run).unwrap().pop().unwrap();
    (run.student().unwrap(), last)
}

fn bits(model: &Model) -> Vec<(String, Vec<u32>)> {
    let of = |name: &str| model.parameters.get(name).unwrap().1.iter().map(|number| number.to_bits()).collect();
    model.parameters.names().map(|name| (name.to_string(), of(name))).collect()
}

/// A model's provenance without that of earlier runs.
fn without_before(model: &Model) -> Value {
    let mut said = model.provenance.clone();
    said.as_object_mut().unwrap().remove("before");
    said
}

#[test]
fn a_generated_student_learns_and_can_be_trained_further_as_an_ordinary_model() {
    let (train, test) = parts();
    let teacher = teacher(&train, &test);
    let before = bits(&teacher);
    let mut run = Run::new(setup(student(), Some(teacher.clone()), &train, &test, phase1())).unwrap();
    let (baked, last) = ran(&mut run);
    let accuracy = last.validation.as_ref().and_then(|validation| validation.accuracy).unwrap();
    assert!(accuracy > 0.85, "{accuracy}");
    let summary = last.summary.unwrap();
    assert!(summary.findings.is_empty() && summary.reloaded, "{:?}", summary.findings);
    let origin = summary.origin.unwrap();
    // Only the running statistics are new: two of ten values for each of three norms.
    assert_eq!(origin.numbers["fresh"], 60);
    assert!(origin.trained > 0 && origin.unused.is_empty() && origin.from_teacher > 0.8, "{origin:?}");
    assert_eq!(bits(&teacher), before);
    assert_eq!(baked.provenance["origin"]["numbers"]["fresh"], 60);
    assert_ne!(baked.parameters.get("blocks.1.norm.running_var").unwrap().1, vec![1.0; 10]);

    let options = json!({
        "losses": { "crossEntropy": {} }, "optimizer": { "adam": { "learningRate": 0.002 } }, "epochs": 2, "seed": 1
    });
    let mut run = Run::new(setup(baked.clone(), None, &train, &test, options.clone())).unwrap();
    let (second, last) = ran(&mut run);
    assert!(last.summary.unwrap().origin.is_none());
    // The provenance of phase 1 is kept by phase 2 and by up to eight later runs.
    assert_eq!(second.provenance["before"], json!([without_before(&baked)]));
    assert_eq!(second.provenance["before"][0]["origin"]["numbers"]["fresh"], 60);
    let mut again = second;
    for runs in 2..10 {
        let mut short = options.clone();
        (short["epochs"], short["steps"]) = (json!(null), json!(1));
        let made = Run::new(setup(again.clone(), None, &train, &test, short)).unwrap().student().unwrap();
        let before = made.provenance["before"].as_array().unwrap();
        assert_eq!((before.len(), before.last().unwrap()), (runs.min(8), &without_before(&again)));
        again = made;
    }
    assert!(last.validation.and_then(|validation| validation.accuracy).unwrap() > 0.85);
}

#[test]
fn a_phase_one_without_a_loss_on_the_teacher_does_not_run_the_teacher() {
    let (train, test) = parts();
    let mut options = phase1();
    options["losses"] = json!({ "crossEntropy": { "labelSmoothing": 0.1 } });
    let mut run = Run::new(setup(student(), Some(teacher(&train, &test)), &train, &test, options)).unwrap();
    let (_, last) = ran(&mut run);
    assert_eq!(last.summary.unwrap().teacher_rows, 0);
    assert!(last.validation.and_then(|validation| validation.accuracy).unwrap() > 0.85);
}

#[test]
fn a_stopped_phase_one_is_resumed_to_the_same_bits() {
    let (train, test) = parts();
    let teacher = teacher(&train, &test);
    let folder = tempfile::tempdir().unwrap();
    let begin =
        |options: &Value| Run::new(setup(student(), Some(teacher.clone()), &train, &test, options.clone())).unwrap();
    let mut options = phase1();
    options["keep"] = json!("best");
    let mut whole = begin(&options);
    drain(&mut whole).unwrap();

    options["checkpoint"] = json!({ "folder": folder.path().to_str().unwrap(), "every": 7, "resume": true });
    options["reportEvery"] = json!(1);
    let mut stopped = begin(&options);
    while stopped.step() < 17 {
        stopped.next().unwrap();
    }
    stopped.flush_checkpoints().unwrap();
    drop(stopped);
    let mut resumed = begin(&options);
    assert_eq!(resumed.step(), 14);
    drain(&mut resumed).unwrap();
    assert!(bits(&resumed.student().unwrap()) == bits(&whole.student().unwrap()));
    drop(resumed);

    // Another generator is another run.
    options["generator"] = json!({ "rules": [{ "student": "*.bias", "rule": { "fresh": {} } }] });
    let error = Run::new(setup(student(), Some(teacher.clone()), &train, &test, options)).err().unwrap();
    assert_eq!(error.code, limbeck_core::error::Code::CheckpointMismatch, "{error}");
}

#[test]
fn freezing_names_the_generators_own_parameters() {
    let (train, test) = parts();
    let mut options = phase1();
    options["freeze"] = json!(["blocks.1.linear", "*.scale"]);
    options["proofs"] = json!("warn");
    let mut run = Run::new(setup(student(), Some(teacher(&train, &test)), &train, &test, options.clone())).unwrap();
    drain(&mut run).unwrap();
    options["freeze"] = json!(["blocks.7"]);
    let error = Run::new(setup(student(), Some(teacher(&train, &test)), &train, &test, options)).err().unwrap();
    assert!(error.path == "freeze[0]" && error.message.contains("blocks.0.linear.weight.wOut"), "{error}");
}

#[test]
fn missing_requirements_of_a_generator_are_rejected_before_the_first_step() {
    let (train, test) = parts();
    let refused = |student: Model, teacher: Option<Model>, options: Value| {
        let mut setup = setup(student, None, &train, &test, options);
        setup.teacher = teacher.map_or_else(Teachers::default, Teachers::from);
        Run::new(setup).err().unwrap()
    };
    let error = refused(student(), None, phase1());
    assert!(error.path == "teacher" && error.message.contains("expected one model as teacher"), "{error}");
    let taught = || Some(model(network(24, 5), 3));
    let error = refused(model(network(10, 7), 5), taught(), phase1());
    assert!(error.path == "generator.blocks.6.linear" && error.message.contains("deeper"), "{error}");
    let mut options = phase1();
    options["generator"] = json!({ "rules": [{ "student": "blocks.9", "rule": { "copy": {} } }] });
    assert_eq!(refused(student(), taught(), options).path, "generator.rules[0].student");
}
