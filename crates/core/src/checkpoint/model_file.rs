//! A model on disk: one safetensors file with architecture, preprocessing, names of columns and classes, provenance, and
//! the tensors by name.
//!
//! ```text
//! __metadata__.limbeck = { "format": "model", "version": 1, "architecture": …, "preprocessing": …,
//!                          "inputNames": […]?, "labelNames": […] | null, "texts": …?, "provenance": … }
//! ```
//!
//! The tokenizer of a model for texts is the tensor `tokenizer.json`, whose numbers are the bytes of that file.
//!
//! A file without that key (from Hugging Face or torchvision) is read as named tensors without an architecture. The file
//! does not record which tensors are trained and which are running statistics, because this follows from the
//! architecture.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::array::NamedTensors;
use super::format::{self, Contents, KEY, Plan, Wanted};
use super::fs::{Access, Disk, Fs, folder_of, sweep_once, write_atomically};
use super::header::{Entry, Header, refuse};
use crate::error::{Code, Error, Result};
use crate::json;

const VERSION: u64 = 1;
/// Largest nesting depth of the metadata; each level of `residual` takes three levels of JSON.
const DEEPEST: usize = 64;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFile {
    /// The list of layers; null in a file that limbeck did not write.
    pub architecture: Value,
    /// Preprocessing of inputs before the first layer; null if there is none.
    pub preprocessing: Value,
    /// One name per input column, if known.
    pub input_names: Option<Vec<String>>,
    /// One name per class, if known.
    pub label_names: Option<Vec<String>>,
    /// How texts become inputs; null if there is no tokenizer.
    pub texts: Value,
    /// When, how and with which version the model was trained.
    pub provenance: Value,
    pub tensors: NamedTensors,
}

/// The header of a model file: everything except the numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The metadata; its `tensors` are empty.
    pub file: ModelFile,
    pub tensors: Vec<Entry>,
}

impl ModelFile {
    /// Whether the file has no architecture, so that limbeck did not write it.
    pub fn is_bare(&self) -> bool {
        self.architecture.is_null()
    }

    /// Writes the complete file or nothing; an older file stays until the new one is on the disk. Missing folders are
    /// created.
    pub fn save(&self, path: &Path) -> Result<()> {
        sweep_once(&folder_of(path));
        self.save_with(&Disk, path)
    }

    pub fn save_with(&self, fs: &dyn Fs, path: &Path) -> Result<()> {
        let place = path.display().to_string();
        let mut described = json!({
            "format": "model",
            "version": VERSION,
            "architecture": self.architecture,
            "preprocessing": self.preprocessing,
            "labelNames": self.label_names,
            "provenance": self.provenance,
        });
        if let Some(names) = &self.input_names {
            described["inputNames"] = json!(names);
        }
        if !self.texts.is_null() {
            described["texts"] = self.texts.clone();
        }
        let text = described.to_string();
        if json::depth(text.as_bytes()) > DEEPEST {
            return Err(refuse(format!("expected an architecture at most {DEEPEST} levels deep, got more")).at(&place));
        }
        let plan = Plan::new(&self.tensors, &text).map_err(|error| error.at(&place))?;
        let target = target(path).map_err(|error| error.at(&place))?;
        let write = || write_atomically(fs, &target, Access::of_new(&target), &mut |sink| plan.write(sink));
        let written = match write() {
            // Missing folders are created, as for checkpoints.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = folder_of(&target);
                fs.create_folder(&folder).and_then(|()| fs.sync_folder(&folder_of(&folder))).and_then(|()| write())
            }
            written => written,
        };
        written.map_err(|error| {
            let older = if target.exists() { "; the older file is intact" } else { "" };
            Error::new(Code::Io, place, format!("cannot write the file: {error}{older}"))
        })
    }

    /// Reads a model file, or any safetensors file as named tensors without an architecture. Half precision becomes f32.
    pub fn load(path: &Path) -> Result<ModelFile> {
        ModelFile::load_if(path, &|_, _| Ok(()))
    }

    /// Like `load`, but `agree` can reject the metadata before memory for the numbers is allocated.
    pub fn load_if(path: &Path, agree: &dyn Fn(&ModelFile, &[Entry]) -> Result<()>) -> Result<ModelFile> {
        load_with(&Disk, path, agree)
    }

    #[cfg(test)]
    pub(super) fn load_on(fs: &dyn Fs, path: &Path) -> Result<ModelFile> {
        load_with(fs, path, &|_, _| Ok(()))
    }

    /// Reads only the header, for `inspect` and to plan memory.
    pub fn inspect(path: &Path) -> Result<Summary> {
        let header = format::read_header(&Disk, path)?;
        let file = describe(&header).map_err(|error| error.at(&path.display().to_string()))?;
        Ok(Summary { file, tensors: header.tensors })
    }
}

