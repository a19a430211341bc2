//! A stream has as many batches as the run needs.

use super::proof::Proof;

/// The run adds the findings of this proof when the stream ends.
pub(crate) struct StreamLasts;

impl Proof for StreamLasts {
    const NAME: &'static str = "streamLasts";
    const MEANING: &'static str = "At the end: a stream gave fewer batches than `steps` or `epochs` require, often \
        because an iterable was used up. Pass more batches, or a function that returns new batches for each epoch.";
    const EXAMPLE: &'static str = "data: the stream ended after 5 batches and 5 of 100 steps: pass more batches, or a \
        function that returns new batches for each epoch";
}
