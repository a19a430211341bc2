//! Rows without a label in whole runs: what they teach, what looks at labelled rows alone, what refuses them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

mod support;

use limbeck_core::dataset::{BatchOptions, Dataset, LabelColumn};
use limbeck_core::labels::UNLABELLED;
use limbeck_core::models::Model;
use limbeck_core::run::{Report, Run, Setup};
use limbeck_core::teacher::SmoothedLabels;
use serde_json::{Value, json};
use support::{clusters, drain, model, setup};

/// The same rows, of which those that are not `known` have no label.
fn partly(data: &Dataset, known: impl Fn(usize) -> bool) -> Dataset {
    let mut columns = data.columns().clone();
    let LabelColumn::Single { values, .. } = &mut columns.labels else { panic!() };
    (0..values.len()).filter(|row| !known(*row)).for_each(|row| values[row] = UNLABELLED);
    Dataset::new(columns).unwrap()
}

fn teacher() -> Model {
    let train = clusters(600, 1);
    let options = json!({
        "losses": { "crossEntropy": {} }, "optimizer": { "adamW": { "learningRate": 0.01 } }, "epochs": 4, "seed": 2
    });
    let mut run =
        Run::new(setup(model(json!({ "mlp": { "sizes": [8, 32, 3] } }), 3), None, &train, &train, options)).unwrap();
    drain(&mut run).unwrap();
    run.student().unwrap()
}

fn with(data: &Dataset, teacher: Option<Model>, more: Value) -> Setup {
    let mut options = json!({ "losses": { "crossEntropy": {}, "kl": {} }, "batchSize": 16, "steps": 60, "seed": 1, "optimizer": { "adamW": { "learningRate": 0.01 } } });
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    setup(model(json!({ "mlp": { "sizes": [8, 12, 3] } }), 5), teacher, data, &clusters(90, 9), options)
}

fn trained(setup: Setup) -> (Model, Report) {
    let mut run = Run::new(setup).unwrap();
    let report = drain(&mut run).unwrap().pop().unwrap();
    (run.student().unwrap(), report)
}

fn assert_equal_bits(a: &Model, b: &Model) {
    assert_eq!(a.to_file().unwrap().tensors, b.to_file().unwrap().tensors);
}

fn refusal(setup: Setup) -> String {
    Run::new(setup).err().unwrap().to_string()
}

#[test]
fn a_student_learns_from_the_teacher_alone_where_rows_have_no_label() {
    // Every tenth row has a label.
    let data = partly(&clusters(600, 2), |row| row % 10 == 0);
    let (_, report) = trained(with(&data, Some(teacher()), json!({})));
    let summary = report.summary.unwrap();
    assert!(summary.findings.is_empty(), "{:?}", summary.findings);
    assert!(report.validation.unwrap().accuracy.unwrap() > 0.8);
    // Without a loss over labels they need not be there at all: the same bits.
    let kl = json!({ "losses": { "kl": {} } });
    let of = |data: &Dataset| trained(with(data, Some(teacher()), kl.clone())).0;
    assert_equal_bits(&of(&data), &of(&partly(&data, |_| false)));
    assert_equal_bits(&of(&data), &of(&clusters(600, 2)));
}

#[test]
fn a_report_says_the_mean_of_the_steps_that_had_rows() {
    // Labels stand in the first of two batches alone.
    let data = partly(&clusters(32, 2), |row| row < 16);
    let options = |rows: Value| json!({ "shuffle": false, "steps": rows, "reportEvery": rows, "optimizer": { "sgd": { "learningRate": 1e-12 } } });
    let of = |steps: u64| trained(with(&data, Some(teacher()), options(json!(steps)))).1.terms["crossEntropy"];
    let (one, both) = (of(1), of(2));
    assert!(one > 0.1 && (one - both).abs() < 1e-6, "{one} {both}");
}

#[test]
fn a_run_over_them_resumes_to_the_same_bits() {
    let data = partly(&clusters(300, 2), |row| row % 3 != 1);
    let losses = json!({ "losses": {
        "crossEntropy": {}, "kl": { "temperature": 2 }, "dkd": { "weight": 0.1 }, "triplet": {}, "tripletBatch": {}, "similarity": {}
    } });
    let teacher = teacher();
    let whole = trained(with(&data, Some(teacher.clone()), losses.clone())).0;
    let folder = tempfile::tempdir().unwrap();
    let mut options = losses;
    options["checkpoint"] = json!({ "folder": folder.path(), "every": 1, "resume": true });
    options["reportEvery"] = json!(5);
    let begin = || Run::new(with(&data, Some(teacher.clone()), options.clone())).unwrap();
    let mut first = begin();
    (0..3).for_each(|_| drop(first.next().unwrap()));
    drop(first);
    assert!(begin().step() >= 5);
    assert_equal_bits(&trained(with(&data, Some(teacher.clone()), options.clone())).0, &whole);
    // Other labels are other data.
    let other = with(&partly(&data, |row| row != 0), Some(teacher), options);
    assert!(refusal(other).starts_with("data"));
}

