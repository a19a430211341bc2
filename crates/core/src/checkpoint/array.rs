//! Arrays: owned numbers with a shape, independent of any device. They are the content of files and snapshots.

use std::collections::BTreeMap;
use std::io::{self, Read};

use half::{bf16, f16};

use crate::blocks::{copied, reserve};
use crate::error::{Code, Error, Result};
use crate::tensor::{DType, Tensor, contiguous, from_vec, read};

/// A map from name to array, sorted, so that the order is the same in every process.
pub type NamedTensors = BTreeMap<String, Array>;

/// Element types that files can contain, by their safetensors names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F64,
    U32,
    I64,
    U8,
    F16,
    BF16,
}

impl Dtype {
    pub const ALL: [Dtype; 7] = [Dtype::F32, Dtype::F64, Dtype::U32, Dtype::I64, Dtype::U8, Dtype::F16, Dtype::BF16];

    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "F32",
            Dtype::F64 => "F64",
            Dtype::U32 => "U32",
            Dtype::I64 => "I64",
            Dtype::U8 => "U8",
            Dtype::F16 => "F16",
            Dtype::BF16 => "BF16",
        }
    }

    pub fn from_name(name: &str) -> Option<Dtype> {
        Dtype::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    pub fn bytes(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 | Dtype::U32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            Dtype::U8 => 1,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
}

/// Numbers in row-major order; their count is the product of the shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    numbers: Numbers,
}

impl Array {
    pub fn new(shape: Vec<usize>, numbers: Numbers) -> Result<Array> {
        let array = Array { shape, numbers };
        let wanted = array.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if wanted != Some(array.len()) {
            let message = format!("expected as many numbers as shape {:?} has, got {}", array.shape, array.len());
            return Err(Error::new(Code::ShapeMismatch, "", message));
        }
        Ok(array)
    }

