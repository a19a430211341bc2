//! Several losses in one sweep, several teachers, weights and temperatures with schedules.

use super::*;
use crate::kernels::cpu::isa::on_each;

fn four() -> Value {
    json!({
        "crossEntropy": { "weight": 0.5, "labelSmoothing": 0.1, "labelWeights": [1, 2, 0, 1, 1, 3, 1, 0.5, 1] },
        "kl": { "weight": 2, "temperature": 2 },
        "binaryKl": { "weight": 0.25, "temperature": 3 },
        "logitMse": { "weight": 0.01 },
    })
}

#[test]
fn several_losses_in_one_sweep_equal_the_sum_of_each_alone() {
    let mut case = Case::new(6, 9, 3.0);
    case.row_weights = Some(vec![1.0, 0.5, 2.0, 1.0, 0.0, 1.5]);
    let together = losses(four());
    on_each(|isa| {
        for precision in [Precision::F64, Precision::F32] {
            let (mut value, mut gradient) = (0.0, vec![0.0; 54]);
            for (name, options) in four().as_object().unwrap() {
                let (one, more) = case.run(&losses(json!({ name: options })), precision);
                value += one;
                gradient.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            let (total, all) = case.run(&together, precision);
            assert_near(isa.name(), &[total], &[value], 1e-6);
            assert_near(isa.name(), &all, &gradient, 1e-6);
        }
    });
}

#[test]
fn each_terms_norm_is_that_of_its_own_weighted_gradient() {
    let case = Case::new(6, 700, 3.0);
    let mut options = four();
    options["crossEntropy"].as_object_mut().unwrap().remove("labelWeights");
    let together = losses(options.clone());
    for precision in [Precision::F64, Precision::F32] {
        let denominators = together.denominators(&[&case.batch(&together, precision)]).unwrap();
        let teachers = case.teachers(precision);
        let (applied, gradient) = case.planned(&together, &teachers, &denominators, precision, true).unwrap();
        assert_near("with norms", &gradient, &case.run(&together, precision).1, 1e-6);
        for (name, options) in options.as_object().unwrap() {
            let (value, alone) = case.run(&losses(json!({ name: options })), precision);
            let norm = alone.iter().map(|x| x * x).sum::<f64>().sqrt();
            let term = &applied.terms[name.as_str()];
            assert_near(name, &[term.gradient_norm.unwrap()], &[norm], 1e-5);
            assert_near(name, &[term.value * term.weight], &[value], 1e-6);
        }
    }
}

#[test]
fn asking_for_norms_changes_no_bit_of_the_gradient_and_the_values() {
    let mut options = four();
    options["kl"]["temperature"] = json!(2);
    options["reverseKl"] = json!({ "temperature": 3 });
    let mut sets = every();
    // Losses that use the gradient's row, separate rows, and exponentials while they write.
    for names in [vec!["crossEntropy", "kl"], vec!["crossEntropy", "binaryKl"], vec!["crossEntropy", "kl", "reverseKl"]]
    {
        let some: serde_json::Map<_, _> = names.iter().map(|name| (name.to_string(), options[*name].clone())).collect();
        sets.push((names.join(" + "), losses(Value::Object(some))));
    }
    sets.push(("all".into(), losses(options)));
    let mut case = Case::new(7, 9, 3.0);
    case.row_weights = Some(vec![1.0, 0.5, 2.0, 1.0, 0.0, 1.5, 1.0]);
    let second = Numbers(3).many(7 * 9, 3.0);
    case.teachers = vec![(case.teachers[0].0.clone(), 0.3), (second, 0.7)];
    for (name, losses) in sets {
        let denominators = losses.denominators(&[&case.batch(&losses, Precision::F32)]).unwrap();
        let teachers = case.teachers(Precision::F32);
        on_each(|isa| {
            let [without, with] = [false, true]
                .map(|norms| case.planned(&losses, &teachers, &denominators, Precision::F32, norms).unwrap());
            assert_eq!(with.1, without.1, "{name} {}", isa.name());
            assert_eq!(with.0.total, without.0.total, "{name} {}", isa.name());
            let mut terms = with.0.terms;
            assert!(terms.values().all(|term| term.gradient_norm.is_some_and(|norm| norm > 0.0)), "{name}");
            terms.values_mut().for_each(|term| term.gradient_norm = None);
            assert_eq!(terms, without.0.terms, "{name} {}", isa.name());
        });
    }
}

#[test]
fn temperatures_that_divide_each_other_share_their_exponentials_and_others_do_not() {
    for temperature in [1.0, 2.0, 3.0, 4.0, 8.0, 9.0, 3.3, 0.5, 1.0 / 3.0] {
        let both = losses(json!({ "crossEntropy": {}, "kl": { "temperature": temperature } }));
        let case = Case::new(3, 131, 4.0);
        let (value, gradient) = case.run(&both, Precision::F64);
        on_each(|isa| {
            let what = format!("temperature {temperature} {}", isa.name());
            let (single_value, single) = case.run(&both, Precision::F32);
            assert_near(&what, &[single_value], &[value], 1e-5);
            assert_near(&what, &single, &gradient, 1e-5);
        });
    }
}

#[test]
fn several_teachers_are_the_weighted_sum_of_each() {
    let kl = losses(json!({ "crossEntropy": {}, "kl": { "temperature": 2 }, "logitMse": { "weight": 0.1 } }));
    let mut case = Case::new(4, 12, 3.0);
    let second = Case::new(4, 13, 3.0).student[..48].to_vec();
    case.teachers = vec![(case.teachers[0].0.clone(), 0.3), (second, 0.7)];
    let alone = |at: usize, precision| {
        let mut one = case.clone();
        one.teachers = vec![(case.teachers[at].0.clone(), 1.0)];
        one.run(&kl, precision)
    };
    for precision in [Precision::F64, Precision::F32] {
        let ((a, first), (b, second), (total, gradient)) =
            (alone(0, precision), alone(1, precision), case.run(&kl, precision));
        assert_near("value", &[total], &[0.3 * a + 0.7 * b], 1e-6);
        let expected: Vec<f64> = first.iter().zip(&second).map(|(a, b)| 0.3 * a + 0.7 * b).collect();
        assert_near("gradient", &gradient, &expected, 1e-6);
        let denominators = kl.denominators(&[&case.batch(&kl, precision)]).unwrap();
        let applied = case.planned(&kl, &case.teachers(precision), &denominators, precision, true).unwrap().0;
        assert_eq!(applied.terms.len(), 3);
    }
}

#[test]
fn weights_and_temperatures_follow_their_schedules() {
    let moving = losses(json!({
        "crossEntropy": { "weight": { "linear": { "from": 1, "to": 0, "steps": 4 } } },
        "kl": { "weight": { "step": { "from": 1, "factor": 0.5, "every": 2 } }, "temperature": { "linear": { "from": 1, "to": 5, "steps": 4 } } },
    }));
    let at_two = losses(json!({ "crossEntropy": { "weight": 0.5 }, "kl": { "weight": 0.5, "temperature": 3 } }));
    let case = Case::new(3, 5, 2.0);
    for precision in [Precision::F64, Precision::F32] {
        let batch = case.batch(&moving, precision);
        let denominators = &moving.denominators(&[&batch]).unwrap();
        let mut tape = Tape::new(precision.engine());
        let logits = tape.leaf(case.tensor(&case.student, precision));
        let outputs = Outputs { logits, hidden: BTreeMap::new(), head_weight: None, buffer_updates: Vec::new() };
        let (student, teachers) = ((&outputs).into(), &case.teachers(precision));
        let micro = Micro { student, teachers, batch: &batch, denominators, step: 2, norms: false };
        let applied = moving.apply(&mut tape, &micro).unwrap();
        assert_near("total", &[applied.total], &[case.run(&at_two, precision).0], 1e-12);
        assert_eq!(applied.terms["crossEntropy"].weight, 0.5);
    }
}

#[test]
fn the_figures_by_hand_come_out() {
    let mut case = Case::new(1, 4, 1.0);
    case.teachers[0].0 = vec![2.0, 1.0, 0.5, -1.0];
    case.student = vec![1.0, 1.5, -0.5, 0.0];
    case.labels = vec![0];
    let of = |options: Value| case.run(&losses(options), Precision::F64);
    for (options, expected) in [
        (json!({ "crossEntropy": {} }), 1.1754902622),
        (json!({ "crossEntropy": { "labelSmoothing": 0.1 } }), 1.2254902622),
        (json!({ "kl": {} }), 0.2833101799),
        (json!({ "kl": { "temperature": 2 } }), 0.3379399916),
        (json!({ "kl": { "temperature": 4 } }), 0.3691546350),
        (json!({ "kl": { "temperature": 2, "standardize": true } }), 0.2822801331),
        (json!({ "logitMse": {} }), 0.8125),
        (json!({ "reverseKl": {} }), 0.3101568675),
        (json!({ "reverseKl": { "temperature": 2 } }), 0.3508067991),
        (json!({ "jsd": {} }), 0.0718868316),
        (json!({ "jsd": { "beta": 0.1 } }), 0.0254697244),
        (json!({ "jsd": { "beta": 0.9 } }), 0.0273079954),
        (json!({ "tvd": {} }), 0.3679082846),
        (json!({ "uld": {} }), 0.2459792444),
        (json!({ "skewKl": {} }), 0.2292089125),
        (json!({ "skewReverseKl": {} }), 0.2409117763),
        (json!({ "dist": {} }), 0.5739361890),
        (json!({ "dkd": { "alpha": 1, "beta": 0, "temperature": 1 } }), 0.1915871267),
        (json!({ "dkd": { "alpha": 0, "beta": 1, "temperature": 1 } }), 0.2348621448),
        (json!({ "dkd": {} }), 2.8148640220),
        (json!({ "kdPt": {} }), 0.3378092292),
        (json!({ "kdTopk": { "k": 2 } }), 0.4588164426),
        (json!({ "kdTopk": { "k": 2, "missing": "zero" } }), 0.2308394880),
        (json!({ "kdTopk": { "k": 2, "missing": "uniform" } }), 0.2206224464),
        (json!({ "kdTopk": { "k": 2, "missing": "bucket" } }), 0.2154778259),
        (json!({ "kdTopk": { "k": 2, "temperature": 2 } }), 1.8223117609),
        (json!({ "kdTopk": { "k": 2, "missing": "zero", "temperature": 2 } }), 0.2676069262),
        (json!({ "kdTopk": { "k": 2, "missing": "uniform", "temperature": 2 } }), 0.2044559115),
        (json!({ "kdTopk": { "k": 2, "missing": "bucket", "temperature": 2 } }), 0.1950390351),
    ] {
        assert!((of(options.clone()).0 - expected).abs() < 1e-10, "{options}");
    }
    let (value, gradient) = of(json!({ "crossEntropy": { "weight": 0.5 }, "kl": { "weight": 0.5, "temperature": 2 } }));
    assert!((value - 0.7567151269).abs() < 1e-10);
    let expected = [-0.4827054981, 0.3727949988, -0.0302962571, 0.1402067565];
    assert!(gradient.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-10), "{gradient:?}");
    let head = from_vec(vec![1.0f64, 0.0, 0.6, 0.8, 0.0, 1.0, -1.0, 0.0], (4, 2)).unwrap();
    for (options, expected) in [
        (json!({ "kdSim": {} }), 0.1439366295),
        (json!({ "kdSim": { "power": 0.4, "sharpness": 0.3 } }), 0.2916942197),
        (json!({ "kdPtSim": {} }), 0.2095988688),
    ] {
        let mut teachers = case.teachers(Precision::F64);
        teachers[0].head_weight = Some(head.clone());
        let value = case.against(&losses(options.clone()), &teachers, Precision::F64).unwrap().0;
        assert!((value - expected).abs() < 1e-10, "{options}: {value}");
    }
}

