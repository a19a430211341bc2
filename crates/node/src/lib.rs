//! The Node addon.
use napi_derive::napi;

/// Version of the native binary; the facade compares it with its own.
#[napi(catch_unwind)]
pub fn native_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
