//! State that outlives a call: jobs of this environment, stopped at its teardown; native memory reported to V8.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use limbeck_core::allocator;
use napi::Env;

use crate::job::Control;

/// How long a torn-down environment waits for its trainer threads.
const PATIENCE: Duration = Duration::from_millis(200);

thread_local! {
    /// Jobs of this thread's environment; `None` until the first one.
    static JOBS: RefCell<Option<Vec<Weak<Control>>>> = const { RefCell::new(None) };
}

/// Remembers a job, so that it is cancelled when its environment ends: a worker that is terminated, a process that exits.
pub(crate) fn register(env: &Env, job: &Arc<Control>) -> napi::Result<()> {
    let first = JOBS.with_borrow_mut(|jobs| {
        let first = jobs.is_none();
        let jobs = jobs.get_or_insert_default();
        jobs.retain(|job| job.strong_count() > 0);
        jobs.push(Arc::downgrade(job));
        first
    });
    if first {
        env.add_env_cleanup_hook((), |()| end_all())?;
    }
    Ok(())
}

fn end_all() {
    let jobs: Vec<Arc<Control>> =
        JOBS.with_borrow_mut(|jobs| jobs.take().unwrap_or_default().iter().filter_map(Weak::upgrade).collect());
    jobs.iter().for_each(|job| job.cancel());
    let until = Instant::now() + PATIENCE;
    while jobs.iter().any(|job| job.is_running()) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Freed bytes from which on it pays to give the allocator's cache back to the system.
const LARGE: u64 = 16 << 20;

/// Returns memory to the system after this many bytes were freed, on another thread, since unmapping takes time.
pub(crate) fn trim_after(bytes: u64) {
    static TRIMMING: AtomicBool = AtomicBool::new(false);
    if bytes < LARGE || TRIMMING.swap(true, Ordering::AcqRel) {
        return;
    }
    let thread = std::thread::Builder::new().name("limbeck-trim".into()).spawn(|| {
        // Memory freed from here on starts another trim thread.
        TRIMMING.store(false, Ordering::Release);
        allocator::trim();
    });
    if thread.is_err() {
        TRIMMING.store(false, Ordering::Release);
    }
}

/// Bytes behind a JavaScript object, told to V8 so that it collects forgotten ones; taken back once.
pub(crate) struct External(AtomicI64);

impl External {
    pub fn new(env: &Env, bytes: u64) -> External {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        // A refusal only makes the collector less eager.
        let _ = env.adjust_external_memory(bytes);
        External(AtomicI64::new(bytes))
    }

    pub fn release(&self, env: &Env) {
        let bytes = self.0.swap(0, Ordering::Relaxed);
        if bytes != 0 {
            let _ = env.adjust_external_memory(-bytes);
        }
    }
}
