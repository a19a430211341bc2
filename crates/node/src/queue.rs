//! Predictions: one thread per lane for the whole process, each with a separate team.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use limbeck_core::error::{Error, Result};
use limbeck_core::pool::{self, Pool};
use napi::bindgen_prelude::ToNapiValue;

use crate::calls::no_thread;
use crate::errors::{guarded, panic_point};
use crate::priority::lower_priority;
use crate::reply::{Reply, open_post};

type Work = Box<dyn FnOnce(Result<&Pool>) + Send>;

/// Predictions of one lane run in the order of the calls; different lanes run at the same time.
#[derive(Clone, Copy)]
pub(crate) enum Lane {
    /// Predictions that a caller waits for.
    Asked,
    /// A service's second prediction for rows with an uncertain first one; certain rows overtake it.
    Fallback,
    /// Predictions that no caller waits for; lowest priority.
    Shadow,
}

/// Added to the niceness of the shadow's threads.
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

/// The sender of each lane.
static PREDICTORS: [Mutex<Option<Sender<Work>>>; 3] = [const { Mutex::new(None) }; 3];

/// Predicts on the thread of this lane and settles the promise with the result.
pub(crate) fn predict<T: ToNapiValue + Send + 'static>(
    lane: Lane,
    reply: Reply<T>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) {
    let task: Work = Box::new(move |pool| {
        let result = guarded(|| {
            panic_point("predictor");
            pool?.enter(|| {
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
        // If the post thread cannot start, the shadow's thread sends its replies itself.
        let _ = open_post();
    }
    let mut sender = PREDICTORS[lane as usize].lock().unwrap_or_else(PoisonError::into_inner);
    let unsent = match sender.as_ref() {
        Some(open) => open.send(task).err().map(|unsent| unsent.0),
        None => Some(task),
    };
    // This is the first call, or the thread has ended: start a new thread.
    let Some(task) = unsent else { return };
    let refused = match start(lane) {
        Ok(open) => sender.insert(open).send(task).err().map(|unsent| (unsent.0, Error::internal("the thread ended"))),
        Err(error) => Some((task, no_thread(&error))),
    };
    drop(sender);
    if let Some((task, error)) = refused {
        task(Err(error));
    }
}

fn start(lane: Lane) -> std::io::Result<Sender<Work>> {
    let (sender, inbox) = channel::<Work>();
    // A thread gets the priority of the thread that starts it.
    let priority = match lane {
        Lane::Asked | Lane::Fallback => 0,
        Lane::Shadow => SHADOW_NICENESS,
    };
    let helped = std::thread::Builder::new().name("limbeck-team".into()).spawn(move || {
        // A caller waits for the batch, so all cores compute it, with a lower priority than the event loop.
        lower_priority(priority);
        Pool::new(Some(pool::cores()))
    })?;
    let pool = helped.join().ok().and_then(Result::ok).unwrap_or_else(Pool::alone);
    std::thread::Builder::new().name("limbeck-predict".into()).spawn(move || {
        if priority > 0 {
            lower_priority(priority);
        }
        for work in inbox {
            work(Ok(&pool));
        }
    })?;
    Ok(sender)
}
