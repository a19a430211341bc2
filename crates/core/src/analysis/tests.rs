//! Tests each diagnostic on numbers that can be checked by hand, and all of them on models and data.

use super::seen::Table;
use super::tree::Tree;
use super::*;
use crate::dataset::{Columns, Dataset, Inputs, LabelColumn, TeacherColumn};
use crate::labels::UNLABELLED;
use crate::models::{Model, ModelOptions};
use crate::random::Key;
use crate::tensor::from_vec;
use serde_json::{Value as Json, json};

/// Logits of a teacher and a student for one row of label 0.
const TEACHER: [f64; 4] = [2.0, 1.0, 0.5, -1.0];
const STUDENT: [f64; 4] = [1.0, 1.5, -0.5, 0.0];

fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-9, "{got} {expected}");
}

fn table<const WIDTH: usize>(rows: &[[f64; WIDTH]]) -> Table {
    Table { width: WIDTH, values: rows.concat() }
}

/// Logits whose softmax gives these probabilities.
fn logs<const WIDTH: usize>(rows: &[[f64; WIDTH]]) -> Table {
    Table { width: WIDTH, values: rows.concat().iter().map(|p: &f64| p.ln()).collect() }
}

#[test]
fn re_weighting_is_grouped_by_confidence_and_counts_skipped_rows() {
    let confidence = [0.9, 0.1, 0.5, 0.3];
    let weights = vec![Some(3.0), Some(-1.0), None, Some(1.0)];
    let report = reweighting::report(&confidence, weights.clone(), 2, true);
    let groups: Vec<_> =
        report.by_confidence.iter().map(|g| (g.from, g.to, g.weights.median, g.weights.rows)).collect();
    assert_eq!(groups, [(0.1, 0.3, 0.0, 2), (0.5, 0.9, 3.0, 1)]);
    assert_eq!((report.weights.median, report.weights.rows, report.weights.skipped), (1.0, 3, 1));
    near(report.negative, 1.0 / 3.0);
    assert_eq!(report.each_row, Some(weights));
    assert_eq!(
        reweighting::report(&confidence, vec![Some(1.0); 4], 9, false).by_confidence.len(),
        4,
        "empty groups are left out"
    );
}

#[test]
fn entropy_is_that_of_the_softened_row() {
    near(entropy::entropy(&[0.0; 4], 1.0), 4f64.ln());
    near(entropy::entropy(&[3f64.ln(), 0.0], 1.0), -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln()));
    near(entropy::entropy(&[9f64.ln(), 0.0], 2.0), entropy::entropy(&[3f64.ln(), 0.0], 1.0));
    assert_eq!(entropy::entropy(&[1e4, f64::NEG_INFINITY], 1e-3), 0.0);
}

#[test]
fn columns_that_move_together_correlate_and_constant_ones_do_not() {
    let options = ClassCorrelationOf { groups: Some(vec![0, 0, 1]), ..Default::default() };
    let report = options.of(&logs(&[[0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.1, 0.7, 0.2]])).unwrap();
    for (row, want) in report.matrix.iter().zip([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]) {
        row.iter().zip(want).for_each(|(got, want)| near(*got, want));
    }
    near(report.within, -1.0);
    near(report.between, 0.0);
    near(report.score, -1.0);
    assert_eq!(report.constant, [2]);
    // Two columns and their product moments: means 0.4 and 0.35, deviations −0.1, 0.2, −0.1 and 0.05, −0.1, 0.05.
    let report =
        ClassCorrelationOf::default().of(&logs(&[[0.3, 0.4, 0.3], [0.6, 0.25, 0.15], [0.3, 0.4, 0.3]])).unwrap();
    near(report.matrix[0][1], -1.0);
    near(report.matrix[1][2], 1.0);
    assert_eq!(report.order, [0, 1, 2]);
    assert_eq!(report.groups, [0, 1, 1], "the tree is cut between the classes that move apart");
}

type ClassCorrelationOf = class_correlation::ClassCorrelation;

