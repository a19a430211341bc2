//! Losses that equal others at the ends of their ranges, and properties of their values.

use super::*;
use crate::kernels::cpu::isa::on_each;

/// Asserts that both give the same value and gradient, in both precisions.
fn equal(a: Value, b: Value, case: &Case) {
    let what = format!("{a} and {b}");
    let (a, b) = (losses(a), losses(b));
    let (value, gradient) = case.run(&b, Precision::F64);
    let (other, slopes) = case.run(&a, Precision::F64);
    assert_near(&what, &[other], &[value], 1e-12);
    assert_near(&what, &slopes, &gradient, 1e-12);
    on_each(|isa| {
        let what = format!("{what} {}", isa.name());
        let (other, slopes) = case.run(&a, Precision::F32);
        assert_near(&what, &[other], &[value], 1e-5);
        assert_near(&what, &slopes, &gradient, 1e-5);
    });
}

#[test]
fn ends_of_ranges_are_other_losses() {
    let case = Case::new(4, 12, 3.0);
    for temperature in [1.0, 2.5] {
        let kl = json!({ "kl": { "temperature": temperature } });
        let reverse = json!({ "reverseKl": { "temperature": temperature } });
        equal(json!({ "jsd": { "beta": 0, "temperature": temperature } }), kl.clone(), &case);
        equal(json!({ "jsd": { "beta": 1, "temperature": temperature } }), reverse.clone(), &case);
        equal(json!({ "skewKl": { "alpha": 0, "temperature": temperature } }), kl.clone(), &case);
        equal(json!({ "skewReverseKl": { "alpha": 0, "temperature": temperature } }), reverse, &case);
        for missing in ["renormalize", "zero", "uniform", "bucket"] {
            equal(json!({ "kdTopk": { "k": 12, "missing": missing, "temperature": temperature } }), kl.clone(), &case);
        }
        let pt = json!({ "kdPt": { "temperature": temperature } });
        equal(json!({ "kdPt": { "temperature": temperature } }), kl, &Case::new(5, 2, 3.0));
        equal(json!({ "kdPtSim": { "mix": 1, "temperature": temperature } }), pt, &case);
        let sharp = json!({ "power": 0.5, "sharpness": 0.4, "temperature": temperature });
        let mut mixed = sharp.clone();
        mixed["mix"] = json!(0);
        equal(json!({ "kdPtSim": mixed }), json!({ "kdSim": sharp }), &case);
    }
}

#[test]
fn a_divergence_is_the_label_and_the_rest_apart() {
    for temperature in [1.0, 4.0] {
        let mut case = Case::new(1, 9, 3.0);
        case.labels = vec![4];
        let of = |options: Value| case.run(&losses(options), Precision::F64).0;
        let exponentials: Vec<f64> = case.teachers[0].0.iter().map(|x| (x / temperature).exp()).collect();
        let rest = 1.0 - exponentials[4] / exponentials.iter().sum::<f64>();
        let target = of(json!({ "dkd": { "alpha": 1, "beta": 0, "temperature": temperature } }));
        let others = of(json!({ "dkd": { "alpha": 0, "beta": 1, "temperature": temperature } }));
        let kl = of(json!({ "kl": { "temperature": temperature } }));
        assert!((kl - (target + rest * others)).abs() < 1e-12);
    }
    // With two classes there is nothing to rank.
    let two = Case::new(4, 2, 3.0);
    equal(json!({ "dkd": { "beta": 8, "temperature": 2 } }), json!({ "kl": { "temperature": 2 } }), &two);
    assert_eq!(two.run(&losses(json!({ "dkd": { "alpha": 0 } })), Precision::F32), (0.0, vec![0.0; 8]));
}

#[test]
fn the_symmetric_divergence_is_symmetric_and_bounded() {
    let symmetric = losses(json!({ "jsd": {} }));
    for scale in [0.5, 3.0, 50.0, 10_000.0] {
        let case = Case::new(6, 10, scale);
        let mut turned = case.clone();
        std::mem::swap(&mut turned.student, &mut turned.teachers[0].0);
        for precision in [Precision::F64, Precision::F32] {
            let (value, other) = (case.run(&symmetric, precision).0, turned.run(&symmetric, precision).0);
            assert_near("symmetric", &[value], &[other], 1e-6);
            assert!((0.0..=std::f64::consts::LN_2 + 1e-6).contains(&value), "{value}");
        }
    }
}

#[test]
fn bounded_losses_stay_within_their_bounds() {
    for scale in [1.0, 10_000.0] {
        let case = Case::new(6, 10, scale);
        for precision in [Precision::F64, Precision::F32] {
            let of = |options: Value| case.run(&losses(options), precision).0;
            assert!((0.0..=1.0 + 1e-6).contains(&of(json!({ "tvd": {} }))));
            assert!((0.0..=2.0 + 1e-6).contains(&of(json!({ "uld": {} }))));
            assert!((0.0..=4.0 + 1e-6).contains(&of(json!({ "dist": {} }))));
            let bound = -(0.1f64.ln()) + 1e-6;
            assert!((0.0..=bound).contains(&of(json!({ "skewKl": {} }))));
            assert!((0.0..=bound).contains(&of(json!({ "skewReverseKl": {} }))));
        }
    }
}

#[test]
fn born_again_with_labels_is_twice_the_even_baseline() {
    let case = Case::new(4, 12, 3.0);
    let half = json!({ "crossEntropy": { "weight": 0.5 }, "kl": { "weight": 0.5 } });
    let whole = json!({ "crossEntropy": {}, "kl": {} });
    let ((a, half), (b, whole)) = (case.run(&losses(half), Precision::F64), case.run(&losses(whole), Precision::F64));
    assert!((2.0 * a - b).abs() < 1e-12);
    assert_near("gradient", &half.iter().map(|x| 2.0 * x).collect::<Vec<_>>(), &whole, 1e-12);
}
