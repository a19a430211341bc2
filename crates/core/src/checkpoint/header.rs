//! The header of a safetensors file. It is checked completely before memory for the tensors is allocated.
//!
//! ```text
//! file = length of the header (u64, little endian) · header (JSON) · body (the tensors' bytes, one after the other)
//! header = { "__metadata__": { key: text }, name: { "dtype": …, "shape": […], "data_offsets": [begin, end] } … }
//! ```
//!
//! Source: the safetensors format, https://huggingface.co/docs/safetensors. Where we differ: this reader is stricter. The
//! reference reader accepts a header that does not begin with `{`, keeps the last of two equal keys and allows a header
//! of 100 MB.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;

use super::array::{Dtype, shortened};
use super::digest::Digester;
use crate::blocks::reserve;
use crate::error::{Code, Error, Result};
use crate::json::{self, Reader};

pub(crate) const LARGEST_FILE: u64 = 4 << 30;
/// With the data that the checks keep for 65,536 tensors, a malicious file uses less than 16 MB of memory.
pub(crate) const LARGEST_HEADER: u64 = 12 << 20;
pub(crate) const MOST_TENSORS: usize = 65_536;
pub(crate) const LONGEST_NAME: usize = 256;
const DEEPEST: usize = 8;
const HIGHEST_RANK: usize = 8;
const LARGEST_DIMENSION: u64 = 1 << 31;

/// A tensor of the file: its bytes are `begin..end` of the body.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub begin: u64,
    pub end: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The tensors in the order of their bytes.
    pub tensors: Vec<Entry>,
    pub metadata: BTreeMap<String, String>,
    /// SHA-256 of the length and the header's bytes.
    pub digest: String,
}

pub(crate) fn refuse(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidFile, "", message)
}

/// The parts of a claim that are kept after reading: its position and the values that are compared with other claims. It
/// has 32 bytes; keeping complete claims would need as much memory as the header.
struct Noted {
    begin: u64,
    end: u64,
    /// Hash of the name; sorting by it makes equal names neighbours.
    hash: u64,
    name_at: u32,
    claim_at: u32,
}

impl Noted {
    fn name<'a>(&self, text: &'a str) -> Result<Cow<'a, str>> {
        Reader::starting(text, self.name_at as usize, DEEPEST).string()
    }
}

/// A tensor's entry as read from the file, not yet checked.
#[derive(Default)]
struct Claim<'a> {
    dtype: Option<Cow<'a, str>>,
    rank: Option<u8>,
    shape: [u32; HIGHEST_RANK],
    offsets: Option<(u64, u64)>,
}

impl Header {
    /// Reads and checks the header of a file of `size` bytes; `source` is then at the start of the body.
    pub(crate) fn read(source: &mut dyn Read, size: u64) -> Result<Header> {
        if size > LARGEST_FILE {
            return Err(refuse(format!("expected at most {LARGEST_FILE} bytes, got {size}")));
        }
        if size < 10 {
            return Err(refuse(format!("expected a safetensors file of at least 10 bytes, got {size}")));
        }
        let mut length = [0; 8];
        source.read_exact(&mut length).map_err(|error| shortened(&error))?;
        let header_size = u64::from_le_bytes(length);
        // Eight printable characters, or the start of a zip archive (a PyTorch file), are not a length.
        let readable = length.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        if readable || length.starts_with(b"PK\x03\x04") {
            let begin = String::from_utf8_lossy(&length);
            return Err(refuse(format!("expected a safetensors file, got another kind: it begins with {begin:?}")));
        }
        if header_size > LARGEST_HEADER {
            return Err(refuse(format!(
                "expected a safetensors file with a header of at most {LARGEST_HEADER} bytes, got {header_size}"
            )));
        }
        if header_size > size - 8 {
            let rest = size - 8;
            return Err(refuse(format!(
                "expected a header of at most {rest} bytes, the rest of the file, got {header_size}"
            )));
        }
        let mut bytes = Vec::new();
        reserve(&mut bytes, header_size as usize)?;
        source.take(header_size).read_to_end(&mut bytes).map_err(|error| shortened(&error))?;
        if bytes.len() as u64 != header_size {
            return Err(shortened(&std::io::ErrorKind::UnexpectedEof.into()));
        }
        let (tensors, metadata) = parse(&bytes, size - 8 - header_size)?;
        let mut digester = Digester::default();
        digester.add(&length);
        digester.add(&bytes);
        Ok(Header { tensors, metadata, digest: digester.finish() })
    }
}

