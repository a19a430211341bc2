//! Where a teacher's signal may come from: several teachers, the student's own average, smoothed labels; permuted answers
//! and rows that count as much as the teacher is sure of them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

mod support;

use limbeck_core::dataset::{Columns, Dataset, Inputs, LabelColumn};
use limbeck_core::models::Model;
use limbeck_core::run::{Report, Run, Setup, check};
use limbeck_core::teacher::{OwnAverage, SmoothedLabels, Teacher, Teachers};
use serde_json::{Value, json};
use support::{clusters, drain, model, setup};

fn net(hidden: usize, seed: u64) -> Model {
    model(json!({ "mlp": { "sizes": [8, hidden, 3] } }), seed)
}

fn of(model: Model) -> Teacher {
    model.into()
}

fn several(members: Vec<(Teacher, f64)>) -> Teachers {
    Teachers::new(members).unwrap()
}

fn planned(teachers: Teachers, data: &Dataset, more: Value) -> Setup {
    let mut options = json!({
        "losses": { "kl": { "temperature": 2 } }, "optimizer": { "sgd": { "learningRate": 0.1 } },
        "batchSize": 16, "epochs": 2, "seed": 3, "proofs": "off"
    });
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    Setup { teacher: teachers, ..setup(net(4, 1), None, data, &clusters(45, 8), options) }
}

fn trained(teachers: Teachers, more: Value) -> (Vec<f32>, Report) {
    trained_on(&clusters(90, 1), teachers, more)
}

fn trained_on(data: &Dataset, teachers: Teachers, more: Value) -> (Vec<f32>, Report) {
    let mut run = Run::new(planned(teachers, data, more)).unwrap();
    let last = drain(&mut run).unwrap().pop().unwrap();
    (numbers(&run.student().unwrap()), last)
}

