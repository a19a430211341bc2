//! The two inner loops of a convolution, over fields: images from images (forward, and back to the input), and
//! weights from pairs of images.
//!
//! A tile keeps R output channels × P registers of pixels (or R channels × T taps) in registers and loops over all
//! summands, so that every loaded number is used R or P times. R and P do not change the order of any sum.

use super::field::LANES;
use crate::kernels::cpu::isa::kernel;
use crate::kernels::cpu::sums;
use crate::kernels::cpu::vector::Vector;

/// Output channels computed by one tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub first: usize,
    pub count: usize,
    /// The start of its weights, `[channels][taps][count]`.
    pub at: usize,
}

/// Cuts `outputs` into blocks of 8, 4, 2 and 1, each with `terms` weights per output.
pub(super) fn blocks(outputs: usize, terms: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut first = 0;
    while first < outputs {
        let count = [8, 4, 2, 1].into_iter().find(|n| first + n <= outputs).unwrap_or(1);
        blocks.push(Block { first, count, at: first * terms });
        first += count;
    }
    blocks
}

/// `to[o, r, s] = bias[o] + Σ_{c,t} weights[o, c, t] · source[start + c · plane + r · step + s + taps[t]]`.
pub(super) struct Correlation<'a> {
    pub rows: usize,
    pub columns: usize,
    pub start: usize,
    pub step: usize,
    pub plane: usize,
    pub channels: usize,
    pub taps: &'a [usize],
    pub blocks: &'a [Block],
    pub weights: &'a [f32],
    pub bias: Option<&'a [f32]>,
    /// Position of output (o, r, s): `to_start + o · to_plane + r · to_row + s · to_column`.
    pub to_start: usize,
    pub to_plane: usize,
    pub to_row: usize,
    pub to_column: usize,
    /// Length and distance of the output's rows within the single long row that was computed; they are copied out of it.
    pub cut: Option<Cut>,
}

/// Narrow images are computed as one long row, zeros between their rows included: a register then holds parts of
/// several rows instead of half a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub rows: usize,
    pub width: usize,
    pub pitch: usize,
}

impl Cut {
    pub fn columns(&self) -> usize {
        (self.rows - 1) * self.pitch + self.width
    }
}

kernel! {
    /// `long` has space for eight computed rows if they are cut, and is empty otherwise.
    pub(super) fn correlate<L>(job: &Correlation<'_>, source: &[f32], to: &mut [f32], long: &mut [f32]) {
        if job.rows == 0 || job.columns == 0 {
            return;
        }
        let furthest = job.taps.iter().max().copied().unwrap_or(0) + job.channels.saturating_sub(1) * job.plane;
        let overrun = job.columns.next_multiple_of(LANES);
        assert!(job.start + furthest + (job.rows - 1) * job.step + overrun <= source.len());
        for block in job.blocks {
            assert!(block.at + block.count * job.channels * job.taps.len() <= job.weights.len());
            // Eight sums hide the latency of a multiply-add; with sixteen registers at most twelve sums fit.
            let wide = L::V::N == LANES;
            match block.count {
                8 if wide => sweep::<L::V, 8, 2>(job, block, 0, source, to, long),
                8 => {
                    sweep::<L::V, 4, 2>(job, block, 0, source, to, long);
                    sweep::<L::V, 4, 2>(job, block, 4, source, to, long);
                }
                4 if wide => sweep::<L::V, 4, 4>(job, block, 0, source, to, long),
                4 => sweep::<L::V, 4, 2>(job, block, 0, source, to, long),
                2 => sweep::<L::V, 2, 4>(job, block, 0, source, to, long),
                _ => sweep::<L::V, 1, 8>(job, block, 0, source, to, long),
            }
        }
    }
}

