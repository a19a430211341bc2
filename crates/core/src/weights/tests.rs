//! Plans of real models, their refusals, gradients of every generator parameter through whole networks, and baking.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::batch::Features;
use crate::kernels::cpu::isa;
use crate::layers::Mode;
use crate::models::{ModelOptions, Request};
use crate::tape::Engine;
use crate::tensor::{DType, from_vec, to_f64};

fn model(json: serde_json::Value, seed: u64) -> Model {
    let options: ModelOptions = crate::reading::parse(&json.to_string()).unwrap();
    let mut model = Model::create(options, seed).unwrap();
    // Gains of one and biases of zero would hide half of the generator.
    let key = Key::new(seed).with("test");
    for (name, parameter) in model.parameters.0.iter_mut().filter(|(_, p)| p.kind == Kind::Trainable) {
        let mut noise = vec![0f32; parameter.tensor.elem_count()];
        key.with(name.as_str()).fill_normal(&mut noise, 0.0, 0.3);
        let noise = from_vec(noise, parameter.tensor.dims()).unwrap();
        parameter.tensor = (&parameter.tensor + noise).unwrap();
    }
    model
}

fn options(json: serde_json::Value) -> GeneratorOptions {
    crate::reading::parse(&json.to_string()).unwrap()
}

fn mlp(sizes: &[usize]) -> Model {
    model(json!({ "mlp": { "sizes": sizes, "activation": "tanh" } }), 1)
}

fn residual(channels: usize, blocks: usize) -> Model {
    let conv = json!({ "conv2d": { "channels": channels, "kernel": 3, "padding": 1 } });
    let norm = json!({ "batchNorm": {} });
    let mut layers = vec![conv.clone()];
    for _ in 0..blocks {
        let inner = json!([conv, norm, { "activation": { "function": "tanh" } }, conv, norm]);
        layers.push(json!({ "residual": { "layers": inner, "activation": "tanh" } }));
    }
    layers.extend([json!({ "globalAvgPool": {} }), json!({ "linear": { "name": "head", "outputs": 3 } })]);
    model(json!({ "input": [2, 4, 4], "layers": layers }), 2)
}

fn conv_net(channels: &[usize]) -> Model {
    model(json!({ "convNet": { "input": [1, 8, 8], "channels": channels, "classes": 3 } }), 3)
}

fn generator(teacher: &Model, student: &Model, json: serde_json::Value) -> Result<ParameterGenerator> {
    ParameterGenerator::new(teacher, student, &options(json), 5)
}

/// `student <- teacher, teacher: rule` of each row.
fn rows(generator: &ParameterGenerator) -> Vec<String> {
    let row = |row: &PlanRow| format!("{} <- {}: {}", row.student, row.teacher.join(", "), row.rule);
    generator.plan().rows.iter().map(row).collect()
}

fn refused(teacher: &Model, student: &Model, json: serde_json::Value) -> Error {
    generator(teacher, student, json).expect_err("a refusal")
}

#[test]
fn layers_of_an_mlp_come_from_runs_of_adjacent_layers() {
    let (teacher, student) = (mlp(&[6, 8, 8, 8, 8, 8, 3]), mlp(&[6, 5, 5, 5, 3]));
    let made = generator(&teacher, &student, json!({})).unwrap();
    assert_eq!(
        rows(&made),
        [
            "layers.0.weight <- layers.0.weight: full",
            "layers.0.bias <- layers.0.bias: vector",
            "layers.1.weight <- layers.1.weight, layers.2.weight: full",
            "layers.1.bias <- layers.1.bias, layers.2.bias: vector",
            "layers.2.weight <- layers.3.weight, layers.4.weight: full",
            "layers.2.bias <- layers.3.bias, layers.4.bias: vector",
            "head.weight <- head.weight: project",
            "head.bias <- head.bias: copy",
        ]
    );
    // The data's six inputs are not mixed; O_t·O_s + I_t·I_s + l² + l + 2·O_s·I_s otherwise.
    assert_eq!(made.plan().rows[0].trained, 8 * 5 + 1 + 1 + 2 * 5 * 6);
    assert_eq!(made.plan().rows[2].trained, 8 * 5 + 8 * 5 + 4 + 2 + 2 * 5 * 5);
    assert!(made.plan().unused.is_empty());
    assert!(made.plan().origin().from_teacher == 1.0);
    let text = made.plan().to_string();
    assert!(text.contains("layers.2.bias") && text.contains("every layer of the teacher is used"), "{text}");
}

