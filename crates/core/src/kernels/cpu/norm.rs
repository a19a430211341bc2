//! Layer norm and root mean square norm over rows: statistics and output in one pass over a row, all gradients in a
//! second one.

use super::isa::kernel;
use super::sums;
use crate::pool;
use crate::tensor::uninit;

/// Whether the mean is subtracted first: yes for layer norm, no for the root mean square norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Centre {
    Mean,
    Zero,
}

/// Rows per task. Determined by the shape alone, because it determines the order of sums in the weights' gradients.
fn block(rows: usize) -> usize {
    rows.div_ceil(64).max(16)
}

/// Returns y, and (mean, 1 / σ) for each row.
pub(crate) fn forward(x: &[f32], w: &[f32], b: Option<&[f32]>, epsilon: f32, centre: Centre) -> (Vec<f32>, Vec<f32>) {
    let width = w.len();
    let block = block(x.len() / width);
    let (mut y, mut saved) = (uninit(x.len()), uninit(x.len() / width * 2));
    let items = x.chunks(block * width).zip(y.chunks_mut(block * width)).zip(saved.chunks_mut(block * 2)).collect();
    pool::each(items, |_, ((x, y), saved)| forward_rows(x, w, b, epsilon, centre, y, saved));
    (y, saved)
}

/// Returns ∂L/∂x, ∂L/∂w, ∂L/∂b.
pub(crate) fn backward(g: &[f32], x: &[f32], w: &[f32], saved: &[f32], centre: Centre) -> [Vec<f32>; 3] {
    let width = w.len();
    let block = block(x.len() / width);
    let blocks = x.len().div_ceil(block * width);
    let (mut dx, mut parts) = (uninit(x.len()), uninit(blocks * 2 * width));
    let items = g
        .chunks(block * width)
        .zip(x.chunks(block * width))
        .zip(saved.chunks(block * 2))
        .zip(dx.chunks_mut(block * width))
        .zip(parts.chunks_mut(2 * width))
        .collect();
    pool::each(items, |_, ((((g, x), saved), dx), part)| backward_rows(g, x, w, saved, centre, dx, part));
    let mut sum = uninit(2 * width);
    sums::add_in_order(&mut sum, &parts);
    let db = sum.split_off(width);
    [dx, sum, db]
}

kernel! {
    fn forward_rows<L>(
        x: &[f32], w: &[f32], b: Option<&[f32]>, epsilon: f32, centre: Centre, y: &mut [f32], saved: &mut [f32],
    ) {
        let width = w.len();
        let share = 1.0 / width as f32;
        for ((x, y), saved) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(saved.chunks_exact_mut(2)) {
            let mean = if centre == Centre::Mean { sums::sum(x) * share } else { 0.0 };
            let inverse = 1.0 / (sums::squares::<L>(x, mean) * share + epsilon).sqrt();
            saved.copy_from_slice(&[mean, inverse]);
            match b {
                Some(b) => {
                    for (((y, x), w), b) in y.iter_mut().zip(x).zip(w).zip(b) {
                        *y = L::mul_add((x - mean) * inverse, *w, *b);
                    }
                }
                None => {
                    for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                        *y = (x - mean) * inverse * w;
                    }
                }
            }
        }
    }
}

kernel! {
    fn backward_rows<L>(
        g: &[f32], x: &[f32], w: &[f32], saved: &[f32], centre: Centre, dx: &mut [f32], part: &mut [f32],
    ) {
        let width = w.len();
        let share = 1.0 / width as f32;
        part.fill(0.0);
        let (dw, db) = part.split_at_mut(width);
        let rows = g.chunks_exact(width).zip(x.chunks_exact(width)).zip(saved.chunks_exact(2));
        for (((g, x), saved), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let (mean, inverse) = (saved[0], saved[1]);
            let (sum, dot) = sums::weighted::<L>(g, w, x, mean);
            let shift = if centre == Centre::Mean { sum * share } else { 0.0 };
            let tilt = dot * share * inverse * inverse;
            for (((dx, g), x), w) in dx.iter_mut().zip(g).zip(x).zip(w) {
                *dx = (L::mul_add(*g, *w, -shift) - (x - mean) * tilt) * inverse;
            }
            for (((dw, db), g), x) in dw.iter_mut().zip(db.iter_mut()).zip(g).zip(x) {
                *dw = L::mul_add(*g, (x - mean) * inverse, *dw);
                *db += g;
            }
        }
    }
}
