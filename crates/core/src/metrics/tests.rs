//! Tests each metric on rows that can be checked by hand, against its golden file, and batch by batch.

use super::*;
use crate::batch::Batch;
use crate::dataset::{BatchOptions, Columns, Dataset, Inputs, LabelColumn};
use crate::labels::UNLABELLED;
use crate::tensor::from_vec;
use serde_json::json;

/// Four rows of three classes: predicted 0, 1, 1, 2.
const LOGITS: [f64; 12] = [2.0, 1.0, 0.0, 0.0, 3.0, 1.0, 1.0, 1.5, 0.0, 0.0, 0.0, 1.0];
const LABELS: [u32; 4] = [0, 1, 0, 1];

fn of(name: &str, options: serde_json::Value, rows: &[Rows<'_>]) -> Measure {
    let metrics: Metrics = serde_json::from_value(json!({ name: options })).unwrap();
    let chosen = metrics.chosen();
    let mut running = chosen[0].1.start(rows[0].outputs());
    rows.iter().for_each(|rows| running.add(rows));
    running.measure()
}

fn single() -> Rows<'static> {
    Rows::new(&LOGITS, 3, Truth::Single(&LABELS), None).unwrap()
}

fn near(measure: Measure, expected: f64) {
    let got = measure.number().unwrap();
    assert!((got - expected).abs() < 1e-12, "{got} {expected}");
}

#[test]
fn accuracy_counts_the_largest_logit_and_top_k_the_k_largest() {
    near(of("accuracy", json!({}), &[single()]), 0.5);
    near(of("topKAccuracy", json!({ "k": 1 }), &[single()]), 0.5);
    near(of("topKAccuracy", json!({ "k": 2 }), &[single()]), 0.75); // row 3: class 0 comes before class 1, whose logit is equal
    near(of("topKAccuracy", json!({ "k": 3 }), &[single()]), 1.0);
}

#[test]
fn per_class_and_macro_f1_follow_scikit_learn() {
    let Measure::Classes(lines) = of("perClass", json!({}), &[single()]) else { panic!() };
    let line = |label, count, predicted, precision, recall, f1| ClassMeasure {
        label,
        count,
        predicted,
        precision,
        recall,
        f1,
    };
    let expected =
        [line(0, 2.0, 1.0, 1.0, 0.5, 2.0 / 3.0), line(1, 2.0, 2.0, 0.5, 0.5, 0.5), line(2, 0.0, 1.0, 0.0, 0.0, 0.0)];
    assert_eq!(lines, expected);
    near(of("macroF1", json!({}), &[single()]), (2.0 / 3.0 + 0.5) / 3.0);
}

#[test]
fn macro_f1_leaves_out_classes_that_never_occur() {
    let rows = Rows::new(&LOGITS[..6], 3, Truth::Single(&LABELS[..2]), None).unwrap();
    near(of("macroF1", json!({}), &[rows]), 1.0);
}

#[test]
fn cross_entropy_is_the_mean_negative_log_likelihood() {
    let expected: f64 = LOGITS
        .chunks(3)
        .zip(LABELS)
        .map(|(row, label)| row.iter().map(|z| z.exp()).sum::<f64>().ln() - row[label as usize])
        .sum();
    near(of("crossEntropy", json!({}), &[single()]), expected / 4.0);
    let huge = Rows::new(&[10_000.0, -10_000.0], 2, Truth::Single(&[1]), None).unwrap();
    near(of("crossEntropy", json!({}), &[huge]), 20_000.0);
}

