//! From columns to a distilled student, through the public API of the core.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use limbeck_core::dataset::{Dataset, SplitOptions};
use limbeck_core::error::Code;
use limbeck_core::evaluate::evaluate;
use limbeck_core::models::Model;
use limbeck_core::run::Run;
use serde_json::json;

mod support;

use support::{clusters, drain, model, setup};

fn parts() -> (Dataset, Dataset) {
    let split = clusters(1200, 1).split(&[0.75, 0.25], &SplitOptions { seed: 7, ..SplitOptions::default() }).unwrap();
    (split[0].clone(), split[1].clone())
}

fn trained_teacher(train: &Dataset, test: &Dataset) -> Model {
    let teacher = model(json!({ "mlp": { "sizes": [8, 32, 3] } }), 3);
    let mut run = Run::new(setup(
        teacher,
        None,
        train,
        test,
        json!({
            "losses": { "crossEntropy": {} }, "optimizer": { "adamW": { "learningRate": 0.01 } }, "epochs": 4, "seed": 2
        }),
    ))
    .unwrap();
    drain(&mut run).unwrap();
    run.student().unwrap()
}

fn kd() -> serde_json::Value {
    json!({
        "losses": { "crossEntropy": { "weight": 0.1 }, "kl": { "weight": 0.9, "temperature": 2 } },
        "optimizer": { "sgd": { "learningRate": 0.05, "momentum": 0.9, "nesterov": true, "weightDecay": 5e-4 } },
        "schedule": { "oneCycle": {} }, "epochs": 3, "batchSize": 32, "seed": 1
    })
}

#[test]
fn a_student_learns_from_its_teacher_and_a_sound_run_raises_nothing() {
    let (train, test) = parts();
    let teacher = trained_teacher(&train, &test);
    let student = model(json!({ "mlp": { "sizes": [8, 4, 3] } }), 5);
    let mut run = Run::new(setup(student.clone(), Some(teacher.clone()), &train, &test, kd())).unwrap();
    let reports = drain(&mut run).unwrap();
    let last = reports.last().unwrap();
    let summary = last.summary.as_ref().unwrap();
    assert!(summary.findings.is_empty(), "{:?}", summary.findings);
    assert!(summary.reloaded);
    let validation = last.validation.as_ref().unwrap();
    let (before, teachers) = (evaluate(&student, &test, None).unwrap(), evaluate(&teacher, &test, None).unwrap());
    assert!(validation.accuracy > before.accuracy && validation.accuracy.unwrap() > 0.8, "{validation:?}");
    assert!(teachers.accuracy.unwrap() > 0.85 && validation.agreement.unwrap() > 0.85);
    assert!(last.terms.contains_key("kl") && last.gradient_norms["kl"] > 0.0);
    assert_eq!(reports.iter().filter(|report| report.validation.is_some()).count(), 3);
}

#[test]
fn the_students_start_is_not_changed_by_the_run() {
    let (train, test) = parts();
    let student = model(json!({ "mlp": { "sizes": [8, 4, 3] } }), 5);
    let before = student.parameters.get("head.weight").unwrap();
    let mut run =
        Run::new(setup(student.clone(), None, &train, &test, json!({ "losses": { "crossEntropy": {} } }))).unwrap();
    drain(&mut run).unwrap();
    assert_eq!(student.parameters.get("head.weight").unwrap(), before);
    assert_ne!(run.student().unwrap().parameters.get("head.weight").unwrap(), before);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (train, test) = parts();
    let teacher = trained_teacher(&train, &test);
    let weights = |threads: u64| {
        let mut options = kd();
        options["threads"] = json!(threads);
        let student = model(json!({ "mlp": { "sizes": [8, 16, 3], "dropout": 0.1 } }), 5);
        let mut run = Run::new(setup(student, Some(teacher.clone()), &train, &test, options)).unwrap();
        drain(&mut run).unwrap();
        let student = run.student().unwrap();
        ["layers.0.weight", "head.weight"].map(|name| student.parameters.get(name).unwrap())
    };
    let one = weights(1);
    assert_eq!(one, weights(2));
    assert_eq!(one, weights(3));
}

