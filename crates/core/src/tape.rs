//! The tape: fat operations are recorded going forward and walked once from the end going back.
//!
//! A record holds the nodes of its outputs and a closure that owns exactly what its backward needs.
//! `backward` consumes the tape and drops each closure as it runs, so activations are freed as the walk
//! passes them. There is no recursion, and gradients nobody needs are never made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::activation;
use crate::pool;
use crate::tensor::{self, DType, Tensor};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// A tensor and, if something below it is trained, its place on the tape. Cloning copies no numbers.
#[derive(Clone, Debug)]
pub struct Value {
    tensor: Tensor,
    node: Option<NodeId>,
}

impl Value {
    /// A value that no gradient flows into: inputs, targets, a frozen teacher's parameters.
    pub fn constant(tensor: Tensor) -> Self {
        debug_assert!(!tensor.track_op(), "candle must not build a graph beside ours");
        Value { tensor, node: None }
    }

    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    pub fn dims(&self) -> &[usize] {
        self.tensor.dims()
    }

    pub(crate) fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// The same numbers without a place on the tape: no gradient passes.
    pub fn detached(&self) -> Value {
        Value { tensor: self.tensor.clone(), node: None }
    }
}

/// Who computes: our kernels where there are some (CPU, f32), or the plain reference everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Engine {
    #[default]
    Kernels,
    Reference,
}

/// Set by somebody else to end a walk between two operations.
pub(crate) type Cancel = Arc<AtomicBool>;

type Backward = Box<dyn FnOnce(Vec<Option<Tensor>>, &mut Gradients) -> Result<()> + Send>;

struct Record {
    name: &'static str,
    outputs: Vec<NodeId>,
    backward: Backward,
}

#[derive(Default)]
pub struct Tape {
    engine: Engine,
    nodes: u32,
    records: Vec<Record>,
    cancel: Option<Arc<AtomicBool>>,
}

impl Tape {
    pub fn new(engine: Engine) -> Self {
        Tape { engine, ..Tape::default() }
    }

    /// A tape whose walks stop with `Code::Cancelled` between two operations once the flag is set.
    pub fn cancellable(engine: Engine, cancel: Arc<AtomicBool>) -> Self {
        Tape { engine, cancel: Some(cancel), ..Tape::default() }
    }

    /// Whether our kernels take this tensor: CPU, f32, contiguous. Otherwise the operation's reference runs.
    pub(crate) fn takes(&self, tensor: &Tensor) -> bool {
        self.engine == Engine::Kernels
            && tensor.device().is_cpu()
            && tensor.dtype() == DType::F32
            && tensor.is_contiguous()
    }

    fn next(&mut self) -> NodeId {
        self.nodes += 1;
        NodeId(self.nodes - 1)
    }

    /// A value that wants a gradient: a trainable parameter, or an input under test.
    pub fn leaf(&mut self, tensor: Tensor) -> Value {
        debug_assert!(!tensor.track_op(), "candle must not build a graph beside ours");
        Value { tensor, node: Some(self.next()) }
    }

    /// Records one operation with one output. `backward` gets the output's gradient, never empty.
    /// Where no input is on the tape nothing is recorded, and the closure with all it owns is dropped.
    pub(crate) fn record(
        &mut self,
        name: &'static str,
        inputs: &[&Value],
        output: Tensor,
        backward: impl FnOnce(Tensor, &mut Gradients) -> Result<()> + Send + 'static,
    ) -> Result<Value> {
        let outputs =
            self.record_many(name, inputs, vec![output], move |mut up, gradients| match up.pop().flatten() {
                Some(up) => backward(up, gradients),
                None => Ok(()),
            })?;
        outputs.into_iter().next().ok_or_else(|| Error::internal("an operation without output"))
    }

    /// The same for several outputs; the gradient of an output that nobody used is `None`.
    pub(crate) fn record_many(
        &mut self,
        name: &'static str,
        inputs: &[&Value],
        outputs: Vec<Tensor>,
        backward: impl FnOnce(Vec<Option<Tensor>>, &mut Gradients) -> Result<()> + Send + 'static,
    ) -> Result<Vec<Value>> {
        self.check_cancelled()?;
        if inputs.iter().all(|input| input.node.is_none()) {
            return Ok(outputs.into_iter().map(Value::constant).collect());
        }
        let values: Vec<Value> = outputs.into_iter().map(|tensor| Value { tensor, node: Some(self.next()) }).collect();
        let outputs = values.iter().filter_map(|value| value.node).collect();
        self.records.push(Record { name, outputs, backward: Box::new(backward) });
        Ok(values)
    }

    fn check_cancelled(&self) -> Result<()> {
        match &self.cancel {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(Error::cancelled()),
            _ => Ok(()),
        }
    }

