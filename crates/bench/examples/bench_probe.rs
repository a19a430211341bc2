//! Prints what the machine can do as one JSON line: `bench_probe --row probe --threads 2`.

mod common;

/// Beyond every cache, small enough for a machine that does other things too.
const BYTES: usize = 256 << 20;

fn main() -> common::Outcome {
    let arguments = common::arguments()?;
    println!("{}", serde_json::to_string(&limbeck_core::probe::measure(arguments.threads, BYTES))?);
    Ok(())
}
