//! Attention over packed sequences. A forward task is one head of one block of queries; a backward task is one head of
//! the keys of one sequence, with all heads of its queries.
//!
//! Blocks follow from the lengths of a sequence alone. A task computes its products on its own thread, and a number of a
//! product is one sum in the order of the inner width, whatever the number of rows. The output and the gradients of a
//! sequence therefore have the same bits alone and among others, for any number of threads. Only the gradient of the
//! bias is a sum over sequences, in their order.

use std::cmp::Reverse;
use std::f32::consts::LOG2_E;
use std::ops::Range;
use std::sync::Arc;

use super::gemm::{Matrix, Target, serial, serial_at};
use super::isa::kernel;
use super::rows::{BLOCK, get, put, reduce};
use super::scratch::with_scratch;
use super::vector::Vector;
use crate::blocks::{collected, empty, uninit};
use crate::pool;

/// Most queries of one block.
const ROWS: usize = 128;

/// The sequences in packed rows, and the keys that a query reads.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Sequence `s` has the rows `queries[s]..queries[s + 1]` of the queries.
    pub queries: Arc<Vec<u32>>,
    /// The same for its keys and values; equal to `queries` in self-attention.
    pub keys: Arc<Vec<u32>>,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of the keys and values, a divisor of `heads`: each is read by `heads / key_heads` heads in a row.
    pub key_heads: usize,
    /// A query reads no key after its own place. The queries have the places of the last keys of their sequence.
    pub causal: bool,
    /// A query reads only keys at most this many places before or after its own.
    pub window: Option<usize>,
}

impl Layout {
    pub fn sequences(&self) -> usize {
        self.queries.len().saturating_sub(1)
    }

    /// The rows of the queries and of the keys of a sequence.
    pub fn rows(&self, sequence: usize) -> (Range<usize>, Range<usize>) {
        let rows = |offsets: &[u32]| offsets[sequence] as usize..offsets[sequence + 1] as usize;
        (rows(&self.queries), rows(&self.keys))
    }

    /// Whether a query does not read every key of its sequence.
    pub fn masked(&self) -> bool {
        self.causal || self.window.is_some()
    }

    /// The keys that a query of a sequence reads, both counted from the first of the sequence.
    pub fn reach(&self, query: usize, queries: usize, keys: usize) -> Range<usize> {
        let place = (query + keys).saturating_sub(queries);
        let window = self.window.unwrap_or(usize::MAX);
        let end = if self.causal { place + 1 } else { place.saturating_add(window).saturating_add(1) };
        if self.masked() { place.saturating_sub(window)..end.min(keys) } else { 0..keys }
    }

    /// The head of the keys that a head of the queries reads.
    fn key_head(&self, head: usize) -> usize {
        head / (self.heads / self.key_heads)
    }
}

/// Packed queries, keys and values, `[rows, heads · width]`; keys and values have `key_heads` heads.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub queries: &'a [f32],
    pub keys: &'a [f32],
    pub values: &'a [f32],
    /// Numbers of a query and of a key of one head.
    pub width: usize,
    /// Numbers of a value of one head.
    pub value_width: usize,
    pub scale: f32,
}

/// `[heads, rows, cols]`: the entry (query, key) of a head is added to the exponents of every sequence.
#[derive(Clone, Copy)]
pub(crate) struct Bias<'a> {
    pub numbers: &'a [f32],
    pub rows: usize,
    pub cols: usize,
}

impl<'a> Bias<'a> {
    fn row(&self, head: usize, query: usize) -> &'a [f32] {
        &self.numbers[(head * self.rows + query) * self.cols..][..self.cols]
    }
}

/// Consecutive queries of one sequence, and the keys that at least one of them reads.
struct Block {
    sequence: usize,
    /// Counted from the first query and the first key of the sequence.
    queries: Range<usize>,
    keys: Range<usize>,
    /// The position of the block's probabilities, `[heads, queries, keys]`, among those of all blocks.
    at: usize,
}

impl Block {
    fn numbers(&self) -> usize {
        self.queries.len() * self.keys.len()
    }

    /// The position of the probabilities of one head.
    fn place(&self, head: usize) -> Range<usize> {
        let at = self.at + head * self.numbers();
        at..at + self.numbers()
    }

