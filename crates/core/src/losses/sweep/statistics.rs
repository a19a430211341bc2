//! The statistics of a row's softmaxes: largest logits, exponentials, sums.

use std::f64::consts::LOG2_E;

use super::layout::{Layout, Stored};
use super::rows::{Rows, ahead, check_finite, check_teacher};
use super::softmax::{Side, Spec, Stats};
use crate::error::Result;
use crate::kernels::cpu::rows;

/// Computes the largest logit and the exponentials of every softmax; returns the student's largest logit and mean
/// logit.
pub(super) fn prepare(
    layout: &Layout,
    rows: &Rows,
    at: usize,
    stored: Stored,
    stats: &mut [Stats],
) -> Result<(f32, f64)> {
    let (len, Stored { first, others }) = (rows.classes, stored);
    let range = at * len..(at + 1) * len;
    let student = &rows.student[range.clone()];
    let (student_max, sum) = rows::max_and_sum(student);
    if !sum.is_finite() {
        check_finite(student, at, "student.logits", false)?;
    }
    // The student's softmaxes come first among the bases, because a teacher's `across` needs the student's maximum.
    for spec in 0..layout.specs.len() {
        let Spec { side, temperature, standardize, .. } = layout.specs[spec];
        // The largest logit is the same at every temperature.
        let known = layout.specs[..spec].iter().position(|other| other.side == side).map(|other| stats[other].max);
        let of = &mut stats[spec];
        *of = Stats { scale: 1.0 / temperature, ..Stats::default() };
        let logits = match side {
            Side::Student => student,
            Side::Teacher(index) => rows.teacher(index, at),
        };
        of.max = match known {
            Some(max) => max,
            None if side == Side::Student => student_max,
            None => rows::max_and_sum(logits).0,
        };
        if of.max == f32::NEG_INFINITY || of.max == f32::INFINITY {
            check_teacher(logits, at)?;
        }
        if standardize {
            (of.mean, of.deviation) = spread(logits, of.max);
            // The scores of a constant row are 0 for any divisor.
            of.scale = if of.deviation > 0.0 { 1.0 / (temperature * (of.deviation + 1e-7)) } else { 1.0 / temperature };
        }
    }
    for (base, spec) in layout.bases.iter().enumerate() {
        let Spec { side, temperature, standardize, across, .. } = layout.specs[*spec];
        let out = match base {
            0 => &mut *first,
            base => &mut others[(base - 1) * len..][..len],
        };
        let (max, scale) = (stats[*spec].max, (stats[*spec].scale * LOG2_E) as f32);
        let logits = match side {
            Side::Student => rows.student,
            Side::Teacher(index) => rows.teachers[index],
        };
        let (own, next) = (&logits[range.clone()], ahead(logits, range.end, len));
        let places = || layout.places.iter().enumerate().filter(|(_, place)| place.base == base);
        let power = places().map(|(_, place)| place.power).max().unwrap_or(1);
        let sums = if across {
            let same = |other: &Spec| {
                (other.side, other.temperature, other.standardize) == (Side::Student, temperature, standardize)
            };
            let student_scale = layout.specs.iter().position(same).map_or(0.0, |own| stats[own].scale * LOG2_E);
            rows::exponentials_across(own, max, scale, student, student_max, student_scale as f32, out, next)
        } else {
            rows::exponentials(own, max, scale, out, next, power)
        };
        if let Side::Teacher(index) = side
            && !sums[0].is_finite()
        {
            check_finite(rows.teacher(index, at), at, "teacher.logits", true)?;
        }
        for (other, place) in places() {
            stats[other].sum = match place.power {
                1 => sums[0],
                largest if largest == power && !across => sums[1],
                power => rows::power_sum(out, power),
            };
            stats[other].log_sum = stats[other].sum.ln();
        }
        stats[*spec].across = if across { sums[1] } else { 0.0 };
    }
    Ok((student_max, sum / len as f64))
}

/// Mean and unbiased deviation, without masked classes.
fn spread(logits: &[f32], max: f32) -> (f64, f64) {
    let (count, mean, squares) = rows::spread(logits, max);
    (mean, if count > 1.0 { (squares / (count - 1.0)).sqrt() } else { 0.0 })
}
