//! Edge cases: confident teachers, different widths, constant columns, ties.

use super::*;
use crate::kernels::cpu::isa::on_each;

/// Compares the kernels with the reference.
fn agree(what: &str, options: &Value, case: &Case) -> (f64, Vec<f64>) {
    let losses = losses(options.clone());
    let (value, gradient) = case.run(&losses, Precision::F64);
    assert!(value.is_finite() && gradient.iter().all(|x| x.is_finite()), "{what} {options}");
    on_each(|isa| {
        let what = format!("{what} {options} {}", isa.name());
        let (single_value, single) = case.run(&losses, Precision::F32);
        assert_near(&what, &[single_value], &[value], 1e-5);
        assert_near(&what, &single, &gradient, 1e-5);
    });
    (value, gradient)
}

#[test]
fn what_is_left_beside_a_nearly_certain_class_is_not_lost() {
    // 1 − p is 4e-9 or less, down to values that underflow.
    for gap in [20.0, 60.0, 200.0, 5000.0] {
        let mut case = Case::new(3, 6, 1.0);
        case.labels = vec![0, 3, 5];
        for (row, label) in [0usize, 3, 5].into_iter().enumerate() {
            case.teachers[0].0[row * 6 + label] += gap;
            case.student[row * 6 + label] -= gap / 4.0;
        }
        for options in [
            json!({ "dkd": {} }),
            json!({ "dkd": { "alpha": 1, "beta": 0, "temperature": 1 } }),
            json!({ "kdPt": {} }),
            json!({ "kdPtSim": {} }),
            json!({ "kdTopk": { "k": 1, "missing": "uniform" } }),
            json!({ "kdTopk": { "k": 1, "missing": "bucket" } }),
        ] {
            agree("sure teacher", &options, &case);
            let mut turned = case.clone();
            std::mem::swap(&mut turned.student, &mut turned.teachers[0].0);
            agree("sure student", &options, &turned);
        }
    }
    // The ranking of the other classes depends only on their logits, however confident both sides are.
    let ranking = json!({ "dkd": { "alpha": 0, "beta": 1, "temperature": 1 } });
    let mut case = Case::new(2, 6, 1.0);
    case.labels = vec![1, 1];
    let plain = agree("plain", &ranking, &case).0;
    for row in 0..2 {
        case.teachers[0].0[row * 6 + 1] += 4000.0;
        case.student[row * 6 + 1] += 3000.0;
    }
    assert_near("ranking", &[agree("sure", &ranking, &case).0], &[plain], 1e-9);
}

#[test]
fn a_teacher_that_masks_all_classes_but_the_label_or_the_label_itself_is_finite() {
    for name in ["dkd", "kdPt", "kdPtSim"] {
        let mut case = Case::new(2, 5, 2.0);
        case.labels = vec![2, 4];
        for class in [0, 1, 3, 4] {
            case.teachers[0].0[class] = f64::NEG_INFINITY;
        }
        case.teachers[0].0[9] = f64::NEG_INFINITY;
        agree("masked", &json!({ name: {} }), &case);
    }
    for missing in ["renormalize", "zero", "uniform", "bucket"] {
        let mut case = Case::new(2, 5, 2.0);
        case.labels = vec![2, 4];
        // Fewer unmasked classes than are kept, and a label that is masked.
        for class in [0, 1, 3, 4, 9] {
            case.teachers[0].0[class] = f64::NEG_INFINITY;
        }
        for include in [false, true] {
            let options = json!({ "kdTopk": { "k": 3, "missing": missing, "includeTarget": include } });
            agree("masked", &options, &case);
        }
    }
}

#[test]
fn of_equal_logits_the_lower_class_is_kept() {
    let mut case = Case::new(1, 6, 2.0);
    case.teachers[0].0 = vec![1.0, 3.0, 1.0, 1.0, 1.0, 0.0];
    let (_, gradient) = agree("ties", &json!({ "kdTopk": { "k": 3 } }), &case);
    // Kept classes are pulled up, the other classes are pushed down.
    let kept: Vec<bool> = gradient.iter().map(|x| *x < 0.0).collect();
    let mut lower = case.clone();
    lower.teachers[0].0 = vec![1.0, 3.0, 1.0, 0.9, 0.9, 0.0];
    let (_, expected) = agree("no ties", &json!({ "kdTopk": { "k": 3 } }), &lower);
    assert_near("ties", &gradient, &expected, 1e-12);
    assert!(!kept[3] && !kept[4] && !kept[5]);
}

