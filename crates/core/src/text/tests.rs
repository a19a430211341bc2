use serde_json::{Value, json};

use super::train::{KINDS, options};
use super::{Encoded, Kind, Tokenizer, train};
use crate::error::{Code, Error};
use crate::pool::Pool;
use crate::random::Key;

/// Texts of random words, some of them with accents, other scripts, emoji and punctuation.
fn texts(count: u64) -> Vec<String> {
    const PARTS: [&str; 12] = ["ta", "re", "Mi", "lon", "é", "ß", "猫", "the", "ing", "🙂", "-", "и"];
    let key = Key::new(7).with("texts");
    let word =
        |at: u64| (0..1 + key.below(at * 8, 4)).map(move |part| PARTS[key.below(at * 8 + 1 + part, 12) as usize]);
    let text = |row: u64| {
        let words =
            (0..1 + key.below(row, 12)).map(|at| word(1_000 + key.below(row * 16 + at, 300)).collect::<String>());
        words.collect::<Vec<_>>().join(" ")
    };
    (0..count).map(text).collect()
}

fn refused(made: crate::error::Result<Tokenizer>) -> Error {
    made.map(|tokenizer| tokenizer.vocabulary()).unwrap_err()
}

fn row(encoded: &Encoded, at: usize) -> &[u32] {
    &encoded.ids[encoded.offsets[at] as usize..encoded.offsets[at + 1] as usize]
}

/// The file of a tokenizer of whole words, changed by `change`.
fn file(change: impl FnOnce(&mut Value)) -> String {
    let mut file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "?", "vocab": { "?": 0, "a": 1, "b": 2, "c": 5 } },
    });
    change(&mut file);
    file.to_string()
}

fn read(change: impl FnOnce(&mut Value)) -> crate::error::Result<Tokenizer> {
    Tokenizer::from_json(file(change).as_bytes())
}

#[test]
fn training_gives_the_same_file_for_any_threads_and_any_order_of_the_texts() {
    let texts = texts(600);
    for kind in KINDS {
        let make = |threads, texts: &[String]| {
            Pool::new(Some(threads)).unwrap().enter(|| train(&options(kind, 500), texts)).unwrap()
        };
        let first = make(1, &texts);
        assert!((150..=500).contains(&first.vocabulary()), "{kind:?} {}", first.vocabulary());
        let reversed: Vec<String> = texts.iter().rev().cloned().collect();
        for other in [make(1, &texts), make(3, &texts), make(2, &reversed)] {
            assert!(other.json() == first.json(), "{kind:?}");
            assert_eq!(other.digest(), first.digest());
        }
        let again = Tokenizer::from_json(first.json().as_bytes()).unwrap();
        assert_eq!((again.json(), again.special_tokens()), (first.json(), 2));
    }
}

#[test]
fn ids_are_the_same_for_any_number_of_threads_and_decode_returns_the_text() {
    let texts = texts(1_000);
    for kind in KINDS {
        let tokenizer = train(&options(kind, 600), &texts).unwrap();
        let encode = |threads| Pool::new(Some(threads)).unwrap().enter(|| tokenizer.encode(&texts, None)).unwrap();
        let one = encode(1);
        assert_eq!(one, encode(2));
        assert_eq!(one, encode(3));
        assert_eq!((one.offsets.len(), one.cut), (1_001, 0));
        assert_eq!(*one.offsets.last().unwrap() as usize, one.ids.len());
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(row(&one, at), tokenizer.encode(&texts[at..=at], None).unwrap().ids);
            let decoded = tokenizer.decode(row(&one, at)).unwrap();
            match kind {
                Kind::WordPiece => assert_eq!(plain(&decoded), plain(&text.to_lowercase().replace('é', "e")), "{text}"),
                Kind::Bpe | Kind::Unigram => assert_eq!(&decoded, text),
            }
        }
    }
}

/// Without spaces, which word pieces do not keep around punctuation.
fn plain(text: &str) -> String {
    text.chars().filter(|character| *character != ' ').collect()
}

#[test]
fn merges_follow_the_counts_of_the_pairs() {
    // "low" 5, "lower" 2, "newest" 6, "widest" 3: the example of the paper, without its end of a word.
    let text = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)];
    let texts: Vec<String> = text.iter().flat_map(|(word, count)| vec![word.to_string(); *count]).collect();
    let tokenizer = train(&options(Kind::Bpe, 261 + 5), &texts).unwrap();
    let file: Value = serde_json::from_str(tokenizer.json()).unwrap();
    // Nine times "es" and "st": "es" has the smaller ids. Then "est" 9, "lo" 7, "low" 7, and of "ne", "ew", "we" … 6 the smallest.
    assert_eq!(file["model"]["merges"], json!([["e", "s"], ["es", "t"], ["l", "o"], ["lo", "w"], ["e", "w"]]));
    assert_eq!(tokenizer.vocabulary(), 266);
    // No pair is left that occurs twice.
    assert!(train(&options(Kind::Bpe, 100_000), &texts).unwrap().vocabulary() < 300);
}

