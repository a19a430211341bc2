//! Properties of each loss over features, with the options of its golden file.

use super::*;
use crate::error::Code;
use crate::losses::features::LayerPair;
use crate::losses::{Micro, Student};
use crate::tape::Value;

const LAYER: &str = "layer";

/// Everything that such a loss may read: maps of equal size, or vectors.
#[derive(Clone)]
struct Seen {
    /// The shape of the student's layer, also on the pair view.
    dims: Vec<usize>,
    teacher_dims: Vec<usize>,
    student: Vec<f64>,
    teacher: Vec<f64>,
    pair: Vec<f64>,
    labels: Vec<u32>,
    row_weights: Option<Vec<f32>>,
}

impl Seen {
    fn new(dims: &[usize], scale: f64) -> Seen {
        Seen::unequal(dims, dims, scale)
    }

    fn unequal(dims: &[usize], teacher_dims: &[usize], scale: f64) -> Seen {
        let mut numbers = Numbers(dims.iter().product::<usize>() as u64);
        let mut many = |dims: &[usize]| numbers.many(dims.iter().product(), scale);
        let (student, teacher, pair) = (many(dims), many(teacher_dims), many(dims));
        let labels = (0..dims[0] as u32).map(|row| row % 3).collect();
        let (dims, teacher_dims) = (dims.to_vec(), teacher_dims.to_vec());
        Seen { dims, teacher_dims, student, teacher, pair, labels, row_weights: None }
    }

    fn rows(&self) -> usize {
        self.dims[0]
    }

    /// Only these rows.
    fn select(&self, rows: &[usize]) -> Seen {
        let of = |all: &[f64]| {
            let width = all.len() / self.rows();
            rows.iter().flat_map(|row| all[row * width..(row + 1) * width].to_vec()).collect()
        };
        Seen {
            dims: [&[rows.len()], &self.dims[1..]].concat(),
            teacher_dims: [&[rows.len()], &self.teacher_dims[1..]].concat(),
            student: of(&self.student),
            teacher: of(&self.teacher),
            pair: of(&self.pair),
            labels: rows.iter().map(|row| self.labels[*row]).collect(),
            row_weights: self.row_weights.as_ref().map(|weights| rows.iter().map(|row| weights[*row]).collect()),
        }
    }

    fn batch(&self) -> Batch {
        let inputs = Features::Ragged { ids: Vec::new(), offsets: Vec::new(), weights: None };
        Batch {
            ids: (0..self.rows() as u64).collect(),
            epoch: 0,
            inputs,
            labels: Labels::Single(self.labels.clone()),
            row_weights: self.row_weights.clone(),
            teacher_logits: None,
            pair: None,
        }
    }

    /// The total, the report, and the gradients at the student's layer and at its pair view.
    fn run(&self, losses: &mut Losses, precision: Precision) -> (f64, Applied, Vec<f64>, Vec<f64>) {
        self.try_run(losses, precision).unwrap()
    }

    fn try_run(&self, losses: &mut Losses, precision: Precision) -> Result<(f64, Applied, Vec<f64>, Vec<f64>)> {
        let of = |values: &[f64], dims: &[usize]| {
            from_vec(values.to_vec(), dims.to_vec()).unwrap().to_dtype(precision.dtype()).unwrap()
        };
        let tensor = |values: &[f64]| of(values, &self.dims);
        for feature in &mut losses.features {
            let pair = LayerPair { student: LAYER.into(), teacher: LAYER.into() };
            feature.forget();
            feature.place(0, pair, &self.dims[1..], &self.teacher_dims[1..])?;
        }
        let mut tape = Tape::new(precision.engine());
        let (student, pair) = (tape.leaf(tensor(&self.student)), tape.leaf(tensor(&self.pair)));
        let logits = Tensor::zeros((self.rows(), 3), precision.dtype(), student.tensor().device()).unwrap();
        let seen = |value: &Value| Outputs {
            hidden: BTreeMap::from([(LAYER.to_string(), value.clone())]),
            ..Outputs::of_logits(Value::constant(logits.clone()))
        };
        let (main, second) = (seen(&student), seen(&pair));
        let mut teacher = Signal::logits(logits.clone());
        teacher.hidden.insert(LAYER.into(), of(&self.teacher, &self.teacher_dims));
        let none = BTreeMap::new();
        let sides = Student { main: &main, pair: Some(&second), parameters: &none };
        let batch = self.batch();
        let denominators = &losses.denominators(&[&batch]).unwrap();
        let micro = Micro { student: sides, teachers: &[teacher], batch: &batch, denominators, step: 0, norms: true };
        let mut applied = losses.apply(&mut tape, &micro)?;
        let mut gradients = tape.backward(std::mem::take(&mut applied.seeds)).unwrap();
        let zeros = || vec![0.0; self.student.len()];
        let mut take = |value: &Value| gradients.take(value).map_or_else(zeros, |tensor| to_f64(&tensor).unwrap());
        let (at_student, at_pair) = (take(&student), take(&pair));
        Ok((applied.total, applied, at_student, at_pair))
    }