fn numbers(model: &Model) -> Vec<f32> {
    model.parameters.names().flat_map(|name| model.parameters.get(name).unwrap().1).collect()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn two() -> Vec<(Teacher, f64)> {
    vec![(of(net(16, 5)), 3.0), (of(net(8, 6)), 1.0)]
}

#[test]
fn probabilities_and_losses_have_one_gradient_for_kl_and_values_that_differ_by_a_constant() {
    let (losses, of_losses) = trained(several(two()), json!({}));
    let (mixed, of_mixed) = trained(several(two()), json!({ "combine": "probabilities" }));
    let (logits, _) = trained(several(two()), json!({ "combine": "logits" }));
    assert!(farthest(&losses, &mixed) < 1e-5, "{}", farthest(&losses, &mixed));
    assert!(farthest(&losses, &logits) > 1e-5);
    // Σ a_j KL(p_j ‖ p) is never negative.
    assert!(of_losses.loss > of_mixed.loss + 1e-4, "{} {}", of_losses.loss, of_mixed.loss);
}

#[test]
fn weights_count_in_relation_to_each_other_and_one_of_nothing_is_nobody() {
    let scaled = |by: f64| several(two().into_iter().map(|(teacher, weight)| (teacher, by * weight)).collect());
    assert_eq!(trained(scaled(1.0), json!({})).0, trained(scaled(4.0), json!({})).0);
    let alone = trained(of(net(16, 5)).into(), json!({})).0;
    let beside = several(vec![(of(net(16, 5)), 1.0), (of(net(8, 6)), 0.0)]);
    assert!(farthest(&alone, &trained(beside, json!({})).0) < 1e-6);
    assert_eq!(Teachers::new(vec![(of(net(16, 5)), -1.0)]).err().unwrap().path, "teacher[0]");
    assert_eq!(Teachers::new(vec![(of(net(16, 5)), 0.0)]).err().unwrap().path, "teacher");
}

#[test]
fn several_teachers_asked_once_or_always_make_the_same_student() {
    for combine in ["losses", "probabilities", "logits"] {
        let done = |cache: bool| trained(several(two()), json!({ "combine": combine, "cacheTeacher": cache }));
        let (once, always) = (done(true), done(false));
        assert_eq!(once.0, always.0, "{combine}");
        let rows = |report: &Report| report.summary.as_ref().unwrap().teacher_rows;
        assert_eq!((rows(&once.1), rows(&always.1)), (90, 180));
        assert!(once.1.validation.unwrap().agreement.is_some());
    }
}

#[test]
fn a_teacher_whose_layers_are_looked_at_is_asked_once_where_there_is_room_for_them() {
    let losses = json!({ "kl": {}, "similarity": {}, "patient": { "projection": true } });
    let done = |options: Value| {
        let mut options = options;
        options["losses"] = losses.clone();
        let network = |hidden: usize, seed| model(json!({ "mlp": { "sizes": [8, hidden, hidden, 3] } }), seed);
        let data = clusters(90, 1);
        let mut setup = planned(several(vec![(of(network(16, 5)), 3.0), (of(network(16, 6)), 1.0)]), &data, options);
        setup.student = network(4, 1);
        let mut run = Run::new(setup).unwrap();
        let last = drain(&mut run).unwrap().pop().unwrap();
        (numbers(&run.student().unwrap()), last.summary.unwrap().teacher_rows)
    };
    let (once, rows) = done(json!({}));
    let (always, rows_always) = done(json!({ "cacheTeacher": false }));
    assert_eq!((rows, rows_always), (90, 180));
    assert_eq!(once, always);
    // Two teachers' logits and layers take 90 · 2 · (3 + 16 + 16) numbers; the logits alone would fit.
    let (bounded, rows) = done(json!({ "maxMemoryBytes": 4 * 4 * 90 * 2 * 35 - 1 }));
    assert_eq!((bounded, rows), (always, 180));
}

#[test]
fn smoothed_labels_teach_what_label_smoothing_does() {
    let smoothed = SmoothedLabels { share: 0.2 };
    let (taught, _) = trained(smoothed.into(), json!({ "losses": { "kl": {} } }));
    let (alone, _) = trained(Teachers::default(), json!({ "losses": { "crossEntropy": { "labelSmoothing": 0.2 } } }));
    assert!(farthest(&taught, &alone) < 1e-5, "{}", farthest(&taught, &alone));
}

#[test]
fn the_students_own_average_teaches_and_follows_it() {
    let average = |decay: f64| Teachers::from(OwnAverage { decay }.teacher().unwrap());
    let losses = json!({ "losses": { "crossEntropy": {}, "kl": {} }, "reportEvery": 1, "epochs": 4 });
    let mut run = Run::new(planned(average(0.9), &clusters(90, 1), losses.clone())).unwrap();
    let terms: Vec<f64> = drain(&mut run).unwrap().iter().map(|report| report.terms["kl"]).collect();
    // Before the first step both are the same; then the student is ahead.
    assert_eq!(terms[0], 0.0);
    assert!(terms[3..].iter().all(|kl| *kl > 0.0), "{terms:?}");
    assert_ne!(trained(average(0.9), losses.clone()).0, trained(average(0.0), losses).0);
}

#[test]
fn a_run_taught_by_its_own_average_is_resumed_to_equal_bits() {
    let folder = std::env::temp_dir().join(format!("limbeck-average-{}", std::process::id()));
    let options = |resume: bool| {
        json!({
            "losses": { "crossEntropy": {}, "kl": {} }, "reportEvery": 1,
            "checkpoint": { "folder": folder, "every": 4, "resume": resume }
        })
    };
    let teachers = || several(vec![(OwnAverage { decay: 0.9 }.teacher().unwrap(), 1.0), (of(net(16, 5)), 1.0)]);
    let whole = trained(teachers(), json!({ "losses": { "crossEntropy": {}, "kl": {} } })).0;
    let mut stopped = Run::new(planned(teachers(), &clusters(90, 1), options(false))).unwrap();
    for _ in 0..6 {
        stopped.next().unwrap();
    }
    stopped.flush_checkpoints().unwrap();
    drop(stopped);
    let resumed = trained(teachers(), options(true)).0;
    let other = Run::new(planned(of(net(16, 5)).into(), &clusters(90, 1), options(true))).err().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(whole, resumed);
    assert!(other.path.starts_with("teacher"), "{other}");
}

#[test]
fn permuted_answers_teach_something_else_and_of_two_classes_the_same() {
    let plain = trained(of(net(16, 5)).into(), json!({})).0;
    let permuted = trained(of(net(16, 5)).into(), json!({ "permuteTeacher": true })).0;
    assert!(farthest(&plain, &permuted) > 1e-5);
    assert_eq!(permuted, trained(of(net(16, 5)).into(), json!({ "permuteTeacher": true })).0);
    let coin = |permute: bool| {
        let data = two_classes(None);
        let mut setup = planned(
            of(model(json!({ "mlp": { "sizes": [8, 2] } }), 2)).into(),
            &data,
            json!({ "permuteTeacher": permute }),
        );
        (setup.student, setup.validation) = (model(json!({ "mlp": { "sizes": [8, 2] } }), 1), None);
        let mut run = Run::new(setup).unwrap();
        drain(&mut run).unwrap();
        numbers(&run.student().unwrap())
    };
    assert_eq!(coin(true), coin(false));
}

fn two_classes(weights: Option<Vec<f32>>) -> Dataset {
    let values = (0..320).map(|at| (at as f32 * 0.37).sin()).collect();
    let labels = LabelColumn::Single { values: (0..40).map(|row| row % 2).collect(), classes: Some(2) };
    Dataset::new(Columns { weights, ..Columns::new(Inputs::F32 { values, shape: vec![8] }, labels) }).unwrap()
}

#[test]
fn rows_weighted_by_the_teacher_count_as_much_as_it_is_sure_of_them() {
    let teacher = model(json!({ "mlp": { "sizes": [8, 2] } }), 2);
    let data = two_classes(None);
    let logits = limbeck_core::evaluate::logits(&teacher, &data).unwrap();
    let sure = logits.chunks(2).map(|row| 1.0 / (1.0 + f64::from((row[0] - row[1]).abs()).exp().recip()));
    let weighted = two_classes(Some(sure.map(|p| p as f32).collect()));
    let options = |by_teacher: bool| json!({ "losses": { "crossEntropy": {} }, "weightRowsByTeacher": by_teacher, "accumulate": 2 });
    let done = |data: &Dataset, teachers: Teachers, by_teacher: bool| {
        let mut setup = planned(teachers, data, options(by_teacher));
        (setup.student, setup.validation) = (model(json!({ "mlp": { "sizes": [8, 2] } }), 1), None);
        let mut run = Run::new(setup).unwrap();
        drain(&mut run).unwrap();
        numbers(&run.student().unwrap())
    };
    let by_teacher = done(&data, of(teacher).into(), true);
    let by_hand = done(&weighted, Teachers::default(), false);
    assert!(farthest(&by_teacher, &by_hand) < 1e-6, "{}", farthest(&by_teacher, &by_hand));
    assert!(farthest(&by_teacher, &done(&data, Teachers::default(), false)) > 1e-5);
}

#[test]
fn teachers_that_cannot_teach_are_refused_by_path() {
    let data = clusters(90, 1);
    let refused = |teachers: Teachers, more: Value| check(planned(teachers, &data, more)).err().unwrap().path;
    let wide = model(json!({ "mlp": { "sizes": [8, 5] } }), 2);
    assert_eq!(refused(several(vec![(of(net(16, 5)), 1.0), (of(wide), 1.0)]), json!({})), "teacher[1]");
    let smoothed = || (SmoothedLabels { share: 0.1 }.into(), 1.0);
    let beside = || several(vec![(of(net(16, 5)), 1.0), smoothed()]);
    assert_eq!(refused(beside(), json!({ "combine": "probabilities" })), "teacher[1]");
    assert_eq!(refused(beside(), json!({ "permuteTeacher": true })), "teacher[1]");
    assert_eq!(refused(several(vec![smoothed()]), json!({ "losses": { "logitMse": {} } })), "losses.logitMse");
    let mixed = json!({ "combine": "probabilities", "losses": { "logitMse": {} } });
    assert_eq!(refused(several(two()), mixed), "losses.logitMse");
    let hint = json!({ "combine": "logits", "losses": { "hint": { "layers": "layers.0", "projection": true } } });
    assert_eq!(refused(several(two()), hint), "combine");
    for option in ["permuteTeacher", "weightRowsByTeacher"] {
        let alone = json!({ option: true, "losses": { "crossEntropy": {} } });
        assert_eq!(refused(Teachers::default(), alone), option);
    }
    let labels = json!({ "losses": { "crossEntropy": {} } });
    assert_eq!(refused(several(two()), labels), "losses");
}
