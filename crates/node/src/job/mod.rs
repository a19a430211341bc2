//! A training job: one trainer thread owns the run; JavaScript requests its reports.
//!
//! The thread starts with the first command and ends with the job. Each command carries its reply; when the thread
//! ends, for any reason, queued replies are dropped and reject. `class` is the JavaScript object, `thread` the
//! trainer, `protocol` the commands between them.

mod class;
mod protocol;
mod thread;

pub(crate) use protocol::Control;
