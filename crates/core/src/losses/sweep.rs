//! The row engine: one sweep over the rows runs all row losses while a row is in cache.
//!
//! A row's largest logits come first, then the exponentials of each softmax that was asked for, then every
//! loss's value and coefficients, and the gradient last, in one pass. It is made in the forward pass and
//! kept. Of the student's softmaxes the one of the largest temperature stands in the gradient's own row, and
//! those whose temperature divides it are its powers: e^(x/1) = (e^(x/2))². So two losses at two temperatures
//! read and write 12 bytes a logit, and a thread needs one scratch row, whatever the number of losses.
//!
//! Rows are split into fixed blocks, values are summed in row order: equal bits for any number of threads.

use std::cell::RefCell;
use std::f64::consts::LOG2_E;

use super::loss::RowTerm;
use super::row::{Ask, Block, Gradient, Place, Row, Side, Spec, Stats};
use crate::error::{Code, Error, Result};
use crate::kernels::cpu::rows::{self, Polynomial};
use crate::pool;

/// Logits of a part of a row that losses see at once: in the first-level cache with all its companions.
const PART: usize = 512;
/// Logits of one task.
const TASK: usize = 16 * 1024;
/// Longest row whose successor is fetched while the row is worked on.
const AHEAD: usize = 40_000;
/// Temperatures that divide another by a whole number up to this are powers of its exponentials.
const POWERS: u32 = 8;

/// One loss (against one teacher) at one step.
pub(super) struct Term<'a> {
    pub loss: Box<dyn RowTerm<'a> + 'a>,
    /// The number of its loss: terms against several teachers are reported together.
    pub group: usize,
    /// What multiplies its value in the total.
    pub weight: f64,
    /// The teacher's share of the loss.
    pub share: f64,
    /// By row; `None` where all are 1.
    pub row_weights: Option<Vec<f64>>,
    /// The sum of the row weights over the optimizer step; 0 where there are no rows.
    pub denominator: f64,
}

impl Term<'_> {
    fn row_weight(&self, row: usize) -> f64 {
        self.row_weights.as_ref().map_or(1.0, |weights| weights[row])
    }
}

/// What a sweep reads: all rows of equal length, one after the other.
pub(super) struct Rows<'a> {
    pub classes: usize,
    pub student: &'a [f32],
    pub teachers: Vec<&'a [f32]>,
    /// Several labels or real numbers; empty where there are none.
    pub targets: &'a [f32],
    pub labels: Option<&'a [u32]>,
}

/// By group: Σ of the rows' weighted values over the denominator, and the square of the gradient's norm.
pub(super) struct Swept {
    pub values: Vec<f64>,
    pub squares: Vec<f64>,
}

/// Where each softmax's exponentials go.
struct Layout {
    specs: Vec<Spec>,
    places: Vec<Place>,
    /// By base: the softmax whose exponentials it holds.
    bases: Vec<usize>,
}

impl Layout {
    fn new(specs: Vec<Spec>) -> Layout {
        // Students first: base 0 stands in the gradient's own row. Then by falling temperature.
        let mut order: Vec<usize> = (0..specs.len()).collect();
        let rank = |side: Side| match side {
            Side::Student => 0,
            Side::Teacher(index) => index + 1,
        };
        order.sort_by(|a, b| {
            let (a, b) = (&specs[*a], &specs[*b]);
            rank(a.side).cmp(&rank(b.side)).then(b.temperature.total_cmp(&a.temperature))
        });
        let mut places = vec![Place { base: 0, power: 1 }; specs.len()];
        let mut bases: Vec<usize> = Vec::new();
        for index in order {
            let spec = &specs[index];
            let power_of = |base: &usize| {
                let of = &specs[*base];
                let ratio = of.temperature / spec.temperature;
                let near = (2..=POWERS).find(|power| (ratio - f64::from(*power)).abs() < 1e-12 * ratio)?;
                (!spec.stored && of.side == spec.side && !of.standardize).then_some(near)
            };
            let found = bases.iter().enumerate().find_map(|(at, base)| power_of(base).map(|power| (at, power)));
            places[index] = match found {
                Some((base, power)) => Place { base, power },
                None => {
                    bases.push(index);
                    Place { base: bases.len() - 1, power: 1 }
                }
            };
        }
        Layout { specs, places, bases }
    }
}

/// What a task needs while it goes through its rows, reused from row to row.
struct Work<'a> {
    stats: Vec<Stats>,
    /// One for all terms, or where norms are wanted one for each group.
    gradients: Vec<Gradient<'a>>,
    /// By base.
    polynomials: Vec<Polynomial>,
}

