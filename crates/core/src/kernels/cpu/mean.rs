//! The mean along a middle axis: `[outer, size, inner] → [outer, inner]`, and its backward pass.

use super::isa::kernel;
use crate::pool;
use crate::tensor::uninit;

/// Input numbers per task.
const TASK: usize = 1 << 15;

pub(crate) fn means(x: &[f32], size: usize, inner: usize) -> Vec<f32> {
    let mut y = uninit(x.len() / size);
    let per_task = (TASK / (size * inner).max(1)).max(1);
    pool::pieces(&mut y, per_task * inner, |task, y| {
        means_of(&x[task * per_task * size * inner..], size, inner, y);
    });
    y
}

pub(crate) fn to_each(g: &[f32], size: usize, inner: usize) -> Vec<f32> {
    let mut dx = uninit(g.len() * size);
    let per_task = (TASK / (size * inner).max(1)).max(1);
    pool::pieces(&mut dx, per_task * size * inner, |task, dx| {
        to_each_of(&g[task * per_task * inner..], size, inner, dx);
    });
    dx
}

kernel! {
    fn means_of<L>(x: &[f32], size: usize, inner: usize, y: &mut [f32]) {
        let share = 1.0 / size as f32;
        if inner == 0 {
            return;
        }
        for (y, x) in y.chunks_exact_mut(inner).zip(x.chunks_exact(size * inner)) {
            y.fill(0.0);
            for x in x.chunks_exact(inner) {
                y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
            }
            y.iter_mut().for_each(|y| *y *= share);
        }
    }
}

kernel! {
    fn to_each_of<L>(g: &[f32], size: usize, inner: usize, dx: &mut [f32]) {
        let share = 1.0 / size as f32;
        if inner == 0 {
            return;
        }
        for (g, dx) in g.chunks_exact(inner).zip(dx.chunks_exact_mut(size * inner)) {
            for dx in dx.chunks_exact_mut(inner) {
                dx.iter_mut().zip(g).for_each(|(dx, g)| *dx = g * share);
            }
        }
    }
}