#[test]
fn blocks_of_residual_networks_are_matched_place_by_place() {
    let made = generator(&residual(6, 4), &residual(4, 2), json!({})).unwrap();
    let rows = rows(&made);
    assert!(rows.contains(&"layers.0.weight <- layers.0.weight: full".into()), "{rows:?}");
    assert!(rows.contains(&"layers.2.0.weight <- layers.3.0.weight, layers.4.0.weight: full".into()), "{rows:?}");
    assert!(rows.contains(&"layers.2.3.weight <- layers.3.3.weight, layers.4.3.weight: full".into()), "{rows:?}");
    assert!(rows.contains(&"layers.1.1.bias <- layers.1.1.bias, layers.2.1.bias: vector".into()), "{rows:?}");
    assert!(rows.contains(&"layers.1.1.running_var <- : fresh".into()), "{rows:?}");
}

#[test]
fn a_norm_comes_from_the_norms_after_the_layers_that_its_convolution_comes_from() {
    let made = generator(&conv_net(&[6, 6, 6]), &conv_net(&[4, 4]), json!({})).unwrap();
    let rows = rows(&made);
    assert!(rows.contains(&"blocks.0.norm.weight <- blocks.0.norm.weight: vector".into()), "{rows:?}");
    assert!(rows.contains(&"blocks.1.conv.weight <- blocks.1.conv.weight, blocks.2.conv.weight: full".into()));
    assert!(rows.contains(&"blocks.1.norm.bias <- blocks.1.norm.bias, blocks.2.norm.bias: vector".into()), "{rows:?}");
    let rule = json!({ "rules": [{ "student": "blocks.1.conv", "teacher": ["blocks.2.conv"] }] });
    let rows = self::rows(&generator(&conv_net(&[6, 6, 6]), &conv_net(&[4, 4]), rule).unwrap());
    assert!(rows.contains(&"blocks.1.norm.bias <- blocks.2.norm.bias: vector".into()), "{rows:?}");
}

#[test]
fn the_rows_of_an_embedding_are_kept_and_its_width_is_mixed() {
    let net = |width: usize, hidden: usize| {
        let linear = json!({ "linear": { "outputs": hidden, "activation": "relu" } });
        let layers = json!([{ "embedding": { "vocabulary": 7, "width": width } }, linear,
            { "linear": { "name": "head", "outputs": 2 } }]);
        model(json!({ "input": { "ids": {} }, "layers": layers }), 1)
    };
    let made = generator(&net(6, 5), &net(4, 3), json!({})).unwrap();
    assert_eq!(rows(&made)[0], "layers.0.weight <- layers.0.weight: full");
    assert!(made.parameters().0.contains_key("layers.0.weight.wIn"));
    assert!(!made.parameters().0.contains_key("layers.0.weight.wOut"));
    assert_eq!(made.plan().rows[0].trained, 6 * 4 + 1 + 1 + 2 * 7 * 4);
    assert_eq!(
        rows(&generator(&net(4, 5), &net(4, 3), json!({})).unwrap())[0],
        "layers.0.weight <- layers.0.weight: scaleShift"
    );
}

