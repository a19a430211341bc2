//! Training runs at low priority: the event loop and libuv's threads run first, without a loss of throughput.
//!
//! This needs two settings (p99 of `fs.stat` with eight jobs on two cores: 3.5–4 ms with neither setting or only the
//! slice, 4 ms with only niceness, 0.1 ms with both). Niceness: without it, a busy event loop gets only a fair share of a
//! tenth of the processor. A long slice: Linux preempts the running thread sooner if the waking thread has the shorter
//! slice. A trainer does not need short slices.
//!
//! Threads inherit the settings of their creator: the trainer's pool and writer need no separate call.

#[cfg(target_os = "linux")]
const SLICE: std::time::Duration = std::time::Duration::from_millis(20);

/// Lowers the priority of this thread and of the threads that it starts later. No effect if the system forbids it.
#[cfg(target_os = "linux")]
pub(crate) fn lower_priority(niceness: u8) {
    /// `struct sched_attr` of linux/sched/types.h, as of its first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    // SAFETY: takes no pointer; 0 is the calling thread.
    let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let nice = (own + i32::from(niceness)).min(19);
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: SLICE.as_nanos() as u64,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the pointer is to a whole structure of the size given in it; the kernel only reads it.
    let refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } != 0;
    if refused && nice != own {
        // A sandbox may allow only the older call. A thread may raise its own niceness without privileges.
        // SAFETY: takes no pointer.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lower_priority(_niceness: u8) {}
