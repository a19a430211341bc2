//! Errors and their messages.

use super::*;
use crate::error::Code;

fn refusal(options: Value) -> String {
    match serde_json::from_value(options) {
        Ok(options) => Losses::new(options).err().map_or_else(|| "accepted".into(), |error| error.to_string()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn options_out_of_range_are_refused_by_path() {
    let zero = json!({ "kl": { "temperature": 0 } });
    assert_eq!(refusal(zero), "kl.temperature: expected a number above 0, got 0");
    let weight = json!({ "kl": { "weight": -1 } });
    assert_eq!(refusal(weight), "kl.weight: expected a finite number of at least 0, got -1");
    let smoothing = json!({ "crossEntropy": { "labelSmoothing": 1 } });
    assert_eq!(refusal(smoothing), "crossEntropy.labelSmoothing: expected a number of at least 0 and below 1, got 1");
    let weights = json!({ "crossEntropy": { "labelWeights": [1, -2] } });
    assert_eq!(refusal(weights), "crossEntropy.labelWeights.1: expected a finite number of at least 0, got -2");
    let none = json!({ "kl": { "weight": 0 } });
    assert!(refusal(none).starts_with("expected at least one loss with a weight above 0"));
    assert!(refusal(json!({})).starts_with("expected at least one loss"));
    assert!(refusal(json!({ "kl": { "temprature": 2 } })).contains("temprature"));
    assert!(refusal(json!({ "kll": {} })).contains("kll"));
    assert!(refusal(json!({ "kl": { "temperature": "hot" } })).contains("expected a number"));
    for (options, message) in [
        (json!({ "jsd": { "beta": 1.5 } }), "jsd.beta: expected a number from 0 to 1, got 1.5"),
        (json!({ "skewKl": { "alpha": 1 } }), "skewKl.alpha: expected a number of at least 0 and below 1, got 1"),
        (
            json!({ "skewReverseKl": { "alpha": -0.1 } }),
            "skewReverseKl.alpha: expected a number of at least 0 and below 1, got -0.1",
        ),
        (json!({ "dkd": { "alpha": -1 } }), "dkd.alpha: expected a finite number of at least 0, got -1"),
        (json!({ "dkd": { "alpha": 0, "beta": 0 } }), "dkd.beta: expected a number above 0 if alpha is 0, got 0"),
        (json!({ "dist": { "inter": 0, "intra": 0 } }), "dist.intra: expected a number above 0 if inter is 0, got 0"),
        (json!({ "dist": { "inter": -1 } }), "dist.inter: expected a finite number of at least 0, got -1"),
        (json!({ "kdSim": { "power": 0 } }), "kdSim.power: expected a finite number above 0, got 0"),
        (json!({ "kdPtSim": { "sharpness": 0 } }), "kdPtSim.sharpness: expected a finite number above 0, got 0"),
        (json!({ "kdPtSim": { "mix": 2 } }), "kdPtSim.mix: expected a number from 0 to 1, got 2"),
        (json!({ "kdTopk": { "k": 0 } }), "kdTopk.k: expected an integer of at least 1, got 0"),
        (json!({ "uld": { "temperature": 0 } }), "uld.temperature: expected a number above 0, got 0"),
        (json!({ "tvd": { "temperature": -2 } }), "tvd.temperature: expected a number above 0, got -2"),
    ] {
        assert_eq!(refusal(options), message);
    }
    assert!(refusal(json!({ "kdTopk": {} })).contains("missing field `k`"));
    assert!(refusal(json!({ "kdTopk": { "k": 2.5 } })).contains("2.5"));
    assert!(refusal(json!({ "kdTopk": { "k": 2, "missing": "dropped" } })).contains("dropped"));
    assert!(refusal(json!({ "kdSim": { "similar": [] } })).contains("similar"));
    let schedule = json!({ "binaryKl": { "temperature": { "linear": { "from": 1, "to": 0, "steps": 5 } } } });
    assert_eq!(refusal(schedule), "binaryKl.temperature.linear.to: expected a number above 0, got 0");
}

#[test]
fn a_run_that_cannot_give_what_a_loss_needs_is_refused_by_its_name() {
    let both = losses(json!({ "crossEntropy": {}, "kl": {} }));
    assert!(both.check(&given()).is_ok());
    let message = |losses: &Losses, given: Given| losses.check(&given).unwrap_err().to_string();
    let text = message(&both, Given { labels: LabelKind::None, ..given() });
    assert_eq!(text, "crossEntropy: expected one label per row in the data, got no labels");
    assert!(message(&both, Given { teacher_classes: None, ..given() }).starts_with("kl: expected a teacher"));
    let text = message(&both, Given { teacher_classes: Some(6), ..given() });
    assert_eq!(text, "kl: expected a teacher with the student's 5 classes, got one with 6");
    assert!(message(&both, Given { classes: 1, teacher_classes: Some(1), ..given() }).contains("at least 2 classes"));
    let dense = losses(json!({ "logitMse": {} }));
    assert!(
        message(&dense, Given { teacher_form: Form::Distribution, ..given() })
            .starts_with("logitMse: expected a teacher with the logits of all classes")
    );
    let top = losses(json!({ "kdTopk": { "k": 6 } }));
    assert_eq!(message(&top, given()), "kdTopk.k: expected at most the 5 classes, got 6");
    let labelled = losses(json!({ "kdTopk": { "k": 2, "includeTarget": true } }));
    assert!(message(&labelled, Given { labels: LabelKind::None, ..given() }).starts_with("kdTopk: expected one label"));
    let columns = losses(json!({ "dist": {} }));
    let text = message(&columns, Given { batch: Some(1), ..given() });
    assert_eq!(
        text,
        "dist.intra: expected 0 with a batchSize of 1, because there is no other row to compare with, got more"
    );
    assert!(columns.check(&Given { batch: Some(2), ..given() }).is_ok());
    assert!(losses(json!({ "dist": { "intra": 0 } })).check(&Given { batch: Some(1), ..given() }).is_ok());
    for name in ["kdSim", "kdPtSim"] {
        let text = message(&losses(json!({ name: {} })), Given { teacher_head: false, ..given() });
        assert!(text.starts_with(&format!("{name}: expected a teacher whose last linear layer")), "{text}");
    }
    // Sorted probabilities allow different numbers of classes.
    let sorted = losses(json!({ "uld": {} }));
    assert!(sorted.check(&Given { teacher_classes: Some(9), ..given() }).is_ok());
    assert!(message(&sorted, Given { teacher_classes: None, ..given() }).starts_with("uld: expected a teacher"));
    let both = losses(json!({ "uld": {}, "kl": {} }));
    assert!(message(&both, Given { teacher_classes: Some(9), ..given() }).starts_with("kl: expected a teacher with"));
    let weights = losses(json!({ "crossEntropy": { "labelWeights": [1, 1] } }));
    assert_eq!(message(&weights, given()), "crossEntropy.labelWeights: expected 5 numbers, one per class, got 2");
    assert!(message(&losses(json!({ "mse": {} })), given()).starts_with("mse: expected real numbers"));
}

#[test]
fn numbers_that_are_not_finite_are_named_by_row() {
    let both = losses(json!({ "crossEntropy": {}, "kl": { "temperature": 2 } }));
    let mut bad = Case::new(4, 50, 2.0);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        bad.student[2 * 50 + 7] = value;
        for precision in [Precision::F64, Precision::F32] {
            let error = bad.try_run(&both, precision).unwrap_err();
            assert_eq!((error.code, error.path.as_str()), (Code::NotFinite, "student.logits"));
            assert!(error.message.contains("in row 2, class 7"), "{error}");
        }
    }
    for (name, losses) in every().into_iter().filter(|(_, losses)| reads_logits(losses)) {
        for value in [f64::NAN, f64::INFINITY] {
            let mut bad = Case::new(4, 50, 2.0);
            bad.teachers[0].0[50 + 9] = value;
            for precision in [Precision::F64, Precision::F32] {
                let error = bad.try_run(&losses, precision).unwrap_err();
                assert_eq!((error.code, error.path.as_str()), (Code::NotFinite, "teacher.logits"), "{name}");
                assert!(error.message.contains("in row 1, class 9"), "{name}: {error}");
            }
        }
    }
}

#[test]
fn labels_and_shapes_that_do_not_fit_are_refused() {
    let both = losses(json!({ "crossEntropy": {}, "kl": {} }));
    let mut case = Case::new(4, 5, 2.0);
    case.labels[2] = 5;
    let error = case.try_run(&both, Precision::F32).unwrap_err();
    assert_eq!(error.to_string(), "labels: expected a class from 0 to 4, got 5 in row 2");
    assert_eq!(error.code, Code::InvalidData);
    let mut few = Case::new(4, 5, 2.0);
    few.labels.pop();
    few.row_weights = Some(vec![1.0; 4]);
    let error = few.try_run(&both, Precision::F32).unwrap_err();
    assert_eq!(error.to_string(), "labels: expected 4 labels, one per row, got 3");
    let case = Case::new(4, 5, 2.0);
    let short = Case::new(3, 5, 2.0).teachers(Precision::F32);
    let error = case.against(&both, &short, Precision::F32).unwrap_err();
    assert_eq!(error.code, Code::ShapeMismatch);
    let mut weights = Case::new(4, 5, 2.0);
    weights.row_weights = Some(vec![1.0, -1.0, 1.0, 1.0]);
    assert!(weights.try_run(&both, Precision::F32).unwrap_err().message.contains("in row 1"));
}

#[test]
fn a_batch_without_the_labels_that_a_loss_needs_is_refused() {
    let apply = |options: Value, labels: Labels, precision: Precision| {
        let (losses, case) = (losses(options), Case::new(4, 5, 2.0));
        let mut batch = case.batch(&losses, precision);
        batch.labels = labels;
        let mut tape = Tape::new(precision.engine());
        let logits = tape.leaf(case.tensor(&case.student, precision));
        let outputs = Outputs { logits, hidden: BTreeMap::new(), head_weight: None, buffer_updates: Vec::new() };
        let denominators = &losses.denominators(&[&batch])?;
        let (student, teachers) = ((&outputs).into(), &case.teachers(precision));
        let micro = Micro { student, teachers, batch: &batch, denominators, step: 0, norms: true };
        losses.apply(&mut tape, &micro).map(|applied| applied.total)
    };
    let numbers = |width: usize| from_vec(vec![1.0f32; 4 * width], (4, width)).unwrap();
    let wrong_kind = [
        ("crossEntropy", Labels::None, "labels: expected one label per row for crossEntropy, got no labels"),
        (
            "crossEntropy",
            Labels::Real(numbers(5)),
            "labels: expected one label per row for crossEntropy, got real numbers as labels",
        ),
        (
            "mse",
            Labels::Several(numbers(5)),
            "labels: expected real numbers as labels for mse, got several labels per row",
        ),
        (
            "binaryCrossEntropy",
            Labels::Single(vec![0; 4]),
            "labels: expected several labels per row for binaryCrossEntropy, got one label per row",
        ),
    ];
    let wrong_shape = [
        ("mse", Labels::Real(numbers(10)), "labels: expected 4 rows of 5 numbers, got the shape [4, 10]"),
        ("mse", Labels::Real(numbers(2)), "labels: expected 4 rows of 5 numbers, got the shape [4, 2]"),
        ("crossEntropy", Labels::Single(vec![0; 3]), "expected 3 rows of one or more classes, got [4, 5]"),
    ];
    for precision in [Precision::F64, Precision::F32] {
        for (name, labels, message) in &wrong_kind {
            let error = apply(json!({ *name: {} }), labels.clone(), precision).unwrap_err();
            assert_eq!(error.code, Code::InvalidData);
            // The remedy follows the message, if there is one.
            assert!(error.to_string().starts_with(message), "{error}");
        }
        for (name, labels, message) in &wrong_shape {
            let error = apply(json!({ *name: {} }), labels.clone(), precision).unwrap_err();
            assert_eq!(error.code, Code::ShapeMismatch);
            assert!(error.to_string().ends_with(message), "{error}");
        }
        // No loss compares with these labels.
        assert!(apply(json!({ "kl": {} }), Labels::Real(numbers(2)), precision).is_ok());
    }
}