fn parse(bytes: &[u8], body: u64) -> Result<(Vec<Entry>, BTreeMap<String, String>)> {
    if bytes.first() != Some(&b'{') {
        let got = bytes.first().map_or("nothing".to_string(), |byte| format!("byte {byte}"));
        return Err(refuse(format!("expected the header to begin with '{{', got {got}")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        refuse(format!("expected a header in UTF-8, got an invalid byte at {}", error.valid_up_to()))
    })?;
    let outline = json::outline(bytes);
    if outline.depth > DEEPEST {
        return Err(refuse(format!("expected a header at most {DEEPEST} levels deep, got {}", outline.depth)));
    }
    if outline.second > MOST_TENSORS + 1 {
        return Err(too_many()); // one object may be the metadata
    }

    let mut noted: Vec<Noted> = Vec::new();
    reserve(&mut noted, outline.second)?;
    let hasher = RandomState::new();
    let mut metadata: Option<BTreeMap<String, String>> = None;
    let mut reader = Reader::new(text, DEEPEST);
    reader.object(|reader, name| {
        if name == "__metadata__" {
            return match metadata.replace(read_metadata(reader)?) {
                Some(_) => Err(json::twice(&name)),
                None => Ok(()),
            };
        }
        check_name(&name)?;
        let (name_at, claim_at) = (reader.key_at() as u32, reader.at() as u32);
        let (begin, end) =
            read_claim(reader).and_then(|claim| claim.check()).map_err(|error| error.at_tensor(&name))?;
        noted.push(Noted { begin, end, hash: hasher.hash_one(&*name), name_at, claim_at });
        Ok(())
    })?;
    reader.end()?;
    if noted.len() > MOST_TENSORS {
        return Err(too_many());
    }
    noted.sort_unstable_by_key(|tensor| tensor.hash);
    for pair in noted.windows(2).filter(|pair| pair[0].hash == pair[1].hash) {
        let name = pair[0].name(text)?;
        if name == pair[1].name(text)? {
            return Err(json::twice(&name));
        }
    }
    // An empty tensor begins at the same position as the next tensor.
    noted.sort_unstable_by_key(|tensor| (tensor.begin, tensor.end, tensor.name_at));
    check_order(&noted, body, text)?;

    // The claims are valid; read them again completely.
    let mut tensors = Vec::new();
    reserve(&mut tensors, noted.len())?;
    for tensor in &noted {
        let claim = read_claim(&mut Reader::starting(text, tensor.claim_at as usize, DEEPEST))?;
        tensors.extend(claim.entry(tensor.name(text)?.into_owned()));
    }
    Ok((tensors, metadata.unwrap_or_default()))
}

fn too_many() -> Error {
    refuse(format!("expected at most {MOST_TENSORS} tensors, got more"))
}

fn read_metadata(reader: &mut Reader) -> Result<BTreeMap<String, String>> {
    let mut metadata = BTreeMap::new();
    reader.object(|reader, key| {
        let value = reader.string().map_err(|error| {
            let message = format!("{} (every value in __metadata__ must be a string)", error.message);
            Error { message, ..error }
        })?;
        match metadata.entry(key.into_owned()) {
            Place::Occupied(place) => Err(json::twice(place.key())),
            Place::Vacant(place) => {
                place.insert(value.into_owned());
                Ok(())
            }
        }
    })?;
    Ok(metadata)
}

fn read_claim<'a>(reader: &mut Reader<'a>) -> Result<Claim<'a>> {
    let mut claim = Claim::default();
    reader.object(|reader, key| {
        let twice = match &*key {
            "dtype" => claim.dtype.replace(reader.string()?).is_some(),
            "shape" => {
                let mut rank = 0;
                reader.list(|reader| {
                    let size = reader.whole()?;
                    let Some(place) = claim.shape.get_mut(rank) else {
                        return Err(refuse(format!("expected at most {HIGHEST_RANK} dimensions, got more")));
                    };
                    if size > LARGEST_DIMENSION {
                        return Err(refuse(format!("expected dimensions of at most {LARGEST_DIMENSION}, got {size}")));
                    }
                    *place = size as u32;
                    rank += 1;
                    Ok(())
                })?;
                claim.rank.replace(rank as u8).is_some()
            }
            "data_offsets" => {
                let (mut offsets, mut count) = ([0; 2], 0);
                reader.list(|reader| {
                    let offset = reader.whole()?;
                    match offsets.get_mut(count) {
                        Some(place) => *place = offset,
                        None => return Err(refuse("expected two data_offsets, got more")),
                    }
                    count += 1;
                    Ok(())
                })?;
                if count != 2 {
                    return Err(refuse(format!("expected two data_offsets, got {count}")));
                }
                claim.offsets.replace((offsets[0], offsets[1])).is_some()
            }
            other => {
                let short: String = other.chars().take(64).collect();
                return Err(refuse(format!("expected dtype, shape and data_offsets, got the key {short:?}")));
            }
        };
        if twice { Err(json::twice(&key)) } else { Ok(()) }
    })?;
    Ok(claim)
}

