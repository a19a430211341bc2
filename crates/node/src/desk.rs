//! Threads for work that is no training job: one predictor for the process, short-lived ones for files.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use limbeck_core::error::{Error, Result};
use limbeck_core::pool::Pool;
use napi::bindgen_prelude::ToNapiValue;

use crate::errors::{guarded, panic_point};
use crate::reply::Reply;

type Work = Box<dyn FnOnce(&Pool) + Send>;

static PREDICTOR: OnceLock<Mutex<Option<Sender<Work>>>> = OnceLock::new();

/// Answers on the predictor's thread, in the order of the calls.
pub(crate) fn predict<T: ToNapiValue + Send + 'static>(
    reply: Reply<T>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) {
    let task: Work = Box::new(move |pool| {
        let result = guarded(|| {
            panic_point("predictor");
            pool.enter(|| {
                panic_point("pool.enter");
                work()
            })
        });
        reply.send(result);
    });
    let mut sender = PREDICTOR.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let unsent = match sender.as_ref() {
        Some(open) => open.send(task).err().map(|unsent| unsent.0),
        None => Some(task),
    };
    // The first call, or the thread ended: a new one. Where none can be started the reply is dropped and rejects.
    if let Some(task) = unsent {
        *sender = start();
        if let Some(open) = sender.as_ref() {
            let _ = open.send(task);
        }
    }
}

fn start() -> Option<Sender<Work>> {
    let (sender, inbox) = channel::<Work>();
    let pool = Pool::new(None).ok()?;
    std::thread::Builder::new()
        .name("limbeck-predict".into())
        .spawn(move || {
            for work in inbox {
                work(&pool);
            }
        })
        .ok()?;
    Some(sender)
}

/// Answers on a thread that lives for this call: files, evaluations.
pub(crate) fn once<T: ToNapiValue + Send + 'static>(
    name: &str,
    reply: Reply<T>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> napi::Result<()> {
    let thread = std::thread::Builder::new().name(format!("limbeck-{name}")).stack_size(64 << 20).spawn(move || {
        let result = guarded(|| {
            panic_point("once");
            work()
        });
        reply.send(result);
    });
    thread
        .map(drop)
        .map_err(|error| crate::errors::napi(Error::internal(format!("no thread could be started: {error}"))))
}
