//! A counting, caching wrapper around the system allocator. Large blocks are reused instead of being unmapped and mapped
//! again, because a page fault costs more than a pass over the page. Bytes in use and their peak are counted.
//!
//! Blocks of 64 KiB and more are rounded up to one of eight sizes per octave and aligned to a cache line. When freed, they
//! are kept in one list per size, up to `CACHE_LIMIT` in total. Requests for smaller blocks go to the system. A list that
//! stays busy for more than `PATIENCE` attempts, or that a fork left locked, is skipped, so that no thread ever blocks.
//!
//! If the system refuses a block, the cached blocks are returned to it and the request is repeated. If that fails too,
//! a request that may fail (`refusable`) is refused. Any other failure would end the process, so such a request uses the
//! reserve: address space that is held from the start. Until the system grants a new reserve, every `refusable` request
//! is refused.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{self, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};

/// The allocator, to be set as `#[global_allocator]`.
pub struct CachingAllocator;

const SMALLEST: usize = 64 << 10;
/// Sizes per octave: at most an eighth of a block is unused.
const STEPS: usize = 8;
const OCTAVES: usize = 15;
/// The system maps and unmaps larger blocks.
const LARGEST: usize = SMALLEST << OCTAVES;
const ALIGN: usize = 64;
/// Blocks of this size and more request huge pages.
const HUGE: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;
/// Largest number of freed bytes that are kept.
const CACHE_LIMIT: usize = 1 << 30;
/// Attempts to enter a busy list before it is skipped.
const PATIENCE: usize = 100;

/// The reserve; its size is an upper limit of what non-refusable requests need until a call without memory has ended.
const RESERVE: Layout = match Layout::from_size_align(64 << 20, 4096) {
    Ok(layout) => layout,
    Err(_) => Layout::new::<u8>(),
};
/// Largest block that the reserve may serve.
const SMALL: usize = 16 << 20;

static HELD: AtomicPtr<u8> = AtomicPtr::new(null_mut());
/// Whether the reserve was used.
static SPENT: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether the current request of this thread may be refused.
    static REFUSABLE: Cell<bool> = const { Cell::new(false) };
}

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static CACHED: AtomicUsize = AtomicUsize::new(0);
static LISTS: [List; OCTAVES * STEPS] = [const { List::new() }; OCTAVES * STEPS];

/// Bytes in use now, as requested.
pub fn live_bytes() -> usize {
    LIVE.load(Relaxed)
}

/// The largest number of bytes in use at once since the start or the last `reset_peak`.
pub fn peak_bytes() -> usize {
    PEAK.load(Relaxed)
}

pub fn reset_peak() {
    PEAK.store(LIVE.load(Relaxed), Relaxed);
}

/// Allocations since the start.
pub fn calls() -> usize {
    CALLS.load(Relaxed)
}

/// Freed bytes that are kept for reuse.
pub fn cached_bytes() -> usize {
    CACHED.load(Relaxed)
}

