//! Rows of a table by id, and bags of such rows that are summed or reduced to their maximum; forward and backward.
//! In the backward pass, a task adds to a few columns of the whole table in the order of the ids, so a repeated id is
//! summed in the same order with any number of threads.

use std::ops::Range;

use crate::pool;
use crate::tensor::uninit;

/// Numbers that one copy task writes.
const PIECE: usize = 1 << 14;
/// Columns of a backward task: four cache lines.
const COLUMNS: usize = 64;
/// Replaces the id of an empty bag.
const NO_ID: u32 = u32::MAX;

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

/// Ids by bag: bag `b` has `ids[offsets[b]..offsets[b + 1]]`.
#[derive(Clone, Copy)]
pub(crate) struct Bags<'a> {
    pub ids: &'a [u32],
    pub offsets: &'a [u32],
    /// One factor per id; without it all are 1.
    pub weights: Option<&'a [f32]>,
    /// One factor per bag, applied to its sum.
    pub scales: &'a [f32],
}

impl Bags<'_> {
    fn places(&self, bag: usize) -> Range<usize> {
        self.offsets[bag] as usize..self.offsets[bag + 1] as usize
    }
}

/// scale · Σ weight · row of each bag, `[bags, width]`.
pub(crate) fn sum_rows(table: &[f32], width: usize, bags: Bags) -> Vec<f32> {
    let mut y = uninit((bags.offsets.len() - 1) * width);
    pool::pieces(&mut y, width, |bag, y| {
        y.fill(0.0);
        for place in bags.places(bag) {
            let x = row(table, width, bags.ids[place]);
            match bags.weights {
                None => y.iter_mut().zip(x).for_each(|(y, x)| *y += x),
                Some(weights) => y.iter_mut().zip(x).for_each(|(y, x)| *y += weights[place] * x),
            }
        }
        y.iter_mut().for_each(|y| *y *= bags.scales[bag]);
    });
    y
}

/// For each bag and column, the id whose row has the largest number, `[bags, width]`; the first of equal ones; `NO_ID`
/// for a bag without ids.
pub(crate) fn largest(table: &[f32], width: usize, ids: &[u32], offsets: &[u32]) -> Vec<u32> {
    let mut winners = vec![NO_ID; (offsets.len() - 1) * width];
    pool::pieces(&mut winners, width, |bag, winners| {
        for id in &ids[offsets[bag] as usize..offsets[bag + 1] as usize] {
            for (column, (winner, x)) in winners.iter_mut().zip(row(table, width, *id)).enumerate() {
                if *winner == NO_ID || *x > row(table, width, *winner)[column] {
                    *winner = *id;
                }
            }
        }
    });
    winners
}

/// The numbers that `largest` found; 0 for a bag without ids.
pub(crate) fn of_largest(table: &[f32], width: usize, winners: &[u32]) -> Vec<f32> {
    let mut y = uninit(winners.len());
    pool::pieces(&mut y, width, |bag, y| {
        for (column, (y, winner)) in y.iter_mut().zip(&winners[bag * width..]).enumerate() {
            *y = if *winner == NO_ID { 0.0 } else { row(table, width, *winner)[column] };
        }
    });
    y
}

pub(crate) fn add_rows(g: &[f32], count: usize, width: usize, ids: &[u32]) -> Vec<f32> {
    by_columns(count, width, |from, to, table| {
        for (place, id) in ids.iter().enumerate() {
            add(table, *id, &g[place * width + from..place * width + to], 1.0);
        }
    })
}

/// The gradient of `sum_rows` with respect to the table.
pub(crate) fn add_sum_rows(g: &[f32], count: usize, width: usize, bags: Bags) -> Vec<f32> {
    by_columns(count, width, |from, to, table| {
        for (bag, scale) in bags.scales.iter().enumerate() {
            for place in bags.places(bag) {
                let share = bags.weights.map_or(*scale, |weights| scale * weights[place]);
                add(table, bags.ids[place], &g[bag * width + from..bag * width + to], share);
            }
        }
    })
}

/// The gradient of `of_largest` with respect to the table.
pub(crate) fn add_largest(g: &[f32], count: usize, width: usize, winners: &[u32]) -> Vec<f32> {
    by_columns(count, width, |from, to, table| {
        for (g, winners) in g.chunks_exact(width).zip(winners.chunks_exact(width)) {
            for column in (from..to).filter(|column| winners[*column] != NO_ID) {
                table[winners[column] as usize][column - from] += g[column];
            }
        }
    })
}

fn add(table: &mut [&mut [f32]], id: u32, g: &[f32], share: f32) {
    table[id as usize].iter_mut().zip(g).for_each(|(into, g)| *into += share * g);
}

fn row(table: &[f32], width: usize, id: u32) -> &[f32] {
    &table[id as usize * width..(id as usize + 1) * width]
}

/// A table of zeros, to which `walk(from, to, rows)` adds columns `from..to` of all rows.
fn by_columns(count: usize, width: usize, walk: impl Fn(usize, usize, &mut [&mut [f32]]) + Sync + Send) -> Vec<f32> {
    let mut table = uninit(count * width);
    pool::pieces(&mut table, PIECE, |_, piece| piece.fill(0.0));
    // Each task gets its columns of every row.
    let blocks = width.div_ceil(COLUMNS);
    let mut columns: Vec<Vec<&mut [f32]>> = (0..blocks).map(|_| crate::blocks::empty(count)).collect();
    for row in table.chunks_exact_mut(width.max(1)) {
        for (block, part) in row.chunks_mut(COLUMNS).enumerate() {
            columns[block].push(part);
        }
    }
    pool::each(columns, |block, mut rows| {
        let (from, to) = (block * COLUMNS, width.min((block + 1) * COLUMNS));
        walk(from, to, &mut rows);
    });
    table
}