#[test]
fn the_label_takes_the_place_of_the_least_likely_class_that_is_kept() {
    let mut case = Case::new(1, 5, 2.0);
    case.teachers[0].0 = vec![3.0, 2.0, 1.0, 0.0, -1.0];
    let with = |label: u32| {
        let mut case = case.clone();
        case.labels = vec![label];
        agree("label", &json!({ "kdTopk": { "k": 2, "includeTarget": true } }), &case)
    };
    let plain = agree("plain", &json!({ "kdTopk": { "k": 2 } }), &case);
    assert_eq!(with(0), plain);
    assert_eq!(with(1), plain);
    let mut moved = case.clone();
    moved.teachers[0].0 = vec![3.0, -5.0, -5.0, 0.0, -5.0];
    let expected = agree("moved", &json!({ "kdTopk": { "k": 2 } }), &moved);
    let got = with(3);
    assert_near("value", &[got.0], &[expected.0], 1e-12);
    assert_near("gradient", &got.1, &expected.1, 1e-12);
}

#[test]
fn sorted_probabilities_take_a_teacher_of_any_classes() {
    let sorted = losses(json!({ "uld": { "temperature": 2 } }));
    let case = Case::new(3, 8, 3.0);
    for width in [3, 8, 21] {
        let other = Case::new(3, width, 2.0);
        let teachers = |precision| other.teachers(precision);
        let (value, gradient) = case.against(&sorted, &teachers(Precision::F64), Precision::F64).unwrap();
        on_each(|isa| {
            let (single_value, single) = case.against(&sorted, &teachers(Precision::F32), Precision::F32).unwrap();
            assert_near(isa.name(), &[single_value], &[value], 1e-5);
            assert_near(isa.name(), &single, &gradient, 1e-5);
        });
        for (at, gradient) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut case = case.clone();
                case.student[at] += by;
                case.against(&sorted, &teachers(Precision::F64), Precision::F64).unwrap().0
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - gradient).abs() < 1e-7, "{width}: {slope} {gradient}");
        }
    }
    let both = losses(json!({ "uld": {}, "kl": {} }));
    let wide = Case::new(3, 9, 2.0).teachers(Precision::F32);
    assert!(
        case.against(&both, &wide, Precision::F32).unwrap_err().to_string().starts_with("teacher.logits: expected")
    );
    // The order of classes does not matter.
    let mut turned = case.clone();
    turned.teachers[0].0.chunks_mut(8).for_each(<[f64]>::reverse);
    assert_near("order", &[turned.run(&sorted, Precision::F64).0], &[case.run(&sorted, Precision::F64).0], 1e-12);
}

#[test]
fn one_row_has_no_columns() {
    let case = Case::new(1, 7, 3.0);
    let rows = json!({ "dist": { "intra": 0 } });
    let expected = agree("rows", &rows, &case);
    let got = agree("both", &json!({ "dist": {} }), &case);
    assert_near("value", &[got.0], &[expected.0], 1e-12);
    assert_near("gradient", &got.1, &expected.1, 1e-12);
    let (value, gradient) = agree("columns", &json!({ "dist": { "inter": 0 } }), &case);
    assert_eq!((value, largest(&gradient)), (0.0, 0.0));
    // One row with a weight other than 0 is a single row.
    let mut masked = Case::new(3, 7, 3.0);
    masked.row_weights = Some(vec![0.0, 2.0, 0.0]);
    let (value, gradient) = agree("one counts", &json!({ "dist": { "inter": 0 } }), &masked);
    assert_eq!((value, largest(&gradient)), (0.0, 0.0));
}

