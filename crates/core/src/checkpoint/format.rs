//! Converts arrays and metadata to complete safetensors files and back.
//!
//! The written bytes depend only on the content. Tensors are sorted by element size, widest first, so that each number is
//! at a multiple of its size, which readers that map files need; then by name. There is one metadata key. The bytes equal
//! those of the reference writer.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

use super::array::{Array, NamedTensors, shortened};
use super::digest::Digester;
use super::fs::{Fs, patient};
use super::header::{Entry, Header, LARGEST_FILE, LARGEST_HEADER, MOST_TENSORS, check_name, refuse};
use crate::error::{Code, Error, Result};

/// The only metadata key of our files.
pub const KEY: &str = "limbeck";

#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// Convert f16 and bf16 to f32.
    pub(crate) widen: bool,
    /// Compute the SHA-256 of every tensor's bytes.
    pub(crate) digests: bool,
}

pub(crate) struct Contents {
    pub(crate) header: Header,
    pub(crate) tensors: NamedTensors,
    /// Digests by tensor name; empty if they were not requested.
    pub(crate) digests: BTreeMap<String, String>,
}

/// Reads a file of `size` bytes. No memory is allocated for tensors until the header has passed all checks and `agree`.
pub(crate) fn read(
    source: &mut dyn Read,
    size: u64,
    wanted: Wanted,
    agree: &dyn Fn(&Header) -> Result<()>,
) -> Result<Contents> {
    let header = Header::read(source, size)?;
    agree(&header)?;
    let (mut tensors, mut digests, mut scratch) = (NamedTensors::new(), BTreeMap::new(), Vec::new());
    for entry in &header.tensors {
        let mut digester = wanted.digests.then(Digester::default);
        let mut seen = |bytes: &[u8]| {
            if let Some(digester) = &mut digester {
                digester.add(bytes);
            }
        };
        let array = Array::read(source, entry.dtype, entry.shape.clone(), wanted.widen, &mut scratch, &mut seen)?;
        tensors.insert(entry.name.clone(), array);
        if let Some(digester) = digester {
            digests.insert(entry.name.clone(), digester.finish());
        }
    }
    Ok(Contents { header, tensors, digests })
}

/// Opens and reads the file at `path`, which is the path of every error.
pub(crate) fn read_file(
    fs: &dyn Fs,
    path: &Path,
    wanted: Wanted,
    agree: &dyn Fn(&Header) -> Result<()>,
) -> Result<Contents> {
    let read = || {
        let (mut source, size) = open(fs, path)?;
        read(&mut source, size, wanted, agree)
    };
    read().map_err(|error| error.at(&path.display().to_string()))
}

/// Reads and checks only the header.
pub(crate) fn read_header(fs: &dyn Fs, path: &Path) -> Result<Header> {
    let read = || {
        let (mut source, size) = open(fs, path)?;
        Header::read(&mut source, size)
    };
    read().map_err(|error| error.at(&path.display().to_string()))
}

/// Reads the chosen tensors of a file whose header was read before and has this digest; half precision becomes f32.
pub(crate) fn read_chosen(
    fs: &dyn Fs,
    path: &Path,
    digest: &str,
    chosen: &dyn Fn(&Entry) -> bool,
) -> Result<NamedTensors> {
    let read = || {
        let (mut source, size) = open(fs, path)?;
        let header = Header::read(&mut source, size)?;
        if header.digest != digest {
            return Err(refuse("expected the same file as before, got another one: it was replaced while it was read"));
        }
        let (mut tensors, mut scratch) = (NamedTensors::new(), Vec::new());
        for entry in header.tensors {
            if chosen(&entry) {
                let array = Array::read(&mut source, entry.dtype, entry.shape, true, &mut scratch, &mut |_| ())?;
                tensors.insert(entry.name, array);
            } else {
                let skipped = io::copy(&mut (&mut source).take(entry.end - entry.begin), &mut io::sink());
                if skipped.map_err(|error| shortened(&error))? != entry.end - entry.begin {
                    return Err(shortened(&io::ErrorKind::UnexpectedEof.into()));
                }
            }
        }
        Ok(tensors)
    };
    read().map_err(|error| error.at(&path.display().to_string()))
}

