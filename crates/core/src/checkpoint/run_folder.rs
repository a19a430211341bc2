//! The folder of a run: the most recent checkpoints, each complete, and recovery of the newest.
//!
//! Saving syncs the file and the folder to the disk and then removes older checkpoints. Recovery verifies the newest
//! checkpoint first; it skips and reports a damaged one and never deletes it. Incomplete files of a killed process are
//! removed. A lock ensures that only one run at a time writes to the folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fs::{Access, Disk, FolderLock, Fs, folder_of, sweep, write_atomically};
use super::step_file::{Checkpoint, StepName};
use crate::error::{Code, Error, Result};

/// Default number of checkpoints to keep.
pub const KEEP: usize = 3;

#[derive(Clone)]
pub struct RunFolder {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    keep: usize,
}

/// A checkpoint that is on the disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    pub path: PathBuf,
    pub step: u64,
}

/// A checkpoint that could not be used, and why.
#[derive(Clone, Debug)]
pub struct Skipped {
    pub name: String,
    pub reason: Error,
}

#[derive(Debug)]
pub struct Recovered {
    /// The newest complete checkpoint and its name; `None` if the folder has none.
    pub checkpoint: Option<(String, Checkpoint)>,
    /// Newer checkpoints that are damaged.
    pub skipped: Vec<Skipped>,
    pub temporaries_removed: usize,
}

impl RunFolder {
    /// Opens the folder and creates it if necessary. `keep` checkpoints are kept, at least one.
    pub fn open(path: &Path, keep: usize) -> Result<RunFolder> {
        RunFolder::open_on(Arc::new(Disk), path, keep)
    }