fn load_with(fs: &dyn Fs, path: &Path, agree: &dyn Fn(&ModelFile, &[Entry]) -> Result<()>) -> Result<ModelFile> {
    let wanted = Wanted { widen: true, digests: false };
    let contents = format::read_file(fs, path, wanted, &|header| agree(&describe(header)?, &header.tensors))?;
    let Contents { header, tensors, .. } = contents;
    Ok(ModelFile { tensors, ..describe(&header)? })
}

/// The path to write to: a link is replaced by its target, and anything except a file is rejected.
fn target(path: &Path) -> Result<PathBuf> {
    let unusable = |got: String| Err(Error::new(Code::Io, "", format!("expected the path of a file, got {got}")));
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => match std::fs::canonicalize(path) {
            Ok(real) => target(&real),
            Err(error) => unusable(format!("a link without a target ({error})")),
        },
        Ok(found) if found.is_dir() => unusable("a folder".to_string()),
        Ok(found) if !found.is_file() => unusable("a pipe, socket or device".to_string()),
        _ => Ok(path.to_path_buf()),
    }
}

fn describe(header: &Header) -> Result<ModelFile> {
    let Some(text) = header.metadata.get(KEY) else { return Ok(ModelFile::default()) };
    let Value::Object(mut fields) = json::parse(text, DEEPEST)? else {
        return Err(refuse("expected an object in the metadata, got another value"));
    };
    match take(&mut fields, "format")?.as_str() {
        Some("model") => {}
        Some("checkpoint") => return Err(refuse("expected a model file, got a checkpoint of a run")),
        other => return Err(refuse(format!("expected the format \"model\", got {other:?}"))),
    }
    check_version(&mut fields, VERSION)?;
    let file = ModelFile {
        architecture: take(&mut fields, "architecture")?,
        preprocessing: take(&mut fields, "preprocessing")?,
        // Older files do not have this key.
        input_names: fields.shift_remove("inputNames").map_or(Ok(None), |names| names_of("inputNames", names))?,
        label_names: names_of("labelNames", take(&mut fields, "labelNames")?)?,
        texts: fields.shift_remove("texts").unwrap_or(Value::Null),
        provenance: take(&mut fields, "provenance")?,
        tensors: NamedTensors::new(),
    };
    no_more(&fields)?;
    Ok(file)
}

fn names_of(key: &str, names: Value) -> Result<Option<Vec<String>>> {
    serde_json::from_value(names).map_err(|_| refuse(format!("expected a list of strings as {key}, got another value")))
}

/// Takes a field out of the metadata.
pub(super) fn take(fields: &mut Map<String, Value>, key: &str) -> Result<Value> {
    fields.shift_remove(key).ok_or_else(|| refuse(format!("expected {key:?} in the metadata, got none")))
}

/// Rejects an unknown version. A newer version has its own code, because it needs a newer library and is not damage.
pub(super) fn check_version(fields: &mut Map<String, Value>, known: u64) -> Result<()> {
    match take(fields, "version")?.as_u64() {
        Some(version) if version > known => {
            let message = format!("expected format version {known} or older, got {version}: a newer limbeck wrote it");
            Err(Error::new(Code::CheckpointVersion, "", message))
        }
        Some(version) if version > 0 => Ok(()),
        _ => Err(refuse("expected a format version of at least 1, got another value")),
    }
}

