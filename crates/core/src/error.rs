//! The error type of the core: a code from a closed list, a path into the options or data, and a message.
//!
//! An error prints as `path: expected …, got …`.

use std::borrow::Cow;
use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The closed list of codes; in Node each is a string `ERR_LIMBECK_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// An option is missing, unknown or out of range.
    InvalidConfig,
    /// Data from the caller are invalid: wrong length, not finite, label out of range.
    InvalidData,
    /// Shapes do not fit each other.
    ShapeMismatch,
    /// A value became infinite or not a number while training.
    NotFinite,
    /// A file could not be read or written.
    Io,
    /// A file is damaged, or is not a model or checkpoint.
    InvalidFile,
    /// A checkpoint could not be written; the previous checkpoint is intact.
    CheckpointWrite,
    /// A file was written by a version that this version cannot read.
    CheckpointVersion,
    /// The run to resume has another configuration.
    CheckpointMismatch,
    /// The requested device or backend is not available.
    Backend,
    /// The call needs a resource that is in use; try again later.
    Busy,
    /// The object was disposed of.
    Disposed,
    /// The caller cancelled the work.
    Cancelled,
    /// The memory limit would be exceeded, or the system refused memory.
    Memory,
    /// A proof failed in strict mode.
    ProofFailed,
    /// A defect of limbeck.
    Internal,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidConfig => "ERR_LIMBECK_INVALID_CONFIG",
            Code::InvalidData => "ERR_LIMBECK_INVALID_DATA",
            Code::ShapeMismatch => "ERR_LIMBECK_SHAPE_MISMATCH",
            Code::NotFinite => "ERR_LIMBECK_NOT_FINITE",
            Code::Io => "ERR_LIMBECK_IO",
            Code::InvalidFile => "ERR_LIMBECK_INVALID_FILE",
            Code::CheckpointWrite => "ERR_LIMBECK_CHECKPOINT_WRITE",
            Code::CheckpointVersion => "ERR_LIMBECK_CHECKPOINT_VERSION",
            Code::CheckpointMismatch => "ERR_LIMBECK_CHECKPOINT_MISMATCH",
            Code::Backend => "ERR_LIMBECK_BACKEND",
            Code::Busy => "ERR_LIMBECK_BUSY",
            Code::Disposed => "ERR_LIMBECK_DISPOSED",
            Code::Cancelled => "ERR_LIMBECK_CANCELLED",
            Code::Memory => "ERR_LIMBECK_MEMORY",
            Code::ProofFailed => "ERR_LIMBECK_PROOF_FAILED",
            Code::Internal => "ERR_LIMBECK_INTERNAL",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Error {
    pub code: Code,
    /// Path of the option, layer or file: `losses.kl.temperature`, `layers.2`. Empty if none applies.
    pub path: String,
    /// `expected a number above 0, got -1`, without the path.
    pub message: String,
}

impl Error {
    pub fn new(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Error { code, path: path.into(), message: message.into() }
    }

    pub fn config(path: impl Into<String>, message: impl Into<String>) -> Self {
        Error::new(Code::InvalidConfig, path, message)
    }

    pub fn data(path: impl Into<String>, message: impl Into<String>) -> Self {
        Error::new(Code::InvalidData, path, message)
    }

    pub fn shape(path: impl Into<String>, message: impl Into<String>) -> Self {
        Error::new(Code::ShapeMismatch, path, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Code::Internal, "", message)
    }

    pub fn cancelled() -> Self {
        Error::new(Code::Cancelled, "", "the run was cancelled")
    }

    /// The same error with `prefix` in front of its path: `at("losses")` of `kl.weight` is `losses.kl.weight`.
    pub fn at(mut self, prefix: &str) -> Self {
        self.path = match (prefix.is_empty(), self.path.is_empty()) {
            (true, _) => self.path,
            (false, true) => prefix.to_string(),
            (false, false) => format!("{prefix}.{}", self.path),
        };
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for Error {}

/// Largest number of characters in a path or message: both may quote input of the caller or text of a file.
const LONGEST: usize = 2_000;

/// A text for users; if it is too long, its middle is replaced by `…`.
pub fn shortened(text: &str) -> Cow<'_, str> {
    let at = |(at, _): (usize, char)| at;
    let start = text.char_indices().nth(LONGEST - LONGEST / 4).map(at);
    let end = text.char_indices().rev().nth(LONGEST / 4).map(at);
    match (start, end) {
        (Some(start), Some(end)) if start < end => format!("{} … {}", &text[..start], &text[end..]).into(),
        _ => text.into(),
    }
}

/// Maps candle's errors to ours, without their backtraces, which contain paths of the build machine. It is not a `From`,
/// because that would make candle a part of our public API.
pub trait Candle<T> {
    fn ok_or_internal(self) -> Result<T>;
}

impl<T> Candle<T> for candle_core::Result<T> {
    fn ok_or_internal(self) -> Result<T> {
        fn innermost(error: candle_core::Error) -> candle_core::Error {
            match error {
                candle_core::Error::WithBacktrace { inner, .. } => innermost(*inner),
                candle_core::Error::Context { inner, .. } => innermost(*inner),
                candle_core::Error::WithPath { inner, .. } => innermost(*inner),
                other => other,
            }
        }
        self.map_err(|error| Error::internal(innermost(error).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened("as it is"), "as it is");
        for count in [1_999, 2_000, 2_001, 2_400, 630_000] {
            let text = format!("expected {}ü; the remedy", "é".repeat(count));
            let cut = shortened(&text);
            assert!(cut.chars().count() <= 2_010, "{}", cut.chars().count());
            assert!(cut.starts_with("expected é") && cut.ends_with("ü; the remedy"), "{count}");
        }
    }
}