#[inline(always)]
fn sweep<V: Vector, const R: usize, const P: usize>(
    job: &Correlation<'_>,
    block: &Block,
    skip: usize,
    source: &[f32],
    to: &mut [f32],
    long: &mut [f32],
) {
    let length = job.columns.next_multiple_of(LANES);
    let first = block.first + skip;
    let mut bias = [0.0; R];
    if let Some(all) = job.bias {
        bias.copy_from_slice(&all[first..first + R]);
    }
    let weights = &job.weights[block.at + skip..];
    let (mut row, mut column) = (0, 0);
    let mut next = || {
        let spot = (row < job.rows).then_some((row, column));
        column += V::N;
        if column >= job.columns {
            (row, column) = (row + 1, 0);
        }
        spot
    };
    let mut spots = [(0, 0); P];
    let mut held = 0;
    while let Some(spot) = next() {
        spots[held] = spot;
        held += 1;
        if held == P {
            let sums = tile::<V, R, P>(job, weights, block.count, &bias, source, &spots);
            for (r, sums) in sums.iter().enumerate() {
                for (sum, spot) in sums.iter().zip(&spots) {
                    match job.cut {
                        None => put(job, first + r, *spot, *sum, to),
                        Some(_) => sum.store(&mut long[r * length + spot.1..][..V::N]),
                    }
                }
            }
            held = 0;
        }
    }
    for spot in &spots[..held] {
        let sums = tile::<V, R, 1>(job, weights, block.count, &bias, source, &[*spot]);
        for (r, [sum]) in sums.iter().enumerate() {
            match job.cut {
                None => put(job, first + r, *spot, *sum, to),
                Some(_) => sum.store(&mut long[r * length + spot.1..][..V::N]),
            }
        }
    }
    if let Some(cut) = job.cut {
        for r in 0..R {
            for row in 0..cut.rows {
                let from = &long[r * length + row * cut.pitch..][..cut.width];
                let to = &mut to[job.to_start + (first + r) * job.to_plane + row * job.to_row..][..cut.width];
                let mut at = 0;
                while at + V::N <= cut.width {
                    V::load(&from[at..]).store(&mut to[at..]);
                    at += V::N;
                }
                if at < cut.width {
                    V::load_part(&from[at..], 0.0).store_part(&mut to[at..]);
                }
            }
        }
    }
}

#[inline(always)]
fn tile<V: Vector, const R: usize, const P: usize>(
    job: &Correlation<'_>,
    weights: &[f32],
    weight_step: usize,
    bias: &[f32; R],
    source: &[f32],
    spots: &[(usize, usize); P],
) -> [[V; P]; R] {
    let mut sums = bias.map(|bias| [V::splat(bias); P]);
    let from = spots.map(|(row, column)| job.start + row * job.step + column);
    let mut weight = weights.as_ptr();
    for channel in 0..job.channels {
        let base = channel * job.plane;
        for tap in job.taps {
            let mut x = [V::splat(0.0); P];
            for (x, from) in x.iter_mut().zip(from) {
                // SAFETY: `correlate` checked the last position, tap and channel, plus one register beyond them.
                *x = unsafe { at::<V>(source.as_ptr().add(base + tap + from)) };
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `correlate` checked that the block's `channels · taps · count` weights exist.
                let w = V::splat(unsafe { *weight.add(r) });
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum = x.mul_add(w, *sum);
                }
            }
            weight = weight.wrapping_add(weight_step);
        }
    }
    sums
}

/// # Safety
/// `V::N` numbers can be read from `from` on.
#[inline(always)]
unsafe fn at<V: Vector>(from: *const f32) -> V {
    // SAFETY: guaranteed by the caller.
    V::load(unsafe { std::slice::from_raw_parts(from, V::N) })
}

#[inline(always)]
fn put<V: Vector>(job: &Correlation<'_>, output: usize, (row, column): (usize, usize), sum: V, to: &mut [f32]) {
    let width = (job.columns - column).min(V::N);
    let at = job.to_start + output * job.to_plane + row * job.to_row + column * job.to_column;
    if job.to_column != 1 {
        let mut lanes = [0.0; LANES];
        sum.store(&mut lanes);
        for (lane, x) in lanes.iter().enumerate().take(width) {
            to[at + lane * job.to_column] = *x;
        }
    } else if width == V::N {
        sum.store(&mut to[at..at + V::N]);
    } else {
        sum.store_part(&mut to[at..at + width]);
    }
}

/// `sums[o, k, ·] += Σ_{n,r,s} g[n, o, r, s] · x[n, streams[k] + r · x_step + s]`, separately for each lane.
pub(super) struct Pairing<'a> {
    pub images: usize,
    pub rows: usize,
    pub columns: usize,
    /// One group's output channels, and their start in `g` and in `sums`.
    pub outputs: usize,
    pub first: usize,
    pub g_start: usize,
    pub g_image: usize,
    pub g_plane: usize,
    pub g_step: usize,
    pub x_image: usize,
    pub x_step: usize,
    /// Offset of each channel and tap of the group.
    pub streams: &'a [usize],
}

