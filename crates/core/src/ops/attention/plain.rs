//! The plain reference of attention, in candle calls: each sequence by itself, with all its heads at once.

use candle_core::Result;

use super::{Attention, Layout};
use crate::blocks;
use crate::tensor::Tensor;

/// A sequence with at least one query and one key: first row and number of rows of both.
struct Sequence {
    queries: (usize, usize),
    keys: (usize, usize),
}

fn sequences(layout: &Layout) -> impl Iterator<Item = Sequence> {
    let of = |sequence| {
        let (queries, keys) = layout.rows(sequence);
        Sequence { queries: (queries.start, queries.len()), keys: (keys.start, keys.len()) }
    };
    (0..layout.sequences()).map(of).filter(|one| one.queries.1 > 0 && one.keys.1 > 0)
}

/// Rows `[rows, heads · width]` of a sequence as `[heads, rows, width]`.
fn split(x: &Tensor, (first, rows): (usize, usize), heads: usize) -> Result<Tensor> {
    x.narrow(0, first, rows)?.reshape((rows, heads, ()))?.transpose(0, 1)?.contiguous()
}

/// Adds `[heads, rows, width]` to the rows of a sequence.
fn join(sum: &Tensor, x: &Tensor, (first, rows): (usize, usize)) -> Result<Tensor> {
    let x = x.transpose(0, 1)?.contiguous()?.reshape((rows, ()))?;
    sum.add(&x.pad_with_zeros(0, first, sum.dims()[0] - first - rows)?)
}

/// Each head of the keys once for each head of the queries that reads it.
fn repeated(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (key_heads, rows, width) = x.dims3()?;
    let each = x.unsqueeze(1)?.broadcast_as((key_heads, heads / key_heads, rows, width))?;
    each.contiguous()?.reshape((heads, rows, width))
}

/// The sum over the heads of the queries that read the same head of the keys.
fn summed(x: &Tensor, key_heads: usize) -> Result<Tensor> {
    let (heads, rows, width) = x.dims3()?;
    x.reshape((key_heads, heads / key_heads, rows, width))?.sum(1)
}

fn turned(x: &Tensor) -> Result<Tensor> {
    x.transpose(1, 2)?.contiguous()
}

/// 0 where a query reads a key, −∞ elsewhere.
fn mask(layout: &Layout, queries: usize, keys: usize, like: &Tensor) -> Result<Tensor> {
    let mut mask = blocks::filled(queries * keys, f32::NEG_INFINITY);
    for (query, row) in mask.chunks_exact_mut(keys).enumerate() {
        row[layout.reach(query, queries, keys)].fill(0.0);
    }
    Tensor::from_vec(mask, (queries, keys), like.device())?.to_dtype(like.dtype())
}

fn softmax(x: &Tensor) -> Result<Tensor> {
    let max = x.max_keepdim(2)?.maximum(f64::from(f32::MIN))?; // a row of −∞ gives 0 and not NaN
    let e = x.broadcast_sub(&max)?.exp()?;
    e.broadcast_div(&e.sum_keepdim(2)?.maximum(1e-30)?)
}

impl Attention {
    /// Queries, keys and values of a sequence, `[heads, rows, width]` each.
    fn of(&self, one: &Sequence) -> Result<[Tensor; 3]> {
        let (heads, key_heads) = (self.layout.heads, self.layout.key_heads);
        let of_keys = |x: &Tensor| repeated(&split(x, one.keys, key_heads)?, heads);
        Ok([split(self.q.tensor(), one.queries, heads)?, of_keys(self.k.tensor())?, of_keys(self.v.tensor())?])
    }

    /// The output, and the probabilities of each sequence.
    pub(super) fn plain(&self) -> Result<(Tensor, Vec<Tensor>)> {
        let like = self.q.tensor();
        let shape = (like.dims()[0], self.layout.heads * self.widths().1);
        let mut y = Tensor::zeros(shape, like.dtype(), like.device())?;
        let mut kept = Vec::new();
        for one in sequences(&self.layout) {
            let (n, m) = (one.queries.1, one.keys.1);
            let [q, k, v] = self.of(&one)?;
            let mut exponents = q.matmul(&turned(&k)?)?.affine(self.scale, 0.0)?;
            if let Some(bias) = &self.bias {
                exponents = exponents.add(&bias.tensor().narrow(1, 0, n)?.narrow(2, 0, m)?)?;
            }
            if self.layout.masked() {
                exponents = exponents.broadcast_add(&mask(&self.layout, n, m, like)?)?;
            }
            let p = softmax(&exponents)?;
            y = join(&y, &p.matmul(&v)?, one.queries)?;
            kept.push(p);
        }
        Ok((y, kept))
    }

    /// The gradients of queries, keys, values and bias; without a bias, the last is empty.
    pub(super) fn plain_gradients(&self, up: &Tensor, kept: &[Tensor]) -> Result<[Tensor; 4]> {
        let none = Tensor::zeros((0, 0, 0), up.dtype(), up.device())?;
        let (mut dq, mut dk, mut dv) =
            (self.q.tensor().zeros_like()?, self.k.tensor().zeros_like()?, self.v.tensor().zeros_like()?);
        let mut dbias = self.bias.as_ref().map_or(Ok(none), |bias| bias.tensor().zeros_like())?;
        for (one, p) in sequences(&self.layout).zip(kept) {
            let [q, k, v] = self.of(&one)?;
            let g = split(up, one.queries, self.layout.heads)?;
            let dp = g.matmul(&turned(&v)?)?;
            let d = p.mul(&dp.broadcast_sub(&p.mul(&dp)?.sum_keepdim(2)?)?)?;
            if self.bias.is_some() {
                let (rows, cols) = (dbias.dims()[1] - one.queries.1, dbias.dims()[2] - one.keys.1);
                dbias = dbias.add(&d.pad_with_zeros(1, 0, rows)?.pad_with_zeros(2, 0, cols)?)?;
            }
            let d = d.affine(self.scale, 0.0)?;
            let of_keys = |sum: &Tensor, x: &Tensor, by: &Tensor| {
                join(sum, &summed(&turned(x)?.matmul(by)?, self.layout.key_heads)?, one.keys)
            };
            dq = join(&dq, &d.matmul(&k)?, one.queries)?;
            dk = of_keys(&dk, &d, &q)?;
            dv = of_keys(&dv, p, &g)?;
        }
        Ok([dq, dk, dv, dbias])
    }
}
