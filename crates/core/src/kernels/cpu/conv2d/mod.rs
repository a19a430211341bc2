//! Convolution without a matrix: each image is laid out with zeros around it and correlated directly.
//!
//! One task takes a few images. Going back, the gradient of the input is again a correlation, of the output's
//! gradient with the weights turned round; with a stride it falls into one correlation for each remainder of
//! row and column. The weights' gradients are summed over fixed blocks of images, and the blocks in order, so
//! the bits do not depend on threads.

mod field;
mod tiles;

use std::cell::RefCell;

use self::field::{Field, LANES};
use self::tiles::{Block, Correlation, Cut, Pairing};
use super::sums::add_in_order;
use crate::pool;
use crate::tensor::uninit;

/// Multiply-adds that are worth a task of their own.
const TASK: usize = 1 << 18;
/// Blocks of images whose weight gradients are summed apart.
const BLOCKS: usize = 16;
/// Numbers of laid-out images that are looked at together: half of a second-level cache.
const TOGETHER: usize = 1 << 17;
/// Registers of pixels that a block of images must have, to be worth adding up the lanes of its sums.
const REGISTERS: usize = 256;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub images: usize,
    pub channels: usize,
    pub size: [usize; 2],
    pub outputs: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
    pub grid: [usize; 2],
}

/// What the caller wants of a backward pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub input: bool,
    pub weight: bool,
    pub bias: bool,
}

/// Gradients; empty where they were not wanted.
#[derive(Default)]
pub(crate) struct Gradients {
    pub input: Vec<f32>,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Shape {
    fn image(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    fn output(&self) -> usize {
        self.outputs * self.grid[0] * self.grid[1]
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Channels and outputs of one group.
    fn group(&self) -> (usize, usize) {
        (self.channels / self.groups, self.outputs / self.groups)
    }

    /// Images of a forward task.
    fn per_task(&self) -> usize {
        let work = self.output() * self.group().0 * self.taps();
        (TASK / work.max(1)).max(self.images.div_ceil(64)).clamp(1, self.images.max(1))
    }

    /// Images of a backward task, whose weight gradients are summed apart.
    fn per_block(&self) -> usize {
        let registers = self.grid[0] * self.grid[1].div_ceil(LANES);
        let worth = REGISTERS.div_ceil(registers).min(self.images.div_ceil(4));
        self.images.div_ceil(BLOCKS).max(self.per_task()).max(worth)
    }

    /// How far beyond its own place the last tap looks, in input rows and columns.
    fn reach(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.kernel[axis] - 1) * self.dilation[axis])
    }

    /// The same from the input back to the output, in output rows and columns.
    fn look_back(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.reach()[axis] / self.stride[axis])
    }

    /// Output rows and columns that lie before the first input row and column even for the last tap: not laid out.
    fn unseen(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.padding[axis] / self.stride[axis]).min(self.look_back()[axis]))
    }

    /// The pitch of both fields where images are computed as one long row; `None` where that gains little.
    fn long_pitch(&self) -> Option<usize> {
        let reach = self.reach()[1];
        let right = self.padding[1].saturating_sub(reach);
        let pitch = (self.grid[1] + reach).max(self.size[1] + reach + right);
        let long = ((self.grid[0] - 1) * pitch + self.grid[1]).div_ceil(LANES);
        let rows = self.grid[0] * self.grid[1].div_ceil(LANES);
        (self.stride == [1, 1] && 5 * long <= 4 * rows).then_some(pitch)
    }

    /// The input, as the taps of the output see it.
    fn input_field(&self) -> Field {
        let rows = (self.grid[0] - 1) * self.stride[0] + self.reach()[0] + 1;
        let pitch = self.grid[1].next_multiple_of(LANES) + self.reach()[1] / self.stride[1];
        Field {
            channels: self.channels,
            size: self.size,
            before: self.padding,
            rows,
            phases: self.stride[1],
            pitch: self.long_pitch().unwrap_or(pitch),
        }
    }

    fn input_taps(&self, field: &Field) -> Vec<usize> {
        (0..self.taps())
            .map(|tap| {
                let (i, j) = (tap / self.kernel[1], tap % self.kernel[1]);
                let column = j * self.dilation[1];
                i * self.dilation[0] * field.row() + column % field.phases * field.pitch + column / field.phases
            })
            .collect()
    }

    /// The output's gradient, as the taps of the input see it.
    fn output_field(&self) -> Field {
        let (look_back, unseen) = (self.look_back(), self.unseen());
        let before = [0, 1].map(|axis| look_back[axis] - unseen[axis]);
        let seen = [0, 1].map(|axis| (self.size[axis] + self.padding[axis] - 1) / self.stride[axis] + 1);
        let rows = look_back[0] + seen[0].max(self.grid[0]) - unseen[0];
        let start = self.padding[1].div_ceil(self.stride[1]) - unseen[1];
        let count = self.size[1].div_ceil(self.stride[1]);
        let pitch = (start + count.next_multiple_of(LANES) + look_back[1])
            .max(before[1] + self.grid[1].next_multiple_of(LANES));
        Field {
            channels: self.outputs,
            size: self.grid,
            before,
            rows,
            phases: 1,
            pitch: self.long_pitch().unwrap_or(pitch),
        }
    }

    /// The output's gradient in whole registers, for the pairs: rows that begin at cache lines, nothing around them.
    fn pair_field(&self) -> Field {
        let pitch = self.grid[1].next_multiple_of(LANES);
        Field { channels: self.outputs, size: self.grid, before: [0, 0], rows: self.grid[0], phases: 1, pitch }
    }

    fn classes(&self, field: &Field) -> Vec<Class> {
        let mut classes = Vec::new();
        for a in 0..self.stride[0] {
            for b in 0..self.stride[1] {
                classes.push(Class::new(self, field, [a, b]));
            }
        }
        classes
    }
}

