//! Memory blocks whose size follows from data, options or a file.
//!
//! The system may refuse any of these blocks. A refusal is an error of code `Memory`. `reserve` returns it; all other
//! functions here throw it, because kernels and their tasks return only numbers. They throw it as a panic whose payload
//! is the `Error`, without a message on stderr, and `caught` converts it back. Allocations inside the standard library or
//! candle cannot be refused: before a large one, `room` requests a block of that size and returns it to the system;
//! small ones are covered by the allocator's reserve.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::allocator;
use crate::error::{Code, Error, Result};

/// Runs work in which a block may be refused and returns a refusal as an error. Other panics propagate.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(refusal(panic).unwrap_or_else(|other| resume_unwind(other))))
}

/// The error carried by a panic, if it is a refused block.
pub fn refusal(panic: Box<dyn Any + Send>) -> Result<Error, Box<dyn Any + Send>> {
    panic.downcast::<Error>().map(|error| *error)
}

/// Reserves memory for `count` more elements.
pub(crate) fn reserve<T>(values: &mut Vec<T>, count: usize) -> Result<()> {
    let mut asked = || allocator::refusable(|| values.try_reserve_exact(count).is_ok());
    if refused_for_a_test() || !asked() {
        let bytes = count.saturating_mul(size_of::<T>());
        return Err(Error::new(
            Code::Memory,
            "",
            format!("expected {bytes} bytes of memory, got none: the system does not have them"),
        ));
    }
    Ok(())
}

/// An empty list with a capacity of `count` elements.
pub(crate) fn empty<T>(count: usize) -> Vec<T> {
    let mut values = Vec::new();
    match reserve(&mut values, count) {
        Ok(()) => values,
        Err(error) => resume_unwind(Box::new(error)),
    }
}

/// A buffer of `len` numbers of unspecified content: every element must be written before it is read. Large blocks come
/// from a list of the caching allocator, which avoids page faults.
pub(crate) fn uninit(len: usize) -> Vec<f32> {
    let mut buffer = empty(len);
    // SAFETY: the capacity is `len`; each bit pattern is a valid f32; kernels write every element before any read.
    #[allow(clippy::uninit_vec)]
    unsafe {
        buffer.set_len(len)
    };
    buffer
}

pub(crate) fn filled<T: Clone>(len: usize, value: T) -> Vec<T> {
    let mut values = empty(len);
    values.resize(len, value);
    values
}

pub fn copied<T: Copy>(values: &[T]) -> Vec<T> {
    let mut copy = empty(values.len());
    copy.extend_from_slice(values);
    copy
}

pub fn collected<I: IntoIterator<IntoIter: ExactSizeIterator>>(items: I) -> Vec<I::Item> {
    let items = items.into_iter();
    let mut values = empty(items.len());
    values.extend(items);
    values
}

/// Checks that the system can provide this many bytes for an allocation that a library makes next.
pub(crate) fn room(bytes: usize) {
    drop(empty::<u8>(bytes));
}

#[cfg(not(test))]
fn refused_for_a_test() -> bool {
    false
}

#[cfg(test)]
use failing::now as refused_for_a_test;

/// Makes the n-th reservation of this thread fail.
#[cfg(test)]
pub(crate) mod failing {
    use std::cell::Cell;

    thread_local!(static LEFT: Cell<Option<usize>> = const { Cell::new(None) });

    /// Makes the reservation after `n` successful ones fail.
    pub(crate) fn after(n: usize) {
        LEFT.set(Some(n));
    }

    /// Switches the fault off and returns whether it occurred.
    pub(crate) fn off() -> bool {
        LEFT.replace(None).is_none()
    }

    pub(super) fn now() -> bool {
        match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                true
            }
            left => {
                LEFT.set(left.map(|n| n - 1));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More elements than the memory of any system can hold.
    const ENDLESS: usize = usize::MAX >> 4;

    #[test]
    fn a_refused_block_is_a_memory_error_even_inside_a_task() {
        let refused = |work: &dyn Fn()| {
            caught(|| {
                work();
                Ok(())
            })
            .unwrap_err()
        };
        for error in [
            refused(&|| drop(uninit(ENDLESS))),
            refused(&|| drop(filled(ENDLESS, 0u64))),
            refused(&|| room(ENDLESS)),
            refused(&|| crate::pool::Pool::new(Some(2)).unwrap().enter(|| crate::pool::tasks(8, |_| room(ENDLESS)))),
        ] {
            assert_eq!(error.code, Code::Memory);
            assert!(error.message.starts_with("expected ") && error.message.contains("bytes of memory"), "{error}");
        }
        assert_eq!(reserve(&mut Vec::<f64>::new(), usize::MAX).unwrap_err().code, Code::Memory);
    }

    #[test]
    fn other_panics_propagate() {
        let passed = catch_unwind(|| caught::<()>(|| panic!("a defect")));
        assert_eq!(*passed.unwrap_err().downcast::<&str>().unwrap(), "a defect");
        assert_eq!(caught(|| Ok(copied(&[1, 2]))).unwrap(), collected([1, 2]));
    }
}
