//! Properties of each single loss.

use super::*;
use crate::kernels::cpu::isa::on_each;
use crate::pool::Pool;

#[test]
fn the_gradient_is_that_of_the_value() {
    for (name, losses) in every() {
        let case = Case::new(3, 7, 2.0);
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
        assert_near(&name, &gradient, &slopes, 1e-7);
    }
}

#[test]
fn the_kernel_agrees_with_the_reference_on_every_size() {
    for (rows, classes) in [(1, 2), (1, 7), (3, 7), (5, 16), (4, 131), (3, 1000), (2, 2500)] {
        for (name, losses) in every_for(classes) {
            let case = Case::new(rows, classes, 4.0);
            let (value, gradient) = case.run(&losses, Precision::F64);
            on_each(|isa| {
                let what = format!("{name} {rows} × {classes} {}", isa.name());
                let (single_value, single) = case.run(&losses, Precision::F32);
                // With two classes the z-scores are constant, so their gradient is 0 except for rounding.
                let rounding = 5e-7 / largest(&gradient).max(1e-7);
                assert_near(&what, &single, &gradient, 2e-6 * (classes as f64).sqrt() + rounding);
                Precision::F32.compare(&what, &[single_value], &[value]).unwrap();
            });
        }
    }
}

#[test]
fn the_mean_does_not_change_when_rows_are_repeated() {
    for (name, losses) in every() {
        let case = Case::new(3, 7, 2.0);
        let mut twice = case.clone();
        twice.rows = 6;
        twice.student.extend_from_within(..);
        twice.teachers[0].0.extend_from_within(..);
        twice.labels.extend_from_within(..);
        twice.targets.extend_from_within(..);
        for (precision, tolerance) in [(Precision::F64, 1e-12), (Precision::F32, 1e-6)] {
            let ((one, gradient), (two, halves)) = (case.run(&losses, precision), twice.run(&losses, precision));
            assert_near(&name, &[two], &[one], tolerance);
            let both: Vec<f64> = (0..21).map(|at| halves[at] + halves[at + 21]).collect();
            assert_near(&name, &both, &gradient, tolerance);
        }
    }
}

#[test]
fn is_finite_and_right_for_logits_of_ten_thousand() {
    let mut all = every();
    for temperature in [1e-3, 0.1, 7.0, 1e3] {
        for loss in LossesOptions::NAMES {
            let mut options = json!({ *loss: { "temperature": temperature } });
            if *loss == "kdTopk" {
                options[loss]["k"] = json!(5);
            }
            // Some losses have no temperature.
            if let Ok(options) = serde_json::from_value(options) {
                all.push((format!("{loss} {temperature}"), Losses::new(options).unwrap()));
            }
        }
        for missing in ["zero", "uniform", "bucket"] {
            let options = json!({ "kdTopk": { "k": 5, "missing": missing, "temperature": temperature } });
            all.push((format!("kdTopk {missing} {temperature}"), losses(options)));
        }
    }
    for (name, losses) in all {
        let case = Case::new(4, 33, 10_000.0);
        let (value, gradient) = case.run(&losses, Precision::F64);
        assert!(value.is_finite() && gradient.iter().all(|x| x.is_finite()), "{name}");
        on_each(|isa| {
            let what = format!("{name} {}", isa.name());
            let (single_value, single) = case.run(&losses, Precision::F32);
            assert_near(&what, &[single_value], &[value], 1e-5);
            // If both sides are confident, only the rounding of probabilities is left.
            assert_near(&what, &single, &gradient, 1e-4 + 1e-7 / largest(&gradient).max(1e-7));
        });
    }
}

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    on_each(|isa| {
        for (name, losses) in every() {
            let case = Case::new(300, 260, 4.0);
            let run = |threads: usize| {
                let pool = Pool::new(Some(threads)).unwrap();
                pool.enter(|| case.run(&losses, Precision::F32))
            };
            let one = run(1);
            for threads in [2, 3] {
                assert!(one == run(threads), "{name}, {threads} threads, {}", isa.name());
            }
        }
    });
}

