//! A promise that settles exactly once: if the reply is dropped before (early return, panic, closed channel), the promise
//! rejects.
//!
//! napi leaves a dropped deferred pending forever, and a pending deferred keeps the process alive.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use limbeck_core::error::Error;
use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, JsDeferred};

use crate::errors::{napi, panic_point};

type Resolver<T> = Box<dyn FnOnce(Env) -> napi::Result<T> + Send>;

pub(crate) struct Reply<T: ToNapiValue + Send + 'static>(Option<JsDeferred<T, Resolver<T>>>);

// SAFETY: a deferred may be settled from any thread: napi queues the settlement on the JavaScript thread. The value
// it carries is `Send`.
unsafe impl<T: ToNapiValue + Send + 'static> Send for Reply<T> {}

impl<T: ToNapiValue + Send + 'static> Reply<T> {
    /// The reply, and the promise that it settles.
    pub fn new(env: &Env) -> napi::Result<(Reply<T>, Object<'_>)> {
        let (deferred, promise) = env.create_deferred()?;
        Ok((Reply(Some(deferred)), promise))
    }

    pub fn send(mut self, result: napi::Result<T>) {
        panic_point("reply");
        if let Some(deferred) = self.0.take() {
            match result {
                Ok(value) => deferred.resolve(Box::new(move |_| Ok(value))),
                Err(error) => deferred.reject(error),
            }
        }
    }
}

type Letter = Box<dyn FnOnce() + Send>;

static POST: Mutex<Option<Sender<Letter>>> = Mutex::new(None);

/// Starts the thread that sends the replies of trainer threads, if it does not run yet. Called on the JavaScript thread,
/// whose priority the new thread gets.
///
/// napi wakes the event loop while it holds a lock that the event loop then needs. A trainer thread would be preempted by
/// the thread that it wakes, and may wait long until it runs again; therefore it must not hold the lock.
pub(crate) fn open_post() -> std::io::Result<()> {
    let mut post = POST.lock().unwrap_or_else(PoisonError::into_inner);
    if post.is_none() {
        let (sender, letters) = channel::<Letter>();
        std::thread::Builder::new().name("limbeck-post".into()).spawn(move || {
            for letter in letters {
                // A panic drops the pending reply, whose promise then rejects.
                let _ = catch_unwind(AssertUnwindSafe(letter));
            }
        })?;
        *post = Some(sender);
    }
    Ok(())
}

impl<T: ToNapiValue + Send + 'static> Reply<T> {
    /// Sends from the post thread.
    pub fn post(self, result: napi::Result<T>) {
        let letter: Letter = Box::new(move || self.send(result));
        let post = POST.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match post {
            Some(post) => post.send(letter).unwrap_or_else(|unsent| unsent.0()),
            None => letter(),
        }
    }
}

impl<T: ToNapiValue + Send + 'static> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(deferred) = self.0.take() {
            deferred.reject(napi(Error::internal("the thread that computes the result has ended")));
        }
    }
}
