//! Geometry of a window that slides over the last two axes, for convolution and pooling.
//!
//! ```text
//! output row r, tap i reads padded row  stride · r + dilation · i;   rows = ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1
//! ```

use crate::error::{Error, Result};

/// Pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

impl Window {
    /// Rows and columns of the output for an image of `input` rows and columns.
    pub fn output(&self, input: [usize; 2]) -> Result<[usize; 2]> {
        for (name, pair) in [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            if pair.contains(&0) {
                return Err(Error::config(name, format!("expected integers above 0, got {pair:?}")));
            }
        }
        let mut output = [0; 2];
        for axis in 0..2 {
            let span = self.dilation[axis]
                .checked_mul(self.kernel[axis] - 1)
                .and_then(|reach| reach.checked_add(1))
                .ok_or_else(|| Error::config("dilation", "expected a window that fits into memory"))?;
            let padded = input[axis].saturating_add(self.padding[axis].saturating_mul(2));
            if padded < span {
                return Err(Error::shape(
                    "input",
                    format!(
                        "expected at least {span} padded {} for the window, got {padded}",
                        if axis == 0 { "rows" } else { "columns" }
                    ),
                ));
            }
            output[axis] = (padded - span) / self.stride[axis] + 1;
        }
        Ok(output)
    }

    /// All taps (i, j) in the order of the weights.
    pub fn taps(&self) -> impl Iterator<Item = (usize, usize)> {
        let columns = self.kernel[1];
        (0..self.kernel[0] * columns).map(move |tap| (tap / columns, tap % columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_rows_as_pytorch_does() {
        let window = Window { kernel: [3, 2], stride: [2, 3], padding: [1, 0], dilation: [1, 2] };
        assert_eq!(window.output([7, 9]).unwrap(), [4, 3]);
    }

    #[test]
    fn refuses_an_image_smaller_than_the_window() {
        let window = Window { kernel: [3, 3], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
        let error = window.output([3, 2]).unwrap_err();
        assert_eq!(error.to_string(), "input: expected at least 3 padded columns for the window, got 2");
    }

    #[test]
    fn refuses_a_stride_of_zero() {
        let window = Window { kernel: [3, 3], stride: [0, 1], padding: [0, 0], dilation: [1, 1] };
        assert_eq!(window.output([5, 5]).unwrap_err().path, "stride");
    }
}
