//! Batch normalization. Forward: the moments of a batch per channel, then scale and shift (and relu) in one pass.
//! Backward: two sums per channel, then the input's gradient in one pass.
//!
//! Sums are taken per image (per block of rows if a channel has one number per row) around that part's own mean and
//! combined in order in f64: a large mean costs no accuracy, and the bits do not depend on the number of threads.

use super::isa::{Lanes, kernel};
use super::sums;
use crate::pool;
use crate::tensor::uninit;

/// Numbers per task of a pass.
const TASK: usize = 1 << 15;
/// Rows per part if a channel has one number per row.
const ROWS: usize = 64;

/// How `[rows, channels, plane]` is cut into parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub rows: usize,
    pub channels: usize,
    pub plane: usize,
}

impl Shape {
    /// Rows of a part.
    fn part(&self) -> usize {
        if self.plane == 1 { ROWS } else { 1 }
    }

    fn parts(&self) -> usize {
        self.rows.div_ceil(self.part())
    }

    /// Numbers of a part, and parts of a task.
    fn cut(&self) -> (usize, usize) {
        let part = self.part() * self.channels * self.plane;
        (part, (TASK / part.max(1)).max(1))
    }

    /// Numbers that a channel has in part `index`.
    fn count(&self, index: usize) -> usize {
        (self.rows - index * self.part()).min(self.part()) * self.plane
    }
}

/// Scale and shift per channel: `y = (x − mean) · scale + bias`.
#[derive(Clone, Copy)]
pub(crate) struct Channels<'a> {
    pub mean: &'a [f32],
    pub scale: &'a [f32],
    pub bias: &'a [f32],
    pub relu: bool,
}

/// Mean and biased variance of every channel.
pub(crate) fn moments(shape: Shape, x: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let channels = shape.channels;
    let (part, per_task) = shape.cut();
    let mut parts = uninit(shape.parts() * 2 * channels);
    let items = x.chunks(per_task * part).zip(parts.chunks_mut(per_task * 2 * channels)).collect();
    pool::each(items, |_, (x, into): (&[f32], &mut [f32])| {
        for (x, into) in x.chunks(part).zip(into.chunks_mut(2 * channels)) {
            moments_of(x, shape.plane, into);
        }
    });
    let total = (shape.rows * shape.plane) as f64;
    let mut mean = vec![0.0; channels];
    for (index, part) in parts.chunks(2 * channels).enumerate() {
        let share = shape.count(index) as f64 / total;
        mean.iter_mut().zip(part).for_each(|(mean, part)| *mean += share * f64::from(*part));
    }
    let mut variance = vec![0.0; channels];
    for (index, part) in parts.chunks(2 * channels).enumerate() {
        let count = shape.count(index) as f64;
        for channel in 0..channels {
            let away = f64::from(part[channel]) - mean[channel];
            variance[channel] += (f64::from(part[channels + channel]) + count * away * away) / total;
        }
    }
    (mean, variance)
}

pub(crate) fn apply(shape: Shape, x: &[f32], by: Channels<'_>) -> Vec<f32> {
    let mut y = uninit(x.len());
    let (part, per_task) = shape.cut();
    pool::pieces(&mut y, per_task * part, |task, y| {
        let x = &x[task * per_task * part..][..y.len()];
        apply_to(x, shape.plane, by, y);
    });
    y
}

/// `Σ g` and `Σ g · (x − mean)` of every channel, over the numbers that relu did not set to 0.
pub(crate) fn slopes(shape: Shape, g: &[f32], x: &[f32], by: Channels<'_>) -> (Vec<f64>, Vec<f64>) {
    let channels = shape.channels;
    let (part, per_task) = shape.cut();
    let mut parts = uninit(shape.parts() * 2 * channels);
    let items = (g.chunks(per_task * part).zip(x.chunks(per_task * part)))
        .zip(parts.chunks_mut(per_task * 2 * channels))
        .collect();
    pool::each(items, |_, ((g, x), into): ((&[f32], &[f32]), &mut [f32])| {
        for ((g, x), into) in g.chunks(part).zip(x.chunks(part)).zip(into.chunks_mut(2 * channels)) {
            slopes_of(g, x, shape.plane, by, into);
        }
    });
    let (mut sum, mut dot) = (vec![0.0; channels], vec![0.0; channels]);
    for part in parts.chunks(2 * channels) {
        for channel in 0..channels {
            sum[channel] += f64::from(part[channel]);
            dot[channel] += f64::from(part[channels + channel]);
        }
    }
    (sum, dot)
}

/// `scale · (g − shift − (x − mean) · tilt)`; `scale · (−shift − (x − mean) · tilt)` where relu set the output to 0.
pub(crate) fn input_gradient(
    shape: Shape,
    g: &[f32],
    x: &[f32],
    by: Channels<'_>,
    shift: &[f32],
    tilt: &[f32],
) -> Vec<f32> {
    let mut dx = uninit(x.len());
    let (part, per_task) = shape.cut();
    pool::pieces(&mut dx, per_task * part, |task, dx| {
        let from = task * per_task * part;
        let (g, x) = (&g[from..][..dx.len()], &x[from..][..dx.len()]);
        input_gradient_of(g, x, shape.plane, by, shift, tilt, dx);
    });
    dx
}

