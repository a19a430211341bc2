//! A counting, caching wrapper around the system allocator: large blocks come back instead of being
//! unmapped and faulted in again, and live and peak bytes are known.