#[test]
fn blocks_are_scored_by_their_means() {
    let matrix = [[1.0, 0.5, 0.1, 0.2], [0.5, 1.0, 0.3, 0.4], [0.1, 0.3, 1.0, 0.7], [0.2, 0.4, 0.7, 1.0]];
    let matrix: Vec<Vec<f64>> = matrix.iter().map(|row| row.to_vec()).collect();
    let (within, between) = class_correlation::block_means(&matrix, &[0, 0, 1, 1]);
    near(within, 0.6);
    near(between, 0.25);
    assert_eq!(class_correlation::block_means(&matrix, &[0, 1, 2, 3]).0, 0.0);
}

#[test]
fn average_linkage_joins_the_nearest_leaves_and_orders_them_side_by_side() {
    // Leaves 0 and 2 are 1 apart, 1 and 3 are 2 apart; the two pairs are (4 + 6 + 8 + 10) / 4 = 7 apart.
    let distances = [[0.0, 4.0, 1.0, 6.0], [4.0, 0.0, 8.0, 2.0], [1.0, 8.0, 0.0, 10.0], [6.0, 2.0, 10.0, 0.0]];
    let tree = Tree::average_linkage(distances.iter().map(|row| row.to_vec()).collect());
    assert_eq!(tree.order(), [0, 2, 1, 3]);
    assert_eq!(tree.cut(1), [0, 0, 0, 0]);
    assert_eq!(tree.cut(2), [0, 1, 0, 1]);
    assert_eq!(tree.cut(3), [0, 1, 0, 2]);
    assert_eq!(tree.cut(4), [0, 1, 2, 3]);
    let equal = Tree::average_linkage(vec![vec![1.0; 5]; 5]);
    assert_eq!(equal.cut(5), [0, 1, 2, 3, 4], "equal distances terminate too");
}

