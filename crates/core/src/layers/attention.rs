//! Multi-head self-attention between the tokens of a row.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal, Tokens};
use super::shape::Shape;
use super::spec::{Init, Spec};
use super::token_embedding::DEVIATION;
use crate::error::{Error, Result};
use crate::ops;
use crate::ops::activation::Activation;
use crate::ops::attention::{Layout, attention};
use crate::tape::Value;

/// Multi-head self-attention: each token of a row becomes a mean of the row's values, weighted by the softmax of
/// query · key / √(width of a head), and is then projected. Tokens of other rows have no influence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attention {
    /// Name of the layer; its tensors are `<name>.query.weight`, `<name>.query.bias`, and the same for `key`, `value` and
    /// `output`. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number of heads; must divide the width of the tokens.
    pub heads: usize,
    /// Whether the four projections have biases. Default true.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Whether a token attends only to itself and the tokens before it. Default false.
    #[serde(default)]
    pub causal: bool,
}

fn yes() -> bool {
    true
}

const PROJECTIONS: [&str; 4] = ["query", "key", "value", "output"];

impl Attention {
    fn project(&self, pass: &mut Pass, x: &Value, name: &str) -> Result<Value> {
        let weight = pass.parameter(&format!("{name}.weight"))?;
        let bias = if self.bias { Some(pass.parameter(&format!("{name}.bias"))?) } else { None };
        ops::linear::linear(pass.tape, x, &weight, bias.as_ref(), Activation::None)
    }
}

impl Layer for Attention {
    fn output(&self, input: &Shape) -> Result<Shape> {
        let width = input.tokens()?;
        if self.heads == 0 || !width.is_multiple_of(self.heads) {
            let message = format!("expected a number that divides the width {width}, got {}", self.heads);
            return Err(Error::config("heads", message));
        }
        Ok(input.clone())
    }

    fn parameters(&self, input: &Shape) -> Result<Vec<Spec>> {
        let width = input.tokens()?;
        let of = |name: &str| {
            let weight = Spec::weight(vec![width, width], Init::Normal(DEVIATION)).below(name);
            let bias = self.bias.then(|| Spec::plain("bias", vec![width], Init::Constant(0.0)).below(name));
            [Some(weight), bias].into_iter().flatten().collect::<Vec<_>>()
        };
        Ok(PROJECTIONS.into_iter().flat_map(of).collect())
    }

    /// Of one token: the projections alone, because the number of tokens is unknown.
    fn multiply_adds(&self, input: &Shape) -> Result<u64> {
        let width = input.tokens()? as u64;
        Ok(width.saturating_mul(width).saturating_mul(4))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let Tokens { value: x, offsets } = input.tokens()?;
        let width = x.dims().last().copied().unwrap_or(0);
        let query = self.project(pass, &x, "query")?;
        let key = self.project(pass, &x, "key")?;
        let value = self.project(pass, &x, "value")?;
        let layout = Layout {
            queries: offsets.clone(),
            keys: offsets.clone(),
            heads: self.heads,
            key_heads: self.heads,
            causal: self.causal,
            window: None,
        };
        let scale = 1.0 / ((width / self.heads) as f64).sqrt();
        let mixed = attention(pass.tape, &query, &key, &value, None, &layout, scale)?;
        let value = self.project(pass, &mixed, "output")?;
        Ok(Signal::Tokens(Tokens { value, offsets }))
    }
}