#[test]
fn metrics_of_several_labels_count_whole_rows_or_single_labels() {
    let truth = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    let logits = [2.0, -1.0, 0.3, 0.3, 1.0, -3.0];
    let rows = || [Rows::new(&logits, 3, Truth::Several(&truth), None).unwrap()];
    near(of("exactMatch", json!({}), &rows()), 0.5);
    near(of("exactMatch", json!({ "threshold": 0.6 }), &rows()), 0.5); // row 0 loses its third, row 1 gains
    near(of("microF1", json!({}), &rows()), 2.0 * 3.0 / (4.0 + 3.0));
    near(of("microF1", json!({ "threshold": 0.6 }), &rows()), 2.0 * 2.0 / (2.0 + 3.0));
    let expected: f64 = logits.iter().zip(truth).map(|(z, y)| (1.0 + z.exp()).ln() - y * z).sum();
    near(of("binaryCrossEntropy", json!({}), &rows()), expected / 6.0);
    let wide = Rows::new(&[1_000.0, -1_000.0], 2, Truth::Several(&[1.0, 0.0]), None).unwrap();
    near(of("binaryCrossEntropy", json!({}), &[wide]), 0.0);
}

#[test]
fn mean_squared_error_is_a_mean_over_rows_and_outputs() {
    let rows = Rows::new(&[1.0, 2.0, 3.0, 4.0], 2, Truth::Real(&[1.0, 4.0, 0.0, 4.0]), None).unwrap();
    near(of("meanSquaredError", json!({}), &[rows]), (4.0 + 9.0) / 4.0);
}

#[test]
fn agreement_and_divergence_compare_with_the_teacher() {
    let teacher = [3.0, 0.0, 0.0, 0.0, 0.0, 9.0, 1.0, 1.5, 0.0, 1.0, 0.0, 0.0];
    let rows = || [Rows::new(&LOGITS, 3, Truth::None, Some(&teacher)).unwrap()];
    near(of("agreement", json!({}), &rows()), 0.5);
    let same = [Rows::new(&LOGITS, 3, Truth::None, Some(&LOGITS)).unwrap()];
    near(of("teacherKl", json!({}), &same), 0.0);
    // The value that the loss kl has at T = 2 on these rows, without its factor T².
    let pair = [Rows::new(&[1.0, 2.0, 3.0], 3, Truth::None, Some(&[3.0, 2.0, 1.0])).unwrap()];
    near(of("teacherKl", json!({ "temperature": 2 }), &pair), 1.2806266713192258 / 4.0);
    let certain = [f64::NEG_INFINITY, 0.0];
    let sure = [Rows::new(&[0.0, 0.0], 2, Truth::None, Some(&certain)).unwrap()];
    near(of("teacherKl", json!({}), &sure), 2f64.ln());
}

#[test]
fn batches_of_any_size_give_the_metric_of_all_rows() {
    let teacher: Vec<f64> = LOGITS.iter().rev().copied().collect();
    let all = || [Rows::new(&LOGITS, 3, Truth::Single(&LABELS), Some(&teacher)).unwrap()];
    let names = ["accuracy", "topKAccuracy", "crossEntropy", "macroF1", "calibrationError", "agreement", "teacherKl"];
    for name in names {
        let cut = |from: usize, to: usize| {
            let (logits, teacher) = (&LOGITS[3 * from..3 * to], &teacher[3 * from..3 * to]);
            Rows::new(logits, 3, Truth::Single(&LABELS[from..to]), Some(teacher)).unwrap()
        };
        let options = || if name == "topKAccuracy" { json!({ "k": 2 }) } else { json!({}) };
        let pieces = of(name, options(), &[cut(0, 1), cut(1, 3), cut(3, 4)]);
        near(pieces, of(name, options(), &all()).number().unwrap());
    }
}

#[test]
fn golden_values_are_met() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/golden/metrics");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let got = golden(file["name"].as_str().unwrap(), &case["options"], &case["inputs"]).unwrap().unwrap();
            let expected = &case["value"];
            let expected: Vec<f64> = match expected.as_array() {
                Some(numbers) => numbers.iter().map(|number| number.as_f64().unwrap()).collect(),
                None => vec![expected.as_f64().unwrap()],
            };
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.into_iter().zip(expected) {
                assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{} {got} {expected}", case["name"]);
            }
            cases += 1;
        }
    }
    assert!(cases > 0);
    assert!(golden("bleu", &json!({}), &json!({})).is_none(), "an unknown name is known to be unknown");
}

