//! A team of threads that runs numbered tasks: the calling thread and its helpers.
//!
//! A region is one parallel loop: it publishes a function and a number of tasks. Each thread takes the next task number
//! until none is left; the caller returns when all tasks are finished. Between regions helpers spin, because waking one
//! takes as long as a small region; after `PATIENCE` without work they sleep, so that an idle team uses no CPU time.

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an idle helper spins before it sleeps. This is longer than the gap between two steps: on a virtual machine,
/// other guests get the core of a sleeping helper, which then wakes only after the caller has computed the step alone.
const PATIENCE: Duration = Duration::from_millis(1);
/// Spin iterations between two readings of the clock.
const TURNS: u32 = 64;
/// Spin iterations of the caller, waiting for unfinished tasks, before it yields to other threads.
const CALLER_TURNS: u32 = 2_000;

type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// A value on a separate cache line, because all threads write to it often.
#[repr(align(128))]
struct Line<T>(T);

struct Shared {
    /// Number of the region in the upper half, next task number in the lower half.
    next: Line<AtomicU64>,
    finished: Line<AtomicUsize>,
    /// Number of tasks of the region; 0 while a region is being set up.
    count: AtomicU64,
    /// The region's function, on the caller's stack.
    task: AtomicPtr<Task<'static>>,
    stop: AtomicBool,
    asleep: AtomicUsize,
    bed: Mutex<()>,
    wake: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn region(&self) -> u64 {
        self.next.0.load(SeqCst) >> 32
    }

    /// Runs tasks until none is left; returns whether it ran any.
    fn work(&self) -> bool {
        let mut any = false;
        loop {
            let next = self.next.0.load(SeqCst);
            let task = self.task.load(SeqCst);
            let index = next & u64::from(u32::MAX);
            if index >= self.count.load(SeqCst) {
                return any;
            }
            // This succeeds only if `task` and `count` belong to the current region.
            if self.next.0.compare_exchange_weak(next, next + 1, SeqCst, SeqCst).is_err() {
                continue;
            }
            any = true;
            // SAFETY: the caller of `run` keeps the function alive until all tasks of its region are finished; this task
            // is not finished yet.
            let task = unsafe { &*task };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(index as usize))) {
                lock(&self.panic).get_or_insert(panic);
            }
            self.finished.0.fetch_add(1, SeqCst);
        }
    }

    fn help(&self) {
        while !self.stop.load(SeqCst) {
            let seen = self.region();
            if self.work() {
                continue;
            }
            let idle = Instant::now();
            while self.region() == seen && idle.elapsed() < PATIENCE {
                (0..TURNS).for_each(|_| spin_loop());
            }
            if self.region() == seen {
                let mut bed = lock(&self.bed);
                self.asleep.fetch_add(1, SeqCst);
                while self.region() == seen && !self.stop.load(SeqCst) {
                    bed = self.wake.wait(bed).unwrap_or_else(PoisonError::into_inner);
                }
                self.asleep.fetch_sub(1, SeqCst);
            }
        }
    }

    fn wake_all(&self) {
        if self.asleep.load(SeqCst) > 0 {
            let _bed = lock(&self.bed);
            self.wake.notify_all();
        }
    }
}

pub struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// Allows one region at a time; if it is locked, another caller runs its tasks on its own thread.
    turn: Mutex<()>,
}

impl Team {
    /// A team of only the caller, without helpers.
    pub fn alone() -> Team {
        let shared = Arc::new(Shared {
            next: Line(AtomicU64::new(0)),
            finished: Line(AtomicUsize::new(0)),
            count: AtomicU64::new(0),
            task: AtomicPtr::new(std::ptr::null_mut()),
            stop: AtomicBool::new(false),
            asleep: AtomicUsize::new(0),
            bed: Mutex::new(()),
            wake: Condvar::new(),
            panic: Mutex::new(None),
        });
        Team { shared, helpers: Vec::new(), turn: Mutex::new(()) }
    }

