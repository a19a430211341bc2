//! The instruction sets, threads and cores of this machine.

use serde_json::{Value as Json, json};

use crate::kernels::cpu::isa;
use crate::pool::default_threads;

/// The instruction set in use, those that the machine supports, and its threads and cores, as JSON.
pub fn report() -> Json {
    let detected = isa::detected();
    json!({
        "instructions": isa::current().name(),
        "detected": detected.name(),
        "available": isa::Isa::ALL.iter().filter(|set| **set <= detected).map(|set| set.name()).collect::<Vec<_>>(),
        "threads": default_threads(),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "backends": ["cpu"],
        "platform": format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}
