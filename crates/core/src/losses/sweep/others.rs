//! A softmax over all classes except some, relative to its own largest logit. It keeps the digits of the remaining
//! classes if the excluded classes have almost all probability.

use std::f64::consts::LOG2_E;
use std::ops::Range;

use crate::kernels::cpu::rows;

/// Sums of the exponentials of the classes that are not excluded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Others {
    /// Σ of the exponentials, the largest of which is 1; 0 if there are none.
    pub sum: f64,
    /// ln Σ e^(x / T).
    pub log_sum: f64,
    /// Σ of exponentials × (exponent − that of the other row), in powers of two.
    pub across: f64,
}

/// The runs of classes between the excluded classes, which are in rising order.
fn runs(len: usize, without: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let starts = std::iter::once(0).chain(without.iter().map(|class| class + 1));
    let ends = without.iter().copied().chain(std::iter::once(len));
    starts.zip(ends).map(|(start, end)| start..end).filter(|run| !run.is_empty())
}

fn largest(x: &[f32], without: &[usize]) -> f32 {
    runs(x.len(), without).map(|run| rows::max_and_sum(&x[run]).0).fold(f32::NEG_INFINITY, f32::max)
}

impl Others {
    /// Writes e^(x / T), relative to the largest, into `out`, and 0 at the excluded classes.
    pub fn of(x: &[f32], without: &[usize], temperature: f64, out: &mut [f32]) -> Others {
        let (max, scale) = (largest(x, without), (LOG2_E / temperature) as f32);
        let add = |sum: f64, run: Range<usize>| {
            sum + rows::exponentials(&x[run.clone()], max, scale, &mut out[run], &[], 1)[0]
        };
        let sum = if max > f32::NEG_INFINITY { runs(x.len(), without).fold(0.0, add) } else { 0.0 };
        Others::new(max, [sum, 0.0], without, temperature, out)
    }

    /// The same, compared with another row.
    pub fn across(x: &[f32], y: &[f32], without: &[usize], temperature: f64, out: &mut [f32]) -> Others {
        let (max, y_max, scale) = (largest(x, without), largest(y, without), (LOG2_E / temperature) as f32);
        let (mut sum, mut across) = (0.0, 0.0);
        if max > f32::NEG_INFINITY {
            for run in runs(x.len(), without) {
                let (x, y, out) = (&x[run.clone()], &y[run.clone()], &mut out[run]);
                let [more, distance] = rows::exponentials_across(x, max, scale, y, y_max, scale, out, &[]);
                sum += more;
                across += distance;
            }
        }
        Others::new(max, [sum, across], without, temperature, out)
    }

    fn new(max: f32, [sum, across]: [f64; 2], without: &[usize], temperature: f64, out: &mut [f32]) -> Others {
        if max == f32::NEG_INFINITY {
            out.fill(0.0);
            return Others { sum: 0.0, log_sum: f64::NEG_INFINITY, across: 0.0 };
        }
        without.iter().for_each(|class| out[*class] = 0.0);
        Others { sum, log_sum: f64::from(max) / temperature + sum.ln(), across }
    }
}

/// 1 / (1 + e^-x).
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(1 / (1 + e^-x)).
pub(crate) fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// σ(x) − σ(y), computed without subtracting two numbers near 1.
pub(crate) fn sigmoid_difference(x: f64, y: f64) -> f64 {
    if x > 0.0 && y > 0.0 { sigmoid(-y) - sigmoid(-x) } else { sigmoid(x) - sigmoid(y) }
}

/// KL of two Bernoulli distributions with the probabilities σ(x) and σ(y).
pub(crate) fn coin_divergence(x: f64, y: f64) -> f64 {
    let side = |x: f64, y: f64| match sigmoid(x) {
        0.0 => 0.0,
        p => p * (log_sigmoid(x) - log_sigmoid(y)),
    };
    side(x, y) + side(-x, -y)
}
