//! The only module that accesses candle's storage: it reads slices, wraps buffers and updates tensors in place.
//!
//! All other modules use plain slices and `Tensor`, whose operations candle does not record.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Shape, Storage, StorageRef, WithDType};

use crate::blocks;
use crate::error::{Candle, Error, Result};

pub(crate) use crate::blocks::uninit;
pub use candle_core::{DType, Tensor};

/// Reserves the memory that candle needs next for a tensor of this size.
pub(crate) fn room_like(tensor: &Tensor) {
    blocks::room(tensor.elem_count().saturating_mul(tensor.dtype().size_in_bytes()));
}

pub(crate) fn zeros_like(tensor: &Tensor) -> Result<Tensor> {
    room_like(tensor);
    tensor.zeros_like().ok_or_internal()
}

/// The same numbers in separate storage.
pub(crate) fn owned(tensor: &Tensor) -> Result<Tensor> {
    room_like(tensor);
    tensor.force_contiguous().ok_or_internal()
}

/// The same numbers as a contiguous tensor; a tensor that is already contiguous is shared.
pub(crate) fn contiguous(tensor: &Tensor) -> Result<Tensor> {
    if tensor.is_contiguous() { Ok(tensor.clone()) } else { owned(tensor) }
}

/// Wraps a buffer without copying it.
pub fn from_vec<T: WithDType>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu).ok_or_internal()
}

/// Read access to the numbers of a contiguous CPU tensor. Drop it before the same tensor is updated in place; otherwise
/// candle's lock waits forever.
pub struct Read<'a, T> {
    guard: StorageRef<'a>,
    range: (usize, usize),
    kind: PhantomData<T>,
}

impl<T: WithDType> Deref for Read<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match &*self.guard {
            Storage::Cpu(storage) => storage.as_slice::<T>().map_or(&[], |all| &all[self.range.0..self.range.1]),
            _ => &[], // unreachable: `read` rejects other storage
        }
    }
}

/// Opens a contiguous CPU tensor of element type `T`; any other tensor is an internal error.
pub fn read<T: WithDType>(tensor: &Tensor) -> Result<Read<'_, T>> {
    let (guard, layout) = tensor.storage_and_layout();
    let range = layout.contiguous_offsets().ok_or_else(|| Error::internal("expected a contiguous tensor"))?;
    match &*guard {
        Storage::Cpu(storage) => {
            storage.as_slice::<T>().ok_or_internal()?;
        }
        _ => return Err(Error::internal("expected a tensor on the CPU")),
    }
    Ok(Read { guard, range, kind: PhantomData })
}

/// Whether CPU kernels can use the tensor: it is on the CPU, f32 and contiguous. Support for a second device starts here.
pub(crate) fn is_host_f32(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32 && tensor.is_contiguous()
}

/// The numbers of a tensor for which `is_host_f32` is true; `None` for any other.
pub(crate) fn host_f32(tensor: &Tensor) -> Result<Option<Read<'_, f32>>> {
    is_host_f32(tensor).then(|| read(tensor)).transpose()
}

/// The values as f64, from any element type. It is slow; use it for reports and tests.
pub fn to_f64(tensor: &Tensor) -> Result<Vec<f64>> {
    if tensor.dtype() == DType::F32 && tensor.device().is_cpu() {
        return Ok(blocks::collected(read::<f32>(&contiguous(tensor)?)?.iter().map(|value| f64::from(*value))));
    }
    tensor.to_dtype(DType::F64).and_then(|t| t.flatten_all()).and_then(|t| t.to_vec1()).ok_or_internal()
}

/// A hash of all bits of the tensor (not cryptographic).
pub(crate) fn digest(tensor: &Tensor) -> Result<u64> {
    let mix = |sum: u64, bits: u64| (sum ^ bits).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    Ok(match host_f32(tensor)? {
        Some(values) => values.iter().fold(0x51_7c_c1_b7, |sum, value| mix(sum, u64::from(value.to_bits()))),
        None => to_f64(tensor)?.iter().fold(0x51_7c_c1_b7, |sum, value| mix(sum, value.to_bits())),
    })
}

/// Whether every number is finite; the check stops after the first block with an infinite number or NaN.
pub(crate) fn finite(values: &[f32]) -> bool {
    values.chunks(1024).all(|block| block.iter().fold(true, |sound, value| sound & value.is_finite()))
}

pub(crate) fn all_finite(tensor: &Tensor) -> Result<bool> {
    Ok(match host_f32(tensor)? {
        Some(values) => finite(&values),
        None => to_f64(tensor)?.iter().all(|value| value.is_finite()),
    })
}

/// The one value of a scalar tensor.
pub(crate) fn item(tensor: &Tensor) -> Result<f64> {
    to_f64(tensor)?.first().copied().ok_or_else(|| Error::internal("expected a scalar, got an empty tensor"))
}

struct Update<F>(Cell<Option<F>>);

impl<F: FnOnce(&mut [f32])> InplaceOp1 for Update<F> {
    fn name(&self) -> &'static str {
        "update"
    }
    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("expected a contiguous tensor")
        };
        let CpuStorage::F32(values) = storage else { candle_core::bail!("expected f32") };
        if let Some(update) = self.0.take() {
            update(&mut values[start..end])
        }
        Ok(())
    }
}

/// Changes a contiguous f32 CPU tensor in place; tensors that share its storage change too.
pub(crate) fn update(tensor: &Tensor, change: impl FnOnce(&mut [f32])) -> Result<()> {
    tensor.inplace_op1(&Update(Cell::new(Some(change)))).ok_or_internal()
}

/// Opens several contiguous f32 CPU tensors for writing at once. No two may share storage, because the second would wait
/// for the first forever. Each tensor needs a stack frame, so callers open tens, not thousands.
pub(crate) fn update_many(tensors: &[&Tensor], change: impl FnOnce(Vec<&mut [f32]>)) -> Result<()> {
    fn open<'a>(
        rest: &[&Tensor],
        mut slices: Vec<&'a mut [f32]>,
        change: &mut dyn FnMut(Vec<&mut [f32]>),
    ) -> Result<()> {
        let Some((first, rest)) = rest.split_first() else {
            change(slices);
            return Ok(());
        };
        let mut inner = Ok(());
        update(first, |slice| {
            let mut all: Vec<&mut [f32]> = std::mem::take(&mut slices);
            all.push(slice);
            inner = open(rest, all, change);
        })?;
        inner
    }
    let mut change = Some(change);
    open(tensors, Vec::with_capacity(tensors.len()), &mut |slices| {
        if let Some(change) = change.take() {
            change(slices)
        }
    })
}