#[test]
fn stretches_of_one_shape_are_matched_with_each_other() {
    let (teacher, student) = (mlp(&[6, 9, 9, 9, 8, 8, 8, 3]), mlp(&[6, 5, 5, 4, 4, 3]));
    let rows = rows(&generator(&teacher, &student, json!({})).unwrap());
    assert!(rows.contains(&"layers.1.weight <- layers.1.weight, layers.2.weight: full".into()), "{rows:?}");
    assert!(rows.contains(&"layers.2.weight <- layers.3.weight: full".into()), "{rows:?}");
    assert!(rows.contains(&"layers.3.weight <- layers.4.weight, layers.5.weight: full".into()), "{rows:?}");
}

#[test]
fn a_head_of_equal_width_is_copied_and_frozen_and_a_first_layer_of_equal_width_is_not_projected() {
    let (teacher, student) = (mlp(&[6, 5, 5, 5, 3]), mlp(&[6, 5, 5, 3]));
    let made = generator(&teacher, &student, json!({})).unwrap();
    let rows = rows(&made);
    assert!(rows.contains(&"layers.0.weight <- layers.0.weight: scaleShift".into()), "{rows:?}");
    assert!(rows.contains(&"head.weight <- head.weight: copy".into()), "{rows:?}");
    assert!(!made.parameters().0.contains_key("head.weight") && made.parameters().0.contains_key("head.bias"));
}

#[test]
fn rules_override_the_plan_and_the_last_one_wins() {
    let (teacher, student) = (mlp(&[6, 8, 8, 8, 3]), mlp(&[6, 5, 5, 3]));
    let rules = json!({ "rules": [
        { "student": "*.bias", "rule": { "fresh": {} } },
        { "student": "layers.0", "rule": { "truncate": {} } },
        { "student": "layers.1", "teacher": ["layers.2"] },
        { "student": "layers.1.bias", "rule": { "vector": {} } },
    ] });
    assert_eq!(
        rows(&generator(&teacher, &student, rules).unwrap()),
        [
            "layers.0.weight <- layers.0.weight: truncate",
            "layers.0.bias <- layers.0.bias: truncate",
            "layers.1.weight <- layers.2.weight: full",
            "layers.1.bias <- layers.2.bias: vector",
            "head.weight <- head.weight: project",
            "head.bias <- : fresh",
        ]
    );
}

#[test]
fn a_remainder_is_refused_or_spread() {
    let (teacher, student) = (mlp(&[6, 8, 8, 8, 8, 3]), mlp(&[6, 5, 5, 5, 3]));
    let error = refused(&teacher, &student, json!({}));
    assert_eq!(error.path, "remainder");
    assert!(error.message.contains("got 2 (layers.1, layers.2)") && error.message.contains("'spread'"), "{error}");
    let rows = rows(&generator(&teacher, &student, json!({ "remainder": "spread" })).unwrap());
    assert!(rows.contains(&"layers.1.weight <- layers.1.weight, layers.2.weight: full".into()), "{rows:?}");
    assert!(rows.contains(&"layers.2.weight <- layers.3.weight: full".into()), "{rows:?}");
}

