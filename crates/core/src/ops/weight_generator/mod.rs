//! Generates a student's parameter from a stack of the teacher's parameters, as one record on the tape.
//!
//! ```text
//! r = wLayer · wReduce,   X = Σ_k r_k T_k,   V = wOutᵀ · X · wIn,   S = scale ⊙ tanh(V) + shift
//!
//! G = ∂L/∂S:   D = G ⊙ scale ⊙ (1 − tanh²V),   ∂scale = G ⊙ tanh V,   ∂shift = G
//! ∂wIn = (wOutᵀX)ᵀ D,   E = D wInᵀ,   ∂wOut = X Eᵀ,   ∂r_k = ⟨T_k, wOut E⟩ = ⟨T_k Eᵀ, wOut⟩
//! ∂wLayer = ∂r · wReduceᵀ,   ∂wReduce = wLayerᵀ · ∂r
//! ```
//!
//! T_k `[Ot, It, positions]` is the teacher's k-th layer of l (frozen), S `[Os, Is, positions]`; wOut `[Ot, Os]`, wIn
//! `[It, Is]`, wLayer `[l, l]`, wReduce `[l]`, scale and shift in the shape of S. Kernel positions share wOut and wIn.
//! A vector is a matrix of one column without wIn. Missing weights are skipped: a side without its matrix is unchanged,
//! without wLayer there is one layer, without scale there is neither tanh nor shift.
//!
//! Source: Lin, Li, Wang, Li, Du, Xiao, Zhu, "Weight Distillation: Transferring the Knowledge in Neural Network
//! Parameters", ACL 2021, arXiv:2009.09152. Where we differ: the layer axis is reduced first (all products are
//! linear), and we add kernel positions.

mod kernel;
mod plain;

use super::{Inputs, Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, to_f64};

/// The teacher's layers of one group, each as `[outputs, positions · inputs]`: every product is then one matrix
/// product, for any kernel.
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
            return Err(Error::internal("a stack needs at least one tensor, and all must have the same shape"));
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

/// The trained weights; see the formula above.
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
    fn all(&self) -> impl Iterator<Item = &Value> {
        let layers = self.layers.iter().flat_map(|(a, b)| [a, b]);
        let affine = self.affine.iter().flat_map(|(a, b)| [a, b]);
        self.w_out.iter().chain(&self.w_in).chain(layers).chain(affine)
    }
}

/// A parameter of shape `dims`.
pub fn weight_generator(tape: &mut Tape, stack: &Stack, weights: &Weights, dims: &[usize]) -> Result<Value> {
    let planes: Vec<Value> = stack.planes.iter().cloned().map(Value::constant).collect();
    let inputs: Vec<&Value> = weights.all().chain(&planes).collect();
    tape.apply("weightGenerator", &inputs, Generator::new(stack, weights, dims)?)
}

struct Generator {
    stack: Stack,
    weights: Weights,
    dims: Vec<usize>,
    /// Outputs of S.
    outputs: usize,
    inputs: usize,
}

/// Saved for backward: wOutᵀX, the sum X over the layers unless recomputing it is cheaper, tanh V.
struct Saved {
    y: Tensor,
    x: Option<Tensor>,
    tanh: Option<Tensor>,
}

impl Compute for Generator {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let (s, saved) = self.forward()?;
        Ok((s, move |up: Tensor, gradients: &mut Gradients| self.backward(up, saved, gradients)))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let (s, saved) = self.plain().ok_or_internal()?;
        Ok((s, move |up: Tensor, gradients: &mut Gradients| self.plain_backward(up, saved, gradients)))
    }
}

impl Generator {
    fn new(stack: &Stack, weights: &Weights, dims: &[usize]) -> Result<Generator> {
        let (outputs, inputs) = (dims.first().copied().unwrap_or(0), dims.get(1).copied().unwrap_or(1));
        let wanted = |name: &str, value: &Value, dims: &[usize]| match value.dims() == dims {
            true => Ok(()),
            false => Err(Error::shape(name, format!("expected {dims:?}, got {:?}", value.dims()))),
        };
        if dims.iter().skip(2).product::<usize>() != stack.positions {
            return Err(Error::shape(
                "weightGenerator",
                "expected the same number of kernel positions as in the teacher",
            ));
        }
        match &weights.w_out {
            Some(w_out) => wanted("wOut", w_out, &[stack.outputs, outputs])?,
            None if outputs == stack.outputs => {}
            None => return Err(Error::shape("wOut", "expected a matrix, because the outputs differ, got none")),
        }
        match &weights.w_in {
            Some(w_in) => wanted("wIn", w_in, &[stack.inputs, inputs])?,
            None if inputs == stack.inputs => {}
            None => return Err(Error::shape("wIn", "expected a matrix, because the inputs differ, got none")),
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

    /// Adds ∂wLayer and ∂wReduce, computed from ∂r.
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
}

/// A case in the form of the golden files: `teacher` `[Ot, It, l]`, or `[Ot, It, positions, l]`, or `[Ot, l]` without wIn.
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
            // A vector, only one side, neither side, and no tanh.
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
