//! Windows in candle calls, for the plain references: one strided slice of the padded image per tap.

use crate::error::{Candle, Result};
use crate::kernels::window::Window;
use crate::tensor::Tensor;

impl Window {
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

    /// The numbers that tap (i, j) reads, `[images, channels, rows, columns]` of the output.
    pub fn tap(&self, padded: &Tensor, output: [usize; 2], (i, j): (usize, usize)) -> Result<Tensor> {
        let (rows, columns) = self.positions(padded, output, (i, j))?;
        padded.index_select(&rows, 2).and_then(|tap| tap.index_select(&columns, 3)).ok_or_internal()
    }

    /// The inverse of `tap`: a padded image of `dims` with `seen` at the positions that tap (i, j) reads, and 0 elsewhere.
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