#[test]
fn impossible_requests_are_rejected_with_path_and_remedy() {
    let teacher = mlp(&[6, 8, 8, 3]);
    let cases = [
        // A student that is deeper than the plan allows, and one with layers that have no counterpart.
        (teacher.clone(), mlp(&[6, 5, 5, 5, 3]), json!({}), "layers.2", "the student is deeper"),
        (mlp(&[6, 8, 3]), mlp(&[6, 5, 5, 3]), json!({}), "layers.1", "got none"),
        (conv_net(&[4]), residual(4, 1), json!({}), "layers.1.", "got none"),
        // Unequal shapes in a group.
        (mlp(&[6, 8, 7, 6, 3]), mlp(&[6, 5, 5, 3]), json!({}), "layers.1.weight", "teacher layers of one shape"),
        // Kernel positions, widths and classes.
        (
            teacher.clone(),
            mlp(&[6, 5, 5, 4]),
            json!({}),
            "head.weight",
            "expected as many classes as the teacher, 3, got 4",
        ),
        (
            teacher.clone(),
            mlp(&[6, 9, 9, 3]),
            json!({ "rules": [{ "student": "*", "rule": { "truncate": {} } }] }),
            "layers.0.weight",
            "expected a shape of at most the teacher's",
        ),
        (
            teacher.clone(),
            mlp(&[6, 5, 5, 3]),
            json!({ "rules": [{ "student": "layers.0.weight", "rule": { "copy": {} } }] }),
            "layers.0.weight",
            "expected the teacher's shape",
        ),
        (
            teacher.clone(),
            mlp(&[6, 5, 5, 3]),
            json!({ "rules": [{ "student": "layers.0.weight", "rule": { "vector": {} } }] }),
            "layers.0.weight",
            "expected vectors",
        ),
        // Patterns that match nothing, rules without an effect.
        (
            teacher.clone(),
            mlp(&[6, 5, 5, 3]),
            json!({ "rules": [{ "student": "blocks.*", "rule": { "copy": {} } }] }),
            "rules[0].student",
            "got \"blocks.*\"",
        ),
        (
            teacher.clone(),
            mlp(&[6, 5, 5, 3]),
            json!({ "rules": [{ "student": "layers.1", "teacher": ["layers.7"] }] }),
            "rules[0].teacher[0]",
            "got \"layers.7\"",
        ),
        (teacher.clone(), mlp(&[6, 5, 5, 3]), json!({ "rules": [{ "student": "*" }] }), "rules[0]", "got neither"),
        (
            teacher,
            mlp(&[6, 5, 5, 3]),
            json!({ "rules": [{ "student": "*", "teacher": [] }] }),
            "rules[0].teacher",
            "fresh",
        ),
    ];
    for (teacher, student, json, path, message) in cases {
        let error = refused(&teacher, &student, json);
        assert!(error.path.starts_with(path) && error.message.contains(message), "{error}");
    }
}

#[test]
fn kernel_positions_that_disagree_are_refused() {
    let net = |kernel: usize| {
        let layers = json!([{ "conv2d": { "name": "conv", "channels": 3, "kernel": kernel } }, { "flatten": {} },
            { "linear": { "name": "head", "outputs": 2 } }]);
        model(json!({ "input": [1, 6, 6], "layers": layers }), 1)
    };
    let error = refused(&net(5), &net(3), json!({}));
    assert_eq!(error.path, "conv.weight");
    assert!(error.message.contains("[5, 5], got [3, 3]"), "{error}");
    assert!(error.message.contains("rules: [{ student: 'conv.weight', rule: { fresh: {} } }]"), "{error}");
}

fn in_f64(parameters: &Parameters) -> Parameters {
    let wide = |(name, parameter): (&String, &Parameter)| {
        (name.clone(), Parameter { tensor: parameter.tensor.to_dtype(DType::F64).unwrap(), ..parameter.clone() })
    };
    parameters.0.iter().map(wide).collect()
}

