//! A test on a disk that is really full: a file system of one megabyte in memory, mounted only for this test.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::path::Path;
use std::process::Command;

use limbeck_core::checkpoint::{Array, Checkpoint, ModelFile, NamedTensors, RunFolder};
use limbeck_core::error::Code;
use serde_json::{Value, json};

const FOLDER: &str = "LIMBECK_TEST_FULL_FOLDER";

fn tensors(numbers: usize) -> NamedTensors {
    [("w".to_string(), Array::f32(vec![numbers], vec![numbers as f32; numbers]).unwrap())].into()
}

fn model(numbers: usize) -> ModelFile {
    ModelFile { tensors: tensors(numbers), ..ModelFile::default() }
}

fn checkpoint(step: u64) -> Checkpoint {
    let (isa, versions, state, cursor) = ("scalar".to_string(), json!({}), Value::Null, Value::Null);
    let tensors = tensors(step as usize * 50_000);
    Checkpoint { step, epoch: 0, cursor, config: json!({}), seed: 0, threads: 1, isa, versions, state, tensors }
}

fn fill(folder: &Path) {
    let path = folder.join("student.safetensors");
    model(50_000).save(&path).unwrap();
    let error = model(250_000).save(&path).unwrap_err();
    assert!(error.code == Code::Io && error.message.contains("No space left"), "{error}");
    assert_eq!(ModelFile::load(&path).unwrap(), model(50_000));

    let run = RunFolder::open(&folder.join("run"), 3).unwrap();
    run.save(&checkpoint(1)).unwrap();
    let error = run.save(&checkpoint(5)).unwrap_err();
    assert!(error.code == Code::CheckpointWrite && error.message.contains("No space left"), "{error}");
    assert_eq!(run.recover().unwrap().checkpoint.unwrap().1, checkpoint(1));
    assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
    // With free space the same save succeeds.
    std::fs::remove_file(&path).unwrap();
    run.save(&checkpoint(2)).unwrap();
    assert_eq!(run.recover().unwrap().checkpoint.unwrap().1, checkpoint(2));
}

#[test]
fn a_full_disk_leaves_the_older_files_whole() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return fill(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // A mount in a separate namespace needs no rights if the system allows such namespaces, and it ends with the process.
    let script = "mount -t tmpfs -o size=1m limbeck \"$1\" || exit 77; shift; exec \"$@\"";
    let test = std::env::current_exe().unwrap();
    let done = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(&test)
        .args(["--exact", "a_full_disk_leaves_the_older_files_whole"])
        .env(FOLDER, folder.path())
        .output();
    match done {
        Ok(done) if String::from_utf8_lossy(&done.stdout).contains("running 1 test") => {
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(done) => println!("skipped: no small file system here ({})", String::from_utf8_lossy(&done.stderr).trim()),
        Err(error) => println!("skipped: no small file system here ({error})"),
    }
}
