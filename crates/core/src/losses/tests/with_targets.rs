//! kl against every target, and masked classes.

use super::*;
use crate::kernels::cpu::isa::on_each;
use crate::targets::{Table, TopK};
use crate::top_logits::{Tail, TopLogits};

fn kl(temperature: f64) -> Losses {
    losses(json!({ "crossEntropy": { "weight": 0.5 }, "kl": { "temperature": temperature } }))
}

fn one(target: Target) -> Vec<Signal> {
    vec![Signal::new(target, 1.0)]
}

/// Compares the kernels with the reference, and the reference's gradient with its value.
fn check(what: &str, losses: &Losses, case: &Case, teachers: impl Fn(Precision) -> Vec<Signal>) -> (f64, Vec<f64>) {
    let run = |case: &Case, precision| case.against(losses, &teachers(precision), precision).unwrap();
    let (value, gradient) = run(case, Precision::F64);
    on_each(|isa| {
        let (single_value, single) = run(case, Precision::F32);
        assert_near(&format!("{what} {}", isa.name()), &[single_value], &[value], 1e-5);
        assert_near(&format!("{what} {}", isa.name()), &single, &gradient, 1e-5);
    });
    for at in [0, 5, case.student.len() - 1] {
        let moved = |by: f64| {
            let mut case = case.clone();
            case.student[at] += by;
            run(&case, Precision::F64).0
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((slope - gradient[at]).abs() < 1e-7 * largest(&gradient), "{what}: {slope} {}", gradient[at]);
    }
    (value, gradient)
}

#[test]
fn a_mixture_of_teachers_has_the_gradient_of_their_weighted_losses() {
    let mut case = Case::new(4, 37, 3.0);
    let second = Numbers(3).many(4 * 37, 3.0);
    case.teachers = vec![(case.teachers[0].0.clone(), 0.3), (second, 0.7)];
    let mixture = |precision| {
        one(Target::Mixture(
            case.teachers.iter().map(|(logits, share)| (case.tensor(logits, precision), *share)).collect(),
        ))
    };
    let (value, gradient) = check("mixture", &kl(2.0), &case, mixture);
    let (sum, expected) = case.run(&kl(2.0), Precision::F64);
    assert_near("gradient", &gradient, &expected, 1e-12);
    assert!(value < sum, "the divergence from a mixture is smaller: {value} {sum}");
}

#[test]
fn losses_that_read_logits_take_those_of_the_mixture() {
    let mut case = Case::new(4, 11, 3.0);
    let second = Numbers(3).many(44, 3.0);
    case.teachers.push((second, 0.7));
    case.teachers[0].1 = 0.3;
    let parts = |precision| case.teachers.iter().map(move |(logits, share)| (logits, *share, precision));
    let mixture = |precision| {
        let parts = parts(precision).map(|(logits, share, precision)| (case.tensor(logits, precision), share));
        one(Target::Mixture(parts.collect()))
    };
    let soft = |logits: &[f64]| -> Vec<f64> {
        let rows = logits.chunks(11).map(|row| {
            let row: Vec<f64> = row.iter().map(|x| (x / 2.0).exp()).collect();
            let sum: f64 = row.iter().sum();
            row.into_iter().map(move |x| x / sum).collect::<Vec<_>>()
        });
        rows.flatten().collect()
    };
    let mixed: Vec<f64> = soft(&case.teachers[0].0)
        .iter()
        .zip(soft(&case.teachers[1].0))
        .map(|(a, b)| 2.0 * (0.3 * a + 0.7 * b).ln())
        .collect();
    for options in [
        json!({ "reverseKl": { "temperature": 2 } }),
        json!({ "dkd": { "temperature": 2 } }),
        json!({ "kdPt": { "temperature": 2 } }),
        json!({ "kdTopk": { "k": 3, "temperature": 2 } }),
        json!({ "dist": { "temperature": 2 } }),
        json!({ "jsd": { "temperature": 2 }, "kl": { "temperature": 3 }, "tvd": { "temperature": 2 } }),
    ] {
        let what = options.to_string();
        let losses = losses(options);
        if losses.rows.len() > 1 {
            check(&what, &losses, &case, mixture);
            continue;
        }
        let (value, gradient) = check(&what, &losses, &case, mixture);
        let mut plain = case.clone();
        plain.teachers = vec![(mixed.clone(), 1.0)];
        let (expected, slopes) = plain.run(&losses, Precision::F64);
        assert_near(&what, &[value], &[expected], 1e-9);
        assert_near(&what, &gradient, &slopes, 1e-9);
    }
    for (name, options) in [("logitMse", json!({})), ("binaryKl", json!({})), ("kl", json!({ "standardize": true }))] {
        for precision in [Precision::F64, Precision::F32] {
            let error = case.against(&losses(json!({ name: options })), &mixture(precision), precision).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with(&format!("{name}: expected combine: 'losses'")), "{text}");
        }
    }
}