pub(super) fn no_more(fields: &Map<String, Value>) -> Result<()> {
    match fields.keys().next() {
        None => Ok(()),
        Some(key) => Err(refuse(format!("expected no further metadata, got {key:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::array::{Array, Numbers};
    use super::*;

    fn small() -> ModelFile {
        let mut tensors = NamedTensors::new();
        tensors
            .insert("head.weight".into(), Array::f32(vec![2, 3], vec![1.5, -2.0, 0.0, 3.25, f32::MIN, 1e-40]).unwrap());
        tensors.insert("head.bias".into(), Array::f32(vec![2], vec![0.1, 0.2]).unwrap());
        tensors.insert("count".into(), Array::new(vec![], Numbers::I64(vec![7])).unwrap());
        tensors.insert("empty".into(), Array::new(vec![0, 4], Numbers::U8(vec![])).unwrap());
        ModelFile {
            architecture: json!({ "input": [3], "layers": [{ "head": { "linear": { "units": 2 } } }] }),
            preprocessing: json!({ "mean": [0.1307], "scale": 0.30000000000000004 }),
            input_names: Some(vec!["length, cm".into(), "width".into()]),
            label_names: Some(vec!["cat".into(), "狗 \"dog\"".into()]),
            texts: json!({ "maxTokens": 7 }),
            provenance: json!({ "created": "2026-01-01", "library": "0.1.0", "seed": u64::MAX }),
            tensors,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        Disk.list(folder).unwrap()
    }

    #[test]
    fn a_saved_model_loads_to_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("student.safetensors");
        small().save(&path).unwrap();
        assert_eq!(ModelFile::load(&path).unwrap(), small());
        assert_eq!(names(folder.path()), ["student.safetensors"]);
        let summary = ModelFile::inspect(&path).unwrap();
        assert_eq!(summary.file, ModelFile { tensors: NamedTensors::new(), ..small() });
        assert_eq!(
            summary.tensors.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(),
            ["count", "head.bias", "head.weight", "empty"]
        );
    }

    #[test]
    fn missing_folders_are_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models/today/student.safetensors");
        small().save(&path).unwrap();
        assert_eq!(ModelFile::load(&path).unwrap(), small());
    }

    #[test]
    fn a_file_of_another_kind_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("package.json");
        std::fs::write(&path, "{\n  \"name\": \"limbeck\"\n}").unwrap();
        let message = ModelFile::load(&path).unwrap_err().message;
        assert_eq!(message, "expected a safetensors file, got another kind: it begins with \"{\\n  \\\"nam\"");
    }

    #[test]
    fn saving_twice_gives_the_same_bytes_as_the_reference_writer() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a", "b"].map(|name| {
            small().save(&folder.path().join(name)).unwrap();
            std::fs::read(folder.path().join(name)).unwrap()
        });
        assert_eq!(first, second);

        let reference = safetensors::SafeTensors::deserialize(&first).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&first).unwrap();
        let again = safetensors::serialize(reference.tensors(), metadata.metadata().clone()).unwrap();
        assert_eq!(first, again);
    }

    #[test]
    fn a_file_of_another_library_loads_as_bare_tensors_and_halves_are_widened() {
        let halves: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect();
        let brain: Vec<u8> = [0.5f32, 4.0].iter().flat_map(|&x| half::bf16::from_f32(x).to_le_bytes()).collect();
        let view = |dtype, bytes| safetensors::tensor::TensorView::new(dtype, vec![2], bytes).unwrap();
        let tensors =
            [("h", view(safetensors::Dtype::F16, &halves[..])), ("b", view(safetensors::Dtype::BF16, &brain[..]))];
        let metadata = Some([("format".to_string(), "pt".to_string())].into());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, safetensors::serialize(tensors, metadata).unwrap()).unwrap();
        let file = ModelFile::load(&path).unwrap();
        assert!(file.is_bare() && file.label_names.is_none());
        assert_eq!(file.tensors["h"], Array::f32(vec![2], vec![1.5, -2.0]).unwrap());
        assert_eq!(file.tensors["b"], Array::f32(vec![2], vec![0.5, 4.0]).unwrap());
    }

    /// The error from loading a file whose metadata are `text`.
    fn load_metadata(text: &str) -> Error {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let metadata = Some([(KEY.to_string(), text.to_string())].into());
        let tensors: [(&str, safetensors::tensor::TensorView); 0] = [];
        std::fs::write(&path, safetensors::serialize(tensors, metadata).unwrap()).unwrap();
        let error = ModelFile::load(&path).unwrap_err();
        assert_eq!(error.path, path.display().to_string());
        error
    }

    #[test]
    fn metadata_of_another_kind_are_rejected_by_name() {
        let rest = r#""architecture":null,"preprocessing":null,"provenance":null"#;
        for (text, says) in [
            ("[]".to_string(), "expected an object"),
            ("{".to_string(), "expected a string"),
            (r#"{"format":"checkpoint"}"#.to_string(), "got a checkpoint"),
            (r#"{"format":"model"}"#.to_string(), "\"version\""),
            (r#"{"format":"model","version":0}"#.to_string(), "version of at least 1"),
            (r#"{"format":"model","version":1}"#.to_string(), "\"architecture\""),
            (format!(r#"{{"format":"model","version":1,"labelNames":[1],{rest}}}"#), "labelNames"),
            (format!(r#"{{"format":"model","version":1,"labelNames":null,"extra":1,{rest}}}"#), "\"extra\""),
            (format!("{}{}", "[".repeat(65), "]".repeat(65)), "64 levels"),
        ] {
            let error = load_metadata(&text);
            assert_eq!(error.code, Code::InvalidFile, "{text}: {error}");
            assert!(error.message.contains(says), "{text}: {error}");
        }
        assert_eq!(load_metadata(r#"{"format":"model","version":2}"#).code, Code::CheckpointVersion);
    }

    #[test]
    fn the_caller_can_reject_a_file_before_its_numbers_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("student.safetensors");
        small().save(&path).unwrap();
        let agree = |file: &ModelFile, entries: &[Entry]| {
            assert_eq!((file.label_names.as_ref().map(Vec::len), entries.len()), (Some(2), 4));
            Err(Error::shape("layers.head", "expected [5, 3], got [2, 3]"))
        };
        assert_eq!(ModelFile::load_if(&path, &agree).unwrap_err().code, Code::ShapeMismatch);
    }

    #[test]
    fn models_that_could_not_be_read_are_not_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "a\nb", "__metadata__", &"n".repeat(257)] {
            let mut file = ModelFile::default();
            file.tensors.insert(name.to_string(), Array::f32(vec![1], vec![1.0]).unwrap());
            assert!(file.save(&folder.path().join("x")).is_err(), "{name:?}");
        }
        let mut deep = Value::Null;
        for _ in 0..64 {
            deep = json!([deep]);
        }
        assert!(ModelFile { architecture: deep, ..ModelFile::default() }.save(&folder.path().join("x")).is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_other_kinds_of_files_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(small().save(&link).unwrap_err().code, Code::Io); // the link has no target yet
        std::fs::write(&real, "old").unwrap();
        small().save(&link).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(ModelFile::load(&real).unwrap(), small());
        assert!(small().save(folder.path()).unwrap_err().message.contains("a folder"));
        assert!(ModelFile::load(folder.path()).unwrap_err().message.contains("a folder"));
        assert_eq!(ModelFile::load(&folder.path().join("none")).unwrap_err().code, Code::Io);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_model_has_the_permissions_of_the_umask_and_a_replaced_one_keeps_its_own() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        std::fs::write(&plain, "x").unwrap();
        small().save(&ours).unwrap();
        assert_eq!(mode(&ours), mode(&plain));
        for chosen in [0o600, 0o664] {
            std::fs::set_permissions(&ours, PermissionsExt::from_mode(chosen)).unwrap();
            small().save(&ours).unwrap();
            assert_eq!(mode(&ours), chosen);
        }
    }
}
