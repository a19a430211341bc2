//! Convolution without an intermediate matrix: each image is surrounded by zeros and correlated directly.
//!
//! One task takes a few images. In the backward pass the gradient of the input is again a correlation, of the output's
//! gradient with the flipped weights; a stride splits it into one correlation per remainder of row and column. The
//! weights' gradients are summed over fixed blocks of images, and the blocks in order, so the bits do not depend on the
//! number of threads.
//!
//! `field` lays images out, `shape` computes the geometry, `tiles` has the two inner loops.

mod field;
mod shape;
mod tiles;

use self::field::{Field, LANES};
use self::shape::Class;
pub(crate) use self::shape::Shape;
use self::tiles::{Block, Correlation, Cut, Pairing};
use super::scratch::with_scratch;
use super::sums::add_in_order;
use crate::blocks::{self, uninit};
use crate::pool;

/// Numbers of padded images that are processed together: half of a second-level cache.
const TOGETHER: usize = 1 << 17;

/// The gradients requested from a backward pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub input: bool,
    pub weight: bool,
    pub bias: bool,
}

/// Gradients; empty if not requested.
#[derive(Default)]
pub(crate) struct Gradients {
    pub input: Vec<f32>,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// Weights in the order in which the tiles read them, group by group.
struct Packed {
    blocks: Vec<Block>,
    weights: Vec<f32>,
    group: usize,
}

impl Packed {
    /// `weight(group, output, channel, tap)`, for `outputs` and `channels` of a group.
    fn new(
        groups: usize,
        outputs: usize,
        channels: usize,
        taps: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Packed {
        let blocks = tiles::blocks(outputs, channels * taps);
        let mut weights = blocks::empty(groups * outputs * channels * taps);
        for group in 0..groups {
            for block in &blocks {
                for channel in 0..channels {
                    for tap in 0..taps {
                        weights.extend((0..block.count).map(|r| weight(group, block.first + r, channel, tap)));
                    }
                }
            }
        }
        Packed { blocks, weights, group: outputs * channels * taps }
    }

    fn of(&self, group: usize) -> &[f32] {
        &self.weights[group * self.group..(group + 1) * self.group]
    }
}

pub(crate) fn forward(shape: &Shape, x: &[f32], w: &[f32], b: Option<&[f32]>) -> Vec<f32> {
    let field = shape.input_field();
    let taps = shape.input_taps(&field);
    let (channels, outputs) = shape.group();
    let packed = Packed::new(shape.groups, outputs, channels, taps.len(), |group, output, channel, tap| {
        w[((group * outputs + output) * channels + channel) * taps.len() + tap]
    });
    let mut y = uninit(shape.images * shape.output());
    let (per_task, pixels) = (shape.per_task(), shape.grid[0] * shape.grid[1]);
    let cut = shape.long_pitch().map(|pitch| Cut { rows: shape.grid[0], width: shape.grid[1], pitch });
    pool::pieces(&mut y, per_task * shape.output(), |task, y| {
        with_scratch([field.len(), long(cut)], |[space, long]| {
            space.fill(0.0);
            let images = x[task * per_task * shape.image()..].chunks_exact(shape.image());
            for (y, image) in y.chunks_exact_mut(shape.output()).zip(images) {
                field.fill(image, space);
                for group in 0..shape.groups {
                    let job = Correlation {
                        rows: cut.map_or(shape.grid[0], |_| 1),
                        columns: cut.map_or(shape.grid[1], |cut| cut.columns()),
                        start: group * channels * field.plane(),
                        step: shape.stride[0] * field.row(),
                        plane: field.plane(),
                        channels,
                        taps: &taps,
                        blocks: &packed.blocks,
                        weights: packed.of(group),
                        bias: b.map(|b| &b[group * outputs..(group + 1) * outputs]),
                        to_start: group * outputs * pixels,
                        to_plane: pixels,
                        to_row: shape.grid[1],
                        to_column: 1,
                        cut,
                    };
                    tiles::correlate(&job, space, y, long);
                }
            }
        })
    });
    y
}

/// Room for eight long rows.
fn long(cut: Option<Cut>) -> usize {
    cut.map_or(0, |cut| 8 * cut.columns().next_multiple_of(LANES))
}

pub(crate) fn backward(shape: &Shape, g: &[f32], x: &[f32], w: &[f32], wanted: Wanted) -> Gradients {
    let (channels, outputs) = shape.group();
    let (input, output) = (shape.input_field(), shape.output_field());
    let classes = if wanted.input { shape.classes(&output) } else { Vec::new() };
    let packed: Vec<Packed> = classes
        .iter()
        .map(|class| {
            Packed::new(shape.groups, channels, outputs, class.taps.len(), |group, channel, output, tap| {
                w[((group * outputs + output) * channels + channel) * shape.taps() + class.taps[tap]]
            })
        })
        .collect();
    // Long rows of the input's gradient, and of the pairs.
    let pitch = shape.long_pitch();
    let cut = pitch.map(|pitch| Cut { rows: shape.size[0], width: shape.size[1], pitch });
    let pixels = pitch.map(|pitch| Cut { rows: shape.grid[0], width: shape.grid[1], pitch });
    let input_taps = shape.input_taps(&input);
    let streams: Vec<usize> =
        (0..channels).flat_map(|channel| input_taps.iter().map(move |tap| channel * input.plane() + tap)).collect();

    // Source of the output's gradient for the pairs: the field of a long row, the gradient itself, or a copy.
    let long_row = pitch.is_some();
    let whole = !long_row && shape.grid[1].is_multiple_of(LANES);
    let copy = shape.pair_field();
    let block = shape.per_block();
    let blocks = shape.images.div_ceil(block);
    let looked_at = input.len() + if long_row { output.len() } else { copy.len() };
    let together = (TOGETHER / looked_at.max(1)).clamp(1, block);
    let weights = if wanted.weight { shape.outputs * streams.len() } else { 0 };
    let biases = if wanted.bias { shape.outputs } else { 0 };
    let mut dx = uninit(if wanted.input { shape.images * shape.image() } else { 0 });
    let mut parts = uninit(blocks * (weights + biases));

    let mut dx_pieces: Vec<&mut [f32]> = dx.chunks_mut((block * shape.image()).max(1)).collect();
    dx_pieces.resize_with(blocks, Default::default);
    let mut part_pieces: Vec<&mut [f32]> = parts.chunks_mut((weights + biases).max(1)).collect();
    part_pieces.resize_with(blocks, Default::default);
    let items = dx_pieces.into_iter().zip(part_pieces).collect();
    pool::each(items, |index, (dx, part): (&mut [f32], &mut [f32])| {
        let space = [
            if wanted.weight { together * input.len() } else { 0 },
            if wanted.input || long_row { together * output.len() } else { 0 },
            if wanted.weight && !long_row && !whole { together * copy.len() } else { 0 },
            weights * LANES,
            long(cut),
        ];
        with_scratch(space, |[x_space, g_space, copies, sums, long]| {
            [&mut *x_space, &mut *g_space, &mut *copies, &mut *sums].into_iter().for_each(|space| space.fill(0.0));
            part.fill(0.0);
            let (first, last) = (index * block, shape.images.min((index + 1) * block));
            for from in (first..last).step_by(together) {
                let count = together.min(last - from);
                let g = &g[from * shape.output()..(from + count) * shape.output()];
                if wanted.bias {
                    for g in g.chunks_exact(shape.output()) {
                        tiles::add_planes(g, shape.grid[0] * shape.grid[1], &mut part[weights..]);
                    }
                }
                lay_out(&output, g, shape.output(), g_space);
                if wanted.input {
                    let dx = &mut dx[(from - first) * shape.image()..][..count * shape.image()];
                    for (dx, g) in dx.chunks_exact_mut(shape.image()).zip(g_space.chunks_exact(output.len())) {
                        for (class, packed) in classes.iter().zip(&packed) {
                            input_gradient(shape, &output, class, packed, cut, g, dx, long);
                        }
                    }
                }
                if wanted.weight {
                    lay_out(&input, &x[from * shape.image()..(from + count) * shape.image()], shape.image(), x_space);
                    lay_out(&copy, g, shape.output(), copies);
                    let start = output.before[0] * output.row() + output.before[1];
                    let (g, [g_start, g_image, g_plane, g_step]) = if long_row {
                        (&*g_space, [start, output.len(), output.plane(), output.row()])
                    } else if whole {
                        (g, [0, shape.output(), shape.grid[0] * shape.grid[1], shape.grid[1]])
                    } else {
                        (&*copies, [0, copy.len(), copy.plane(), copy.row()])
                    };
                    for group in 0..shape.groups {
                        let job = Pairing {
                            images: count,
                            rows: pixels.map_or(shape.grid[0], |_| 1),
                            columns: pixels.map_or(shape.grid[1], |cut| cut.columns()),
                            outputs,
                            first: group * outputs,
                            g_start,
                            g_image,
                            g_plane,
                            g_step,
                            x_image: input.len(),
                            x_step: shape.stride[0] * input.row(),
                            streams: &streams,
                        };
                        tiles::pair(&job, &x_space[group * channels * input.plane()..], g, sums);
                    }
                }
            }
            tiles::fold(sums, &mut part[..weights]);
        });
    });
    let mut sum = uninit(weights + biases);
    add_in_order(&mut sum, &parts);
    let bias = sum.split_off(weights);
    Gradients { input: dx, weight: sum, bias }
}

/// Lays out consecutive images, as many as fit into the space.
fn lay_out(field: &Field, images: &[f32], image: usize, space: &mut [f32]) {
    for (image, space) in images.chunks_exact(image).zip(space.chunks_exact_mut(field.len())) {
        field.fill(image, space);
    }
}

fn input_gradient(
    shape: &Shape,
    field: &Field,
    class: &Class,
    packed: &Packed,
    cut: Option<Cut>,
    g: &[f32],
    dx: &mut [f32],
    long: &mut [f32],
) {
    let (channels, outputs) = shape.group();
    let pixels = shape.size[0] * shape.size[1];
    for group in 0..shape.groups {
        let job = Correlation {
            rows: cut.map_or(class.count[0], |_| 1),
            columns: cut.map_or(class.count[1], |cut| cut.columns()),
            start: class.start + group * outputs * field.plane(),
            step: field.row(),
            plane: field.plane(),
            channels: outputs,
            taps: &class.offsets,
            blocks: &packed.blocks,
            weights: packed.of(group),
            bias: None,
            to_start: group * channels * pixels + class.first[0] * shape.size[1] + class.first[1],
            to_plane: pixels,
            to_row: shape.stride[0] * shape.size[1],
            to_column: shape.stride[1],
            cut,
        };
        tiles::correlate(&job, g, dx, long);
    }
}
