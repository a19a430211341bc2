//! The shape of one sample between two layers, without the batch axis.

use crate::error::{Error, Result};

/// The most elements that one sample may have (8 GiB). Without a limit a small file could describe a model with
/// activations of any size.
pub(crate) const MOST: usize = 1 << 31;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Numbers: `[features]`, `[length, width]` or `[channels, height, width]`.
    Dense(Vec<usize>),
    /// Ids: the same number in every sample, or `None` if rows are ragged.
    Ids(Option<usize>),
    /// A vector of this width per token; the number of tokens differs from sample to sample.
    Tokens(usize),
}

impl Shape {
    /// The sizes of numbers; ids are an error.
    pub(crate) fn dense(&self) -> Result<&[usize]> {
        match self {
            Shape::Dense(sizes) => Ok(sizes),
            Shape::Ids(_) => Err(ids()),
            Shape::Tokens(_) => Err(tokens()),
        }
    }

    /// Rejects ids.
    pub(crate) fn numbers(&self) -> Result<()> {
        if matches!(self, Shape::Ids(_)) { Err(ids()) } else { Ok(()) }
    }

    /// The same shape with another last size.
    pub(crate) fn with_width(&self, width: usize) -> Result<Shape> {
        if let Shape::Tokens(_) = self {
            return Ok(Shape::Tokens(width));
        }
        let mut sizes = self.dense()?.to_vec();
        if let Some(last) = sizes.last_mut() {
            *last = width;
        }
        Ok(Shape::Dense(sizes))
    }

    /// The width of one vector per token.
    pub(crate) fn tokens(&self) -> Result<usize> {
        match self {
            Shape::Tokens(width) => Ok(*width),
            other => Err(Error::shape(
                "",
                format!("expected one vector per token, got {other}; put a tokenEmbedding layer before this one"),
            )),
        }
    }

    /// Exactly `N` sizes; `wanted` describes them in the error.
    pub(crate) fn exactly<const N: usize>(&self, wanted: &str) -> Result<[usize; N]> {
        let sizes = self.dense()?;
        sizes.try_into().map_err(|_| Error::shape("", format!("expected {wanted}, got {}", show(sizes))))
    }

    /// The last size of tokens or of a shape of rank 1 or 2: the width of linear layers and norms.
    pub(crate) fn width(&self) -> Result<usize> {
        if let Shape::Tokens(width) = self {
            return Ok(*width);
        }
        match self.dense()? {
            [width] | [_, width] => Ok(*width),
            sizes => Err(Error::shape(
                "",
                format!(
                    "expected [features] or [length, features], got {}; put {{ flatten: {{}} }} before this layer",
                    show(sizes)
                ),
            )),
        }
    }

    /// The sizes of numbers; empty for ids and tokens.
    pub fn sizes(&self) -> &[usize] {
        match self {
            Shape::Dense(sizes) => sizes,
            Shape::Ids(_) | Shape::Tokens(_) => &[],
        }
    }

    /// The number of elements; of one token, if their number differs from sample to sample. It cannot overflow, because the shapes of a network are `checked`.
    pub fn elements(&self) -> usize {
        match self {
            Shape::Dense(sizes) => sizes.iter().product(),
            Shape::Ids(length) => length.unwrap_or(0),
            Shape::Tokens(width) => *width,
        }
    }

    /// Rejects a shape without numbers, or with more than `MOST`.
    pub(crate) fn checked(self) -> Result<Shape> {
        let sizes = match &self {
            Shape::Dense(sizes) => sizes.as_slice(),
            Shape::Ids(length) => length.as_slice(),
            Shape::Tokens(width) => std::slice::from_ref(width),
        };
        let count = sizes.iter().try_fold(1usize, |count, side| count.checked_mul(*side));
        match count {
            Some(1..=MOST) if !(sizes.is_empty() && matches!(self, Shape::Dense(_))) => Ok(self),
            _ => Err(Error::shape("", format!("expected 1 to {MOST} numbers per row, got the shape {self}"))),
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shape::Dense(sizes) => f.write_str(&show(sizes)),
            Shape::Ids(Some(length)) => write!(f, "{length} ids"),
            Shape::Ids(None) => f.write_str("ids"),
            Shape::Tokens(width) => write!(f, "[tokens, {width}]"),
        }
    }
}

fn ids() -> Error {
    Error::shape("", "expected numbers, got ids; put an embedding layer before this one")
}

fn tokens() -> Error {
    Error::shape("", "expected one vector per row, got one per token; put { tokenPool: {} } before this layer")
}

/// Formats sizes, for example `[1, 28, 28]`.
pub fn show(sizes: &[usize]) -> String {
    format!("{sizes:?}")
}

/// The value of a layer's option; rejects a value above `MOST`.
pub(crate) fn bounded(name: &str, value: usize) -> Result<usize> {
    if value > MOST {
        return Err(Error::config(name, format!("expected at most {MOST}, got {value}")));
    }
    Ok(value)
}

/// Rejects an option that is not above 0.
pub(super) fn above_zero(name: &str, value: f64) -> Result<()> {
    if value > 0.0 { Ok(()) } else { Err(Error::config(name, format!("expected a number above 0, got {value}"))) }
}

/// The product of the factors, or the largest number if it overflows.
pub(crate) fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1, |product: u64, factor| product.saturating_mul(*factor as u64))
}
