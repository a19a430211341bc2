//! Other forms of the same folder: shards, half precision, old names, heads, options.

use half::{bf16, f16};
use serde_json::json;

use super::*;
use crate::layers::TokenPooling;
use crate::models::Model;

#[test]
fn two_shards_give_the_same_model_as_one_file() {
    let folder = Changed::of("bert-classes");
    folder.write_shards();
    assert_eq!(all(&folder.read().unwrap()), all(&read("bert-classes")));
}

#[test]
fn old_files_with_gamma_beta_prefix_and_position_ids_give_the_same_model() {
    let mut folder = Changed::of("bert");
    let rename = |(name, raw): (String, Raw)| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        (format!("bert.{name}"), raw)
    };
    folder.tensors = folder.tensors.into_iter().map(rename).collect();
    folder.tensors.insert("bert.embeddings.position_ids".into(), (Dtype::I64, vec![1, 18], vec![0; 144]));
    folder.tensors.insert("cls.predictions.bias".into(), f32s(&[47], 1.0));
    folder.tensors.insert("cls.predictions.decoder.weight".into(), f32s(&[47, 20], 1.0));
    folder.config["architectures"] = json!(["BertForMaskedLM"]);
    folder.config.as_object_mut().unwrap().shift_remove("model_type"); // BERT's first configurations have none
    folder.write();
    let changed = folder.read().unwrap();
    assert_eq!(all(&changed), all(&read("bert")));
    let dropped = ["bert.embeddings.position_ids", "bert.pooler.dense.bias", "bert.pooler.dense.weight"];
    assert_eq!(changed.unused, [&dropped[..], &["cls.predictions.bias", "cls.predictions.decoder.weight"]].concat());
}

#[test]
fn a_tied_table_is_found_under_its_second_name() {
    let mut folder = Changed::of("bert");
    let table = folder.tensors.remove("embeddings.word_embeddings.weight").unwrap();
    folder.tensors.insert("cls.predictions.decoder.weight".into(), table);
    folder.write();
    assert_eq!(all(&folder.read().unwrap()), all(&read("bert")));
}

#[test]
fn half_precision_is_widened_and_listed() {
    let mut folder = Changed::of("bert");
    let names: Vec<String> = folder.tensors.keys().filter(|name| !name.starts_with("pooler")).cloned().collect();
    for (at, name) in names.iter().enumerate() {
        let tensor = folder.tensors.get_mut(name).unwrap();
        let values = numbers(tensor);
        if at % 2 == 0 {
            (tensor.0, tensor.2) =
                (Dtype::BF16, values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect());
        } else {
            (tensor.0, tensor.2) = (Dtype::F16, values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect());
        }
    }
    folder.write();
    let halves = folder.read().unwrap();
    assert_eq!(halves.converted, names);
    for (name, exact) in all(&read("bert")) {
        for (half, exact) in ours(&halves, &name).iter().zip(exact) {
            assert!((half - exact).abs() <= exact.abs() / 256.0 + 1e-7, "{name}: {half} {exact}");
        }
    }
}

#[test]
fn chosen_layers_are_kept_in_the_given_order() {
    let options = |layers: &[usize]| PretrainedOptions { layers: Some(layers.to_vec()), ..Default::default() };
    let whole = all(&read("bert"));
    let swapped = Pretrained::read(&golden("bert"), &options(&[1, 0])).unwrap();
    let other = |name: &str| match name.strip_prefix("blocks.") {
        Some(rest) => format!("blocks.{}{}", if rest.starts_with('0') { 1 } else { 0 }, &rest[1..]),
        None => name.to_string(),
    };
    assert_eq!(all(&swapped).len(), whole.len());
    for (name, values) in all(&swapped) {
        assert_eq!(values, whole[&other(&name)], "{name}");
    }
    let short = Pretrained::read(&golden("bert"), &options(&[1])).unwrap();
    assert_eq!(ours(&short, "blocks.0.feedForward.outer.weight"), whole["blocks.1.feedForward.outer.weight"]);
    assert_eq!(all(&short).len() + 16, whole.len());
    assert_eq!(short.unused.iter().filter(|name| name.starts_with("encoder.layer.0.")).count(), 16);
    for (layers, says) in [
        (&[2][..], "layers[0]: expected a layer of the folder, below 2, got 2"),
        (&[0, 0], "layers[1]: expected every layer at most once, got 0 twice"),
        (&[], "layers: expected at least one layer, got none"),
    ] {
        assert_eq!(Pretrained::read(&golden("bert"), &options(layers)).map(drop).unwrap_err().to_string(), says);
    }
}

#[test]
fn the_table_of_tokens_has_the_size_of_the_file() {
    let mut folder = Changed::of("bert");
    folder.config["vocab_size"] = json!(40);
    folder.write();
    let read = folder.read().unwrap();
    assert_eq!(read.model.parameters.get("embeddings.token").unwrap().0, [47, 20]);
    let note = "config.json states 40 tokens, embeddings.word_embeddings.weight has 47: the model has 47";
    assert_eq!(read.notes, [note]);
}