#[test]
fn accumulated_micro_batches_equal_the_large_batch() {
    // Losses that couple rows are excluded: for them each micro-batch is separate.
    for (name, losses) in every().into_iter().filter(|(_, losses)| !couples_rows(losses)) {
        for weighted in [false, true] {
            let mut case = Case::new(64, 9, 3.0);
            if weighted {
                let mut numbers = Numbers(5);
                case.row_weights = Some((0..64).map(|_| (numbers.next() + 0.5) as f32).collect());
            }
            let whole = case.run(&losses, Precision::F32);
            let quarters: Vec<_> = (0..4).map(|part| part * 16..(part + 1) * 16).collect();
            let (value, gradient) = case.run_in_parts(&losses, &quarters, Precision::F32);
            assert_near(&name, &[value], &[whole.0], 1e-6);
            assert_near(&name, &gradient, &whole.1, 1e-6);
        }
    }
}

#[test]
fn a_row_of_weight_zero_counts_for_nothing() {
    for (name, losses) in every() {
        let mut case = Case::new(4, 6, 2.0);
        case.row_weights = Some(vec![0.5, 0.0, 2.0, 0.0]);
        // The content of this row does not matter.
        case.student[6] = f64::NAN;
        case.labels[3] = 77;
        for precision in [Precision::F64, Precision::F32] {
            let (value, gradient) = case.run(&losses, precision);
            if couples_rows(&losses) {
                let (rest, slopes) = case.pick(&[0, 2]).run(&losses, precision);
                assert_near(&name, &[value], &[rest], 1e-6);
                let zeros = [0.0; 6];
                let expected = [&slopes[..6], &zeros, &slopes[6..], &zeros].concat();
                assert_near(&name, &gradient, &expected, 1e-6);
                continue;
            }
            let apart = |row: usize| {
                let mut part = case.part(row..row + 1);
                part.row_weights = None;
                part.run(&losses, precision)
            };
            let (first, third) = (apart(0), apart(2));
            assert_near(&name, &[value], &[0.2 * first.0 + 0.8 * third.0], 1e-6);
            let zeros = vec![0.0; 6];
            let scaled = |row: &[f64], share: f64| row.iter().map(|x| x * share).collect::<Vec<_>>();
            let expected = [scaled(&first.1, 0.2), zeros.clone(), scaled(&third.1, 0.8), zeros].concat();
            assert_near(&name, &gradient, &expected, 1e-6);
        }
    }
}

#[test]
fn no_rows_give_zero_and_say_so() {
    for (name, losses) in every() {
        let mut case = Case::new(3, 5, 2.0);
        case.row_weights = Some(vec![0.0; 3]);
        for precision in [Precision::F64, Precision::F32] {
            let denominators = losses.denominators(&[&case.batch(&losses, precision)]).unwrap();
            let teachers = case.teachers(precision);
            let (applied, gradient) = case.planned(&losses, &teachers, &denominators, precision, true).unwrap();
            assert_eq!((applied.total, largest(&gradient)), (0.0, 0.0), "{name}");
            assert!(applied.terms.values().all(|term| term.no_rows), "{name}");
        }
    }
}

#[test]
fn a_loss_that_a_shift_of_the_row_leaves_alone_has_gradients_that_add_up_to_zero() {
    let mut found = BTreeSet::new();
    for (name, losses) in every() {
        let case = Case::new(3, 41, 4.0);
        let mut shifted = case.clone();
        shifted.student.iter_mut().for_each(|x| *x += 2.5);
        let (value, moved) = (case.run(&losses, Precision::F64).0, shifted.run(&losses, Precision::F64).0);
        if (value - moved).abs() > 1e-9 * value {
            continue;
        }
        found.insert(name.split(' ').next().unwrap().to_string());
        on_each(|_| {
            let (_, gradient) = case.run(&losses, Precision::F32);
            for row in gradient.chunks(41) {
                assert!(row.iter().sum::<f64>().abs() < 1e-6 * largest(row) * 41.0, "{name}");
            }
        });
    }
    assert!(found.contains("crossEntropy") && found.contains("kl"), "{found:?}");
}
