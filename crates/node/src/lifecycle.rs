//! The jobs of this environment; they are stopped when the environment is torn down.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use napi::Env;

use crate::job::Control;

/// How long a torn-down environment waits for its trainer threads.
const PATIENCE: Duration = Duration::from_millis(200);

thread_local! {
    /// Jobs of this thread's environment; `None` until the first one.
    static JOBS: RefCell<Option<Vec<Weak<Control>>>> = const { RefCell::new(None) };
}

/// Registers a job, so that it is cancelled when its environment ends (a worker is terminated, or the process exits).
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
