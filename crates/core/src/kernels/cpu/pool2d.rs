//! Pooling. Adjacent windows of 2 × 2 have special loops, all others a plain one.

use std::ops::Range;

use super::isa::kernel;
use super::sums;
use super::vector::Vector;
use crate::blocks::{filled, uninit};
use crate::kernels::window::Window;
use crate::pool;

/// Input numbers per task.
const TASK: usize = 1 << 15;

/// `planes` images of `input` rows and columns each, pooled separately.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub window: Window,
    pub planes: usize,
    pub input: [usize; 2],
    pub output: [usize; 2],
}

impl Shape {
    fn input(&self) -> usize {
        self.input[0] * self.input[1]
    }

    fn output(&self) -> usize {
        self.output[0] * self.output[1]
    }

    fn per_task(&self) -> usize {
        (TASK / self.input().max(1)).max(1)
    }

    fn is_two_by_two(&self) -> bool {
        self.window == Window { kernel: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1] }
    }

    /// Calls `see(tap, position in the input)` for every tap of output (r, s) that lies inside the image.
    #[inline]
    fn window(&self, r: usize, s: usize, mut see: impl FnMut(usize, usize)) {
        let (rows, columns) = (self.inside(0, r), self.inside(1, s));
        for i in rows {
            let row = r * self.window.stride[0] + i - self.window.padding[0];
            for j in columns.clone() {
                let column = s * self.window.stride[1] + j - self.window.padding[1];
                see(i * self.window.kernel[1] + j, row * self.input[1] + column);
            }
        }
    }

    /// The taps along one axis that lie inside the image, of the window of one output.
    #[inline]
    fn inside(&self, axis: usize, output: usize) -> Range<usize> {
        let (start, padding) = (output * self.window.stride[axis], self.window.padding[axis]);
        let end = (self.input[axis] + padding).saturating_sub(start).min(self.window.kernel[axis]);
        padding.saturating_sub(start)..end
    }
}

/// The largest entry of each window, and its tap.
pub(crate) fn largest(shape: &Shape, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    let count = shape.planes * shape.output();
    let mut y = uninit(count);
    let mut winners = filled(count, 0u32);
    let per_task = shape.per_task();
    let size = per_task * shape.output();
    let items = y.chunks_mut(size).zip(winners.chunks_mut(size)).zip(x.chunks(per_task * shape.input())).collect();
    pool::each(items, |_, ((y, winners), x): ((&mut [f32], &mut [u32]), &[f32])| {
        let planes = (y.chunks_exact_mut(shape.output()).zip(winners.chunks_exact_mut(shape.output())))
            .zip(x.chunks_exact(shape.input()));
        for ((y, winners), x) in planes {
            if shape.is_two_by_two() {
                largest_of_four(x, shape.input[1], shape.output[1], y, winners);
            } else {
                largest_of_window(shape, x, y, winners);
            }
        }
    });
    (y, winners)
}

fn largest_of_window(shape: &Shape, x: &[f32], y: &mut [f32], winners: &mut [u32]) {
    let places = (0..shape.output[0]).flat_map(|r| (0..shape.output[1]).map(move |s| (r, s)));
    for ((r, s), (y, winner)) in places.zip(y.iter_mut().zip(winners)) {
        let mut best = (f32::NEG_INFINITY, None);
        shape.window(r, s, |tap, at| {
            // Larger, or NaN; or the first tap, which may be −∞.
            if best.1.is_none() || x[at] > best.0 || (x[at].is_nan() && !best.0.is_nan()) {
                best = (x[at], Some(tap as u32));
            }
        });
        (*y, *winner) = (best.0, best.1.unwrap_or(0));
    }
}

pub(crate) fn to_winners(shape: &Shape, g: &[f32], winners: &[u32]) -> Vec<f32> {
    let mut dx = uninit(shape.planes * shape.input());
    let per_task = shape.per_task();
    pool::pieces(&mut dx, per_task * shape.input(), |task, dx| {
        let from = task * per_task * shape.output();
        let planes = g[from..].chunks_exact(shape.output()).zip(winners[from..].chunks_exact(shape.output()));
        for (dx, (g, winners)) in dx.chunks_exact_mut(shape.input()).zip(planes) {
            if shape.is_two_by_two() {
                to_one_of_four(g, winners, shape.input[1], shape.output[1], dx);
                continue;
            }
            dx.fill(0.0);
            let places = (0..shape.output[0]).flat_map(|r| (0..shape.output[1]).map(move |s| (r, s)));
            for ((r, s), (g, winner)) in places.zip(g.iter().zip(winners)) {
                let (i, j) = (*winner as usize / shape.window.kernel[1], *winner as usize % shape.window.kernel[1]);
                let row = r * shape.window.stride[0] + i - shape.window.padding[0];
                let column = s * shape.window.stride[1] + j - shape.window.padding[1];
                dx[row * shape.input[1] + column] += g;
            }
        }
    });
    dx
}

pub(crate) fn mean(shape: &Shape, x: &[f32]) -> Vec<f32> {
    let share = 1.0 / (shape.window.kernel[0] * shape.window.kernel[1]) as f32;
    let mut y = uninit(shape.planes * shape.output());
    let per_task = shape.per_task();
    pool::pieces(&mut y, per_task * shape.output(), |task, y| {
        let planes = x[task * per_task * shape.input()..].chunks_exact(shape.input());
        for (y, x) in y.chunks_exact_mut(shape.output()).zip(planes) {
            for (r, y) in y.chunks_exact_mut(shape.output[1]).enumerate() {
                for (s, y) in y.iter_mut().enumerate() {
                    let mut sum = 0.0;
                    shape.window(r, s, |_, at| sum += x[at]);
                    *y = sum * share;
                }
            }
        }
    });
    y
}