    /// Compares the gradients with finite differences of the value.
    fn hold(&self, what: &str, losses: &mut Losses) {
        let (_, _, student, pair) = self.run(losses, Precision::F64);
        let mut slope = |move_by: &dyn Fn(&mut Seen, f64)| {
            let mut value = |by: f64| {
                let mut moved = self.clone();
                move_by(&mut moved, by);
                moved.run(losses, Precision::F64).0
            };
            (value(1e-6) - value(-1e-6)) / 2e-6
        };
        let slopes: Vec<f64> = (0..student.len()).map(|at| slope(&|seen, by| seen.student[at] += by)).collect();
        assert_near(&format!("{what} student"), &student, &slopes, 1e-6);
        let slopes: Vec<f64> = (0..student.len()).map(|at| slope(&|seen, by| seen.pair[at] += by)).collect();
        assert_near(&format!("{what} pair"), &pair, &slopes, 1e-6);
    }
}

/// Each loss, and dims that it can read.
fn features() -> Vec<(String, Losses, Vec<usize>)> {
    let mut found = Vec::new();
    for (name, losses) in all() {
        let Some(feature) = losses.features.first() else { continue };
        let shapes = [vec![6, 5], vec![6, 2, 5], vec![6, 3, 4, 2]];
        let fitting = shapes.into_iter().find(|dims| feature.loss.check(&dims[1..], &dims[1..]).is_ok());
        found.push((name, losses, fitting.unwrap()));
    }
    assert!(found.len() >= 12);
    found
}

#[test]
fn the_gradients_are_those_of_the_value() {
    for (name, mut losses, dims) in features() {
        for weights in [None, Some(vec![1.0, 0.5, 2.0, 0.0, 1.0, 0.25])] {
            Seen { row_weights: weights, ..Seen::new(&dims, 1.5) }.hold(&name, &mut losses);
        }
    }
}

#[test]
fn the_gradients_are_those_of_the_value_where_widths_or_options_differ() {
    let (vectors, maps) = ([6, 3], [6, 3, 4, 5]);
    let cases: [(serde_json::Value, &[usize], &[usize]); 14] = [
        (json!({ "similarity": {} }), &vectors, &[6, 5]),
        (json!({ "rkdDistance": {} }), &vectors, &[6, 5]),
        (json!({ "rkdAngle": {} }), &vectors, &[6, 2, 4]),
        (json!({ "pkt": { "eps": 0.1 } }), &vectors, &[6, 5]),
        (json!({ "attentionTransfer": {} }), &maps, &[6, 2, 2, 3]),
        (json!({ "attentionTransfer": {} }), &maps, &[6, 2, 8, 5]),
        (json!({ "attentionTransfer": {} }), &maps, &[6, 2, 7, 3]),
        (json!({ "nst": {} }), &maps, &[6, 2, 4, 5]),
        (json!({ "cosine": {} }), &maps, &maps),
        (json!({ "cosine": {} }), &[6, 2, 3], &[6, 2, 3]),
        (json!({ "patient": { "normalize": false } }), &[6, 2, 3], &[6, 2, 3]),
        (json!({ "patient": { "token": "first" } }), &[6, 4, 3], &[6, 4, 3]),
        (json!({ "patient": { "token": "mean" } }), &[6, 4, 3], &[6, 4, 3]),
        (json!({ "tripletBatch": { "negatives": "all", "margin": 1 } }), &[6, 3], &[6, 3]),
    ];
    for (options, own, other) in cases {
        let mut seen = Seen::unequal(own, other, 1.5);
        seen.row_weights = Some(vec![1.0, 0.5, 2.0, 0.0, 1.0, 0.25]);
        seen.hold(&format!("{options} {own:?} {other:?}"), &mut losses(options.clone()));
    }
}

