//! Calls that would block the event loop, other than predictions and training: files, evaluations, analyses.
//!
//! They run on a few threads that share one team for their kernels; further calls wait in a queue. A thread that has
//! been idle for a while ends. If no thread can be started, the call rejects.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use limbeck_core::error::{Code, Error, Result};
use limbeck_core::pool::Pool;
use napi::bindgen_prelude::ToNapiValue;

use crate::errors::{guarded, panic_point};
use crate::reply::Reply;

/// Maximum number of threads. An analysis may take minutes, and a save must not wait for it.
const THREADS: usize = 16;
/// Address space, not memory: deep drops may recurse.
const STACK: usize = 64 << 20;
/// How long a thread waits for another call.
const IDLE: Duration = Duration::from_secs(1);

type Work = Box<dyn FnOnce(Result<&Pool>) + Send>;

struct Queue {
    waiting: VecDeque<Work>,
    threads: usize,
    idle: usize,
    /// The team of the running threads.
    pool: Weak<Pool>,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { waiting: VecDeque::new(), threads: 0, idle: 0, pool: Weak::new() });
static CHANGED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the work on one of the threads and settles the promise with its result.
pub(crate) fn call<T: ToNapiValue + Send + 'static>(
    reply: Reply<T>,
    work: impl FnOnce(&Pool) -> Result<T> + Send + 'static,
) {
    let work: Work = Box::new(move |pool| {
        reply.send(guarded(|| {
            panic_point("call");
            work(pool?)
        }));
    });
    let mut queue = lock();
    queue.waiting.push_back(work);
    if queue.waiting.len() <= queue.idle {
        return CHANGED.notify_one();
    }
    if queue.threads == THREADS {
        return;
    }
    match std::thread::Builder::new().name("limbeck-call".into()).stack_size(STACK).spawn(serve) {
        Ok(_) => queue.threads += 1,
        // One of the running threads will take this call.
        Err(_) if queue.threads > 0 => {}
        Err(error) => {
            let work = queue.waiting.pop_back();
            drop(queue);
            if let Some(work) = work {
                work(Err(no_thread(&error)));
            }
        }
    }
}

/// The error if the system cannot start another thread.
pub(crate) fn no_thread(error: &std::io::Error) -> Error {
    let message = format!(
        "expected the system to start a thread, got: {error}; try again after other threads have ended, or raise the \
         limit of threads or memory"
    );
    Error::new(Code::Busy, "", message)
}

fn serve() {
    let pool = team();
    let mut queue = lock();
    loop {
        if let Some(work) = queue.waiting.pop_front() {
            drop(queue);
            work(Ok(&pool));
            queue = lock();
            continue;
        }
        queue.idle += 1;
        let waited = CHANGED.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
        queue = waited.0;
        queue.idle -= 1;
        if waited.1.timed_out() && queue.waiting.is_empty() {
            queue.threads -= 1;
            return;
        }
    }
}

/// The team of the running threads, or a new one. Without helpers if none can be started.
fn team() -> Arc<Pool> {
    if let Some(pool) = lock().pool.upgrade() {
        return pool;
    }
    // Threads are started without the lock, because the event loop may need it.
    let pool = Arc::new(Pool::new(None).unwrap_or_else(|_| Pool::alone()));
    let mut queue = lock();
    match queue.pool.upgrade() {
        Some(other) => other,
        None => {
            queue.pool = Arc::downgrade(&pool);
            pool
        }
    }
}
