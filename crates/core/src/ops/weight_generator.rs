//! A student's parameter made from a stack of the teacher's, as one record.
//!
//! ```text
//! r = wLayer · wReduce,   X = Σ_k r_k T_k,   V = wOutᵀ · X · wIn,   S = scale ⊙ tanh(V) + shift
//!
//! G = ∂L/∂S:   D = G ⊙ scale ⊙ (1 − tanh²V),   ∂scale = G ⊙ tanh V,   ∂shift = G
//! ∂wIn = (wOutᵀX)ᵀ D,   E = D wInᵀ,   ∂wOut = X Eᵀ,   ∂r_k = ⟨T_k, wOut E⟩ = ⟨T_k Eᵀ, wOut⟩
//! ∂wLayer = ∂r · wReduceᵀ,   ∂wReduce = wLayerᵀ · ∂r
//! ```
//!
//! T_k `[Ot, It, positions]` is the teacher's k-th layer of l (frozen), S `[Os, Is, positions]`; wOut `[Ot, Os]`,
//! wIn `[It, Is]`, wLayer `[l, l]`, wReduce `[l]`, scale and shift in the shape of S. Kernel positions share wOut and
//! wIn. A vector is a matrix of one column without wIn. What is not given is left out: a side without its matrix
//! stays as it is, without wLayer there is one layer, without scale there is neither tanh nor shift.
//!
//! Source: Lin, Li, Wang, Li, Du, Xiao, Zhu, "Weight Distillation: Transferring the Knowledge in Neural Network
//! Parameters", ACL 2021, arXiv:2009.09152. Where we differ: the layer axis is reduced first (all products are
//! linear), kernel positions are ours.

