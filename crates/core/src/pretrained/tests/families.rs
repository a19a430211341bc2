//! Names, shapes, numbers and options of every family.

use serde_json::json;

use super::*;

/// Every tensor of a folder with two blocks: the name in the file with `*` for the block, and the name in the model.
const BERT: [(&str, &str); 13] = [
    ("embeddings.word_embeddings.weight", "embeddings.token"),
    ("embeddings.position_embeddings.weight", "embeddings.position"),
    ("embeddings.token_type_embeddings.weight", "embeddings.type"),
    ("embeddings.LayerNorm.?", "embeddingNorm.?"),
    ("encoder.layer.*.attention.self.query.?", "blocks.*.attention.self.query.?"),
    ("encoder.layer.*.attention.self.key.?", "blocks.*.attention.self.key.?"),
    ("encoder.layer.*.attention.self.value.?", "blocks.*.attention.self.value.?"),
    ("encoder.layer.*.attention.output.dense.?", "blocks.*.attention.self.output.?"),
    ("encoder.layer.*.attention.output.LayerNorm.?", "blocks.*.attentionNorm.?"),
    ("encoder.layer.*.intermediate.dense.?", "blocks.*.feedForward.inner.?"),
    ("encoder.layer.*.output.dense.?", "blocks.*.feedForward.outer.?"),
    ("encoder.layer.*.output.LayerNorm.?", "blocks.*.feedForwardNorm.?"),
    ("", ""),
];

const DISTILBERT: [(&str, &str); 13] = [
    ("embeddings.word_embeddings.weight", "embeddings.token"),
    ("embeddings.position_embeddings.weight", "embeddings.position"),
    ("embeddings.LayerNorm.?", "embeddingNorm.?"),
    ("transformer.layer.*.attention.q_lin.?", "blocks.*.attention.self.query.?"),
    ("transformer.layer.*.attention.k_lin.?", "blocks.*.attention.self.key.?"),
    ("transformer.layer.*.attention.v_lin.?", "blocks.*.attention.self.value.?"),
    ("transformer.layer.*.attention.out_lin.?", "blocks.*.attention.self.output.?"),
    ("transformer.layer.*.sa_layer_norm.?", "blocks.*.attentionNorm.?"),
    ("transformer.layer.*.ffn.lin1.?", "blocks.*.feedForward.inner.?"),
    ("transformer.layer.*.ffn.lin2.?", "blocks.*.feedForward.outer.?"),
    ("transformer.layer.*.output_layer_norm.?", "blocks.*.feedForwardNorm.?"),
    ("", ""),
    ("", ""),
];

/// Compares every tensor of the model with its tensor in the file.
fn expect_numbers(name: &str, prefix: &str, body: &[(&str, &str)], head: &[(&str, &str)]) {
    let (read, file) = (read(name), raw(&golden(name).join("model.safetensors")));
    let mut compared = 0;
    let body = body.iter().filter(|(from, _)| !from.is_empty()).map(|(from, to)| (format!("{prefix}{from}"), *to));
    for (from, to) in body.chain(head.iter().map(|(from, to)| (from.to_string(), *to))) {
        for block in if to.contains('*') { vec!["0", "1"] } else { vec![""] } {
            for part in if to.contains('?') { vec!["weight", "bias"] } else { vec![""] } {
                let full = |name: &str| name.replace('*', block).replace('?', part);
                let raw = &file[&full(&from)];
                let (shape, values) = read.model.parameters.get(&full(to)).unwrap();
                assert_eq!((shape, values), (raw.1.clone(), numbers(raw)), "{name}: {from} {to}");
                compared += 1;
            }
        }
    }
    assert_eq!(read.model.parameters.names().count(), compared, "{name}");
    assert_eq!(file.len(), compared + read.unused.len(), "{name}");
    assert!(read.missing.is_empty() && read.converted.is_empty() && read.notes.is_empty(), "{name}");
}

