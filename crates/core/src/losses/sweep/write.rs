//! Writes the gradient of a row from the coefficients that the losses added.

use super::gradient::{Gradient, Pending, Slopes};
use super::layout::{Exponentials, Layout};
use crate::kernels::cpu::rows::{self, Polynomial};
use crate::kernels::cpu::slopes;

/// The gradient as a sum of powers of each base.
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

/// The inputs of a row's gradient.
pub(super) struct Sources<'r, 'g, 'w> {
    /// The exponentials without base 0, which is in the row that is written.
    pub exponentials: Exponentials<'r>,
    pub student: &'r [f32],
    pub gradient: &'r Gradient<'g>,
    /// The settled and the pending slopes.
    pub slopes: &'r Slopes<'w>,
}

/// Writes the gradient into `out`, over the exponentials of base 0.
pub(super) fn write(sources: &Sources, out: &mut [f32], powers: &mut [Polynomial]) {
    let Sources { exponentials: from, student, gradient, slopes: made } = *sources;
    polynomials(from.layout, gradient, powers);
    let (own, others) = powers.split_first().map_or((Polynomial::default(), &[][..]), |(own, others)| (*own, others));
    let constant = gradient.everywhere as f32;
    // Rows that are added with a coefficient; the pass that turns the exponentials into the gradient adds up to two of
    // them.
    let rows = || {
        let bases = others.iter().enumerate().filter(|(_, power)| power.degree == 1);
        let bases = bases.map(|(base, power)| (from.base(base + 1), power.coefficients[0]));
        let logits = (gradient.logits != 0.0).then_some((student, gradient.logits as f32));
        let dense = gradient.dense.iter().map(|(row, coefficient)| (*row, *coefficient as f32));
        let plain = match made.pending {
            Some(Pending::Plain { scale }) => Some((&*made.row, scale)),
            _ => None,
        };
        bases.chain(logits).chain(dense).chain(plain).chain(made.bent().map(|row| (row, 1.0)))
    };
    let mut first = rows();
    let done = match (made.pending, first.next(), first.next()) {
        (Some(Pending::Bent { mean, scale, .. }), one, _) => {
            let (row, a) = one.unwrap_or((&[], 0.0));
            slopes::combine(out, &own, constant, row, a, made.row, mean, scale);
            1
        }
        (_, None, _) => {
            rows::scale_row(out, &own, constant);
            0
        }
        (_, Some((row, a)), second) => {
            let (second, b) = second.unwrap_or((&[], 0.0));
            rows::combine(out, &own, constant, row, a, second, b);
            2
        }
    };
    for (row, coefficient) in rows().skip(done) {
        rows::add_row(out, &Polynomial::linear(f64::from(coefficient)), row);
    }
    for (base, power) in others.iter().enumerate().filter(|(_, power)| power.degree > 1) {
        rows::add_row(out, power, from.base(base + 1));
    }
    for (class, coefficient) in &gradient.classes {
        out[*class] += *coefficient as f32;
    }
}
