//! Native memory: reported to V8 while it is in use, and given back to the system once it is freed.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use limbeck_core::allocator;
use napi::Env;

/// Freed bytes from which on it pays to give the allocator's cache back to the system.
const LARGE: u64 = 16 << 20;

/// After so many bytes were freed: gives them back to the system beside the caller, since unmapping takes time.
pub(crate) fn trim_after(bytes: u64) {
    static TRIMMING: AtomicBool = AtomicBool::new(false);
    if bytes < LARGE || TRIMMING.swap(true, Ordering::AcqRel) {
        return;
    }
    let thread = std::thread::Builder::new().name("limbeck-trim".into()).spawn(|| {
        // What is freed from here on asks for a thread of its own.
        TRIMMING.store(false, Ordering::Release);
        allocator::trim();
    });
    if thread.is_err() {
        TRIMMING.store(false, Ordering::Release);
    }
}

/// Bytes behind a JavaScript object, told to V8 so that it collects forgotten ones; taken back once.
pub(crate) struct External(AtomicI64);

impl External {
    pub fn new(env: &Env, bytes: u64) -> External {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        // A refusal only makes the collector less eager.
        let _ = env.adjust_external_memory(bytes);
        External(AtomicI64::new(bytes))
    }

    pub fn release(&self, env: &Env) {
        let bytes = self.0.swap(0, Ordering::Relaxed);
        if bytes != 0 {
            let _ = env.adjust_external_memory(-bytes);
        }
    }
}