    /// The keys that each query reads, counted from the first key of the block.
    fn reaches<'a>(&'a self, layout: &'a Layout) -> impl Iterator<Item = (usize, Range<usize>)> + 'a {
        let (queries, keys) = layout.rows(self.sequence);
        self.queries.clone().map(move |query| {
            let reach = layout.reach(query, queries.len(), keys.len());
            (query, reach.start - self.keys.start..reach.end - self.keys.start)
        })
    }
}

/// The blocks of all sequences, in order, and the number of their probabilities.
struct Plan {
    blocks: Vec<Block>,
    probabilities: usize,
}

impl Plan {
    fn new(layout: &Layout) -> Plan {
        let size = |queries: usize| {
            let size = queries.div_ceil(queries.div_ceil(ROWS).max(1));
            size.next_multiple_of(8) // whole tiles of the matrix product
        };
        let count = |sequence: usize| {
            let queries = layout.rows(sequence).0.len();
            queries.div_ceil(size(queries).max(1))
        };
        let mut plan = Plan { blocks: empty((0..layout.sequences()).map(count).sum()), probabilities: 0 };
        for sequence in 0..layout.sequences() {
            let (queries, keys) = layout.rows(sequence);
            let (queries, keys) = (queries.len(), keys.len());
            for from in (0..queries).step_by(size(queries).max(1)) {
                let to = queries.min(from + size(queries));
                let reach = layout.reach(from, queries, keys).start..layout.reach(to - 1, queries, keys).end;
                let block = Block { sequence, queries: from..to, keys: reach, at: plan.probabilities };
                // A number that does not fit into a word is more than any system can allocate.
                let numbers = block.numbers().saturating_mul(layout.heads);
                plan.probabilities = plan.probabilities.saturating_add(numbers);
                plan.blocks.push(block);
            }
        }
        plan
    }

    /// The blocks of one sequence.
    fn of(&self, sequence: usize) -> &[Block] {
        let from = self.blocks.partition_point(|block| block.sequence < sequence);
        let count = self.blocks[from..].partition_point(|block| block.sequence == sequence);
        &self.blocks[from..from + count]
    }
}

/// Numbers from 0 to `count`, those with the most work first, so that no long task is left for the end.
fn longest_first(count: usize, work: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut order = collected(0..count);
    order.sort_by_key(|index| Reverse(work(*index)));
    order
}

/// Some rows of one head.
fn part(data: &[f32], first: usize, rows: Range<usize>, (head, heads, width): (usize, usize, usize)) -> Matrix<'_> {
    let at = (first + rows.start) * heads * width + head * width;
    // A range without rows may begin after the last number.
    Matrix::strided(data.get(at..).unwrap_or(&[]), rows.len(), width, heads * width, 1)
}

/// Returns the output, `[queries, heads · value width]`, and the probabilities that the backward pass needs; these are
/// empty unless `keep` is set.
pub(crate) fn forward(layout: &Layout, inputs: Inputs, bias: Option<Bias>, keep: bool) -> (Vec<f32>, Vec<f32>) {
    let plan = Plan::new(layout);
    let (heads, wide) = (layout.heads, layout.heads * inputs.value_width);
    let mut y = uninit(layout.queries.last().map_or(0, |last| *last as usize) * wide);
    let mut kept = uninit(if keep { plan.probabilities } else { 0 });
    let (out, kept_at) = (Target::new(&mut y), Target::new(&mut kept));
    let order = longest_first(plan.blocks.len(), |block| plan.blocks[block].numbers());
    pool::tasks(order.len() * heads, |task| {
        let (block, head) = (&plan.blocks[order[task / heads]], task % heads);
        let (queries, keys) = layout.rows(block.sequence);
        let key_head = layout.key_head(head);
        let work = |p: &mut [f32]| {
            let q = part(inputs.queries, queries.start, block.queries.clone(), (head, heads, inputs.width));
            let k = part(inputs.keys, keys.start, block.keys.clone(), (key_head, layout.key_heads, inputs.width));
            let v =
                part(inputs.values, keys.start, block.keys.clone(), (key_head, layout.key_heads, inputs.value_width));
            let cols = block.keys.len();
            serial(q, k.transposed(), p, cols, false);
            for ((query, reach), row) in block.reaches(layout).zip(p.chunks_exact_mut(cols.max(1))) {
                row[..reach.start].fill(0.0);
                row[reach.end..].fill(0.0);
                let bias = bias.map(|bias| &bias.row(head, query)[block.keys.start..][reach.clone()]);
                softmax(&mut row[reach], inputs.scale, bias.unwrap_or(&[]));
            }
            let at = (queries.start + block.queries.start) * wide + head * inputs.value_width;
            // SAFETY: only this task writes these rows and columns of the output.
            unsafe { serial_at(Matrix::new(p, block.queries.len(), cols), v, out.at(at), wide, false) };
        };
        match keep {
            // SAFETY: only this task uses the place of this block and head.
            true => work(unsafe { slice(kept_at, block.place(head)) }),
            false => with_scratch([block.numbers()], |[p]| work(p)),
        }
    });
    (y, kept)
}