/// Σ weights ⊙ logits of a forward through the generator, and the gradient of everything it trains.
fn objective(
    made: &ParameterGenerator,
    trained: &Parameters,
    student: &Model,
    inputs: &Tensor,
    engine: Engine,
) -> (f64, BTreeMap<String, Vec<f64>>) {
    let (mut tape, rows) = (Tape::new(engine), inputs.dims()[0]);
    let leaves = trained.leaves(&mut tape, &BTreeSet::new());
    let dtype = inputs.dtype();
    let own = if dtype == DType::F64 { in_f64(&student.parameters) } else { student.parameters.clone() };
    let bound = made.generate(&mut tape, &leaves, &own).unwrap();
    let ids: Vec<u64> = (0..rows as u64).collect();
    let features = Features::Dense(inputs.clone());
    let outputs = student
        .network
        .forward(&mut tape, &bound, &features, &ids, &Request::default(), Mode::Train, Key::new(9))
        .unwrap();
    let mut weights = vec![0f32; outputs.logits.tensor().elem_count()];
    Key::new(77).fill_normal(&mut weights, 0.0, 1.0);
    let seed = from_vec(weights, outputs.logits.dims()).unwrap().to_dtype(dtype).unwrap();
    let logits = to_f64(outputs.logits.tensor()).unwrap();
    let value = logits.iter().zip(to_f64(&seed).unwrap()).map(|(a, b)| a * b).sum();
    let mut gradients = tape.backward(vec![(outputs.logits, seed)]).unwrap();
    let of = |(name, value): (&String, &Value)| Some((name.clone(), to_f64(&gradients.take(value)?).unwrap()));
    (value, leaves.iter().filter_map(of).collect())
}

fn gradients_are_right(teacher: &Model, student: &Model, json: serde_json::Value) {
    let made = generator(teacher, student, json).unwrap();
    let sizes = student.network.input().sizes();
    let mut inputs = vec![0f32; 5 * sizes.iter().product::<usize>()];
    Key::new(4).fill_normal(&mut inputs, 0.0, 1.0);
    let inputs = from_vec(inputs, [&[5], sizes].concat()).unwrap();
    let (wide_inputs, wide) = (inputs.to_dtype(DType::F64).unwrap(), in_f64(made.parameters()));
    let (_, gradients) = objective(&made, &wide, student, &wide_inputs, Engine::Reference);
    for (name, parameter) in &wide.0 {
        let gradient = gradients.get(name).unwrap_or_else(|| panic!("no gradient of {name}"));
        let values = to_f64(&parameter.tensor).unwrap();
        let scale = gradient.iter().fold(1e-2f64, |scale, x| scale.max(x.abs()));
        for at in (0..values.len()).step_by(values.len().div_ceil(5)) {
            let moved = |by: f64| {
                let (mut moved, mut values) = (wide.clone(), values.clone());
                values[at] += by;
                moved.0.get_mut(name).unwrap().tensor = from_vec(values, parameter.tensor.dims()).unwrap();
                objective(&made, &moved, student, &wide_inputs, Engine::Reference).0
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - gradient[at]).abs() < 1e-6 * scale, "{name}[{at}]: {} and {slope}", gradient[at]);
        }
    }
    isa::on_each(|isa| {
        let (_, narrow) = objective(&made, made.parameters(), student, &inputs, Engine::Kernels);
        for (name, expected) in &gradients {
            let scale = expected.iter().fold(1e-2f64, |scale, x| scale.max(x.abs()));
            crate::near::compare(name, &narrow[name], expected, 1e-4 * scale)
                .unwrap_or_else(|error| panic!("{error} with {}", isa.name()));
        }
    });
}

#[test]
fn gradients_through_an_mlp_equal_finite_differences_for_every_generator_parameter() {
    gradients_are_right(&mlp(&[6, 8, 8, 8, 8, 8, 3]), &mlp(&[6, 5, 5, 5, 3]), json!({}));
    gradients_are_right(&mlp(&[6, 5, 5, 5, 3]), &mlp(&[6, 7, 7, 3]), json!({}));
    let rules = json!({ "rules": [
        { "student": "layers.0", "rule": { "truncate": {} } },
        { "student": "layers.1.weight", "rule": { "project": {} } },
        { "student": "layers.1.bias", "rule": { "fresh": {} } },
    ] });
    gradients_are_right(&mlp(&[6, 8, 8, 8, 3]), &mlp(&[6, 5, 5, 3]), rules);
    let rules = json!({ "rules": [{ "student": "*", "rule": { "scaleShift": {} } }] });
    gradients_are_right(&mlp(&[6, 5, 5, 5, 3]), &mlp(&[6, 5, 5, 3]), rules);
}