#[test]
fn partners_are_labelled_rows_of_another_class() {
    let data = partly(&clusters(90, 2), |row| row % 5 == 0);
    let options = BatchOptions { batch_size: 16, pairs: true, ..BatchOptions::default() };
    let mut met = 0;
    for batch in data.batches(&options, 0).unwrap() {
        let batch = batch.unwrap();
        for (own, other) in batch.ids.iter().zip(&batch.pair.unwrap().ids) {
            let (own, other) = (data.label(*own as usize), data.label(*other as usize));
            assert!(other.is_some() && own != other, "{own:?} {other:?}");
            met += usize::from(own.is_none());
        }
    }
    assert_eq!(met, 72);
}

#[test]
fn the_proofs_ask_the_teacher_about_labelled_rows_alone() {
    // A teacher that knows its accuracy would look much worse if a row without a label counted as wrong.
    let mut sound = teacher();
    sound.provenance = json!({ "accuracy": 0.95 });
    let data = partly(&clusters(600, 2), |row| row % 2 == 0);
    let of = |teacher: Model, labelled: bool| {
        let mut setup = with(&data, Some(teacher), json!({}));
        setup.validation = labelled.then(|| partly(&clusters(300, 9), |row| row < 150));
        let summary = trained(setup).1.summary.unwrap();
        summary.findings.into_iter().map(|finding| finding.proof).collect::<Vec<_>>()
    };
    let mut untrained = model(json!({ "mlp": { "sizes": [8, 32, 3] } }), 3);
    untrained.provenance = json!({ "accuracy": 0.95 });
    for labelled in [false, true] {
        assert_eq!(of(sound.clone(), labelled), [""; 0]);
        let found = of(untrained.clone(), labelled);
        assert!(found == ["teacherBeatsChance"] || found == ["teacherInputs"], "{found:?}");
    }
}

#[test]
fn a_control_run_is_a_student_trained_on_the_labelled_rows_also_when_it_is_resumed() {
    let data = partly(&clusters(600, 2), |row| row % 10 == 0);
    let labelled = data.select(&data.labelled().collect::<Vec<_>>()).unwrap();
    let alone = trained(with(&labelled, None, json!({ "losses": { "crossEntropy": {} }, "steps": 20 }))).0;
    let folder = std::env::temp_dir().join(format!("limbeck-control-{}", std::process::id()));
    let checkpoint = json!({ "folder": folder, "every": 7, "resume": true });
    let setup = || {
        let options = json!({ "control": true, "steps": 20, "reportEvery": 1, "checkpoint": checkpoint });
        with(&data, Some(teacher()), options)
    };
    let mut stopped = Run::new(setup()).unwrap();
    for _ in 0..9 {
        stopped.next().unwrap();
    }
    stopped.flush_checkpoints().unwrap();
    drop(stopped);
    let mut resumed = Run::new(setup()).unwrap();
    assert_eq!(resumed.step(), 7);
    drain(&mut resumed).unwrap();
    assert_equal_bits(&resumed.control_student().unwrap().unwrap(), &alone);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn rows_that_teach_nothing_are_found() {
    let data = partly(&clusters(60, 2), |row| row < 20);
    let only = |losses: Value| {
        let findings = trained(with(&data, Some(teacher()), json!({ "losses": losses, "steps": 4 }))).1.findings;
        findings
            .into_iter()
            .filter(|finding| finding.proof == "rowsAreUsed")
            .map(|finding| finding.message)
            .collect::<Vec<_>>()
    };
    let found = only(json!({ "crossEntropy": {}, "dkd": {}, "kl": { "weight": 0 } }));
    assert!(
        found.len() == 1 && found[0].starts_with("40 of 60 rows have no label, and every loss needs one"),
        "{found:?}"
    );
    assert!(only(json!({ "crossEntropy": {}, "kl": {} })).is_empty());
    let mut alone = with(&data, None, json!({ "losses": { "crossEntropy": {} }, "proofs": "strict" }));
    alone.validation = None;
    assert!(refusal(alone).contains("rowsAreUsed"));
}

#[test]
fn what_cannot_do_without_labels_is_refused_with_the_remedy() {
    let train = clusters(60, 2);
    let none = partly(&train, |_| false);
    assert_eq!(
        refusal(with(&none, Some(teacher()), json!({}))),
        "losses.crossEntropy: expected one label per row in the data, got no labels"
    );
    let text = refusal(with(&none, Some(teacher()), json!({ "losses": { "kl": {} }, "control": true })));
    assert_eq!(text, "control: expected labels for a control run without teacher, got none");
    let mut smoothed = with(&partly(&train, |row| row != 7), None, json!({ "losses": { "kl": {} } }));
    smoothed.teacher = SmoothedLabels { share: 0.1 }.into();
    let text = refusal(smoothed);
    assert!(text.starts_with("teacher.labelSmoothing: expected a label in every row, got none in row 7"), "{text}");
    let one_class = partly(&train, |row| row % 3 == 0);
    let text = refusal(with(&one_class, Some(teacher()), json!({ "losses": { "triplet": {} } })));
    assert!(text.contains("losses.triplet") && text.contains("two or more classes"), "{text}");
}
