//! Scaled dot-product attention over packed sequences: each query reads a weighted mean of the values of its sequence.
//!
//! ```text
//! P = softmax over keys of (scale · q · kᵀ + bias),   y = P · v,   per sequence and head
//! g = ∂L/∂y,   D = scale · P ⊙ (g · vᵀ − rowsum(P ⊙ (g · vᵀ)))
//! ∂L/∂q = D · k,   ∂L/∂k = Dᵀ · q,   ∂L/∂v = Pᵀ · g,   ∂L/∂bias = Σ over sequences of D / scale
//! ```
//!
//! Shapes: q `[queries, heads · width]`, k `[keys, keyHeads · width]`, v `[keys, keyHeads · valueWidth]`, y
//! `[queries, heads · valueWidth]`; the rows are tokens of several sequences, one after the other, without padding. The
//! head h of the queries reads the head h / (heads / keyHeads) of the keys; their gradients are sums over these heads.
//! bias is `[heads, n, m]` with n at least the longest sequence of queries and m of keys; a sequence reads the upper left
//! part, counted from its first tokens. A query without a key gives zeros, as does one whose exponents all are −∞.
//!
//! Source: Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762, section 3.2.1; Ainslie et al., "GQA", 2023,
//! arXiv:2305.13245 (fewer heads of keys). Where we differ: with a causal mask or a window, fewer queries than keys have
//! the places of the last keys, as in decoding; PyTorch counts both from the first.

mod plain;

use std::sync::Arc;

use serde_json::json;

use super::{Inputs, Operation, Sample, concat, reshape, slice, transpose};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::attention::{self as kernel, Bias, Wanted};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, contiguous, from_vec, read};

pub(crate) use crate::kernels::cpu::attention::Layout;

/// `scale` multiplies the products of queries and keys; 1 / √width in most models.
pub(crate) fn attention(
    tape: &mut Tape,
    q: &Value,
    k: &Value,
    v: &Value,
    bias: Option<&Value>,
    layout: &Layout,
    scale: f64,
) -> Result<Value> {
    check([q, k, v], bias, layout, scale).map_err(|error| error.at("attention"))?;
    let inputs: Vec<&Value> = [q, k, v].into_iter().chain(bias).collect();
    let (q, k, v, bias) = (q.clone(), k.clone(), v.clone(), bias.cloned());
    tape.apply("attention", &inputs, Attention { q, k, v, bias, layout: layout.clone(), scale })
}

fn check([q, k, v]: [&Value; 3], bias: Option<&Value>, layout: &Layout, scale: f64) -> Result<()> {
    let (heads, key_heads) = (layout.heads, layout.key_heads);
    if heads == 0 || key_heads == 0 || heads % key_heads != 0 {
        let message = format!("expected a multiple of keyHeads, got {heads} with {key_heads} keyHeads");
        return Err(Error::shape("heads", message));
    }
    let split = |name: &str, x: &Value, heads: usize| match *x.dims() {
        [rows, cols] if cols > 0 && cols % heads == 0 => Ok((rows, cols / heads)),
        _ => Err(Error::shape(name, format!("expected [tokens, {heads} · width], got {:?}", x.dims()))),
    };
    let (queries, width) = split("query", q, heads)?;
    let (keys, key_width) = split("key", k, key_heads)?;
    let (values, _) = split("value", v, key_heads)?;
    if key_width != width {
        return Err(Error::shape("key", format!("expected [tokens, {key_heads} · {width}], got {:?}", k.dims())));
    }
    if values != keys {
        return Err(Error::shape("value", format!("expected {keys} tokens, as many as keys, got {values}")));
    }
    for (name, offsets, count) in [("queries", &layout.queries, queries), ("keys", &layout.keys, keys)] {
        let rising = offsets.first() == Some(&0) && offsets.is_sorted();
        if !rising || offsets.last().is_none_or(|last| *last as usize != count) {
            return Err(Error::data(name, format!("expected offsets that rise from 0 to {count}")));
        }
    }
    if layout.queries.len() != layout.keys.len() {
        let (of_queries, of_keys) = (layout.sequences(), layout.keys.len() - 1);
        return Err(Error::data("keys", format!("expected {of_queries} sequences, as of queries, got {of_keys}")));
    }
    let lengths = || {
        (0..layout.sequences()).map(|sequence| {
            let (queries, keys) = layout.rows(sequence);
            (queries.len(), keys.len())
        })
    };
    if layout.masked()
        && let Some((queries, keys)) = lengths().find(|(queries, keys)| keys < queries)
    {
        let message = format!("expected as many keys as queries or more, got {keys} keys for {queries} queries");
        return Err(Error::data("keys", format!("{message}; remove causal and window")));
    }
    if let Some(bias) = bias {
        let longest = lengths().fold((0, 0), |longest, (n, m)| (longest.0.max(n), longest.1.max(m)));
        let fits = matches!(*bias.dims(), [h, n, m] if h == heads && n >= longest.0 && m >= longest.1);
        if !fits {
            let (n, m) = longest;
            let message = format!("expected [{heads}, {n} or more, {m} or more], got {:?}", bias.dims());
            return Err(Error::shape("bias", message));
        }
    }
    if (scale as f32) > 0.0 && (scale as f32).is_finite() {
        return Ok(());
    }
    Err(Error::config("scale", format!("expected a finite number above 0, got {scale}")))
}