#[test]
fn truncation_removes_the_last_tokens_and_keeps_the_special_ones() {
    let texts = ["a b c a", "", "b"].map(String::from);
    let tokenizer = read(|file| {
        file["post_processor"] = json!({ "type": "BertProcessing", "sep": ["c", 5], "cls": ["?", 0] });
    });
    let tokenizer = tokenizer.unwrap();
    assert_eq!((tokenizer.special_tokens(), tokenizer.vocabulary()), (2, 6));
    let whole = tokenizer.encode(&texts, None).unwrap();
    assert_eq!(whole, Encoded { ids: vec![0, 1, 2, 5, 1, 5, 0, 5, 0, 2, 5], offsets: vec![0, 6, 8, 11], cut: 0 });
    assert_eq!(tokenizer.encode(&texts, Some(6)).unwrap(), whole);
    let cut = tokenizer.encode(&texts, Some(4)).unwrap();
    assert_eq!(cut, Encoded { ids: vec![0, 1, 2, 5, 0, 5, 0, 2, 5], offsets: vec![0, 4, 6, 9], cut: 1 });
    let least = tokenizer.encode(&texts, Some(2)).unwrap();
    assert_eq!(least, Encoded { ids: [0, 5].repeat(3), offsets: vec![0, 2, 4, 6], cut: 2 });
    let error = tokenizer.encode(&texts, Some(1)).unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (Code::InvalidConfig, "maxTokens"));
    assert!(error.message.starts_with("expected at least 2"), "{error}");
    assert_eq!(tokenizer.encode(&[], None).unwrap(), Encoded { ids: vec![], offsets: vec![0], cut: 0 });
}

#[test]
fn a_text_without_tokens_is_rejected_by_its_position() {
    let tokenizer = read(|_| {}).unwrap();
    let mut texts = vec!["a".to_string(); 200];
    texts[150] = " \n".into();
    let error = tokenizer.encode(&texts, None).unwrap_err();
    assert_eq!(error.to_string(), "texts[150]: expected a text with at least one token, got none; remove this row");
    assert_eq!(tokenizer.encode(&texts[..1], Some(0)).unwrap_err().path, "maxTokens");
    texts[150] = "a".repeat(super::LONGEST_TEXT + 1);
    let error = tokenizer.encode(&texts, None).unwrap_err();
    assert!(error.path == "texts[150]" && error.message.contains("at most 16777216 bytes"), "{error}");
    assert_eq!(refused(train(&options(Kind::Bpe, 300), &texts)).path, "texts[150]");
}

