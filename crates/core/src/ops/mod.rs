//! One operation one file: forward, backward, plain reference, shape and error rules, source.
//!
//! To add one: write `ops/<name>.rs`, add its line here, put its golden file under `__test__/golden/layers`.