    pub fn f32(shape: Vec<usize>, numbers: Vec<f32>) -> Result<Array> {
        Array::new(shape, Numbers::F32(numbers))
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    pub fn len(&self) -> usize {
        match &self.numbers {
            Numbers::F32(v) => v.len(),
            Numbers::F64(v) => v.len(),
            Numbers::U32(v) => v.len(),
            Numbers::I64(v) => v.len(),
            Numbers::U8(v) => v.len(),
            Numbers::F16(v) => v.len(),
            Numbers::BF16(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn dtype(&self) -> Dtype {
        match &self.numbers {
            Numbers::F32(_) => Dtype::F32,
            Numbers::F64(_) => Dtype::F64,
            Numbers::U32(_) => Dtype::U32,
            Numbers::I64(_) => Dtype::I64,
            Numbers::U8(_) => Dtype::U8,
            Numbers::F16(_) => Dtype::F16,
            Numbers::BF16(_) => Dtype::BF16,
        }
    }

    /// Copies a tensor's numbers from any device and layout. Later in-place updates of the tensor do not change the copy.
    pub(crate) fn copy_of(tensor: &Tensor) -> Result<Array> {
        let whole = contiguous(tensor)?;
        let numbers = match tensor.dtype() {
            DType::F32 => Numbers::F32(copied(&read(&whole)?)),
            DType::F64 => Numbers::F64(copied(&read(&whole)?)),
            DType::U32 => Numbers::U32(copied(&read(&whole)?)),
            DType::I64 => Numbers::I64(copied(&read(&whole)?)),
            DType::U8 => Numbers::U8(copied(&read(&whole)?)),
            DType::F16 => Numbers::F16(copied(&read(&whole)?)),
            DType::BF16 => Numbers::BF16(copied(&read(&whole)?)),
            other => {
                return Err(Error::internal(format!("expected a tensor of a type that files support, got {other:?}")));
            }
        };
        Array::new(tensor.dims().to_vec(), numbers)
    }

    /// Moves the numbers into a tensor on the CPU without copying them.
    pub(crate) fn into_tensor(self) -> Result<Tensor> {
        match self.numbers {
            Numbers::F32(v) => from_vec(v, self.shape),
            Numbers::F64(v) => from_vec(v, self.shape),
            Numbers::U32(v) => from_vec(v, self.shape),
            Numbers::I64(v) => from_vec(v, self.shape),
            Numbers::U8(v) => from_vec(v, self.shape),
            Numbers::F16(v) => from_vec(v, self.shape),
            Numbers::BF16(v) => from_vec(v, self.shape),
        }
    }

    /// Passes the little-endian bytes to `sink` piece by piece, through a buffer that callers share between arrays.
    pub(crate) fn bytes(&self, scratch: &mut Vec<u8>, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match &self.numbers {
            Numbers::F32(v) => encode(v, f32::to_le_bytes, scratch, sink),
            Numbers::F64(v) => encode(v, f64::to_le_bytes, scratch, sink),
            Numbers::U32(v) => encode(v, u32::to_le_bytes, scratch, sink),
            Numbers::I64(v) => encode(v, i64::to_le_bytes, scratch, sink),
            Numbers::U8(v) => encode(v, u8::to_le_bytes, scratch, sink),
            Numbers::F16(v) => encode(v, f16::to_le_bytes, scratch, sink),
            Numbers::BF16(v) => encode(v, bf16::to_le_bytes, scratch, sink),
        }
    }

    /// Reads little-endian bytes and passes every piece to `seen`, for digests. With `widen`, f16 and bf16 become f32.
    pub(crate) fn read(
        source: &mut dyn Read,
        dtype: Dtype,
        shape: Vec<usize>,
        widen: bool,
        scratch: &mut Vec<u8>,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<Array> {
        let count = shape.iter().product();
        let numbers = match (dtype, widen) {
            (Dtype::F32, _) => Numbers::F32(decode(source, count, f32::from_le_bytes, scratch, seen)?),
            (Dtype::F64, _) => Numbers::F64(decode(source, count, f64::from_le_bytes, scratch, seen)?),
            (Dtype::U32, _) => Numbers::U32(decode(source, count, u32::from_le_bytes, scratch, seen)?),
            (Dtype::I64, _) => Numbers::I64(decode(source, count, i64::from_le_bytes, scratch, seen)?),
            (Dtype::U8, _) => Numbers::U8(decode(source, count, u8::from_le_bytes, scratch, seen)?),
            (Dtype::F16, true) => {
                Numbers::F32(decode(source, count, |b| f16::from_le_bytes(b).to_f32(), scratch, seen)?)
            }
            (Dtype::BF16, true) => {
                Numbers::F32(decode(source, count, |b| bf16::from_le_bytes(b).to_f32(), scratch, seen)?)
            }
            (Dtype::F16, false) => Numbers::F16(decode(source, count, f16::from_le_bytes, scratch, seen)?),
            (Dtype::BF16, false) => Numbers::BF16(decode(source, count, bf16::from_le_bytes, scratch, seen)?),
        };
        Array::new(shape, numbers)
    }
}

/// Bytes per read or write: small enough for the second-level cache, large enough for few system calls.
const PIECE: usize = 256 * 1024;

fn encode<T: Copy, const N: usize>(
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
    scratch: &mut Vec<u8>,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    scratch.resize(PIECE, 0);
    for piece in values.chunks(PIECE / N) {
        for (slot, &value) in scratch.chunks_exact_mut(N).zip(piece) {
            slot.copy_from_slice(&bytes(value));
        }
        sink(&scratch[..piece.len() * N])?;
    }
    Ok(())
}

fn decode<T, const N: usize>(
    source: &mut dyn Read,
    count: usize,
    number: impl Fn([u8; N]) -> T,
    scratch: &mut Vec<u8>,
    seen: &mut dyn FnMut(&[u8]),
) -> Result<Vec<T>> {
    let mut values = Vec::new();
    reserve(&mut values, count)?;
    scratch.resize(PIECE, 0);
    while values.len() < count {
        let piece = (count - values.len()).min(PIECE / N);
        let bytes = &mut scratch[..piece * N];
        source.read_exact(bytes).map_err(|error| shortened(&error))?;
        seen(bytes);
        values.extend(bytes.chunks_exact(N).map(|slot| {
            let mut array = [0; N];
            array.copy_from_slice(slot);
            number(array)
        }));
    }
    Ok(values)
}

/// Converts a failed read of a file whose size was checked before.
pub(crate) fn shortened(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let message = "expected as many bytes as the file had, got its end: the file was shortened while it was read";
        return Error::new(Code::InvalidFile, "", message);
    }
    Error::new(Code::Io, "", format!("cannot read the file: {error}"))
}
