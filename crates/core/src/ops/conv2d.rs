//! Two-dimensional convolution (in the sense of deep learning: cross-correlation), with optional bias.
//!
//! ```text
//! y[n,o,r,s] = b[o] + Σ_{c,i,j} w[o,c,i,j] · x[n, c, stride·r + dilation·i − padding, stride·s + dilation·j − padding]
//! ∂L/∂w[o,c,i,j] = Σ_{n,r,s} g[n,o,r,s] · x[…],   ∂L/∂b[o] = Σ_{n,r,s} g[n,o,r,s]
//! ∂L/∂x = the transposed convolution of g = ∂L/∂y with w
//! ```
//!
//! Shapes: x `[images, channels, rows, columns]`, w `[outputs, channels / groups, kernel rows, kernel
//! columns]`, b `[outputs]`. Output group k reads only input group k.
//!
//! Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285;
//! PyTorch's `conv2d`. Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::conv2d as kernel;
use crate::kernels::window::Window;
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read};

/// Pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Conv2d { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }
    }
}

impl Conv2d {
    /// Upper bound of the numbers in the kernel's layout of one image, see `kernels::cpu::conv2d::field`. The backward pass
    /// keeps a list of about sixty numbers for each remainder of row and column modulo the stride.
    pub fn laid_out(&self, [channels, rows, columns]: [usize; 3], kernel: [usize; 2]) -> u128 {
        let Conv2d { stride, padding, dilation, .. } = self;
        let padded = |size: usize, axis: usize| size as u128 + 2 * padding[axis] as u128;
        let stride = [0, 1].map(|axis| (stride[axis] as u128).min(padded([rows, columns][axis], axis)));
        let reach = dilation[1] as u128 * kernel[1] as u128;
        let row = padded(columns, 1) + 16 * stride[1] + reach;
        channels as u128 * (padded(rows, 0) * row + 16) + 60 * stride[0] * stride[1]
    }
}

pub fn conv2d(tape: &mut Tape, x: &Value, w: &Value, b: Option<&Value>, options: &Conv2d) -> Result<Value> {
    let plan = Plan::new(x.dims(), w.dims(), b.map(Value::dims), options).map_err(|error| error.at("conv2d"))?;
    record(tape, "conv2d", x, w, b, plan)
}

/// Shared with conv1d, whose images have one row. The caller checks the inputs; `plan` checks the shapes.
pub(super) fn record(
    tape: &mut Tape,
    name: &'static str,
    x: &Value,
    w: &Value,
    b: Option<&Value>,
    plan: Plan,
) -> Result<Value> {
    let inputs: Vec<&Value> = [x, w].into_iter().chain(b).collect();
    tape.apply(name, &inputs, Convolution { x: x.clone(), w: w.clone(), b: b.cloned(), plan })
}

struct Convolution {
    x: Value,
    w: Value,
    b: Option<Value>,
    plan: Plan,
}

impl Convolution {
    fn wanted(&self, gradients: &Gradients) -> kernel::Wanted {
        kernel::Wanted {
            input: gradients.wants(&self.x),
            weight: gradients.wants(&self.w),
            bias: self.b.as_ref().is_some_and(|b| gradients.wants(b)),
        }
    }

    /// `y` in the rank of x: without the row axis for conv1d.
    fn output(&self, y: Tensor) -> Result<Tensor> {
        let [images, outputs, _, columns] = self.plan.output;
        if self.x.dims().len() == 3 { y.reshape((images, outputs, columns)).ok_or_internal() } else { Ok(y) }
    }

    /// The output's gradient, with the row axis added again.
    fn image_gradient(&self, up: &Tensor) -> Result<Tensor> {
        up.contiguous().and_then(|up| up.reshape(&self.plan.output)).ok_or_internal()
    }

    /// Adds the gradients of x, w and b that were requested.
    fn add(&self, gradients: &mut Gradients, made: [Option<Tensor>; 3]) -> Result<()> {
        for (value, gradient) in [&self.x, &self.w].into_iter().chain(&self.b).zip(made) {
            if let Some(gradient) = gradient {
                gradients.add(value, gradient)?;
            }
        }
        Ok(())
    }
}

