//! Geometry of a convolution: layout of its images, inputs of each tap, division into tasks.

use super::field::{Field, LANES};

/// Minimum number of multiply-adds of a task.
const TASK: usize = 1 << 18;
/// Blocks of images whose weight gradients are summed separately.
const BLOCKS: usize = 16;
/// Minimum number of pixel registers of a block of images; with fewer, adding up the lanes of its sums costs too much.
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

impl Shape {
    pub(super) fn image(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    pub(super) fn output(&self) -> usize {
        self.outputs * self.grid[0] * self.grid[1]
    }

    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Channels and outputs of one group.
    pub(super) fn group(&self) -> (usize, usize) {
        (self.channels / self.groups, self.outputs / self.groups)
    }

    /// Images of a forward task.
    pub(super) fn per_task(&self) -> usize {
        let work = self.output() * self.group().0 * self.taps();
        (TASK / work.max(1)).max(self.images.div_ceil(64)).clamp(1, self.images.max(1))
    }

    /// Images per backward task, whose weight gradients are summed separately.
    pub(super) fn per_block(&self) -> usize {
        let registers = self.grid[0] * self.grid[1].div_ceil(LANES);
        let worth = REGISTERS.div_ceil(registers).min(self.images.div_ceil(4));
        self.images.div_ceil(BLOCKS).max(self.per_task()).max(worth)
    }

    /// Distance from a position to the input of its last tap, in input rows and columns.
    pub(super) fn reach(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.kernel[axis] - 1) * self.dilation[axis])
    }

    /// The same from the input back to the output, in output rows and columns.
    pub(super) fn look_back(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.reach()[axis] / self.stride[axis])
    }

    /// Output rows and columns that even the last tap reads before the first input row and column; they are not stored.
    pub(super) fn unseen(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.padding[axis] / self.stride[axis]).min(self.look_back()[axis]))
    }

    /// The pitch of both fields if images are computed as one long row; `None` if that gains little.
    pub(super) fn long_pitch(&self) -> Option<usize> {
        let reach = self.reach()[1];
        let right = self.padding[1].saturating_sub(reach);
        let pitch = (self.grid[1] + reach).max(self.size[1] + reach + right);
        let long = ((self.grid[0] - 1) * pitch + self.grid[1]).div_ceil(LANES);
        let rows = self.grid[0] * self.grid[1].div_ceil(LANES);
        (self.stride == [1, 1] && 5 * long <= 4 * rows).then_some(pitch)
    }

    /// The layout of the input for the taps of the output.
    pub(super) fn input_field(&self) -> Field {
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

    pub(super) fn input_taps(&self, field: &Field) -> Vec<usize> {
        (0..self.taps())
            .map(|tap| {
                let (i, j) = (tap / self.kernel[1], tap % self.kernel[1]);
                let column = j * self.dilation[1];
                i * self.dilation[0] * field.row() + column % field.phases * field.pitch + column / field.phases
            })
            .collect()
    }

    /// The layout of the output's gradient for the taps of the input.
    pub(super) fn output_field(&self) -> Field {
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
    pub(super) fn pair_field(&self) -> Field {
        let pitch = self.grid[1].next_multiple_of(LANES);
        Field { channels: self.outputs, size: self.grid, before: [0, 0], rows: self.grid[0], phases: 1, pitch }
    }

    pub(super) fn classes(&self, field: &Field) -> Vec<Class> {
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
pub(super) struct Class {
    /// Indices of the taps of the kernel, and their offsets in the output's field.
    pub taps: Vec<usize>,
    pub offsets: Vec<usize>,
    /// Number of input rows and columns.
    pub count: [usize; 2],
    /// The first of them in the input, and the position of its output row and column in the field.
    pub first: [usize; 2],
    pub start: usize,
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
