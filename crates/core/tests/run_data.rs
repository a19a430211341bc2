//! What a run makes of its data: streams beside data sets, augmentation, metrics of the validation, cached teachers.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use limbeck_core::batch::Batch;
use limbeck_core::dataset::{Columns, Dataset, Inputs, LabelColumn, TeacherColumn};
use limbeck_core::error::{Code, Result};
use limbeck_core::metrics::Measure;
use limbeck_core::models::Model;
use limbeck_core::random::Key;
use limbeck_core::reading::parse;
use limbeck_core::run::{Data, Report, Run, Setup, Stream};
use limbeck_core::teacher::{Column, Teachers};
use serde_json::{Value, json};

const ROWS: usize = 96;

fn columns() -> Columns {
    let mut inputs = vec![0.0; 4 * ROWS];
    Key::new(1).fill_normal(&mut inputs, 0.0, 1.0);
    let labels = inputs.chunks(4).map(|row| u32::from(row[0] > row[1])).collect();
    let labels = LabelColumn::Single { values: labels, classes: Some(2) };
    Columns::new(Inputs::F32 { values: inputs, shape: vec![1, 2, 2] }, labels)
}

fn data() -> Dataset {
    Dataset::new(columns()).unwrap()
}

/// The rows in their order, 32 at a time, epoch after epoch.
struct Rows(u64);

impl Stream for Rows {
    fn next(&mut self, _cancel: &AtomicBool) -> Result<Option<Batch>> {
        let (epoch, batch) = (self.0 / 3, (self.0 % 3) as u32);
        self.0 += 1;
        data().batch(&(32 * batch..32 * (batch + 1)).collect::<Vec<_>>(), epoch).map(Some)
    }
}

fn setup(data: Data, validation: Option<Dataset>, teacher: Option<Column>, more: Value) -> Setup {
    let student = json!({ "layers": [{ "flatten": {} }, { "linear": { "outputs": 2 } }], "input": [1, 2, 2] });
    let mut options = json!({ "losses": { "crossEntropy": {} }, "batchSize": 32, "steps": 6, "shuffle": false });
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    Setup {
        student: Model::create(parse(&student.to_string()).unwrap(), 3).unwrap(),
        teacher: teacher.map_or_else(Teachers::default, Teachers::from),
        data,
        validation,
        options: parse(&options.to_string()).unwrap(),
        cancel: Arc::new(AtomicBool::new(false)),
        mutual: None,
    }
}

fn run(setup: Setup) -> (Vec<f64>, Report) {
    let mut run = Run::new(setup).unwrap();
    let mut last = None;
    while let Some(report) = run.next().unwrap() {
        last = Some(report);
    }
    let parameters = &run.student().unwrap().parameters;
    let weights = parameters.names().flat_map(|name| parameters.get(name).unwrap().1).map(f64::from).collect();
    (weights, last.unwrap())
}

fn refused(setup: Setup) -> String {
    Run::new(setup).err().unwrap().to_string()
}

#[test]
fn a_stream_of_the_same_batches_trains_to_the_same_bits_as_a_data_set() {
    let stream = || Data::Stream(Box::new(Rows(0)));
    let dataset = || Data::Dataset(data());
    assert_eq!(run(setup(stream(), None, None, json!({}))).0, run(setup(dataset(), None, None, json!({}))).0);
    let augment = || json!({ "augment": { "noise": { "std": 0.3 }, "flip": { "horizontal": 0.5 } } });
    let augmented = run(setup(stream(), None, None, augment())).0;
    assert_eq!(augmented, run(setup(dataset(), None, None, augment())).0);
    assert_ne!(augmented, run(setup(stream(), None, None, json!({}))).0);
}

/// The same batch again and again.
struct Same(Dataset);

impl Stream for Same {
    fn next(&mut self, _cancel: &AtomicBool) -> Result<Option<Batch>> {
        self.0.batch(&(0..32).collect::<Vec<_>>(), 0).map(Some)
    }
}

