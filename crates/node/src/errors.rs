//! Errors for JavaScript: the facade parses one JSON text and creates an instance of its error class.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use limbeck_core::blocks::refusal;
use limbeck_core::error::{Code, Error, Result, shortened};

/// The error as napi throws it.
pub(crate) fn napi(error: Error) -> napi::Error {
    describe(&error, None)
}

fn describe(error: &Error, details: Option<&str>) -> napi::Error {
    let text = serde_json::json!({
        "code": error.code.as_str(),
        "path": shortened(&error.path),
        "message": shortened(&error.message),
        "details": details.map(shortened),
    });
    napi::Error::from_reason(text.to_string())
}

/// Runs `work`; a panic does not end the process. A failed allocation becomes `ERR_LIMBECK_MEMORY`, any other panic
/// `ERR_LIMBECK_INTERNAL` with its text as details.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> napi::Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(napi),
        Err(panic) => {
            let panic = match refusal(panic) {
                Ok(error) => return Err(napi(error)),
                Err(panic) => panic,
            };
            let error = Error::new(Code::Internal, "", "a defect of limbeck stopped this call; please report it");
            Err(describe(&error, Some(panic_text(&*panic))))
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "a panic without text",
    }
}

/// Points where a test build panics on purpose: `LIMBECK_PANIC_AT=<place>`. No effect in other builds.
#[cfg(feature = "panic-injection")]
pub(crate) fn panic_point(place: &str) {
    if std::env::var("LIMBECK_PANIC_AT").is_ok_and(|wanted| wanted == place) {
        panic!("injected at {place}");
    }
}

#[cfg(not(feature = "panic-injection"))]
#[inline(always)]
pub(crate) fn panic_point(_place: &str) {}