#[test]
fn equal_logits_have_no_divergence_and_no_gradient() {
    for options in [
        json!({ "kl": { "temperature": 2 } }),
        json!({ "kl": { "standardize": true } }),
        json!({ "binaryKl": {} }),
        json!({ "reverseKl": { "temperature": 2 } }),
        json!({ "jsd": {} }),
        json!({ "tvd": {} }),
        json!({ "skewKl": {} }),
        json!({ "skewReverseKl": {} }),
        json!({ "dist": {} }),
        json!({ "uld": {} }),
        json!({ "dkd": { "beta": 1, "temperature": 1 } }),
        json!({ "kdTopk": { "k": 50 } }),
        json!({ "kdTopk": { "k": 5, "missing": "bucket" } }),
    ] {
        let mut case = Case::new(3, 50, 5.0);
        case.teachers[0].0 = case.student.clone();
        on_each(|isa| {
            let (value, gradient) = case.run(&losses(options.clone()), Precision::F32);
            let worst = largest(&gradient);
            assert!(value.abs() < 1e-6 && worst < 2e-7, "{options} {}: {value} {worst}", isa.name());
        });
    }
}

#[test]
fn label_weights_are_row_weights_by_label() {
    let mut by_label = Case::new(12, 4, 3.0);
    by_label.row_weights = Some((0..12).map(|row| 1.0 + row as f32 / 8.0).collect());
    let mut by_row = by_label.clone();
    let table = [0.5, 0.0, 2.0, 1.0];
    let weigh = |(weight, label): (&f32, &u32)| weight * table[*label as usize];
    by_row.row_weights =
        by_label.row_weights.as_ref().map(|weights| weights.iter().zip(&by_label.labels).map(weigh).collect());
    let weighted = losses(json!({ "crossEntropy": { "labelWeights": table } }));
    let plain = losses(json!({ "crossEntropy": {} }));
    for precision in [Precision::F64, Precision::F32] {
        let ((value, gradient), (expected, slopes)) =
            (by_label.run(&weighted, precision), by_row.run(&plain, precision));
        assert_near("value", &[value], &[expected], 1e-6);
        assert_near("gradient", &gradient, &slopes, 1e-6);
        assert!((value - by_label.run(&plain, precision).0).abs() > 1e-3);
    }
}