#[test]
fn constant_rows_and_columns_correlate_with_nothing() {
    let mut case = Case::new(4, 6, 2.0);
    case.student[6..12].fill(0.25);
    let (_, gradient) = agree("row", &json!({ "dist": { "intra": 0 } }), &case);
    assert!(largest(&gradient[6..12]) == 0.0 && largest(&gradient[..6]) > 0.0);
    // All rows are equal, so every column is constant.
    let mut alike = Case::new(4, 6, 2.0);
    let first = alike.student[..6].to_vec();
    alike.student = first.repeat(4);
    let (value, gradient) = agree("columns", &json!({ "dist": { "inter": 0, "temperature": 2 } }), &alike);
    assert_eq!((value, largest(&gradient)), (4.0, 0.0));
}

#[test]
fn the_columns_are_weighed_as_their_rows_are() {
    // A row of weight 2 equals the row twice.
    let columns = json!({ "dist": { "inter": 0.5, "intra": 2, "temperature": 2 } });
    let mut weighed = Case::new(4, 6, 2.0);
    weighed.row_weights = Some(vec![1.0, 2.0, 1.0, 1.0]);
    let mut twice = weighed.clone();
    twice.row_weights = None;
    let twice = twice.pick(&[0, 1, 1, 2, 3]);
    let ((value, gradient), (expected, slopes)) =
        (agree("weighed", &columns, &weighed), agree("twice", &columns, &twice));
    assert_near("value", &[value], &[expected], 1e-12);
    let both: Vec<f64> = (0..6).map(|at| slopes[6 + at] + slopes[12 + at]).collect();
    assert_near("gradient", &gradient[6..12], &both, 1e-12);
    // The gradient is that of the value, including the weights.
    let losses = losses(columns);
    for (at, gradient) in gradient.iter().enumerate() {
        let moved = |by: f64| {
            let mut case = weighed.clone();
            case.student[at] += by;
            case.run(&losses, Precision::F64).0
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((slope - gradient).abs() < 1e-8, "{slope} {gradient}");
    }
}

#[test]
fn accumulated_columns_are_those_of_each_micro_batch() {
    let columns = losses(json!({ "dist": { "inter": 0 } }));
    let case = Case::new(8, 6, 2.0);
    for precision in [Precision::F64, Precision::F32] {
        let parts = [case.part(0..4), case.part(4..8)];
        let batches: Vec<Batch> = parts.iter().map(|part| part.batch(&columns, precision)).collect();
        let denominators = columns.denominators(&batches.iter().collect::<Vec<_>>()).unwrap();
        let mut total = 0.0;
        for part in &parts {
            let (applied, gradient) =
                part.planned(&columns, &part.teachers(precision), &denominators, precision, false).unwrap();
            let alone = part.run(&columns, precision);
            assert_near("gradient", &gradient, &alone.1.iter().map(|x| x / 2.0).collect::<Vec<_>>(), 1e-6);
            assert_near("value", &[applied.total], &[alone.0 / 2.0], 1e-6);
            total += applied.total;
        }
        assert!((total - case.run(&columns, precision).0).abs() > 1e-3, "the large batch is another loss");
    }
}

#[test]
fn rows_of_similar_classes_are_kept_by_teacher() {
    let similar = losses(json!({ "kdSim": { "power": 0.5, "sharpness": 0.4 } }));
    let case = Case::new(6, 9, 2.0);
    let teachers = case.teachers(Precision::F32);
    let first = case.against(&similar, &teachers, Precision::F32).unwrap();
    assert_eq!(case.against(&similar, &teachers, Precision::F32).unwrap(), first);
    // Another teacher, and then the first one, changed in place.
    let mut other = case.teachers(Precision::F32);
    other[0].head_weight =
        Some(from_vec(Numbers(5).many(27, 1.0), (9, 3)).unwrap().to_dtype(Precision::F32.dtype()).unwrap());
    assert_ne!(case.against(&similar, &other, Precision::F32).unwrap(), first);
    assert_eq!(case.against(&similar, &teachers, Precision::F32).unwrap(), first);
    crate::tensor::update(teachers[0].head_weight.as_ref().unwrap(), |values| values.swap(0, 7)).unwrap();
    assert_ne!(case.against(&similar, &teachers, Precision::F32).unwrap(), first);
}
