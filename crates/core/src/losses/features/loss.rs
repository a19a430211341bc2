//! What a loss over features is to the rest: its options, where it looks, how it compares.

use super::{Array, Float, Layers};
use crate::error::Result;
use crate::losses::need::{Need, Needs};

/// One pair of layers, the rows that count alone.
pub(crate) struct Place<'a, F: Copy> {
    /// `[rows, …]`, after the projection where there is one.
    pub student: Array<'a, F>,
    pub teacher: Array<'a, F>,
    /// The student's own layer on the pair view: row r is a sample of another class than row r.
    pub pair: Option<Array<'a, F>>,
}

/// What a loss compares.
pub(crate) struct Compared<'a, F: Copy> {
    pub places: Vec<Place<'a, F>>,
    /// One a row; empty where there are none.
    pub labels: Vec<u32>,
    /// What the gradient of row r is multiplied with: weight · w_r / Σ w.
    pub scales: Vec<f64>,
}

impl<F: Copy> Compared<'_, F> {
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// The comparison of each pair of layers, where their values are added up: `compare` adds to the values, and returns
    /// the gradient at the student's layer.
    pub fn each(&self, mut compare: impl FnMut(&Place<F>, &mut [f64]) -> Vec<F>) -> Result<Comparison<F>> {
        let mut values = vec![0.0; self.rows()];
        let student = self.places.iter().map(|place| compare(place, &mut values)).collect();
        Ok(Comparison { values, student, pair: Vec::new(), details: Vec::new() })
    }
}

/// What a comparison gives.
pub(crate) struct Comparison<F> {
    /// ℓ of each row.
    pub values: Vec<f64>,
    /// For each place the gradient of Σ scale_r · ℓ_r at the student's tensor.
    pub student: Vec<Vec<F>>,
    /// The same at the pair view's; empty where it is not looked at.
    pub pair: Vec<Vec<F>>,
    /// What is reported beside the value: a name and a number of each row, whose weighted mean is shown.
    pub details: Vec<(&'static str, Vec<f64>)>,
}

/// A loss over features; what it implements.
pub(crate) trait Compare: Send + Sync {
    /// Errors name the option, not the loss. Its weight has been checked.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
    /// Besides a teacher, which all of them need.
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn layers(&self) -> &Layers;
    /// Whether a trained linear map brings the student's width to the teacher's.
    fn projects(&self) -> bool {
        false
    }
    /// Refuses shapes of one sample that cannot be compared. By default none: rows are compared with rows of the same
    /// model, whatever their width.
    fn check(&self, _student: &[usize], _teacher: &[usize]) -> Result<()> {
        Ok(())
    }
    fn compare<F: Float>(&self, compared: &Compared<F>) -> Result<Comparison<F>>;
}

/// What follows from a loss's options: `layers`, and `projection` where there is one, without which shapes have to be equal.
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

/// The same where its type is not known.
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
