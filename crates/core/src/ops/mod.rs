//! One operation one file: forward, backward, plain reference, shape and error rules, source.
//!
//! To add one: write `ops/<name>.rs`, add its line here, put its golden file under `__test__/golden/layers`.
pub(crate) mod batch_norm;
pub(crate) mod conv1d;
pub(crate) mod conv2d;
pub(crate) mod pool2d;
pub(crate) mod reshape;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod window;
