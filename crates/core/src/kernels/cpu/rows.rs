//! Loops over one row of logits, for the sweep over row losses.
//!
//! Sums are kept in f32 lanes for at most `BLOCK` numbers and then added up in f64, in an order that depends only on
//! the row's length and the instruction set.

use super::isa::kernel;
use super::vector::Vector;

/// Numbers whose f32 partial sums are added to f64 together.
pub(super) const BLOCK: usize = 2048;

/// Runs `body(sums, x…)` on four registers at a time with separate sums, and on the rest one by one; lanes beyond a
/// row's end contain `fill`.
macro_rules! reduce {
    ($v:ty, $count:literal, [$($x:ident = $fill:expr),+], $len:expr, |$acc:ident, $from:ident, $width:ident, $($r:ident),+| $body:block) => {{
        let n = <$v>::N;
        let mut totals = [0.0f64; $count];
        let mut start = 0;
        while start < $len {
            let end = ($len).min(start + BLOCK);
            let mut sums = [[<$v>::splat(0.0); $count]; 4];
            let mut at = start;
            while at + 4 * n <= end {
                for (quarter, $acc) in sums.iter_mut().enumerate() {
                    let $from = at + quarter * n;
                    let $width = n;
                    $(let $r = <$v>::load(&$x[$from..$from + n]);)+
                    $body
                }
                at += 4 * n;
            }
            while at < end {
                let $acc = &mut sums[0];
                let $from = at;
                let $width = n.min(end - at);
                $(let $r = if $width == n { <$v>::load(&$x[at..at + n]) } else { <$v>::load_part(&$x[at..at + $width], $fill) };)+
                $body
                at += n;
            }
            for (index, total) in totals.iter_mut().enumerate() {
                let pair = (sums[0][index].add(sums[1][index]), sums[2][index].add(sums[3][index]));
                *total += f64::from(pair.0.add(pair.1).sum());
            }
            start = end;
        }
        totals
    }};
}
pub(super) use reduce;

#[inline(always)]
pub(super) fn put<V: Vector>(value: V, to: &mut [f32], from: usize, width: usize) {
    if width == V::N { value.store(&mut to[from..from + V::N]) } else { value.store_part(&mut to[from..from + width]) }
}

#[inline(always)]
pub(super) fn get<V: Vector>(from: &[f32], at: usize, width: usize) -> V {
    if width == V::N { V::load(&from[at..at + V::N]) } else { V::load_part(&from[at..at + width], 0.0) }
}

kernel! {
    /// The largest number and the sum of a row. The sum is not finite if one of the numbers is not.
    pub(crate) fn max_and_sum<L>(x: &[f32]) -> (f32, f64) {
        let n = L::V::N;
        let low = L::V::splat(f32::NEG_INFINITY);
        let (mut max, mut total) = ([low; 4], 0.0f64);
        for block in x.chunks(BLOCK) {
            let mut sums = [L::V::splat(0.0); 4];
            let mut fours = block.chunks_exact(4 * n);
            for four in fours.by_ref() {
                for (i, (sum, max)) in sums.iter_mut().zip(&mut max).enumerate() {
                    let r = L::V::load(&four[i * n..(i + 1) * n]);
                    *sum = sum.add(r);
                    *max = r.max(*max);
                }
            }
            for rest in fours.remainder().chunks(n) {
                sums[0] = sums[0].add(L::V::load_part(rest, 0.0));
                max[0] = L::V::load_part(rest, f32::NEG_INFINITY).max(max[0]);
            }
            total += f64::from(sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum());
        }
        (max[0].max(max[1]).max(max[2].max(max[3])).max_lane(), total)
    }
}

kernel! {
    /// e_i = 2^((x_i − max) · scale) into `out`; returns Σ e and Σ e^power (0 if power is 1). `next` is prefetched.
    pub(crate) fn exponentials<L>(
        x: &[f32], max: f32, scale: f32, out: &mut [f32], next: &[f32], power: u32,
    ) -> [f64; 2] {
        #[inline(always)]
        fn run<V: Vector>(
            x: &[f32], max: V, scale: V, out: &mut [f32], next: &[f32], power: impl Fn(V) -> V,
        ) -> [f64; 2] {
            reduce!(V, 2, [x = f32::NEG_INFINITY], x.len(), |acc, from, width, r| {
                let e = r.sub(max).mul(scale).exp2();
                acc[0] = acc[0].add(e);
                acc[1] = acc[1].add(power(e));
                if from < next.len() {
                    V::prefetch(&next[from..]);
                }
                put(e, out, from, width);
            })
        }
        let (max, scale, zero) = (L::V::splat(max), L::V::splat(scale), L::V::splat(0.0));
        match power {
            1 => run(x, max, scale, out, next, |_| zero),
            2 => run(x, max, scale, out, next, |e| e.mul(e)),
            3 => run(x, max, scale, out, next, |e| e.mul(e).mul(e)),
            4 => run(x, max, scale, out, next, |e| e.mul(e).mul(e.mul(e))),
            _ => {
                let [sum, _] = run(x, max, scale, out, next, |_| zero);
                [sum, power_sum(out, power)]
            }
        }
    }
}

