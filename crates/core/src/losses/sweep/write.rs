//! The gradient of a row, from the coefficients that the losses gave.

use super::layout::{Exponentials, Layout};
use super::row::Gradient;
use crate::kernels::cpu::rows::{self, Polynomial};

/// The powers of each base that a gradient is the sum of.
fn polynomials(layout: &Layout, gradient: &Gradient, polynomials: &mut [Polynomial]) {
    polynomials.fill(Polynomial::default());
    for (place, coefficient) in layout.places.iter().zip(&gradient.softmaxes) {
        if *coefficient != 0.0 {
            let of = &mut polynomials[place.base];
            of.coefficients[place.power as usize - 1] += *coefficient as f32;
            of.degree = of.degree.max(place.power as usize);
        }
    }
}

/// Writes the gradient into `out`, where the exponentials of base 0 stand and become it. `bent` is the part that was
/// made of slopes, if there is one.
pub(super) fn write(
    from: Exponentials,
    student: &[f32],
    gradient: &Gradient,
    bent: Option<&[f32]>,
    out: &mut [f32],
    powers: &mut [Polynomial],
) {
    polynomials(from.layout, gradient, powers);
    let (own, others) = powers.split_first().map_or((Polynomial::default(), &[][..]), |(own, others)| (*own, others));
    let constant = gradient.everywhere as f32;
    // Rows that are added as they are: two of them in the pass that turns the exponentials into the gradient.
    let rows = || {
        let bases = others.iter().enumerate().filter(|(_, power)| power.degree == 1);
        let bases = bases.map(|(base, power)| (from.base(base + 1), power.coefficients[0]));
        let logits = (gradient.logits != 0.0).then_some((student, gradient.logits as f32));
        let dense = gradient.dense.iter().map(|(row, coefficient)| (*row, *coefficient as f32));
        bases.chain(logits).chain(dense).chain(bent.map(|row| (row, 1.0)))
    };
    let mut first = rows();
    match (first.next(), first.next()) {
        (None, _) => rows::scale_row(out, &own, constant),
        (Some((row, a)), None) => rows::combine(out, &own, constant, row, a, &[], 0.0),
        (Some((row, a)), Some((second, b))) => rows::combine(out, &own, constant, row, a, second, b),
    }
    for (row, coefficient) in rows().skip(2) {
        rows::add_row(out, &Polynomial::linear(f64::from(coefficient)), row);
    }
    for (base, power) in others.iter().enumerate().filter(|(_, power)| power.degree > 1) {
        rows::add_row(out, power, from.base(base + 1));
    }
    for (class, coefficient) in &gradient.classes {
        out[*class] += *coefficient as f32;
    }
}
