//! Losses that are a function of two rows of probabilities: sums over the row, and the slopes g_i = ∂(row's
//! value)/∂q_i. They give the gradient with respect to the logits:
//!
//! ```text
//! ∂/∂z_i = q_i (g_i − Σ_j q_j g_j) / T
//! ```
//!
//! q and p the student's and the teacher's probabilities, given as exponentials and their normalising factor; z the
//! student's logits, T the temperature. Sums over q use its exponentials, not rounded probabilities, so that a class
//! with probability 1 gets a gradient of exactly 0. No loss here takes the logarithm of 0: values below the smallest
//! normal number add nothing.

use super::isa::kernel;
use super::rows::{BLOCK, Polynomial, coefficients, get, powers, put, reduce};
use super::vector::{Vector, log2};

/// The smallest normal number: lower limit for logarithms and divisions.
const TINY: f32 = f32::MIN_POSITIVE;

/// A row of probabilities: exponentials and their normalising factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probabilities<'x> {
    pub exponentials: &'x [f32],
    pub share: f64,
}

/// Logits as exponents of two: d_i = (x_i − max) · scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exponents<'x> {
    pub logits: &'x [f32],
    pub max: f32,
    pub scale: f32,
}

kernel! {
    /// Σ|q − p| and Σ e sign(q − p), e the exponentials of q.
    pub(crate) fn total_variation<L>(q: Probabilities, p: Probabilities, g: &mut [f32]) -> [f64; 2] {
        let (x, y) = (q.exponentials, p.exponentials);
        let (q_share, p_share) = (L::V::splat(q.share as f32), L::V::splat(p.share as f32));
        let (zero, one) = (L::V::splat(0.0), L::V::splat(1.0));
        reduce!(L::V, 2, [x = 0.0, y = 0.0], x.len(), |acc, from, width, r, s| {
            let d = r.mul(q_share).sub(s.mul(p_share));
            let back = zero.sub(d);
            let sign = d.choose(one, back.choose(zero.sub(one), zero));
            acc[0] = acc[0].add(d.largest(back));
            acc[1] = r.mul_add(sign, acc[1]);
            put(sign, g, from, width);
        })
    }
}

kernel! {
    /// Σ e (a − b) for exponents a of the student and b of the teacher; g = a − b, and 0 where e is 0.
    pub(crate) fn reverse<L>(e: &[f32], a: Exponents, b: Exponents, g: &mut [f32]) -> f64 {
        let (x, y, zero) = (a.logits, b.logits, L::V::splat(0.0));
        let ((a_max, a_scale), (b_max, b_scale)) =
            ((L::V::splat(a.max), L::V::splat(a.scale)), (L::V::splat(b.max), L::V::splat(b.scale)));
        let [sum] = reduce!(L::V, 1, [e = 0.0, x = 0.0, y = 0.0], e.len(), |acc, from, width, r, s, t| {
            let distance = s.sub(a_max).mul(a_scale).sub(t.sub(b_max).mul(b_scale));
            // Where e is 0 the distance may be infinite.
            let distance = r.where_equal(zero, zero, distance);
            acc[0] = r.mul_add(distance, acc[0]);
            put(distance, g, from, width);
        });
        sum
    }
}

kernel! {
    /// With M = α p + (1 − α) q: Σ p log₂(p/M), and Σ e g with g = p/M.
    pub(crate) fn skew<L>(q: Probabilities, p: Probabilities, alpha: f32, g: &mut [f32]) -> [f64; 2] {
        let (x, y) = (q.exponentials, p.exponentials);
        let (q_share, p_share) = (L::V::splat((q.share * (1.0 - f64::from(alpha))) as f32), L::V::splat(p.share as f32));
        let (alpha, tiny) = (L::V::splat(alpha), L::V::splat(TINY));
        reduce!(L::V, 2, [x = 0.0, y = 0.0], x.len(), |acc, from, width, r, s| {
            let p = s.mul(p_share);
            let slope = p.div(tiny.max(p.mul_add(alpha, r.mul(q_share))));
            acc[0] = p.mul_add(log2(tiny.max(slope)), acc[0]);
            acc[1] = r.mul_add(slope, acc[1]);
            put(slope, g, from, width);
        })
    }
}

kernel! {
    /// With M = (1 − α) p + α q: Σ e log₂(q/M), and Σ e g with g = ln(q/M) − α q/M.
    pub(crate) fn skew_reverse<L>(q: Probabilities, p: Probabilities, alpha: f32, g: &mut [f32]) -> [f64; 2] {
        let (x, y) = (q.exponentials, p.exponentials);
        let (q_share, p_share) = (L::V::splat(q.share as f32), L::V::splat((p.share * (1.0 - f64::from(alpha))) as f32));
        let (alpha, tiny) = (L::V::splat(alpha), L::V::splat(TINY));
        let (ln_2, minus) = (L::V::splat(std::f32::consts::LN_2), L::V::splat(0.0).sub(alpha));
        reduce!(L::V, 2, [x = 0.0, y = 0.0], x.len(), |acc, from, width, r, s| {
            let q = r.mul(q_share);
            let ratio = q.div(tiny.max(q.mul_add(alpha, s.mul(p_share))));
            let log = log2(tiny.max(ratio));
            let slope = ratio.mul_add(minus, log.mul(ln_2));
            acc[0] = r.mul_add(log, acc[0]);
            acc[1] = r.mul_add(slope, acc[1]);
            put(slope, g, from, width);
        })
    }
}

