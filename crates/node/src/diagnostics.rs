//! Information about the addon and its machine.

use limbeck_bench::golden;
use limbeck_core::allocator;
use limbeck_core::error::Error;
use limbeck_core::{machine, schema};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use serde_json::json;

use crate::calls::call;
use crate::errors::{guarded, panic_point};
use crate::reply::Reply;

/// Version of the native binary; the facade compares it with its own.
#[napi(catch_unwind)]
pub fn native_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Instruction set, threads and memory, as JSON.
#[napi(js_name = "doctor", catch_unwind)]
pub fn doctor_report() -> napi::Result<String> {
    guarded(|| {
        panic_point("doctor");
        let mut report = machine::report();
        report["version"] = json!(env!("CARGO_PKG_VERSION"));
        report["memory"] = memory_json();
        Ok(report.to_string())
    })
}

/// JSON schemas of all options.
#[napi(js_name = "schema", catch_unwind)]
pub fn option_schemas() -> napi::Result<String> {
    guarded(|| {
        panic_point("schema");
        Ok(schema::all().to_string())
    })
}

/// Every loss with its source and its requirements, as JSON.
#[napi(catch_unwind)]
pub fn losses() -> napi::Result<String> {
    guarded(|| {
        let all = limbeck_core::losses::catalogue()?;
        serde_json::to_string(&all).map_err(|error| Error::internal(error.to_string()))
    })
}

/// Whether a loss in these options needs a teacher.
#[napi(catch_unwind)]
pub fn losses_need_teacher(json: String) -> napi::Result<bool> {
    guarded(|| {
        let losses = limbeck_core::losses::Losses::new(limbeck_core::reading::parse(&json)?);
        Ok(losses.map_err(|error| error.at("losses"))?.needs_teacher())
    })
}

/// Runs the cases of one golden file. Returns JSON with one result per case, precision and instruction set.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn golden<'env>(env: &'env Env, json: String, kind: String) -> napi::Result<Object<'env>> {
    let (reply, promise) = Reply::new(env)?;
    call(reply, move |_| {
        let results = golden::run(&json, &kind)?;
        serde_json::to_string(&results).map_err(|error| Error::internal(error.to_string()))
    });
    Ok(promise)
}

fn memory_json() -> serde_json::Value {
    json!({
        "liveBytes": allocator::live_bytes(),
        "peakBytes": allocator::peak_bytes(),
        "cachedBytes": allocator::cached_bytes(),
        "allocations": allocator::calls(),
    })
}

/// Native memory as JSON: in use, at its peak, and cached for reuse.
#[napi(catch_unwind)]
pub fn memory() -> String {
    panic_point("memory");
    memory_json().to_string()
}

/// Returns cached memory to the system.
#[napi(catch_unwind)]
pub fn trim_memory() {
    allocator::trim();
}
