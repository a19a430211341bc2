//! Tests with damaged files: flipped bits, missing bytes, files that shrink while they are read, and refused memory.
//! Nothing panics, and checkpoints detect every flipped bit.

use std::io::{Cursor, Read};
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::array::{Array, NamedTensors, Numbers};
use super::format::{self, KEY, Plan, Wanted};
use super::fs::{Disk, Fs};
use super::run_folder::tests::checkpoint;
use super::{ModelFile, RunFolder};
use crate::blocks::failing;
use crate::error::{Code, Error};
use crate::random::Key;

const ALL: Wanted = Wanted { widen: true, digests: true };

fn bytes_of(tensors: &NamedTensors, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Plan::new(tensors, text).unwrap().write(&mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<format::Contents, Error> {
    format::read(&mut Cursor::new(bytes), bytes.len() as u64, ALL, &|_| Ok(()))
}

/// A complete checkpoint: its folder, its path, its bytes.
fn saved() -> (tempfile::TempDir, RunFolder, std::path::PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::open(folder.path(), 3).unwrap();
    let path = run.save(&checkpoint(7)).unwrap().path;
    let bytes = std::fs::read(&path).unwrap();
    (folder, run, path, bytes)
}

/// Overwrites a file in place, because some file systems sync a file each time it is truncated and rewritten.
fn overwrite(path: &std::path::Path, bytes: &[u8]) {
    std::io::Write::write_all(&mut std::fs::OpenOptions::new().write(true).open(path).unwrap(), bytes).unwrap();
}

#[test]
fn a_flipped_bit_in_any_byte_of_the_header_and_in_a_thousand_places_of_the_body_is_detected() {
    let (_folder, run, path, whole) = saved();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let key = Key::new(4).with("bits");
    let bits = (0..header as u64).map(|byte| byte * 8 + key.below(byte, 8));
    let body = (0..1000).map(|i| (header as u64) * 8 + key.below(1 << 32 | i, (whole.len() - header) as u64 * 8));
    let mut damaged = whole.clone();
    for bit in bits.chain(body) {
        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        damaged[byte] ^= mask;
        overwrite(&path, &damaged);
        let error = run.recover().expect_err(&format!("bit {bit} flipped"));
        assert_eq!(error.code, Code::InvalidFile, "{error}");
        damaged[byte] ^= mask;
    }
    overwrite(&path, &damaged);
    assert_eq!(run.recover().unwrap().checkpoint.unwrap().1, checkpoint(7));
}

#[test]
fn a_file_cut_at_any_length_is_refused() {
    let (_folder, run, path, whole) = saved();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for length in (0..whole.len()).rev() {
        file.set_len(length as u64).unwrap();
        assert_eq!(run.recover().unwrap_err().code, Code::InvalidFile, "{length}");
    }
}

/// The source ends early, as if the file was shortened after its size was read.
#[test]
fn a_file_shortened_while_it_is_read_is_an_error_and_no_signal() {
    let (_folder, _, _, whole) = saved();
    for length in (0..whole.len()).step_by(37) {
        let mut source = (&whole[..length]).chain(std::io::empty());
        let error = format::read(&mut source, whole.len() as u64, ALL, &|_| Ok(())).err().unwrap();
        assert!(error.code == Code::InvalidFile && error.message.contains("shortened"), "{error}");
    }
}

#[test]
fn a_real_file_shortened_after_it_was_opened_is_an_error_and_no_signal() {
    let (_folder, _, path, whole) = saved();
    let mut opened = Disk.open(&path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(whole.len() as u64 / 2).unwrap();
    assert_eq!(opened.size, whole.len() as u64);
    let error = format::read(&mut opened.source, opened.size, ALL, &|_| Ok(())).err().unwrap();
    assert!(error.message.contains("shortened"), "{error}");
}

#[test]
fn refused_memory_is_a_typed_error_at_every_allocation() {
    let (_folder, run, path, _) = saved();
    run.save(&checkpoint(8)).unwrap();
    let model = path.with_file_name("model.safetensors");
    ModelFile { tensors: checkpoint(1).tensors, ..ModelFile::default() }.save(&model).unwrap();
    let mut failures = 0;
    for load in
        [&|| run.recover().map(drop), &|| ModelFile::load(&model).map(drop)] as [&dyn Fn() -> Result<(), Error>; 2]
    {
        for n in 0.. {
            failing::after(n);
            let result = load();
            if !failing::off() {
                result.unwrap();
                break;
            }
            assert_eq!(result.unwrap_err().code, Code::Memory, "place {n}");
            failures += 1;
        }
    }
    assert!(failures >= 10, "{failures}"); // header, claims, entries and three tensors, twice
}

fn array() -> impl Strategy<Value = Array> {
    (prop::collection::vec(0usize..4, 0..5), 0..7, any::<u64>()).prop_map(|(shape, kind, seed)| {
        let key = Key::new(seed);
        let bits = |i: usize| key.below(2 * i as u64, 1 << 32) << 32 | key.below(2 * i as u64 + 1, 1 << 32);
        let count = 0..shape.iter().product();
        // No NaN, because NaN is unequal to itself; the next test covers NaN.
        let float = |i: usize| (bits(i) as i64 as f64) * 1e-12;
        let numbers = match kind {
            0 => Numbers::F32(count.map(|i| float(i) as f32).collect()),
            1 => Numbers::F64(count.map(float).collect()),
            2 => Numbers::U32(count.map(|i| bits(i) as u32).collect()),
            3 => Numbers::I64(count.map(|i| bits(i) as i64).collect()),
            4 => Numbers::U8(count.map(|i| bits(i) as u8).collect()),
            5 => Numbers::F16(count.map(|i| half::f16::from_f64(float(i))).collect()),
            _ => Numbers::BF16(count.map(|i| half::bf16::from_f64(float(i))).collect()),
        };
        Array::new(shape, numbers).unwrap()
    })
}

fn tensors() -> impl Strategy<Value = NamedTensors> {
    prop::collection::btree_map("[a-z0-9._/\"\\\\é ]{1,12}", array(), 0..6)
}

#[test]
fn nan_and_infinity_keep_their_bits() {
    let bits = [0x7fc0_0001u32, 0xffc0_1234, 0x7f80_0000, 0xff80_0000, 0x8000_0000, 1];
    let numbers = bits.map(f32::from_bits).to_vec();
    let tensors = [("x".to_string(), Array::f32(vec![6], numbers).unwrap())].into();
    let contents = read(&bytes_of(&tensors, "{}")).unwrap();
    let Numbers::F32(found) = contents.tensors["x"].numbers() else { panic!("another type") };
    assert_eq!(found.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), bits);
}

#[test]
fn a_tensor_larger_than_the_buffer_is_read_completely() {
    let numbers: Vec<f32> = (0..200_001).map(|i| i as f32).collect();
    let tensors: NamedTensors = [("x".to_string(), Array::f32(vec![200_001], numbers).unwrap())].into();
    assert_eq!(read(&bytes_of(&tensors, "{}")).unwrap().tensors, tensors);
}

/// A complete file for damage: several tensors with different kinds of names, and metadata.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut tensors = checkpoint(3).tensors;
    tensors.insert("empty".into(), Array::f32(vec![0, 3], vec![]).unwrap());
    tensors.insert("half \"h\"".into(), Array::new(vec![2], Numbers::F16(vec![half::f16::ONE; 2])).unwrap());
    bytes_of(&tensors, &json!({ "format": "model", "version": 1 }).to_string())
});

