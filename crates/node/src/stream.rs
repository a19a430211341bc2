//! Batches that JavaScript pushes: a bounded queue between the event loop and the trainer thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use limbeck_core::batch::Batch;
use limbeck_core::error::{Code, Error, Result};
use limbeck_core::run::Stream;
use limbeck_core::signature::Signature;

use crate::reply::Reply;

/// Maximum number of queued batches if the producer waits for a free slot.
const ROOM: usize = 2;

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    /// Calls that wait for a free slot. A pending promise keeps the process alive, so these calls exist only while the
    /// trainer works.
    waiting: VecDeque<Reply<bool>>,
    working: bool,
    ended: bool,
    /// The reason, if the stream ended early.
    shortfall: Option<String>,
    failed: Option<String>,
}

#[derive(Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// The signature of the batches.
    pub signature: OnceLock<Signature>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch; returns whether there is a slot for another one.
    pub fn push(&self, batch: Batch) -> bool {
        let mut queue = self.lock();
        queue.batches.push_back(batch);
        let room = queue.batches.len() < ROOM;
        drop(queue);
        self.changed.notify_all();
        room
    }

    /// Replies true once there is a free slot, false once the trainer is idle and takes no batches.
    pub fn room(&self, reply: Reply<bool>) {
        let mut queue = self.lock();
        let room = queue.batches.len() < ROOM;
        if !room && queue.working {
            return queue.waiting.push_back(reply);
        }
        drop(queue);
        reply.send(Ok(room));
    }

    /// Called when the trainer starts to work, or becomes idle; waiting calls are then released.
    pub fn work(&self, working: bool) {
        let waiting = {
            let mut queue = self.lock();
            queue.working = working;
            if working { VecDeque::new() } else { std::mem::take(&mut queue.waiting) }
        };
        waiting.into_iter().for_each(|reply| reply.post(Ok(false)));
    }

    /// `shortfall` is the reason if the stream ended with fewer batches than requested.
    pub fn end(&self, shortfall: Option<String>) {
        let mut queue = self.lock();
        (queue.ended, queue.shortfall) = (true, shortfall);
        drop(queue);
        self.changed.notify_all();
    }

    pub fn fail(&self, message: String) {
        self.lock().failed = Some(message);
        self.changed.notify_all();
    }

    /// Wakes a waiting trainer, which then checks `cancel` and `hurry`.
    pub fn wake(&self) {
        // With the lock held, the trainer either has not checked the flags yet, or already waits.
        let _queue = self.lock();
        self.changed.notify_all();
    }
}

pub(crate) struct Pushed {
    pub inbox: Arc<Inbox>,
    /// Set when the caller leaves the run, which then ends without waiting for a batch.
    pub hurry: Arc<AtomicBool>,
}

impl Stream for Pushed {
    fn signature(&self) -> Signature {
        self.inbox.signature.get().cloned().unwrap_or_default()
    }

    fn next(&mut self, cancel: &AtomicBool) -> Result<Option<Batch>> {
        let mut queue = self.inbox.lock();
        loop {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            if let Some(batch) = queue.batches.pop_front() {
                let reply = queue.waiting.pop_front();
                drop(queue);
                if let Some(reply) = reply {
                    reply.post(Ok(true));
                }
                return Ok(Some(batch));
            }
            if let Some(message) = &queue.failed {
                return Err(Error::new(Code::InvalidData, "data", format!("the stream of batches failed: {message}")));
            }
            if queue.ended {
                return Ok(None);
            }
            if self.hurry.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            // The time limit is a precaution: a missed `notify` costs a moment and does not stop the run.
            let waited = self.inbox.changed.wait_timeout(queue, Duration::from_millis(100));
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn follows(&mut self, patience: Duration) -> Option<bool> {
        let unknown = |queue: &mut Queue| queue.batches.is_empty() && !queue.ended && queue.failed.is_none();
        let waited = self.inbox.changed.wait_timeout_while(self.inbox.lock(), patience, |queue| {
            unknown(queue) && !self.hurry.load(Ordering::Relaxed)
        });
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        (!unknown(&mut queue)).then(|| !queue.batches.is_empty() || queue.failed.is_some())
    }

    fn shortfall(&self) -> Option<String> {
        self.inbox.lock().shortfall.clone()
    }
}