#[test]
fn how_often_a_run_reports_changes_no_bit_of_the_student() {
    let (train, test) = parts();
    let teacher = trained_teacher(&train, &test);
    let weights = |every: u64| {
        let mut options = kd();
        options["losses"]["logitMse"] = json!({ "weight": 0.05 });
        options["reportEvery"] = json!(every);
        let student = model(json!({ "mlp": { "sizes": [8, 16, 3] } }), 5);
        let mut run = Run::new(setup(student, Some(teacher.clone()), &train, &test, options)).unwrap();
        let reports = drain(&mut run).unwrap();
        assert!(reports.iter().all(|report| report.step % every != 0 || report.gradient_norms.len() == 3));
        let student = run.student().unwrap();
        ["layers.0.weight", "head.weight"].map(|name| student.parameters.get(name).unwrap())
    };
    let always = weights(1);
    assert_eq!(always, weights(7));
    assert_eq!(always, weights(50));
}

#[test]
fn resuming_equals_never_stopping() {
    let (train, test) = parts();
    let teacher = trained_teacher(&train, &test);
    let folder = tempfile::tempdir().unwrap();
    let with = |folder: &std::path::Path, resume: bool| {
        let mut options = kd();
        options["average"] = json!({ "decay": 0.9 });
        options["control"] = json!(true);
        options["keep"] = json!("best");
        options["reportEvery"] = json!(1);
        options["checkpoint"] = json!({ "folder": folder, "every": 7, "resume": resume });
        options
    };
    let student = || model(json!({ "mlp": { "sizes": [8, 8, 3], "dropout": 0.2 } }), 5);
    let whole_folder = folder.path().join("whole");
    let mut whole =
        Run::new(setup(student(), Some(teacher.clone()), &train, &test, with(&whole_folder, false))).unwrap();
    drain(&mut whole).unwrap();
    for stop in [1, 8, 30, 61] {
        let part = folder.path().join(format!("part-{stop}"));
        let mut first = Run::new(setup(student(), Some(teacher.clone()), &train, &test, with(&part, false))).unwrap();
        while first.step() < stop {
            first.next().unwrap();
        }
        first.checkpoint().unwrap();
        first.flush_checkpoints().unwrap();
        drop(first);
        let mut second = Run::new(setup(student(), Some(teacher.clone()), &train, &test, with(&part, true))).unwrap();
        assert_eq!(second.step(), stop);
        drain(&mut second).unwrap();
        for name in ["layers.0.weight", "layers.0.bias", "head.weight"] {
            let got = second.student().unwrap().parameters.get(name).unwrap();
            assert_eq!(got, whole.student().unwrap().parameters.get(name).unwrap(), "{name} after a stop at {stop}");
        }
    }
}

#[test]
fn another_configuration_is_not_resumed_and_the_key_is_named() {
    let (train, test) = parts();
    let folder = tempfile::tempdir().unwrap();
    let with = |rate: f64, resume: bool| {
        json!({
            "losses": { "crossEntropy": {} }, "optimizer": { "sgd": { "learningRate": rate } }, "epochs": 1,
            "checkpoint": { "folder": folder.path(), "resume": resume }
        })
    };
    let student = || model(json!({ "mlp": { "sizes": [8, 3] } }), 5);
    drain(&mut Run::new(setup(student(), None, &train, &test, with(0.1, false))).unwrap()).unwrap();
    let error = Run::new(setup(student(), None, &train, &test, with(0.2, true))).err().unwrap();
    assert_eq!(error.code, Code::CheckpointMismatch);
    assert!(error.to_string().contains("learningRate"), "{error}");

    let error = Run::new(setup(student(), None, &train, &test, with(0.1, false))).err().unwrap();
    assert_eq!((error.code, error.path.as_str()), (Code::InvalidConfig, "checkpoint.folder"));
}

#[test]
fn cancelling_ends_the_run_with_its_own_error() {
    let (train, test) = parts();
    let student = model(json!({ "mlp": { "sizes": [8, 3] } }), 5);
    let setup = setup(student, None, &train, &test, json!({ "losses": { "crossEntropy": {} }, "reportEvery": 1 }));
    let cancel = setup.cancel.clone();
    let mut run = Run::new(setup).unwrap();
    run.next().unwrap();
    cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(run.next().err().unwrap().code, Code::Cancelled);
}

#[test]
fn a_model_file_gives_the_same_outputs() {
    let (train, test) = parts();
    let teacher = trained_teacher(&train, &test);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("teacher.safetensors");
    teacher.save(&path).unwrap();
    let again = Model::load(&path).unwrap();
    assert_eq!(evaluate(&teacher, &test, None).unwrap(), evaluate(&again, &test, None).unwrap());
    assert_eq!(again.provenance["method"], "train");
}