#[test]
fn a_new_head_is_drawn_from_the_seed_and_listed() {
    let options = |classes, seed| PretrainedOptions { classes: Some(classes), seed, ..Default::default() };
    let of = |name: &str, classes, seed| Pretrained::read(&golden(name), &options(classes, seed)).unwrap();
    let new = of("bert", 3, 1);
    assert_eq!(
        (new.model.network.classes(), &new.missing[..]),
        (3, &["head.weight".to_string(), "head.bias".into()][..])
    );
    assert_eq!(ours(&new, "head.weight"), ours(&of("bert", 3, 1), "head.weight"));
    assert_ne!(ours(&new, "head.weight"), ours(&of("bert", 3, 2), "head.weight"));
    // The head of the folder stays if it has as many classes.
    assert_eq!(all(&of("bert-classes", 5, 1)), all(&read("bert-classes")));
    let other = of("bert-classes", 3, 1);
    assert_eq!(
        other.unused,
        ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"]
    );
    assert_eq!((other.missing.len(), other.model.label_names), (2, None));
}

#[test]
fn missing_and_unused_tensors_are_accepted_on_request() {
    let mut folder = Changed::of("bert");
    folder.tensors.remove("encoder.layer.1.output.LayerNorm.bias");
    folder.tensors.insert("qa_outputs.weight".into(), f32s(&[2, 20], 0.0));
    folder.write();
    let options = PretrainedOptions { allow_missing: true, allow_unused: true, ..Default::default() };
    let read = folder.read_with(options).unwrap();
    assert_eq!(read.missing, ["blocks.1.feedForwardNorm.bias"]);
    assert_eq!(ours(&read, "blocks.1.feedForwardNorm.bias"), [0.0; 20]);
    assert!(read.unused.contains(&"qa_outputs.weight".to_string()));
}

#[test]
fn a_folder_of_sentence_transformers_states_pooling_normalization_and_the_longest_text() {
    let folder = Changed::of("bert");
    folder.write();
    let module = |idx: u64, path: &str, kind: &str| json!({ "idx": idx, "name": "", "path": path, "type": format!("sentence_transformers.models.{kind}") });
    let modules =
        [module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling"), module(2, "2_Normalize", "Normalize")];
    folder.file("modules.json", json!(modules).to_string());
    folder.file("1_Pooling/config.json", r#"{"word_embedding_dimension":20,"pooling_mode_cls_token":true}"#);
    folder.file("sentence_bert_config.json", r#"{"max_seq_length":7,"do_lower_case":false}"#);
    folder.file("tokenizer.json", words(47).to_string());
    folder
        .file("config_sentence_transformers.json", r#"{"prompts":{"query":"query: "},"default_prompt_name":"query"}"#);
    let ends = |read: &Pretrained| {
        let layers = serde_json::to_value(&read.model.network.architecture().layers).unwrap();
        layers.as_array().unwrap().iter().rev().take(2).cloned().collect::<Vec<_>>()
    };
    let read = folder.read().unwrap();
    let pool = |pooling: &str| json!({ "tokenPool": { "name": "pool", "pooling": pooling } });
    assert_eq!(ends(&read), [json!({ "normalize": { "name": "normalize" } }), pool("first")]);
    assert_eq!((read.max_tokens, read.model.texts.unwrap().tokenizer.vocabulary()), (7, 47));
    assert_eq!(read.prompts["query"], "query: ");
    assert_eq!(read.notes, ["the original puts the prompt \"query\" before every text, limbeck does not"]);

    let options = PretrainedOptions { pooling: Some(TokenPooling::Max), normalize: Some(false), ..Default::default() };
    assert_eq!(ends(&folder.read_with(options).unwrap())[0], pool("max"));
    folder.file("1_Pooling/config.json", r#"{"word_embedding_dimension":24,"pooling_mode_cls_token":true}"#);
    let error = said(folder.path(), folder.read().map(drop).unwrap_err());
    assert_eq!(error, "modules.json: expected a pooling of vectors of width 20, got 24");

    let of = |options| Pretrained::read(&golden("bert-classes"), &options).map(drop).unwrap_err().to_string();
    let refused = of(PretrainedOptions { pooling: Some(TokenPooling::Max), ..Default::default() });
    assert!(refused.starts_with("pooling: expected nothing, because the head"), "{refused}");
    let refused = of(PretrainedOptions { normalize: Some(true), ..Default::default() });
    assert!(refused.starts_with("normalize: expected nothing, because the model has a head"), "{refused}");
}

#[test]
fn the_transformer_may_be_in_a_folder_of_its_own() {
    let folder = Changed::of("bert");
    let module =
        json!([{ "idx": 0, "name": "0", "path": "0_Transformer", "type": "sentence_transformers.models.Transformer" }]);
    folder.file("modules.json", module.to_string());
    for name in ["config.json", "model.safetensors"] {
        folder.file(&format!("0_Transformer/{name}"), std::fs::read(golden("bert").join(name)).unwrap());
    }
    assert_eq!(all(&folder.read().unwrap()), all(&read("bert")));
}

#[test]
fn a_model_from_a_folder_is_saved_and_loaded() {
    let read = read("roberta-classes");
    let loaded = Model::from_file(read.model.to_file().unwrap()).unwrap();
    assert_eq!(loaded.fingerprint().unwrap(), read.model.fingerprint().unwrap());
    assert_eq!(loaded.network.architecture(), read.model.network.architecture());
    assert_eq!(loaded.provenance["pretrained"]["family"], "roberta");
}