#[inline(always)]
fn open<L: Lanes>(away: f32, scale: f32, bias: f32, relu: bool) -> bool {
    !relu || L::mul_add(away, scale, bias) > 0.0
}

kernel! {
    /// Mean and Σ (x − mean)² of each channel of one part.
    fn moments_of<L>(x: &[f32], plane: usize, into: &mut [f32]) {
        let (means, squares) = into.split_at_mut(into.len() / 2);
        let channels = means.len();
        if plane > 1 {
            let share = 1.0 / plane as f32;
            for ((x, mean), square) in x.chunks_exact(plane).zip(means).zip(squares) {
                *mean = sums::sum(x) * share;
                *square = sums::squares::<L>(x, *mean);
            }
        } else {
            let share = 1.0 / (x.len() / channels) as f32;
            means.fill(0.0);
            squares.fill(0.0);
            for row in x.chunks_exact(channels) {
                means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
            }
            means.iter_mut().for_each(|mean| *mean *= share);
            for row in x.chunks_exact(channels) {
                for ((square, mean), x) in squares.iter_mut().zip(means.iter()).zip(row) {
                    *square = L::mul_add(x - mean, x - mean, *square);
                }
            }
        }
    }
}

kernel! {
    fn apply_to<L>(x: &[f32], plane: usize, by: Channels<'_>, y: &mut [f32]) {
        let channels = by.mean.len();
        for (x, y) in x.chunks_exact(channels * plane).zip(y.chunks_exact_mut(channels * plane)) {
            if plane > 1 {
                let each = x.chunks_exact(plane).zip(y.chunks_exact_mut(plane)).enumerate();
                for (channel, (x, y)) in each {
                    let (mean, scale, bias) = (by.mean[channel], by.scale[channel], by.bias[channel]);
                    for (y, x) in y.iter_mut().zip(x) {
                        let value = L::mul_add(x - mean, scale, bias);
                        *y = if by.relu && value < 0.0 { 0.0 } else { value };
                    }
                }
            } else {
                let each = y.iter_mut().zip(x).zip(by.mean).zip(by.scale).zip(by.bias);
                for ((((y, x), mean), scale), bias) in each {
                    let value = L::mul_add(x - mean, *scale, *bias);
                    *y = if by.relu && value < 0.0 { 0.0 } else { value };
                }
            }
        }
    }
}

kernel! {
    fn slopes_of<L>(g: &[f32], x: &[f32], plane: usize, by: Channels<'_>, into: &mut [f32]) {
        let (sums_of, dots) = into.split_at_mut(into.len() / 2);
        let channels = sums_of.len();
        if plane > 1 {
            for channel in 0..channels {
                let range = channel * plane..(channel + 1) * plane;
                let (mean, scale, bias) = (by.mean[channel], by.scale[channel], by.bias[channel]);
                let (sum, dot) = if by.relu {
                    sums::gated::<L>(&g[range.clone()], &x[range], mean, scale, bias)
                } else {
                    sums::sum_and_dot::<L>(&g[range.clone()], &x[range], mean)
                };
                (sums_of[channel], dots[channel]) = (sum, dot);
            }
        } else {
            sums_of.fill(0.0);
            dots.fill(0.0);
            for (g, x) in g.chunks_exact(channels).zip(x.chunks_exact(channels)) {
                for channel in 0..channels {
                    let away = x[channel] - by.mean[channel];
                    let open = open::<L>(away, by.scale[channel], by.bias[channel], by.relu);
                    let g = if open { g[channel] } else { 0.0 };
                    sums_of[channel] += g;
                    dots[channel] = L::mul_add(g, away, dots[channel]);
                }
            }
        }
    }
}

kernel! {
    fn input_gradient_of<L>(
        g: &[f32], x: &[f32], plane: usize, by: Channels<'_>, shift: &[f32], tilt: &[f32], dx: &mut [f32],
    ) {
        let channels = by.mean.len();
        if plane > 1 {
            let each = g.chunks_exact(plane).zip(x.chunks_exact(plane)).zip(dx.chunks_exact_mut(plane)).enumerate();
            for (index, ((g, x), dx)) in each {
                let channel = index % channels;
                let (mean, scale, bias) = (by.mean[channel], by.scale[channel], by.bias[channel]);
                let (shift, tilt) = (shift[channel], tilt[channel]);
                for ((dx, g), x) in dx.iter_mut().zip(g).zip(x) {
                    let away = x - mean;
                    let g = if open::<L>(away, scale, bias, by.relu) { *g } else { 0.0 };
                    *dx = scale * L::mul_add(-away, tilt, g - shift);
                }
            }
        } else {
            let rows = g.chunks_exact(channels).zip(x.chunks_exact(channels)).zip(dx.chunks_exact_mut(channels));
            for ((g, x), dx) in rows {
                for channel in 0..channels {
                    let (away, scale) = (x[channel] - by.mean[channel], by.scale[channel]);
                    let g = if open::<L>(away, scale, by.bias[channel], by.relu) { g[channel] } else { 0.0 };
                    dx[channel] = scale * L::mul_add(-away, tilt[channel], g - shift[channel]);
                }
            }
        }
    }
}