fn open(fs: &dyn Fs, path: &Path) -> Result<(Box<dyn Read>, u64)> {
    let opened = fs.open(path).map_err(|error| Error::new(Code::Io, "", format!("cannot open the file: {error}")))?;
    match opened.other {
        None => Ok((patient(opened.source), opened.size)),
        Some(other) => Err(refuse(format!("expected a regular file, got {other}"))),
    }
}

/// A file to write: its first bytes (length and header), and the arrays in the order of their bytes.
pub(crate) struct Plan<'a> {
    pub(crate) head: Vec<u8>,
    arrays: Vec<&'a Array>,
}

impl<'a> Plan<'a> {
    /// Rejects anything that a reader would reject, before a byte is written.
    pub(crate) fn new(tensors: &'a NamedTensors, text: &str) -> Result<Plan<'a>> {
        if tensors.len() > MOST_TENSORS {
            return Err(refuse(format!("expected at most {MOST_TENSORS} tensors, got {}", tensors.len())));
        }
        let mut sorted: Vec<(&String, &Array)> = tensors.iter().collect();
        sorted.sort_by_key(|(_, array)| std::cmp::Reverse(array.dtype().bytes())); // stable: names stay sorted
        let mut header = format!("{{\"__metadata__\":{{\"{KEY}\":{}}}", quoted(text)?);
        let mut begin = 0u64;
        for (name, array) in &sorted {
            check_name(name)?;
            if *name == "__metadata__" || array.shape().len() > 8 {
                return Err(refuse(format!(
                    "expected a tensor with at most 8 dimensions and a name other than \"__metadata__\", got {name:?} {:?}",
                    array.shape()
                )));
            }
            let end = begin + (array.len() * array.dtype().bytes()) as u64;
            let shape: Vec<String> = array.shape().iter().map(usize::to_string).collect();
            header.push_str(&format!(
                ",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{begin},{end}]}}",
                quoted(name)?,
                array.dtype().name(),
                shape.join(","),
            ));
            begin = end;
        }
        header.push('}');
        while header.len() % 8 != 0 {
            header.push(' ');
        }
        if header.len() as u64 > LARGEST_HEADER || 8 + header.len() as u64 + begin > LARGEST_FILE {
            let message = format!(
                "expected a file of at most {LARGEST_FILE} bytes with a header of at most {LARGEST_HEADER}, got {begin} \
                 bytes of tensors with a header of {}",
                header.len()
            );
            return Err(refuse(message));
        }
        let mut head = (header.len() as u64).to_le_bytes().to_vec();
        head.extend_from_slice(header.as_bytes());
        Ok(Plan { head, arrays: sorted.into_iter().map(|(_, array)| array).collect() })
    }

    pub(crate) fn write(&self, sink: &mut dyn Write) -> io::Result<()> {
        sink.write_all(&self.head)?;
        let mut scratch = Vec::new();
        for array in &self.arrays {
            array.bytes(&mut scratch, &mut |bytes| sink.write_all(bytes))?;
        }
        Ok(())
    }
}

fn quoted(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(|error| Error::internal(error.to_string()))
}

/// SHA-256 of every array's bytes, by name.
pub(crate) fn digests(tensors: &NamedTensors) -> Result<BTreeMap<String, String>> {
    let mut scratch = Vec::new();
    let mut all = BTreeMap::new();
    for (name, array) in tensors {
        let mut digester = Digester::default();
        let fed = array.bytes(&mut scratch, &mut |bytes| {
            digester.add(bytes);
            Ok(())
        });
        fed.map_err(|error| Error::internal(error.to_string()))?;
        all.insert(name.clone(), digester.finish());
    }
    Ok(all)
}