struct Attention {
    q: Value,
    k: Value,
    v: Value,
    bias: Option<Value>,
    layout: Layout,
    scale: f64,
}

impl Compute for Attention {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let recorded = [&self.q, &self.k, &self.v].into_iter().chain(&self.bias).any(|input| input.node().is_some());
        let (y, kept) = {
            let bias = self.bias.as_ref().map(|bias| read::<f32>(bias.tensor())).transpose()?;
            let bias = self.bias.as_ref().zip(bias.as_deref()).map(|(bias, numbers)| Bias {
                numbers,
                rows: bias.dims()[1],
                cols: bias.dims()[2],
            });
            self.with_inputs(|inputs| kernel::forward(&self.layout, inputs, bias, recorded))?
        };
        let y = from_vec(y, (self.q.dims()[0], self.layout.heads * self.widths().1))?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let up = contiguous(&up)?;
            let bias = self.bias.as_ref().filter(|bias| gradients.wants(bias));
            let wanted = Wanted {
                queries: gradients.wants(&self.q),
                keys: gradients.wants(&self.k),
                values: gradients.wants(&self.v),
                bias: bias.map(|bias| [bias.dims()[1], bias.dims()[2]]),
            };
            let [dq, dk, dv, dbias] = {
                let up = read::<f32>(&up)?;
                self.with_inputs(|inputs| kernel::backward(&self.layout, inputs, &up, kept, wanted))?
            };
            let each = [(&self.q, dq), (&self.k, dk), (&self.v, dv)].into_iter().chain(bias.map(|bias| (bias, dbias)));
            for (value, gradient) in each.filter(|(value, _)| value.node().is_some()) {
                gradients.add(value, from_vec(gradient, value.dims())?)?;
            }
            Ok(())
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let (y, kept) = self.plain().ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let [dq, dk, dv, dbias] = self.plain_gradients(&up, &kept).ok_or_internal()?;
            let each = [(&self.q, dq), (&self.k, dk), (&self.v, dv)].into_iter();
            for (value, gradient) in each.chain(self.bias.as_ref().map(|bias| (bias, dbias))) {
                gradients.add(value, gradient)?;
            }
            Ok(())
        }))
    }
}

impl Attention {
    /// The numbers of a key and of a value of one head.
    fn widths(&self) -> (usize, usize) {
        (self.k.dims()[1] / self.layout.key_heads, self.v.dims()[1] / self.layout.key_heads)
    }

