//! A stream has as many batches as the run was asked for.

use super::proof::Proof;

/// The run adds its findings when the stream ends.
pub(crate) struct StreamLasts;

impl Proof for StreamLasts {
    const NAME: &'static str = "streamLasts";
    const MEANING: &'static str = "At the end: a stream gave fewer batches than steps or epochs ask for, often because an \
        iterable was used up. Give more batches, or a function that makes them anew for each epoch.";
    const EXAMPLE: &'static str = "data: the stream ended after 5 batches and 5 of 100 steps: pass more batches, or a \
        function that returns new batches for each epoch";
}