thread_local! {
    /// Rows of exponentials, all but the one that stands in the gradient.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

struct Task<'t> {
    first_row: usize,
    gradient: &'t mut [f32],
    /// By row and term; the squares by row and group.
    values: &'t mut [f64],
    squares: &'t mut [f64],
    result: Result<()>,
}

/// Runs all terms, ordered by group, over all rows; `gradient` is written, never read before.
pub(super) fn sweep<'a>(
    ask: Ask,
    terms: &[Term<'a>],
    groups: usize,
    rows: &Rows<'a>,
    gradient: &mut [f32],
    norms: bool,
) -> Result<Swept> {
    let layout = Layout::new(ask.specs);
    let count = rows.student.len() / rows.classes.max(1);
    let mut values = vec![0.0; count * terms.len()];
    let mut squares = vec![0.0; if norms { count * groups } else { 0 }];
    let task_rows = if rows.student.len() <= 4 * TASK { count } else { TASK.div_ceil(rows.classes) }.max(1);
    let mut tasks: Vec<Task> = Vec::with_capacity(count.div_ceil(task_rows));
    {
        let mut rest = (gradient, values.as_mut_slice(), squares.as_mut_slice());
        let mut first_row = 0;
        while first_row < count {
            let here = task_rows.min(count - first_row);
            let (gradient, more_gradient) = rest.0.split_at_mut(here * rows.classes);
            let (values, more_values) = rest.1.split_at_mut(here * terms.len());
            let (squares, more_squares) = rest.2.split_at_mut(if norms { here * groups } else { 0 });
            tasks.push(Task { first_row, gradient, values, squares, result: Ok(()) });
            rest = (more_gradient, more_values, more_squares);
            first_row += here;
        }
    }
    pool::pieces(&mut tasks, 1, |_, task| {
        for task in task {
            task.result = SCRATCH.with_borrow_mut(|scratch| run(&layout, terms, rows, task, scratch));
        }
    });
    for task in tasks {
        task.result?;
    }
    let mut swept = Swept { values: vec![0.0; groups], squares: vec![0.0; groups] };
    for row in values.chunks_exact(terms.len().max(1)) {
        terms.iter().zip(row).for_each(|(term, value)| swept.values[term.group] += value);
    }
    for row in squares.chunks_exact(groups.max(1)) {
        swept.squares.iter_mut().zip(row).for_each(|(sum, square)| *sum += square);
    }
    Ok(swept)
}

/// All rows of one task.
fn run<'a>(
    layout: &Layout,
    terms: &[Term<'a>],
    rows: &Rows<'a>,
    task: &mut Task,
    scratch: &mut Vec<f32>,
) -> Result<()> {
    let len = rows.classes;
    let others = layout.bases.len().saturating_sub(1) * len;
    if scratch.len() < others {
        scratch.resize(others, 0.0);
    }
    let norms = !task.squares.is_empty();
    let groups = task.squares.len() / (task.gradient.len() / len).max(1);
    let new_gradient = || Gradient { softmaxes: vec![0.0; layout.specs.len()], ..Gradient::default() };
    let mut work = Work {
        stats: vec![Stats::default(); layout.specs.len()],
        gradients: (0..if norms { groups } else { 1 }).map(|_| new_gradient()).collect(),
        polynomials: vec![Polynomial::default(); layout.bases.len().max(1)],
    };
    for (index, first) in task.gradient.chunks_exact_mut(len).enumerate() {
        let at = task.first_row + index;
        let values = &mut task.values[index * terms.len()..(index + 1) * terms.len()];
        if terms.iter().all(|term| term.row_weight(at) == 0.0) {
            first.fill(0.0);
            continue;
        }
        let range = at * len..(at + 1) * len;
        let student = &rows.student[range.clone()];
        let mean = prepare(layout, rows, at, first, &mut scratch[..others], &mut work.stats)?;
        work.gradients.iter_mut().for_each(Gradient::clear);
        let scale = |term: &Term| match term.denominator {
            0.0 => 0.0,
            sum => term.weight * term.share * term.row_weight(at) / sum,
        };
        for (number, term) in terms.iter().enumerate() {
            if term.row_weight(at) == 0.0 {
                continue;
            }
            let mut row = Row {
                index: at,
                student,
                label: rows.labels.map(|labels| labels[at]),
                mean,
                stats: &work.stats,
                places: &layout.places,
                first,
                others: &scratch[..others],
                gradient: &mut work.gradients[if norms { term.group } else { 0 }],
                scale: scale(term),
            };
            values[number] = term.loss.row(&mut row);
        }
        let whole = Whole { layout, rows, start: range.start, others: &scratch[..others] };
        let blocks = terms.iter().any(|term| term.loss.has_blocks());
        if !norms && !blocks {
            whole.write(&work.gradients[0], 0, first, &mut work.polynomials);
        } else {
            let squares = if norms { &mut task.squares[index * groups..(index + 1) * groups] } else { &mut [] };
            whole.write_in_parts(terms, &mut work, first, at, values, squares, scale);
        }
        if values.iter().any(|value| !value.is_finite()) {
            for teacher in &rows.teachers {
                finite(&teacher[range.clone()], at, "teacher.logits", true)?;
            }
            if !rows.targets.is_empty() {
                finite(&rows.targets[range.clone()], at, "labels", false)?;
            }
            return Err(Error::new(Code::NotFinite, "", format!("expected a finite loss, got none in row {at}")));
        }
        for (value, term) in values.iter_mut().zip(terms) {
            *value *= if term.denominator == 0.0 { 0.0 } else { term.share * term.row_weight(at) / term.denominator };
        }
    }
    Ok(())
}

