//! Geometry of a window that slides over the last two axes, shared by convolution and pooling, and the
//! plain way to take it apart: one strided slice of the padded image for every tap of the kernel.
//!
//! ```text
//! output row r, tap i reads padded row  stride · r + dilation · i;   rows = ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1
//! ```

use crate::error::{Candle, Error, Result};
use crate::tensor::Tensor;

/// Pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

impl Window {
    /// Rows and columns that come out of an image of `input` rows and columns.
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
            let padded = input[axis] + 2 * self.padding[axis];
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

    /// The image with `fill` around it.
    pub fn pad(&self, image: &Tensor, fill: f64) -> Result<Tensor> {
        let mut image = image.clone();
        for (axis, padding) in [(2, self.padding[0]), (3, self.padding[1])] {
            if padding > 0 {
                let mut edge = image.dims().to_vec();
                edge[axis] = padding;
                let edge = Tensor::full(fill, edge, image.device())
                    .and_then(|edge| edge.to_dtype(image.dtype()))
                    .ok_or_internal()?;
                image = Tensor::cat(&[&edge, &image, &edge], axis).ok_or_internal()?;
            }
        }
        Ok(image)
    }

    /// The inside of a padded image.
    pub fn unpad(&self, padded: &Tensor, input: [usize; 2]) -> Result<Tensor> {
        padded
            .narrow(2, self.padding[0], input[0])
            .and_then(|rows| rows.narrow(3, self.padding[1], input[1]))
            .and_then(|inside| inside.contiguous())
            .ok_or_internal()
    }

    /// What tap (i, j) sees, `[images, channels, rows, columns]` of the output.
    pub fn tap(&self, padded: &Tensor, output: [usize; 2], (i, j): (usize, usize)) -> Result<Tensor> {
        let (rows, columns) = self.positions(padded, output, (i, j))?;
        padded.index_select(&rows, 2).and_then(|tap| tap.index_select(&columns, 3)).ok_or_internal()
    }

    /// The opposite: a padded image of `dims` that holds `seen` where tap (i, j) looked and 0 elsewhere.
    pub fn untap(&self, seen: &Tensor, dims: &[usize], output: [usize; 2], at: (usize, usize)) -> Result<Tensor> {
        let (rows, columns) = self.positions(seen, output, at)?;
        let zeros = |rows, columns| {
            Tensor::zeros((dims[0], dims[1], rows, columns), seen.dtype(), seen.device()).ok_or_internal()
        };
        let wide = zeros(output[0], dims[3])?.index_add(&columns, seen, 3).ok_or_internal()?;
        zeros(dims[2], dims[3])?.index_add(&rows, &wide, 2).ok_or_internal()
    }

    fn positions(&self, like: &Tensor, output: [usize; 2], (i, j): (usize, usize)) -> Result<(Tensor, Tensor)> {
        let along = |axis: usize, tap: usize| {
            let at = (0..output[axis]).map(|out| (self.stride[axis] * out + self.dilation[axis] * tap) as u32);
            Tensor::from_iter(at, like.device()).ok_or_internal()
        };
        Ok((along(0, i)?, along(1, j)?))
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