    /// Walks back from `seeds` (values and the gradients that arrive there) to the leaves.
    pub fn backward(mut self, seeds: Vec<(Value, Tensor)>) -> Result<Gradients> {
        let mut gradients = Gradients { slots: vec![None; self.nodes as usize] };
        for (value, seed) in seeds {
            gradients.add(&value, seed)?;
        }
        while let Some(record) = self.records.pop() {
            self.check_cancelled()?;
            let up: Vec<Option<Tensor>> = record.outputs.iter().map(|id| gradients.take_node(*id)).collect();
            if up.iter().any(Option::is_some) {
                (record.backward)(up, &mut gradients).map_err(|error| error.at(record.name))?;
            }
        }
        Ok(gradients)
    }
}

#[derive(Clone)]
struct Slot {
    tensor: Tensor,
    /// Nobody else holds the storage, so later gradients may be added in place.
    owned: bool,
}

/// Gradients by node while the walk goes back; at its end only those of the leaves are left.
pub struct Gradients {
    slots: Vec<Option<Slot>>,
}

impl Gradients {
    /// Whether anything below this value is trained: an operation skips the gradient nobody wants.
    pub(crate) fn wants(&self, value: &Value) -> bool {
        value.node.is_some()
    }

    /// Adds a gradient that the caller made and holds no other handle of.
    pub(crate) fn add(&mut self, value: &Value, gradient: Tensor) -> Result<()> {
        self.put(value, gradient, true)
    }

    /// Adds a gradient whose storage somebody else may hold too (the same one passed to two inputs, a view).
    pub(crate) fn add_shared(&mut self, value: &Value, gradient: Tensor) -> Result<()> {
        self.put(value, gradient, false)
    }

    fn put(&mut self, value: &Value, gradient: Tensor, owned: bool) -> Result<()> {
        let Some(id) = value.node else { return Ok(()) };
        if gradient.dims() != value.tensor.dims() {
            return Err(Error::internal(format!(
                "a gradient of shape {:?} for a value of shape {:?}",
                gradient.dims(),
                value.tensor.dims()
            )));
        }
        let slot = &mut self.slots[id.0 as usize];
        *slot = Some(match slot.take() {
            None => Slot { tensor: gradient, owned },
            Some(old) if old.owned => {
                add_in_place(&old.tensor, &gradient)?;
                old
            }
            Some(old) if owned => {
                add_in_place(&gradient, &old.tensor)?;
                Slot { tensor: gradient, owned: true }
            }
            Some(old) => Slot { tensor: sum(&old.tensor, &gradient)?, owned: true },
        });
        Ok(())
    }

    /// The buffer of a gradient that already has a first part and may be added to in place, if there is one:
    /// a matrix product accumulates into it ("beta = 1") and gives it back with `add`.
    pub(crate) fn take_owned(&mut self, value: &Value) -> Option<Tensor> {
        let slot = &mut self.slots[value.node?.0 as usize];
        if slot.as_ref().is_some_and(|slot| slot.owned) { slot.take().map(|slot| slot.tensor) } else { None }
    }

    fn take_node(&mut self, id: NodeId) -> Option<Tensor> {
        self.slots[id.0 as usize].take().map(|slot| slot.tensor)
    }

    /// The finished gradient of a leaf, in storage of its own: it may be scaled or added to in place.
    /// `None` where backward never reached it.
    pub fn take(&mut self, leaf: &Value) -> Option<Tensor> {
        let slot = self.slots[leaf.node?.0 as usize].take()?;
        Some(if slot.owned { slot.tensor } else { slot.tensor.force_contiguous().unwrap_or(slot.tensor) })
    }
}

/// Numbers a task.
const PIECE: usize = 64 << 10;

fn has_kernel(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32 && tensor.is_contiguous()
}

pub(crate) fn add_in_place(into: &Tensor, other: &Tensor) -> Result<()> {
    if has_kernel(into) {
        let other = other.contiguous().ok_or_internal()?;
        let other = tensor::read::<f32>(&other)?;
        let other: &[f32] = &other;
        return tensor::update(into, |into| {
            pool::pieces(into, PIECE, |i, into| activation::add_to(into, &other[i * PIECE..i * PIECE + into.len()]))
        });
    }
    let sum = into.add(other).ok_or_internal()?;
    into.slice_set(&sum, 0, 0).ok_or_internal()
}

/// The sum in storage of its own. Not candle's, which keeps threads of its own spinning.
fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if !has_kernel(a) || !has_kernel(b) {
        return a.add(b).ok_or_internal();
    }
    let mut sum = tensor::uninit(a.elem_count());
    {
        let (a, b) = (tensor::read::<f32>(a)?, tensor::read::<f32>(b)?);
        let (a, b): (&[f32], &[f32]) = (&a, &b);
        pool::pieces(&mut sum, PIECE, |i, sum| {
            let at = i * PIECE..i * PIECE + sum.len();
            activation::add(&a[at.clone()], &b[at], sum);
        });
    }
    tensor::from_vec(sum, a.dims())
}
