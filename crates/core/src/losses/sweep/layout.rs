//! Where the exponentials of each softmax are stored during a sweep.

use super::softmax::{Side, Spec, Stats};

/// If a temperature is another one divided by an integer up to this, its exponentials are computed as powers of the
/// other's.
const POWERS: u32 = 8;

/// The row of exponentials that a softmax uses, and the power of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub base: usize,
    pub power: u32,
}

pub(super) struct Layout {
    pub specs: Vec<Spec>,
    pub places: Vec<Place>,
    /// For each base, the softmax whose exponentials it holds.
    pub bases: Vec<usize>,
}

impl Layout {
    pub fn new(specs: Vec<Spec>) -> Layout {
        // The student's softmaxes first, then by falling temperature.
        let mut order: Vec<usize> = (0..specs.len()).collect();
        let rank = |side: Side| match side {
            Side::Student => 0,
            Side::Teacher(index) => index + 1,
        };
        order.sort_by(|a, b| {
            let (a, b) = (&specs[*a], &specs[*b]);
            rank(a.side).cmp(&rank(b.side)).then(b.temperature.total_cmp(&a.temperature))
        });
        let mut places = vec![Place { base: 0, power: 1 }; specs.len()];
        let mut bases: Vec<usize> = Vec::new();
        for index in order {
            let spec = &specs[index];
            let power_of = |base: &usize| {
                let of = &specs[*base];
                let ratio = of.temperature / spec.temperature;
                let near = (2..=POWERS).find(|power| (ratio - f64::from(*power)).abs() < 1e-12 * ratio)?;
                (!spec.stored && of.side == spec.side && !of.standardize).then_some(near)
            };
            let found = bases.iter().enumerate().find_map(|(at, base)| power_of(base).map(|power| (at, power)));
            places[index] = match found {
                Some((base, power)) => Place { base, power },
                None => {
                    bases.push(index);
                    Place { base: bases.len() - 1, power: 1 }
                }
            };
        }
        Layout { specs, places, bases }
    }

    /// The number of rows of exponentials in scratch memory. Base 0 is not among them: it is in the gradient's own row,
    /// which overwrites it.
    pub fn apart(&self) -> usize {
        self.bases.len().saturating_sub(1)
    }
}

/// Where a row's exponentials are written: base 0 into the gradient's row, the other bases one after the other.
pub(super) struct Stored<'r> {
    pub first: &'r mut [f32],
    pub others: &'r mut [f32],
}

/// A row's exponentials, for reading.
#[derive(Clone, Copy)]
pub(super) struct Exponentials<'r> {
    pub layout: &'r Layout,
    pub first: &'r [f32],
    pub others: &'r [f32],
    pub len: usize,
}

impl<'r> Exponentials<'r> {
    pub fn base(&self, base: usize) -> &'r [f32] {
        match base {
            0 => self.first,
            base => &self.others[(base - 1) * self.len..][..self.len],
        }
    }

    /// The exponentials of one stored softmax.
    pub fn of_softmax(&self, softmax: usize) -> &'r [f32] {
        self.base(self.layout.places[softmax].base)
    }

    /// The exponentials of one softmax, and the factor that turns them into probabilities.
    pub fn of(&self, softmax: usize, stats: &[Stats]) -> (&'r [f32], f64) {
        (self.base(self.layout.places[softmax].base), 1.0 / stats[softmax].sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::sweep::softmax::Ask;

    /// The rows of scratch memory that cross-entropy and kl need together.
    fn rows_apart(temperature: f64) -> usize {
        let mut ask = Ask::default();
        ask.softmax(Side::Student, 1.0);
        ask.pair(0, temperature, false);
        Layout::new(ask.specs).apart()
    }

    #[test]
    fn a_thread_needs_one_row_where_temperatures_divide_each_other_and_two_where_they_do_not() {
        for (temperature, rows) in [(1.0, 1), (2.0, 1), (4.0, 1), (8.0, 1), (0.5, 1), (3.3, 2), (9.0, 2)] {
            assert_eq!(rows_apart(temperature), rows, "{temperature}");
        }
    }

    #[test]
    fn a_loss_that_asks_for_a_softmax_twice_gets_the_same() {
        let mut ask = Ask::default();
        let first = ask.softmax(Side::Student, 2.0);
        assert_eq!(ask.pair(0, 2.0, false).1, first);
        assert_ne!(ask.softmax(Side::Student, 3.0), first);
        assert_eq!(ask.specs.len(), 3);
    }
}
