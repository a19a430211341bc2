//! Malicious files: each is rejected by a specific rule, quickly, and before memory is allocated for its claims.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use limbeck_core::allocator::{self, CachingAllocator};
use limbeck_core::checkpoint::ModelFile;
use limbeck_core::error::Code;

/// A file with the length, the header, and a body of `body` zeros.
fn file(header: &str, body: usize) -> Vec<u8> {
    with_length(header.len() as u64, header, body)
}

fn with_length(length: u64, header: &str, body: usize) -> Vec<u8> {
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + body, 0);
    bytes
}

/// One tensor `w` with this dtype, shape and offsets.
fn tensor(dtype: &str, shape: &str, offsets: &str, body: usize) -> Vec<u8> {
    file(&format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#), body)
}

/// Two tensors of one f32 with these offsets.
fn two(first: &str, second: &str, body: usize) -> Vec<u8> {
    let one = r#""dtype":"F32","shape":[1],"data_offsets""#;
    file(&format!(r#"{{"a":{{{one}:{first}}},"b":{{{one}:{second}}}}}"#), body)
}

fn many(count: usize) -> Vec<u8> {
    let list: Vec<String> =
        (0..count).map(|i| format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)).collect();
    file(&format!("{{{}}}", list.join(",")), 0)
}

fn metadata(text: &str) -> Vec<u8> {
    file(&format!(r#"{{"__metadata__":{text}}}"#), 0)
}

fn limbeck(text: &str) -> Vec<u8> {
    metadata(&format!(r#"{{"limbeck":{text:?}}}"#))
}

type Case = (&'static str, Vec<u8>, &'static str);

fn small() -> Vec<Case> {
    let good = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let mut not_utf8 = file(good, 4);
    not_utf8[10] = 0xff;
    let mut pickle = b"\x80\x02}q\x00(X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\n".to_vec();
    pickle.resize(256, b'.');
    let mut zip = b"PK\x03\x04\x14\x00\x00\x00\x00\x00archive/data.pkl".to_vec();
    zip.resize(256, 0);
    let gguf = [b"GGUF\x03\x00\x00\x00".as_slice(), &[0; 64]].concat();
    let npy = [b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'".as_slice(), &[b' '; 64]].concat();
    let html = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body></body></html>".to_vec();
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 1000\n".to_vec();
    let long_name = "n".repeat(257);
    vec![
        ("empty", vec![], "at least 10 bytes"),
        ("one byte", vec![0], "at least 10 bytes"),
        ("length only", 2u64.to_le_bytes().to_vec(), "at least 10 bytes"),
        ("header of 2^64 − 1", with_length(u64::MAX, good, 4), "header of at most 12582912"),
        ("header of 2^63", with_length(1 << 63, good, 4), "header of at most 12582912"),
        ("header of 4 GiB", with_length(1 << 32, good, 4), "header of at most 12582912"),
        ("header of 100 MB", with_length(100_000_000, good, 4), "header of at most 12582912"),
        ("header just above the limit", with_length((12 << 20) + 1, good, 4), "header of at most 12582912"),
        ("header past the end", with_length(1000, good, 4), "the rest of the file"),
        ("header past the end by one", with_length(good.len() as u64 + 5, good, 4), "the rest of the file"),
        ("header of length 0", with_length(0, good, 4), "begin with '{', got nothing"),
        ("header begins with a blank", file(&format!(" {good}"), 4), "begin with '{', got byte 32"),
        ("header begins with a mark", file(&format!("\u{feff}{good}"), 4), "begin with '{', got byte 239"),
        ("header is a list", file("[]", 0), "begin with '{', got byte 91"),
        ("header is a string", file("\"{\"", 0), "begin with '{', got byte 34"),
        ("not UTF-8", not_utf8, "UTF-8"),
        ("zip", zip, "got another kind: it begins with \"PK"),
        ("pickle", pickle, "header of at most 12582912"),
        ("gguf", gguf, "header of at most 12582912"),
        ("npy", npy, "header of at most 12582912"),
        ("html page", html, "got another kind: it begins with \"<!DOCTYP"),
        ("git-lfs pointer", lfs, "got another kind: it begins with \"version"),
        ("nine levels", file(r#"{"w":{"a":[[[[[[[1]]]]]]]}}"#, 0), "8 levels"),
        ("deep lists", file(&format!("{{\"w\":{}", "[".repeat(100_000)), 0), "8 levels"),
        ("deep objects", file(&"{\"a\":".repeat(100_000), 0), "8 levels"),
        ("cut JSON", file(&good[..good.len() - 1], 4), "',' or '}'"),
        ("JSON and more", file(&format!("{good}x"), 4), "expected the end"),
        ("two JSON", file(&format!("{good}{good}"), 4), "expected the end"),
        ("zero after JSON", file(&format!("{good}\0"), 4), "expected the end"),
        ("comma at the end", file(&format!("{},}}", &good[..good.len() - 1]), 4), "expected a string"),
        ("open string", file(r#"{"w"#, 0), "closed string"),
        ("half a pair", file(r#"{"\ud800":1}"#, 0), "surrogate"),
        ("single quotes", file("{'w':1}", 0), "expected a string"),
        ("same tensor twice", file(&format!(r#"{{"w":{entry},"w":{entry}}}"#), 4), "\"w\" twice"),
        ("same tensor twice, escaped", file(&format!(r#"{{"w":{entry},"\u0077":{entry}}}"#), 4), "\"w\" twice"),
        ("metadata twice", file(r#"{"__metadata__":{},"__metadata__":{}}"#, 0), "\"__metadata__\" twice"),
        ("metadata key twice", metadata(r#"{"a":"1","a":"2"}"#), "\"a\" twice"),
        (
            "dtype twice",
            file(r#"{"w":{"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,4]}}"#, 4),
            "\"dtype\" twice",
        ),
        (
            "shape twice",
            file(r#"{"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}"#, 4),
            "\"shape\" twice",
        ),
        (
            "offsets twice",
            file(r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}"#, 4),
            "\"data_offsets\" twice",
        ),
        ("metadata no object", metadata("[]"), "expected an object"),
        ("metadata value no string", metadata(r#"{"a":1}"#), "must be a string"),
        ("metadata value an object", metadata(r#"{"a":{}}"#), "must be a string"),
        ("tensor no object", file(r#"{"w":1}"#, 0), "expected an object"),
        ("tensor null", file(r#"{"w":null}"#, 0), "expected an object"),
        (
            "unknown key",
            file(r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"offset":0}}"#, 4),
            "the key \"offset\"",
        ),
        ("no dtype", file(r#"{"w":{"shape":[1],"data_offsets":[0,4]}}"#, 4), "the key \"dtype\", got none"),
        ("no shape", file(r#"{"w":{"dtype":"F32","data_offsets":[0,4]}}"#, 4), "the key \"shape\", got none"),
        ("no offsets", file(r#"{"w":{"dtype":"F32","shape":[1]}}"#, 4), "the key \"data_offsets\", got none"),
        ("empty name", file(&format!(r#"{{"":{entry}}}"#), 4), "an empty name"),
        ("long name", file(&format!(r#"{{"{long_name}":{entry}}}"#), 4), "at most 256 bytes"),
        ("NUL in a name", file(&format!(r#"{{"w\u0000":{entry}}}"#), 4), "control characters"),
        ("line break in a name", file(&format!(r#"{{"w\n":{entry}}}"#), 4), "control characters"),
        ("terminal code in a name", file(&format!(r#"{{"\u001b[2J":{entry}}}"#), 4), "control characters"),
        ("rank 9", tensor("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]", 4), "at most 8 dimensions"),
        ("huge dimension", tensor("F32", "[2147483649]", "[0,4]", 4), "dimensions of at most 2147483648"),
        (
            "dimension of 2^64 − 1",
            tensor("F32", "[18446744073709551615]", "[0,4]", 4),
            "dimensions of at most 2147483648",
        ),
        ("dimension past 64 bits", tensor("F32", "[18446744073709551616]", "[0,4]", 4), "integer of at least 0"),
        ("negative dimension", tensor("F32", "[-1]", "[0,4]", 4), "integer of at least 0"),
        ("dimension with a fraction", tensor("F32", "[1.0]", "[0,4]", 4), "integer of at least 0"),
        ("dimension with an exponent", tensor("F32", "[1e0]", "[0,4]", 4), "integer of at least 0"),
        ("NaN as dimension", tensor("F32", "[NaN]", "[0,4]", 4), "integer of at least 0"),
        ("text as dimension", tensor("F32", "[\"1\"]", "[0,4]", 4), "integer of at least 0"),
        ("shape no list", tensor("F32", "1", "[0,4]", 4), "expected a list"),
        ("product past 64 bits", tensor("F32", "[2147483648,2147483648,2147483648]", "[0,4]", 4), "fits in 64 bits"),
        ("product that wraps to 0", tensor("U8", "[2147483648,2147483648,4]", "[0,0]", 0), "fits in 64 bits"),
        ("product in bytes past 64 bits", tensor("F64", "[2147483648,2147483648]", "[0,8]", 8), "fits in 64 bits"),
        ("unknown dtype", tensor("F33", "[1]", "[0,4]", 4), "expected one of the dtypes"),
        ("dtype in small letters", tensor("f32", "[1]", "[0,4]", 4), "expected one of the dtypes"),
        ("dtype not taken: I8", tensor("I8", "[1]", "[0,1]", 1), "expected one of the dtypes"),
        ("dtype not taken: F8", tensor("F8_E4M3", "[1]", "[0,1]", 1), "expected one of the dtypes"),
        ("dtype not taken: F4", tensor("F4", "[2]", "[0,1]", 1), "expected one of the dtypes"),
        ("dtype no string", file(r#"{"w":{"dtype":1,"shape":[1],"data_offsets":[0,4]}}"#, 4), "expected a string"),
        ("one offset", tensor("F32", "[1]", "[0]", 4), "two data_offsets, got 1"),
        ("three offsets", tensor("F32", "[1]", "[0,4,4]", 4), "two data_offsets, got more"),
        ("offsets that fall", tensor("F32", "[1]", "[4,0]", 4), "in ascending order"),
        ("offset below 0", tensor("F32", "[1]", "[-4,0]", 4), "integer of at least 0"),
        (
            "offsets at the end of 64 bits",
            tensor("F32", "[1]", "[18446744073709551612,18446744073709551615]", 4),
            "expected 4 bytes",
        ),
        ("shape larger than offsets", tensor("F32", "[2]", "[0,4]", 4), "expected 8 bytes"),
        ("shape smaller than offsets", tensor("F32", "[1]", "[0,8]", 8), "expected 4 bytes"),
        ("empty tensor with bytes", tensor("F32", "[0]", "[0,4]", 4), "expected 0 bytes"),
        ("begins after a gap", tensor("F32", "[1]", "[4,8]", 8), "a gap"),
        ("gap between", two("[0,4]", "[8,12]", 12), "a gap"),
        ("overlap", two("[0,4]", "[2,6]", 6), "an overlap"),
        ("same bytes twice", two("[0,4]", "[0,4]", 4), "an overlap"),
        ("body cut", tensor("F32", "[1]", "[0,4]", 3), "truncated"),
        ("no body", tensor("F32", "[1]", "[0,4]", 0), "truncated"),
        ("claims 4 GiB", tensor("F32", "[1073741824]", "[0,4294967296]", 4), "truncated"),
        ("claims an exabyte", tensor("U8", "[1073741824,1073741824]", "[0,1152921504606846976]", 4), "truncated"),
        ("bytes at the end", tensor("F32", "[1]", "[0,4]", 5), "belong to no tensor"),
        ("no tensors but a body", file("{}", 1), "belong to no tensor"),
        ("our metadata no JSON", limbeck("{"), "expected a string"),
        ("our metadata deep", limbeck(&"[".repeat(10_000)), "64 levels"),
        ("our metadata with a key twice", limbeck(r#"{"format":"model","format":"model"}"#), "\"format\" twice"),
        ("our metadata with NaN", limbeck(r#"{"format":NaN}"#), "expected a value"),
        ("our metadata past f64", limbeck(r#"{"format":1e999}"#), "range of 64-bit floats"),
    ]
}

fn large() -> Vec<Case> {
    let blanks = format!("{{{}}}", " ".repeat((12 << 20) - 3));
    let open = format!("{{\"{}", "n".repeat((12 << 20) - 2));
    let brackets = "{\"a\":[".repeat((12 << 20) / 6);
    let list: Vec<String> =
        (0..65_536).map(|i| format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}"#)).collect();
    // The largest allowed number of everything, with the fault at the end.
    let full = format!("{{{}{}}}", list.join(","), " ".repeat((12 << 20) - 2 - list.join(",").len()));
    vec![
        ("65,537 tensors", many(65_537), "at most 65536 tensors"),
        ("200,000 tensors", many(200_000), "at most 65536 tensors"),
        ("a million tensors", many(1_000_000), "header of at most 12582912"),
        ("65,536 tensors after a gap", file(&format!("{{{}}}", list.join(",")), 1), "a gap"),
        ("12 MiB with 65,536 tensors after a gap", file(&full, 1), "a gap"),
        ("12 MiB of blanks", file(&blanks, 1), "belong to no tensor"),
        ("a name of 12 MiB", file(&open, 0), "closed string"),
        ("12 MiB of brackets", file(&brackets, 0), "8 levels"),
    ]
}

/// The largest number of bytes that a file has used so far.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The largest number of bytes that a rejected file may use.
const MEMORY: usize = 16_000_000;

/// Counts the memory of the reader.
#[global_allocator]
static COUNTED: CachingAllocator = CachingAllocator;

/// Returns the fastest of up to twenty attempts, because other programs may use the core for a while.
fn refused(path: &Path, name: &str, says: &str) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        if fastest < Duration::from_millis(50) {
            break;
        }
        allocator::reset_peak();
        let live = allocator::live_bytes();
        let start = Instant::now();
        let error = ModelFile::load(path).expect_err(name);
        fastest = fastest.min(start.elapsed());
        let grown = allocator::peak_bytes() - live;
        assert!(grown <= MEMORY, "{name}: {grown} bytes");
        MOST.fetch_max(grown, Relaxed);
        assert_eq!(error.code, Code::InvalidFile, "{name}: {error}");
        assert!(error.message.contains(says), "{name}: {error}");
        assert!(error.message.len() < 400 && !error.message.chars().any(char::is_control), "{name}: {error}");
        assert_eq!(error.path, path.display().to_string(), "{name}");
    }
    assert!(fastest < Duration::from_millis(50), "{name}: {fastest:?}");
    fastest
}

#[test]
fn every_malicious_file_is_rejected_by_its_rule_quickly_and_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = 0;
    for (group, cases) in [("small", small()), ("large", large())] {
        let (mut slowest, mut count) = ((Duration::ZERO, ""), 0);
        MOST.store(0, Relaxed);
        for (name, bytes, says) in cases {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            slowest = slowest.max((refused(&path, name, says), name));
            count += 1;
        }
        println!("{count} {group} files refused, slowest {slowest:?}, at most {} bytes of memory", MOST.load(Relaxed));
        all += count;
    }
    assert!(all >= 60);
}

#[test]
fn a_file_above_4_gib_is_refused_by_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let sparse = std::fs::File::create(&path).unwrap();
    if sparse.set_len((4 << 30) + 1).is_err() {
        println!("skipped: this file system has no sparse files of 4 GiB");
        return;
    }
    refused(&path, "above 4 GiB", "expected at most 4294967296 bytes");
    sparse.set_len(4 << 30).unwrap();
    refused(&path, "4 GiB of zeros", "begin with '{', got nothing");
}

#[cfg(unix)]
#[test]
fn anything_except_a_regular_file_is_rejected_without_waiting() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = folder.path().join("link");
    symlink(&pipe, &link).unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    refused(&pipe, "pipe", "got a pipe");
    refused(&link, "link to a pipe", "got a pipe");
    refused(&socket, "socket", "got a socket");
    refused(folder.path(), "folder", "got a folder");
    refused(Path::new("/dev/zero"), "device", "got a device");
    refused(Path::new("/dev/null"), "device", "got a device");

    let circle = folder.path().join("circle");
    symlink("circle", &circle).unwrap();
    for path in [circle, folder.path().join("none")] {
        assert_eq!(ModelFile::load(&path).unwrap_err().code, Code::Io);
    }
}