#[test]
fn activations_are_projected_onto_the_plane_of_three_templates() {
    // Templates (0,0,1), (2,0,1), (1,3,1): the plane is z = 1, u1 = x, u2 = y.
    let templates = table(&[[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [1.0, 3.0, 1.0], [9.0, 9.0, 9.0]]);
    let activations = table(&[[0.5, 0.25, 7.0], [2.0, 1.0, -3.0], [4.0, 1.0, 0.0], [5.0, 5.0, 5.0]]);
    let report = projection::report(&activations, &templates, &[0, 1, 1, 3], [0, 1, 2]).unwrap();
    assert_eq!(report.templates, [[0.0, 0.0], [2.0, 0.0], [1.0, 3.0]]);
    let points: Vec<_> = report.points.iter().map(|p| (p.row, p.label, p.x, p.y)).collect();
    assert_eq!(points, [(0, 0, 0.5, 0.25), (1, 1, 2.0, 1.0), (2, 1, 4.0, 1.0)]);
    let cluster = &report.clusters[1];
    assert_eq!((cluster.rows, cluster.x, cluster.y, cluster.deviation), (2, 3.0, 1.0, 1.0));
    // The order of the classes turns the plane: from (2,0,1) towards (0,0,1).
    let turned = projection::report(&activations, &templates, &[0, 1, 1, 3], [1, 0, 2]).unwrap();
    assert_eq!(turned.templates, [[0.0, 0.0], [2.0, 0.0], [1.0, 3.0]]);
    assert_eq!((turned.points[0].x, turned.points[0].y), (1.5, 0.25));
}

#[test]
fn templates_on_one_line_are_refused() {
    let line = table(&[[0.0, 1.0], [1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]);
    for classes in [[0, 1, 2], [0, 3, 1]] {
        let error = projection::report(&line, &line, &[0, 1, 2, 3], classes).unwrap_err();
        assert!(error.message.contains("templates lie on one line: choose other classes"), "{error}");
    }
    let error = projection::report(&line, &line, &[0, 1, 2, 3], [0, 1, 4]).unwrap_err();
    assert_eq!(error.to_string(), "classes: expected classes below 4, got 4");
}

#[test]
fn wrong_classes_are_compared_pair_by_pair() {
    // The label, 0, is left out; classes 2 and 3 are equally likely and make no pair.
    assert_eq!(geometry::pairs(&[9.0, 1.0, 0.5, 3.0], &[0.1, 0.5, 0.2, 0.2], 0), (1, 2));
    // Equal distances do not agree.
    assert_eq!(geometry::pairs(&[9.0, 1.0, 1.0, 2.0], &[0.0, 0.5, 0.3, 0.2], 0), (2, 3));
    assert_eq!(geometry::pairs(&[9.0, 1.0, 1.0, 1.0], &[0.0, 0.5, 0.5, 0.5], 0), (0, 0));
    // Compares with a count of every pair; both numbers have ties.
    let key = Key::new(3).with("geometry");
    for trial in 0..50u64 {
        let draw =
            |of: &str| -> Vec<f64> { (0..12).map(|class| key.with(of).with(trial).below(class, 6) as f64).collect() };
        let (d, p, label) = (draw("d"), draw("p"), trial as usize % 12);
        let (mut agree, mut all) = (0, 0);
        for i in (0..12).filter(|i| *i != label) {
            for j in (0..12).filter(|j| *j != label && p[i] > p[*j]) {
                all += 1;
                agree += u64::from(d[i] < d[j]);
            }
        }
        assert_eq!(geometry::pairs(&d, &p, label), (agree, all));
    }
}

#[test]
fn calibration_bins_and_the_fitted_temperature() {
    // Confidence 0.8 three times, right twice; 0.6 once, right.
    let logits = logs(&[[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.6, 0.4]]);
    let found = calibration::at(&logits, &[0, 1, 1, 0], 1.0, 5);
    near(found.error, 0.75 * (0.8 - 2.0 / 3.0) + 0.25 * 0.4);
    near(found.loss, -(2.0 * 0.8f64.ln() + 0.2f64.ln() + 0.6f64.ln()) / 4.0);
    let bins: Vec<_> = found.bins.iter().map(|bin| bin.rows).collect();
    // 0.8 and 0.6 lie on edges and belong to the lower bin, up to rounding: the fourth, and the third or fourth.
    assert_eq!(bins.iter().sum::<usize>(), 4);
    assert_eq!(found.bins[0].accuracy, 0.0);
    // Logits (2, 0) in every row, three of four right: σ(2/T) = 3/4, so T = 2 / ln 3.
    let logits = table(&[[2.0, 0.0]; 4]);
    near(calibration::fit(&logits, &[0, 0, 1, 0]), 2.0 / 3f64.ln());
    near(calibration::fit(&logits, &[0, 0, 0, 0]), 0.01);
    near(calibration::fit(&logits, &[1, 1, 1, 1]), 100.0);
    near(calibration::fit(&table(&[[-2e4, 0.0]; 4]), &[1, 1, 0, 1]), 100.0);
}

#[test]
fn gain_is_counted_class_by_class() {
    let (alone, distilled) = ([true, false, false, true, false], [true, true, true, false, true]);
    let report = gain::report(
        &[0, 0, 2, 2, 2],
        &alone,
        &distilled,
        Some(&[true; 5]),
        Some(&["a".into(), "b".into(), "c".into()]),
    );
    near(report.all.gain, 0.4);
    assert_eq!((report.all.mended, report.all.spoilt, report.all.teacher), (3, 1, Some(1.0)));
    // Four throws, one or fewer on one side: 2 · (1 + 4) / 16.
    near(report.p_value, 0.625);
    let lines: Vec<_> = report.classes.iter().map(|c| (c.label, c.name.as_deref(), c.of.rows, c.of.mended)).collect();
    assert_eq!(lines, [(0, Some("a"), 2, 1), (2, Some("c"), 3, 2)]);
    near(report.classes[1].of.gain, 1.0 / 3.0);
    near(gain::report(&[0], &[true], &[true], None, None).p_value, 1.0);
}

#[test]
fn mutual_information_measures_how_well_rows_can_be_told_apart() {
    near(mutual_information::estimate(&table(&[[-1.0, 1.0], [9.0, 11.0]])).unwrap(), 2f64.ln());
    near(mutual_information::estimate(&table(&[[-1.0, 1.0], [-1.0, 1.0]])).unwrap(), 0.0);
    // Means 0 and 1, s² = 1: half the copies are ½ from their own mean and 2 from the other mean, half ½ and 0.
    let far = -0.5 - (0.5 * ((-0.5f64).exp() + (-2f64).exp())).ln();
    let near_by = -0.5 - (0.5 * ((-0.5f64).exp() + 1.0)).ln();
    near(mutual_information::estimate(&table(&[[-1.0, 1.0], [0.0, 2.0]])).unwrap(), (far + near_by) / 2.0);
    let error = mutual_information::estimate(&table(&[[1.0, 1.0], [2.0, 2.0]])).unwrap_err();
    assert!(error.to_string().starts_with("augment: expected changes"), "{error}");
}

fn rows(count: usize, width: usize, classes: u32) -> Columns {
    let mut values = vec![0f32; count * width];
    Key::new(5).with("rows").fill_normal(&mut values, 0.0, 1.0);
    let labels = LabelColumn::Single {
        values: (0..count as u32).map(|row| row % classes).collect(),
        classes: Some(classes as usize),
    };
    Columns::new(Inputs::F32 { values, shape: vec![width] }, labels)
}

fn model(options: Json, seed: u64) -> Model {
    Model::create(serde_json::from_value::<ModelOptions>(options).unwrap(), seed).unwrap()
}

fn given<'a>(data: &'a Dataset, teacher: &'a Model, student: &'a Model) -> Given<'a> {
    Given { data, validation: None, teacher: Some(teacher), student: Some(student), control: None }
}

