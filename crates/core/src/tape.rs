//! The tape records operations in the forward pass and replays them once in reverse order in the backward pass.
//!
//! A record holds the node of its output and a closure that owns exactly the values that its backward pass needs.
//! `backward` consumes the tape and drops each closure after running it, so activations are freed during the backward
//! pass. There is no recursion, and gradients that are not needed are never computed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::activation;
use crate::pool;
use crate::tensor::{self, Tensor, is_host_f32};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// A tensor and, if it depends on a trained value, its node on the tape. A clone shares the storage.
#[derive(Clone, Debug)]
pub struct Value {
    tensor: Tensor,
    node: Option<NodeId>,
}

impl Value {
    /// A value without a gradient: inputs, targets, parameters of a frozen teacher.
    pub fn constant(tensor: Tensor) -> Self {
        debug_assert!(!tensor.track_op(), "candle must not build a graph in addition to ours");
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

    /// The same numbers without a node on the tape, so that no gradient flows through them.
    pub fn detached(&self) -> Value {
        Value { tensor: self.tensor.clone(), node: None }
    }
}

/// The implementation of the operations: our kernels for contiguous f32 tensors on the CPU, or always the plain reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Engine {
    #[default]
    Kernels,
    Reference,
}

/// A flag that another thread sets to stop a pass between two operations.
pub(crate) type Cancel = Arc<AtomicBool>;

/// The backward pass of one operation: it takes the gradient of the output and adds the gradients of the inputs.
pub(crate) trait Backward: FnOnce(Tensor, &mut Gradients) -> Result<()> + Send + 'static {}

impl<F: FnOnce(Tensor, &mut Gradients) -> Result<()> + Send + 'static> Backward for F {}

/// An operation with checked inputs. Each method returns the output together with the backward pass.
pub(crate) trait Compute: Sized {
    /// The implementation by kernels; every input must be on the CPU, f32 and contiguous.
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        self.reference()
    }

    /// The implementation by candle calls, for any device and precision.
    fn reference(self) -> Result<(Tensor, impl Backward)>;
}

struct Record {
    name: &'static str,
    output: NodeId,
    backward: Box<dyn Backward>,
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

    /// A tape whose passes end with `Code::Cancelled` between two operations once the flag is set.
    pub fn cancellable(engine: Engine, cancel: Arc<AtomicBool>) -> Self {
        Tape { engine, cancel: Some(cancel), ..Tape::default() }
    }

    /// Whether our kernels can use this tensor. Otherwise the reference runs.
    pub(crate) fn takes(&self, tensor: &Tensor) -> bool {
        self.engine == Engine::Kernels && is_host_f32(tensor)
    }

    /// Computes an operation on the device of its inputs and records its backward pass. Only this method chooses between
    /// kernels and reference: a second device needs a method in `Compute` and a branch here.
    pub(crate) fn apply(&mut self, name: &'static str, inputs: &[&Value], operation: impl Compute) -> Result<Value> {
        let recorded = inputs.iter().any(|input| input.node.is_some());
        if inputs.iter().all(|input| self.takes(&input.tensor)) {
            let (output, backward) = operation.cpu()?;
            self.record(name, recorded, output, backward)
        } else {
            let (output, backward) = operation.reference()?;
            self.record(name, recorded, output, backward)
        }
    }

    /// Records an operation. If no input is on the tape, nothing is recorded and the backward pass is dropped.
    fn record(&mut self, name: &'static str, recorded: bool, output: Tensor, backward: impl Backward) -> Result<Value> {
        self.check_cancelled()?;
        if !recorded {
            return Ok(Value::constant(output));
        }
        let node = self.next();
        self.records.push(Record { name, output: node, backward: Box::new(backward) });
        Ok(Value { tensor: output, node: Some(node) })
    }

    fn next(&mut self) -> NodeId {
        self.nodes += 1;
        NodeId(self.nodes - 1)
    }

    /// A value that needs a gradient: a trainable parameter, or an input under test.
    pub fn leaf(&mut self, tensor: Tensor) -> Value {
        debug_assert!(!tensor.track_op(), "candle must not build a graph in addition to ours");
        Value { tensor, node: Some(self.next()) }
    }

    fn check_cancelled(&self) -> Result<()> {
        match &self.cancel {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(Error::cancelled()),
            _ => Ok(()),
        }
    }

    /// Runs the backward pass from `seeds`, which are values with their gradients, to the leaves.
    pub fn backward(mut self, seeds: Vec<(Value, Tensor)>) -> Result<Gradients> {
        let mut gradients = Gradients { slots: vec![None; self.nodes as usize] };
        for (value, seed) in seeds {
            gradients.add(&value, seed)?;
        }
        while let Some(record) = self.records.pop() {
            self.check_cancelled()?;
            if let Some(up) = gradients.take_node(record.output) {
                (record.backward)(up, &mut gradients).map_err(|error| error.at(record.name))?;
            }
        }
        Ok(gradients)
    }
}

#[derive(Clone)]
struct Slot {
    tensor: Tensor,
    /// Whether no other handle shares the storage; later gradients can then be added in place.
    owned: bool,
}

/// Gradients by node during the backward pass; at its end only those of the leaves remain.
pub struct Gradients {
    slots: Vec<Option<Slot>>,
}

impl Gradients {
    /// Whether this value depends on a trained value. Operations do not compute other gradients.
    pub(crate) fn wants(&self, value: &Value) -> bool {
        value.node.is_some()
    }

    /// Adds a gradient whose storage has no other handle.
    pub(crate) fn add(&mut self, value: &Value, gradient: Tensor) -> Result<()> {
        self.put(value, gradient, true)
    }

    /// Adds a gradient whose storage may have another handle, such as a view or one that two inputs share.
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

    /// The current gradient of a value, if it can be added to in place: a matrix product accumulates into it ("beta = 1")
    /// and returns it with `add`.
    pub(crate) fn take_owned(&mut self, value: &Value) -> Option<Tensor> {
        let slot = &mut self.slots[value.node?.0 as usize];
        if slot.as_ref().is_some_and(|slot| slot.owned) { slot.take().map(|slot| slot.tensor) } else { None }
    }

    fn take_node(&mut self, id: NodeId) -> Option<Tensor> {
        self.slots[id.0 as usize].take().map(|slot| slot.tensor)
    }

    /// The final gradient of a leaf, in separate storage that can be changed in place. `None` if the backward pass did not
    /// reach the leaf.
    pub fn take(&mut self, leaf: &Value) -> Option<Tensor> {
        let slot = self.slots[leaf.node?.0 as usize].take()?;
        Some(if slot.owned { slot.tensor } else { tensor::owned(&slot.tensor).unwrap_or(slot.tensor) })
    }
}

/// Numbers per task.
const PIECE: usize = 64 << 10;

pub(crate) fn add_in_place(into: &Tensor, other: &Tensor) -> Result<()> {
    if is_host_f32(into) {
        let other = tensor::contiguous(other)?;
        let other = tensor::read::<f32>(&other)?;
        let other: &[f32] = &other;
        return tensor::update(into, |into| {
            pool::pieces(into, PIECE, |i, into| activation::add_to(into, &other[i * PIECE..i * PIECE + into.len()]))
        });
    }
    let sum = into.add(other).ok_or_internal()?;
    into.slice_set(&sum, 0, 0).ok_or_internal()
}

/// The sum in new storage, for shared gradients and for `ops::add`. It replaces candle's sum, which keeps threads
/// spinning.
pub(crate) fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if !is_host_f32(a) || !is_host_f32(b) {
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
