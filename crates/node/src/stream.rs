//! Batches that JavaScript pushes: a bounded queue between the event loop and the trainer thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use limbeck_core::batch::Batch;
use limbeck_core::error::{Code, Error, Result};
use limbeck_core::run::Stream;

use crate::reply::Reply;

/// Batches that wait; a pusher is answered once there is room for its next one.
const ROOM: usize = 2;

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    waiting: VecDeque<Reply<()>>,
    ended: bool,
    failed: Option<String>,
}

#[derive(Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, batch: Batch, reply: Reply<()>) {
        let mut queue = self.lock();
        queue.batches.push_back(batch);
        let room = queue.batches.len() <= ROOM;
        let answered = if room {
            Some(reply)
        } else {
            queue.waiting.push_back(reply);
            None
        };
        drop(queue);
        self.changed.notify_all();
        if let Some(reply) = answered {
            reply.send(Ok(()));
        }
    }

    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    pub fn fail(&self, message: String) {
        self.lock().failed = Some(message);
        self.changed.notify_all();
    }

    /// Wakes a waiting trainer, so that it sees that it was cancelled; pushers are let go.
    pub fn wake(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        self.changed.notify_all();
        waiting.into_iter().for_each(|reply| reply.send(Ok(())));
    }
}

pub(crate) struct Pushed(pub Arc<Inbox>);

impl Stream for Pushed {
    fn next(&mut self, cancel: &AtomicBool) -> Result<Option<Batch>> {
        let mut queue = self.0.lock();
        loop {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            if let Some(batch) = queue.batches.pop_front() {
                let reply = queue.waiting.pop_front();
                drop(queue);
                if let Some(reply) = reply {
                    reply.send(Ok(()));
                }
                return Ok(Some(batch));
            }
            if let Some(message) = &queue.failed {
                return Err(Error::new(Code::InvalidData, "data", format!("the stream of batches failed: {message}")));
            }
            if queue.ended {
                return Ok(None);
            }
            // The time limit is a net below `notify`: a missed wake-up costs a moment, never the run.
            let waited = self.0.changed.wait_timeout(queue, Duration::from_millis(100));
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
