//! Commands from JavaScript's thread to the trainer thread, each with its reply, and flags that both read without waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use limbeck_core::error::{Code, Error};

use crate::errors::napi;
use crate::model::Claim;
use crate::reply::Reply;
use crate::stream::Inbox;

/// Operations on a job that other threads can do without waiting for it.
#[derive(Default)]
pub(crate) struct Control {
    pub cancel: Arc<AtomicBool>,
    pub hurry: Arc<AtomicBool>,
    /// Whether a command is queued or running; a trainer that waits for a command is idle.
    running: AtomicBool,
    pub inbox: Arc<Inbox>,
    /// The exclusive right to train the students, while this job's run exists.
    pub claims: Mutex<Vec<Claim>>,
}

impl Control {
    /// Lets another job train the student.
    pub fn release(&self) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
        self.inbox.wake();
    }

    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.inbox.wake();
    }

    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    pub fn work(&self, working: bool) {
        self.running.store(working, Ordering::Relaxed);
        self.inbox.work(working);
    }

    /// Whether this error means that the caller left the run while it waited for a batch.
    pub fn was_left(&self, error: &Error) -> bool {
        let flag = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        error.code == Code::Cancelled && flag(&self.hurry) && !flag(&self.cancel)
    }
}

pub(super) enum Command {
    Next(Reply<Option<String>>),
    Checkpoint(Reply<String>),
    Stop(Reply<()>),
}

impl Command {
    pub fn fail(self, error: napi::Error) {
        match self {
            Command::Next(reply) => reply.post(Err(error)),
            Command::Checkpoint(reply) => reply.post(Err(error)),
            Command::Stop(reply) => reply.post(Err(error)),
        }
    }

    /// Replies for a job that has ended: it has no further reports and nothing to save.
    pub fn ended(self) {
        match self {
            Command::Next(reply) => reply.post(Ok(None)),
            Command::Stop(reply) => reply.post(Ok(())),
            Command::Checkpoint(reply) => {
                reply.post(Err(napi(Error::new(Code::Disposed, "checkpoint", "the run has ended"))));
            }
        }
    }
}
