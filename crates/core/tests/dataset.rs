//! The data set of a run: no row is lost or repeated, the same seed gives the same order, batches can be resumed, and
//! invalid columns are rejected by name.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::collections::BTreeSet;

use limbeck_core::batch::{Batch, Features, TeacherLogits};
use limbeck_core::dataset::*;
use limbeck_core::error::Code;
use limbeck_core::labels::{LabelKind, Labels, UNLABELLED};
use limbeck_core::top_logits::{Tail, TopLogits};
use proptest::prelude::*;

/// `rows` rows of two numbers; row r has the label r mod classes.
fn numbered(rows: usize, classes: usize) -> Dataset {
    let values = (0..2 * rows).map(|value| value as f32).collect();
    let labels = (0..rows).map(|row| (row % classes) as u32).collect();
    let labels = LabelColumn::Single { values: labels, classes: Some(classes) };
    Dataset::new(Columns::new(Inputs::F32 { values, shape: vec![2] }, labels)).unwrap()
}

fn images(rows: usize) -> Dataset {
    let values = (0..rows * 2 * 4 * 5).map(|value| (value % 251) as u8).collect();
    let inputs = Inputs::U8 { values, shape: vec![2, 4, 5], scale: 1.0 / 255.0, offset: 0.0 };
    Dataset::new(Columns::new(inputs, LabelColumn::None)).unwrap()
}

fn dense(batch: &Batch) -> Vec<f32> {
    match &batch.inputs {
        Features::Dense(tensor) => tensor.flatten_all().unwrap().to_vec1().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn ids(dataset: &Dataset) -> Vec<u64> {
    (0..dataset.rows()).map(|position| dataset.id(position)).collect()
}

fn ids_of(batches: impl Iterator<Item = limbeck_core::error::Result<Batch>>) -> Vec<Vec<u64>> {
    batches.map(|batch| batch.unwrap().ids).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_epoch_holds_every_row_exactly_once(rows in 1usize..300, batch_size in 1usize..70, seed: u64, epoch in 0u64..5) {
        let options = BatchOptions { batch_size, seed, ..BatchOptions::default() };
        let batches = ids_of(numbered(rows, 3).batches(&options, epoch).unwrap());
        prop_assert_eq!(batches.len(), rows.div_ceil(batch_size));
        prop_assert!(batches.iter().rev().skip(1).all(|batch| batch.len() == batch_size));
        let mut all = batches.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows as u64).collect::<Vec<_>>());
    }

    #[test]
    fn resuming_an_epoch_equals_never_stopping(rows in 1usize..300, batch_size in 1usize..70, seed: u64, at in 0usize..10) {
        let options = BatchOptions { batch_size, seed, ..BatchOptions::default() };
        let data = numbered(rows, 3);
        let whole = ids_of(data.batches(&options, 2).unwrap());
        let resumed = ids_of(data.batches(&options, 2).unwrap().starting_at(at));
        prop_assert_eq!(&whole[at.min(whole.len())..], &resumed[..]);
    }

    #[test]
    fn parts_of_a_split_share_no_row_and_lose_none(rows in 10usize..400, first in 0.15f64..0.8, seed: u64, stratify: bool) {
        let options = SplitOptions { seed, stratify };
        let parts = numbered(rows, 4).split(&[first, 1.0 - first], &options).unwrap();
        prop_assert_eq!(parts[0].rows(), (rows as f64 * first).round() as usize);
        let all: BTreeSet<u64> = parts.iter().flat_map(ids).collect();
        prop_assert_eq!(all.len(), rows);
        prop_assert_eq!(parts.iter().map(Dataset::rows).sum::<usize>(), rows);
    }

    #[test]
    fn a_stratified_part_has_every_label_to_within_one_row(
        rows in 40usize..400, classes in 1usize..9, first in 0.2f64..0.8, seed: u64
    ) {
        let data = numbered(rows, classes);
        let parts = data.split(&[first, 1.0 - first], &SplitOptions { seed, stratify: true }).unwrap();
        for class in 0..classes as u32 {
            let count = |data: &Dataset| (0..data.rows()).filter(|at| data.label(*at) == Some(class)).count() as f64;
            let exact = count(&data) * parts[0].rows() as f64 / rows as f64;
            prop_assert!((count(&parts[0]) - exact).abs() < 1.0 + 1e-9);
        }
    }

    #[test]
    fn splitting_a_batch_in_two_gives_the_same_augmented_samples(cut in 1usize..12, seed: u64, epoch in 0u64..3) {
        let augment = Augment {
            crop: Some(Crop { padding: 2, fill: CropFill::Reflect }),
            shift: Some(Shift { pixels: 1 }),
            flip: Some(Flip { horizontal: 0.5, vertical: 0.5 }),
            noise: Some(Noise { std: 0.1 }),
        };
        let data = images(13);
        let together = BatchOptions { batch_size: 13, seed, augment, ..BatchOptions::default() };
        let apart = BatchOptions { batch_size: cut, ..together.clone() };
        let all = |options| -> Vec<f32> {
            data.batches(options, epoch).unwrap().flat_map(|batch| dense(&batch.unwrap())).collect()
        };
        prop_assert_eq!(all(&together), all(&apart));
    }
}