#[test]
fn the_numbers_of_the_paper_s_diagnostics_and_their_edges() {
    let (student, teacher) = ([1.0, 1.5, -0.5, 0.0], [2.0, 1.0, 0.5, -1.0]);
    let of = |name: &str, options: serde_json::Value, student: &[f64], teacher: &[f64]| {
        of(name, options, &[Rows::new(student, student.len(), Truth::Single(&[0]), Some(teacher)).unwrap()])
    };
    let spread = |options: serde_json::Value, student: &[f64], teacher: &[f64]| {
        let Measure::Spread(spread) = of("reweighting", options, student, teacher) else { panic!() };
        spread
    };
    for (weight, temperature, expected) in [(0.5, 2.0, 0.6982249179), (1.0, 1.0, 0.4350908903)] {
        let found = spread(json!({ "weight": weight, "temperature": temperature }), &student, &teacher);
        assert!((found.median - expected).abs() < 1e-9);
    }
    for (temperature, expected) in [(1.0, 0.5207199499), (2.0, 0.7541337334), (4.0, 0.8795803915)] {
        let found =
            of("equivalentSmoothing", json!({ "temperature": temperature }), &student, &teacher).number().unwrap();
        assert!((found - expected).abs() < 1e-9);
    }
    // 1 − q_t below 1e-12: skipped and counted; just above: exact, though 1 − q_t is rounded in f64.
    let sure = spread(json!({}), &[40.0, 0.0], &[1.0, 0.0]);
    assert_eq!((sure.rows, sure.skipped), (0, 1));
    // Both models are nearly certain: 1 − q = e^-25/(1 + e^-25), 1 − p = e^-26/(1 + e^-26); w = ((1 − q) − (1 − p))/(1 − q).
    let nearly = spread(json!({ "weight": 1.0 }), &[25.0, 0.0], &[26.0, 0.0]);
    let wrong = |distance: f64| (-distance).exp() / (1.0 + (-distance).exp());
    assert!((nearly.median - (wrong(25.0) - wrong(26.0)) / wrong(25.0)).abs() < 1e-9);
    // A teacher that gives the label probability 0, and one that gives it 1.
    let (never, alone) = ([f64::NEG_INFINITY, 0.0], [0.0, f64::NEG_INFINITY]);
    assert_eq!(spread(json!({ "weight": 1.0 }), &[0.0, 0.0], &never).median, -1.0);
    assert_eq!(of("equivalentSmoothing", json!({}), &[0.0, 0.0], &alone), Measure::Number(0.0));
    assert_eq!(
        of("equivalentSmoothing", json!({ "temperature": 1e-3 }), &[0.0, 0.0], &[-1e4, 1e4]),
        Measure::Number(2.0)
    );
}

fn data(labels: LabelColumn) -> Dataset {
    let mut columns = Columns::new(Inputs::F32 { values: vec![0.0; 4], shape: vec![1] }, labels);
    columns.weights = Some(vec![1.0, 1.0, 0.0, 2.0]);
    Dataset::new(columns).unwrap()
}

#[test]
fn evaluation_streams_over_batches_and_leaves_out_masked_rows() {
    let data = data(LabelColumn::Single { values: LABELS.to_vec(), classes: Some(3) });
    let mut evaluation = Evaluator::new(&Metrics::fitting(data.label_kind(), true), &data, 3, true).unwrap();
    let logits: Vec<f32> = LOGITS.iter().map(|z| *z as f32).collect();
    for (at, batch) in data.batches(&BatchOptions::in_order(3), 0).unwrap().enumerate() {
        let batch: Batch = batch.unwrap();
        let part = from_vec(logits[9 * at..][..3 * batch.rows()].to_vec(), (batch.rows(), 3)).unwrap();
        evaluation.add(&part, &batch, Some(&part)).unwrap();
    }
    let measures = evaluation.measures();
    assert_eq!(evaluation.rows(), 3);
    assert_eq!(measures["accuracy"], Measure::Number(0.5));
    assert_eq!(measures["agreement"], Measure::Number(1.0));
    let names = ["accuracy", "agreement", "calibrationError", "loss", "macroF1", "teacherKl"];
    assert!(measures.keys().eq(names));
}