/// The largest logits and the exponentials of every softmax; gives the mean of the student's logits.
fn prepare(
    layout: &Layout,
    rows: &Rows,
    at: usize,
    first: &mut [f32],
    others: &mut [f32],
    stats: &mut [Stats],
) -> Result<f64> {
    let len = rows.classes;
    let range = at * len..(at + 1) * len;
    let student = &rows.student[range.clone()];
    let (student_max, sum) = rows::max_and_sum(student);
    if !sum.is_finite() {
        finite(student, at, "student.logits", false)?;
    }
    // The student's rows come first among the bases, and a teacher's sum across needs the student's maximum.
    for spec in 0..layout.specs.len() {
        let Spec { side, temperature, standardize, .. } = layout.specs[spec];
        let of = &mut stats[spec];
        *of = Stats { scale: 1.0 / temperature, ..Stats::default() };
        let logits = match side {
            Side::Student => student,
            Side::Teacher(index) => &rows.teachers[index][range.clone()],
        };
        of.max = if side == Side::Student { student_max } else { rows::max_and_sum(logits).0 };
        if of.max == f32::NEG_INFINITY || of.max == f32::INFINITY {
            finite(logits, at, "teacher.logits", true)?;
            let message = format!("expected one class that is not masked, got -∞ for all of row {at}");
            return Err(Error::new(Code::NotFinite, "teacher.logits", message));
        }
        if standardize {
            (of.mean, of.deviation) = spread(logits, of.max);
            // A constant row has the score 0 everywhere, whatever it is divided by.
            of.scale = if of.deviation > 0.0 { 1.0 / (temperature * (of.deviation + 1e-7)) } else { 1.0 / temperature };
        }
    }
    // A row with all its companions has to fit into the second-level cache beside the next one.
    fn ahead(all: &[f32], end: usize, len: usize) -> &[f32] {
        if len <= AHEAD { all.get(end..end + len).unwrap_or(&[]) } else { &[] }
    }
    for (base, spec) in layout.bases.iter().enumerate() {
        let Spec { side, temperature, standardize, across, .. } = layout.specs[*spec];
        let out = if base == 0 { &mut *first } else { &mut others[(base - 1) * len..base * len] };
        let (max, scale) = (stats[*spec].max, (stats[*spec].scale * LOG2_E) as f32);
        let logits = match side {
            Side::Student => rows.student,
            Side::Teacher(index) => rows.teachers[index],
        };
        let (own, next) = (&logits[range.clone()], ahead(logits, range.end, len));
        let places = || layout.places.iter().enumerate().filter(|(_, place)| place.base == base);
        let power = places().map(|(_, place)| place.power).max().unwrap_or(1);
        let sums = if across {
            let same = |other: &Spec| {
                (other.side, other.temperature, other.standardize) == (Side::Student, temperature, standardize)
            };
            let student_scale = layout.specs.iter().position(same).map_or(0.0, |own| stats[own].scale * LOG2_E);
            rows::exponentials_across(own, max, scale, student, student_max, student_scale as f32, out, next)
        } else {
            rows::exponentials(own, max, scale, out, next, power)
        };
        if let Side::Teacher(index) = side
            && !sums[0].is_finite()
        {
            finite(&rows.teachers[index][range.clone()], at, "teacher.logits", true)?;
        }
        for (other, place) in places() {
            stats[other].sum = match place.power {
                1 => sums[0],
                largest if largest == power && !across => sums[1],
                power => rows::power_sum(out, power),
            };
        }
        stats[*spec].across = if across { sums[1] } else { 0.0 };
    }
    Ok(sum / len as f64)
}