kernel! {
    /// The same for a row `x` with a second row `y`; returns Σ e and Σ e_i · (d_i − (y_i − y_max) · y_scale), d the exponent of e.
    pub(crate) fn exponentials_across<L>(
        x: &[f32], max: f32, scale: f32, y: &[f32], y_max: f32, y_scale: f32, out: &mut [f32], next: &[f32],
    ) -> [f64; 2] {
        let (max, scale) = (L::V::splat(max), L::V::splat(scale));
        let (y_max, y_scale) = (L::V::splat(y_max), L::V::splat(y_scale));
        // The exponent −∞ of a masked class, multiplied by its e of 0, would be NaN.
        let lowest = L::V::splat(-200.0);
        reduce!(L::V, 2, [x = f32::NEG_INFINITY, y = 0.0], x.len(), |acc, from, width, r, s| {
            let d = lowest.max(r.sub(max).mul(scale));
            let e = d.exp2();
            if from < next.len() { L::V::prefetch(&next[from..]); }
            acc[0] = acc[0].add(e);
            acc[1] = e.mul_add(d.sub(s.sub(y_max).mul(y_scale)), acc[1]);
            put(e, out, from, width);
        })
    }
}

kernel! {
    /// Prefetches a row that will be read soon.
    pub(crate) fn fetch<L>(x: &[f32]) {
        x.chunks(16).for_each(L::V::prefetch);
    }
}

kernel! {
    /// Σ e^power.
    pub(crate) fn power_sum<L>(e: &[f32], power: u32) -> f64 {
        let [sum] = reduce!(L::V, 1, [e = 0.0], e.len(), |acc, _from, _width, r| {
            let mut product = r;
            for _ in 1..power {
                product = product.mul(r);
            }
            acc[0] = acc[0].add(product);
        });
        sum
    }
}

kernel! {
    /// Σ (a_i − shift) · b_i, without the numbers of `a` that are −∞.
    pub(crate) fn dot<L>(a: &[f32], shift: f32, b: &[f32]) -> f64 {
        let (shift, lowest) = (L::V::splat(shift), L::V::splat(f32::MIN));
        let [sum] = reduce!(L::V, 1, [a = 0.0, b = 0.0], a.len(), |acc, _from, _width, r, s| {
            acc[0] = lowest.max(r).sub(shift).mul_add(s, acc[0]);
        });
        sum
    }
}

/// Powers of one row of exponentials: `coefficients[p − 1] · e^p`, up to the eighth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Polynomial {
    pub coefficients: [f32; 8],
    pub degree: usize,
}

impl Polynomial {
    pub fn linear(coefficient: f64) -> Polynomial {
        let mut coefficients = [0.0; 8];
        coefficients[0] = coefficient as f32;
        Polynomial { coefficients, degree: 1 }
    }
}

#[inline(always)]
pub(super) fn horner<V: Vector>(p: &Polynomial, e: V) -> V {
    let mut sum = V::splat(p.coefficients[p.degree - 1]);
    for c in p.coefficients[..p.degree - 1].iter().rev() {
        sum = sum.mul_add(e, V::splat(*c));
    }
    sum.mul(e)
}

/// A constant and the coefficients of a polynomial, in registers.
#[inline(always)]
pub(super) fn coefficients<V: Vector>(p: &Polynomial, constant: f32) -> [V; 9] {
    let mut all = [V::splat(constant); 9];
    for (to, from) in all[1..].iter_mut().zip(p.coefficients) {
        *to = V::splat(from);
    }
    all
}

/// c_0 + Σ c_i e^i up to the power `D`. Not a closure, because a closure may be compiled without the instruction set.
#[inline(always)]
pub(super) fn powers<V: Vector, const D: usize>(c: &[V; 9], e: V) -> V {
    let mut sum = c[D];
    for c in c[..D].iter().rev() {
        sum = sum.mul_add(e, *c);
    }
    sum
}

