use std::sync::Arc;

use crate::error::Result;
use crate::tape::{Tape, Value};

pub(crate) struct Layout {
    pub queries: Arc<Vec<u32>>,
    pub keys: Arc<Vec<u32>>,
    pub heads: usize,
    pub key_heads: usize,
    pub causal: bool,
    pub window: Option<usize>,
}

pub(crate) fn attention(
    _tape: &mut Tape, q: &Value, _k: &Value, _v: &Value, _bias: Option<&Value>, _layout: &Layout, _scale: f64,
) -> Result<Value> {
    Ok(q.clone())
}