#[test]
fn a_table_gives_each_row_the_distribution_of_its_label() {
    let case = Case::new(5, 6, 3.0);
    let mut made = Vec::new();
    let mut numbers = Numbers(11);
    let table = Table::new(&case.labels, 6, |label| {
        made.push(label);
        let mut row: Vec<f64> = (0..6).map(|_| numbers.next() + 0.5).collect();
        row[0] = 0.0;
        let sum: f64 = row.iter().sum();
        Ok(row.iter().map(|p| p / sum).collect())
    });
    let table = table.unwrap();
    let distinct: BTreeSet<u32> = case.labels.iter().copied().collect();
    assert_eq!(made.len(), distinct.len());
    check("table", &kl(3.0), &case, |_| one(Target::Table(table.clone())));
}

fn top(case: &Case, k: usize, tail: Option<f64>) -> TopK {
    let (mut ids, mut kept, mut log_sum_exp) = (Vec::new(), Vec::new(), Vec::new());
    for row in case.teachers[0].0.chunks(case.classes) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        ids.extend(order[..k].iter().map(|id| *id as u32));
        kept.extend(order[..k].iter().map(|id| row[*id] as f32));
        log_sum_exp.push(row.iter().map(|x| (x / tail.unwrap_or(1.0)).exp()).sum::<f64>().ln() as f32);
    }
    let tail = tail.map(|temperature| Tail { temperature, log_sum_exp });
    TopK::new(case.classes, TopLogits { k, classes: ids, logits: kept, tail }).unwrap()
}

#[test]
fn the_top_of_a_teacher_is_renormalised_or_spreads_its_tail() {
    let case = Case::new(4, 23, 3.0);
    for (what, tail) in [("no tail", None), ("tail", Some(2.0)), ("tail of another temperature", Some(1.0))] {
        let target = top(&case, 5, tail);
        let (value, _) = check(what, &kl(2.0), &case, |_| one(Target::TopK(target.clone())));
        let renormalised = check("no tail", &kl(2.0), &case, |_| one(Target::TopK(top(&case, 5, None)))).0;
        assert_eq!(value == renormalised, tail != Some(2.0), "{what}");
    }
    // With all classes it is the dense loss.
    for tail in [None, Some(2.0)] {
        let whole = top(&case, 23, tail);
        let (value, gradient) = check("all", &kl(2.0), &case, |_| one(Target::TopK(whole.clone())));
        let (dense, expected) = case.run(&kl(2.0), Precision::F64);
        assert_near("value", &[value], &[dense], 1e-9);
        assert_near("gradient", &gradient, &expected, 1e-9);
    }
}

#[test]
fn the_largest_of_what_is_stored_are_the_largest_of_all() {
    let case = Case::new(4, 23, 3.0);
    let options =
        |k: usize| losses(json!({ "crossEntropy": { "weight": 0.5 }, "kdTopk": { "k": k, "temperature": 2 } }));
    for k in [1, 3, 5] {
        let (value, gradient) = check("stored", &options(k), &case, |_| one(Target::TopK(top(&case, 5, Some(2.0)))));
        let (dense, expected) = case.run(&options(k), Precision::F64);
        assert_near("value", &[value], &[dense], 1e-6);
        assert_near("gradient", &gradient, &expected, 1e-6);
    }
    for precision in [Precision::F64, Precision::F32] {
        let teacher = one(Target::TopK(top(&case, 5, None)));
        let refused = |losses: &Losses| case.against(losses, &teacher, precision).unwrap_err().to_string();
        let text = refused(&options(6));
        assert_eq!(text, "losses.kdTopk.k: expected at most the 5 classes that teacherTopK holds per row, got 6");
        let text = refused(&losses(json!({ "kdTopk": { "k": 2, "missing": "zero" } })));
        assert!(
            text.starts_with("losses.kdTopk: expected a teacher with the logits of all classes, got one with the 5"),
            "{text}"
        );
    }
}