kernel! {
    /// out = p(out) + constant + a · first + b · second, in place: the contribution of the student's softmaxes and two
    /// more rows to a gradient. `second` may be empty.
    pub(crate) fn combine<L>(
        out: &mut [f32], p: &Polynomial, constant: f32, first: &[f32], a: f32, second: &[f32], b: f32,
    ) {
        #[inline(always)]
        fn run<V: Vector, const D: usize>(
            out: &mut [f32], c: &[V; 9], first: &[f32], a: f32, second: &[f32], b: f32,
        ) {
            let (n, a, b) = (V::N, V::splat(a), V::splat(b));
            let whole = out.len() / n * n;
            let (head, tail) = out.split_at_mut(whole);
            if second.is_empty() {
                for (out, first) in head.chunks_exact_mut(n).zip(first.chunks_exact(n)) {
                    a.mul_add(V::load(first), powers::<V, D>(c, V::load(out))).store(out);
                }
                let own = powers::<V, D>(c, V::load_part(tail, 0.0));
                a.mul_add(V::load_part(&first[whole..], 0.0), own).store_part(tail);
            } else {
                let rows = first.chunks_exact(n).zip(second.chunks_exact(n));
                for (out, (first, second)) in head.chunks_exact_mut(n).zip(rows) {
                    let sum = a.mul_add(V::load(first), powers::<V, D>(c, V::load(out)));
                    b.mul_add(V::load(second), sum).store(out);
                }
                let own = powers::<V, D>(c, V::load_part(tail, 0.0));
                let sum = a.mul_add(V::load_part(&first[whole..], 0.0), own);
                b.mul_add(V::load_part(&second[whole..], 0.0), sum).store_part(tail);
            }
        }
        let c = coefficients::<L::V>(p, constant);
        match p.degree {
            0 => run::<L::V, 0>(out, &c, first, a, second, b),
            1 => run::<L::V, 1>(out, &c, first, a, second, b),
            2 => run::<L::V, 2>(out, &c, first, a, second, b),
            3 | 4 => run::<L::V, 4>(out, &c, first, a, second, b),
            _ => run::<L::V, 8>(out, &c, first, a, second, b),
        }
    }
}

kernel! {
    /// out = p(out) + constant, or only the constant if p is empty.
    pub(crate) fn scale_row<L>(out: &mut [f32], p: &Polynomial, constant: f32) {
        let n = L::V::N;
        let k = L::V::splat(constant);
        if p.degree == 0 {
            out.fill(constant);
            return;
        }
        let mut blocks = out.chunks_exact_mut(n);
        for out in blocks.by_ref() {
            horner(p, L::V::load(out)).add(k).store(out);
        }
        let out = blocks.into_remainder();
        horner(p, L::V::load_part(out, 0.0)).add(k).store_part(out);
    }
}

kernel! {
    /// out += p(row).
    pub(crate) fn add_row<L>(out: &mut [f32], p: &Polynomial, row: &[f32]) {
        let n = L::V::N;
        if p.degree == 0 {
            return;
        }
        let mut blocks = out.chunks_exact_mut(n);
        let mut rows = row.chunks_exact(n);
        for (out, row) in blocks.by_ref().zip(rows.by_ref()) {
            horner(p, L::V::load(row)).add(L::V::load(out)).store(out);
        }
        let (out, row) = (blocks.into_remainder(), rows.remainder());
        horner(p, L::V::load_part(row, 0.0)).add(L::V::load_part(out, 0.0)).store_part(out);
    }
}

kernel! {
    /// Σ x².
    pub(crate) fn sum_of_squares<L>(x: &[f32]) -> f64 {
        let [sum] = reduce!(L::V, 1, [x = 0.0], x.len(), |acc, _from, _width, r| {
            acc[0] = r.mul_add(r, acc[0]);
        });
        sum
    }
}

kernel! {
    /// For the numbers that are not −∞: their count, their mean, and Σ (x − mean)², which is exactly 0 if all are `max`.
    pub(crate) fn spread<L>(x: &[f32], max: f32) -> (f64, f64, f64) {
        let (low, zero, one) = (L::V::splat(f32::MIN), L::V::splat(0.0), L::V::splat(1.0));
        let largest = L::V::splat(max);
        // A number is masked if the lowest finite number is above it.
        let [sum, count] = reduce!(L::V, 2, [x = f32::NEG_INFINITY], x.len(), |acc, _from, _width, r| {
            let masked = low.sub(r);
            acc[0] = acc[0].add(masked.choose(zero, r.sub(largest)));
            acc[1] = acc[1].add(masked.choose(zero, one));
        });
        let mean = f64::from(max) + sum / count;
        let near = L::V::splat(mean as f32);
        // Corrects for the rounding error of the mean.
        let [squares, rest] = reduce!(L::V, 2, [x = f32::NEG_INFINITY], x.len(), |acc, _from, _width, r| {
            let d = low.sub(r).choose(zero, r.sub(near));
            acc[0] = d.mul_add(d, acc[0]);
            acc[1] = acc[1].add(d);
        });
        (count, mean, (squares - rest * rest / count).max(0.0))
    }
}
