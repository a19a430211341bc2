//! Shared by the benchmark programs: the arguments, the inputs, which have the same bits for all peers, and the protocol of
//! the driver (bench/README.md): a program loads, warms up, prints `ready` with the numbers to compare, and then runs five
//! timed repeats for every line of its input.
#![allow(dead_code)] // each program uses a part

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use serde_json::{Value, json};

/// The same allocator as in the addon.
#[global_allocator]
static ALLOCATOR: limbeck_core::allocator::CachingAllocator = limbeck_core::allocator::CachingAllocator;

pub type Outcome = Result<(), Box<dyn Error>>;

const WARM_UP: usize = 5;
const REPEATS: usize = 5;

/// `--row 16.head --threads 2`.
pub struct Arguments {
    pub row: String,
    pub threads: usize,
}

pub fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let all: Vec<String> = std::env::args().skip(1).collect();
    let find = |name: &str| {
        all.iter()
            .position(|argument| argument == name)
            .and_then(|at| all.get(at + 1))
            .cloned()
            .ok_or(format!("{name}: expected a value, got none"))
    };
    Ok(Arguments { row: find("--row")?, threads: find("--threads")?.parse()? })
}

/// The random number generator of all inputs: x ← x · 1664525 + 1013904223 mod 2³², value (x / 2³² − ½) · 2 · scale.
/// The stream is the first x; numbers start with its successor.
pub struct Stream(u32);

impl Stream {
    pub fn new(stream: u32) -> Stream {
        Stream(stream)
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / 4_294_967_296.0
    }

    pub fn numbers(mut self, count: usize, scale: f64) -> Vec<f32> {
        (0..count).map(|_| ((self.next() - 0.5) * 2.0 * scale) as f32).collect()
    }

    /// Labels in 0 … classes − 1.
    pub fn labels(mut self, count: usize, classes: usize) -> Vec<u32> {
        (0..count).map(|_| (self.next() * classes as f64) as u32).collect()
    }
}

/// Results that are compared with the peer's before anything is timed.
pub struct Check {
    pub loss: f64,
    /// Euclidean norm over all gradients (or over the results, if there is no gradient).
    pub gradient_norm: f64,
    /// Eight fixed entries: see `eight`.
    pub entries: Vec<f64>,
}

impl Check {
    pub fn of(loss: f64, gradients: &[&[f32]], watched: &[f32]) -> Check {
        Check { loss, gradient_norm: norm(gradients), entries: eight(watched) }
    }
}

pub fn norm(all: &[&[f32]]) -> f64 {
    all.iter().flat_map(|part| part.iter()).map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// The entries at i · ⌊len / 8⌋ + min(i, ⌊len / 8⌋ − 1), i = 0 … 7.
pub fn eight(values: &[f32]) -> Vec<f64> {
    let stride = values.len() / 8;
    (0..8).map(|i| f64::from(values[i * stride + i.min(stride - 1)])).collect()
}

/// Warms up, prints `ready`, and times `work` for every line of the input, until the input ends.
/// `extra` is added to the driver's JSON line: counters of the warm-up, the instruction set.
pub fn serve(check: Check, extra: Value, mut work: impl FnMut() -> Outcome) -> Outcome {
    for _ in 0..WARM_UP {
        work()?;
    }
    let mut out = std::io::stdout().lock();
    let check = json!({ "loss": check.loss, "gradientNorm": check.gradient_norm, "entries": check.entries });
    writeln!(out, "{}", json!({ "ready": true, "check": check, "extra": extra }))?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let repeats = line?.trim().parse().unwrap_or(REPEATS);
        let mut times = Vec::with_capacity(repeats);
        for _ in 0..repeats {
            let start = Instant::now();
            work()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        writeln!(out, "{}", json!({ "ms": times }))?;
        out.flush()?;
    }
    Ok(())
}

/// This program's entry in the driver's JSON line: the instruction set in use.
pub fn extra() -> Value {
    json!({ "isa": limbeck_core::probe::instructions() })
}

/// Page faults of this process without disk access, since its start.
pub fn minor_faults() -> u64 {
    // The name in field 2 may contain spaces; fields are counted after its closing bracket.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    fields.split_whitespace().nth(7).and_then(|field| field.parse().ok()).unwrap_or(0)
}
