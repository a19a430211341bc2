//! What another thread made for a promise. An object of a class can be created only on the JavaScript thread, so the promise
//! carries the value, which becomes the object there.

use napi::Env;
use napi::bindgen_prelude::ToNapiValue;
use napi::sys::{napi_env, napi_value};

/// A value that becomes an object of a class.
pub(crate) trait IntoObject {
    type Class: ToNapiValue;

    fn object(self, env: &Env) -> Self::Class;
}

pub(crate) struct Made<T>(pub T);

impl<T: IntoObject> ToNapiValue for Made<T> {
    unsafe fn to_napi_value(env: napi_env, made: Self) -> napi::Result<napi_value> {
        let object = made.0.object(&Env::from_raw(env));
        // SAFETY: napi passed `env` to this call, on the thread of that environment.
        unsafe { ToNapiValue::to_napi_value(env, object) }
    }
}
