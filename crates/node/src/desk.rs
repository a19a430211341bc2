//! Threads for work that is no training job: predictors for the process, short-lived ones for files.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use limbeck_core::error::{Error, Result};
use limbeck_core::pool::{self, Pool};
use napi::bindgen_prelude::ToNapiValue;

use crate::courtesy::stand_back;
use crate::errors::{guarded, panic_point};
use crate::reply::{Reply, open_post};

type Work = Box<dyn FnOnce(&Pool) + Send>;

/// Who waits for whom: predictions of one lane are made in the order of the calls, lanes beside each other.
#[derive(Clone, Copy)]
pub(crate) enum Lane {
    /// Somebody waits.
    Asked,
    /// A service asks again about rows that its model is unsure of; the sure ones go past.
    Fallback,
    /// Nobody waits: it stands back behind everything else.
    Shadow,
}

/// How far the shadow stands back.
const SHADOW_NICENESS: u8 = 10;

impl Lane {
    pub fn of(name: Option<String>) -> Result<Lane> {
        match name.as_deref() {
            None => Ok(Lane::Asked),
            Some("fallback") => Ok(Lane::Fallback),
            Some("shadow") => Ok(Lane::Shadow),
            Some(other) => Err(Error::config("lane", format!("expected fallback or shadow, got {other}"))),
        }
    }
}

/// One for each lane.
static PREDICTORS: [Mutex<Option<Sender<Work>>>; 3] = [const { Mutex::new(None) }; 3];

/// Answers on the thread of this lane, in the order of the calls.
pub(crate) fn predict<T: ToNapiValue + Send + 'static>(
    lane: Lane,
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
        match lane {
            Lane::Asked | Lane::Fallback => reply.send(result),
            Lane::Shadow => reply.post(result),
        }
    });
    if matches!(lane, Lane::Shadow) {
        // Where it cannot be started the shadow sends for itself.
        let _ = open_post();
    }
    let mut sender = PREDICTORS[lane as usize].lock().unwrap_or_else(PoisonError::into_inner);
    let unsent = match sender.as_ref() {
        Some(open) => open.send(task).err().map(|unsent| unsent.0),
        None => Some(task),
    };
    // The first call, or the thread ended: a new one. Where none can be started the reply is dropped and rejects.
    if let Some(task) = unsent {
        *sender = start(lane);
        if let Some(open) = sender.as_ref() {
            let _ = open.send(task);
        }
    }
}

fn start(lane: Lane) -> Option<Sender<Work>> {
    let (sender, inbox) = channel::<Work>();
    // Threads have the priority of the one that starts them.
    let priority = match lane {
        Lane::Asked | Lane::Fallback => 0,
        Lane::Shadow => SHADOW_NICENESS,
    };
    let helped = std::thread::Builder::new().name("limbeck-team".into()).spawn(move || {
        // A batch takes milliseconds and whoever asked waits for it: all cores work, but the event loop goes first.
        stand_back(priority);
        Pool::new(Some(pool::cores()))
    });
    let pool = helped.ok()?.join().ok()?.ok()?;
    std::thread::Builder::new()
        .name("limbeck-predict".into())
        .spawn(move || {
            if priority > 0 {
                stand_back(priority);
            }
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
