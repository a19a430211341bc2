//! Prints the speed of the machine as one JSON line: `bench_probe --row probe --threads 2`.

mod common;

/// Larger than every cache, but small enough for a machine that runs other programs too.
const BYTES: usize = 256 << 20;

fn main() -> common::Outcome {
    let arguments = common::arguments()?;
    println!("{}", serde_json::to_string(&limbeck_core::probe::measure(arguments.threads, BYTES))?);
    Ok(())
}