    pub fn open_on(fs: Arc<dyn Fs>, path: &Path, keep: usize) -> Result<RunFolder> {
        let make = || {
            if fs.list(path).is_err() {
                fs.create_folder(path)?;
                fs.sync_folder(&folder_of(path))?;
            }
            fs.list(path)
        };
        make().map_err(|error| {
            Error::new(Code::Io, path.display().to_string(), format!("cannot open the run's folder: {error}"))
        })?;
        Ok(RunFolder { fs, path: path.to_path_buf(), keep: keep.max(1) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Locks the folder for a run that writes to it, and removes incomplete files of dead processes.
    pub fn lock(&self) -> Result<FolderLock> {
        let Some(lock) = FolderLock::of(&self.path) else {
            let message = "expected a folder that no other run uses, got one to which another run writes; wait until that \
                           run ends, or use another folder";
            return Err(Error::new(Code::Busy, "checkpoint.folder", message));
        };
        sweep(&*self.fs, &self.path);
        Ok(lock)
    }

    /// Returns when the checkpoint is on the disk. An error leaves the older checkpoints unchanged.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<Saved> {
        let failed = |message: String| Error::new(Code::CheckpointWrite, self.path.display().to_string(), message);
        let (name, plan) = checkpoint.plan().map_err(|error| failed(error.to_string()))?;
        let path = self.path.join(&name);
        write_atomically(&*self.fs, &path, Access::Owner, &mut |sink| plan.write(sink))
            .map_err(|error| failed(format!("cannot write {name}: {error}; older checkpoints are intact")))?;
        self.prune(checkpoint.step, &name);
        Ok(Saved { path, step: checkpoint.step })
    }

    /// Removes old checkpoints and other checkpoints of the same step. Newer ones exist if a run went further before it
    /// was resumed from here; they are kept and do not count. A file that cannot be removed now is removed next time.
    fn prune(&self, step: u64, name: &str) {
        let older =
            self.steps().unwrap_or_default().into_iter().filter(|(other, found)| found.step <= step && other != name);
        let (same, older): (Vec<_>, Vec<_>) = older.partition(|(_, found)| found.step == step);
        for (old, _) in same.iter().chain(older.iter().skip(self.keep - 1)) {
            let _ = self.fs.remove(&self.path.join(old));
        }
    }

    /// Names of checkpoints, newest first, without verification.
    fn steps(&self) -> Result<Vec<(String, StepName)>> {
        let names = self.fs.list(&self.path).map_err(|error| {
            Error::new(Code::Io, self.path.display().to_string(), format!("cannot list the folder: {error}"))
        })?;
        let mut steps: Vec<_> = names.into_iter().filter_map(|name| Some((StepName::parse(&name)?, name))).collect();
        steps.sort_by(|(a, _), (b, _)| (b.step, &b.hash).cmp(&(a.step, &a.hash)));
        Ok(steps.into_iter().map(|(step, name)| (name, step)).collect())
    }

    /// The path of the newest checkpoint by name, without verification; use it only for display.
    pub fn latest(&self) -> Result<Option<PathBuf>> {
        Ok(self.steps()?.first().map(|(name, _)| self.path.join(name)))
    }

    /// Returns the newest complete checkpoint. It is an error if there are checkpoints but none is complete, or if a
    /// newer library wrote the newest one, because continuing from an older one would silently lose work.
    pub fn recover(&self) -> Result<Recovered> {
        let temporaries_removed = sweep(&*self.fs, &self.path);
        let mut skipped = Vec::new();
        for (name, step) in self.steps()? {
            match Checkpoint::read(&*self.fs, &self.path.join(&name), &step) {
                Ok(checkpoint) => {
                    return Ok(Recovered { checkpoint: Some((name, checkpoint)), skipped, temporaries_removed });
                }
                Err(reason) if matches!(reason.code, Code::CheckpointVersion | Code::Memory) => return Err(reason),
                Err(reason) => skipped.push(Skipped { name, reason }),
            }
        }
        match skipped.first() {
            None => Ok(Recovered { checkpoint: None, skipped, temporaries_removed }),
            Some(first) => Err(Error::new(
                Code::InvalidFile,
                self.path.display().to_string(),
                format!("expected a complete checkpoint, got {} damaged; {}", skipped.len(), first.reason),
            )),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::array::{Array, Numbers};
    use super::*;
    use serde_json::{Value, json};

    /// A small checkpoint whose every part depends on the step.
    pub(in super::super) fn checkpoint(step: u64) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            step,
            epoch: step / 10,
            cursor: json!({ "row": step % 10 }),
            config: json!({ "losses": { "kl": { "temperature": 4 } }, "seed": 7 }),
            seed: 7,
            threads: 2,
            isa: "avx2".into(),
            versions: json!({ "limbeck": "0.1.0" }),
            state: json!({ "best": 0.1 + 0.2 * step as f64, "bad": Value::Null }),
            tensors: Default::default(),
        };
        let numbers: Vec<f32> = (0..300).map(|i| (i as f32 + step as f32).sin()).collect();
        let weight = Array::f32(vec![20, 15], numbers).unwrap();
        checkpoint.insert_group("parameters", [("0.weight".to_string(), weight.clone())].into());
        checkpoint.insert_group("optimizer", [("0.weight".to_string(), weight)].into());
        let steps = Array::new(vec![], Numbers::I64(vec![step as i64])).unwrap();
        checkpoint.insert_group("optimizer", [("steps".to_string(), steps)].into());
        checkpoint
    }

    fn open(folder: &tempfile::TempDir, keep: usize) -> RunFolder {
        RunFolder::open(&folder.path().join("run/a"), keep).unwrap()
    }

    #[test]
    fn the_newest_is_recovered_with_the_same_bits_and_the_last_three_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let run = open(&folder, KEEP);
        assert!(run.recover().unwrap().checkpoint.is_none());
        for step in [9, 10, 11, 99, 100] {
            let saved = run.save(&checkpoint(step)).unwrap();
            assert_eq!((saved.step, Some(saved.path)), (step, run.latest().unwrap()));
        }
        let recovered = run.recover().unwrap();
        assert_eq!(recovered.checkpoint.unwrap().1, checkpoint(100));
        assert!(recovered.skipped.is_empty());
        let steps: Vec<u64> = run.steps().unwrap().into_iter().map(|(_, name)| name.step).collect();
        assert_eq!(steps, [100, 99, 11]);
    }

    #[test]
    fn groups_are_returned_as_they_were_inserted() {
        let mut checkpoint = checkpoint(3);
        assert_eq!(checkpoint.take_group("parameters").into_keys().collect::<Vec<_>>(), ["0.weight"]);
        assert_eq!(checkpoint.take_group("optim").len(), 0);
        assert_eq!(checkpoint.take_group("optimizer").into_keys().collect::<Vec<_>>(), ["0.weight", "steps"]);
        assert!(checkpoint.tensors.is_empty());
    }

    #[test]
    fn a_damaged_checkpoint_is_skipped_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let run = open(&folder, KEEP);
        let paths = [1, 2, 3].map(|step| run.save(&checkpoint(step)).unwrap().path);
        let mut bytes = std::fs::read(&paths[2]).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&paths[2], &bytes).unwrap();
        std::fs::write(&paths[1], "").unwrap();
        let recovered = run.recover().unwrap();
        assert_eq!(recovered.checkpoint.unwrap().1, checkpoint(1));
        let reasons: Vec<String> = recovered.skipped.iter().map(|skipped| skipped.reason.message.clone()).collect();
        assert!(reasons[0].contains("expected digest") && reasons[1].contains("at least 10 bytes"), "{reasons:?}");
        assert!(paths.iter().all(|path| path.exists()));