#[test]
fn rows_without_a_label_count_only_in_comparisons_with_the_teacher() {
    let mut labels = LABELS.to_vec();
    labels[0] = UNLABELLED;
    let data = data(LabelColumn::Single { values: labels, classes: Some(3) });
    let mut evaluation = Evaluator::new(&Metrics::fitting(data.label_kind(), true), &data, 3, true).unwrap();
    let logits: Vec<f32> = LOGITS.iter().map(|z| *z as f32).collect();
    // The teacher's output differs from the student's in the row without a label; the third row has weight 0.
    let mut teacher = logits.clone();
    teacher[..3].reverse();
    let tensor = |logits: &[f32]| from_vec(logits.to_vec(), (4, 3)).unwrap();
    evaluation.add(&tensor(&logits), &data.batch_of_all(0).unwrap(), Some(&tensor(&teacher))).unwrap();
    let measures = evaluation.measures();
    assert_eq!(measures["accuracy"], Measure::Number(1.0 / 3.0));
    assert_eq!((evaluation.rows(), &measures["agreement"]), (3, &Measure::Number(0.75)));
    // Accuracy is rejected for a view without any label.
    let none = data.select(&[0]).unwrap();
    let metrics: Metrics = serde_json::from_value(json!({ "accuracy": {} })).unwrap();
    let error = Evaluator::new(&metrics, &none, 3, false).err().unwrap();
    assert_eq!(error.to_string(), "accuracy: expected one label per row, got none");
}

#[test]
fn metrics_that_do_not_fit_the_data_are_rejected_by_name() {
    let classes = data(LabelColumn::Single { values: LABELS.to_vec(), classes: Some(3) });
    let refused = |options: serde_json::Value| {
        let metrics: Metrics = serde_json::from_value(options).unwrap();
        Evaluator::new(&metrics, &classes, 3, false).err().unwrap().to_string()
    };
    assert_eq!(
        refused(json!({ "agreement": {} })),
        "agreement: expected a teacher whose outputs are classes, got none"
    );
    assert_eq!(refused(json!({ "microF1": {} })), "microF1: expected several labels per row, got none");
    assert_eq!(
        refused(json!({ "topKAccuracy": { "k": 4 } })),
        "topKAccuracy.k: expected an integer from 1 to 3 (the number of classes), got 4"
    );
    assert_eq!(
        refused(json!({ "calibrationError": { "bins": 0 } })),
        "calibrationError.bins: expected an integer from 1 to 100000, got 0"
    );
    let unknown = serde_json::from_value::<Metrics>(json!({ "acuracy": {} })).unwrap_err().to_string();
    assert!(unknown.contains("unknown field `acuracy`"), "{unknown}");

    let mut evaluation = Evaluator::new(&Metrics::fitting(classes.label_kind(), false), &classes, 2, false).unwrap();
    let batch = classes.batch(&[0], 0).unwrap();
    let error = evaluation.add(&from_vec(vec![0f32; 3], (1, 3)).unwrap(), &batch, None).unwrap_err();
    assert_eq!(error.to_string(), "outputs: expected [1, 2], got [1, 3]");
}

#[test]
fn labels_beyond_the_outputs_are_refused() {
    let error = Rows::new(&[0.0, 1.0], 2, Truth::Single(&[2]), None).err().unwrap();
    assert_eq!(error.to_string(), "labels[0]: expected a label below 2 (the outputs of the model), got 2");
}
