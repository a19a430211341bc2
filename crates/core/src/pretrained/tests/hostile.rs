//! Folders that must be refused: by name, with the remedy, and before memory for the numbers is allocated.

use serde_json::json;

use super::*;
use crate::blocks::failing;
use crate::error::Code;

/// More blocks of memory than the headers and configurations of a folder need, and fewer than its tensors.
const ENOUGH: usize = 20;

/// The message of a refused folder, which must not have allocated memory for its tensors.
fn refused(folder: &Changed) -> String {
    failing::after(ENOUGH);
    let read = folder.read();
    let allocated = failing::off();
    let error = read.map(drop).unwrap_err();
    assert!(!allocated, "memory was allocated before: {error}");
    assert!(matches!(error.code, Code::InvalidFile | Code::Io), "{error}");
    assert!(error.path.starts_with(&folder.path().display().to_string()), "{error}");
    said(folder.path(), error)
}

#[test]
fn reading_a_valid_folder_needs_more_blocks_of_memory() {
    let folder = Changed::of("bert");
    folder.write();
    failing::after(ENOUGH);
    assert_eq!(folder.read().map(drop).unwrap_err().code, Code::Memory);
    assert!(failing::off());
}

/// The message after the configuration was changed.
fn configured(name: &str, change: impl Fn(&mut Json)) -> String {
    let mut folder = Changed::of(name);
    change(&mut folder.config);
    folder.write();
    refused(&folder)
}

#[test]
fn a_configuration_that_limbeck_does_not_compute_is_refused_by_key() {
    for (name, key, value, says) in [
        ("bert", "hidden_act", json!("xielu"), "config.json.hidden_act: expected one of the activations gelu, "),
        (
            "bert",
            "position_embedding_type",
            json!("relative_key"),
            "config.json.position_embedding_type: expected \"absolute\", the only",
        ),
        (
            "bert",
            "num_attention_heads",
            json!(3),
            "config.json.num_attention_heads: expected a number that divides the width 20, got 3",
        ),
        ("bert", "num_attention_heads", json!(0), "config.json.num_attention_heads: expected a whole number from 1"),
        ("bert", "num_hidden_layers", json!(1u64 << 31), "config.json.num_hidden_layers: expected at most 1000 layers"),
        ("bert", "hidden_size", json!(1u64 << 60), "config.json.hidden_size: expected a whole number from 1 to 2³¹"),
        ("bert", "intermediate_size", json!(-1), "config.json.intermediate_size: expected a whole number"),
        (
            "bert",
            "hidden_size",
            json!(null),
            "config.json.hidden_size: expected a whole number from 1 to 2³¹, got nothing",
        ),
        ("bert", "layer_norm_eps", json!(0), "config.json.layer_norm_eps: expected a number"),
        (
            "bert",
            "hidden_dropout_prob",
            json!(1),
            "config.json.hidden_dropout_prob: expected a number from 0 to below 1",
        ),
        ("bert", "is_decoder", json!(true), "config.json.is_decoder: expected false"),
        (
            "bert",
            "quantization_config",
            json!({}),
            "config.json.quantization_config: expected weights that are not quantized",
        ),
        (
            "bert",
            "model_type",
            json!("albert"),
            "config.json.model_type: expected one of bert, distilbert, roberta, xlm-roberta, got \"albert\"",
        ),
        ("bert", "model_type", json!(7), "config.json.model_type: expected a string, got 7"),
        (
            "bert-classes",
            "id2label",
            json!({ "0": "a", "2": "b" }),
            "config.json.id2label: expected an object of names",
        ),
        (
            "roberta-classes",
            "max_position_embeddings",
            json!(2),
            "config.json.max_position_embeddings: expected a number above 2",
        ),
        (
            "distilbert-classes",
            "n_heads",
            json!(7),
            "config.json.n_heads: expected a number that divides the width 20, got 7",
        ),
        ("distilbert-classes", "activation", json!("mish"), "config.json.activation: expected one of the activations"),
    ] {
        let message = configured(name, |config| config[key] = value.clone());
        assert!(message.starts_with(says), "{name} {key}: {message}");
    }
    let folder = Changed::of("bert");
    write_tensors(&folder.path().join("model.safetensors"), &folder.tensors);
    assert_eq!(refused(&folder), "config.json: expected the file, got none");
    folder.file("config.json", "[]");
    assert_eq!(refused(&folder), "config.json: expected an object, got a list");
}