#[test]
fn truncation_padding_and_dropout_of_the_file_are_switched_off() {
    let limits = |file: &mut Value| {
        file["truncation"] = json!({ "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0 });
        file["padding"] = json!({
            "strategy": { "Fixed": 8 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "?",
        });
    };
    let tokenizer = read(limits).unwrap();
    assert_eq!(tokenizer.encode(&["a b c".into()], None).unwrap().ids, [1, 2, 5]);
    assert_eq!(tokenizer.json(), file(|_| {}));
    let pairs = |dropout: Value| {
        file(|file| {
            let vocabulary = json!({ "a": 0, "b": 1, "ab": 2, "abab": 3 });
            let merges = json!([["a", "b"], ["ab", "ab"]]);
            file["model"] = json!({ "type": "BPE", "dropout": dropout, "vocab": vocabulary, "merges": merges });
        })
    };
    let tokenizer = Tokenizer::from_json(pairs(json!(0.9)).as_bytes()).unwrap();
    assert_eq!(tokenizer.json(), pairs(Value::Null));
    for _ in 0..20 {
        assert_eq!(tokenizer.encode(&["abab".into()], None).unwrap().ids, [3]);
    }
}

#[test]
fn a_file_that_is_no_tokenizer_is_rejected() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let broken = [&b""[..], b"{", b"{}", b"[]", b"null", b"\xff", b"{\"version\":\"1.0\"}", deep.as_bytes()];
    for bytes in broken {
        let error = refused(Tokenizer::from_json(bytes));
        assert_eq!((error.code, error.path.as_str()), (Code::InvalidFile, ""), "{error}");
        assert!(error.message.starts_with("expected "), "{error}");
    }
    let error = refused(Tokenizer::from_json(&vec![b' '; super::LARGEST_FILE + 1]));
    assert_eq!(error.message, "expected at most 134217728 bytes, got 134217729");
    for id in [json!(4_294_967_295_u32), json!(4_294_967_296_u64), json!(-1), json!(1.5)] {
        let error = refused(read(|file| file["model"]["vocab"]["c"] = id.clone()));
        assert_eq!(error.code, Code::InvalidFile, "{id}: {error}");
    }
    assert_eq!(refused(read(|file| file["model"]["vocab"] = json!({}))).code, Code::InvalidFile);
    // The special token has an id outside the vocabulary: an embedding needs a row for it.
    let wide =
        read(|file| file["post_processor"] = json!({ "type": "BertProcessing", "sep": ["x", 9], "cls": ["y", 7] }));
    assert_eq!(wide.unwrap().vocabulary(), 10);
}

#[test]
fn a_table_of_characters_that_claims_to_be_longer_than_it_is_is_rejected_before_memory_is_allocated() {
    // Four bytes 0xfffffff0 in base 64, then nothing; the second key is escaped.
    for key in ["precompiled_charsmap", "precompiled\\u005fcharsmap"] {
        let normalizer = format!(r#"{{"type":"Precompiled","{key}":"8P///wAA"}}"#);
        let text = file(|_| {}).replace(r#""normalizer":null"#, &format!(r#""normalizer":{normalizer}"#));
        let error = refused(Tokenizer::from_json(text.as_bytes()));
        assert_eq!(error.message, "expected a whole table in precompiled_charsmap, got a part of one", "{key}");
    }
}

#[test]
fn damaged_files_are_read_or_rejected() {
    let texts = texts(40);
    for kind in KINDS {
        let whole = train(&options(kind, 330), &texts).unwrap().json().to_string().into_bytes();
        let key = Key::new(3).with("damage");
        for at in 0..150 {
            let mut bytes = whole.clone();
            match at % 3 {
                0 => bytes.truncate(key.below(at, bytes.len() as u64) as usize),
                1 => {
                    bytes[key.below(at, whole.len() as u64) as usize] = b"0\"{}[]9,"[key.below(at + 1_000, 8) as usize]
                }
                _ => drop(bytes.drain(..key.below(at, 2_000) as usize)),
            }
            match Tokenizer::from_json(&bytes) {
                Ok(tokenizer) => drop(tokenizer.encode(&texts, None)),
                Err(error) => assert_eq!(error.code, Code::InvalidFile, "{error}"),
            }
        }
    }
}

#[test]
fn a_tokenizer_whose_parts_contradict_each_other_is_an_error_and_not_a_panic() {
    let tokenizer = read(|file| file["pre_tokenizer"] = json!({ "type": "FixedLength", "length": 0 })).unwrap();
    let error = tokenizer.encode(&["a".into()], None).unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (Code::InvalidData, "texts[0]"), "{error}");
    let decoder = json!({ "type": "Strip", "content": "a", "start": 0, "stop": 9 });
    let error = read(|file| file["decoder"] = decoder).unwrap().decode(&[1]).unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (Code::InvalidData, "ids"), "{error}");
}

#[test]
fn an_id_outside_the_vocabulary_is_rejected_by_decode() {
    let tokenizer = read(|_| {}).unwrap();
    assert_eq!(tokenizer.decode(&[1, 2, 5]).unwrap(), "a b c");
    let error = tokenizer.decode(&[1, 6]).unwrap_err();
    assert_eq!(error.to_string(), "ids[1]: expected an id below 6 (the vocabulary), got 6");
}

#[test]
fn a_vocabulary_that_is_too_small_or_texts_without_words_are_rejected() {
    let texts = texts(50);
    for kind in KINDS {
        let error = refused(train(&options(kind, 20), &texts));
        assert_eq!((error.code, error.path.as_str()), (Code::InvalidConfig, "vocabulary"), "{error}");
        let least: usize = error.message.split(' ').nth(3).unwrap().parse().unwrap();
        assert_eq!(refused(train(&options(kind, least - 1), &texts)).path, "vocabulary");
        assert!(train(&options(kind, least), &texts).unwrap().vocabulary() <= least);
        assert_eq!(refused(train(&options(kind, 1_000_001), &texts)).path, "vocabulary");
        let error = refused(train(&options(kind, 400), &["".into()]));
        assert_eq!(error.to_string(), "texts: expected at least one word in the texts, got none");
    }
    let unknown = crate::reading::parse::<super::TokenizerOptions>(r#"{"kind":"words","vocabulary":9}"#).unwrap_err();
    assert_eq!(unknown.to_string(), "kind: expected one of wordPiece, bpe, unigram, got words");
}

#[test]
fn a_file_and_its_folder_give_the_same_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(Tokenizer::load(folder.path()));
    assert_eq!((error.code, error.path.ends_with("tokenizer.json")), (Code::Io, true));
    std::fs::write(folder.path().join("tokenizer.json"), file(|_| {})).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.digest(), Tokenizer::load(&folder.path().join("tokenizer.json")).unwrap().digest());
    assert_eq!(tokenizer.digest().len(), 64);
    std::fs::write(folder.path().join("other.json"), "{}").unwrap();
    let error = refused(Tokenizer::load(&folder.path().join("other.json")));
    assert_eq!((error.code, error.path.ends_with("other.json")), (Code::InvalidFile, true));
}

#[test]
fn a_refused_block_of_memory_is_an_error() {
    let tokenizer = read(|_| {}).unwrap();
    let texts = vec!["a".to_string(); 100];
    let mut failures = 0;
    for after in [0, 1, 2, 3, 50, 1_000] {
        crate::blocks::failing::after(after);
        let encoded = crate::blocks::caught(|| tokenizer.encode(&texts, None));
        let failed = crate::blocks::failing::off();
        assert_eq!(encoded.is_err(), failed);
        failures += usize::from(failed);
        if let Err(error) = encoded {
            assert_eq!(error.code, Code::Memory);
        }
    }
    assert_eq!(failures, 5);
}
