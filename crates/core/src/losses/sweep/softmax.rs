//! The softmaxes that the losses of a step read, asked for before the sweep, and what is known of one of them in a row.
//!
//! Losses that ask for the same softmax share it.

/// Whose logits: the student's, or those of one of the teachers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Student,
    Teacher(usize),
}

/// One softmax of every row, asked for before the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Softmax(pub(super) usize);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spec {
    pub side: Side,
    pub temperature: f64,
    /// Of the row's z-scores instead of its logits.
    pub standardize: bool,
    /// Its exponentials are kept as they are, not as a power of others.
    pub stored: bool,
    /// The sum that makes its divergence from the student's softmax of the same kind.
    pub across: bool,
}

/// The softmaxes that the losses of a step read.
#[derive(Default)]
pub(crate) struct Ask {
    pub(super) specs: Vec<Spec>,
    /// Whether a loss works with slopes.
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

    /// A teacher's softmax and the student's of the same temperature, with their divergence. With
    /// `standardize` of the rows' z-scores.
    pub fn pair(&mut self, teacher: usize, temperature: f64, standardize: bool) -> (Softmax, Softmax) {
        let student = self.find(Side::Student, temperature, standardize);
        let teacher = self.find(Side::Teacher(teacher), temperature, standardize);
        self.specs[teacher].across = true;
        self.specs[teacher].stored = true;
        (Softmax(teacher), Softmax(student))
    }

    /// Lets the softmax's exponentials be read as numbers, by `Row::exponentials`.
    pub fn stored(&mut self, softmax: Softmax) -> Softmax {
        self.specs[softmax.0].stored = true;
        softmax
    }

    /// A teacher's softmax and the student's of one temperature, as numbers, and a row for slopes.
    pub fn slopes(&mut self, teacher: usize, temperature: f64) -> (Softmax, Softmax) {
        let student = self.softmax(Side::Student, temperature);
        let teacher = self.softmax(Side::Teacher(teacher), temperature);
        self.slopes = true;
        (self.stored(teacher), self.stored(student))
    }

    /// A row for slopes, or for a loss's own exponentials.
    pub fn scratch(&mut self) {
        self.slopes = true;
    }
}

/// What the sweep knows of one softmax of the current row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub max: f32,
    /// 1 / temperature, for z-scores also over the row's deviation.
    pub scale: f64,
    /// Σ of the exponentials, the largest being 1.
    pub sum: f64,
    /// Its logarithm.
    pub log_sum: f64,
    /// Σ p (d − d_student), in powers of two, before the division by `sum`.
    pub across: f64,
    /// Of the row's logits (without masked classes), and unbiased; only where z-scores are asked for.
    pub mean: f64,
    pub deviation: f64,
}
