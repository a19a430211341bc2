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

/// Writes the gradient into `out`. Where a base stands in it, its exponentials become the gradient.
pub(super) fn write(
    from: Exponentials,
    student: &[f32],
    gradient: &Gradient,
    out: &mut [f32],
    powers: &mut [Polynomial],
) {
    polynomials(from.layout, gradient, powers);
    let in_place = from.layout.in_place;
    let alone = gradient.everywhere == 0.0 && gradient.logits == 0.0 && gradient.dense.is_empty();
    match powers {
        [own, one] if in_place && alone && one.degree == 1 => {
            rows::combine(out, own, from.base(1), one.coefficients[0], &[], 0.0);
        }
        [own, one, two] if in_place && alone && one.degree == 1 && two.degree == 1 => {
            rows::combine(out, own, from.base(1), one.coefficients[0], from.base(2), two.coefficients[0]);
        }
        _ => {
            let none = Polynomial::default();
            let own = powers.first().filter(|_| in_place).unwrap_or(&none);
            rows::scale_row(out, own, gradient.everywhere as f32);
            for (base, power) in powers.iter().enumerate().skip(usize::from(in_place)) {
                rows::add_row(out, power, from.base(base));
            }
            if gradient.logits != 0.0 {
                rows::add_row(out, &Polynomial::linear(gradient.logits), student);
            }
            for (row, coefficient) in &gradient.dense {
                rows::add_row(out, &Polynomial::linear(*coefficient), row);
            }
        }
    }
    for (class, coefficient) in &gradient.classes {
        out[*class] += *coefficient as f32;
    }
}
