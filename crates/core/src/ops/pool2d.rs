//! Pooling over windows of an image: the largest entry, or the mean.
//!
//! ```text
//! max: y[n,c,r,s] = max_{i,j} x[n, c, stride·r + i − padding, stride·s + j − padding], the gradient goes to that entry
//! avg: y[n,c,r,s] = Σ_{i,j} x[…] / (kernel rows · kernel columns), each entry gets its share of the gradient
//! ```
//!
//! Shapes: x `[images, channels, rows, columns]`. The padding is −∞ (max) or 0 (avg, which counts the padding). Of equal
//! entries max selects the first in row-major order, and it selects NaN before any number, so that NaN is not hidden.
//! Rows and columns that do not fill a whole window are skipped.
//!
//! Source: PyTorch's `max_pool2d` and `avg_pool2d` (`count_include_pad`). Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::pool2d as kernel;
use crate::kernels::window::Window;
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read};

/// Pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pool2d {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

#[cfg(test)]
impl Pool2d {
    /// Windows of `size × size` that do not overlap.
    pub fn square(size: usize) -> Self {
        Pool2d { kernel: [size, size], stride: [size, size], padding: [0, 0] }
    }
}

pub(crate) fn max_pool2d(tape: &mut Tape, x: &Value, options: &Pool2d) -> Result<Value> {
    let plan = Plan::new(x.dims(), options).map_err(|error| error.at("maxPool2d"))?;
    tape.apply("maxPool2d", &[x], Largest { x: x.clone(), plan })
}

struct Largest {
    x: Value,
    plan: Plan,
}

impl Compute for Largest {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Largest { x, plan } = self;
        let (y, winners) = kernel::largest(&plan.shape(), &read::<f32>(x.tensor())?);
        Ok((from_vec(y, &plan.output)?, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dx = kernel::to_winners(&plan.shape(), &read::<f32>(&up)?, &winners);
            gradients.add(&x, from_vec(dx, &plan.input)?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Largest { x, plan } = self;
        let (y, winners) = plan.largest(x.tensor())?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| gradients.add(&x, plan.winners_gradient(&up, &winners)?)))
    }
}

pub(crate) fn avg_pool2d(tape: &mut Tape, x: &Value, options: &Pool2d) -> Result<Value> {
    let plan = Plan::new(x.dims(), options).map_err(|error| error.at("avgPool2d"))?;
    tape.apply("avgPool2d", &[x], Means { x: x.clone(), plan })
}

struct Means {
    x: Value,
    plan: Plan,
}

impl Compute for Means {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Means { x, plan } = self;
        let y = kernel::mean(&plan.shape(), &read::<f32>(x.tensor())?);
        Ok((from_vec(y, &plan.output)?, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dx = kernel::to_all(&plan.shape(), &read::<f32>(&up)?);
            gradients.add(&x, from_vec(dx, &plan.input)?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Means { x, plan } = self;
        let y = plan.mean(x.tensor())?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| gradients.add(&x, plan.mean_gradient(&up)?)))
    }
}

/// The mean of each channel: `[images, channels, …] → [images, channels]`.
pub(crate) fn global_avg_pool(tape: &mut Tape, x: &Value) -> Result<Value> {
    let dims = x.dims().to_vec();
    let &[images, channels, ref rest @ ..] = dims.as_slice() else {
        return Err(Error::shape("globalAvgPool.input", format!("expected [images, channels, …], got {dims:?}")));
    };
    let pixels: usize = rest.iter().product();
    if rest.is_empty() || pixels == 0 {
        return Err(Error::shape("globalAvgPool.input", format!("expected [images, channels, …], got {dims:?}")));
    }
    tape.apply("globalAvgPool", &[x], PlaneMeans { x: x.clone(), planes: (images, channels), pixels })
}

struct PlaneMeans {
    x: Value,
    planes: (usize, usize),
    /// Numbers of one plane.
    pixels: usize,
}