    /// A team of `threads` threads, including the caller.
    pub fn new(threads: usize, stack: usize) -> std::io::Result<Team> {
        let mut team = Team::alone();
        for index in 1..threads {
            let shared = team.shared.clone();
            let builder = std::thread::Builder::new().name(format!("limbeck-{index}")).stack_size(stack);
            team.helpers.push(builder.spawn(move || shared.help())?);
        }
        Ok(team)
    }

    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Runs `task(0..count)`; a panic in a task is passed to the caller after the other tasks are done.
    pub fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        let turn = if self.helpers.is_empty() || count < 2 || count >= u32::MAX as usize {
            None
        } else {
            match self.turn.try_lock() {
                Ok(turn) => Some(turn),
                // A task of an earlier region panicked, but that region ended completely.
                Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        };
        let Some(_turn) = turn else { return (0..count).for_each(task) };
        let shared = &*self.shared;
        let mut task: Task<'_> = task;
        // The order matters: a task number becomes valid only once the function and the region are set.
        shared.count.store(0, SeqCst);
        shared.task.store((&raw mut task).cast(), SeqCst);
        shared.finished.0.store(0, SeqCst);
        shared.next.0.store((shared.region() + 1) << 32, SeqCst);
        shared.count.store(count as u64, SeqCst);
        shared.wake_all();
        shared.work();
        let mut turns = 0;
        while shared.finished.0.load(SeqCst) < count {
            turns += 1;
            if turns < CALLER_TURNS { spin_loop() } else { std::thread::yield_now() }
        }
        if let Some(panic) = lock(&shared.panic).take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        {
            let _bed = lock(&self.shared.bed);
            self.shared.wake.notify_all();
        }
        for helper in self.helpers.drain(..) {
            // A helper catches the panics of its tasks, so there is nothing to report.
            let _ = helper.join();
        }
    }
}

/// Splits `data` into pieces of `size` (the last may be shorter) and calls `run`, which runs the task once per index.
pub fn pieces<T: Send>(
    data: &mut [T],
    size: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
    run: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
) {
    struct Start<T>(*mut T);
    // SAFETY: each index touches its own piece.
    unsafe impl<T: Send> Sync for Start<T> {}
    impl<T> Start<T> {
        /// # Safety
        /// The range lies in the slice, and no overlapping part is alive.
        #[allow(clippy::mut_from_ref)]
        unsafe fn part(&self, from: usize, len: usize) -> &mut [T] {
            // SAFETY: the caller's promise.
            unsafe { std::slice::from_raw_parts_mut(self.0.add(from), len) }
        }
    }
    let (len, start) = (data.len(), Start(data.as_mut_ptr()));
    run(len.div_ceil(size), &|index| {
        let from = index * size;
        // SAFETY: pieces of different indices do not overlap, and each index is run once.
        task(index, unsafe { start.part(from, size.min(len - from)) });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_team_sleeps_and_wakes_for_the_next_region() {
        let team = Team::new(3, 1 << 20).unwrap();
        for _ in 0..3 {
            let ran = AtomicUsize::new(0);
            team.run(50, &|_| _ = ran.fetch_add(1, SeqCst));
            assert_eq!(ran.into_inner(), 50);
            let start = Instant::now();
            while team.shared.asleep.load(SeqCst) < 2 {
                assert!(start.elapsed() < Duration::from_secs(20), "helpers still spin");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn a_team_still_shares_its_work_after_a_panic() {
        let team = Team::new(2, 1 << 20).unwrap();
        let region = catch_unwind(AssertUnwindSafe(|| team.run(4, &|index| assert!(index != 2, "a task fails"))));
        assert!(region.is_err());
        let (here, met) = (AtomicUsize::new(0), AtomicUsize::new(0));
        team.run(2, &|_| {
            // Both tasks reach this line at the same time only if two threads run them.
            here.fetch_add(1, SeqCst);
            let start = Instant::now();
            while here.load(SeqCst) < 2 && start.elapsed() < Duration::from_secs(20) {
                std::thread::yield_now();
            }
            met.fetch_add(usize::from(start.elapsed() < Duration::from_secs(20)), SeqCst);
        });
        assert_eq!(met.into_inner(), 2);
    }

    #[test]
    fn dropping_a_team_ends_its_threads() {
        let team = Team::new(3, 1 << 20).unwrap();
        let shared = Arc::downgrade(&team.shared);
        drop(team);
        assert!(shared.upgrade().is_none());
    }
}
