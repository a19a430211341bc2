//! Row 35: one training step of mlp 784-512-512-10, batch 128, called from Rust.

mod common;

use common::{Check, Stream};
use limbeck_bench::mlp::Mlp;
use limbeck_core::allocator;
use limbeck_core::pool::Pool;

const WARM: usize = 20;
const BATCH: usize = 128;
const SIZES: [usize; 4] = [784, 512, 512, 10];
const NAMES: [&str; 3] = ["layers.0", "layers.1", "head"];

fn main() -> common::Outcome {
    let arguments = common::arguments()?;
    let pool = Pool::new(Some(arguments.threads))?;
    let layers = NAMES.iter().zip(SIZES.windows(2)).zip((11..).step_by(2));
    let layers = layers.map(|((name, sizes), stream)| {
        let scale = 1.0 / (sizes[0] as f64).sqrt();
        let weight = Stream::new(stream).numbers(sizes[0] * sizes[1], scale);
        (*name, weight, Stream::new(stream + 1).numbers(sizes[1], scale))
    });
    let inputs = Stream::new(1).numbers(BATCH * SIZES[0], 1.0);
    let labels = Stream::new(3).labels(BATCH, SIZES[3]);
    let mut mlp = Mlp::new(layers.collect(), inputs, labels, 0.01)?;
    let (loss, gradients) = pool.enter(|| mlp.check())?;
    let all: Vec<&[f32]> = gradients.values().map(Vec::as_slice).collect();
    let check = Check::of(loss, &all, &gradients["layers.0.weight"]);
    drop(gradients);
    let mut step = || pool.enter(|| mlp.step()).map(drop);
    (0..WARM).try_for_each(|_| step())?;
    let (calls, faults) = (allocator::calls(), common::minor_faults());
    (0..WARM).try_for_each(|_| step())?;
    let mut extra = common::extra();
    extra["allocationsPerStep"] = ((allocator::calls() - calls) / WARM).into();
    extra["faultsPerStep"] = ((common::minor_faults() - faults) as f64 / WARM as f64).into();
    common::serve(check, extra, || step().map_err(Into::into))
}