impl Compute for Convolution {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let shape = self.plan.shape();
        let y = {
            let (x, w) = (read::<f32>(self.x.tensor())?, read::<f32>(self.w.tensor())?);
            let b = self.b.as_ref().map(|b| read::<f32>(b.tensor())).transpose()?;
            from_vec(kernel::forward(&shape, &x, &w, b.as_deref()), &self.plan.output)?
        };
        Ok((self.output(y)?, move |up: Tensor, gradients: &mut Gradients| {
            let (up, wanted) = (self.image_gradient(&up)?, self.wanted(gradients));
            let made = {
                let (g, x, w) = (read::<f32>(&up)?, read::<f32>(self.x.tensor())?, read::<f32>(self.w.tensor())?);
                kernel::backward(&shape, &g, &x, &w, wanted)
            };
            let made = [
                wanted.input.then(|| from_vec(made.input, self.x.dims())).transpose()?,
                wanted.weight.then(|| from_vec(made.weight, self.w.dims())).transpose()?,
                wanted.bias.then(|| from_vec(made.bias, self.plan.output[1])).transpose()?,
            ];
            self.add(gradients, made)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let image = self.x.tensor().reshape(&self.plan.input).ok_or_internal()?;
        let weight = self.w.tensor().reshape(&self.plan.weight).ok_or_internal()?;
        let y = self.plan.forward(&image, &weight, self.b.as_ref().map(Value::tensor))?;
        Ok((self.output(y)?, move |up: Tensor, gradients: &mut Gradients| {
            let (up, wanted) = (self.image_gradient(&up)?, self.wanted(gradients));
            let made = self.plan.gradients(&up, self.x.tensor(), self.w.tensor(), wanted)?;
            self.add(gradients, made)
        }))
    }
}

/// A convolution with checked shapes; always rank 4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub window: Window,
    pub groups: usize,
    pub input: [usize; 4],
    pub weight: [usize; 4],
    pub output: [usize; 4],
}

impl Plan {
    pub fn new(x: &[usize], w: &[usize], b: Option<&[usize]>, options: &Conv2d) -> Result<Plan> {
        let input: [usize; 4] = x
            .try_into()
            .map_err(|_| Error::shape("input", format!("expected [images, channels, rows, columns], got {x:?}")))?;
        let weight: [usize; 4] = w.try_into().map_err(|_| {
            Error::shape("weight", format!("expected [outputs, channels / groups, rows, columns], got {w:?}"))
        })?;
        if input[1..].contains(&0) || weight.contains(&0) {
            let message = format!("expected sizes above 0, got images {x:?} and weight {w:?}");
            return Err(Error::shape("input", message));
        }
        let groups = options.groups;
        if groups == 0 || !weight[0].is_multiple_of(groups) || !input[1].is_multiple_of(groups) {
            return Err(Error::config(
                "groups",
                format!("expected a divisor of {} inputs and {} outputs, got {groups}", input[1], weight[0]),
            ));
        }
        if weight[1] * groups != input[1] {
            return Err(Error::shape(
                "input",
                format!("expected {} channels for the weight {weight:?}, got {}", weight[1] * groups, input[1]),
            ));
        }
        if let Some(b) = b.filter(|b| *b != &weight[..1]) {
            return Err(Error::shape("bias", format!("expected [{}], got {b:?}", weight[0])));
        }
        // A stride larger than the image has the same effect as one of the image's size: there is one position.
        let size = [0, 1].map(|axis| input[axis + 2].saturating_add(options.padding[axis].saturating_mul(2)));
        let window = Window {
            kernel: [weight[2], weight[3]],
            stride: [0, 1].map(|axis| options.stride[axis].min(size[axis])),
            padding: options.padding,
            dilation: options.dilation,
        };
        let [rows, columns] = window.output([input[2], input[3]])?;
        Ok(Plan { window, groups, input, weight, output: [input[0], weight[0], rows, columns] })
    }

    fn shape(&self) -> kernel::Shape {
        let [images, channels, rows, columns] = self.input;
        let Window { kernel, stride, padding, dilation } = self.window;
        kernel::Shape {
            images,
            channels,
            size: [rows, columns],
            outputs: self.output[1],
            kernel,
            stride,
            padding,
            dilation,
            groups: self.groups,
            grid: self.grid(),
        }
    }

    fn grid(&self) -> [usize; 2] {
        [self.output[2], self.output[3]]
    }

    /// Images seen as `[images, groups, channels of a group, pixels]`.
    fn grouped(&self, image: &Tensor, pixels: usize) -> Result<Tensor> {
        let channels = image.elem_count() / (self.output[0] * self.groups * pixels).max(1);
        image.reshape((self.output[0], self.groups, channels, pixels)).ok_or_internal()
    }