#[test]
fn a_teacher_row_that_is_no_number_is_refused() {
    for (name, mut losses, dims) in features() {
        for number in [f64::NEG_INFINITY, f64::NAN] {
            for precision in [Precision::F64, Precision::F32] {
                let mut seen = Seen::new(&dims, 1.0);
                let width: usize = dims[1..].iter().product();
                seen.teacher[2 * width..3 * width].fill(number);
                let error = seen.try_run(&mut losses, precision).err().unwrap_or_else(|| panic!("{name} {number}"));
                let (loss, _) = name.split_once(' ').unwrap();
                assert_eq!((error.code, error.path.as_str()), (Code::NotFinite, loss), "{error}");
                assert!(error.message.contains("row "), "{error}");
            }
        }
    }
}

#[test]
fn relations_of_one_row_are_nothing() {
    for name in ["similarity", "rkdDistance", "rkdAngle", "pkt", "tripletBatch"] {
        for scale in [0.0, 1.0] {
            let (value, _, gradient, _) =
                Seen::new(&[1, 4], scale).run(&mut losses(json!({ name: {} })), Precision::F64);
            assert_eq!((value, largest(&gradient)), (0.0, 0.0), "{name}");
        }
    }
}

#[test]
fn shapes_that_cannot_be_compared_are_refused_with_the_remedy() {
    let cases: [(serde_json::Value, &[usize], &[usize], &str); 6] = [
        (json!({ "cosine": {} }), &[2, 3], &[2, 5], "set projection: true"),
        (json!({ "patient": {} }), &[2, 3], &[2, 5], "set projection: true"),
        (json!({ "hint": {} }), &[2, 3], &[2, 5], "set projection: true"),
        (json!({ "triplet": {} }), &[2, 3], &[2, 5], "set projection: true"),
        (json!({ "attentionTransfer": {} }), &[2, 3], &[2, 3], "name convolutions"),
        (json!({ "nst": {} }), &[2, 3, 4, 4], &[2, 3, 2, 2], "attentionTransfer, which pools"),
    ];
    for (options, own, other, remedy) in cases {
        let error = Seen::unequal(own, other, 1.0).try_run(&mut losses(options), Precision::F64).err().unwrap();
        assert_eq!(error.path, "layers");
        assert!(error.message.contains(remedy) && error.message.contains("layer of the student"), "{error}");
    }
    let options = serde_json::from_value(json!({ "pkt": { "eps": 0 } })).unwrap();
    assert_eq!(Losses::new(options).err().unwrap().path, "pkt.eps");
}

#[test]
fn single_precision_agrees_with_double_on_every_size() {
    for (name, mut losses, dims) in features() {
        for rows in [1, 2, 7, 33] {
            for width in [1, 3, 131] {
                let mut dims = [&[rows], &dims[1..]].concat();
                *dims.last_mut().unwrap() = width;
                let seen = Seen::new(&dims, 2.0);
                let (value, _, gradient, _) = seen.run(&mut losses, Precision::F64);
                let (single, _, near, _) = seen.run(&mut losses, Precision::F32);
                let what = format!("{name} {dims:?}");
                assert_near(&what, &[single], &[value], 2e-5);
                assert_near(&what, &near, &gradient, 2e-4);
                assert!(value.is_finite() && gradient.iter().all(|x| x.is_finite()), "{what}");
            }
        }
    }
}