/// Returns the cached blocks to the system.
pub fn trim() {
    for (class, list) in LISTS.iter().enumerate() {
        while let Some(block) = list.take() {
            CACHED.fetch_sub(size_of_class(class), Relaxed);
            // SAFETY: a free block of this class, allocated by the system with this layout, with no owner.
            unsafe { System.dealloc(block, layout_of_class(class)) };
        }
    }
    // SAFETY: takes no pointer; returns free pages at the end of the heap.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Allocates the reserve from the system and returns whether it is held. Its pages are never touched, so they use no
/// memory.
pub fn hold_reserve() -> bool {
    if !HELD.load(Ordering::Acquire).is_null() {
        return true;
    }
    // SAFETY: the layout is not empty.
    let block = unsafe { System.alloc(RESERVE) };
    let held = !block.is_null();
    if held && HELD.compare_exchange(null_mut(), block, Ordering::AcqRel, Relaxed).is_err() {
        // SAFETY: the block came from the system with this layout a moment ago; another thread was faster.
        unsafe { System.dealloc(block, RESERVE) };
    }
    SPENT.fetch_and(!held, Relaxed);
    held
}

/// Runs a request for a block whose refusal the caller handles; returns whether the block was allocated.
pub(crate) fn refusable(ask: impl FnOnce() -> bool) -> bool {
    if SPENT.load(Relaxed) && !hold_reserve() {
        return false;
    }
    REFUSABLE.set(true);
    let given = ask();
    REFUSABLE.set(false);
    given
}

/// Retries a request that the system refused: first with the cached blocks returned to it, then also with the reserve.
#[cold]
fn asked_again(layout: Layout) -> *mut u8 {
    trim();
    // SAFETY: the caller's promise: the layout is not empty.
    let block = unsafe { System.alloc(layout) };
    if !block.is_null() || layout.size() > SMALL || REFUSABLE.try_with(Cell::get).unwrap_or(false) {
        return block;
    }
    let reserve = HELD.swap(null_mut(), Ordering::AcqRel);
    if reserve.is_null() {
        return null_mut();
    }
    SPENT.store(true, Relaxed);
    // SAFETY: the reserve came from the system with this layout and has no other owner; then as above.
    unsafe {
        System.dealloc(reserve, RESERVE);
        System.alloc(layout)
    }
}

/// A list of freed blocks of one size; the first bytes of each block hold the address of the next.
#[repr(align(128))]
struct List {
    busy: AtomicBool,
    head: UnsafeCell<*mut u8>,
}

// SAFETY: `head` is touched only by the thread that set `busy`.
unsafe impl Sync for List {}

impl List {
    const fn new() -> Self {
        List { busy: AtomicBool::new(false), head: UnsafeCell::new(null_mut()) }
    }

    fn enter(&self) -> bool {
        (0..PATIENCE).any(|_| {
            let free = self.busy.compare_exchange(false, true, Ordering::Acquire, Relaxed).is_ok();
            if !free {
                std::hint::spin_loop();
            }
            free
        })
    }

    fn leave(&self) {
        self.busy.store(false, Ordering::Release);
    }

    fn take(&self) -> Option<*mut u8> {
        if !self.enter() {
            return None;
        }
        // SAFETY: between `enter` and `leave` the list is ours; its blocks hold the next address.
        let block = unsafe {
            let head = *self.head.get();
            if !head.is_null() {
                *self.head.get() = head.cast::<*mut u8>().read();
            }
            head
        };
        self.leave();
        (!block.is_null()).then_some(block)
    }

    /// Adds a block and returns true, or returns false if the list is busy.
    fn put(&self, block: *mut u8) -> bool {
        let entered = self.enter();
        if entered {
            // SAFETY: between `enter` and `leave` the list is ours; the block is free and large enough for an address.
            unsafe {
                block.cast::<*mut u8>().write(*self.head.get());
                *self.head.get() = block;
            }
            self.leave();
        }
        entered
    }
}

/// The size class of a request; `None` if the system serves it directly.
fn class_of(layout: &Layout) -> Option<usize> {
    let size = layout.size();
    if !(SMALLEST..=LARGEST).contains(&size) || layout.align() > ALIGN {
        return None;
    }
    // The octave below the size, and the eighth of it that the size reaches into.
    let octave = (size - 1).max(SMALLEST).ilog2() - SMALLEST.ilog2();
    let step = (SMALLEST << octave) / STEPS;
    let over = size.saturating_sub(SMALLEST << octave).div_ceil(step);
    Some(octave as usize * STEPS + over).filter(|class| *class < LISTS.len())
}

fn size_of_class(class: usize) -> usize {
    let base = SMALLEST << (class / STEPS);
    base + class % STEPS * (base / STEPS)
}

fn layout_of_class(class: usize) -> Layout {
    let size = size_of_class(class);
    // SAFETY: a power of two that is not zero, and a size far below the limit.
    unsafe { Layout::from_size_align_unchecked(size, ALIGN) }
}

/// Counts a block that the system returned; a refused (null) block is not counted.
fn counted(block: *mut u8, size: usize) -> *mut u8 {
    if !block.is_null() {
        count(size);
    }
    block
}

fn count(size: usize) {
    CALLS.fetch_add(1, Relaxed);
    let live = LIVE.fetch_add(size, Relaxed) + size;
    if live > PEAK.load(Relaxed) {
        PEAK.fetch_max(live, Relaxed);
    }
}

/// Requests huge pages for the block; a system without them ignores this.
fn advise(block: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    if size >= HUGE && !block.is_null() {
        let before = block.align_offset(HUGE_PAGE);
        // SAFETY: whole huge pages inside a block that is ours.
        unsafe {
            libc::madvise(block.add(before).cast(), (size - before) / HUGE_PAGE * HUGE_PAGE, libc::MADV_HUGEPAGE)
        };
    }
}

impl CachingAllocator {
    fn reused(class: usize) -> Option<*mut u8> {
        let block = LISTS[class].take()?;
        CACHED.fetch_sub(size_of_class(class), Relaxed);
        Some(block)
    }

    /// # Safety
    /// As `GlobalAlloc::alloc`.
    unsafe fn fresh(class: usize, zeroed: bool) -> *mut u8 {
        let layout = layout_of_class(class);
        // SAFETY: the layout is not empty.
        let block = unsafe { Self::system(layout, zeroed) };
        advise(block, layout.size());
        block
    }

    /// # Safety
    /// As `GlobalAlloc::alloc`.
    #[inline]
    unsafe fn system(layout: Layout, zeroed: bool) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { if zeroed { System.alloc_zeroed(layout) } else { System.alloc(layout) } };
        if !block.is_null() {
            return block;
        }
        let block = asked_again(layout);
        if zeroed && !block.is_null() {
            // SAFETY: the block is of this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }
}

// SAFETY: blocks come from the system with a layout at least as large and as aligned as requested; this layout follows
// only from the requested one. A block is either in one list or has one owner.
unsafe impl GlobalAlloc for CachingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = match class_of(&layout) {
            // SAFETY: the caller's promise.
            None => unsafe { Self::system(layout, false) },
            // SAFETY: as above.
            Some(class) => Self::reused(class).unwrap_or_else(|| unsafe { Self::fresh(class, false) }),
        };
        counted(block, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = match class_of(&layout).map(|class| (class, Self::reused(class))) {
            // SAFETY: the caller's promise.
            None => unsafe { Self::system(layout, true) },
            Some((_, Some(block))) => {
                // SAFETY: the block is at least as large as its class.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            // SAFETY: the caller's promise.
            Some((class, None)) => unsafe { Self::fresh(class, true) },
        };
        counted(block, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        let Some(class) = class_of(&layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.dealloc(block, layout) };
        };
        let size = size_of_class(class);
        if CACHED.fetch_add(size, Relaxed) + size <= CACHE_LIMIT && LISTS[class].put(block) {
            return;
        }
        CACHED.fetch_sub(size, Relaxed);
        // SAFETY: the block came from the system with its class's layout.
        unsafe { System.dealloc(block, layout_of_class(class)) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that is valid with this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let (old_class, new_class) = (class_of(&layout), class_of(&new_layout));
        if old_class == new_class {
            let block = match old_class {
                // SAFETY: a block of the system's, as above.
                None => unsafe { System.realloc(block, layout, new_size) },
                Some(_) => block,
            };
            if !block.is_null() {
                LIVE.fetch_sub(layout.size(), Relaxed);
                count(new_size);
                return block;
            }
            // The system could not grow the block: a second one is requested in the usual way.
        }
        // SAFETY: both blocks hold the bytes that are copied; the old one is freed after.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: CachingAllocator = CachingAllocator;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 4).unwrap()
    }

    #[test]
    fn size_classes_fit_the_request_and_waste_little() {
        for size in (SMALLEST..40 << 20).step_by(4097).chain([SMALLEST, 2 * SMALLEST, 2 * SMALLEST + 1, LARGEST / 2]) {
            let class = class_of(&layout(size)).unwrap();
            let given = size_of_class(class);
            assert!(given >= size && given - size <= size / 8, "{size} in {given}");
            assert!(class == 0 || size_of_class(class - 1) < size, "{size} fits the class below");
        }
        assert!(class_of(&layout(SMALLEST - 1)).is_none() && class_of(&layout(LARGEST + 1)).is_none());
        assert!(class_of(&Layout::from_size_align(1 << 20, 4096).unwrap()).is_none());
    }

    #[test]
    fn a_freed_block_comes_back_aligned_and_zeroed_until_it_is_trimmed() {
        // No other test requests this size.
        let size = (37 << 20) + 12_345;
        let mut first = vec![7u8; size];
        let address = first.as_mut_ptr();
        assert_eq!(address as usize % ALIGN, 0);
        drop(first);
        let second = vec![0u8; size];
        assert!(std::ptr::eq(second.as_ptr(), address), "the block was not reused");
        assert!(second.iter().all(|byte| *byte == 0));
        assert!(live_bytes() >= size && peak_bytes() >= size && calls() > 0);
        drop(second);
        assert!(cached_bytes() >= size);
        trim();
        assert!(LISTS[class_of(&layout(size)).unwrap()].take().is_none());
    }

    #[test]
    fn a_refused_request_is_not_counted() {
        let refused = isize::MAX as usize - 4096;
        for _ in 0..2 {
            assert!(Vec::<u8>::new().try_reserve_exact(refused).is_err());
        }
        // The limit is far above what the other tests hold and far below the request.
        assert!(live_bytes() < 1 << 40 && peak_bytes() < 1 << 40, "{} {}", live_bytes(), peak_bytes());
    }

    #[test]
    fn growing_keeps_the_bytes() {
        let mut bytes: Vec<u8> = Vec::new();
        for i in 0..3_000_000u32 {
            bytes.extend_from_slice(&i.to_le_bytes()[..1]);
        }
        assert!(bytes.iter().enumerate().all(|(i, byte)| *byte == i as u8));
        bytes.truncate(100_000);
        bytes.shrink_to_fit();
        assert!(bytes.iter().enumerate().all(|(i, byte)| *byte == i as u8));
    }

    #[test]
    fn a_locked_list_is_skipped() {
        let list = List::new();
        assert!(list.enter());
        assert!(list.take().is_none() && !list.put(null_mut()));
    }

    #[test]
    fn threads_that_share_a_size_never_share_a_block() {
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                scope.spawn(move || {
                    for _ in 0..300 {
                        let held: Vec<Vec<u8>> = (0..4).map(|i| vec![thread * 4 + i; 70_001]).collect();
                        for (i, block) in held.iter().enumerate() {
                            assert!(block.iter().all(|byte| *byte == thread * 4 + i as u8));
                        }
                    }
                });
            }
        });
    }
}