    /// One tap's weights for all groups and images: `[1, groups, outputs of a group, channels of a group]`.
    fn tap_weight(&self, weight: &Tensor, (i, j): (usize, usize)) -> Result<Tensor> {
        let [outputs, channels, _, _] = self.weight;
        weight
            .narrow(2, i, 1)
            .and_then(|row| row.narrow(3, j, 1))
            .and_then(|tap| tap.reshape((1, self.groups, outputs / self.groups, channels)))
            .ok_or_internal()
    }

    fn forward(&self, image: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (grid, pixels) = (self.grid(), self.output[2] * self.output[3]);
        let padded = self.window.pad(image, 0.0)?;
        let mut sum: Option<Tensor> = None;
        for at in self.window.taps() {
            let seen = self.grouped(&self.window.tap(&padded, grid, at)?, pixels)?;
            let part = self.tap_weight(weight, at)?.broadcast_matmul(&seen).ok_or_internal()?;
            sum = Some(plus(sum, part)?);
        }
        let y =
            sum.ok_or_else(|| Error::internal("a convolution without taps"))?.reshape(&self.output).ok_or_internal()?;
        match bias {
            Some(bias) => {
                bias.reshape((1, self.output[1], 1, 1)).and_then(|bias| y.broadcast_add(&bias)).ok_or_internal()
            }
            None => Ok(y),
        }
    }

    fn gradients(&self, up: &Tensor, x: &Tensor, w: &Tensor, wanted: kernel::Wanted) -> Result<[Option<Tensor>; 3]> {
        let image = x.reshape(&self.input).ok_or_internal()?;
        let weight = w.reshape(&self.weight).ok_or_internal()?;
        let like = |gradient: Tensor, tensor: &Tensor| gradient.reshape(tensor.dims()).ok_or_internal();
        Ok([
            wanted.input.then(|| like(self.input_gradient(up, &weight)?, x)).transpose()?,
            wanted.weight.then(|| like(self.weight_gradient(up, &image)?, w)).transpose()?,
            wanted.bias.then(|| up.sum((0, 2, 3)).ok_or_internal()).transpose()?,
        ])
    }

    fn input_gradient(&self, up: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let [images, channels, rows, columns] = self.input;
        let [pad_rows, pad_columns] = self.window.padding;
        let padded = [images, channels, rows + 2 * pad_rows, columns + 2 * pad_columns];
        let up = self.grouped(up, self.output[2] * self.output[3])?;
        let mut sum: Option<Tensor> = None;
        for at in self.window.taps() {
            let seen = self
                .tap_weight(weight, at)?
                .transpose(2, 3)
                .and_then(|turned| turned.contiguous())
                .and_then(|turned| turned.broadcast_matmul(&up))
                .and_then(|seen| seen.reshape((images, channels, self.output[2], self.output[3])))
                .ok_or_internal()?;
            sum = Some(plus(sum, self.window.untap(&seen, &padded, self.grid(), at)?)?);
        }
        let sum = sum.ok_or_else(|| Error::internal("a convolution without taps"))?;
        self.window.unpad(&sum, [rows, columns])
    }

