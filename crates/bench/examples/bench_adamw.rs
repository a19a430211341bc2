//! Row 37: AdamW over one tensor of 10.5 million parameters.

mod common;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use common::{Check, Stream};
use limbeck_core::error::Result;
use limbeck_core::optimizers::{Optimizer, OptimizerOptions};
use limbeck_core::parameters::{Kind, Parameter, Parameters};
use limbeck_core::pool::Pool;
use serde_json::json;

const COUNT: usize = 10_500_000;
const NAME: &str = "weight";

fn main() -> common::Outcome {
    let arguments = common::arguments()?;
    let pool = Pool::new(Some(arguments.threads))?;
    let made = |stream, scale| Tensor::from_vec(Stream::new(stream).numbers(COUNT, scale), COUNT, &Device::Cpu);
    let parameter = Parameter::new(made(1, 0.1)?, Kind::Trainable, true);
    let parameters: Parameters = [(NAME.to_string(), parameter)].into_iter().collect();
    let gradients = BTreeMap::from([(NAME.to_string(), made(2, 0.01)?)]);
    let options: OptimizerOptions =
        serde_json::from_value(json!({ "adamW": { "learningRate": 1e-3, "weightDecay": 0.01 } }))?;
    let mut optimizer = Optimizer::new(&options, &parameters)?;
    let mut step = || -> Result<()> { pool.enter(|| optimizer.step(&parameters, &gradients, 1.0)) };
    for _ in 0..3 {
        step()?;
    }
    let (_, values) = parameters.get(NAME)?;
    let mean_square = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / COUNT as f64;
    let check = Check::of(mean_square, &[&values], &values);
    drop(values);
    common::serve(check, common::extra(), || Ok(step()?))
}
