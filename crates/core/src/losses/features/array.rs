//! The numbers of one tensor, for the rows with a weight other than 0.

use std::borrow::Cow;

use crate::blocks::{self, collected, filled};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::apart;
use crate::kernels::cpu::gemm::{self, Matrix};
use crate::kernels::cpu::nearest::{Search, nearest};
use crate::kernels::cpu::pairs;
use crate::tensor::{Tensor, from_vec};

/// f32, or f64 in tests. Sums over many numbers are computed in f64, products in the type itself.
pub(crate) trait Float: Copy + Send + Sync + Into<f64> + candle_core::WithDType {
    fn of(value: f64) -> Self;
    /// The same numbers if they are f32, which the kernels take.
    fn single(values: &[Self]) -> Option<&[f32]>;
    /// Converts the result of a kernel.
    fn of_single(values: Vec<f32>) -> Vec<Self>;
    /// a · bᵀ for a `[n, width]` and b `[m, width]`; the result is `[n, m]`.
    fn products(a: &[Self], b: &[Self], width: usize) -> Vec<Self>;
    /// a · aᵀ.
    fn gram(a: &[Self], width: usize) -> Vec<Self> {
        Self::products(a, a, width)
    }
    /// a · b for a `[n, inner]` and b `[inner, m]`; the result is `[n, m]`.
    fn matmul(a: &[Self], b: &[Self], inner: usize, m: usize) -> Vec<Self>;
    /// Σ (a − b + shift)².
    fn square_apart(a: &[Self], b: &[Self], shift: f64) -> f64 {
        let square = |(a, b): (&Self, &Self)| (Into::<f64>::into(*a) - Into::<f64>::into(*b) + shift).powi(2);
        a.iter().zip(b).map(square).sum()
    }
    /// Σ (a − b)² for all pairs of rows a and b.
    fn squares_apart(rows: &[Self], width: usize) -> Vec<Self> {
        let square = |a, b| Self::of(Self::square_apart(a, b, 0.0));
        rows.chunks(width).flat_map(|a| rows.chunks(width).map(move |b| square(a, b))).collect()
    }
    /// gradient += Σ over rows a of scale · (a − b + shift).
    fn pull(rows: &[Self], scales: &[Self], b: &[Self], shift: f64, gradient: &mut [Self]) {
        for (row, scale) in rows.chunks(b.len()).zip(scales) {
            for ((a, b), gradient) in row.iter().zip(b).zip(&mut *gradient) {
                let d = Into::<f64>::into(*a) - Into::<f64>::into(*b) + shift;
                *gradient = Self::of(Into::<f64>::into(*gradient) + Into::<f64>::into(*scale) * d);
            }
        }
    }
    /// For each anchor, the nearest row with a label other than its own; the first of equally near rows.
    fn nearest(apart: &Apart<Self>) -> Vec<Option<usize>> {
        (0..apart.labels.len()).map(|row| apart.nearest_of(row)).collect()
    }
}

/// Anchors and other rows, both `[rows, width]`, with one label per row, and the distance between them.
pub(crate) struct Apart<'a, F> {
    pub anchors: &'a [F],
    pub others: &'a [F],
    pub labels: &'a [u32],
    pub width: usize,
    /// The number that the distance adds to every difference anchor − other.
    pub shift: f64,
    /// The distance of an anchor and another row.
    pub distance: &'a (dyn Fn(&[F], &[F]) -> f64 + Sync),
}

impl<F: Float> Apart<'_, F> {
    pub fn anchor(&self, row: usize) -> &[F] {
        &self.anchors[row * self.width..(row + 1) * self.width]
    }

    pub fn other(&self, row: usize) -> &[F] {
        &self.others[row * self.width..(row + 1) * self.width]
    }

    pub fn of(&self, anchor: usize, other: usize) -> f64 {
        (self.distance)(self.anchor(anchor), self.other(other))
    }

    /// The same distance, computed in the type itself unless the squares overflow.
    pub fn quick(&self, anchor: usize, other: usize) -> f64 {
        let square = F::square_apart(self.anchor(anchor), self.other(other), self.shift);
        if square.is_finite() { square.sqrt() } else { self.of(anchor, other) }
    }

    fn nearest_of(&self, anchor: usize) -> Option<usize> {
        let others = (0..self.labels.len()).filter(|j| self.labels[*j] != self.labels[anchor]);
        others.map(|j| (j, self.of(anchor, j))).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(j, _)| j)
    }
}

impl Float for f32 {
    fn of(value: f64) -> f32 {
        value as f32
    }

    fn single(values: &[f32]) -> Option<&[f32]> {
        Some(values)
    }

    fn of_single(values: Vec<f32>) -> Vec<f32> {
        values
    }

    fn gram(a: &[f32], width: usize) -> Vec<f32> {
        let rows = a.len() / width;
        let mut out = filled(rows * rows, 0.0);
        gemm::gram(Matrix::new(a, rows, width), &mut out);
        out
    }