#[test]
fn rows_of_weight_zero_take_no_part() {
    for (name, mut losses, dims) in features() {
        for precision in [Precision::F64, Precision::F32] {
            let mut seen = Seen::new(&dims, 1.5);
            let width: usize = dims[1..].iter().product();
            let kept = seen.select(&[0, 2, 3, 5]);
            seen.row_weights = Some(vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
            // The content of this row does not matter.
            seen.student[width] = f64::NAN;
            seen.teacher[4 * width] = f64::INFINITY;
            let (value, applied, gradient, _) = seen.run(&mut losses, precision);
            let (expected, _, of_kept, _) = kept.run(&mut losses, precision);
            assert_near(&name, &[value], &[expected], 1e-12);
            let rows: Vec<f64> =
                [0, 2, 3, 5].iter().flat_map(|r| gradient[r * width..(r + 1) * width].to_vec()).collect();
            assert_near(&name, &rows, &of_kept, 1e-12);
            assert!(gradient[width..2 * width].iter().all(|x| *x == 0.0), "{name}");
            assert!(applied.terms.values().all(|term| !term.no_rows), "{name}");
            seen.row_weights = Some(vec![0.0; 6]);
            let (value, applied, gradient, _) = seen.run(&mut losses, precision);
            assert_eq!((value, largest(&gradient)), (0.0, 0.0), "{name}");
            assert!(applied.terms.values().all(|term| term.no_rows), "{name}");
        }
    }
}

#[test]
fn rows_without_a_label_take_no_part_in_losses_that_need_one_and_all_part_in_others() {
    let known = [0, 2, 3, 5];
    let mut with_labels = 0;
    for (name, mut losses, dims) in features() {
        let all = Seen::new(&dims, 1.5);
        let mut half = all.clone();
        [1, 4].into_iter().for_each(|row| half.labels[row] = crate::labels::UNLABELLED);
        let labelled = losses.features.iter().any(|feature| feature.needs.labelled());
        with_labels += usize::from(labelled);
        let (value, _, student, pair) = half.run(&mut losses, Precision::F64);
        let (expected, _, of_student, of_pair) = match labelled {
            true => all.select(&known).run(&mut losses, Precision::F64),
            false => all.run(&mut losses, Precision::F64),
        };
        let spread = |part: Vec<f64>| match labelled {
            true => {
                let width = part.len() / known.len();
                let mut whole = vec![0.0; width * 6];
                known
                    .iter()
                    .zip(part.chunks(width))
                    .for_each(|(row, part)| whole[row * width..][..width].copy_from_slice(part));
                whole
            }
            false => part,
        };
        assert_near(&name, &[value], &[expected], 1e-9);
        assert_near(&name, &student, &spread(of_student), 1e-9);
        assert_near(&name, &pair, &spread(of_pair), 1e-9);
    }
    assert!(with_labels >= 2, "triplet and tripletBatch");
}

#[test]
fn equal_zero_and_large_features_give_finite_values_and_gradients() {
    for (name, mut losses, dims) in features() {
        let count: usize = dims.iter().product();
        let mut equal = Seen::new(&dims, 1.0);
        equal.teacher = equal.student.clone();
        equal.pair = equal.student.clone();
        let zero = Seen { student: vec![0.0; count], ..Seen::new(&dims, 1.0) };
        let all_zero = Seen { teacher: vec![0.0; count], pair: vec![0.0; count], ..zero.clone() };
        let constant = Seen { student: vec![0.5; count], teacher: vec![2.0; count], ..Seen::new(&dims, 1.0) };
        for seen in [equal, zero, all_zero, constant, Seen::new(&dims, 1e4), Seen::new(&dims, 1e-6)] {
            for precision in [Precision::F64, Precision::F32] {
                let (value, _, gradient, pair) = seen.run(&mut losses, precision);
                let finite = value.is_finite() && gradient.iter().chain(&pair).all(|x| x.is_finite());
                assert!(finite, "{name} {precision:?}: {value}");
            }
        }
    }
}

#[test]
fn the_norm_is_that_of_the_weighted_gradient() {
    for (name, mut losses, dims) in features() {
        let (_, applied, student, pair) = Seen::new(&dims, 1.5).run(&mut losses, Precision::F64);
        let norm = student.iter().chain(&pair).map(|x| x * x).sum::<f64>().sqrt();
        let term = applied.terms.values().next().unwrap();
        assert_near(&name, &[term.gradient_norm.unwrap()], &[norm], 1e-12);
    }
}

#[test]
fn open_hinges_and_rows_without_a_negative_are_counted() {
    let mut seen = Seen::new(&[4, 3], 1.0);
    let mut triplet = losses(json!({ "triplet": { "margin": 0 } }));
    // The student equals the teacher for the first row, and is far away for the last.
    seen.student[..3].copy_from_slice(&seen.teacher.clone()[..3]);
    (0..3).for_each(|at| seen.student[9 + at] = seen.teacher[9 + at] + 100.0);
    let (_, applied, ..) = seen.select(&[0, 3]).run(&mut triplet, Precision::F64);
    assert_eq!(applied.terms["triplet"].details["openHinges"], 0.5);
    let mut batch = losses(json!({ "tripletBatch": {} }));
    seen.labels = vec![1, 1, 1, 1];
    let (value, applied, ..) = seen.run(&mut batch, Precision::F64);
    assert_eq!((value, applied.terms["tripletBatch"].details["rowsWithoutNegative"]), (0.0, 1.0));
    let text = serde_json::to_value(&applied.terms["tripletBatch"].details).unwrap();
    assert_eq!(text["openHinges"], 0.0);
}