kernel! {
    pub(super) fn pair<L>(job: &Pairing<'_>, x: &[f32], g: &[f32], sums: &mut [f32]) {
        if job.images == 0 || job.rows == 0 || job.columns == 0 || job.outputs == 0 {
            return;
        }
        let overrun = job.columns.next_multiple_of(LANES);
        let furthest = job.streams.iter().max().copied().unwrap_or(0);
        assert!((job.images - 1) * job.x_image + (job.rows - 1) * job.x_step + furthest + overrun <= x.len());
        let last = (job.images - 1) * job.g_image + (job.first + job.outputs - 1) * job.g_plane;
        assert!(job.g_start + last + (job.rows - 1) * job.g_step + overrun <= g.len());
        let mut output = 0;
        let wide = L::V::N == LANES;
        while output < job.outputs {
            let left = job.outputs - output;
            let count = [8, 4, 2, 1].into_iter().find(|n| *n <= left && (wide || *n < 8)).unwrap_or(1);
            for (index, streams) in job.streams.chunks(3).enumerate() {
                let first = job.first + output;
                let to = (first * job.streams.len() + index * 3) * LANES;
                match (count, streams) {
                    (8, [a, b, c]) => pair_tile::<L::V, 8, 3>(job, first, [*a, *b, *c], x, g, &mut sums[to..]),
                    (4, [a, b, c]) => pair_tile::<L::V, 4, 3>(job, first, [*a, *b, *c], x, g, &mut sums[to..]),
                    (2, [a, b, c]) => pair_tile::<L::V, 2, 3>(job, first, [*a, *b, *c], x, g, &mut sums[to..]),
                    (1, [a, b, c]) => pair_tile::<L::V, 1, 3>(job, first, [*a, *b, *c], x, g, &mut sums[to..]),
                    _ => {
                        for (place, stream) in streams.iter().enumerate() {
                            let sums = &mut sums[to + place * LANES..];
                            match count {
                                8 => pair_tile::<L::V, 8, 1>(job, first, [*stream], x, g, sums),
                                4 => pair_tile::<L::V, 4, 1>(job, first, [*stream], x, g, sums),
                                2 => pair_tile::<L::V, 2, 1>(job, first, [*stream], x, g, sums),
                                _ => pair_tile::<L::V, 1, 1>(job, first, [*stream], x, g, sums),
                            }
                        }
                    }
                }
            }
            output += count;
        }
    }
}

#[inline(always)]
fn pair_tile<V: Vector, const R: usize, const T: usize>(
    job: &Pairing<'_>,
    first: usize,
    streams: [usize; T],
    x: &[f32],
    g: &[f32],
    sums: &mut [f32],
) {
    let mut held = [[V::splat(0.0); T]; R];
    for image in 0..job.images {
        for row in 0..job.rows {
            let mut column = 0;
            while column < job.columns {
                let x_at = image * job.x_image + row * job.x_step + column;
                let g_at = job.g_start + image * job.g_image + first * job.g_plane + row * job.g_step + column;
                let mut seen = [V::splat(0.0); T];
                for (seen, stream) in seen.iter_mut().zip(streams) {
                    // SAFETY: `pair` checked the last image, row and stream, plus one register beyond them.
                    *seen = unsafe { at::<V>(x.as_ptr().add(x_at + stream)) };
                }
                for (r, held) in held.iter_mut().enumerate() {
                    // SAFETY: `pair` also checked the last image, row and output.
                    let up = unsafe { at::<V>(g.as_ptr().add(g_at + r * job.g_plane)) };
                    for (held, seen) in held.iter_mut().zip(seen) {
                        *held = up.mul_add(seen, *held);
                    }
                }
                column += V::N;
            }
        }
    }
    for (r, held) in held.iter().enumerate() {
        for (t, held) in held.iter().enumerate() {
            let at = (r * job.streams.len() + t) * LANES;
            let sums = &mut sums[at..at + V::N];
            V::load(sums).add(*held).store(sums);
        }
    }
}

kernel! {
    /// `into[k] = Σ of the lanes of sums[k, ·]`.
    pub(super) fn fold<L>(sums: &[f32], into: &mut [f32]) {
        for (into, sums) in into.iter_mut().zip(sums.chunks_exact(LANES)) {
            // For a narrower register, the remaining lanes stay 0.
            *into = L::V::load(sums).sum();
        }
    }
}

kernel! {
    /// Adds to `into[o]` the sum of channel `o`.
    pub(super) fn add_planes<L>(image: &[f32], plane: usize, into: &mut [f32]) {
        for (into, plane) in into.iter_mut().zip(image.chunks_exact(plane.max(1))) {
            *into += sums::sum(plane);
        }
    }
}
