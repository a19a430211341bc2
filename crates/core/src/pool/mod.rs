//! The thread pool of the kernels: a private team of threads, which a run enters once per step.
//!
//! Work is divided into tasks by the shapes of tensors, never by the number of threads, and every reduction has a fixed
//! order. The result therefore has the same bits for any number of threads.

mod team;

use std::cell::RefCell;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use team::Team;

/// Stack size of a thread; it reserves address space, not memory. Deeply nested models may recurse.
const STACK: usize = 64 << 20;

pub struct Pool(Arc<Team>);

thread_local! {
    /// The team that this thread has entered; `None` while the thread runs a task of a team.
    static ENTERED: RefCell<Option<Arc<Team>>> = const { RefCell::new(None) };
}

/// Restores the previous team when it is dropped, also during a panic.
struct Restore(Option<Arc<Team>>);

impl Restore {
    fn replacing(team: Option<Arc<Team>>) -> Restore {
        Restore(ENTERED.replace(team))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        ENTERED.set(self.0.take());
    }
}

impl Pool {
    /// A pool of `threads` threads, including the one that enters it. Default: one less than this process may use, so that
    /// the thread of the event loop stays free, but at least one.
    pub fn new(threads: Option<usize>) -> Result<Pool> {
        let threads = threads.unwrap_or_else(default_threads).max(1);
        let team = Team::new(threads, STACK);
        team.map(|team| Pool(Arc::new(team))).map_err(|error| {
            let message = format!("expected the system to start {threads} threads, got: {error}; lower threads");
            Error::new(Code::Busy, "threads", message)
        })
    }

    /// A pool of only the entering thread.
    pub fn alone() -> Pool {
        Pool(Arc::new(Team::alone()))
    }

    pub fn threads(&self) -> usize {
        self.0.threads()
    }

    /// Runs `work` on this thread; inside, `tasks` also uses the other threads. A panic inside is passed to the caller.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let _restore = Restore::replacing(Some(self.0.clone()));
        work()
    }
}

/// Number of threads that this process may run at once, within its affinity and cgroup quota.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One less than `cores()`, but at least one.
pub fn default_threads() -> usize {
    cores().saturating_sub(1).max(1)
}

fn run(count: usize, task: &(dyn Fn(usize) + Sync)) {
    match if count < 2 { None } else { ENTERED.take() } {
        None => (0..count).for_each(task),
        Some(team) => {
            // If a task starts tasks, they run on the same thread.
            let _restore = Restore(Some(team.clone()));
            team.run(count, task);
        }
    }
}

/// Runs `task(0..count)` on the threads of the current pool; outside of a pool, on this thread only.
pub(crate) fn tasks(count: usize, task: impl Fn(usize) + Sync + Send) {
    run(count, &task)
}

/// Splits `data` into pieces of `size` (the last may be shorter) and runs `task(index, piece)` on each.
pub(crate) fn pieces<T: Send>(data: &mut [T], size: usize, task: impl Fn(usize, &mut [T]) + Sync + Send) {
    team::pieces(data, size.max(1), task, run)
}

/// Like `pieces`, for two slices of equal length that are filled together.
pub(crate) fn pairs<T: Send, U: Send>(
    first: &mut [T],
    second: &mut [U],
    size: usize,
    task: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    let size = size.max(1);
    each(first.chunks_mut(size).zip(second.chunks_mut(size)).collect(), |index, (a, b)| task(index, a, b))
}

/// Runs `task(index, item)` on each item; an item can combine pieces of several output buffers.
pub(crate) fn each<T: Send>(items: Vec<T>, task: impl Fn(usize, T) + Sync + Send) {
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    pieces(&mut items, 1, |index, item| item.iter_mut().filter_map(Option::take).for_each(|item| task(index, item)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_task_runs_once_whatever_the_number_of_threads() {
        for threads in 1..=4 {
            let pool = Pool::new(Some(threads)).unwrap();
            assert_eq!(pool.threads(), threads);
            for count in [0, 1, 2, 3, 7, 64, 1000] {
                let hits: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                for round in 1..=20 {
                    pool.enter(|| tasks(count, |i| _ = hits[i].fetch_add(1, Ordering::Relaxed)));
                    assert!(hits.iter().all(|hit| hit.load(Ordering::Relaxed) == round), "{threads} {count}");
                }
            }
        }
    }

    #[test]
    fn pieces_cover_the_slice_and_each_item_is_passed_once() {
        let pool = Pool::new(Some(3)).unwrap();
        pool.enter(|| {
            let mut data = vec![0usize; 1001];
            pieces(&mut data, 10, |index, piece| piece.iter_mut().for_each(|x| *x += index + 1));
            assert!(data.iter().enumerate().all(|(i, x)| *x == i / 10 + 1));
            let mut other = vec![0u8; 1001];
            pairs(&mut data, &mut other, 10, |index, a, b| {
                a.fill(index);
                b.fill(7);
            });
            assert!(data.iter().enumerate().all(|(i, x)| *x == i / 10) && other.iter().all(|x| *x == 7));
            let total = AtomicUsize::new(0);
            each((0..100).map(|i| vec![i]).collect(), |index, item: Vec<usize>| {
                assert_eq!(item, [index]);
                total.fetch_add(item[0], Ordering::Relaxed);
            });
            assert_eq!(total.into_inner(), 4950);
        });
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_the_pool_stays_usable() {
        let pool = Pool::new(Some(2)).unwrap();
        for bad in [0, 5, 63] {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pool.enter(|| tasks(64, |i| assert!(i != bad, "task {i} fails")));
            }));
            let message = *caught.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(message, format!("task {bad} fails"));
            let ran = AtomicUsize::new(0);
            pool.enter(|| tasks(64, |_| _ = ran.fetch_add(1, Ordering::Relaxed)));
            assert_eq!(ran.into_inner(), 64);
        }
    }

    #[test]
    fn tasks_inside_tasks_and_entries_from_two_threads_do_not_hang() {
        let pool = Pool::new(Some(2)).unwrap();
        let ran = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        pool.enter(|| tasks(8, |_| tasks(8, |_| _ = ran.fetch_add(1, Ordering::Relaxed))));
                    }
                });
            }
        });
        assert_eq!(ran.into_inner(), 2 * 50 * 64);
    }
}
