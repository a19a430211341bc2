//! The softmaxes that the losses of a step read, which are requested before the sweep, and the statistics of one of
//! them in a row.
//!
//! Losses that request the same softmax share it.

/// The owner of the logits: the student, or one of the teachers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Student,
    Teacher(usize),
}

/// One softmax of every row, requested before the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Softmax(pub(super) usize);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spec {
    pub side: Side,
    pub temperature: f64,
    /// Whether it is the softmax of the row's z-scores instead of its logits.
    pub standardize: bool,
    /// Whether its own exponentials are stored, not only those of which they are a power.
    pub stored: bool,
    /// Whether its divergence from the student's softmax of the same kind is computed.
    pub across: bool,
}

/// The softmaxes that the losses of a step read.
#[derive(Default)]
pub(crate) struct Ask {
    pub(super) specs: Vec<Spec>,
    /// Whether a loss uses slopes.
    pub(super) slopes: bool,
}

impl Ask {
    fn find(&mut self, side: Side, temperature: f64, standardize: bool) -> usize {
        let same = |spec: &Spec| (spec.side, spec.temperature, spec.standardize) == (side, temperature, standardize);
        self.specs.iter().position(same).unwrap_or_else(|| {
            self.specs.push(Spec { side, temperature, standardize, stored: standardize, across: false });
            self.specs.len() - 1
        })
    }

    /// softmax(logits / temperature).
    pub fn softmax(&mut self, side: Side, temperature: f64) -> Softmax {
        Softmax(self.find(side, temperature, false))
    }

    /// A teacher's softmax and the student's at the same temperature, with their divergence. With `standardize` they
    /// are softmaxes of the rows' z-scores.
    pub fn pair(&mut self, teacher: usize, temperature: f64, standardize: bool) -> (Softmax, Softmax) {
        let student = self.find(Side::Student, temperature, standardize);
        let teacher = self.find(Side::Teacher(teacher), temperature, standardize);
        self.specs[teacher].across = true;
        self.specs[teacher].stored = true;
        (Softmax(teacher), Softmax(student))
    }

    /// Stores the exponentials of the softmax, so that `Row::exponentials` can return them.
    pub fn stored(&mut self, softmax: Softmax) -> Softmax {
        self.specs[softmax.0].stored = true;
        softmax
    }

    /// A teacher's softmax and the student's at one temperature, both stored, and a row for slopes.
    pub fn slopes(&mut self, teacher: usize, temperature: f64) -> (Softmax, Softmax) {
        let student = self.softmax(Side::Student, temperature);
        let teacher = self.softmax(Side::Teacher(teacher), temperature);
        self.slopes = true;
        (self.stored(teacher), self.stored(student))
    }

    /// Requests a row for slopes, or for a loss's own exponentials.
    pub fn scratch(&mut self) {
        self.slopes = true;
    }
}

/// The statistics of one softmax of the current row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub max: f32,
    /// 1 / temperature; for z-scores it is also divided by the row's deviation.
    pub scale: f64,
    /// Σ of the exponentials, the largest of which is 1.
    pub sum: f64,
    /// The logarithm of `sum`.
    pub log_sum: f64,
    /// Σ p (d − d_student), in powers of two, before the division by `sum`.
    pub across: f64,
    /// Mean and unbiased deviation of the row's logits without masked classes; only if z-scores are requested.
    pub mean: f64,
    pub deviation: f64,
}
