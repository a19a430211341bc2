//! What a loss over features is to the rest: its options, where it looks, how it compares.

use super::{Array, Float, Layers};
use crate::error::Result;
use crate::losses::loss::Need;
use crate::schedule::Scheduled;

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

impl<F> Comparison<F> {
    /// Without pair view or details.
    pub fn of(values: Vec<f64>, student: Vec<Vec<F>>) -> Comparison<F> {
        Comparison { values, student, pair: Vec::new(), details: Vec::new() }
    }
}

/// A loss over features; what it implements.
pub(crate) trait Compare: Send + Sync {
    fn weight(&self) -> &Scheduled;
    /// Errors name the option, not the loss. Its weight has been looked at.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
    /// Besides a teacher, which all of them need.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
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

/// What a loss says by its options: `weight`, `layers`, and where there is one `projection`, without which shapes have to
/// be equal.
macro_rules! of_options {
    () => {
        fn weight(&self) -> &$crate::schedule::Scheduled {
            &self.weight
        }

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
    fn weight(&self) -> &Scheduled;
    fn validate(&self) -> Result<()>;
    fn needs(&self) -> Vec<Need>;
    fn pairs(&self) -> bool;
    fn layers(&self) -> &Layers;
    fn projects(&self) -> bool;
    fn check(&self, student: &[usize], teacher: &[usize]) -> Result<()>;
    fn compare_single(&self, compared: &Compared<f32>) -> Result<Comparison<f32>>;
    fn compare_double(&self, compared: &Compared<f64>) -> Result<Comparison<f64>>;
}

impl<L: Compare> FeatureLoss for L {
    fn weight(&self) -> &Scheduled {
        Compare::weight(self)
    }
    fn validate(&self) -> Result<()> {
        Compare::validate(self)
    }
    fn needs(&self) -> Vec<Need> {
        [vec![Need::Teacher], Compare::needs(self)].concat()
    }
    fn pairs(&self) -> bool {
        Compare::needs(self).contains(&Need::Pair)
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
