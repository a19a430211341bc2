//! A promise that settles once: dropped unsettled (early return, panic, closed channel) it rejects.
//!
//! napi leaves a dropped deferred pending for ever, and a pending one keeps the process alive.

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
    /// The promise to hand out, and the reply that settles it.
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

impl<T: ToNapiValue + Send + 'static> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(deferred) = self.0.take() {
            deferred.reject(napi(Error::internal("the thread that would have answered has ended")));
        }
    }
}
