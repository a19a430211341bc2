//! Sums over slices in one fixed order: 32 partial sums, then folded in halves. The order depends only on the length, not
//! on the instruction set.

use super::isa::Lanes;

const LANES: usize = 32;

#[inline(always)]
fn fold(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

/// `Σ x_i`.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let whole = x.chunks_exact(LANES);
    let rest = whole.remainder();
    for x in whole {
        for lane in 0..LANES {
            sums[lane] += x[lane];
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += x;
    }
    fold(sums)
}

/// `Σ (x_i − shift)²`.
#[inline(always)]
pub(crate) fn squares<L: Lanes>(x: &[f32], shift: f32) -> f32 {
    let mut sums = [0.0; LANES];
    let whole = x.chunks_exact(LANES);
    let rest = whole.remainder();
    for x in whole {
        for lane in 0..LANES {
            let away = x[lane] - shift;
            sums[lane] = L::mul_add(away, away, sums[lane]);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum = L::mul_add(x - shift, x - shift, *sum);
    }
    fold(sums)
}

/// `Σ g_i` and `Σ g_i · (x_i − shift)`.
#[inline(always)]
pub(crate) fn sum_and_dot<L: Lanes>(g: &[f32], x: &[f32], shift: f32) -> (f32, f32) {
    let (mut sums, mut dots) = ([0.0; LANES], [0.0; LANES]);
    let (whole_g, whole_x) = (g.chunks_exact(LANES), x.chunks_exact(LANES));
    let (rest_g, rest_x) = (whole_g.remainder(), whole_x.remainder());
    for (g, x) in whole_g.zip(whole_x) {
        for lane in 0..LANES {
            sums[lane] += g[lane];
            dots[lane] = L::mul_add(g[lane], x[lane] - shift, dots[lane]);
        }
    }
    for (lane, (g, x)) in rest_g.iter().zip(rest_x).enumerate() {
        sums[lane] += g;
        dots[lane] = L::mul_add(*g, x - shift, dots[lane]);
    }
    (fold(sums), fold(dots))
}

/// The same over those i for which `(x_i − shift) · scale + bias` is above 0.
#[inline(always)]
pub(crate) fn gated<L: Lanes>(g: &[f32], x: &[f32], shift: f32, scale: f32, bias: f32) -> (f32, f32) {
    let (mut sums, mut dots) = ([0.0; LANES], [0.0; LANES]);
    let (whole_g, whole_x) = (g.chunks_exact(LANES), x.chunks_exact(LANES));
    let (rest_g, rest_x) = (whole_g.remainder(), whole_x.remainder());
    for (g, x) in whole_g.zip(whole_x) {
        for lane in 0..LANES {
            let away = x[lane] - shift;
            let open = if L::mul_add(away, scale, bias) > 0.0 { g[lane] } else { 0.0 };
            sums[lane] += open;
            dots[lane] = L::mul_add(open, away, dots[lane]);
        }
    }
    for (lane, (g, x)) in rest_g.iter().zip(rest_x).enumerate() {
        let away = x - shift;
        let open = if L::mul_add(away, scale, bias) > 0.0 { *g } else { 0.0 };
        sums[lane] += open;
        dots[lane] = L::mul_add(open, away, dots[lane]);
    }
    (fold(sums), fold(dots))
}

/// `Σ g_i · w_i` and `Σ g_i · w_i · (x_i − shift)`.
#[inline(always)]
pub(crate) fn weighted<L: Lanes>(g: &[f32], w: &[f32], x: &[f32], shift: f32) -> (f32, f32) {
    let (mut sums, mut dots) = ([0.0; LANES], [0.0; LANES]);
    let (whole_g, whole_w, whole_x) = (g.chunks_exact(LANES), w.chunks_exact(LANES), x.chunks_exact(LANES));
    let (rest_g, rest_w, rest_x) = (whole_g.remainder(), whole_w.remainder(), whole_x.remainder());
    for ((g, w), x) in whole_g.zip(whole_w).zip(whole_x) {
        for lane in 0..LANES {
            let product = g[lane] * w[lane];
            sums[lane] += product;
            dots[lane] = L::mul_add(product, x[lane] - shift, dots[lane]);
        }
    }
    for (lane, ((g, w), x)) in rest_g.iter().zip(rest_w).zip(rest_x).enumerate() {
        let product = g * w;
        sums[lane] += product;
        dots[lane] = L::mul_add(product, x - shift, dots[lane]);
    }
    (fold(sums), fold(dots))
}

/// Adds equally long parts in order: `into_i = Σ_k parts[k · len + i]`.
pub(crate) fn add_in_order(into: &mut [f32], parts: &[f32]) {
    into.fill(0.0);
    for part in parts.chunks_exact(into.len().max(1)) {
        for (into, part) in into.iter_mut().zip(part) {
            *into += part;
        }
    }
}
