//! Data, models and runs that several suites use.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use limbeck_core::dataset::{Columns, Dataset, Inputs, LabelColumn};
use limbeck_core::error::Result;
use limbeck_core::models::Model;
use limbeck_core::options::TrainOptions;
use limbeck_core::reading::parse;
use limbeck_core::run::{Data, Report, Run, Setup};
use limbeck_core::teacher::Teachers;

/// Three noisy clusters on a plane of eight axes.
pub fn clusters(rows: usize, seed: u64) -> Dataset {
    let key = limbeck_core::random::Key::new(seed);
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let label = row % 3;
        for axis in 0..8 {
            let centre = if axis % 3 == label { 1.5 } else { 0.0 };
            inputs.push(centre + key.normal((row * 8 + axis) as u64));
        }
        labels.push(label as u32);
    }
    let labels = LabelColumn::Single { values: labels, classes: Some(3) };
    Dataset::new(Columns::new(Inputs::F32 { values: inputs, shape: vec![8] }, labels)).unwrap()
}

pub fn model(json: serde_json::Value, seed: u64) -> Model {
    Model::create(parse(&json.to_string()).unwrap(), seed).unwrap()
}

pub fn options(json: serde_json::Value) -> TrainOptions {
    parse(&json.to_string()).unwrap()
}

pub fn setup(
    student: Model,
    teacher: Option<Model>,
    data: &Dataset,
    validation: &Dataset,
    json: serde_json::Value,
) -> Setup {
    Setup {
        student,
        teacher: teacher.map_or_else(Teachers::default, Teachers::from),
        data: Data::Dataset(data.clone()),
        validation: Some(validation.clone()),
        options: options(json),
        cancel: Arc::new(AtomicBool::new(false)),
        mutual: None,
    }
}

pub fn drain(run: &mut Run) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    while let Some(report) = run.next()? {
        reports.push(report);
    }
    Ok(reports)
}