kernel! {
    /// With M = β p + (1 − β) q: Σ p log₂(p/M) and Σ e g, g = log₂(q/M). The logarithms of q and p are exponents.
    pub(crate) fn jensen_shannon<L>(
        q: Probabilities, p: Probabilities, z: Exponents, v: Exponents, beta: f32, g: &mut [f32],
    ) -> [f64; 2] {
        let (x, y, a, b) = (q.exponentials, p.exponentials, z.logits, v.logits);
        let (q_share, p_share) = (L::V::splat(q.share as f32), L::V::splat(p.share as f32));
        let (beta, rest, tiny) = (L::V::splat(beta), L::V::splat((1.0 - f64::from(beta)) as f32), L::V::splat(TINY));
        let (z_max, z_scale, z_log) = (L::V::splat(z.max), L::V::splat(z.scale), L::V::splat(q.share.log2() as f32));
        let (v_max, v_scale, v_log) = (L::V::splat(v.max), L::V::splat(v.scale), L::V::splat(p.share.log2() as f32));
        // The exponent −∞ of a masked class, multiplied by its e of 0, would be NaN.
        let lowest = L::V::splat(-1e30);
        reduce!(L::V, 2, [x = 0.0, y = 0.0, a = 0.0, b = 0.0], x.len(), |acc, from, width, r, s, z, v| {
            let p = s.mul(p_share);
            let log = log2(tiny.max(p.mul_add(beta, r.mul(q_share).mul(rest))));
            let slope = z.sub(z_max).mul_add(z_scale, z_log).sub(log);
            let other = lowest.max(v.sub(v_max).mul_add(v_scale, v_log)).sub(log);
            acc[0] = p.mul_add(other, acc[0]);
            acc[1] = r.mul_add(slope, acc[1]);
            put(slope, g, from, width);
        })
    }
}

kernel! {
    /// Σ (x_i − x_mean)(y_i − y_mean).
    pub(crate) fn covariance<L>(x: &[f32], x_mean: f32, y: &[f32], y_mean: f32) -> f64 {
        let (a, b) = (L::V::splat(x_mean), L::V::splat(y_mean));
        let [sum] = reduce!(L::V, 1, [x = x_mean, y = y_mean], x.len(), |acc, _from, _width, r, s| {
            acc[0] = r.sub(a).mul_add(s.sub(b), acc[0]);
        });
        sum
    }
}

kernel! {
    /// g = a (x − x_mean) + b (y − y_mean), and Σ x g.
    pub(crate) fn linear<L>(x: &[f32], x_mean: f32, a: f32, y: &[f32], y_mean: f32, b: f32, g: &mut [f32]) -> f64 {
        let (x_mean, y_mean) = (L::V::splat(x_mean), L::V::splat(y_mean));
        let (a, b) = (L::V::splat(a), L::V::splat(b));
        let [sum] = reduce!(L::V, 1, [x = 0.0, y = 0.0], x.len(), |acc, from, width, r, s| {
            let slope = a.mul_add(r.sub(x_mean), b.mul(s.sub(y_mean)));
            acc[0] = r.mul_add(slope, acc[0]);
            put(slope, g, from, width);
        });
        sum
    }
}

/// For each column: means, 1 / deviations (0 if there is no gradient), correlation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnSlices<'x> {
    pub q_mean: &'x [f32],
    pub q_inverse: &'x [f32],
    pub p_mean: &'x [f32],
    pub p_inverse: &'x [f32],
    pub correlation: &'x [f32],
}

kernel! {
    /// Adds `factor` · (ρ a − b) / deviation of q to g, a and b the deviations over their columns' own; Σ e g.
    pub(crate) fn columns<L>(q: Probabilities, p: Probabilities, c: ColumnSlices, factor: f32, g: &mut [f32]) -> f64 {
        let (x, y) = (q.exponentials, p.exponentials);
        let (q_share, p_share) = (L::V::splat(q.share as f32), L::V::splat(p.share as f32));
        let factor = L::V::splat(factor);
        let [sum] = reduce!(L::V, 1, [x = 0.0, y = 0.0], x.len(), |acc, from, width, r, s| {
            let at = |row: &[f32]| get::<L::V>(row, from, width);
            let inverse = at(c.q_inverse);
            let a = r.mul(q_share).sub(at(c.q_mean)).mul(inverse);
            let b = s.mul(p_share).sub(at(c.p_mean)).mul(at(c.p_inverse));
            let slope = a.mul(at(c.correlation)).sub(b).mul(inverse).mul_add(factor, get::<L::V>(g, from, width));
            acc[0] = r.mul_add(slope, acc[0]);
            put(slope, g, from, width);
        });
        sum
    }
}