#[test]
fn the_seed_and_the_epoch_decide_the_order() {
    let data = numbered(100, 3);
    let order = |seed, epoch| ids_of(data.batches(&BatchOptions { seed, ..BatchOptions::default() }, epoch).unwrap());
    assert_eq!(order(1, 0), order(1, 0));
    assert_ne!(order(1, 0), order(2, 0));
    assert_ne!(order(1, 0), order(1, 1));
}

#[test]
fn evaluation_reads_the_rows_in_order() {
    let batches = ids_of(numbered(7, 3).batches(&BatchOptions::in_order(3), 0).unwrap());
    assert_eq!(batches, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
}

#[test]
fn drop_last_leaves_out_the_smaller_batch() {
    let options = BatchOptions { batch_size: 3, drop_last: true, ..BatchOptions::default() };
    assert_eq!(numbered(8, 3).batches(&options, 0).unwrap().count_of_epoch(), 2);
    assert_eq!(numbered(9, 3).batches(&options, 0).unwrap().count_of_epoch(), 3);
    let error = numbered(2, 2).batches(&options, 0).err().unwrap();
    assert_eq!(error.to_string(), "batchSize: expected at most 2, the rows of the data, because of dropLast, got 3");
}

#[test]
fn batch_size_0_is_refused() {
    let error = numbered(2, 2).batches(&BatchOptions::in_order(0), 0).err().unwrap();
    assert_eq!(error.to_string(), "batchSize: expected an integer of at least 1, got 0");
    assert_eq!(error.code, Code::InvalidConfig);
}

#[test]
fn unknown_options_of_batches_are_refused() {
    let error = serde_json::from_str::<BatchOptions>(r#"{"batchsize": 3}"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `batchsize`"), "{error}");
}

#[test]
fn sampling_weights_draw_rows_in_their_proportion_and_never_those_of_weight_0() {
    let mut columns = numbered(4, 2).columns().clone();
    columns.sampling = Some(vec![1.0, 0.0, 3.0, 4.0]);
    let data = Dataset::new(columns).unwrap();
    let options = BatchOptions { batch_size: 4, ..BatchOptions::default() };
    let mut counts = [0; 4];
    for epoch in 0..2_000 {
        let drawn = ids_of(data.batches(&options, epoch).unwrap()).concat();
        assert_eq!(drawn.len(), 4);
        drawn.into_iter().for_each(|id| counts[id as usize] += 1);
    }
    for (count, weight) in counts.iter().zip([1, 0, 3, 4]) {
        assert!((*count as f64 - weight as f64 * 1_000.0).abs() <= 200.0 * weight.min(1) as f64, "{counts:?}");
    }
    let again = || ids_of(data.batches(&options, 5).unwrap());
    assert_eq!(again(), again());
}

#[test]
fn a_selection_of_a_selection_has_the_right_rows() {
    let data = numbered(10, 5).select(&[9, 3, 4, 0]).unwrap().select(&[2, 0]).unwrap();
    assert_eq!(ids(&data), [4, 9]);
    let batch = data.batch_of_all(0).unwrap();
    assert_eq!(dense(&batch), [8.0, 9.0, 18.0, 19.0]);
    assert!(matches!(&batch.labels, Labels::Single(labels) if labels == &[4, 4]));
    for (indices, message) in [
        (vec![], "indices: expected at least one row, got an empty selection"),
        (vec![1, 2], "indices[1]: expected an index below 2 (the number of rows), got 2"),
        (vec![1, 1], "indices: expected every row at most once, got 1 more than once"),
    ] {
        assert_eq!(data.select(&indices).unwrap_err().to_string(), message);
    }
}

#[test]
fn bytes_become_scale_times_byte_plus_offset() {
    let inputs = Inputs::U8 { values: vec![0, 255, 51, 102], shape: vec![2], scale: 1.0 / 255.0, offset: -0.5 };
    let data = Dataset::new(Columns::new(inputs, LabelColumn::None)).unwrap();
    let expected = [-0.5, 0.5, -0.3, -0.1];
    let got = dense(&data.batch_of_all(0).unwrap());
    assert!(got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6), "{got:?}");
    assert_eq!(data.bytes(), 4);
}

#[test]
fn ids_and_ragged_ids_are_read_row_by_row() {
    let inputs = Inputs::Ids { values: vec![1, 2, 3, 4, 5, 6], length: 2 };
    let data = Dataset::new(Columns::new(inputs, LabelColumn::None)).unwrap();
    let batch = data.batch(&[2, 0], 0).unwrap();
    assert!(matches!(&batch.inputs, Features::Ids(t) if t.to_vec2::<u32>().unwrap() == [[5, 6], [1, 2]]));

    let inputs = Inputs::Ragged {
        values: vec![7, 8, 9, 10],
        offsets: vec![0, 2, 2, 4],
        weights: Some(vec![0.5, 1.0, 2.0, 0.0]),
    };
    let data = Dataset::new(Columns::new(inputs, LabelColumn::None)).unwrap();
    let Features::Ragged { ids, offsets, weights } = data.batch(&[2, 1, 0], 0).unwrap().inputs else { panic!() };
    assert_eq!((ids, offsets), (vec![9, 10, 7, 8], vec![0, 2, 2, 4]));
    assert_eq!(weights, Some(vec![2.0, 0.0, 0.5, 1.0]));
    assert_eq!(data.largest_id(), Some(10));
}

#[test]
fn teacher_logits_are_matched_by_id_and_never_by_position() {
    let mut columns = numbered(3, 2).columns().clone();
    columns.ids = Some(vec![30, 10, 20]);
    let data = Dataset::new(columns).unwrap();
    let teacher = |ids: Vec<u64>| TeacherColumn {
        logits: ids.iter().flat_map(|id| [*id as f32, -1.0]).collect(),
        width: 2,
        top: None,
        ids: Some(ids),
    };
    let with = data.with_teacher_logits(teacher(vec![10, 20, 30, 40])).unwrap();
    let batch = with.batch(&[0, 2], 0).unwrap();
    let logits = |batch: Batch| match batch.teacher_logits {
        Some(TeacherLogits::All(logits)) => logits.to_vec2::<f32>().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(logits(batch), [[30.0, -1.0], [20.0, -1.0]]);
    let picked = with.select(&[1]).unwrap().batch_of_all(0).unwrap();
    assert_eq!(logits(picked), [[10.0, -1.0]]);

    let error = data.with_teacher_logits(teacher(vec![10, 20])).unwrap_err();
    assert_eq!(error.to_string(), "teacherLogits.ids: expected a teacher output for every row, got none for id 30");
    let error = data.with_teacher_logits(teacher(vec![10, 20, 10])).unwrap_err();
    assert_eq!(error.to_string(), "teacherLogits.ids[2]: expected unique ids, got 10, which is also the id of row 0");
    let three = TeacherColumn { logits: vec![0.0; 9], width: 3, top: None, ids: None };
    let error = data.with_teacher_logits(three).unwrap_err();
    assert_eq!(error.to_string(), "teacherLogits: expected 2 classes, as in the labels, got 3");
}

/// The two largest logits of each row, out of ten classes.
fn largest(rows: usize, ids: Option<Vec<u64>>) -> TeacherColumn {
    let classes = (0..rows as u32).flat_map(|row| [row % 10, (row + 3) % 10]).collect();
    let logits = (0..rows).flat_map(|row| [row as f32, -1.0]).collect();
    let tail = Some(Tail { temperature: 2.0, log_sum_exp: (0..rows).map(|row| row as f32 / 2.0 + 1.0).collect() });
    TeacherColumn { logits, width: 2, top: Some(TopColumn { classes, tail }), ids }
}

#[test]
fn the_largest_logits_of_a_teacher_stay_with_their_rows() {
    let plain = |ids: Option<Vec<u64>>| {
        let inputs = Inputs::F32 { values: vec![0.0; 6], shape: vec![1] };
        let labels = LabelColumn::Single { values: vec![0, 1, 2, 3, 4, 5], classes: Some(10) };
        Dataset::new(Columns { ids, ..Columns::new(inputs, labels) }).unwrap()
    };
    let data = plain(None).with_teacher_logits(largest(6, Some(vec![5, 4, 3, 2, 1, 0]))).unwrap();
    assert_eq!((data.teacher_top(), data.teacher_classes(), data.has_teacher_logits()), (Some((2, 9)), None, false));
    let top = |data: &Dataset, positions: &[u32]| match data.batch(positions, 0).unwrap().teacher_logits {
        Some(TeacherLogits::Top(TopLogits {
            k: 2,
            classes,
            logits,
            tail: Some(Tail { temperature: 2.0, log_sum_exp }),
        })) => (classes, logits, log_sum_exp),
        other => panic!("{other:?}"),
    };
    assert_eq!(top(&data, &[5, 1]), (vec![0, 3, 4, 7], vec![0.0, -1.0, 4.0, -1.0], vec![1.0, 3.0]));
    let part = data.select(&[4, 2]).unwrap();
    assert_eq!(top(&part, &[1]), top(&data, &[2]));
    let other = plain(Some((10..16).collect())).with_teacher_logits(largest(6, None)).unwrap();
    let both = part.concat(&other).unwrap();
    assert_eq!(top(&both, &[1, 3]), (vec![3, 6, 1, 4], vec![3.0, -1.0, 1.0, -1.0], vec![2.5, 1.5]));
    // The fingerprint includes the stored logits, their classes and the tail.
    let mut columns = [largest(6, None), largest(6, None), largest(6, None), largest(6, None)];
    columns[1].top.as_mut().unwrap().classes.swap(0, 1);
    columns[2].top.as_mut().unwrap().tail = None;
    columns[3].top.as_mut().unwrap().tail.as_mut().unwrap().log_sum_exp[5] = 9.0;
    let sums = columns.map(|column| plain(None).with_teacher_logits(column).unwrap().fingerprint());
    assert_eq!(BTreeSet::from(sums).len(), 4);
    assert!(data.bytes() > plain(None).bytes() + 6 * 5 * 4);
}

#[test]
fn invalid_largest_logits_are_rejected_by_name_and_row() {
    let refused = |change: &dyn Fn(&mut TeacherColumn)| {
        let mut column = largest(3, None);
        change(&mut column);
        let inputs = Inputs::F32 { values: vec![0.0; 3], shape: vec![1] };
        let labels = LabelColumn::Single { values: vec![0, 1, 2], classes: Some(6) };
        Dataset::new(Columns { teacher: Some(column), ..Columns::new(inputs, labels) }).err().unwrap().to_string()
    };
    let top = |column: &mut TeacherColumn| column.top.as_mut().unwrap().clone();
    let changed = |change: fn(&mut TopColumn)| {
        refused(&|column| {
            let mut of = top(column);
            change(&mut of);
            column.top = Some(of);
        })
    };
    assert_eq!(
        changed(|top| top.classes[2] = 4),
        "teacherTopK.classes[1]: expected classes below 6 that are all different, got [4, 4]"
    );
    assert_eq!(
        changed(|top| top.classes[5] = 6),
        "teacherTopK.classes[2]: expected classes below 6 that are all different, got [2, 6]"
    );
    assert_eq!(
        changed(|top| top.classes.truncate(5)),
        "teacherTopK.classes: expected 6 numbers, 2 for each of 3 rows, got 5"
    );
    let below = changed(|top| top.tail.as_mut().unwrap().log_sum_exp[1] = 0.5);
    assert!(
        below.starts_with("teacherTopK.logSumExp[1]: expected ln Σ e^(logit / 2) over all classes, at least 0.8133"),
        "{below}"
    );
    assert_eq!(
        changed(|top| top.tail.as_mut().unwrap().temperature = 0.0),
        "teacherTopK.temperature: expected a number above 0, got 0"
    );
    assert_eq!(
        refused(&|column| column.logits[3] = f32::NAN),
        "teacherTopK.logits[1]: expected finite numbers, got NaN at position 1 of the row"
    );
    assert_eq!(
        refused(&|column| column.ids = Some(vec![0, 1, 1])),
        "teacherTopK.ids[2]: expected unique ids, got 1, which is also the id of row 1"
    );
    assert_eq!(
        refused(&|column| column.ids = Some(vec![0, 1, 7])),
        "teacherTopK.ids: expected a teacher output for every row, got none for id 2"
    );
}

#[test]
fn invalid_columns_are_rejected_by_name() {
    let good = || numbered(3, 2).columns().clone();
    type Spoil = fn(&mut Columns);
    let cases: &[(Spoil, &str)] = &[
        (
            |c| c.inputs = Inputs::F32 { values: vec![0.0; 7], shape: vec![2] },
            "inputs: expected a multiple of 2 numbers (rows of shape [2]), got 7",
        ),
        (
            |c| c.inputs = Inputs::F32 { values: vec![], shape: vec![2] },
            "inputs: expected at least one row, got an empty data set",
        ),
        (
            |c| c.inputs = Inputs::F32 { values: vec![0.0; 6], shape: vec![0, 2] },
            "inputs: expected a row shape with sizes above 0, got [0, 2]",
        ),
        (
            |c| c.inputs = Inputs::F32 { values: vec![0.0; 6], shape: vec![usize::MAX, 2] },
            "inputs: expected a row shape with sizes above 0, got [18446744073709551615, 2]",
        ),
        (
            |c| c.inputs = Inputs::F32 { values: vec![0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0], shape: vec![2] },
            "inputs[1]: expected finite numbers, got NaN at position 1 of the row",
        ),
        (
            |c| c.inputs = Inputs::U8 { values: vec![0; 6], shape: vec![2], scale: 0.0, offset: 0.0 },
            "scale: expected a finite number other than 0, got 0",
        ),
        (
            |c| c.inputs = Inputs::Ragged { values: vec![1, 2], offsets: vec![0, 2, 1, 2], weights: None },
            "inputs.offsets: expected offsets that never decrease, got 1 after 2 at row 1",
        ),
        (
            |c| c.inputs = Inputs::Ragged { values: vec![1, 2], offsets: vec![0, 1, 1, 3], weights: None },
            "inputs.offsets: expected offsets from 0 to 2 (the number of ids), got 0 to 3",
        ),
        (
            |c| c.inputs = Inputs::Ragged { values: vec![], offsets: vec![], weights: None },
            "inputs.offsets: expected one more offset than rows, got no offsets",
        ),
        (
            |c| c.labels = LabelColumn::Single { values: vec![0, 1], classes: Some(2) },
            "labels: expected 3 labels, one for each row, got 2",
        ),
        (
            |c| c.labels = LabelColumn::Single { values: vec![0, 1, 2], classes: Some(2) },
            "labels[2]: expected a label below 2 (the number of classes), got 2: classes are counted from 0",
        ),
        (
            |c| c.labels = LabelColumn::Several { values: vec![0.0, 1.0, 0.5, 1.5, 0.0, 0.0], classes: 2 },
            "labels[1][1]: expected a number from 0 to 1, got 1.5",
        ),
        (
            |c| c.labels = LabelColumn::Real { values: vec![0.0, f32::INFINITY, 0.5], outputs: 1 },
            "labels[1]: expected finite numbers, got inf at position 0 of the row",
        ),
        (
            |c| c.labels = LabelColumn::Real { values: vec![], outputs: 0 },
            "labels: expected at least one number per row, got 0",
        ),
        (|c| c.ids = Some(vec![1, 2, 1]), "ids[2]: expected unique ids, got 1, which is also the id of row 0"),
        (|c| c.ids = Some(vec![1, 2]), "ids: expected 3 ids, one for each row, got 2"),
        (|c| c.weights = Some(vec![1.0, -1.0, 1.0]), "weights[1]: expected a finite number of at least 0, got -1"),
        (|c| c.weights = Some(vec![0.0; 3]), "weights: expected a weight above 0 in at least one row, got 0 in all"),
        (
            |c| c.sampling = Some(vec![1.0, f32::NAN, 1.0]),
            "sampling[1]: expected a finite number of at least 0, got NaN",
        ),
        (|c| c.label_names = Some(vec!["cat".into()]), "labelNames: expected 2 names, one for each class, got 1"),
        (
            |c| c.teacher = Some(TeacherColumn { logits: vec![0.0; 5], width: 2, top: None, ids: None }),
            "teacherLogits: expected 6 numbers, 2 for each of 3 rows, got 5",
        ),
    ];
    for (spoil, message) in cases {
        let mut columns = good();
        spoil(&mut columns);
        assert_eq!(Dataset::new(columns).unwrap_err().to_string(), *message);
    }
    Dataset::new(good()).unwrap();
}

#[test]
fn rows_without_a_label_belong_to_no_class_and_keep_their_position() {
    let mut columns = numbered(6, 2).columns().clone();
    columns.labels = LabelColumn::Single { values: vec![1, UNLABELLED, 2, UNLABELLED, 1, 0], classes: None };
    let data = Dataset::new(columns).unwrap();
    assert_eq!((data.classes(), data.label_kind()), (Some(3), LabelKind::Single));
    assert_eq!(data.labelled().collect::<Vec<_>>(), [0, 2, 4, 5]);
    assert_eq!((data.label(0), data.label(1)), (Some(1), None));
    let none = data.select(&[1, 3]).unwrap();
    assert_eq!((none.label_kind(), none.classes()), (LabelKind::None, Some(3)));
    let parts = data.split(&[0.5, 0.5], &SplitOptions { stratify: true, ..SplitOptions::default() }).unwrap();
    assert!(parts.iter().all(|part| part.labelled().count() == 2), "each has its share of the rows without a label");
}

#[test]
fn data_without_any_label_have_no_label_kind() {
    let mut columns = numbered(3, 2).columns().clone();
    columns.labels = LabelColumn::Single { values: vec![UNLABELLED; 3], classes: None };
    let data = Dataset::new(columns).unwrap();
    assert_eq!((data.label_kind(), data.classes()), (LabelKind::None, None));
}

#[test]
fn the_number_of_classes_follows_from_the_names_or_the_largest_label() {
    let mut columns = numbered(3, 2).columns().clone();
    columns.labels = LabelColumn::Single { values: vec![0, 4, 1], classes: None };
    assert_eq!(Dataset::new(columns.clone()).unwrap().classes(), Some(5));
    columns.label_names = Some((0..7).map(|n| n.to_string()).collect());
    assert_eq!(Dataset::new(columns).unwrap().classes(), Some(7));
}

#[test]
fn unusable_splits_are_refused() {
    let data = numbered(4, 2);
    for (fractions, message) in [
        (&[][..], "fractions: expected at least one fraction, got none"),
        (&[0.75, 0.5], "fractions: expected a sum of at most 1, got 1.25 or more"),
        (&[0.5, 0.0], "fractions[1]: expected a number above 0 and at most 1, got 0"),
        (&[0.5, f64::NAN], "fractions[1]: expected a number above 0 and at most 1, got NaN"),
        (&[0.99, 0.01], "fractions[1]: expected a fraction that gives at least one of 4 rows, got 0.01"),
    ] {
        assert_eq!(data.split(fractions, &SplitOptions::default()).unwrap_err().to_string(), message);
    }
    let refused = images(4).split(&[0.5, 0.5], &SplitOptions { seed: 0, stratify: true }).unwrap_err();
    assert_eq!(refused.to_string(), "stratify: expected data with one label per row, got other labels or none");
}

#[test]
fn splits_differ_by_seed_only() {
    let data = numbered(50, 2);
    let first = |seed| ids(&data.split(&[0.5], &SplitOptions { seed, stratify: false }).unwrap()[0]);
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn a_batch_of_a_stream_is_checked_and_numbered() {
    let columns = || numbered(3, 2).columns().clone();
    let batch = Batch::from_columns(columns(), 2, 100).unwrap();
    assert_eq!((batch.ids.clone(), batch.epoch), (vec![100, 101, 102], 2));
    assert_eq!(dense(&batch), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let mut bad = columns();
    bad.labels = LabelColumn::Single { values: vec![0, 2, 0], classes: Some(2) };
    assert!(Batch::from_columns(bad, 0, 0).unwrap_err().to_string().starts_with("labels[1]"));
}

#[test]
fn joined_data_sets_keep_their_rows_and_ids() {
    let data = numbered(6, 2);
    let parts = data.split(&[0.5, 0.5], &SplitOptions::default()).unwrap();
    let joined = parts[1].concat(&parts[0]).unwrap();
    assert_eq!(ids(&joined), [ids(&parts[1]), ids(&parts[0])].concat());
    let expected = [dense(&parts[1].batch_of_all(0).unwrap()), dense(&parts[0].batch_of_all(0).unwrap())].concat();
    assert_eq!(dense(&joined.batch_of_all(0).unwrap()), expected);

    let error = data.concat(&parts[0]).unwrap_err();
    assert!(error.to_string().starts_with("concat.ids["), "{error}");
    let error = data.concat(&images(2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "concat.inputs: expected rows of the same kind and shape, got f32 [2] and u8 [2, 4, 5] (scale 0.003921569, offset 0)"
    );
}

#[test]
fn fingerprints_depend_only_on_the_content() {
    let data = numbered(6, 2);
    let columns = data.columns().clone();
    assert_eq!(data.fingerprint(), Dataset::new(columns.clone()).unwrap().fingerprint());
    assert_eq!(data.fingerprint().len(), 64);
    let same = data.select(&[0, 1, 2, 3, 4, 5]).unwrap();
    assert_eq!(data.fingerprint(), same.fingerprint());
    assert_ne!(data.fingerprint(), data.select(&[1, 0, 2, 3, 4, 5]).unwrap().fingerprint());
    type Change = fn(&mut Columns);
    let changes: &[Change] = &[
        |c| c.ids = Some(vec![0, 1, 2, 3, 4, 6]),
        |c| c.weights = Some(vec![1.0; 6]),
        |c| c.labels = LabelColumn::None,
        |c| c.inputs = Inputs::F32 { values: vec![0.0; 12], shape: vec![2] },
        |c| c.inputs = Inputs::Ids { values: vec![0; 12], length: 2 },
        |c| c.teacher = Some(TeacherColumn { logits: vec![0.0; 12], width: 2, top: None, ids: None }),
    ];
    let mut seen = BTreeSet::from([data.fingerprint()]);
    for (index, change) in changes.iter().enumerate() {
        let mut changed = columns.clone();
        change(&mut changed);
        assert!(seen.insert(Dataset::new(changed).unwrap().fingerprint()), "{index}");
    }
}

#[test]
fn normalisation_is_computed_from_the_data_per_channel() {
    let values = (0..4 * 2 * 3).map(|value| if value / 3 % 2 == 0 { value as f32 } else { 5.0 }).collect();
    let data = Dataset::new(Columns::new(Inputs::F32 { values, shape: vec![2, 3] }, LabelColumn::None)).unwrap();
    let normalization = Normalization::from_dataset(&data).unwrap();
    assert_eq!(normalization.mean, [10.0, 5.0]);
    assert_eq!(normalization.std, [(6.0f64 * 6.0 * 1.25 + 2.0 / 3.0).sqrt() as f32, 1.0]);
    let preprocessing = Preprocessing { normalization: Some(normalization), bytes: None };
    let batch = data.batch_of_all(0).unwrap();
    let Features::Dense(normal) = preprocessing.apply(&batch.inputs).unwrap() else { panic!() };
    let numbers: Vec<f32> = normal.flatten_all().unwrap().to_vec1().unwrap();
    let first: Vec<f32> = (0..24).filter(|at| at / 3 % 2 == 0).map(|at| numbers[at]).collect();
    let square = first.iter().map(|x| x * x).sum::<f32>() / 12.0;
    assert!(first.iter().sum::<f32>().abs() < 1e-5 && (square - 1.0).abs() < 1e-5);
    assert!((0..24).filter(|at| at / 3 % 2 == 1).all(|at| numbers[at] == 0.0));
    assert_eq!(dense(&batch)[0], 0.0, "the batch keeps the raw numbers");

    let Features::Dense(raw) = &batch.inputs else { panic!() };
    let wide = Features::Dense(raw.to_dtype(candle_core::DType::F64).unwrap());
    let Features::Dense(wide) = preprocessing.apply(&wide).unwrap() else { panic!() };
    let reference: Vec<f64> = wide.flatten_all().unwrap().to_vec1().unwrap();
    assert!(reference.iter().zip(&numbers).all(|(wide, narrow)| (wide - f64::from(*narrow)).abs() < 1e-6));
}

#[test]
fn one_mean_applies_to_all_channels_and_invalid_normalisations_are_rejected() {
    let batch = images(2).batch_of_all(0).unwrap();
    let of = |mean: &[f32], std: &[f32]| Preprocessing {
        normalization: Some(Normalization { mean: mean.to_vec(), std: std.to_vec() }),
        bytes: None,
    };
    let Features::Dense(moved) = of(&[0.5], &[2.0]).apply(&batch.inputs).unwrap() else { panic!() };
    let moved: Vec<f32> = moved.flatten_all().unwrap().to_vec1().unwrap();
    assert!(moved.iter().zip(dense(&batch)).all(|(moved, raw)| *moved == (raw - 0.5) / 2.0));
    assert_eq!(
        of(&[0.0; 3], &[1.0; 3]).apply(&batch.inputs).unwrap_err().to_string(),
        "normalization: expected rows of 3 channels or features, got inputs [2, 2, 4, 5]"
    );
    let refused = |mean: &[f32], std: &[f32]| of(mean, std).validate().unwrap_err().to_string();
    assert_eq!(refused(&[0.0], &[0.0]), "normalization.std[0]: expected a finite number above 0, got 0");
    assert_eq!(refused(&[f32::NAN], &[1.0]), "normalization.mean[0]: expected a finite number, got NaN");
    assert_eq!(
        refused(&[0.0], &[]),
        "normalization.std: expected as many numbers as mean has, 1, and at least 1, got 0"
    );
}

#[test]
fn rows_of_one_group_stay_together_in_parts_of_about_the_requested_size() {
    let data = images(100);
    let groups: Vec<u32> = (0..100).map(|row| row * 7 % 23).collect();
    let parts = |seed| data.split_groups(&[0.7, 0.3], &groups, seed).unwrap();
    for seed in 0..20 {
        let parts = parts(seed);
        let of = |part: &Dataset| -> BTreeSet<u32> { ids(part).iter().map(|id| groups[*id as usize]).collect() };
        assert!(of(&parts[0]).is_disjoint(&of(&parts[1])));
        assert_eq!(parts[0].rows() + parts[1].rows(), 100);
        assert!((65..=75).contains(&parts[0].rows()), "{}", parts[0].rows());
        assert_eq!(ids(&parts[0]), ids(&data.split_groups(&[0.7, 0.3], &groups, seed).unwrap()[0]));
    }
    assert_ne!(ids(&parts(1)[0]), ids(&parts(2)[0]));
    // Rows that belong to no part are left out in whole groups.
    let some = data.split_groups(&[0.2], &groups, 3).unwrap();
    assert!((15..=25).contains(&some[0].rows()));
    let refused = |fractions: &[f64], groups: &[u32]| data.split_groups(fractions, groups, 0).unwrap_err().to_string();
    assert!(refused(&[0.5, 0.5], &[1; 100]).starts_with("fractions[1]: expected more groups than 1"));
    assert!(refused(&[0.5, 0.5], &[1; 99]).starts_with("groups: expected 100 groups"));
}