#[test]
fn a_stream_whose_labels_do_not_fit_the_losses_is_refused_at_its_first_batch() {
    let real = |outputs| LabelColumn::Real { values: vec![1.0; outputs * ROWS], outputs };
    let (kind, shape) = (Code::InvalidData, Code::ShapeMismatch);
    for (loss, labels, code, message) in [
        ("crossEntropy", LabelColumn::None, kind, "expected one label per row for crossEntropy, got no labels"),
        ("crossEntropy", real(2), kind, "expected one label per row for crossEntropy, got real numbers as labels"),
        ("mse", real(4), shape, "expected 32 rows of 2 numbers, got the shape [32, 4]"),
        ("mse", real(1), shape, "expected 32 rows of 2 numbers, got the shape [32, 1]"),
    ] {
        let stream = Same(Dataset::new(Columns { labels, ..columns() }).unwrap());
        let setup = setup(Data::Stream(Box::new(stream)), None, None, json!({ "losses": { loss: {} } }));
        let error = Run::new(setup).unwrap().next().err().unwrap();
        assert_eq!((error.code, error.path.as_str()), (code, "labels"));
        // What to do about it may follow.
        assert!(error.message.starts_with(message), "{error}");
    }
}

#[test]
fn validation_reports_the_metrics_that_were_asked_for() {
    let metrics = json!({ "metrics": { "macroF1": {}, "perClass": {}, "topKAccuracy": { "k": 2 } } });
    let (_, report) = run(setup(Data::Dataset(data()), Some(data()), None, metrics));
    let validation = report.validation.unwrap();
    assert!(validation.accuracy.is_some() && validation.loss.is_some() && validation.agreement.is_none());
    assert_eq!(validation.metrics["topKAccuracy"], Measure::Number(1.0));
    let names: Vec<_> = validation.metrics.keys().collect();
    assert_eq!(names, ["macroF1", "perClass", "topKAccuracy"]);
    let shown = serde_json::to_value(&validation).unwrap();
    assert_eq!(shown["topKAccuracy"], json!(1.0));
    assert_eq!(shown["perClass"][1]["label"], json!(1));
}

#[test]
fn metrics_that_the_validation_cannot_give_are_refused_before_the_first_step() {
    let asked =
        |metrics: Value, validation| setup(Data::Dataset(data()), validation, None, json!({ "metrics": metrics }));
    assert_eq!(
        refused(asked(json!({ "teacherKl": {} }), Some(data()))),
        "metrics.teacherKl: expected a teacher whose outputs are classes, got none"
    );
    assert_eq!(
        refused(asked(json!({ "topKAccuracy": { "k": 3 } }), Some(data()))),
        "metrics.topKAccuracy.k: expected an integer from 1 to 2 (the number of classes), got 3"
    );
    assert_eq!(
        refused(asked(json!({ "macroF1": {} }), None)),
        "metrics: expected validation data for these metrics, got none"
    );
}

#[test]
fn a_cached_teacher_is_compared_with_and_excludes_augmentation() {
    let mut columns = columns();
    columns.teacher = Some(TeacherColumn { logits: vec![1.0; 2 * ROWS], width: 2, top: None, ids: None });
    let cached = Dataset::new(columns).unwrap();
    let kl = |more: Value| {
        let mut options = json!({ "losses": { "kl": {} } });
        more.as_object().unwrap().iter().for_each(|(key, value)| options[key] = value.clone());
        options
    };
    let with = |data, more| setup(data, Some(cached.clone()), Some(Column), kl(more));
    let metrics = json!({ "metrics": { "teacherKl": {} } });
    let validation = run(with(Data::Dataset(cached.clone()), metrics)).1.validation.unwrap();
    assert!(validation.agreement.is_some() && validation.metrics["teacherKl"].number().unwrap() >= 0.0);
    for data in [Data::Dataset(cached.clone()), Data::Stream(Box::new(Rows(0)))] {
        let message = refused(with(data, json!({ "augment": { "noise": { "std": 0.1 } } })));
        assert!(
            message.starts_with("augment: expected no augmentation together with stored teacher logits"),
            "{message}"
        );
    }
}
