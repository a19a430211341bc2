//! The interface of a loss over features: its options, the layers that it compares, and the comparison.

use super::{Array, Float, Layers};
use crate::error::Result;
use crate::losses::need::{Need, Needs};

/// One pair of layers, with only the rows that have a weight other than 0.
pub(crate) struct Place<'a, F: Copy> {
    /// `[rows, …]`, after the projection if there is one.
    pub student: Array<'a, F>,
    pub teacher: Array<'a, F>,
    /// The student's layer on the pair view; its row r is a sample of another class than row r of the batch.
    pub pair: Option<Array<'a, F>>,
}

/// The input of a comparison.
pub(crate) struct Compared<'a, F: Copy> {
    pub places: Vec<Place<'a, F>>,
    /// One label per row; empty if there are none.
    pub labels: Vec<u32>,
    /// The factor of the gradient of row r: weight · w_r / Σ w.
    pub scales: Vec<f64>,
}

impl<F: Copy> Compared<'_, F> {
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Compares each pair of layers and adds their values: `compare` adds to the values and returns the gradient at the
    /// student's layer.
    pub fn each(&self, mut compare: impl FnMut(&Place<F>, &mut [f64]) -> Vec<F>) -> Result<Comparison<F>> {
        let mut values = vec![0.0; self.rows()];
        let student = self.places.iter().map(|place| compare(place, &mut values)).collect();
        Ok(Comparison { values, student, pair: Vec::new(), details: Vec::new() })
    }
}

/// The result of a comparison.
pub(crate) struct Comparison<F> {
    /// ℓ of each row.
    pub values: Vec<f64>,
    /// For each pair of layers, the gradient of Σ scale_r · ℓ_r at the student's tensor.
    pub student: Vec<Vec<F>>,
    /// The same gradient at the student's tensor on the pair view; empty if the loss does not read it.
    pub pair: Vec<Vec<F>>,
    /// Further numbers to report: a name, and one number per row, of which the weighted mean is reported.
    pub details: Vec<(&'static str, Vec<f64>)>,
}

/// The trait that a loss over features implements.
pub(crate) trait Compare: Send + Sync {
    /// Checks the options except the weight, which is checked already. Paths of errors start at the option, not at the
    /// loss.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
    /// The needs in addition to a teacher, which all of these losses need.
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn layers(&self) -> &Layers;
    /// Whether a trained linear map brings the student's width to the teacher's.
    fn projects(&self) -> bool {
        false
    }
    /// Rejects shapes of one sample that cannot be compared. By default it rejects none, because rows are compared with
    /// rows of the same model, so widths may differ.
    fn check(&self, _student: &[usize], _teacher: &[usize]) -> Result<()> {
        Ok(())
    }
    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>>;
}

/// Implements the methods that follow from the options `layers` and, if there is one, `projection`; without a
/// projection shapes must be equal.
macro_rules! of_options {
    () => {
        fn layers(&self) -> &$crate::losses::features::Layers {
            &self.layers
        }
    };
    (projection) => {
        of_options! {}

        fn projects(&self) -> bool {
            self.projection
        }

        fn check(&self, student: &[usize], teacher: &[usize]) -> $crate::error::Result<()> {
            $crate::losses::features::same_shape(student, teacher, "set projection: true")
        }
    };
}
pub(crate) use of_options;

/// `Compare` as a trait object.
pub(crate) trait FeatureLoss: Send + Sync {
    fn validate(&self) -> Result<()>;
    fn needs(&self) -> Needs;
    fn layers(&self) -> &Layers;
    fn projects(&self) -> bool;
    fn check(&self, student: &[usize], teacher: &[usize]) -> Result<()>;
    fn compare_single(&self, compared: &Compared<f32>) -> Result<Comparison<f32>>;
    fn compare_double(&self, compared: &Compared<f64>) -> Result<Comparison<f64>>;
}

impl<L: Compare> FeatureLoss for L {
    fn validate(&self) -> Result<()> {
        Compare::validate(self)
    }
    fn needs(&self) -> Needs {
        Compare::needs(self).union(Needs::of(&[Need::Teacher]))
    }
    fn layers(&self) -> &Layers {
        Compare::layers(self)
    }
    fn projects(&self) -> bool {
        Compare::projects(self)
    }
    fn check(&self, student: &[usize], teacher: &[usize]) -> Result<()> {
        Compare::check(self, student, teacher)
    }
    fn compare_single(&self, compared: &Compared<f32>) -> Result<Comparison<f32>> {
        self.compare(compared)
    }
    fn compare_double(&self, compared: &Compared<f64>) -> Result<Comparison<f64>> {
        self.compare(compared)
    }
}
