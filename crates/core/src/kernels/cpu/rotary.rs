//! Rotations of pairs of numbers by angles that depend on the row's position.

use super::isa::kernel;
use crate::blocks::uninit;
use crate::pool;

/// Numbers of one task.
const PIECE: usize = 1 << 14;

/// Cosines and sines of the angles of each position, `[positions, cosines | sines]` with `width / 2` of each.
pub(crate) fn table(positions: usize, width: usize, theta: f64) -> Vec<f32> {
    let (half, mut table) = (width / 2, uninit(positions * width));
    pool::pieces(&mut table, (PIECE / width.max(1)).max(1) * width, |piece, table| {
        let first = piece * (PIECE / width).max(1);
        for (position, row) in table.chunks_exact_mut(width).enumerate() {
            let (cosines, sines) = row.split_at_mut(half);
            for (pair, (cosine, sine)) in cosines.iter_mut().zip(sines).enumerate() {
                let (s, c) = angle(first + position, pair, width, theta).sin_cos();
                (*cosine, *sine) = (c as f32, s as f32);
            }
        }
    });
    table
}

pub(crate) fn angle(position: usize, pair: usize, width: usize, theta: f64) -> f64 {
    position as f64 * theta.powf(-2.0 * pair as f64 / width as f64)
}

/// Rotates the pairs of each row, `cols` numbers in heads of `width`; backwards if `sign` is −1.
pub(crate) fn rotate(x: &[f32], cols: usize, table: &[f32], width: usize, positions: &[u32], sign: f32) -> Vec<f32> {
    let mut y = uninit(x.len());
    let rows = (PIECE / cols.max(1)).max(1);
    pool::pieces(&mut y, rows * cols, |piece, y| {
        let x = &x[piece * rows * cols..];
        let rows = y.chunks_exact_mut(cols).zip(x.chunks_exact(cols)).zip(&positions[piece * rows..]);
        for ((y, x), position) in rows {
            turn(x, y, &table[*position as usize * width..][..width], sign);
        }
    });
    y
}

kernel! {
    fn turn<L>(x: &[f32], y: &mut [f32], angles: &[f32], sign: f32) {
        let (width, half) = (angles.len(), angles.len() / 2);
        let (cosines, sines) = angles.split_at(half);
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let ((a, b), (left, right)) = (x.split_at(half), y.split_at_mut(half));
            for ((((left, right), a), b), (c, s)) in
                left.iter_mut().zip(right).zip(a).zip(b).zip(cosines.iter().zip(sines))
            {
                let s = s * sign;
                *left = L::mul_add(*a, *c, -(b * s));
                *right = L::mul_add(*b, *c, a * s);
            }
        }
    }
}