kernel! {
    /// Σ x_i² and Σ x_i x_(i+1): a checksum that changes with any number.
    pub(crate) fn mark<L>(x: &[f32]) -> [f64; 2] {
        let (first, next) = (&x[..x.len().saturating_sub(1)], x.get(1..).unwrap_or(&[]));
        let [squares, neighbours] = reduce!(L::V, 2, [first = 0.0, next = 0.0], first.len(), |acc, _from, _width, r, s| {
            acc[0] = r.mul_add(r, acc[0]);
            acc[1] = r.mul_add(s, acc[1]);
        });
        [squares + x.last().map_or(0.0, |x| f64::from(*x) * f64::from(*x)), neighbours]
    }
}

kernel! {
    /// Σ r log₂ r for r = a + b x_i, b above 1e-30.
    pub(crate) fn entropy<L>(x: &[f32], a: f32, b: f32) -> f64 {
        let (a, b, tiny, zero) = (L::V::splat(a), L::V::splat(b), L::V::splat(TINY), L::V::splat(0.0));
        // Beyond the row's end: a number far below 0, which contributes 0.
        let [sum] = reduce!(L::V, 1, [x = f32::MIN], x.len(), |acc, _from, _width, x| {
            let r = zero.max(x.mul_add(b, a));
            acc[0] = r.mul_add(log2(tiny.max(r)), acc[0]);
        });
        sum
    }
}

kernel! {
    /// out = p(out) + constant + a · row + scale · out (g − mean), in place: adds the slopes. `row` may be empty.
    pub(crate) fn combine<L>(
        out: &mut [f32], p: &Polynomial, constant: f32, row: &[f32], a: f32, g: &[f32], mean: f32, scale: f32,
    ) {
        #[inline(always)]
        fn bent<V: Vector, const D: usize>(c: &[V; 9], e: V, g: V, mean: V, scale: V) -> V {
            e.mul(g.sub(mean)).mul_add(scale, powers::<V, D>(c, e))
        }
        #[inline(always)]
        fn run<V: Vector, const D: usize>(
            out: &mut [f32], c: &[V; 9], row: &[f32], a: f32, g: &[f32], mean: f32, scale: f32,
        ) {
            let (n, a, mean, scale) = (V::N, V::splat(a), V::splat(mean), V::splat(scale));
            let whole = out.len() / n * n;
            let (head, tail) = out.split_at_mut(whole);
            if row.is_empty() {
                for (out, g) in head.chunks_exact_mut(n).zip(g.chunks_exact(n)) {
                    bent::<V, D>(c, V::load(out), V::load(g), mean, scale).store(out);
                }
                let g = V::load_part(&g[whole..], 0.0);
                bent::<V, D>(c, V::load_part(tail, 0.0), g, mean, scale).store_part(tail);
            } else {
                let rows = row.chunks_exact(n).zip(g.chunks_exact(n));
                for (out, (row, g)) in head.chunks_exact_mut(n).zip(rows) {
                    a.mul_add(V::load(row), bent::<V, D>(c, V::load(out), V::load(g), mean, scale)).store(out);
                }
                let g = V::load_part(&g[whole..], 0.0);
                let sum = bent::<V, D>(c, V::load_part(tail, 0.0), g, mean, scale);
                a.mul_add(V::load_part(&row[whole..], 0.0), sum).store_part(tail);
            }
        }
        let c = coefficients::<L::V>(p, constant);
        match p.degree {
            0 => run::<L::V, 0>(out, &c, row, a, g, mean, scale),
            1 => run::<L::V, 1>(out, &c, row, a, g, mean, scale),
            2 => run::<L::V, 2>(out, &c, row, a, g, mean, scale),
            3 | 4 => run::<L::V, 4>(out, &c, row, a, g, mean, scale),
            _ => run::<L::V, 8>(out, &c, row, a, g, mean, scale),
        }
    }
}

kernel! {
    /// sum = scale · e_i (g_i − mean), or adds it to sum: the gradient of the slopes.
    pub(crate) fn bend<L>(e: &[f32], g: &[f32], mean: f32, scale: f32, sum: &mut [f32], add: bool) {
        let (mean, scale, n) = (L::V::splat(mean), L::V::splat(scale), L::V::N);
        let mut at = 0;
        while at < e.len() {
            let width = n.min(e.len() - at);
            let bent = get::<L::V>(e, at, width).mul(get::<L::V>(g, at, width).sub(mean));
            let all = if add { bent.mul_add(scale, get::<L::V>(sum, at, width)) } else { bent.mul(scale) };
            put(all, sum, at, width);
            at += n;
        }
    }
}
