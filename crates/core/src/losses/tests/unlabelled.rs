//! Rows without a label: losses on labels skip them, all other losses learn from them.

use super::*;
use crate::labels::UNLABELLED;

const KNOWN: [usize; 4] = [0, 2, 3, 6];

/// Eight rows, four of them with a label.
fn half() -> Case {
    let mut case = Case::new(8, 5, 2.0);
    (0..8).filter(|row| !KNOWN.contains(row)).for_each(|row| case.labels[row] = UNLABELLED);
    case
}

fn of_labelled(losses: &Losses) -> bool {
    losses.rows.iter().any(|row| row.needs.labelled())
}

#[test]
fn a_loss_over_labels_is_that_of_the_labelled_rows_and_every_other_loss_that_of_all_rows() {
    let mut counts = [0, 0];
    for (what, losses) in every_for(5) {
        for precision in [Precision::F64, Precision::F32] {
            let (value, gradient) = half().run(&losses, precision);
            let (expected, slopes) = if of_labelled(&losses) {
                let (expected, part) = half().pick(&KNOWN).run(&losses, precision);
                let mut slopes = vec![0.0; 8 * 5];
                KNOWN.iter().zip(part.chunks(5)).for_each(|(row, part)| slopes[row * 5..][..5].copy_from_slice(part));
                (expected, slopes)
            } else {
                Case::new(8, 5, 2.0).run(&losses, precision)
            };
            assert_near(&what, &[value], &[expected], 1e-6);
            assert_near(&what, &gradient, &slopes, 1e-6);
        }
        counts[usize::from(of_labelled(&losses))] += 1;
    }
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
}

#[test]
fn cross_entropy_beside_kl_by_hand() {
    // The softmax of (0, ln 3) is (1/4, 3/4), that of (0, 0) is (1/2, 1/2).
    let three = 3.0f64.ln();
    let case = Case {
        rows: 2,
        classes: 2,
        student: vec![0.0, three, 0.0, 0.0],
        teachers: vec![(vec![0.0, three, 0.0, three], 1.0)],
        labels: vec![1, UNLABELLED],
        targets: Vec::new(),
        soft: false,
        row_weights: None,
    };
    for precision in [Precision::F64, Precision::F32] {
        let (value, gradient) = case.run(&losses(json!({ "crossEntropy": {}, "kl": { "weight": 2 } })), precision);
        // Cross-entropy has one row, −ln(3/4); kl is that of the second row, 1/4 ln(1/2) + 3/4 ln(3/2), divided by both
        // rows.
        let kl = 0.25 * 0.5f64.ln() + 0.75 * 1.5f64.ln();
        assert_near("value", &[value], &[-(0.75f64.ln()) + 2.0 * kl / 2.0], 1e-5);
        assert_near("gradient", &gradient, &[0.25, -0.25, 0.25, -0.25], 1e-5);
    }
}

#[test]
fn micro_batches_share_the_labelled_rows_of_the_step() {
    let losses = losses(json!({ "crossEntropy": { "labelWeights": [1, 2, 3, 4, 5] }, "kl": {} }));
    let case = half();
    let (value, gradient) = case.run(&losses, Precision::F64);
    let (sum, all) = case.run_in_parts(&losses, &[0..3, 3..8], Precision::F64);
    assert_near("value", &[sum], &[value], 1e-12);
    assert_near("gradient", &all, &gradient, 1e-12);
}

#[test]
fn a_batch_without_any_label_has_no_rows_for_losses_over_labels() {
    let losses =
        losses(json!({ "crossEntropy": {}, "dkd": {}, "kdSim": {}, "kdTopk": { "k": 2, "includeTarget": true } }));
    let mut case = half();
    case.labels = vec![UNLABELLED; 8];
    for precision in [Precision::F64, Precision::F32] {
        let denominators = losses.denominators(&[&case.batch(&losses, precision)]).unwrap();
        let (applied, gradient) =
            case.planned(&losses, &case.teachers(precision), &denominators, precision, true).unwrap();
        assert!(applied.terms.values().all(|term| term.no_rows && term.value == 0.0), "{:?}", applied.terms);
        assert!(gradient.iter().all(|x| *x == 0.0));
    }
}
