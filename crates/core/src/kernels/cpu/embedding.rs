//! Rows of a table by id, forward and back. Going back, a task owns a few columns of the whole table and
//! adds in reading order, so a repeated id sums in one order on any number of threads.

use crate::pool;
use crate::tensor::uninit;

/// Numbers that one task of a copy writes.
const PIECE: usize = 1 << 14;
/// Columns of a task going back: four cache lines.
const COLUMNS: usize = 64;

pub(crate) fn rows(table: &[f32], width: usize, ids: &[u32]) -> Vec<f32> {
    let mut y = uninit(ids.len() * width);
    let piece = (PIECE / width.max(1)).max(1);
    pool::pieces(&mut y, piece * width, |index, y| {
        for (y, id) in y.chunks_exact_mut(width.max(1)).zip(&ids[index * piece..]) {
            y.copy_from_slice(row(table, width, *id));
        }
    });
    y
}

pub(crate) fn mean_rows(table: &[f32], width: usize, ids: &[u32], offsets: &[u32]) -> Vec<f32> {
    let mut y = uninit((offsets.len() - 1) * width);
    pool::pieces(&mut y, width, |index, y| {
        let ids = &ids[offsets[index] as usize..offsets[index + 1] as usize];
        y.fill(0.0);
        for id in ids {
            y.iter_mut().zip(row(table, width, *id)).for_each(|(y, x)| *y += x);
        }
        let share = 1.0 / ids.len().max(1) as f32;
        y.iter_mut().for_each(|y| *y *= share);
    });
    y
}

pub(crate) fn add_rows(g: &[f32], count: usize, width: usize, ids: &[u32]) -> Vec<f32> {
    by_columns(count, width, |from, to, add| {
        for (place, id) in ids.iter().enumerate() {
            add(*id, &g[place * width + from..place * width + to], 1.0);
        }
    })
}

pub(crate) fn add_mean_rows(g: &[f32], count: usize, width: usize, ids: &[u32], offsets: &[u32]) -> Vec<f32> {
    by_columns(count, width, |from, to, add| {
        for (place, range) in offsets.windows(2).enumerate() {
            let share = 1.0 / (range[1] - range[0]).max(1) as f32;
            for id in &ids[range[0] as usize..range[1] as usize] {
                add(*id, &g[place * width + from..place * width + to], share);
            }
        }
    })
}

fn row(table: &[f32], width: usize, id: u32) -> &[f32] {
    &table[id as usize * width..(id as usize + 1) * width]
}

type Add<'a> = dyn FnMut(u32, &[f32], f32) + 'a;

/// A table of zeros to which `walk(from, to, add)` adds its columns `from..to`.
fn by_columns(count: usize, width: usize, walk: impl Fn(usize, usize, &mut Add) + Sync + Send) -> Vec<f32> {
    let mut table = uninit(count * width);
    pool::pieces(&mut table, PIECE, |_, piece| piece.fill(0.0));
    // Each task gets the pieces of the rows that are its own.
    let blocks = width.div_ceil(COLUMNS);
    let mut columns: Vec<Vec<&mut [f32]>> = (0..blocks).map(|_| Vec::with_capacity(count)).collect();
    for row in table.chunks_exact_mut(width.max(1)) {
        for (block, part) in row.chunks_mut(COLUMNS).enumerate() {
            columns[block].push(part);
        }
    }
    pool::each(columns, |block, mut rows| {
        let (from, to) = (block * COLUMNS, width.min((block + 1) * COLUMNS));
        walk(from, to, &mut |id, g, share| {
            rows[id as usize].iter_mut().zip(g).for_each(|(into, g)| *into += share * g);
        });
    });
    table
}