impl Compute for PlaneMeans {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let PlaneMeans { x, planes, pixels } = self;
        let y = kernel::plane_means(&read::<f32>(x.tensor())?, pixels);
        Ok((from_vec(y, planes)?, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dx = kernel::to_planes(&read::<f32>(&up)?, pixels);
            gradients.add(&x, from_vec(dx, x.dims())?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let PlaneMeans { x, planes: (images, channels), pixels } = self;
        let share = 1.0 / pixels as f64;
        let sums = x.tensor().contiguous().and_then(|x| x.reshape((images, channels, pixels))).and_then(|x| x.sum(2));
        let y = sums.and_then(|sum| sum.affine(share, 0.0)).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let share = up.affine(share, 0.0).and_then(|share| share.reshape((images, channels, 1)));
            let each = share.and_then(|share| share.broadcast_as((images, channels, pixels))?.contiguous());
            gradients.add(&x, each.and_then(|each| each.reshape(x.dims())).ok_or_internal()?)
        }))
    }
}

#[derive(Clone, Copy)]
struct Plan {
    window: Window,
    input: [usize; 4],
    output: [usize; 4],
}

impl Plan {
    fn new(x: &[usize], options: &Pool2d) -> Result<Plan> {
        let input: [usize; 4] = x
            .try_into()
            .map_err(|_| Error::shape("input", format!("expected [images, channels, rows, columns], got {x:?}")))?;
        if input.contains(&0) {
            return Err(Error::shape("input", format!("expected sizes above 0, got {x:?}")));
        }
        let window =
            Window { kernel: options.kernel, stride: options.stride, padding: options.padding, dilation: [1, 1] };
        let [rows, columns] = window.output([input[2], input[3]])?;
        if (0..2).any(|axis| options.padding[axis] > options.kernel[axis] / 2) {
            return Err(Error::config(
                "padding",
                format!("expected at most half of the kernel {:?}, got {:?}", options.kernel, options.padding),
            ));
        }
        Ok(Plan { window, input, output: [input[0], input[1], rows, columns] })
    }

    fn shape(&self) -> kernel::Shape {
        let [images, channels, rows, columns] = self.input;
        kernel::Shape { window: self.window, planes: images * channels, input: [rows, columns], output: self.grid() }
    }

    fn grid(&self) -> [usize; 2] {
        [self.output[2], self.output[3]]
    }

    fn padded(&self) -> [usize; 4] {
        let [images, channels, rows, columns] = self.input;
        [images, channels, rows + 2 * self.window.padding[0], columns + 2 * self.window.padding[1]]
    }

    /// The largest entries and their taps, u32.
    fn largest(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let padded = self.window.pad(x, f64::NEG_INFINITY)?;
        let mut best: Option<(Tensor, Tensor)> = None;
        for (tap, at) in self.window.taps().enumerate() {
            let seen = self.window.tap(&padded, self.grid(), at)?;
            let mine = Tensor::full(tap as u32, seen.dims(), seen.device()).ok_or_internal()?;
            best = Some(match best {
                None => (seen, mine),
                Some((best, winner)) => {
                    // larger, or NaN
                    let wins = seen.le(&best).and_then(|le| le.eq(0u8)).ok_or_internal()?;
                    let stays = best.ne(&best).ok_or_internal()?;
                    let wins = stays.eq(0u8).and_then(|open| open.mul(&wins)).ok_or_internal()?;
                    (wins.where_cond(&seen, &best).ok_or_internal()?, wins.where_cond(&mine, &winner).ok_or_internal()?)
                }
            });
        }
        best.ok_or_else(|| Error::internal("a pool without taps"))
    }

    fn winners_gradient(&self, up: &Tensor, winners: &Tensor) -> Result<Tensor> {
        let none = up.zeros_like().ok_or_internal()?;
        self.scatter(|tap| winners.eq(tap as u32).and_then(|won| won.where_cond(up, &none)).ok_or_internal())
    }

    fn mean(&self, x: &Tensor) -> Result<Tensor> {
        let padded = self.window.pad(x, 0.0)?;
        let mut sum: Option<Tensor> = None;
        for at in self.window.taps() {
            let seen = self.window.tap(&padded, self.grid(), at)?;
            sum = Some(match sum {
                None => seen,
                Some(sum) => sum.add(&seen).ok_or_internal()?,
            });
        }
        sum.ok_or_else(|| Error::internal("a pool without taps"))?.affine(self.share(), 0.0).ok_or_internal()
    }

    fn mean_gradient(&self, up: &Tensor) -> Result<Tensor> {
        let share = up.affine(self.share(), 0.0).ok_or_internal()?;
        self.scatter(|_| Ok(share.clone()))
    }