        std::fs::write(&paths[0], "").unwrap();
        let error = run.recover().unwrap_err();
        assert!(error.code == Code::InvalidFile && error.message.contains("3 damaged"), "{error}");
    }

    #[test]
    fn a_renamed_checkpoint_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let run = open(&folder, KEEP);
        let path = run.save(&checkpoint(1)).unwrap().path;
        let name = path.file_name().unwrap().to_str().unwrap().replace("step-00000001", "step-00000009");
        std::fs::rename(&path, run.path().join(name)).unwrap();
        assert!(run.recover().unwrap_err().message.contains("expected step 9"));
    }

    #[test]
    fn a_checkpoint_of_a_newer_library_stops_the_recovery() {
        let folder = tempfile::tempdir().unwrap();
        let run = open(&folder, KEEP);
        run.save(&checkpoint(1)).unwrap();
        let (_, plan) = checkpoint(2).plan().map(|(name, plan)| (name, plan.head.clone())).unwrap();
        let (old, new) = (r#"\"version\":1"#, r#"\"version\":2"#);
        let head = String::from_utf8(plan[8..].to_vec()).unwrap().replace(old, new);
        let mut bytes = plan[..8].to_vec();
        bytes.extend(head.into_bytes());
        let hash = super::super::digest::of(&bytes)[..16].to_string();
        checkpoint(2).plan().unwrap().1.write(&mut BodyOnly(&mut bytes, plan.len())).unwrap();
        std::fs::write(run.path().join(format!("step-00000002-{hash}.kd.safetensors")), bytes).unwrap();
        assert_eq!(run.recover().unwrap_err().code, Code::CheckpointVersion);
    }

    /// Drops the first bytes.
    struct BodyOnly<'a>(&'a mut Vec<u8>, usize);

    impl std::io::Write for BodyOnly<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let dropped = bytes.len().min(self.1);
            self.1 -= dropped;
            self.0.extend_from_slice(&bytes[dropped..]);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_last_written_checkpoint_is_kept_even_if_there_are_damaged_newer_ones() {
        let folder = tempfile::tempdir().unwrap();
        let run = open(&folder, 2);
        for step in [100, 200] {
            let path = run.save(&checkpoint(step)).unwrap().path;
            std::fs::write(path, "damaged").unwrap();
        }
        for step in [1, 2, 3] {
            run.save(&checkpoint(step)).unwrap();
        }
        assert_eq!(run.recover().unwrap().checkpoint.unwrap().1, checkpoint(3));
        let steps: Vec<u64> = run.steps().unwrap().into_iter().map(|(_, name)| name.step).collect();
        assert_eq!(steps, [200, 100, 3, 2]);
    }

    #[test]
    fn a_step_saved_again_replaces_itself_and_other_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let run = open(&folder, KEEP);
        std::fs::write(run.path().join("notes.txt"), "mine").unwrap();
        std::fs::write(run.path().join(".limbeck-1-1-1.tmp"), "half").unwrap();
        run.save(&checkpoint(5)).unwrap();
        let other = Checkpoint { state: json!({ "best": 1 }), ..checkpoint(5) };
        run.save(&other).unwrap();
        let recovered = run.recover().unwrap();
        assert_eq!((recovered.checkpoint.unwrap().1, recovered.temporaries_removed), (other, 1));
        assert_eq!(Disk.list(run.path()).unwrap().len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn only_one_run_uses_a_folder_and_files_being_written_are_not_removed() {
        use super::super::fs::Output;
        let folder = tempfile::tempdir().unwrap();
        let run = open(&folder, KEEP);
        let lock = run.lock().unwrap();
        let error = open(&folder, KEEP).lock().unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (Code::Busy, "checkpoint.folder"));
        drop(lock);
        let living = run.path().join(".limbeck-1-1-1.tmp");
        let mut output: Box<dyn Output> = Disk.create(&living, Access::Owner).unwrap();
        std::fs::write(run.path().join(".limbeck-2-1-1.tmp"), "half").unwrap();
        std::os::unix::fs::symlink("/dev/null", run.path().join(".limbeck-3-1-1.tmp")).unwrap();
        assert_eq!(run.recover().unwrap().temporaries_removed, 1);
        assert!(living.exists());
        output.sync().unwrap();
        drop(output);
        run.lock().unwrap();
        assert!(!living.exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_a_checkpoint() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let saved = open(&folder, KEEP).save(&checkpoint(1)).unwrap();
        assert_eq!(std::fs::metadata(saved.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn another_configuration_is_rejected_by_key() {
        let error =
            checkpoint(1).expect_config(&json!({ "losses": { "kl": { "temperature": 2 } }, "seed": 7 })).unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (Code::CheckpointMismatch, "losses.kl.temperature"));
        checkpoint(1).expect_config(&checkpoint(2).config).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_an_io_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        for path in [file.clone(), file.join("inside")] {
            assert_eq!(RunFolder::open(&path, KEEP).err().unwrap().code, Code::Io);
        }
    }
}
