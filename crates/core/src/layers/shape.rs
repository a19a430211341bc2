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
}

impl Shape {
    /// The sizes of numbers; ids are an error.
    pub(crate) fn dense(&self) -> Result<&[usize]> {
        match self {
            Shape::Dense(sizes) => Ok(sizes),
            Shape::Ids(_) => Err(Error::shape("", "expected numbers, got ids; put an embedding layer before this one")),
        }
    }

    /// Exactly `N` sizes; `wanted` describes them in the error.
    pub(crate) fn exactly<const N: usize>(&self, wanted: &str) -> Result<[usize; N]> {
        let sizes = self.dense()?;
        sizes.try_into().map_err(|_| Error::shape("", format!("expected {wanted}, got {}", show(sizes))))
    }

    /// The last size of a shape of rank 1 or 2: the width of linear layers and norms.
    pub(crate) fn width(&self) -> Result<usize> {
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

    /// The sizes of numbers; empty for ids.
    pub fn sizes(&self) -> &[usize] {
        match self {
            Shape::Dense(sizes) => sizes,
            Shape::Ids(_) => &[],
        }
    }

    /// The number of elements. It cannot overflow, because the shapes of a network are `checked`.
    pub fn elements(&self) -> usize {
        match self {
            Shape::Dense(sizes) => sizes.iter().product(),
            Shape::Ids(length) => length.unwrap_or(0),
        }
    }

    /// Rejects a shape without numbers, or with more than `MOST`.
    pub(crate) fn checked(self) -> Result<Shape> {
        let sizes = match &self {
            Shape::Dense(sizes) => sizes.as_slice(),
            Shape::Ids(length) => length.as_slice(),
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
        }
    }
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