#[test]
fn gradients_through_a_conv_net_equal_finite_differences_for_every_generator_parameter() {
    gradients_are_right(&conv_net(&[5, 7]), &conv_net(&[3, 4]), json!({}));
}

#[test]
fn gradients_through_a_residual_network_equal_finite_differences_for_every_generator_parameter() {
    gradients_are_right(&residual(5, 4), &residual(3, 2), json!({}));
}

#[test]
fn a_baked_student_has_the_outputs_of_the_generated_one_and_the_teacher_keeps_its_bytes() {
    for (teacher, student) in [
        (mlp(&[6, 8, 8, 8, 8, 8, 3]), mlp(&[6, 5, 5, 5, 3])),
        (mlp(&[6, 5, 5, 5, 3]), mlp(&[6, 5, 5, 3])),
        (conv_net(&[5, 7]), conv_net(&[3, 4])),
        (residual(5, 4), residual(3, 2)),
    ] {
        let before = teacher.parameters.digest().unwrap();
        let made = generator(&teacher, &student, json!({})).unwrap();
        let mut baked = student.clone();
        baked.parameters = made.bake(&student.parameters).unwrap();
        assert_eq!(baked.parameters.list(), student.parameters.list());
        let sizes = student.network.input().sizes();
        let mut inputs = vec![0f32; 3 * sizes.iter().product::<usize>()];
        Key::new(4).fill_normal(&mut inputs, 0.0, 1.0);
        let features = Features::Dense(from_vec(inputs, [&[3], sizes].concat()).unwrap());
        let mut tape = Tape::default();
        let leaves = made.parameters().leaves(&mut tape, &BTreeSet::new());
        let bound = made.generate(&mut tape, &leaves, &student.parameters).unwrap();
        let request = Request::default();
        let generated =
            student.network.forward(&mut tape, &bound, &features, &[0, 1, 2], &request, Mode::Evaluate, Key::new(0));
        let generated = to_f64(generated.unwrap().logits.tensor()).unwrap();
        assert!(generated == to_f64(&baked.logits(&features, &[0, 1, 2]).unwrap()).unwrap());
        // Changes to the baked student do not reach the teacher's storage.
        for parameter in baked.parameters.0.values() {
            crate::tensor::update(&parameter.tensor, |numbers| numbers.fill(7.0)).unwrap();
        }
        for parameter in made.parameters().0.values() {
            crate::tensor::update(&parameter.tensor, |numbers| numbers.fill(7.0)).unwrap();
        }
        assert_eq!(teacher.parameters.digest().unwrap(), before);
    }
}

#[test]
fn a_truncated_start_is_the_teachers_first_outputs_and_inputs() {
    let (teacher, mut student) = (mlp(&[4, 3, 2]), mlp(&[4, 2, 2]));
    let plan =
        student.start_from(&teacher, &GeneratorOptions::all(RuleOptions::Truncate(rules::Truncate {})), 0).unwrap();
    assert!(plan.rows.iter().all(|row| row.rule == "truncate"));
    let theirs = |name: &str| teacher.parameters.get(name).unwrap().1;
    assert_eq!(student.parameters.get("layers.0.weight").unwrap().1, theirs("layers.0.weight")[..8]);
    let head = theirs("head.weight");
    assert_eq!(student.parameters.get("head.weight").unwrap().1, [head[0], head[1], head[3], head[4]]);
}

#[test]
fn the_same_seed_gives_the_same_start_and_another_seed_another() {
    let (teacher, student) = (mlp(&[6, 8, 8, 3]), mlp(&[6, 5, 5, 3]));
    let start = |seed| {
        let made = ParameterGenerator::new(&teacher, &student, &GeneratorOptions::default(), seed).unwrap();
        made.bake(&student.parameters).unwrap().digest().unwrap()
    };
    assert_eq!(start(1), start(1));
    assert_ne!(start(1), start(2));
}