    fn products(a: &[f32], b: &[f32], width: usize) -> Vec<f32> {
        let (n, m) = (a.len() / width, b.len() / width);
        let mut out = filled(n * m, 0.0);
        let (a, b) = (Matrix::new(a, n, width), Matrix::new(b, m, width).transposed());
        gemm::product(a, b, &mut out, false);
        out
    }

    fn matmul(a: &[f32], b: &[f32], inner: usize, m: usize) -> Vec<f32> {
        let n = a.len() / inner;
        let mut out = filled(n * m, 0.0);
        let (a, b) = (Matrix::new(a, n, inner), Matrix::new(b, inner, m));
        gemm::product(a, b, &mut out, false);
        out
    }

    fn square_apart(a: &[f32], b: &[f32], shift: f64) -> f64 {
        apart::square(a, b, shift as f32)
    }

    fn squares_apart(rows: &[f32], width: usize) -> Vec<f32> {
        pairs::squares(rows, width)
    }

    fn pull(rows: &[f32], scales: &[f32], b: &[f32], shift: f64, gradient: &mut [f32]) {
        apart::pull(rows, scales, b, shift as f32, gradient);
    }

    fn nearest(apart: &Apart<f32>) -> Vec<Option<usize>> {
        let &Apart { anchors, others, labels, width, shift, .. } = apart;
        let found = nearest(&Search { anchors, others, labels, width, shift }, &|r, j| apart.of(r, j));
        // If squares overflow, the plain search still finds a row.
        found.into_iter().enumerate().map(|(row, found)| found.or_else(|| apart.nearest_of(row))).collect()
    }
}

impl Float for f64 {
    fn of(value: f64) -> f64 {
        value
    }

    fn single(_: &[f64]) -> Option<&[f32]> {
        None
    }

    fn of_single(values: Vec<f32>) -> Vec<f64> {
        values.into_iter().map(f64::from).collect()
    }

    fn products(a: &[f64], b: &[f64], width: usize) -> Vec<f64> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        a.chunks(width).flat_map(|a| b.chunks(width).map(move |b| dot(a, b))).collect()
    }

    fn matmul(a: &[f64], b: &[f64], inner: usize, m: usize) -> Vec<f64> {
        let row = |a: &[f64]| {
            let mut sums = vec![0.0; m];
            for (a, b) in a.iter().zip(b.chunks(m)) {
                sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
            }
            sums
        };
        a.chunks(inner).flat_map(row).collect()
    }
}

/// The tensor in this type and contiguous, as its numbers are read.
pub(super) fn dense<F: Float>(tensor: &Tensor) -> Result<Tensor> {
    tensor.to_dtype(F::DTYPE).and_then(|tensor| tensor.contiguous()).ok_or_internal()
}

/// `[rows, …]`.
#[derive(Clone, Debug)]
pub(crate) struct Array<'a, F: Copy> {
    pub dims: Vec<usize>,
    pub values: Cow<'a, [F]>,
}

impl<'a, F: Float> Array<'a, F> {
    /// These rows of a tensor with `all` rows.
    pub fn of_rows(numbers: &'a [F], dims: &[usize], rows: &[usize], all: usize) -> Result<Array<'a, F>> {
        if dims.first() != Some(&all) {
            let message = format!("expected one row per sample, {all} of them, got the shape {dims:?}");
            return Err(Error::shape("layers", message));
        }
        let width = numbers.len() / all.max(1);
        let values = match rows.len() == all {
            true => Cow::Borrowed(numbers),
            false => {
                let mut some = blocks::empty(rows.len() * width);
                rows.iter().for_each(|row| some.extend_from_slice(&numbers[row * width..(row + 1) * width]));
                Cow::Owned(some)
            }
        };
        Ok(Array { dims: [&[rows.len()], &dims[1..]].concat(), values })
    }

    /// The length of a row.
    pub fn width(&self) -> usize {
        self.dims[1..].iter().product()
    }

    pub fn to_f64(&self) -> Array<'static, f64> {
        Array { dims: self.dims.clone(), values: collected(self.values.iter().map(|x| (*x).into())).into() }
    }

    pub fn row(&self, row: usize) -> &[F] {
        let width = self.width();
        &self.values[row * width..(row + 1) * width]
    }
}

/// Expands a gradient at the selected rows to a gradient at all rows.
pub(super) fn scatter<F: Float>(gradient: Vec<F>, rows: &[usize], dims: &[usize]) -> Result<Tensor> {
    let all = dims.first().copied().unwrap_or(0);
    if rows.len() == all {
        return from_vec(gradient, dims);
    }
    let width = dims[1..].iter().product::<usize>();
    let mut whole = filled(all * width, F::of(0.0));
    for (row, gradient) in rows.iter().zip(gradient.chunks(width.max(1))) {
        whole[row * width..(row + 1) * width].copy_from_slice(gradient);
    }
    from_vec(whole, dims)
}
