//! Losses over features in whole runs: pairs of different class, hidden layers, trained projections.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

mod support;

use limbeck_core::dataset::{BatchOptions, Columns, Dataset, Inputs, LabelColumn, SplitOptions};
use limbeck_core::models::Model;
use limbeck_core::run::{Run, RunSummary};
use limbeck_core::teacher::Column;
use serde_json::{Value, json};
use support::{clusters, drain, model, setup};

fn parts() -> (Dataset, Dataset) {
    let split = clusters(600, 1).split(&[0.75, 0.25], &SplitOptions { seed: 7, ..SplitOptions::default() }).unwrap();
    (split[0].clone(), split[1].clone())
}

fn teacher(train: &Dataset, test: &Dataset) -> Model {
    let options = json!({
        "losses": { "crossEntropy": {} }, "optimizer": { "adamW": { "learningRate": 0.01 } }, "epochs": 4, "seed": 2
    });
    let fresh = model(json!({ "mlp": { "sizes": [8, 32, 12, 3] } }), 3);
    let mut run = Run::new(setup(fresh, None, train, test, options)).unwrap();
    drain(&mut run).unwrap();
    run.student().unwrap()
}

fn student() -> Model {
    model(json!({ "mlp": { "sizes": [8, 10, 6, 3] } }), 5)
}

fn with(losses: Value) -> Value {
    json!({ "losses": losses, "optimizer": { "sgd": { "learningRate": 0.02, "momentum": 0.9 } }, "epochs": 6, "seed": 1 })
}

fn trained(losses: Value) -> (Model, RunSummary, Value) {
    let (train, test) = parts();
    let mut run = Run::new(setup(student(), Some(teacher(&train, &test)), &train, &test, with(losses))).unwrap();
    let reports = drain(&mut run).unwrap();
    let last = reports.last().unwrap();
    (run.student().unwrap(), last.summary.clone().unwrap(), serde_json::to_value(last).unwrap())
}

fn refusal(data: &Dataset, losses: Value) -> String {
    let (train, test) = parts();
    Run::new(setup(student(), Some(teacher(&train, &test)), data, &test, with(losses))).err().unwrap().to_string()
}

#[test]
fn the_triplet_loss_draws_partners_and_reports_open_hinges() {
    let (_, summary, report) = trained(json!({ "crossEntropy": {}, "triplet": { "weight": 2, "margin": 5 } }));
    assert!(summary.findings.is_empty(), "{:?}", summary.findings);
    assert!(report["validation"]["accuracy"].as_f64().unwrap() > 0.8, "{report}");
    let open = report["details"]["triplet"]["openHinges"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&open) && open > 0.0, "{open}");
}

#[test]
fn a_hint_through_a_projection_trains_the_projection_and_leaves_it_out_of_the_student() {
    let hint = json!({ "layers": { "student": "layers.1", "teacher": "layers.0" }, "projection": true });
    let (student, summary, report) = trained(json!({ "crossEntropy": {}, "hint": hint }));
    assert!(summary.findings.is_empty(), "{:?}", summary.findings);
    assert!(summary.reloaded && report["terms"]["hint"].as_f64().unwrap() > 0.0);
    assert!(student.parameters.names().all(|name| !name.contains("projection")));
}

#[test]
fn relations_and_layers_by_depth_train_beside_the_labels() {
    let relations = json!({
        "crossEntropy": {}, "similarity": {}, "rkdDistance": {}, "rkdAngle": {}, "pkt": { "weight": 10 },
        "cosine": { "projection": true }, "patient": { "layers": "last", "projection": true }
    });
    let (train, test) = parts();
    let mut options = with(relations.clone());
    // The last batch has two rows, whose one distance is its own mean: nothing to learn from.
    options["dropLast"] = json!(true);
    let mut run = Run::new(setup(student(), Some(teacher(&train, &test)), &train, &test, options)).unwrap();
    let last = drain(&mut run).unwrap().pop().unwrap();
    assert!(last.summary.as_ref().unwrap().findings.is_empty(), "{:?}", last.summary);
    assert!(run.student().unwrap().parameters.names().all(|name| !name.contains("projection")));
    let report = serde_json::to_value(last).unwrap();
    for name in relations.as_object().unwrap().keys() {
        let (value, norm) = (&report["terms"][name], &report["gradientNorms"][name]);
        assert!(value.as_f64().unwrap() > 0.0 && norm.as_f64().unwrap() > 0.0, "{name}: {value} {norm}");
    }
}

