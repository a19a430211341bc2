//! Labels that are probabilities, and weights by class.

use super::*;
use crate::error::Code;
use crate::kernels::cpu::isa::on_each;

/// A case whose labels are probabilities of its classes.
fn soft(rows: usize, classes: usize, scale: f64) -> Case {
    let mut case = Case { soft: true, ..Case::new(rows, classes, scale) };
    for row in case.targets.chunks_mut(classes) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|y| *y /= sum);
    }
    case
}

/// A loss by its options, and a function that makes a case from rows, classes and scale.
type Make = (Value, fn(usize, usize, f64) -> Case);

fn all(classes: usize) -> Vec<Make> {
    let each: Vec<f64> = (0..classes).map(|class| class as f64 / 2.0).collect();
    vec![
        (json!({ "crossEntropy": {} }), soft),
        (json!({ "crossEntropy": { "labelSmoothing": 0.2 } }), soft),
        (json!({ "crossEntropy": {}, "kl": { "temperature": 2 }, "jsd": {} }), soft),
        (json!({ "crossEntropy": { "labelWeights": each } }), Case::new),
        (json!({ "binaryCrossEntropy": { "posWeight": each } }), Case::new),
        (json!({ "binaryCrossEntropy": { "posWeight": 4 } }), Case::new),
    ]
}

#[test]
fn the_gradient_is_that_of_the_value() {
    for (options, make) in all(7) {
        let (case, losses) = (make(3, 7, 2.0), losses(options.clone()));
        let (_, gradient) = case.run(&losses, Precision::F64);
        let slope = |at: usize| {
            let moved = |by: f64| {
                let mut case = case.clone();
                case.student[at] += by;
                case.run(&losses, Precision::F64).0
            };
            (moved(1e-5) - moved(-1e-5)) / 2e-5
        };
        let slopes: Vec<f64> = (0..case.student.len()).map(slope).collect();
        assert_near(&options.to_string(), &gradient, &slopes, 1e-7);
    }
}

#[test]
fn the_kernel_agrees_with_the_reference_on_every_size() {
    for (rows, classes, scale) in [(1, 2, 4.0), (3, 7, 4.0), (4, 131, 4.0), (2, 2500, 4.0), (3, 33, 1e4)] {
        for (options, make) in all(classes) {
            let (case, losses) = (make(rows, classes, scale), losses(options.clone()));
            let (value, gradient) = case.run(&losses, Precision::F64);
            on_each(|isa| {
                let what = format!("{options} {rows} × {classes} {}", isa.name());
                let (single_value, single) = case.run(&losses, Precision::F32);
                assert_near(&what, &single, &gradient, 2e-6 * (classes as f64).sqrt() + 5e-7);
                Precision::F32.compare(&what, &[single_value], &[value]).unwrap();
            });
        }
    }
}

#[test]
fn probabilities_of_one_class_are_that_class() {
    let mut one_hot = soft(4, 5, 3.0);
    for (row, label) in one_hot.targets.chunks_mut(5).zip(&one_hot.labels) {
        row.fill(0.0);
        row[*label as usize] = 1.0;
    }
    let hard = Case { soft: false, ..one_hot.clone() };
    let losses = losses(json!({ "crossEntropy": { "labelSmoothing": 0.1 } }));
    for precision in [Precision::F64, Precision::F32] {
        let ((value, gradient), (of_hard, hard)) = (one_hot.run(&losses, precision), hard.run(&losses, precision));
        assert_near("value", &[value], &[of_hard], 1e-6);
        assert_near("gradient", &gradient, &hard, 1e-6);
    }
}

#[test]
fn a_positive_weight_of_one_changes_nothing_and_a_larger_one_counts_true_labels_more_often() {
    let case = Case::new(4, 5, 3.0);
    let run = |options: Value| case.run(&losses(json!({ "binaryCrossEntropy": options })), Precision::F64);
    let (plain, one) = (run(json!({})), run(json!({ "posWeight": 1 })));
    assert_near("value", &[one.0], &[plain.0], 1e-12);
    assert_near("gradient", &one.1, &plain.1, 1e-12);
    // The loss is linear in the weight.
    let (zero, three) = (run(json!({ "posWeight": 0 })), run(json!({ "posWeight": 3 })));
    assert_near("value", &[three.0], &[3.0 * plain.0 - 2.0 * zero.0], 1e-12);
}

#[test]
fn soft_labels_that_are_no_probabilities_are_refused_with_the_remedy() {
    let losses = losses(json!({ "crossEntropy": {} }));
    let mut case = soft(3, 5, 2.0);
    case.targets[5..10].fill(0.5);
    for precision in [Precision::F64, Precision::F32] {
        let error = case.try_run(&losses, precision).unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (Code::InvalidData, "labels"));
        let message = "expected probabilities that add up to 1, got 2.5 in row 1: for several labels per row use binaryCrossEntropy";
        assert_eq!(error.message, message);
    }
    // A row of weight 0 may contain any numbers.
    case.row_weights = Some(vec![1.0, 0.0, 1.0]);
    assert!(case.try_run(&losses, Precision::F32).is_ok());
}

#[test]
fn weights_that_fit_neither_labels_nor_classes_are_refused() {
    let refused = |options: Value, given: Given| losses(options).check(&given).unwrap_err().to_string();
    let several = Given { labels: LabelKind::Several, ..given() };
    let weights = json!({ "crossEntropy": { "labelWeights": [1, 1, 1, 1, 2] } });
    let text = refused(weights.clone(), several);
    assert!(text.starts_with("crossEntropy.labelWeights: expected labels of one class per row"), "{text}");
    let error = soft(3, 5, 2.0).try_run(&losses(weights), Precision::F32).unwrap_err();
    assert_eq!(error.path, "crossEntropy.labelWeights");
    let text = refused(json!({ "crossEntropy": { "labelWeights": "balanced" } }), given());
    assert!(text.starts_with("crossEntropy.labelWeights: expected one number per class for a stream"), "{text}");
    let text = refused(json!({ "binaryCrossEntropy": { "posWeight": [1, 2] } }), several);
    assert_eq!(text, "binaryCrossEntropy.posWeight: expected 5 numbers, one per class, got 2");
    assert!(losses(json!({ "crossEntropy": {} })).check(&several).is_ok());
}

#[test]
fn row_weights_that_are_not_one_per_sample_are_refused_by_losses_over_layers() {
    let losses = losses(json!({ "similarity": {} }));
    let mut batch = Case::new(4, 5, 2.0).batch(&losses, Precision::F32);
    batch.row_weights = Some(vec![1.0; 8]);
    let error = losses.denominators(&[&batch]).unwrap_err();
    let message = "expected one weight per sample, 4 of them, got 8: losses over layers compare whole samples";
    assert_eq!((error.path.as_str(), error.message.as_str()), ("rowWeights", message));
}