#[test]
fn asking_the_teacher_once_changes_no_bit_and_is_left_out_where_rows_are_augmented_or_met_once() {
    let (train, test) = parts();
    let teacher = trained_teacher(&train, &test);
    let done = |change: serde_json::Value| {
        let mut options = kd();
        for (key, value) in change.as_object().unwrap() {
            options[key] = value.clone();
        }
        let student = model(json!({ "mlp": { "sizes": [8, 4, 3] } }), 5);
        let mut run = Run::new(setup(student, Some(teacher.clone()), &train, &test, options)).unwrap();
        let rows = drain(&mut run).unwrap().last().unwrap().summary.as_ref().unwrap().teacher_rows;
        (run.student().unwrap().parameters.get("head.weight").unwrap(), rows)
    };
    let rows = train.rows() as u64;
    let (once, always) = (done(json!({})), done(json!({ "cacheTeacher": false })));
    assert_eq!(once.0, always.0);
    assert_eq!((once.1, always.1), (rows, 3 * rows));
    assert_eq!(done(json!({ "epochs": 1 })).1, rows);
    assert_eq!(done(json!({ "epochs": 2, "maxMemoryBytes": 40_000 })).1, 2 * rows);
}

#[test]
fn a_run_that_ended_and_is_resumed_says_so_again_and_gives_the_same_student() {
    let (train, test) = parts();
    for change in [json!({ "epochs": 2 }), json!({ "epochs": 50, "earlyStop": { "patience": 2, "minDelta": 0.5 } })] {
        let folder = tempfile::tempdir().unwrap();
        let once = |resume: bool| {
            let mut options = json!({
                "losses": { "crossEntropy": {} }, "optimizer": { "adamW": { "learningRate": 0.01 } }, "keep": "best",
                "checkpoint": { "folder": folder.path(), "resume": resume }
            });
            for (key, value) in change.as_object().unwrap() {
                options[key] = value.clone();
            }
            let student = model(json!({ "mlp": { "sizes": [8, 8, 3] } }), 5);
            let mut run = Run::new(setup(student, None, &train, &test, options)).unwrap();
            let last = drain(&mut run).unwrap().pop().unwrap();
            let summary = last.summary.unwrap();
            (summary.steps, summary.ended, last.loss, run.student().unwrap().parameters.get("head.weight").unwrap())
        };
        let first = once(false);
        assert!(first.2 > 0.0);
        assert_eq!(first, once(true));
    }
}

#[test]
fn keeping_the_best_does_not_wait_for_an_improvement_that_early_stopping_would_count() {
    let (train, test) = parts();
    let student = model(json!({ "mlp": { "sizes": [8, 8, 3] } }), 5);
    let options = json!({
        "losses": { "crossEntropy": {} }, "optimizer": { "adamW": { "learningRate": 0.003 } }, "epochs": 5,
        "metric": "loss", "keep": "best", "earlyStop": { "patience": 9, "minDelta": 100 }
    });
    let mut run = Run::new(setup(student, None, &train, &test, options)).unwrap();
    let reports = drain(&mut run).unwrap();
    let best = reports.last().unwrap().summary.as_ref().unwrap().best.clone().unwrap();
    let losses = reports.iter().filter_map(|report| report.validation.as_ref()?.loss);
    assert_eq!(best.value, losses.fold(f64::INFINITY, f64::min));
}

#[test]
fn frozen_layers_stay_as_they_are_statistics_included() {
    let (train, test) = parts();
    let net = json!({ "input": [8], "layers": [
        { "linear": { "name": "first", "outputs": 6 } }, { "batchNorm": { "name": "norm" } },
        { "linear": { "name": "head", "outputs": 3 } }
    ] });
    let student = model(net, 5);
    let options = json!({ "losses": { "crossEntropy": {} }, "freeze": ["norm", "first.*"] });
    let mut run = Run::new(setup(student.clone(), None, &train, &test, options)).unwrap();
    drain(&mut run).unwrap();
    let trained = run.student().unwrap();
    for name in ["first.weight", "first.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"] {
        assert_eq!(trained.parameters.get(name).unwrap(), student.parameters.get(name).unwrap(), "{name}");
    }
    assert_ne!(trained.parameters.get("head.weight").unwrap(), student.parameters.get("head.weight").unwrap());
}

#[test]
fn predictions_in_pieces_are_those_of_all_rows_at_once() {
    let (train, _) = parts();
    let student = model(json!({ "mlp": { "sizes": [8, 32, 3] } }), 5);
    let batch = train.batch_of_all(0).unwrap();
    let all = student.predict(&batch.inputs, train.rows()).unwrap();
    assert_eq!(all.logits, limbeck_core::evaluate::logits(&student, &train).unwrap());
    let one = train.batch(&[700], 0).unwrap();
    assert_eq!(student.predict(&one.inputs, 1).unwrap().logits, all.logits[2100..2103]);
}