/// The gradients that the backward pass computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub queries: bool,
    pub keys: bool,
    pub values: bool,
    /// The size of the bias, `[rows, cols]`.
    pub bias: Option<[usize; 2]>,
}

/// Gradients of queries, keys, values and bias; those that are not wanted are empty. `up` is the gradient of the output,
/// `kept` has the probabilities, which are overwritten.
pub(crate) fn backward(
    layout: &Layout,
    inputs: Inputs,
    up: &[f32],
    mut kept: Vec<f32>,
    wanted: Wanted,
) -> [Vec<f32>; 4] {
    let plan = Plan::new(layout);
    let (heads, key_heads) = (layout.heads, layout.key_heads);
    let room = |wanted: bool, like: &[f32]| uninit(if wanted { like.len() } else { 0 });
    let mut dq = room(wanted.queries, inputs.queries);
    let mut dk = room(wanted.keys, inputs.keys);
    let mut dv = room(wanted.values, inputs.values);
    let (dq_at, dk_at, dv_at) = (Target::new(&mut dq), Target::new(&mut dk), Target::new(&mut dv));
    let kept_at = Target::new(&mut kept);
    let through = wanted.queries || wanted.keys || wanted.bias.is_some();
    let order = longest_first(layout.sequences(), |sequence| {
        let (queries, keys) = layout.rows(sequence);
        queries.len().saturating_mul(keys.len())
    });
    pool::tasks(order.len() * key_heads, |task| {
        let (sequence, key_head) = (order[task / key_heads], task % key_heads);
        let (queries, keys) = layout.rows(sequence);
        let (wide, value_wide) = (key_heads * inputs.width, key_heads * inputs.value_width);
        for row in keys.clone() {
            // SAFETY: only this task writes these columns of the rows of this sequence, here and below.
            unsafe {
                let columns = |width: usize| (row * key_heads + key_head) * width;
                if wanted.keys {
                    slice(dk_at, columns(inputs.width)..columns(inputs.width) + inputs.width).fill(0.0);
                }
                if wanted.values {
                    let at = columns(inputs.value_width);
                    slice(dv_at, at..at + inputs.value_width).fill(0.0);
                }
            }
        }
        let group = heads / key_heads;
        let each = (key_head * group..(key_head + 1) * group)
            .flat_map(|head| plan.of(sequence).iter().map(move |block| (head, block)));
        for (head, block) in each {
            let (rows, cols) = (block.queries.len(), block.keys.len());
            let first = keys.start + block.keys.start;
            let g = part(up, queries.start, block.queries.clone(), (head, heads, inputs.value_width));
            // SAFETY: no other task uses the probabilities of this sequence and head.
            let p = unsafe { slice(kept_at, block.place(head)) };
            if wanted.values {
                let at = first * value_wide + key_head * inputs.value_width;
                let p = Matrix::new(p, rows, cols).transposed();
                // SAFETY: as above.
                unsafe { serial_at(p, g, dv_at.at(at), value_wide, true) };
            }
            if !through {
                continue;
            }
            let v = part(inputs.values, keys.start, block.keys.clone(), (key_head, key_heads, inputs.value_width));
            with_scratch([block.numbers()], |[dp]| {
                serial(g, v.transposed(), dp, cols, false);
                for (p, dp) in p.chunks_exact_mut(cols.max(1)).zip(dp.chunks_exact(cols.max(1))) {
                    slopes(p, dp, inputs.scale);
                }
            });
            let ds = Matrix::new(p, rows, cols);
            if wanted.queries {
                let k = part(inputs.keys, keys.start, block.keys.clone(), (key_head, key_heads, inputs.width));
                let at = (queries.start + block.queries.start) * heads * inputs.width + head * inputs.width;
                // SAFETY: only the task of this head's keys writes its columns of these queries.
                unsafe { serial_at(ds, k, dq_at.at(at), heads * inputs.width, false) };
            }
            if wanted.keys {
                let q = part(inputs.queries, queries.start, block.queries.clone(), (head, heads, inputs.width));
                let at = first * wide + key_head * inputs.width;
                // SAFETY: as above.
                unsafe { serial_at(ds.transposed(), q, dk_at.at(at), wide, true) };
            }
        }
    });
    let dbias = wanted.bias.map(|bias| bias_gradient(layout, &plan, &kept, bias, inputs.scale));
    [dq, dk, dv, dbias.unwrap_or_default()]
}