#[test]
fn classes_that_the_teacher_masks_add_nothing() {
    // For reverse divergences, a class that the teacher masks makes the loss infinite: see below.
    let forward = |(name, losses): &(String, Losses)| losses.needs_teacher() && !is_from_behind(name);
    for (name, losses) in every().into_iter().filter(forward) {
        let mut case = Case::new(3, 40, 3.0);
        for at in [3, 39, 40, 55, 119] {
            case.teachers[0].0[at] = f64::NEG_INFINITY;
        }
        let (value, gradient) = check(&name, &losses, &case, |precision| case.teachers(precision));
        assert!(value.is_finite() && gradient.iter().all(|x| x.is_finite()), "{name}");
    }
}

#[test]
fn a_constant_row_has_z_scores_of_zero_and_no_gradient() {
    let losses = losses(json!({ "kl": { "temperature": 2, "standardize": true } }));
    let mut case = Case::new(2, 9, 3.0);
    case.student[..9].fill(1.5);
    for precision in [Precision::F64, Precision::F32] {
        let (value, gradient) = case.run(&losses, precision);
        assert!(value.is_finite() && largest(&gradient[..9]) == 0.0 && largest(&gradient[9..]) > 0.0);
    }
    let mut case = Case::new(2, 9, 3.0);
    case.teachers[0].0[..9].fill(-2.0);
    let (value, gradient) = case.run(&losses, Precision::F64);
    let (single_value, single) = case.run(&losses, Precision::F32);
    assert_near("value", &[single_value], &[value], 1e-5);
    assert_near("gradient", &single, &gradient, 1e-5);
}

#[test]
fn a_divergence_from_a_masked_class_is_refused_by_loss_and_row() {
    let jsd = losses(json!({ "jsd": { "beta": 1 } }));
    let skewed = losses(json!({ "skewReverseKl": { "alpha": 0 } }));
    let losses = losses(json!({ "reverseKl": {} }));
    let mut case = Case::new(3, 5, 3.0);
    case.teachers[0].0[7] = f64::NEG_INFINITY;
    for precision in [Precision::F64, Precision::F32] {
        let error = case.try_run(&losses, precision).unwrap_err();
        assert_eq!(error.to_string(), "reverseKl: expected a finite loss, got inf in row 1");
        let error = case.try_run(&jsd, precision).unwrap_err();
        assert_eq!(error.to_string(), "jsd: expected a finite loss, got inf in row 1");
        let error = case.try_run(&skewed, precision).unwrap_err();
        assert_eq!(error.to_string(), "skewReverseKl: expected a finite loss, got inf in row 1");
    }
    // If the student's probability of the class is exactly 0 too, the class adds nothing.
    case.student[7] = -1e6;
    for precision in [Precision::F64, Precision::F32] {
        assert!(case.try_run(&losses, precision).unwrap().0.is_finite());
    }
}

#[test]
fn a_teacher_that_masks_a_whole_row_is_refused() {
    for (name, losses) in every().into_iter().filter(|(_, losses)| reads_logits(losses)) {
        let mut case = Case::new(3, 5, 3.0);
        case.teachers[0].0[5..10].fill(f64::NEG_INFINITY);
        for precision in [Precision::F64, Precision::F32] {
            let error = case.try_run(&losses, precision).unwrap_err().to_string();
            let expected =
                "teacher.logits: expected at least one class that is not masked, got -∞ for all classes of row 1";
            assert_eq!(error, expected, "{name}");
        }
    }
}