#[test]
fn a_configuration_of_another_model_is_refused_by_the_name_of_a_tensor() {
    let other = "config.json is that of another model";
    let message = configured("bert", |config| config["hidden_size"] = json!(24));
    let tensor = "model.safetensors: tensor \"embeddings.word_embeddings.weight\"";
    assert_eq!(message, format!("{tensor}: expected shape [47, 24], as config.json states, got [47, 20]: {other}"));
    let message = configured("bert", |config| config["max_position_embeddings"] = json!(512));
    assert!(message.contains("position_embeddings.weight\": expected shape [512, 20]"), "{message}");
    let message = configured("bert-classes", |config| config["id2label"] = json!({ "0": "a", "1": "b" }));
    assert!(
        message.contains("tensor \"classifier.weight\": expected shape [2, 20], as config.json states, got [5, 20]"),
        "{message}"
    );
    let message = configured("bert", |config| config["num_hidden_layers"] = json!(1));
    assert!(
        message
            .starts_with("model.safetensors: expected only tensors of the model in config.json, got encoder.layer.1."),
        "{message}"
    );
    assert!(message.ends_with("and 8 more; pass allowUnused: true to ignore them"), "{message}");
    let message = configured("bert", |config| config["num_hidden_layers"] = json!(3));
    assert!(
        message.starts_with("folder: expected all tensors of the model in config.json, got none for encoder.layer.2."),
        "{message}"
    );
    assert!(message.ends_with("and 8 more; pass allowMissing: true to draw them from the seed"), "{message}");
}

