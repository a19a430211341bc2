//! Losses forward and backward, as in a training step. Rows 1, 3 (memory) and 4: ½ cross entropy +
//! ½ T² KL(teacher ‖ student), T = 2. Row 8: KL with the 64 largest logits, stored; with `--variant dense` with all logits.
//! Row 11: similarity; 11.distance, 11.angle, 11.pkt: the other relations. Rows 12 and 13: the triplet loss within the
//! batch, with the hardest negatives and with all. Row 33: four row losses in one sweep; with `--variant separate` one
//! after the other.

mod common;

use common::{Check, Outcome, Stream, arguments, serve};
use limbeck_bench::distillation::{self, Distillation};
use limbeck_core::allocator;
use limbeck_core::pool::Pool;
use serde_json::{Value, json};

struct Shape {
    rows: usize,
    student: usize,
    teacher: usize,
    scale: f64,
    labels: usize,
}

fn shape(row: &str) -> Result<Shape, String> {
    let of = |rows, student, teacher, scale, labels| Ok(Shape { rows, student, teacher, scale, labels });
    match row {
        "1" | "3" | "8" | "33" => of(64, 32_000, 32_000, 4.0, 32_000),
        "4" => of(256, 1000, 1000, 4.0, 1000),
        "11" | "11.distance" | "11.pkt" => of(512, 256, 768, 1.0, 100),
        "11.angle" => of(128, 256, 768, 1.0, 100),
        "12" | "13" => of(512, 256, 256, 1.0, 100),
        other => {
            Err(format!("--row: expected 1, 3, 4, 8, 11, 11.distance, 11.angle, 11.pkt, 12, 13 or 33, got {other}"))
        }
    }
}

fn losses(row: &str) -> Value {
    let soft = json!({ "temperature": 2 });
    match row {
        "8" => json!({ "kl": soft }),
        "11" => json!({ "similarity": {} }),
        "11.distance" => json!({ "rkdDistance": {} }),
        "11.angle" => json!({ "rkdAngle": {} }),
        "11.pkt" => json!({ "pkt": {} }),
        "12" => json!({ "tripletBatch": {} }),
        "13" => json!({ "tripletBatch": { "negatives": "all" } }),
        "33" => json!({ "crossEntropy": {}, "kl": soft, "jsd": soft, "tvd": soft }),
        _ => json!({ "crossEntropy": { "weight": 0.5 }, "kl": { "weight": 0.5, "temperature": 2 } }),
    }
}

fn main() -> Outcome {
    let arguments = arguments()?;
    let (row, all) = (arguments.row.as_str(), losses(&arguments.row));
    let Shape { rows, student, teacher, scale, labels } = shape(row)?;
    let step = Distillation::new(
        serde_json::from_value(all.clone())?,
        student,
        Stream::new(1).numbers(rows * student, scale),
        Stream::new(2).numbers(rows * teacher, scale),
        Stream::new(3).labels(rows, labels),
    )?;
    let alone = |arguments: &str| std::env::args().any(|argument| argument == arguments);
    // `timed` is measured; the results of `step` are compared with the peer's.
    let mut timed = Vec::new();
    if alone("dense") {
        timed.push(step.beside(serde_json::from_value(all.clone())?)?);
    } else if alone("separate") {
        for (name, options) in all.as_object().into_iter().flatten() {
            timed.push(step.beside(serde_json::from_value(json!({ name: options }))?)?);
        }
    }
    let step = if row == "8" { step.with_top(64, 2.0)? } else { step };
    let timed: Vec<&Distillation> = if timed.is_empty() { vec![&step] } else { timed.iter().collect() };
    let pool = Pool::new(Some(arguments.threads))?;
    if row == "3" {
        // The first run also counts the memory that threads keep for the next run.
        let live = allocator::live_bytes();
        allocator::reset_peak();
        pool.enter(|| step.run(|_| ()))?;
        let extra = allocator::peak_bytes().saturating_sub(live + 4 * rows * student);
        let values = json!({ "extraBytesPerThread": extra / arguments.threads });
        println!("{}", json!({ "values": values, "extra": common::extra() }));
        return Ok(());
    }
    // A step enters the pool once and computes everything inside.
    let served = pool.enter(|| {
        let serve = || -> Outcome {
            let (loss, gradient) = step.run(|gradient| gradient.to_vec())?;
            let check = Check::of(loss, &[&gradient], &gradient);
            let extra = json!({ "isa": distillation::instruction_set() });
            serve(check, extra, || {
                for step in &timed {
                    step.run(|_| ())?;
                }
                Ok(())
            })
        };
        serve().map_err(|error| error.to_string())
    });
    Ok(served?)
}
