//! Native memory: reported to V8 while it is in use, and returned to the system after it is freed.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use limbeck_core::allocator;
use napi::Env;

/// Number of freed bytes from which it is worth returning the allocator's cache to the system.
const LARGE: u64 = 16 << 20;

/// Returns freed memory to the system if `bytes` is large; on another thread, because unmapping takes time.
pub(crate) fn trim_after(bytes: u64) {
    static TRIMMING: AtomicBool = AtomicBool::new(false);
    if bytes < LARGE || TRIMMING.swap(true, Ordering::AcqRel) {
        return;
    }
    let thread = std::thread::Builder::new().name("limbeck-trim".into()).spawn(|| {
        // Memory that is freed from now on needs another thread.
        TRIMMING.store(false, Ordering::Release);
        allocator::trim();
    });
    if thread.is_err() {
        TRIMMING.store(false, Ordering::Release);
    }
}

/// Native bytes of a JavaScript object, reported to V8 so that the garbage collector counts them; released once.
pub(crate) struct External(AtomicI64);

impl External {
    pub fn new(env: &Env, bytes: u64) -> External {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        // If this fails, the garbage collector only runs less often.
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