    fn weight_gradient(&self, up: &Tensor, image: &Tensor) -> Result<Tensor> {
        let (grid, pixels) = (self.grid(), self.output[2] * self.output[3]);
        let padded = self.window.pad(image, 0.0)?;
        let up = self.grouped(up, pixels)?;
        let mut taps = Vec::new();
        for at in self.window.taps() {
            let seen = self.grouped(&self.window.tap(&padded, grid, at)?, pixels)?;
            let tap = seen
                .transpose(2, 3)
                .and_then(|turned| turned.contiguous())
                .and_then(|turned| up.matmul(&turned))
                .and_then(|products| products.sum(0))
                .and_then(|sum| sum.reshape((self.weight[0], self.weight[1], 1)))
                .ok_or_internal()?;
            taps.push(tap);
        }
        Tensor::cat(&taps, 2).and_then(|taps| taps.reshape(&self.weight)).ok_or_internal()
    }
}

fn plus(sum: Option<Tensor>, part: Tensor) -> Result<Tensor> {
    match sum {
        Some(sum) => sum.add(&part).ok_or_internal(),
        None => Ok(part),
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "conv2d",
    case: |tape, inputs, options| {
        let w = inputs.get("weight")?;
        let half = [0, 1].map(|axis| w.dims().get(axis + 2).map_or(0, |size| size / 2));
        let options = Conv2d {
            stride: super::pair(options, "stride")?.unwrap_or([1, 1]),
            padding: super::pair(options, "padding")?.unwrap_or(half),
            dilation: super::pair(options, "dilation")?.unwrap_or([1, 1]),
            groups: super::option(options, "groups")?.unwrap_or(1),
        };
        conv2d(tape, inputs.get("x")?, w, inputs.find("bias"), &options)
    },
    samples: || {
        let sample = |x: [usize; 4], w: [usize; 4], options: serde_json::Value| {
            // Sums: of the output over a window, of the weight's gradient over all images and pixels.
            let terms = (w[0] * w[2] * w[3]).max(w[1] * w[2] * w[3]).max(x[0] * x[2] * x[3]);
            Sample::of(&[("x", &x), ("weight", &w), ("bias", &w[..1])]).options(options).terms(terms)
        };
        vec![
            sample([2, 3, 8, 8], [4, 3, 3, 3], json!({})),
            sample([3, 1, 28, 28], [4, 1, 3, 3], json!({})),
            sample([5, 4, 14, 14], [8, 4, 3, 3], json!({})),
            sample([1, 16, 32, 32], [32, 16, 3, 3], json!({})),
            sample([1, 2, 5, 131], [3, 2, 3, 3], json!({})),
            sample([1, 5, 1, 9], [7, 5, 1, 3], json!({})),
            sample([20, 2, 7, 7], [3, 2, 3, 3], json!({})),
            sample([2, 3, 9, 7], [5, 3, 1, 1], json!({})),
            sample([2, 3, 9, 7], [5, 3, 2, 5], json!({ "padding": [0, 3] })),
            sample([2, 3, 9, 8], [5, 3, 3, 3], json!({ "stride": 2 })),
            sample([1, 3, 11, 19], [9, 3, 3, 2], json!({ "stride": [3, 2], "padding": [2, 0] })),
            sample([2, 2, 11, 12], [17, 2, 3, 3], json!({ "dilation": [2, 3], "padding": [2, 1] })),
            sample(
                [2, 4, 5, 6],
                [4, 2, 3, 2],
                json!({ "stride": [2, 1], "padding": [1, 2], "dilation": [1, 2], "groups": 2 }),
            ),
            sample([2, 6, 7, 7], [12, 2, 3, 3], json!({ "groups": 3 })),
            sample([2, 4, 7, 9], [4, 1, 3, 3], json!({ "groups": 4, "stride": [2, 1] })),
            sample([2, 3, 5, 5], [2, 3, 5, 5], json!({ "padding": 0 })),
            sample([1, 2, 6, 6], [2, 2, 1, 1], json!({ "stride": [2, 3] })),
            sample([1, 2, 2, 2], [2, 2, 3, 3], json!({ "stride": 4, "padding": 2 })),
            Sample::of(&[("x", &[2, 3, 5, 5]), ("weight", &[2, 3, 3, 3])]).terms(50),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let message = |x: &[usize], w: &[usize], b: &[usize], options: Conv2d| {
            Plan::new(x, w, Some(b), &options).unwrap_err().to_string()
        };
        let plain = Conv2d::default();
        assert_eq!(
            message(&[1, 5, 4, 4], &[4, 3, 3, 3], &[4], plain),
            "input: expected 3 channels for the weight [4, 3, 3, 3], got 5"
        );
        assert_eq!(message(&[1, 3, 4, 4], &[4, 3, 3, 3], &[3], plain), "bias: expected [4], got [3]");
        assert_eq!(
            message(&[1, 3, 4, 4], &[4, 3, 3, 3], &[4], Conv2d { groups: 2, ..plain }),
            "groups: expected a divisor of 3 inputs and 4 outputs, got 2"
        );
        assert_eq!(
            message(&[1, 3, 4], &[4, 3, 3, 3], &[4], plain),
            "input: expected [images, channels, rows, columns], got [1, 3, 4]"
        );
        assert_eq!(
            message(&[1, 3, 2, 4], &[4, 3, 3, 3], &[4], plain),
            "input: expected at least 3 padded rows for the window, got 2"
        );
    }
}
