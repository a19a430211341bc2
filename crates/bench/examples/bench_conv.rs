//! Row 36: a 3×3 convolution, forward and backward to input, weight and bias.

mod common;

use candle_core::{Device, Tensor};
use common::{Check, Stream};
use limbeck_core::error::Result;
use limbeck_core::ops::conv2d::{Conv2d, conv2d};
use limbeck_core::pool::Pool;
use limbeck_core::tape::{Engine, Tape, Value};

fn made(stream: u32, shape: &[usize], scale: f64) -> candle_core::Result<Tensor> {
    Tensor::from_vec(Stream::new(stream).numbers(shape.iter().product(), scale), shape, &Device::Cpu)
}

fn main() -> common::Outcome {
    let arguments = common::arguments()?;
    let pool = Pool::new(Some(arguments.threads))?;
    let leaves = [made(1, &[128, 16, 32, 32], 1.0)?, made(2, &[32, 16, 3, 3], 0.1)?, made(3, &[32], 0.1)?];
    let up = made(4, &[128, 32, 32, 32], 0.01)?;
    let options = Conv2d { padding: [1, 1], ..Conv2d::default() };

    let step = || -> Result<(Value, Vec<Option<Tensor>>)> {
        pool.enter(|| {
            let mut tape = Tape::new(Engine::Kernels);
            let [x, w, b] = leaves.clone().map(|leaf| tape.leaf(leaf));
            let y = conv2d(&mut tape, &x, &w, Some(&b), &options)?;
            let mut gradients = tape.backward(vec![(y.clone(), up.clone())])?;
            Ok((y, [x, w, b].iter().map(|leaf| gradients.take(leaf)).collect()))
        })
    };

    let flat = |tensor: &Tensor| tensor.flatten_all().and_then(|tensor| tensor.to_vec1::<f32>());
    let (y, gradients) = step()?;
    let gradients = gradients
        .iter()
        .map(|gradient| Ok(flat(gradient.as_ref().ok_or("a leaf without gradient")?)?))
        .collect::<std::result::Result<Vec<_>, Box<dyn std::error::Error>>>()?;
    let loss = flat(y.tensor())?.iter().zip(flat(&up)?).map(|(y, up)| f64::from(*y) * f64::from(up)).sum();
    let all: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
    let check = Check::of(loss, &all, &gradients[1]);
    common::serve(check, common::extra(), || step().map(drop).map_err(Into::into))
}
