//! Rows 1, 3 (memory) and 4: the distillation loss ½ cross entropy + ½ T² KL(teacher ‖ student), T = 2, forward and
//! backward, as a training step calls it. Row 12: the triplet loss within the batch, hardest negatives.

mod common;

use common::{Check, Outcome, Stream, arguments, serve};
use limbeck_core::allocator;
use limbeck_core::losses::bench::{self, Distillation};
use limbeck_core::pool::Pool;
use serde_json::json;

fn main() -> Outcome {
    let arguments = arguments()?;
    let (rows, classes) = match arguments.row.as_str() {
        "1" | "3" => (64, 32_000),
        "4" => (256, 1000),
        "12" => (512, 256),
        other => return Err(format!("--row: expected 1, 3, 4 or 12, got {other}").into()),
    };
    let (losses, scale, labels) = match arguments.row.as_str() {
        "12" => (json!({ "tripletBatch": {} }), 1.0, 100),
        _ => (json!({ "crossEntropy": { "weight": 0.5 }, "kl": { "weight": 0.5, "temperature": 2 } }), 4.0, classes),
    };
    let losses = serde_json::from_value(losses)?;
    let student = Stream::new(1).numbers(rows * classes, scale);
    let teacher = Stream::new(2).numbers(rows * classes, scale);
    let labels = Stream::new(3).labels(rows, labels);
    let step = Distillation::new(losses, classes, student, teacher, labels)?;
    let pool = Pool::new(Some(arguments.threads))?;
    if arguments.row == "3" {
        // The first run: what a thread keeps for the next one counts too.
        let live = allocator::live_bytes();
        allocator::reset_peak();
        pool.enter(|| step.run(|_| ()))?;
        let extra = allocator::peak_bytes().saturating_sub(live + 4 * rows * classes);
        let values = json!({ "extraBytesPerThread": extra / arguments.threads });
        println!("{}", json!({ "values": values, "extra": common::extra() }));
        return Ok(());
    }
    // A step enters the pool once and computes everything inside.
    let served = pool.enter(|| {
        let serve = || -> Outcome {
            let (loss, gradient) = step.run(|gradient| gradient.to_vec())?;
            let check = Check::of(loss, &[&gradient], &gradient);
            let extra = json!({ "isa": bench::instruction_set() });
            serve(check, extra, || Ok(step.run(|_| ()).map(|_| ())?))
        };
        serve().map_err(|error| error.to_string())
    });
    Ok(served?)
}
