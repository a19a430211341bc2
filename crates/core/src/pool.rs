//! The threads that kernels run on: a private pool, entered once a step.
//!
//! Work is split by shape into tasks, never by thread, and every reduction has a fixed order: the bits
//! are the same for any number of threads.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// Address space, not memory: walks and deep drops may recurse.
const STACK: usize = 64 << 20;

pub struct Pool(rayon::ThreadPool);

impl Pool {
    /// `threads` workers; by default one less than this process may use, at least one, so that the
    /// thread of the caller stays free.
    pub fn new(threads: Option<usize>) -> Result<Pool> {
        let threads = threads.unwrap_or_else(default_threads).max(1);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .stack_size(STACK)
            .thread_name(|index| format!("limbeck-{index}"))
            .build()
            .map(Pool)
            .map_err(|error| Error::internal(format!("the thread pool did not start: {error}")))
    }

    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `work` on the pool; inside, `tasks` uses its threads. A panic inside comes back to the caller.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

/// Honours affinity and cgroup quota.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).max(1))
}

/// Runs `task(0..count)` on the threads of the pool we are inside; on this thread alone outside of one.
pub(crate) fn tasks(count: usize, task: impl Fn(usize) + Sync + Send) {
    if count <= 1 || rayon::current_thread_index().is_none() || rayon::current_num_threads() == 1 {
        (0..count).for_each(task);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// Splits `data` into pieces of `size` (the last may be shorter) and runs `task(index, piece)` on each.
pub(crate) fn pieces<T: Send>(data: &mut [T], size: usize, task: impl Fn(usize, &mut [T]) + Sync + Send) {
    let size = size.max(1);
    if data.len() <= size || rayon::current_thread_index().is_none() || rayon::current_num_threads() == 1 {
        data.chunks_mut(size).enumerate().for_each(|(index, piece)| task(index, piece));
    } else {
        data.par_chunks_mut(size).enumerate().for_each(|(index, piece)| task(index, piece));
    }
}

/// The same for two slices of one length that are filled together.
pub(crate) fn pairs<T: Send, U: Send>(
    first: &mut [T],
    second: &mut [U],
    size: usize,
    task: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    let size = size.max(1);
    if first.len() <= size || rayon::current_thread_index().is_none() || rayon::current_num_threads() == 1 {
        first.chunks_mut(size).zip(second.chunks_mut(size)).enumerate().for_each(|(i, (a, b))| task(i, a, b));
    } else {
        first.par_chunks_mut(size).zip(second.par_chunks_mut(size)).enumerate().for_each(|(i, (a, b))| task(i, a, b));
    }
}

/// Runs `task(index, item)` on each item: for work whose outputs lie in several buffers, zipped in pieces.
pub(crate) fn each<T: Send>(items: Vec<T>, task: impl Fn(usize, T) + Sync + Send) {
    if items.len() <= 1 || rayon::current_thread_index().is_none() || rayon::current_num_threads() == 1 {
        items.into_iter().enumerate().for_each(|(index, item)| task(index, item));
    } else {
        items.into_par_iter().enumerate().with_max_len(1).for_each(|(index, item)| task(index, item));
    }
}