pub(crate) fn to_all(shape: &Shape, g: &[f32]) -> Vec<f32> {
    let share = 1.0 / (shape.window.kernel[0] * shape.window.kernel[1]) as f32;
    let mut dx = uninit(shape.planes * shape.input());
    let per_task = shape.per_task();
    pool::pieces(&mut dx, per_task * shape.input(), |task, dx| {
        dx.fill(0.0);
        let planes = g[task * per_task * shape.output()..].chunks_exact(shape.output());
        for (dx, g) in dx.chunks_exact_mut(shape.input()).zip(planes) {
            for (r, g) in g.chunks_exact(shape.output[1]).enumerate() {
                for (s, g) in g.iter().enumerate() {
                    shape.window(r, s, |_, at| dx[at] += g * share);
                }
            }
        }
    });
    dx
}

/// The mean of each plane of `pixels`.
pub(crate) fn plane_means(x: &[f32], pixels: usize) -> Vec<f32> {
    let mut y = uninit(x.len() / pixels);
    let per_task = (TASK / pixels).max(1);
    pool::pieces(&mut y, per_task, |task, y| means_of(&x[task * per_task * pixels..], pixels, y));
    y
}

/// The backward pass of `plane_means`: fills each plane with its gradient divided by `pixels`.
pub(crate) fn to_planes(g: &[f32], pixels: usize) -> Vec<f32> {
    let mut dx = uninit(g.len() * pixels);
    let per_task = (TASK / pixels).max(1);
    pool::pieces(&mut dx, per_task * pixels, |task, dx| {
        for (dx, g) in dx.chunks_exact_mut(pixels).zip(&g[task * per_task..]) {
            dx.fill(g / pixels as f32);
        }
    });
    dx
}

kernel! {
    fn means_of<L>(x: &[f32], pixels: usize, y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x.chunks_exact(pixels)) {
            *y = sums::sum(x) / pixels as f32;
        }
    }
}

/// Writes two neighbours as one number, the left one in the low half. LLVM vectorizes a loop over such pairs, but not a
/// loop over every second number.
#[inline(always)]
fn put_pair(row: &mut [f32], index: usize, both: u64) {
    debug_assert!(2 * index + 1 < row.len());
    // SAFETY: the caller's loop ends at the end of the row.
    unsafe { row.as_mut_ptr().add(2 * index).cast::<u64>().write_unaligned(both.to_le()) }
}

kernel! {
    fn largest_of_four<L>(x: &[f32], width: usize, columns: usize, y: &mut [f32], winners: &mut [u32]) {
        let n = L::V::N;
        // SAFETY: the two types have the same size and alignment, and every bit pattern is a value of both.
        let winners = unsafe { std::slice::from_raw_parts_mut(winners.as_mut_ptr().cast::<f32>(), winners.len()) };
        let taps: [L::V; 4] = std::array::from_fn(|tap| L::V::splat(f32::from_bits(tap as u32)));
        let rows = x.chunks_exact(2 * width).zip(y.chunks_exact_mut(columns)).zip(winners.chunks_exact_mut(columns));
        for ((x, y), winners) in rows {
            let (upper, lower) = x.split_at(width);
            let mut at = 0;
            while at < columns {
                let count = n.min(columns - at);
                let from = 2 * at..2 * (at + count);
                let (a, b) = two::<L::V>(&upper[from.clone()]);
                let (c, d) = two::<L::V>(&lower[from]);
                let most = a.largest(b).largest(c.largest(d));
                // The first in reading order is compared last.
                let winner = c.where_equal(most, taps[2], taps[3]);
                let winner = a.where_equal(most, taps[0], b.where_equal(most, taps[1], winner));
                if count == n {
                    most.store(&mut y[at..]);
                    winner.store(&mut winners[at..]);
                } else {
                    most.store_part(&mut y[at..at + count]);
                    winner.store_part(&mut winners[at..at + count]);
                }
                at += n;
            }
        }
    }
}

/// The left and the right numbers of up to `N` pairs.
#[inline(always)]
fn two<V: Vector>(pairs: &[f32]) -> (V, V) {
    let n = V::N;
    if pairs.len() == 2 * n {
        V::load(pairs).unzip(V::load(&pairs[n..]))
    } else if pairs.len() > n {
        V::load(pairs).unzip(V::load_part(&pairs[n..], 0.0))
    } else {
        V::load_part(pairs, 0.0).unzip(V::splat(0.0))
    }
}

kernel! {
    fn to_one_of_four<L>(g: &[f32], winners: &[u32], width: usize, columns: usize, dx: &mut [f32]) {
        let whole = g.len() / columns * 2 * width;
        dx[whole..].fill(0.0);
        let rows = g.chunks_exact(columns).zip(winners.chunks_exact(columns)).zip(dx.chunks_exact_mut(2 * width));
        for ((g, winners), dx) in rows {
            let (upper, lower) = dx.split_at_mut(width);
            assert!(2 * columns <= width);
            for (index, (g, winner)) in g.iter().zip(winners).enumerate() {
                let both = u64::from(g.to_bits()) << (32 * (winner & 1));
                put_pair(upper, index, if *winner < 2 { both } else { 0 });
                put_pair(lower, index, if *winner < 2 { 0 } else { both });
            }
            if width > 2 * columns {
                upper[2 * columns] = 0.0;
                lower[2 * columns] = 0.0;
            }
        }
    }
}
