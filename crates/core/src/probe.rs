//! The current speed of this machine: the rate of multiply-adds and the memory bandwidth.
//!
//! On a shared host both change within minutes, so a measured time means little without a probe in the same run. Each
//! figure is the best of five measurements and shows the speed of undisturbed hardware.

use std::hint::black_box;
use std::time::Instant;

use crate::kernels::cpu::isa::{self, Isa, kernel};

const REPEATS: usize = 5;
/// Number of independent accumulators: enough to hide the latency of a multiply-add on two pipes, few enough for the
/// registers.
const WIDE_CHAINS: usize = 10;
const NARROW_CHAINS: usize = 12;
const FMA_ROUNDS: usize = 2_000_000;

/// Rates of all threads together; each thread works on a separate part of the data.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Probe {
    pub threads: usize,
    pub fma_gflops: f64,
    /// GB read per second.
    pub read_gbs: f64,
    /// GB read and written per second, ordinary stores; cache lines fetched for writing are not counted.
    pub copy_gbs: f64,
    /// GB read and written per second when one array is updated in place.
    pub inplace_gbs: f64,
}

/// The instruction set that the kernels use: scalar, avx2 or avx512.
pub fn instructions() -> &'static str {
    isa::current().name()
}

/// Measures with `threads` threads over arrays of `bytes` in total. To measure the memory, `bytes` must be far larger than
/// the caches.
pub fn measure(threads: usize, bytes: usize) -> Probe {
    let threads = threads.max(1);
    let part = (bytes / 4 / threads).max(BLOCK) / BLOCK * BLOCK;
    let moved = (4 * part * threads) as f64 * 1e-9;
    let fma = best(threads, || (), |()| fma_rounds());
    let read = best(threads, || vec![1f32; part], |data| read_block(data));
    let copy = best(
        threads,
        || (vec![1f32; part], vec![0f32; part]),
        |(from, to)| {
            to.copy_from_slice(from);
            to[0]
        },
    );
    let inplace = best(threads, || vec![1f32; part], |data| inplace_block(data));
    let lanes = if isa::current() == Isa::Avx512 { 16 * WIDE_CHAINS } else { 8 * NARROW_CHAINS };
    Probe {
        threads,
        fma_gflops: (2 * lanes * FMA_ROUNDS * threads) as f64 * 1e-9 / fma,
        read_gbs: moved / read,
        copy_gbs: 2.0 * moved / copy,
        inplace_gbs: 2.0 * moved / inplace,
    }
}

/// Seconds of the best repetition, from the start of the first thread to the end of the last. Each thread creates its
/// state with `make`, so that the memory is near its core.
fn best<S>(threads: usize, make: impl Fn() -> S + Sync, work: impl Fn(&mut S) -> f32 + Sync) -> f64 {
    let barrier = std::sync::Barrier::new(threads);
    let one = || {
        let mut state = make();
        let mut spans = [(Instant::now(), Instant::now()); REPEATS];
        for span in &mut spans {
            barrier.wait();
            let start = Instant::now();
            black_box(work(&mut state));
            *span = (start, Instant::now());
        }
        spans
    };
    let spans: Vec<[(Instant, Instant); REPEATS]> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    (0..REPEATS)
        .filter_map(|repeat| {
            let start = spans.iter().map(|span| span[repeat].0).min()?;
            let end = spans.iter().map(|span| span[repeat].1).max()?;
            Some((end - start).as_secs_f64())
        })
        .fold(f64::INFINITY, f64::min)
}

fn fma_rounds() -> f32 {
    if isa::current() == Isa::Avx512 { fma_wide(FMA_ROUNDS) } else { fma_narrow(FMA_ROUNDS) }
}

#[inline(always)]
fn next<L: isa::Lanes, const LANES: usize>(sum: &mut [f32; LANES], factor: f32, summand: f32) {
    for lane in sum {
        *lane = L::mul_add(*lane, factor, summand);
    }
}

// Two forms of the same chains, because the compiler keeps each in registers only for its own number of lanes.

kernel! {
    fn fma_wide<L>(rounds: usize) -> f32 {
        let (factor, summand) = (black_box(0.999f32), black_box(0.001f32));
        let [mut a, mut b, mut c, mut d, mut e] = [[0.1f32; 16], [0.2; 16], [0.3; 16], [0.4; 16], [0.5; 16]];
        let [mut f, mut g, mut h, mut i, mut j] = [[0.6f32; 16], [0.7; 16], [0.8; 16], [0.9; 16], [1.0; 16]];
        for _ in 0..rounds {
            next::<L, 16>(&mut a, factor, summand);
            next::<L, 16>(&mut b, factor, summand);
            next::<L, 16>(&mut c, factor, summand);
            next::<L, 16>(&mut d, factor, summand);
            next::<L, 16>(&mut e, factor, summand);
            next::<L, 16>(&mut f, factor, summand);
            next::<L, 16>(&mut g, factor, summand);
            next::<L, 16>(&mut h, factor, summand);
            next::<L, 16>(&mut i, factor, summand);
            next::<L, 16>(&mut j, factor, summand);
        }
        [a, b, c, d, e, f, g, h, i, j].iter().flatten().sum()
    }
}

kernel! {
    fn fma_narrow<L>(rounds: usize) -> f32 {
        let (factor, summand) = (black_box(0.999f32), black_box(0.001f32));
        let mut sums = [[0.5f32; 8]; NARROW_CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                next::<L, 8>(sum, factor, summand);
            }
        }
        sums.iter().flatten().sum()
    }
}

/// Number of independent sums: enough that the speed of reading is the limit, not that of adding.
const BLOCK: usize = 128;

kernel! {
    fn read_block<L>(data: &[f32]) -> f32 {
        let mut sums = [0f32; BLOCK];
        for block in data.as_chunks::<BLOCK>().0 {
            for (sum, x) in sums.iter_mut().zip(block) {
                *sum += x;
            }
        }
        sums.iter().sum()
    }
}

kernel! {
    fn inplace_block<L>(data: &mut [f32]) -> f32 {
        for x in data.iter_mut() {
            *x = L::mul_add(*x, 0.999, 0.001);
        }
        data[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_a_plausible_rate() {
        let probe = measure(1, 1 << 20);
        for rate in [probe.fma_gflops, probe.read_gbs, probe.copy_gbs, probe.inplace_gbs] {
            assert!(rate > 0.01 && rate < 1e5, "{probe:?}");
        }
    }
}
