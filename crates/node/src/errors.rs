//! Errors to JavaScript: the facade reads one JSON text and makes its one error class of it.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use limbeck_core::blocks::refusal;
use limbeck_core::error::{Code, Error, Result};

/// The error as napi throws it.
pub(crate) fn napi(error: Error) -> napi::Error {
    describe(&error, None)
}

/// Characters of a path or message at most: both may quote what the caller passed or a file holds.
const LONGEST: usize = 2_000;

/// The text, its middle left out where it is too long.
fn short(text: &str) -> Cow<'_, str> {
    let at = |(at, _): (usize, char)| at;
    let start = text.char_indices().nth(LONGEST - LONGEST / 4).map(at);
    let end = text.char_indices().rev().nth(LONGEST / 4).map(at);
    match (start, end) {
        (Some(start), Some(end)) if start < end => format!("{} … {}", &text[..start], &text[end..]).into(),
        _ => text.into(),
    }
}

fn describe(error: &Error, details: Option<&str>) -> napi::Error {
    let text = serde_json::json!({
        "code": error.code.as_str(),
        "path": short(&error.path),
        "message": short(&error.message),
        "details": details.map(short),
    });
    napi::Error::from_reason(text.to_string())
}

/// Runs work whose panic must not end the process. Memory that the system refused is `ERR_LIMBECK_MEMORY`; another panic
/// becomes `ERR_LIMBECK_INTERNAL`, its text the details.
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

/// Places where a test build panics on purpose: `LIMBECK_PANIC_AT=<place>`. Nothing in other builds.
#[cfg(feature = "panic-injection")]
pub(crate) fn panic_point(place: &str) {
    if std::env::var("LIMBECK_PANIC_AT").is_ok_and(|wanted| wanted == place) {
        panic!("injected at {place}");
    }
}

#[cfg(not(feature = "panic-injection"))]
#[inline(always)]
pub(crate) fn panic_point(_place: &str) {}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        assert_eq!(short("as it is"), "as it is");
        for count in [1_999, 2_000, 2_001, 2_400, 630_000] {
            let text = format!("expected {}ü; the remedy", "é".repeat(count));
            let cut = short(&text);
            assert!(cut.chars().count() <= 2_010, "{}", cut.chars().count());
            assert!(cut.starts_with("expected é") && cut.ends_with("ü; the remedy"), "{count}");
        }
    }
}