use super::{Inputs, Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::gemm::{self, Job, Matrix};
use crate::kernels::cpu::generator as kernel;
use crate::tape::{Gradients, Tape, Value};
use crate::tensor::{DType, Tensor, from_vec, read, to_f64, uninit};

/// The teacher's layers of one group, each as `[outputs, positions · inputs]`: every product is then one matrix
/// product, whatever the kernel.
#[derive(Clone, Debug)]
pub struct Stack {
    planes: Vec<Tensor>,
    outputs: usize,
    inputs: usize,
    positions: usize,
}

impl Stack {
    /// Tensors of one shape: `[outputs]`, or `[outputs, inputs, …positions]`.
    pub fn new(teacher: &[Tensor]) -> Result<Stack> {
        let dims = teacher.first().map(|first| first.dims().to_vec()).unwrap_or_default();
        if dims.is_empty() || teacher.iter().any(|tensor| tensor.dims() != dims) {
            return Err(Error::internal("a stack wants at least one tensor, all of one shape"));
        }
        let (outputs, inputs) = (dims[0], dims.get(1).copied().unwrap_or(1));
        let positions = dims.iter().skip(2).product();
        let plane = |tensor: &Tensor| {
            let plane = tensor.reshape((outputs, inputs, positions))?;
            let plane = if positions == 1 { plane } else { plane.transpose(1, 2)? };
            plane.contiguous()?.reshape((outputs, positions * inputs))
        };
        let planes = teacher.iter().map(plane).collect::<candle_core::Result<_>>().ok_or_internal()?;
        Ok(Stack { planes, outputs, inputs, positions })
    }

    pub fn layers(&self) -> usize {
        self.planes.len()
    }
}

/// What is trained; see the formula above.
#[derive(Clone, Default)]
pub struct Weights {
    pub w_out: Option<Value>,
    pub w_in: Option<Value>,
    /// wLayer and wReduce.
    pub layers: Option<(Value, Value)>,
    /// scale and shift.
    pub affine: Option<(Value, Value)>,
}

impl Weights {
    fn all(&self) -> Vec<&Value> {
        let layers = self.layers.iter().flat_map(|(a, b)| [a, b]);
        let affine = self.affine.iter().flat_map(|(a, b)| [a, b]);
        self.w_out.iter().chain(&self.w_in).chain(layers).chain(affine).collect()
    }
}

/// A parameter of shape `dims`.
pub fn weight_generator(tape: &mut Tape, stack: &Stack, weights: &Weights, dims: &[usize]) -> Result<Value> {
    let generator = Generator::new(stack, weights, dims)?;
    let inputs = weights.all();
    let kernels = inputs.iter().all(|value| tape.takes(value.tensor()))
        && stack.planes.iter().all(|plane| tape.takes(plane))
        && !inputs.is_empty();
    if kernels {
        let (s, saved) = generator.forward()?;
        tape.record("weightGenerator", &inputs, s, move |up, gradients| generator.backward(up, saved, gradients))
    } else {
        let (s, saved) = generator.reference().ok_or_internal()?;
        tape.record("weightGenerator", &inputs, s, move |up, gradients| {
            generator.reference_backward(up, saved, gradients)
        })
    }
}

struct Generator {
    stack: Stack,
    weights: Weights,
    dims: Vec<usize>,
    /// Of S.
    outputs: usize,
    inputs: usize,
}

/// What backward needs: wOutᵀX, the sum X over the layers where it is not cheaper to do without, tanh V.
struct Saved {
    y: Tensor,
    x: Option<Tensor>,
    tanh: Option<Tensor>,
}

/// Up to this many layers, `T_k Eᵀ` for each k costs no more products than `X Eᵀ` and `wOut E`, and spares X and a
/// pass over the stack.
const FEW_LAYERS: usize = 2;

impl Generator {
    fn new(stack: &Stack, weights: &Weights, dims: &[usize]) -> Result<Generator> {
        let (outputs, inputs) = (dims.first().copied().unwrap_or(0), dims.get(1).copied().unwrap_or(1));
        let wanted = |name: &str, value: &Value, dims: &[usize]| match value.dims() == dims {
            true => Ok(()),
            false => Err(Error::shape(name, format!("expected {dims:?}, got {:?}", value.dims()))),
        };
        if dims.iter().skip(2).product::<usize>() != stack.positions {
            return Err(Error::shape("weightGenerator", "expected as many kernel positions as the teacher has"));
        }
        match &weights.w_out {
            Some(w_out) => wanted("wOut", w_out, &[stack.outputs, outputs])?,
            None if outputs == stack.outputs => {}
            None => return Err(Error::shape("wOut", "expected a matrix where the outputs differ, got none")),
        }
        match &weights.w_in {
            Some(w_in) => wanted("wIn", w_in, &[stack.inputs, inputs])?,
            None if inputs == stack.inputs => {}
            None => return Err(Error::shape("wIn", "expected a matrix where the inputs differ, got none")),
        }
        match &weights.layers {
            Some((layer, reduce)) => {
                wanted("wLayer", layer, &[stack.layers(), stack.layers()])?;
                wanted("wReduce", reduce, &[stack.layers()])?;
            }
            None if stack.layers() == 1 => {}
            None => return Err(Error::shape("wLayer", "expected a matrix for several layers, got none")),
        }
        if let Some((scale, shift)) = &weights.affine {
            wanted("scale", scale, dims)?;
            wanted("shift", shift, dims)?;
        }
        Ok(Generator { stack: stack.clone(), weights: weights.clone(), dims: dims.to_vec(), outputs, inputs })
    }

    /// r, in f64: l numbers.
    fn factors(&self) -> Result<Vec<f64>> {
        let Some((layer, reduce)) = &self.weights.layers else { return Ok(vec![1.0]) };
        let (layer, reduce) = (to_f64(layer.tensor())?, to_f64(reduce.tensor())?);
        let row = |row: &[f64]| row.iter().zip(&reduce).map(|(a, b)| a * b).sum();
        Ok(layer.chunks(reduce.len()).map(row).collect())
    }

    /// Columns of X: positions times the teacher's inputs.
    fn width(&self) -> usize {
        self.stack.positions * self.stack.inputs
    }

    fn forward(&self) -> Result<(Tensor, Saved)> {
        let Stack { outputs: teacher_outputs, inputs: teacher_inputs, positions, .. } = self.stack;
        let (width, rows) = (self.width(), self.outputs * positions);
        let x = match &self.weights.layers {
            None => self.stack.planes[0].clone(),
            Some(_) => {
                let planes = self.stack.planes.iter().map(read::<f32>).collect::<Result<Vec<_>>>()?;
                let planes: Vec<&[f32]> = planes.iter().map(|plane| &**plane).collect();
                let factors: Vec<f32> = self.factors()?.into_iter().map(|factor| factor as f32).collect();
                let mut x = uninit(teacher_outputs * width);
                kernel::combine(&planes, &factors, &mut x);
                from_vec(x, (teacher_outputs, width))?
            }
        };
        let y = match &self.weights.w_out {
            None => x.clone(),
            Some(w_out) => {
                let mut y = uninit(self.outputs * width);
                {
                    let (w_out, x) = (read::<f32>(w_out.tensor())?, read::<f32>(&x)?);
                    let w_out = Matrix::new(&w_out, teacher_outputs, self.outputs).transposed();
                    gemm::product(w_out, Matrix::new(&x, teacher_outputs, width), &mut y, false);
                }
                from_vec(y, (self.outputs, width))?
            }
        };
        let v = match &self.weights.w_in {
            None => read::<f32>(&y)?.to_vec(),
            Some(w_in) => {
                let mut v = uninit(rows * self.inputs);
                let (w_in, y) = (read::<f32>(w_in.tensor())?, read::<f32>(&y)?);
                let w_in = Matrix::new(&w_in, teacher_inputs, self.inputs);
                gemm::product(Matrix::new(&y, rows, teacher_inputs), w_in, &mut v, false);
                v
            }
        };
        let mut v = turned(v, positions, self.inputs);
        let (out, tanh) = match &self.weights.affine {
            None => (v, None),
            Some((scale, shift)) => {
                let mut out = uninit(rows * self.inputs);
                kernel::forward(&mut v, &read::<f32>(scale.tensor())?, &read::<f32>(shift.tensor())?, &mut out);
                (out, Some(from_vec(v, self.dims.as_slice())?))
            }
        };
        let x = Some(x).filter(|_| self.weights.layers.is_none() || self.stack.layers() > FEW_LAYERS);
        Ok((from_vec(out, self.dims.as_slice())?, Saved { y, x, tanh }))
    }

    fn backward(self, up: Tensor, saved: Saved, gradients: &mut Gradients) -> Result<()> {
        let Stack { outputs: teacher_outputs, inputs: teacher_inputs, positions, .. } = self.stack;
        let (width, rows) = (self.width(), self.outputs * positions);
        let up = up.contiguous().ok_or_internal()?;
        let d = match (&self.weights.affine, &saved.tanh) {
            (Some((scale, shift)), Some(tanh)) => {
                let (mut dscale, mut down) = (uninit(rows * self.inputs), uninit(rows * self.inputs));
                kernel::backward(
                    &read::<f32>(&up)?,
                    &read::<f32>(scale.tensor())?,
                    &read::<f32>(tanh)?,
                    &mut dscale,
                    &mut down,
                );
                gradients.add(scale, from_vec(dscale, self.dims.as_slice())?)?;
                gradients.add_shared(shift, up)?;
                down
            }
            _ => read::<f32>(&up)?.to_vec(),
        };
        let d = turned(d, self.inputs, positions);
        // E = ∂L/∂(wOutᵀX), `[outputs, positions · teacher inputs]`.
        let e = match &self.weights.w_in {
            None => d,
            Some(w_in) => {
                let (mut dw, mut e) = (uninit(teacher_inputs * self.inputs), uninit(rows * teacher_inputs));
                {
                    let (w_in, y) = (read::<f32>(w_in.tensor())?, read::<f32>(&saved.y)?);
                    let (d, y) = (Matrix::new(&d, rows, self.inputs), Matrix::new(&y, rows, teacher_inputs));
                    let w_in = Matrix::new(&w_in, teacher_inputs, self.inputs);
                    gemm::products(vec![
                        Job { a: y.transposed(), b: d, out: &mut dw, accumulate: false },
                        Job { a: d, b: w_in.transposed(), out: &mut e, accumulate: false },
                    ]);
                }
                gradients.add(w_in, from_vec(dw, (teacher_inputs, self.inputs))?)?;
                e
            }
        };
        let planes = self.stack.planes.iter().map(read::<f32>).collect::<Result<Vec<_>>>()?;
        let factors = match &self.weights.w_out {
            None if self.weights.layers.is_none() => Vec::new(),
            None => planes.iter().map(|plane| kernel::dot(plane, &e)).collect(),
            Some(w_out) => {
                let e = Matrix::new(&e, self.outputs, width);
                let (dw, factors) = match &saved.x {
                    Some(x) => self.through_sum(&read::<f32>(x)?, w_out, e, &planes)?,
                    None => self.through_layers(w_out, e, &planes)?,
                };
                gradients.add(w_out, from_vec(dw, (teacher_outputs, self.outputs))?)?;
                factors
            }
        };
        self.layer_gradients(&factors, gradients)
    }

    /// ∂wOut = X Eᵀ and ∂r_k = ⟨T_k, wOut E⟩.
    fn through_sum(
        &self,
        x: &[f32],
        w_out: &Value,
        e: Matrix,
        planes: &[impl std::ops::Deref<Target = [f32]>],
    ) -> Result<(Vec<f32>, Vec<f64>)> {
        let (teacher_outputs, width) = (self.stack.outputs, self.width());
        let mut dw = uninit(teacher_outputs * self.outputs);
        let x = Matrix::new(x, teacher_outputs, width);
        if self.weights.layers.is_none() {
            gemm::product(x, e.transposed(), &mut dw, false);
            return Ok((dw, Vec::new()));
        }
        let mut dx = uninit(teacher_outputs * width);
        {
            let w_out = read::<f32>(w_out.tensor())?;
            let w_out = Matrix::new(&w_out, teacher_outputs, self.outputs);
            gemm::products(vec![
                Job { a: x, b: e.transposed(), out: &mut dw, accumulate: false },
                Job { a: w_out, b: e, out: &mut dx, accumulate: false },
            ]);
        }
        Ok((dw, planes.iter().map(|plane| kernel::dot(plane, &dx)).collect()))
    }

    /// M_k = T_k Eᵀ, then ∂wOut = Σ_k r_k M_k and ∂r_k = ⟨M_k, wOut⟩.
    fn through_layers(
        &self,
        w_out: &Value,
        e: Matrix,
        planes: &[impl std::ops::Deref<Target = [f32]>],
    ) -> Result<(Vec<f32>, Vec<f64>)> {
        let (teacher_outputs, width, len) = (self.stack.outputs, self.width(), self.stack.outputs * self.outputs);
        let mut each: Vec<Vec<f32>> = planes.iter().map(|_| uninit(len)).collect();
        let jobs = planes.iter().zip(&mut each).map(|(plane, out)| Job {
            a: Matrix::new(plane, teacher_outputs, width),
            b: e.transposed(),
            out,
            accumulate: false,
        });
        gemm::products(jobs.collect());
        let factors: Vec<f32> = self.factors()?.into_iter().map(|factor| factor as f32).collect();
        let parts: Vec<&[f32]> = each.iter().map(Vec::as_slice).collect();
        let mut dw = uninit(len);
        kernel::combine(&parts, &factors, &mut dw);
        let w_out = read::<f32>(w_out.tensor())?;
        Ok((dw, parts.iter().map(|part| kernel::dot(part, &w_out)).collect()))
    }

    /// From ∂r to ∂wLayer and ∂wReduce.
    fn layer_gradients(&self, dr: &[f64], gradients: &mut Gradients) -> Result<()> {
        let Some((layer, reduce)) = &self.weights.layers else { return Ok(()) };
        let (l, r) = (to_f64(layer.tensor())?, to_f64(reduce.tensor())?);
        let dlayer: Vec<f64> = dr.iter().flat_map(|dr| r.iter().map(move |r| dr * r)).collect();
        let dreduce: Vec<f64> = (0..r.len()).map(|m| (0..r.len()).map(|k| l[k * r.len() + m] * dr[k]).sum()).collect();
        let put = |values: Vec<f64>, value: &Value| {
            from_vec(values, value.dims())?.to_dtype(value.tensor().dtype()).ok_or_internal()
        };
        gradients.add(layer, put(dlayer, layer)?)?;
        gradients.add(reduce, put(dreduce, reduce)?)
    }

    /// The element type that everything is computed in.
    fn dtype(&self) -> DType {
        self.weights.all().first().map_or(self.stack.planes[0].dtype(), |value| value.tensor().dtype())
    }

    fn planes(&self) -> candle_core::Result<Vec<Tensor>> {
        self.stack.planes.iter().map(|plane| plane.to_dtype(self.dtype())).collect()
    }

    fn reference(&self) -> candle_core::Result<(Tensor, Saved)> {
        let (rows, positions) = (self.outputs * self.stack.positions, self.stack.positions);
        let planes = self.planes()?;
        let x = match &self.weights.layers {
            None => planes[0].clone(),
            Some((layer, reduce)) => {
                let r = layer.tensor().matmul(&reduce.tensor().unsqueeze(1)?)?;
                let terms = planes.iter().enumerate().map(|(k, plane)| plane.broadcast_mul(&r.narrow(0, k, 1)?));
                let terms = terms.collect::<candle_core::Result<Vec<_>>>()?;
                terms[1..].iter().try_fold(terms[0].clone(), |sum, term| sum + term)?
            }
        };
        let y = match &self.weights.w_out {
            None => x.clone(),
            Some(w_out) => w_out.tensor().t()?.matmul(&x)?,
        };
        let v = match &self.weights.w_in {
            None => y.clone(),
            Some(w_in) => y.reshape((rows, self.stack.inputs))?.matmul(w_in.tensor())?,
        };
        let v = v.reshape((self.outputs, positions, self.inputs))?.transpose(1, 2)?.contiguous()?;
        let v = v.reshape(self.dims.as_slice())?;
        let (s, tanh) = match &self.weights.affine {
            None => (v, None),
            Some((scale, shift)) => {
                let tanh = v.tanh()?;
                (((scale.tensor() * &tanh)? + shift.tensor())?, Some(tanh))
            }
        };
        Ok((s, Saved { y, x: Some(x), tanh }))
    }

    fn reference_backward(self, up: Tensor, saved: Saved, gradients: &mut Gradients) -> Result<()> {
        let rows = self.outputs * self.stack.positions;
        let down = match (&self.weights.affine, &saved.tanh) {
            (Some((scale, shift)), Some(tanh)) => {
                gradients.add(scale, (&up * tanh).ok_or_internal()?)?;
                gradients.add_shared(shift, up.clone())?;
                let slope = (tanh.sqr().and_then(|square| square.neg()? + 1.0)).ok_or_internal()?;
                (up * scale.tensor()).and_then(|down| down * slope).ok_or_internal()?
            }
            _ => up,
        };
        let d = down
            .reshape((self.outputs, self.inputs, self.stack.positions))
            .and_then(|d| d.transpose(1, 2)?.contiguous()?.reshape((rows, self.inputs)))
            .ok_or_internal()?;
        let e = match &self.weights.w_in {
            None => d,
            Some(w_in) => {
                let y = saved.y.reshape((rows, self.stack.inputs)).ok_or_internal()?;
                gradients.add(w_in, y.t().and_then(|y| y.matmul(&d)).ok_or_internal()?)?;
                w_in.tensor().t().and_then(|w_in| d.matmul(&w_in)).ok_or_internal()?
            }
        };
        let e = e.reshape((self.outputs, self.width())).ok_or_internal()?;
        let dx = match (&self.weights.w_out, &saved.x) {
            (Some(w_out), Some(x)) => {
                gradients.add(w_out, e.t().and_then(|e| x.matmul(&e)).ok_or_internal()?)?;
                w_out.tensor().matmul(&e).ok_or_internal()?
            }
            _ => e,
        };
        let dot =
            |plane: &Tensor| crate::tensor::item(&(plane * &dx).and_then(|both| both.sum_all()).ok_or_internal()?);
        let factors = self.planes().ok_or_internal()?.iter().map(dot).collect::<Result<Vec<f64>>>()?;
        self.layer_gradients(&factors, gradients)
    }
}

/// `[outputs, rows, cols]` to `[outputs, cols, rows]`: kernel positions stand behind the inputs in a parameter, before
/// them in a product.
fn turned(x: Vec<f32>, rows: usize, cols: usize) -> Vec<f32> {
    if rows == 1 || cols == 1 {
        return x;
    }
    let mut out = uninit(x.len());
    kernel::transpose_inner(&x, rows, cols, &mut out);
    out
}

/// A case as golden files have it: `teacher` `[Ot, It, l]`, or `[Ot, It, positions, l]`, or `[Ot, l]` without wIn.
fn case(tape: &mut Tape, inputs: &Inputs, options: &serde_json::Value) -> Result<Value> {
    let teacher = inputs.get("teacher")?.tensor();
    let last = teacher.rank() - 1;
    let split = |k| teacher.narrow(last, k, 1)?.squeeze(last)?.contiguous();
    let planes = (0..teacher.dims()[last]).map(split).collect::<candle_core::Result<Vec<_>>>().ok_or_internal()?;
    let pair = |a: &str, b: &str| inputs.find(a).cloned().zip(inputs.find(b).cloned());
    let weights = Weights {
        w_out: inputs.find("wOut").cloned(),
        w_in: inputs.find("wIn").cloned(),
        layers: pair("wLayer", "wReduce"),
        affine: pair("scale", "shift"),
    };
    let dims = match (super::option(options, "dims")?, inputs.find("scale")) {
        (Some(dims), _) => dims,
        (None, Some(scale)) => scale.dims().to_vec(),
        (None, None) => return Err(Error::data("scale", "expected an input, got none")),
    };
    weight_generator(tape, &Stack::new(&planes)?, &weights, &dims)
}

pub(crate) const OPERATION: Operation = Operation {
    name: "weightGenerator",
    case,
    samples: || {
        let full = |[ot, it, p, l]: [usize; 4], [os, is]: [usize; 2]| {
            let (teacher, student) = ([ot, it, p, l], [os, is, p]);
            Sample::of(&[
                ("wOut", &[ot, os]),
                ("wIn", &[it, is]),
                ("wLayer", &[l, l]),
                ("wReduce", &[l]),
                ("scale", &student),
                ("shift", &student),
            ])
            .constant("teacher", &teacher)
            .scaled(1.0 / ((ot * it * l) as f64).powf(0.2))
            .terms(ot.max(it) * p.max(l))
        };
        vec![
            full([5, 7, 1, 2], [3, 4]),
            full([5, 3, 9, 3], [2, 7]),
            full([131, 2, 4, 1], [1, 5]),
            full([4, 131, 1, 4], [6, 1]),
            full([1, 1, 1, 1], [1, 1]),
            // A vector, one side alone, neither, and no curve.
            Sample::of(&[("wOut", &[5, 3]), ("wLayer", &[2, 2]), ("wReduce", &[2]), ("scale", &[3]), ("shift", &[3])])
                .constant("teacher", &[5, 2])
                .scaled(0.6)
                .terms(5),
            Sample::of(&[("wIn", &[5, 3]), ("scale", &[4, 3]), ("shift", &[4, 3])])
                .constant("teacher", &[4, 5, 1])
                .scaled(0.6)
                .terms(5),
            Sample::of(&[("scale", &[4, 5]), ("shift", &[4, 5])]).constant("teacher", &[4, 5, 1]),
            Sample::of(&[("wIn", &[5, 3])])
                .constant("teacher", &[4, 5, 1])
                .options(serde_json::json!({ "dims": [4, 3] }))
                .terms(5),
        ]
    },
};