#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Cut(usize),
    /// Replaces a part of the header and corrects its length, so that later checks are reached.
    Replace(usize, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let texts = vec![
        "0",
        "1",
        "4",
        "-1",
        "1.5",
        "1e3",
        "18446744073709551615",
        "4294967296",
        "2147483648",
        "[]",
        "{}",
        "null",
        "\"F32\"",
        "\"F64\"",
        "\"U8\"",
        "\"BF16\"",
        "\"I8\"",
        "[0,0]",
        "[1,1,1,1,1,1,1,1,1]",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"a\":1,",
        ",",
        "}",
        "]",
        "[",
        "{",
        "\"",
        ":",
        "[[[[[[[[[[",
        "__metadata__",
        " ",
    ];
    prop_oneof![
        (any::<usize>(), 1u8..).prop_map(|(at, mask)| Damage::Flip(at, mask)),
        (any::<usize>(), 1usize..64).prop_map(|(at, count)| Damage::Remove(at, count)),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..32)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), prop::sample::select(texts)).prop_map(|(at, text)| Damage::Replace(at, text)),
    ]
}

/// The positions of the numbers, strings and other tokens of a JSON text.
fn tokens(header: &str) -> Vec<std::ops::Range<usize>> {
    let (bytes, mut found, mut at) = (header.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let start = at;
        at += 1;
        match bytes[start] {
            b'"' => {
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
            }
            b'0'..=b'9' => {
                while at < bytes.len() && bytes[at].is_ascii_digit() {
                    at += 1;
                }
            }
            _ => {}
        }
        found.push(start..at);
    }
    found
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let length = bytes.len().max(1);
    match damage {
        Damage::Flip(at, mask) => {
            if let Some(byte) = bytes.get_mut(at % length) {
                *byte ^= mask;
            }
        }
        Damage::Remove(at, count) => {
            let at = at % length;
            bytes.drain(at.min(bytes.len())..(at + count).min(bytes.len()));
        }
        Damage::Insert(at, more) => {
            let at = at % length;
            bytes.splice(at.min(bytes.len())..at.min(bytes.len()), more.iter().copied());
        }
        Damage::Cut(at) => bytes.truncate(at % length),
        Damage::Replace(at, text) => {
            let Some(size) = bytes.first_chunk().map(|length| u64::from_le_bytes(*length) as usize) else { return };
            let Some(header) = bytes.get(8..).and_then(|rest| rest.get(..size)) else { return };
            let Ok(header) = std::str::from_utf8(header) else { return };
            let tokens = tokens(header);
            if tokens.is_empty() {
                return;
            }
            let place = tokens[at % tokens.len()].clone();
            if !header.is_char_boundary(place.start) || !header.is_char_boundary(place.end) {
                return;
            }
            let changed = [&header[..place.start], text, &header[place.end..]].concat();
            let body = bytes.split_off(8 + size);
            *bytes = (changed.len() as u64).to_le_bytes().to_vec();
            bytes.extend_from_slice(changed.as_bytes());
            bytes.extend_from_slice(&body);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_written_file_is_read_here_and_by_the_reference_reader(tensors in tensors(), text in any::<String>()) {
        let bytes = bytes_of(&tensors, &text);
        let wanted = Wanted { widen: false, digests: true };
        let contents = format::read(&mut Cursor::new(&bytes), bytes.len() as u64, wanted, &|_| Ok(())).unwrap();
        prop_assert_eq!(&contents.tensors, &tensors);
        prop_assert_eq!(&contents.header.metadata[KEY], &text);
        prop_assert_eq!(contents.digests, format::digests(&tensors).unwrap());
        let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        prop_assert_eq!(reference.len(), tensors.len());
        for (name, array) in &tensors {
            prop_assert_eq!(reference.tensor(name).unwrap().shape().to_vec(), array.shape());
        }
    }

    #[test]
    fn damaged_files_give_an_error_or_a_valid_file(damages in prop::collection::vec(damage(), 1..4)) {
        let mut bytes = WHOLE.clone();
        for damage in &damages {
            apply(&mut bytes, damage);
        }
        match read(&bytes) {
            Err(error) => prop_assert_eq!(error.code, Code::InvalidFile),
            // If we accept a file, the reference reader accepts it too, with the same content.
            Ok(contents) => {
                let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
                prop_assert_eq!(reference.len(), contents.tensors.len());
                for (name, array) in &contents.tensors {
                    prop_assert_eq!(reference.tensor(name).unwrap().shape().to_vec(), array.shape());
                }
            }
        }
    }

    #[test]
    fn bytes_of_any_kind_give_a_typed_error(bytes in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        // Half of them have a correct length, so that the header is parsed.
        let bytes = if header {
            let text = [b"{".as_slice(), &bytes].concat();
            [&(text.len() as u64).to_le_bytes()[..], &text].concat()
        } else {
            bytes
        };
        if let Err(error) = read(&bytes) {
            prop_assert_eq!(error.code, Code::InvalidFile);
        }
    }
}