#[test]
fn losses_over_maps_pool_the_larger_map_and_train() {
    let images = Columns::new(
        Inputs::F32 { values: (0..60 * 64).map(|at| (at * 37 % 101) as f32 / 101.0).collect(), shape: vec![1, 8, 8] },
        LabelColumn::Single { values: (0..60).map(|row| row % 3).collect(), classes: Some(3) },
    );
    let data = Dataset::new(images).unwrap();
    let network = |channels: Value, seed: u64| {
        model(json!({ "convNet": { "input": [1, 8, 8], "channels": channels, "classes": 3 } }), seed)
    };
    let (student, teacher) = (network(json!([2, 3]), 1), network(json!([4, 6, 8]), 2));
    // 4 × 4 places of the student, 2 × 2 of the teacher's last, 4 × 4 of the one before.
    let layers = json!([{ "student": "blocks.1.conv", "teacher": "blocks.2.conv" }]);
    for (losses, fits) in [
        (json!({ "attentionTransfer": { "layers": layers } }), true),
        (json!({ "attentionTransfer": {} }), true),
        (json!({ "nst": { "layers": "blocks.1.conv" } }), true),
        (json!({ "nst": { "layers": layers } }), false),
    ] {
        let options = json!({ "losses": losses, "steps": 2, "batchSize": 20 });
        let run = Run::new(setup(student.clone(), Some(teacher.clone()), &data, &data, options));
        match fits {
            true => {
                let reports = drain(&mut run.unwrap()).unwrap();
                assert!(reports.iter().all(|report| report.loss.is_finite() && report.loss > 0.0), "{losses}");
            }
            false => {
                let text = run.err().unwrap().to_string();
                assert!(text.starts_with("losses.nst") && text.contains("equal height and width"), "{text}");
            }
        }
    }
}

#[test]
fn losses_with_parameters_and_pairs_resume_to_the_same_bits() {
    let (train, test) = parts();
    let teacher = teacher(&train, &test);
    let folder = tempfile::tempdir().unwrap();
    let losses = json!({
        "crossEntropy": {}, "triplet": {}, "hint": { "projection": true }, "tripletBatch": { "negatives": "all" }
    });
    let mut options = with(losses);
    options["optimizer"] = json!({ "adamW": {} });
    let begin =
        |options: &Value| Run::new(setup(student(), Some(teacher.clone()), &train, &test, options.clone())).unwrap();
    let mut whole = begin(&options);
    drain(&mut whole).unwrap();
    options["checkpoint"] = json!({ "folder": folder.path(), "every": 1, "resume": true });
    options["reportEvery"] = json!(5);
    let mut first = begin(&options);
    (0..3).for_each(|_| drop(first.next().unwrap()));
    drop(first);
    let mut second = begin(&options);
    assert!(second.step() >= 5, "{}", second.step());
    drain(&mut second).unwrap();
    assert_eq!(
        whole.student().unwrap().to_file().unwrap().tensors,
        second.student().unwrap().to_file().unwrap().tensors
    );
}

#[test]
fn what_a_loss_lacks_is_refused_before_the_first_step() {
    let (train, test) = parts();
    let text = refusal(&train, json!({ "hint": {} }));
    assert!(
        text.contains("losses.hint.layers") && text.contains("[12]") && text.contains("projection: true"),
        "{text}"
    );
    let text = refusal(&train, json!({ "hint": { "layers": "nowhere" } }));
    assert!(text.contains("nowhere") && text.contains("layers.0"), "{text}");
    let text = refusal(&train, json!({ "similarity": { "layers": "nowhere" } }));
    assert!(text.contains("losses.similarity.layers") && text.contains("nowhere"), "{text}");
    let text = refusal(&train, json!({ "patient": {} }));
    assert!(text.contains("losses.patient.layers") && text.contains("projection: true"), "{text}");
    let text = refusal(&train, json!({ "attentionTransfer": {} }));
    assert!(text.contains("losses.attentionTransfer.layers") && text.contains("name convolutions"), "{text}");
    let text = refusal(&train, json!({ "triplet": { "margin": -1 } }));
    assert!(text.starts_with("losses.triplet.margin"), "{text}");
    let one = Columns::new(
        Inputs::F32 { values: vec![0.5; 80], shape: vec![8] },
        LabelColumn::Single { values: vec![1; 10], classes: Some(3) },
    );
    let text = refusal(&Dataset::new(one).unwrap(), json!({ "triplet": {} }));
    assert!(text.contains("losses.triplet") && text.contains("two or more classes"), "{text}");
    let logits = (0..train.rows() * 3).map(|at| at as f32).collect();
    let column = limbeck_core::dataset::TeacherColumn { logits, width: 3, top: None, ids: None };
    let mut setup =
        setup(student(), None, &train.with_teacher_logits(column).unwrap(), &test, with(json!({ "hint": {} })));
    setup.teacher = Column.into();
    let text = Run::new(setup).err().unwrap().to_string();
    assert!(text.contains("losses.hint.layers") && text.contains("pass the model itself"), "{text}");
}

#[test]
fn partners_have_another_class_are_drawn_anew_each_epoch_and_do_not_depend_on_the_batch() {
    let data = clusters(90, 1);
    let of = |batch_size: usize, epoch: u64, seed: u64| {
        let options = BatchOptions { batch_size, seed, pairs: true, ..BatchOptions::default() };
        let mut partners = std::collections::BTreeMap::new();
        for batch in data.batches(&options, epoch).unwrap() {
            let batch = batch.unwrap();
            let pair = batch.pair.unwrap();
            for (own, other) in batch.ids.iter().zip(&pair.ids) {
                assert_ne!(data.label(*own as usize), data.label(*other as usize));
                partners.insert(*own, *other);
            }
        }
        partners
    };
    let first = of(7, 0, 1);
    assert_eq!(first.len(), 90);
    assert_eq!(first, of(32, 0, 1));
    assert_ne!(first, of(7, 1, 1));
    assert_ne!(first, of(7, 0, 2));
    let met: std::collections::BTreeSet<u64> = first.values().copied().collect();
    assert!(met.len() > 40, "{}", met.len());
}