impl Claim<'_> {
    fn shape(&self) -> &[u32] {
        &self.shape[..usize::from(self.rank.unwrap_or(0))]
    }

    /// All checks that need only this tensor; returns its offsets.
    fn check(&self) -> Result<(u64, u64)> {
        let missing = |key: &str| refuse(format!("expected the key {key:?}, got none"));
        let name = self.dtype.as_ref().ok_or_else(|| missing("dtype"))?;
        self.rank.ok_or_else(|| missing("shape"))?;
        let (begin, end) = self.offsets.ok_or_else(|| missing("data_offsets"))?;
        let dtype = Dtype::from_name(name).ok_or_else(|| {
            let known = Dtype::ALL.map(Dtype::name).join(", ");
            let short: String = name.chars().take(16).collect();
            refuse(format!("expected one of the dtypes {known}, got {short:?}"))
        })?;
        let shape = self.shape();
        let bytes = shape.iter().try_fold(dtype.bytes() as u64, |product, &size| product.checked_mul(u64::from(size)));
        let bytes =
            bytes.ok_or_else(|| refuse(format!("expected a shape whose size fits in 64 bits, got {shape:?}")))?;
        if end < begin {
            return Err(refuse(format!("expected data_offsets in ascending order, got [{begin}, {end}]")));
        }
        if end - begin != bytes {
            return Err(refuse(format!("expected {bytes} bytes for {name} {shape:?}, got {}", end - begin)));
        }
        Ok((begin, end))
    }

    /// `None` only for entries that `check` rejects.
    fn entry(self, name: String) -> Option<Entry> {
        let (begin, end) = self.offsets?;
        let dtype = Dtype::from_name(self.dtype.as_ref()?)?;
        let shape = self.shape().iter().map(|&size| size as usize).collect();
        Some(Entry { shape, dtype, begin, end, name })
    }
}

pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(refuse("expected a name for every tensor, got an empty name"));
    }
    if name.len() > LONGEST_NAME {
        let short: String = name.chars().take(32).collect();
        let message = format!("expected names of at most {LONGEST_NAME} bytes, got {} ({short:?}…)", name.len());
        return Err(refuse(message));
    }
    if name.chars().any(char::is_control) {
        return Err(refuse(format!("expected names without control characters, got {name:?}")));
    }
    Ok(())
}

fn check_order(noted: &[Noted], body: u64, text: &str) -> Result<()> {
    let mut at = 0;
    for tensor in noted {
        let Noted { begin, end, .. } = *tensor;
        if begin != at {
            let what = if begin > at { "a gap before it" } else { "an overlap with the previous tensor" };
            let message = format!("expected to begin at byte {at} of the body, got {begin} ({what})");
            return Err(refuse(message).at_tensor(&tensor.name(text)?));
        }
        at = end;
    }
    if at != body {
        let what = if at > body { "the file is truncated" } else { "bytes belong to no tensor" };
        return Err(refuse(format!("expected {at} bytes after the header, got {body} ({what})")));
    }
    Ok(())
}

trait AtTensor {
    /// The same error with the name of the tensor, of which at most 64 characters are quoted.
    fn at_tensor(self, name: &str) -> Self;
}

impl AtTensor for Error {
    fn at_tensor(mut self, name: &str) -> Self {
        let short: String = name.chars().take(64).collect();
        self.message = format!("tensor {short:?}: {}", self.message);
        self
    }
}