#[test]
fn every_tensor_has_its_name_and_its_numbers() {
    expect_numbers("bert", "", &BERT, &[]);
    expect_numbers("bert-classes", "bert.", &BERT, &[("bert.pooler.dense.?", "pooler.?"), ("classifier.?", "head.?")]);
    let head = [("pre_classifier.?", "pooler.?"), ("classifier.?", "head.?")];
    expect_numbers("distilbert-classes", "distilbert.", &DISTILBERT, &head);
    let head = [("classifier.dense.?", "pooler.?"), ("classifier.out_proj.?", "head.?")];
    expect_numbers("roberta-classes", "roberta.", &BERT, &head);
}

#[test]
fn the_pooler_of_pre_training_is_dropped_and_listed() {
    assert_eq!(read("bert").unused, ["pooler.dense.bias", "pooler.dense.weight"]);
    for name in ["bert-classes", "distilbert-classes", "roberta-classes"] {
        assert!(read(name).unused.is_empty(), "{name}");
    }
}

/// The layer of this name in the model's architecture.
fn layer(read: &Pretrained, name: &str) -> Json {
    let layers = serde_json::to_value(&read.model.network.architecture().layers).unwrap();
    let found = layers.as_array().unwrap().iter().flat_map(|layer| layer.as_object().unwrap());
    found
        .map(|(kind, options)| json!({ kind: options }))
        .find(|layer| layer.as_object().unwrap().values().any(|o| o["name"] == name))
        .unwrap()
}

#[test]
fn the_options_follow_from_the_configuration() {
    for (name, positions, first, types, epsilon, longest) in [
        ("bert-classes", 18, 0, 2, 1e-12, 18),
        ("distilbert-classes", 18, 0, 0, 1e-12, 18),
        ("roberta-classes", 22, 2, 1, 1e-5, 20),
    ] {
        let read = read(name);
        let embeddings = json!({ "tokenEmbedding": {
            "name": "embeddings", "vocabulary": 47, "width": 20, "positions": positions, "firstPosition": first, "types": types
        } });
        assert_eq!(layer(&read, "embeddings"), embeddings, "{name}");
        assert_eq!(layer(&read, "embeddingNorm")["layerNorm"]["epsilon"], epsilon, "{name}");
        let attention = &layer(&read, "blocks.1.attention")["residual"]["layers"];
        assert_eq!(
            (&attention[0]["attention"]["heads"], &attention[1]["dropout"]["rate"]),
            (&json!(2), &json!(0.1)),
            "{name}"
        );
        let feed = &layer(&read, "blocks.0.feedForward")["residual"]["layers"];
        assert_eq!((&feed[0]["linear"]["outputs"], &feed[0]["linear"]["activation"]), (&json!(36), &json!("gelu")));
        assert_eq!(layer(&read, "pool")["tokenPool"]["pooling"], "first", "{name}");
        let activation = if name == "distilbert-classes" { "relu" } else { "tanh" };
        assert_eq!(layer(&read, "pooler")["linear"]["activation"], activation, "{name}");
        assert_eq!(read.max_tokens, longest, "{name}");
    }
    assert_eq!(layer(&read("bert"), "pool")["tokenPool"]["pooling"], "mean");
}

#[test]
fn classes_have_the_names_of_the_configuration_and_placeholders_are_no_names() {
    assert_eq!(read("bert-classes").model.label_names, Some((0..5).map(|class| format!("c{class}")).collect()));
    assert_eq!(read("roberta-classes").model.label_names, None);
    let mut folder = Changed::of("bert-classes");
    folder.config["id2label"]["4"] = json!("c0");
    folder.config["problem_type"] = json!("multi_label_classification");
    folder.write();
    let read = folder.read().unwrap();
    assert_eq!(read.model.label_names, None);
    let note = "the classes have no names: id2label[4]: expected names that are all different, got";
    assert!(read.notes[0].starts_with(note), "{:?}", read.notes);
    assert!(read.model.has_several_labels() && !super::read("bert-classes").model.has_several_labels());
}