    fn share(&self) -> f64 {
        1.0 / (self.window.kernel[0] * self.window.kernel[1]) as f64
    }

    /// Adds the gradient of each tap to the entry that it read.
    fn scatter(&self, given: impl Fn(usize) -> Result<Tensor>) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (tap, at) in self.window.taps().enumerate() {
            let part = self.window.untap(&given(tap)?, &self.padded(), self.grid(), at)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => sum.add(&part).ok_or_internal()?,
            });
        }
        let sum = sum.ok_or_else(|| Error::internal("a pool without taps"))?;
        self.window.unpad(&sum, [self.input[2], self.input[3]])
    }
}

pub(crate) const MAX: Operation = Operation {
    name: "maxPool2d",
    case: |tape, inputs, options| max_pool2d(tape, inputs.get("x")?, &given(options)?),
    samples,
};

pub(crate) const AVERAGE: Operation = Operation {
    name: "avgPool2d",
    case: |tape, inputs, options| avg_pool2d(tape, inputs.get("x")?, &given(options)?),
    samples,
};

pub(crate) const GLOBAL: Operation = Operation {
    name: "globalAvgPool",
    case: |tape, inputs, _| global_avg_pool(tape, inputs.get("x")?),
    samples: || vec![Sample::of(&[("x", &[2, 3, 7, 131])]).terms(917), Sample::of(&[("x", &[1, 2, 5])]).terms(5)],
};

fn given(options: &serde_json::Value) -> Result<Pool2d> {
    let kernel = super::pair(options, "size")?.unwrap_or([2, 2]);
    Ok(Pool2d {
        kernel,
        stride: super::pair(options, "stride")?.unwrap_or(kernel),
        padding: super::pair(options, "padding")?.unwrap_or([0, 0]),
    })
}

fn samples() -> Vec<Sample> {
    let sample = |x: [usize; 4], options| Sample::of(&[("x", &x)]).options(options).terms(16);
    vec![
        sample([2, 3, 6, 8], json!({})),
        sample([1, 1, 7, 131], json!({})),
        sample([30, 2, 9, 7], json!({})),
        sample([3, 2, 9, 7], json!({ "size": 3, "stride": 2, "padding": 1 })),
        sample([2, 1, 5, 5], json!({ "size": [3, 2], "stride": 1, "padding": [1, 0] })),
        sample([1, 2, 1, 17], json!({ "size": [1, 4], "stride": [1, 3], "padding": [0, 2] })),
        sample([2, 2, 4, 4], json!({ "size": 4 })),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Engine;
    use crate::tensor::{item, to_f64};

    #[test]
    fn the_first_of_equal_entries_gets_the_gradient() {
        for engine in [Engine::Reference, Engine::Kernels] {
            let mut tape = Tape::new(engine);
            let x = tape.leaf(Tensor::ones((1, 1, 2, 2), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap());
            let y = max_pool2d(&mut tape, &x, &Pool2d::square(2)).unwrap();
            let seed = y.tensor().ones_like().unwrap();
            let mut gradients = tape.backward(vec![(y, seed)]).unwrap();
            assert_eq!(to_f64(&gradients.take(&x).unwrap()).unwrap(), [1.0, 0.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn max_pooling_keeps_nan() {
        for engine in [Engine::Reference, Engine::Kernels] {
            let mut tape = Tape::new(engine);
            let x = from_vec(vec![1f32, f32::NAN, 3.0, 2.0], (1, 1, 2, 2)).unwrap();
            let y = max_pool2d(&mut tape, &Value::constant(x), &Pool2d::square(2)).unwrap();
            assert!(item(y.tensor()).unwrap().is_nan());
        }
    }

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let mut tape = Tape::default();
        let x = crate::ops::zeros(&[1, 1, 4, 4]);
        let wide = Pool2d { kernel: [2, 2], stride: [2, 2], padding: [2, 0] };
        let error = max_pool2d(&mut tape, &x, &wide).unwrap_err();
        assert_eq!(error.to_string(), "maxPool2d.padding: expected at most half of the kernel [2, 2], got [2, 0]");
        let error = avg_pool2d(&mut tape, &x, &Pool2d::square(5)).unwrap_err();
        assert_eq!(error.to_string(), "avgPool2d.input: expected at least 5 padded rows for the window, got 4");
    }
}