/// The message after the tensors were changed.
fn stored(name: &str, change: impl Fn(&mut BTreeMap<String, Raw>)) -> String {
    let mut folder = Changed::of(name);
    change(&mut folder.tensors);
    folder.write();
    refused(&folder)
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_name() {
    let message = stored("bert", |all| drop(all.insert("classifier.weight".into(), f32s(&[2, 20], 0.0))));
    assert_eq!(
        message,
        "model.safetensors: expected only tensors of the model in config.json, got classifier.weight; pass allowUnused: \
         true to ignore them"
    );
    let message = stored("distilbert-classes", |all| drop(all.remove("distilbert.transformer.layer.1.ffn.lin1.bias")));
    assert_eq!(
        message,
        "folder: expected all tensors of the model in config.json, got none for transformer.layer.1.ffn.lin1.bias; pass \
         allowMissing: true to draw them from the seed"
    );
    let message = stored("bert", |all| drop(all.insert("bert.embeddings.LayerNorm.gamma".into(), f32s(&[20], 1.0))));
    let twice = "expected one name for the same tensor, got also \"bert.embeddings.LayerNorm.gamma\"";
    assert_eq!(message, format!("model.safetensors: tensor \"embeddings.LayerNorm.weight\": {twice}"));
    let integers = |all: &mut BTreeMap<String, Raw>| {
        all.insert("embeddings.LayerNorm.weight".into(), (Dtype::I64, vec![20], vec![0; 160]));
    };
    assert!(stored("bert", integers).ends_with("expected numbers of type F32, F16 or BF16, got I64"));
    let unknown = |all: &mut BTreeMap<String, Raw>| {
        all.insert("embeddings.LayerNorm.weight".into(), (Dtype::F8_E4M3, vec![20], vec![0; 20]));
    };
    let message = stored("bert", unknown);
    assert!(message.contains("tensor \"embeddings.LayerNorm.weight\": expected one of the dtypes F32, "), "{message}");
}

#[test]
fn a_number_that_is_not_finite_is_refused_by_the_name_of_its_tensor() {
    let mut folder = Changed::of("bert");
    folder.tensors.insert("embeddings.LayerNorm.bias".into(), f32s(&[20], f32::NAN));
    folder.write();
    let error = folder.read().map(drop).unwrap_err();
    assert_eq!(error.code, Code::InvalidFile);
    assert!(error.to_string().contains("embeddingNorm.bias: expected finite parameters"), "{error}");
}

#[test]
fn a_shape_of_an_impossible_size_is_refused() {
    let folder = Changed::of("bert");
    folder.file("config.json", folder.config.to_string());
    for shape in ["[1152921504606846976]", "[1152921504606846976,1152921504606846976]", "[2000000000,2000000000]"] {
        let header = format!(
            r#"{{"embeddings.word_embeddings.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[0,8]}}}}"#
        );
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
        folder.file("model.safetensors", file);
        let message = refused(&folder);
        assert!(
            message.starts_with("model.safetensors: tensor \"embeddings.word_embeddings.weight\": expected "),
            "{message}"
        );
    }
}

#[test]
fn shards_that_do_not_agree_with_their_index_are_refused_by_name() {
    let index = |map: Json| json!({ "weight_map": map }).to_string();
    let folder = Changed::of("bert");
    let (first, second) = folder.write_shards();
    let valid = json_of(&folder.path().join("model.safetensors.index.json"))["weight_map"].clone();
    let file = "model.safetensors.index.json";
    let name = "embeddings.LayerNorm.bias";
    let with = |value: Json| {
        let mut map = valid.clone();
        map[name] = value;
        index(map)
    };
    for (text, says) in [
        (
            with(json!("../model.safetensors")),
            format!(
                "{file}.weight_map.{name}: expected the name of a file or folder directly in the folder, got \"../model.safetensors\""
            ),
        ),
        (
            with(json!("/etc/passwd")),
            format!("{file}.weight_map.{name}: expected the name of a file or folder directly"),
        ),
        (
            with(json!("model-00003-of-00003.safetensors")),
            format!(
                "{file}: expected the file \"model-00003-of-00003.safetensors\", which weight_map names, in the folder, got none: download the complete folder"
            ),
        ),
        (
            with(json!(second.clone())),
            format!("{first}: tensor \"{name}\": expected it in \"{second}\", as weight_map states, got it here"),
        ),
        (
            with(json!(first.clone())).replacen('{', r#"{"weight_map":{},"#, 1),
            format!("{file}: expected every key once, got \"weight_map\" twice"),
        ),
        (
            with(json!(first.clone())).replacen(
                &format!("\"{name}\""),
                &format!("\"{name}\":\"{first}\",\"{name}\""),
                1,
            ),
            format!("{file}.weight_map: expected every key once, got \"{name}\" twice"),
        ),
        (
            with(json!(first.clone())).replacen(&format!("\"{name}\""), "\"ghost\"", 1),
            format!("{first}: tensor \"{name}\": expected it in weight_map of the index, got no entry"),
        ),
        (
            with(json!(first.clone())).replacen(
                &format!("\"{name}\""),
                &format!("\"ghost\":\"{first}\",\"{name}\""),
                1,
            ),
            format!("{first}: tensor \"ghost\": expected it in this file, as weight_map states, got none"),
        ),
    ] {
        folder.file(file, text);
        let message = refused(&folder);
        assert!(message.starts_with(&says), "{says}\n{message}");
    }
    // The same name in both files.
    folder.file(file, index(valid));
    let mut both = raw(&folder.path().join(&second));
    both.insert(name.into(), f32s(&[20], 0.0));
    write_tensors(&folder.path().join(&second), &both);
    let says = format!("{second}: tensor \"{name}\": expected every name in one file, got it also in \"{first}\"");
    assert_eq!(refused(&folder), says);
    // A damaged shard.
    std::fs::write(folder.path().join(&second), [0; 4]).unwrap();
    assert!(refused(&folder).starts_with(&format!("{second}: expected a safetensors file")));
}

#[test]
fn a_pickle_alone_is_refused_with_the_remedy() {
    let folder = Changed::of("bert");
    folder.file("config.json", folder.config.to_string());
    folder.file("pytorch_model.bin", "PK");
    let message = refused(&folder);
    assert!(
        message.starts_with(
            "folder: expected model.safetensors, got only pytorch_model.bin, a pickle; convert the model to safetensors"
        ),
        "{message}"
    );
}

#[test]
fn a_file_that_is_cut_at_any_length_is_refused() {
    let folder = Changed::of("bert");
    folder.write();
    let whole = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    for length in (0..whole.len()).step_by(997) {
        folder.file("model.safetensors", &whole[..length]);
        assert!(refused(&folder).starts_with("model.safetensors: "), "{length}");
    }
}

#[test]
fn a_tokenizer_with_ids_beyond_the_table_of_tokens_is_refused() {
    let folder = Changed::of("bert");
    folder.write();
    for (count, extra) in [(48, 1), (50, 3)] {
        folder.file("tokenizer.json", words(count).to_string());
        let says = "tokenizer.json: expected ids below 47, the number of token vectors of the model, got";
        let other = "tokenizer.json is that of another model";
        assert_eq!(refused(&folder), format!("{says} {}: {other}", 46 + extra));
    }
    folder.file("tokenizer.json", "{}");
    assert!(refused(&folder).starts_with("tokenizer.json: expected "));
    folder.file("tokenizer.json", words(40).to_string());
    assert_eq!(folder.read().unwrap().model.texts.unwrap().tokenizer.vocabulary(), 40);
}