/// Mean and unbiased deviation, without masked classes.
fn spread(logits: &[f32], max: f32) -> (f64, f64) {
    let (count, mean, squares) = rows::spread(logits, max);
    (mean, if count > 1.0 { (squares / (count - 1.0)).sqrt() } else { 0.0 })
}

/// Names the first number that is not finite, if there is one.
fn finite(logits: &[f32], row: usize, path: &str, masks: bool) -> Result<()> {
    let bad = |x: &f32| !x.is_finite() && !(masks && *x == f32::NEG_INFINITY);
    match logits.iter().position(bad) {
        None => Ok(()),
        Some(class) => {
            let message = format!("expected finite numbers, got {} in row {row}, class {class}", logits[class]);
            Err(Error::new(Code::NotFinite, path, message))
        }
    }
}

/// One row with its exponentials, while its gradient is written.
struct Whole<'r> {
    layout: &'r Layout,
    rows: &'r Rows<'r>,
    /// Of the row among all logits.
    start: usize,
    others: &'r [f32],
}

impl Whole<'_> {
    /// Turns the exponentials of base 0 in `out`, which starts at class `from`, into the gradient.
    fn write(&self, gradient: &Gradient, from: usize, out: &mut [f32], polynomials: &mut [Polynomial]) {
        polynomials.fill(Polynomial::default());
        for (place, coefficient) in self.layout.places.iter().zip(&gradient.softmaxes) {
            if *coefficient != 0.0 {
                let of = &mut polynomials[place.base];
                of.coefficients[place.power as usize - 1] += *coefficient as f32;
                of.degree = of.degree.max(place.power as usize);
            }
        }
        let (len, to) = (self.rows.classes, from + out.len());
        let other = |base: usize| &self.others[(base - 1) * len + from..(base - 1) * len + to];
        let alone = gradient.everywhere == 0.0 && gradient.logits == 0.0 && gradient.dense.is_empty();
        match polynomials {
            [own, one] if alone && one.degree == 1 => {
                rows::combine(out, own, other(1), one.coefficients[0], &[], 0.0);
            }
            [own, one, two] if alone && one.degree == 1 && two.degree == 1 => {
                rows::combine(out, own, other(1), one.coefficients[0], other(2), two.coefficients[0]);
            }
            _ => {
                rows::scale_row(out, &polynomials[0], gradient.everywhere as f32);
                for (base, polynomial) in polynomials.iter().enumerate().skip(1) {
                    rows::add_row(out, polynomial, other(base));
                }
                if gradient.logits != 0.0 {
                    let student = &self.rows.student[self.start + from..self.start + to];
                    rows::add_row(out, &Polynomial::linear(gradient.logits), student);
                }
                for (row, coefficient) in &gradient.dense {
                    rows::add_row(out, &Polynomial::linear(*coefficient), &row[from..to]);
                }
            }
        }
        for (class, coefficient) in &gradient.classes {
            if (from..to).contains(class) {
                out[class - from] += *coefficient as f32;
            }
        }
    }

    /// The same part by part, with the losses that want to see the parts, and each term's norm.
    fn write_in_parts<'a>(
        &self,
        terms: &[Term<'a>],
        work: &mut Work<'a>,
        first: &mut [f32],
        at: usize,
        values: &mut [f64],
        squares: &mut [f64],
        scale: impl Fn(&Term) -> f64,
    ) {
        let norms = !squares.is_empty();
        let mut from = 0;
        for part in first.chunks_mut(PART) {
            let to = from + part.len();
            let (mut exponentials, mut own) = ([0.0; PART], [0.0; PART]);
            let (exponentials, own) = (&mut exponentials[..part.len()], &mut own[..part.len()]);
            exponentials.copy_from_slice(part);
            let mut blocks = |group: Option<usize>, out: &mut [f32]| {
                let wanted = |term: &Term| group.is_none_or(|group| group == term.group) && term.loss.has_blocks();
                for (number, term) in terms.iter().enumerate() {
                    if wanted(term) && term.row_weight(at) != 0.0 {
                        let range = self.start + from..self.start + to;
                        let mut block = Block { rows: self.rows, range, gradient: &mut *out, scale: scale(term) };
                        values[number] += term.loss.block(&mut block);
                    }
                }
            };
            if norms {
                part.fill(0.0);
                for (group, square) in squares.iter_mut().enumerate() {
                    own.copy_from_slice(exponentials);
                    self.write(&work.gradients[group], from, own, &mut work.polynomials);
                    blocks(Some(group), own);
                    *square += rows::sum_of_squares(own);
                    part.iter_mut().zip(own.iter()).for_each(|(sum, own)| *sum += own);
                }
            } else {
                self.write(&work.gradients[0], from, part, &mut work.polynomials);
                blocks(None, part);
            }
            from = to;
        }
    }
}