/// Sums the gradients of the exponents over the sequences, in their order; `scaled` has them times `scale`.
fn bias_gradient(layout: &Layout, plan: &Plan, scaled: &[f32], [rows, cols]: [usize; 2], scale: f32) -> Vec<f32> {
    let mut sum = uninit(layout.heads * rows * cols);
    pool::pieces(&mut sum, cols, |index, sum| {
        let (head, query) = (index / rows, index % rows);
        sum.fill(0.0);
        // The block that has this query, of each sequence that has one.
        for block in plan.blocks.iter().filter(|block| block.queries.contains(&query)) {
            let (width, from) = (block.keys.len(), block.place(head).start);
            let row = &scaled[from + (query - block.queries.start) * width..][..width];
            sum[block.keys.clone()].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        sum.iter_mut().for_each(|sum| *sum /= scale);
    });
    sum
}

/// # Safety
/// The range is inside the target, and no other code accesses it while the slice is used.
unsafe fn slice<'a>(target: Target, range: Range<usize>) -> &'a mut [f32] {
    // SAFETY: guaranteed by the caller.
    unsafe { std::slice::from_raw_parts_mut(target.at(range.start), range.len()) }
}

kernel! {
    /// softmax(scale · row + bias) in place; zeros if every exponent is −∞. `bias` may be empty, `scale` is above 0.
    fn softmax<L>(row: &mut [f32], scale: f32, bias: &[f32]) {
        let (n, len) = (L::V::N, row.len());
        let mut factor = scale * LOG2_E;
        if !bias.is_empty() {
            let scale = L::V::splat(scale);
            factor = LOG2_E;
            for from in (0..len).step_by(n) {
                let width = n.min(len - from);
                let x = get::<L::V>(row, from, width).mul_add(scale, get(bias, from, width));
                put(x, row, from, width);
            }
        }
        // The lowest finite number, so that exponents that all are −∞ give 0 and not NaN.
        let mut max = L::V::splat(f32::MIN);
        let whole = len / n * n;
        for x in row[..whole].chunks_exact(n) {
            max = L::V::load(x).max(max);
        }
        if whole < len {
            max = L::V::load_part(&row[whole..], f32::MIN).max(max);
        }
        let (max, factor) = (L::V::splat(max.max_lane()), L::V::splat(factor));
        let [sum] = reduce!(L::V, 1, [row = f32::NEG_INFINITY], len, |acc, from, width, r| {
            let e = r.sub(max).mul(factor).exp2();
            acc[0] = acc[0].add(e);
            put(e, row, from, width);
        });
        let share = L::V::splat(if sum == 0.0 { 0.0 } else { (1.0 / sum) as f32 });
        for from in (0..len).step_by(n) {
            let width = n.min(len - from);
            put(get::<L::V>(row, from, width).mul(share), row, from, width);
        }
    }
}

kernel! {
    /// p ← scale · p · (g − Σ p g): the gradient of the products from that of the probabilities.
    fn slopes<L>(p: &mut [f32], g: &[f32], scale: f32) {
        let [sum] = reduce!(L::V, 1, [p = 0.0, g = 0.0], p.len(), |acc, _from, _width, r, s| {
            acc[0] = r.mul_add(s, acc[0]);
        });
        let (n, len) = (L::V::N, p.len());
        let (sum, scale) = (L::V::splat(sum as f32), L::V::splat(scale));
        for from in (0..len).step_by(n) {
            let width = n.min(len - from);
            let slope = get::<L::V>(g, from, width).sub(sum).mul(scale).mul(get(p, from, width));
            put(slope, p, from, width);
        }
    }
}