/// Input rows and columns of one remainder modulo the stride, and the taps that reach them.
struct Class {
    /// Which taps of the kernel, and what they add to an offset in the output's field.
    taps: Vec<usize>,
    offsets: Vec<usize>,
    /// How many input rows and columns.
    count: [usize; 2],
    /// The first of them in the input, and where its own output row and column lie in the field.
    first: [usize; 2],
    start: usize,
}

impl Class {
    fn new(shape: &Shape, field: &Field, remainder: [usize; 2]) -> Class {
        let (look_back, unseen) = (shape.look_back(), shape.unseen());
        let (mut count, mut first, mut at) = ([0; 2], [0; 2], [0; 2]);
        for axis in 0..2 {
            let (stride, padding) = (shape.stride[axis], shape.padding[axis]);
            // The first padded index ≥ padding with this remainder.
            let padded = padding + (remainder[axis] + stride - padding % stride) % stride;
            first[axis] = padded - padding;
            count[axis] = shape.size[axis].saturating_sub(first[axis]).div_ceil(stride);
            at[axis] = padded / stride - unseen[axis];
        }
        let (mut taps, mut offsets) = (Vec::new(), Vec::new());
        for tap in 0..shape.taps() {
            let reach = [tap / shape.kernel[1] * shape.dilation[0], tap % shape.kernel[1] * shape.dilation[1]];
            if (0..2).all(|axis| reach[axis] % shape.stride[axis] == remainder[axis]) {
                let back = [0, 1].map(|axis| look_back[axis] - reach[axis] / shape.stride[axis]);
                taps.push(tap);
                offsets.push(back[0] * field.row() + back[1]);
            }
        }
        Class { taps, offsets, count, first, start: at[0] * field.row() + at[1] }
    }
}

/// Weights in the order in which the tiles read them, for one group after the other.
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
        let mut weights = Vec::with_capacity(groups * outputs * channels * taps);
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

    // What the pairs read the output's gradient from: the field of a long row, the gradient itself, or a copy.
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

/// Lays out images one after the other, as many as there is space for.
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

/// Runs `work` with buffers that this thread keeps; what is in them is unspecified.
fn with_scratch<R, const N: usize>(lengths: [usize; N], work: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
    }
    // Taken out while it is used: a task that runs inside another finds it empty, not locked.
    let mut scratch = SCRATCH.take();
    scratch.resize_with(scratch.len().max(N), Vec::new);
    let mut buffers = scratch.iter_mut().zip(lengths).map(|(buffer, length)| {
        if buffer.len() < length + LANES {
            *buffer = uninit(length + LANES);
        }
        // Rows begin at cache lines.
        let skip = buffer.as_ptr().align_offset(64).min(LANES);
        &mut buffer[skip..skip + length]
    });
    let result = work(std::array::from_fn(|_| buffers.next().unwrap_or_default()));
    SCRATCH.set(scratch);
    result
}