    fn with_inputs<R>(&self, work: impl FnOnce(kernel::Inputs) -> R) -> Result<R> {
        let (queries, keys) = (read::<f32>(self.q.tensor())?, read::<f32>(self.k.tensor())?);
        let values = read::<f32>(self.v.tensor())?;
        let (width, value_width) = self.widths();
        let scale = self.scale as f32;
        Ok(work(kernel::Inputs { queries: &queries, keys: &keys, values: &values, width, value_width, scale }))
    }
}

/// A case with packed inputs, or one in the form of PyTorch: `[sequences, heads, length, width]`, where `keyMask`
/// `[sequences, length]` is 1 for the keys that may be read; the others are left out.
fn case(tape: &mut Tape, inputs: &Inputs, options: &serde_json::Value) -> Result<Value> {
    let [q, k, v] = [inputs.get("query")?, inputs.get("key")?, inputs.get("value")?];
    let offsets = |name: &str| Ok::<_, Error>(super::option::<Vec<u32>>(options, name)?.map(Arc::new));
    let causal = super::option(options, "causal")?.unwrap_or(false);
    let window = super::option(options, "window")?;
    let bias = inputs.find("bias");
    if let [sequences, heads, length, width] = *q.dims() {
        let [_, key_heads, keys, _] = *k.dims() else { return Err(Error::shape("key", "expected four axes")) };
        let queries = Arc::new((0..=sequences).map(|sequence| (sequence * length) as u32).collect());
        let read = inputs.find("keyMask").map_or(Ok(vec![1; sequences * keys]), |_| inputs.ids("keyMask"))?;
        let ends = (0..=sequences).map(|sequence| read[..sequence * keys].iter().sum());
        let layout = Layout { queries, keys: Arc::new(ends.collect()), heads, key_heads, causal, window };
        let mut rows = |x: &Value, read: &[u32]| {
            let x = transpose::transpose(tape, x, 1, 2)?;
            let [sequences, length, heads, width] = *x.dims() else { return Err(Error::shape("x", "four axes")) };
            let x = reshape::reshape(tape, &x, &[sequences * length, heads * width])?;
            let kept = read.iter().enumerate().filter(|(_, read)| **read > 0);
            let kept = kept.map(|(row, _)| slice::slice(tape, &x, 0, row, 1)).collect::<Result<Vec<_>>>()?;
            concat::concat(tape, &kept.iter().collect::<Vec<_>>(), 0)
        };
        let (q, k, v) = (rows(q, &vec![1; sequences * length])?, rows(k, &read)?, rows(v, &read)?);
        let y = attention(tape, &q, &k, &v, bias, &layout, 1.0 / (width as f64).sqrt())?;
        let value_width = y.dims()[1] / heads;
        let y = reshape::reshape(tape, &y, &[sequences, length, heads, value_width])?;
        return transpose::transpose(tape, &y, 1, 2);
    }
    let queries = offsets("queries")?.unwrap_or_default();
    let keys = offsets("keys")?.unwrap_or(queries.clone());
    let heads = super::option(options, "heads")?.unwrap_or(1);
    let key_heads = super::option(options, "keyHeads")?.unwrap_or(heads);
    let layout = Layout { queries, keys, heads, key_heads, causal, window };
    let width = q.dims().last().copied().unwrap_or(1) / heads.max(1);
    attention(tape, q, k, v, bias, &layout, 1.0 / (width as f64).sqrt())
}