fn chosen(diagnostics: Json) -> Diagnostics {
    serde_json::from_value(diagnostics).unwrap()
}

#[test]
fn activations_times_templates_are_the_logits() {
    let data = Dataset::new(rows(7, 6, 3)).unwrap();
    for options in [
        json!({ "mlp": { "sizes": [6, 5, 3] } }),
        json!({ "layers": [{ "linear": { "outputs": 3 } }], "input": [6] }),
        json!({ "layers": [{ "residual": { "layers": [{ "linear": { "outputs": 6 } }] } }, { "linear": { "outputs": 3 } }], "input": [6] }),
    ] {
        let model = model(options, 1);
        let seen = Seen::new(
            &Given { data: &data, validation: None, teacher: None, student: Some(&model), control: None },
            Default::default(),
        )
        .unwrap();
        let inner = seen.inner(seen::Who::Student).unwrap();
        let head = model.network.head().unwrap();
        let bias = model.parameters.get(&format!("{head}.bias")).unwrap().1;
        for (h, logits) in inner.activations.rows().zip(seen.logits(seen::Who::Student).unwrap().rows()) {
            for ((w, bias), logit) in inner.templates.rows().zip(&bias).zip(logits) {
                let product: f64 = h.iter().zip(w).map(|(h, w)| h * w).sum();
                assert!((product + f64::from(*bias) - logit).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn a_student_equal_to_its_teacher_satisfies_the_proposition_if_templates_have_equal_lengths() {
    let data = Dataset::new(rows(40, 2, 4)).unwrap();
    let mut same = model(json!({ "layers": [{ "linear": { "outputs": 4, "bias": false } }], "input": [2] }), 1);
    let directions: Vec<f32> = (0..4).flat_map(|k| [(1.3 * k as f32).cos(), (1.3 * k as f32).sin()]).collect();
    for parameter in same.parameters.0.values_mut() {
        parameter.tensor = from_vec(directions.clone(), (4, 2)).unwrap();
    }
    let report =
        analyse(&given(&data, &same, &same), Some(&chosen(json!({ "geometry": {} })))).unwrap().geometry.unwrap();
    assert_eq!((report.share, report.pairs), (1.0, 40 * 3));
    assert!(report.template_lengths.iter().all(|length| (length - 1.0).abs() < 1e-6));
}

#[test]
fn one_row_gives_the_numbers_of_the_paper() {
    // A model whose output is only its bias returns the same logits for every row.
    let says = |logits: [f64; 4]| {
        let mut model = model(json!({ "layers": [{ "linear": { "outputs": 4 } }], "input": [1] }), 1);
        for (name, parameter) in model.parameters.0.iter_mut() {
            let values = if name.ends_with("bias") { logits.map(|z| z as f32) } else { [0.0; 4] };
            let dims = parameter.tensor.dims().to_vec();
            parameter.tensor = from_vec(values.to_vec(), dims).unwrap();
        }
        model
    };
    let data = Dataset::new(Columns::new(
        Inputs::F32 { values: vec![1.0], shape: vec![1] },
        LabelColumn::Single { values: vec![0], classes: Some(4) },
    ))
    .unwrap();
    let (teacher, student) = (says(TEACHER), says(STUDENT));
    for (weight, temperature, w, gamma) in
        [(0.5, 2.0, 0.698_224_917_9, 0.754_133_733_4), (1.0, 1.0, 0.435_090_890_3, 0.520_719_949_9)]
    {
        let options = json!({
            "reweighting": { "weight": weight, "temperature": temperature },
            "equivalentSmoothing": { "temperature": temperature },
        });
        let found = analyse(&given(&data, &teacher, &student), Some(&chosen(options))).unwrap();
        near(found.reweighting.unwrap().weights.median, w);
        let smoothing = found.equivalent_smoothing.unwrap().teacher.unwrap();
        near(smoothing.gamma, gamma);
        near(smoothing.confidence, 1.0 - 0.75 * gamma);
    }
}

#[test]
fn only_the_labelled_rows_of_partly_labelled_data_are_analysed() {
    let (teacher, student) =
        (model(json!({ "mlp": { "sizes": [6, 5, 3] } }), 1), model(json!({ "mlp": { "sizes": [6, 3] } }), 2));
    let whole = Dataset::new(rows(30, 6, 3)).unwrap();
    let mut columns = rows(30, 6, 3);
    let LabelColumn::Single { values, .. } = &mut columns.labels else { panic!() };
    (0..30).filter(|row| row % 2 == 1).for_each(|row| values[row] = UNLABELLED);
    let (some, even) = (Dataset::new(columns).unwrap(), (0..30).step_by(2).collect::<Vec<u32>>());
    let options = chosen(json!({ "entropy": {}, "reweighting": {}, "calibration": {}, "equivalentSmoothing": {} }));
    let of = |data: &Dataset| {
        serde_json::to_value(analyse(&given(data, &teacher, &student), Some(&options)).unwrap()).unwrap()
    };
    assert_eq!(of(&some), of(&whole.select(&even).unwrap()));
    assert_ne!(of(&some)["entropy"], of(&whole)["entropy"]);
}

#[test]
fn without_a_choice_all_possible_diagnostics_run_and_the_others_have_a_reason() {
    let mut columns = rows(30, 6, 3);
    columns.weights = Some((0..30).map(|row| if row < 10 { 0.0 } else { 1.0 }).collect());
    let data = Dataset::new(columns).unwrap();
    let (teacher, student) =
        (model(json!({ "mlp": { "sizes": [6, 8, 3] } }), 1), model(json!({ "mlp": { "sizes": [6, 4, 3] } }), 2));
    let mut given = given(&data, &teacher, &student);
    let found = analyse(&given, None).unwrap();
    assert_eq!(found.rows, 20, "rows of weight 0 are left out");
    assert_eq!(found.left_out.keys().collect::<Vec<_>>(), ["gain", "mutualInformation"]);
    assert_eq!(found.left_out["gain"], "control: expected the same student trained without a teacher, got none");
    assert!(found.calibration.unwrap().student.unwrap().after.is_none());
    // Noise suits rows of any shape; the validation rows make temperature scaling possible.
    given.control = Some(&student);
    given.validation = Some(&data);
    let options = chosen(
        json!({ "gain": {}, "calibration": {}, "mutualInformation": { "augment": { "noise": { "std": 0.1 } } } }),
    );
    let found = analyse(&given, Some(&options)).unwrap();
    assert_eq!(found.gain.unwrap().all.gain, 0.0);
    let information = found.mutual_information.unwrap().student.unwrap();
    assert!(information.nats > 0.0 && information.nats <= information.most && information.rows == 20);
    // The temperature is fitted and evaluated on the same rows, so the loss cannot grow.
    let calibration = found.calibration.unwrap().teacher.unwrap();
    assert!(calibration.after.unwrap().loss <= calibration.before.loss);
}

#[test]
fn a_teacher_may_be_a_column_of_the_data() {
    let mut columns = rows(12, 6, 3);
    let teacher = model(json!({ "mlp": { "sizes": [6, 8, 3] } }), 1);
    let bare = Dataset::new(columns.clone()).unwrap();
    let logits = crate::evaluate::logits(&teacher, &bare).unwrap();
    columns.teacher = Some(TeacherColumn { logits, width: 3, top: None, ids: None });
    let (data, student) = (Dataset::new(columns).unwrap(), model(json!({ "mlp": { "sizes": [6, 4, 3] } }), 2));
    let options = chosen(json!({ "reweighting": {}, "entropy": {} }));
    let of_model = analyse(&given(&bare, &teacher, &student), Some(&options)).unwrap();
    let of_column = analyse(&Given { teacher: None, ..given(&data, &teacher, &student) }, Some(&options)).unwrap();
    assert_eq!(serde_json::to_value(of_model).unwrap(), serde_json::to_value(of_column).unwrap());
}

#[test]
fn impossible_diagnostics_are_rejected_with_their_path() {
    let data = Dataset::new(rows(12, 6, 3)).unwrap();
    let (teacher, student) =
        (model(json!({ "mlp": { "sizes": [6, 8, 3] } }), 1), model(json!({ "mlp": { "sizes": [6, 4, 3] } }), 2));
    let both = given(&data, &teacher, &student);
    let refused = |given: &Given, options: Json| analyse(given, Some(&chosen(options))).unwrap_err().to_string();
    for (options, words) in [
        (json!({}), "diagnostics: expected at least one of reweighting, "),
        (json!({ "reweighting": { "weight": 1.5 } }), "diagnostics.reweighting.weight: expected a number from 0 to 1"),
        (json!({ "reweighting": { "groups": 0 } }), "diagnostics.reweighting.groups: "),
        (json!({ "entropy": { "temperature": 0.0 } }), "diagnostics.entropy.temperature: expected a number above 0"),
        (
            json!({ "classCorrelation": { "groups": [0, 1] } }),
            "diagnostics.classCorrelation.teacher.groups: expected a group for each of 3",
        ),
        (
            json!({ "classCorrelation": { "blocks": 4 } }),
            "diagnostics.classCorrelation.teacher.blocks: expected at most 3",
        ),
        (
            json!({ "projection": { "classes": [0, 1, 3] } }),
            "diagnostics.projection.teacher.classes: expected classes below 3",
        ),
        (json!({ "projection": { "classes": [0, 1, 1] } }), "diagnostics.projection.classes: expected three different"),
        (json!({ "calibration": { "bins": 0 } }), "diagnostics.calibration.bins: "),
        (json!({ "gain": {} }), "diagnostics.gain.control: expected the same student trained without a teacher"),
        (json!({ "mutualInformation": { "augment": {} } }), "diagnostics.mutualInformation.augment: expected a change"),
        (json!({ "mutualInformation": {} }), "diagnostics.mutualInformation.teacher.augment.shift: expected images"),
    ] {
        let said = refused(&both, options);
        assert!(said.starts_with(words), "{said}");
    }
    let alone = Given { teacher: None, ..given(&data, &teacher, &student) };
    assert!(refused(&alone, json!({ "geometry": {} })).starts_with("diagnostics.geometry.teacher: expected a teacher"));
    let nobody = Given { student: None, ..alone };
    assert!(refused(&nobody, json!({ "entropy": {} })).starts_with("teacher: expected a teacher, a student or both"));
    let narrow = model(json!({ "mlp": { "sizes": [6, 2] } }), 1);
    assert_eq!(
        refused(&given(&data, &teacher, &narrow), json!({ "entropy": {} })),
        "student: expected 3 classes, like the teacher, got 2"
    );
    let odd = model(
        json!({ "layers": [{ "linear": { "outputs": 3 } }, { "activation": { "function": "relu" } }], "input": [6] }),
        1,
    );
    let said = analyse(&given(&data, &teacher, &odd), Some(&chosen(json!({ "geometry": {} }))));
    assert!(said.unwrap_err().to_string().starts_with("diagnostics.geometry.student.layers: expected a linear layer"));
}