pub(crate) const OPERATION: Operation = Operation {
    name: "attention",
    case,
    samples: || {
        let sample =
            |queries: &[u32], keys: &[u32], [heads, key_heads]: [usize; 2], [width, value_width]: [usize; 2]| {
                let rows = |offsets: &[u32]| offsets[offsets.len() - 1] as usize;
                let (n, m) = (rows(queries), rows(keys));
                let [q, k, v] = [[n, heads * width], [m, key_heads * width], [m, key_heads * value_width]];
                Sample::of(&[("query", &q), ("key", &k), ("value", &v)]).terms(n.max(m))
            };
        let own = |offsets: &[u32], heads: [usize; 2], widths: [usize; 2], mut options: serde_json::Value| {
            (options["queries"], options["heads"], options["keyHeads"]) =
                (json!(offsets), json!(heads[0]), json!(heads[1]));
            sample(offsets, offsets, heads, widths).options(options)
        };
        let across = |queries: &[u32], keys: &[u32], heads: [usize; 2], mut options: serde_json::Value| {
            (options["queries"], options["keys"]) = (json!(queries), json!(keys));
            (options["heads"], options["keyHeads"]) = (json!(heads[0]), json!(heads[1]));
            sample(queries, keys, heads, [5, 3]).options(options)
        };
        let mut samples = vec![
            own(&[0, 1], [2, 2], [7, 7], json!({})),
            own(&[0, 131], [1, 1], [7, 7], json!({})),
            own(&[0, 3, 4, 4, 20, 33], [4, 2], [7, 5], json!({})),
            own(&[0, 5, 6, 37], [3, 1], [16, 16], json!({ "causal": true })),
            own(&[0, 150], [2, 1], [7, 33], json!({ "causal": true })),
            own(&[0, 9, 40], [2, 2], [7, 7], json!({ "window": 2 })),
            own(&[0, 270, 275], [1, 1], [3, 3], json!({ "window": 20, "causal": true })),
            // The second sequence has no queries, the third no keys.
            across(&[0, 3, 3, 8], &[0, 5, 9, 9], [2, 1], json!({})),
            across(&[0, 2, 5], &[0, 6, 9], [2, 2], json!({ "causal": true })),
            across(&[0, 2, 5], &[0, 6, 9], [2, 2], json!({ "window": 1 })),
        ];
        for (offsets, heads, options) in [
            (&[0, 4, 13][..], [2, 2], json!({})),
            (&[0, 140, 145], [2, 1], json!({ "causal": true })),
            (&[0, 9, 30], [4, 2], json!({ "window": 3 })),
        ] {
            let mut with_bias = own(offsets, heads, [7, 7], options);
            let longest = offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0) as usize;
            let dims = vec![heads[0], longest, longest + 1];
            with_bias.inputs.push(super::Drawn { name: "bias", dims, below: None, trained: true });
            samples.push(with_bias);
        }
        samples
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;
    use crate::ops::zeros;
    use crate::pool::Pool;
    use crate::tensor::to_f64;

    fn layout(offsets: &[u32], [heads, key_heads]: [usize; 2], causal: bool, window: Option<usize>) -> Layout {
        let offsets = Arc::new(offsets.to_vec());
        Layout { queries: offsets.clone(), keys: offsets, heads, key_heads, causal, window }
    }

    fn drawn(rows: usize, cols: usize, seed: usize) -> Tensor {
        let number = |at: usize| ((at + seed * 1009) * 7919 % 1013) as f32 / 253.0 - 2.0;
        from_vec((0..rows * cols).map(number).collect(), (rows, cols)).unwrap()
    }

    /// Output and gradients of query, key and value.
    fn ran(layout: &Layout, [q, k, v, up]: &[Tensor; 4], bias: Option<&Value>) -> [Vec<f64>; 4] {
        let mut tape = Tape::default();
        let [q, k, v] = [q, k, v].map(|x| tape.leaf(x.clone()));
        let y = attention(&mut tape, &q, &k, &v, bias, layout, 0.4).unwrap();
        let output = to_f64(y.tensor()).unwrap();
        let mut gradients = tape.backward(vec![(y, up.clone())]).unwrap();
        let [dq, dk, dv] = [q, k, v].map(|x| to_f64(&gradients.take(&x).unwrap()).unwrap());
        [output, dq, dk, dv]
    }

    #[test]
    fn a_sequence_has_the_same_bits_alone_and_among_others_for_any_number_of_threads() {
        let (lengths, heads, width) = ([1usize, 131, 7, 64, 300], [4, 2], 7);
        let ends = lengths.iter().scan(0, |end, length| {
            *end += *length as u32;
            Some(*end)
        });
        let offsets: Vec<u32> = [0].into_iter().chain(ends).collect();
        let tokens = offsets[lengths.len()] as usize;
        let [q, up] = [1, 2].map(|seed| drawn(tokens, heads[0] * width, seed));
        let [k, v] = [3, 4].map(|seed| drawn(tokens, heads[1] * width, seed));
        let all = [q, k, v, up];
        let bias = drawn(heads[0] * 300, 300, 5).reshape((heads[0], 300, 300)).map(Value::constant).unwrap();
        on_each(|isa| {
            for (causal, window, bias) in
                [(false, None, None), (true, None, None), (true, Some(9), Some(&bias)), (false, Some(40), None)]
            {
                let on = |threads, layout: &Layout, numbers: &[Tensor; 4]| {
                    Pool::new(Some(threads)).unwrap().enter(|| ran(layout, numbers, bias))
                };
                let together = on(1, &layout(&offsets, heads, causal, window), &all);
                for threads in [2, 3] {
                    assert!(together == on(threads, &layout(&offsets, heads, causal, window), &all), "{}", isa.name());
                }
                for (index, length) in lengths.iter().enumerate() {
                    let first = offsets[index] as usize;
                    let own = all.each_ref().map(|x| contiguous(&x.narrow(0, first, *length).unwrap()).unwrap());
                    let alone = on(2, &layout(&[0, *length as u32], heads, causal, window), &own);
                    for (what, (alone, together)) in ["y", "dq", "dk", "dv"].iter().zip(alone.iter().zip(&together)) {
                        let cols = alone.len() / length;
                        let part = &together[first * cols..(first + length) * cols];
                        assert!(alone == part, "{what} of {length} tokens, {causal} {window:?} {}", isa.name());
                    }
                }
            }
        });
    }

    #[test]
    fn evaluation_keeps_no_probabilities_and_has_the_bits_of_training() {
        let layout = layout(&[0, 150, 153], [2, 1], true, None);
        let (q, k, v) = (drawn(153, 14, 1), drawn(153, 7, 2), drawn(153, 5, 3));
        let (q, k, v) = (read::<f32>(&q).unwrap(), read::<f32>(&k).unwrap(), read::<f32>(&v).unwrap());
        let inputs = kernel::Inputs { queries: &q, keys: &k, values: &v, width: 7, value_width: 5, scale: 0.4 };
        let (y, kept) = kernel::forward(&layout, inputs, None, false);
        let (with, probabilities) = kernel::forward(&layout, inputs, None, true);
        assert!(kept.is_empty() && y == with);
        // A causal block of 80 queries reads 80 keys, one of 70 reads 150, one of 3 reads 3; two heads.
        assert_eq!(probabilities.len(), 2 * (80 * 80 + 70 * 150 + 3 * 3));
    }

    #[test]
    fn a_query_that_reads_nothing_gives_zeros_and_nan_is_not_hidden() {
        let none = Layout { keys: Arc::new(vec![0, 0, 2]), ..layout(&[0, 3, 4], [1, 1], false, None) };
        let (q, k, v) = (Value::constant(drawn(4, 2, 1)), Value::constant(drawn(2, 2, 2)), drawn(2, 2, 3));
        let v = Value::constant(v.affine(0.0, 5.0).unwrap());
        let y = attention(&mut Tape::default(), &q, &k, &v, None, &none, 1.0).unwrap();
        let y = to_f64(y.tensor()).unwrap();
        assert_eq!(y[..6], [0.0; 6]);
        assert!(y[6..].iter().all(|y| (y - 5.0).abs() < 1e-6), "{y:?}");

        let own = layout(&[0, 2], [1, 1], false, None);
        let biased = |numbers: Vec<f32>| {
            let mut tape = Tape::default();
            let q = tape.leaf(drawn(2, 2, 1));
            let bias = Value::constant(from_vec(numbers, (1, 2, 2)).unwrap());
            let y = attention(&mut tape, &q, &k, &v, Some(&bias), &own, 1.0).unwrap();
            let output = to_f64(y.tensor()).unwrap();
            let dq = tape.backward(vec![(y, drawn(2, 2, 4))]).unwrap().take(&q).unwrap();
            (output, to_f64(&dq).unwrap())
        };
        let low = f32::NEG_INFINITY;
        let (y, dq) = biased(vec![low, low, low, 0.0]);
        assert_eq!((y, dq[..2].to_vec()), (vec![0.0, 0.0, 5.0, 5.0], vec![0.0, 0.0]));
        assert!(dq.iter().all(|x| x.is_finite()), "{dq:?}");
        assert!(biased(vec![f32::NAN, 0.0, 0.0, 0.0]).0[..2].iter().all(|y| y.is_nan()));
    }

    #[test]
    fn large_exponents_do_not_overflow() {
        let (k, v) = (drawn(5, 4, 2).affine(1e3, 0.0).unwrap(), drawn(5, 4, 3));
        let numbers = [drawn(5, 4, 1).affine(1e3, 0.0).unwrap(), k, v, drawn(5, 4, 4)];
        let all = ran(&layout(&[0, 5], [2, 2], false, None), &numbers, None);
        assert!(all.iter().flatten().all(|x| x.is_finite()), "{all:?}");
    }

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let refused = |dims: [&[usize]; 3], bias: Option<&[usize]>, layout: &Layout, scale| {
            let [q, k, v] = dims.map(zeros);
            let bias = bias.map(zeros);
            attention(&mut Tape::default(), &q, &k, &v, bias.as_ref(), layout, scale).unwrap_err().to_string()
        };
        let fits = layout(&[0, 2, 5], [4, 2], false, None);
        let dims: [&[usize]; 3] = [&[5, 12], &[5, 6], &[5, 4]];
        let causal = Layout { keys: Arc::new(vec![0, 1, 5]), causal: true, ..fits.clone() };
        for (dims, bias, layout, scale, message) in [
            (
                dims,
                None,
                &Layout { key_heads: 3, ..fits.clone() },
                1.0,
                "heads: expected a multiple of keyHeads, got 4 with 3 keyHeads",
            ),
            ([&[5, 10], dims[1], dims[2]], None, &fits, 1.0, "query: expected [tokens, 4 · width], got [5, 10]"),
            ([dims[0], &[5, 8], dims[2]], None, &fits, 1.0, "key: expected [tokens, 2 · 3], got [5, 8]"),
            ([dims[0], dims[1], &[4, 4]], None, &fits, 1.0, "value: expected 5 tokens, as many as keys, got 4"),
            ([&[4, 12], dims[1], dims[2]], None, &fits, 1.0, "queries: expected offsets that rise from 0 to 4"),
            (
                dims,
                None,
                &Layout { keys: Arc::new(vec![0, 5]), ..fits.clone() },
                1.0,
                "keys: expected 2 sequences, as of queries, got 1",
            ),
            (
                dims,
                None,
                &causal,
                1.0,
                "keys: expected as many keys as queries or more, got 1 keys for 2 queries; remove causal and window",
            ),
            (dims, Some(&[4, 2, 3]), &fits, 1.0, "bias: expected [4, 3 or more, 3 or more], got [4, 2, 3]"),
            (dims, None, &fits, 0.0, "scale: expected a finite number above 0, got 0"),
            (dims, None, &fits, f64::NAN, "scale: expected a finite number above 0, got NaN"),
        ] {
            let bias: Option<&[usize; 3]> = bias;
            assert_eq!(refused(dims, bias.map(|dims| &dims[..]), layout, scale), format!("attention.{message}"));
        }
    }
}
