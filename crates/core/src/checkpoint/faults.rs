//! A file system with injected faults. The tests check that a failure of any operation leaves the old file intact.
//!
//! Source: SQLite, "How SQLite Is Tested", sections 3.1 and 3.2 (the n-th operation fails, for every n). Where we
//! differ: nowhere.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests too

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::fs::{Access, Disk, Fs, Opened, Output};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Open,
    Read,
    Create,
    Write,
    Sync,
    Rename,
    Remove,
    SyncFolder,
    List,
    CreateFolder,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    None,
    /// The n-th operation fails with this error of the system.
    Once(i32),
    /// The n-th operation and all later ones fail.
    Always(i32),
    /// The n-th operation, if it is a read or write, moves only one byte.
    Short,
    /// Every write moves at most 7 bytes and every second one is interrupted.
    Crawl,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) done: Vec<(Operation, PathBuf)>,
    at: usize,
    fault: Option<Fault>,
    pub(super) failed: Option<(Operation, PathBuf)>,
}

/// The real disk with a fault at the n-th operation.
#[derive(Clone, Default)]
pub(super) struct Faulty(Arc<Mutex<Log>>);

impl Faulty {
    pub(super) fn at(n: usize, fault: Fault) -> Faulty {
        Faulty(Arc::new(Mutex::new(Log { at: n, fault: Some(fault), ..Log::default() })))
    }

    pub(super) fn log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.0.lock().unwrap())
    }

    /// Records the operation and returns the number of bytes it may move, or an error if it must fail.
    fn step(&self, operation: Operation, path: &Path, bytes: usize) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap();
        let n = log.done.len();
        log.done.push((operation, path.to_path_buf()));
        let moves = matches!(operation, Operation::Write | Operation::Read);
        let error = match log.fault.unwrap_or(Fault::None) {
            Fault::Once(error) if n == log.at => error,
            Fault::Always(error) if n >= log.at => error,
            Fault::Short if n == log.at && moves => {
                log.failed = Some((operation, path.to_path_buf()));
                return Ok(bytes.min(1));
            }
            Fault::Crawl if moves && n.is_multiple_of(2) => libc::EINTR,
            Fault::Crawl if moves => return Ok(bytes.min(7)),
            _ => return Ok(bytes),
        };
        if log.failed.is_none() {
            log.failed = Some((operation, path.to_path_buf()));
        }
        Err(io::Error::from_raw_os_error(error))
    }
}

struct FaultyFile<T> {
    fs: Faulty,
    path: PathBuf,
    inner: T,
}

impl Write for FaultyFile<Box<dyn Output>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.fs.step(Operation::Write, &self.path, bytes.len())?;
        self.inner.write(&bytes[..count])
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Output for FaultyFile<Box<dyn Output>> {
    fn sync(&mut self) -> io::Result<()> {
        self.fs.step(Operation::Sync, &self.path, 0)?;
        self.inner.sync()
    }
}

impl Read for FaultyFile<Box<dyn Read>> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.fs.step(Operation::Read, &self.path, bytes.len())?;
        self.inner.read(&mut bytes[..count])
    }
}

impl Fs for Faulty {
    fn open(&self, path: &Path) -> io::Result<Opened> {
        self.step(Operation::Open, path, 0)?;
        let opened = Disk.open(path)?;
        let source = Box::new(FaultyFile { fs: self.clone(), path: path.to_path_buf(), inner: opened.source });
        Ok(Opened { source, ..opened })
    }
    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn Output>> {
        self.step(Operation::Create, path, 0)?;
        let inner = Disk.create(path, access)?;
        Ok(Box::new(FaultyFile { fs: self.clone(), path: path.to_path_buf(), inner }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Operation::Rename, from, 0)?;
        Disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(Operation::Remove, path, 0)?;
        Disk.remove(path)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Operation::SyncFolder, path, 0)?;
        Disk.sync_folder(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.step(Operation::List, path, 0)?;
        Disk.list(path)
    }
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Operation::CreateFolder, path, 0)?;
        Disk.create_folder(path)
    }
}

mod tests {
    use super::super::array::{Array, NamedTensors};
    use super::super::fs::is_temporary;
    use super::super::run_folder::tests::checkpoint;
    use super::super::{ModelFile, RunFolder};
    use super::*;
    use crate::error::Code;

    const ERRORS: [i32; 4] = [libc::ENOSPC, libc::EIO, libc::EINTR, libc::EDQUOT];

    fn temporaries(folder: &Path) -> usize {
        Disk.list(folder).unwrap().iter().filter(|name| is_temporary(name)).count()
    }

    /// Checks that a failed sync was the last one of its file, and that the file was not renamed.
    fn sync_was_not_repeated(fs: &Faulty) {
        fs.log(|log| {
            let Some((Operation::Sync | Operation::SyncFolder, path)) = &log.failed else { return };
            let syncs = log
                .done
                .iter()
                .filter(|(operation, on)| matches!(operation, Operation::Sync | Operation::SyncFolder) && on == path);
            assert_eq!(syncs.count(), 1, "{:?}", log.done);
            if let Some((Operation::Sync, path)) = &log.failed {
                assert!(!log.done.contains(&(Operation::Rename, path.clone())), "{:?}", log.done);
            }
        });
    }

    /// Saves step 2 over step 1 with the fault; returns `None` if the fault was never reached.
    fn save_with(n: usize, fault: Fault) -> Option<(Operation, bool)> {
        let folder = tempfile::tempdir().unwrap();
        let disk = RunFolder::open(folder.path(), 2).unwrap();
        disk.save(&checkpoint(1)).unwrap();
        let fs = Faulty::at(n, fault);
        let result =
            RunFolder::open_on(Arc::new(fs.clone()), folder.path(), 2).and_then(|run| run.save(&checkpoint(2)));
        let (operation, _) = fs.log(|log| log.failed.clone())?;
        sync_was_not_repeated(&fs);
        if !matches!(fault, Fault::Always(_)) {
            assert_eq!(temporaries(folder.path()), 0, "{operation:?} {fault:?}");
        }
        let recovered = disk.recover().unwrap();
        assert_eq!(temporaries(folder.path()), 0);
        assert!(recovered.skipped.is_empty(), "{operation:?} {fault:?}: {:?}", recovered.skipped);
        let found = recovered.checkpoint.unwrap().1;
        match &result {
            Ok(_) => assert_eq!(found, checkpoint(2)),
            Err(error) => {
                assert!(matches!(error.code, Code::CheckpointWrite | Code::Io), "{error}");
                assert!(found == checkpoint(1) || (found == checkpoint(2) && operation == Operation::SyncFolder));
                // The previous checkpoint is complete, independent of the new one.
                for name in
                    Disk.list(folder.path()).unwrap().into_iter().filter(|name| name.starts_with("step-00000002"))
                {
                    std::fs::remove_file(folder.path().join(name)).unwrap();
                }
                assert_eq!(disk.recover().unwrap().checkpoint.unwrap().1, checkpoint(1));
            }
        }
        Some((operation, result.is_ok()))
    }

    #[test]
    fn the_previous_checkpoint_loads_after_every_fault_at_every_operation() {
        for error in ERRORS {
            for fault in [Fault::Once(error), Fault::Always(error)] {
                let mut seen = Vec::new();
                while let Some((operation, saved)) = save_with(seen.len(), fault) {
                    // Only an interrupted write is retried, and not forever; a failure after the checkpoint is on the
                    // disk (when listing old ones) does not undo it.
                    let once = matches!(fault, Fault::Once(_));
                    let harmless = operation == Operation::Write && error == libc::EINTR && once;
                    let done = seen.contains(&Operation::SyncFolder) && operation != Operation::SyncFolder;
                    let reopened = operation == Operation::List && once && !done;
                    assert!(saved == (harmless || done) || reopened, "{operation:?} {fault:?} {}", seen.len());
                    seen.push(operation);
                }
                for wanted in
                    [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncFolder]
                {
                    assert!(seen.contains(&wanted), "{wanted:?} was never reached: {seen:?}");
                }
            }
        }
    }

    #[test]
    fn short_and_interrupted_writes_are_continued() {
        let mut reached = 0;
        for n in 0..12 {
            if let Some((operation, saved)) = save_with(n, Fault::Short) {
                assert!(saved && operation == Operation::Write);
                reached += 1;
            }
        }
        assert!(reached >= 4, "{reached}");
        assert!(save_with(0, Fault::Crawl).unwrap().1);
    }

    #[test]
    fn reading_with_faults_gives_an_older_checkpoint_or_a_typed_error() {
        for fault in [Fault::Once(libc::EIO), Fault::Always(libc::EIO), Fault::Once(libc::EINTR), Fault::Short] {
            let folder = tempfile::tempdir().unwrap();
            let disk = RunFolder::open(folder.path(), 2).unwrap();
            disk.save(&checkpoint(1)).unwrap();
            disk.save(&checkpoint(2)).unwrap();
            for n in 2.. {
                // opening lists the folder twice
                let fs = Faulty::at(n, fault);
                let run = RunFolder::open_on(Arc::new(fs.clone()), folder.path(), 2).unwrap();
                match run.recover() {
                    Ok(recovered) => {
                        let found = recovered.checkpoint.unwrap().1;
                        let newest = found == checkpoint(2) && recovered.skipped.is_empty();
                        let older = found == checkpoint(1) && recovered.skipped.len() == 1;
                        assert!(newest || older, "{n} {fault:?}");
                    }
                    Err(error) => assert!(matches!(error.code, Code::Io | Code::InvalidFile), "{error}"),
                }
                if fs.log(|log| log.failed.is_none() && log.done.len() < n) {
                    assert!(n > 8, "{n}");
                    break;
                }
            }
        }
    }

    #[test]
    fn the_previous_model_loads_after_every_fault_at_every_operation() {
        let model = |value: f32| {
            let tensors: NamedTensors = [("w".to_string(), Array::f32(vec![3], vec![value; 3]).unwrap())].into();
            ModelFile { provenance: value.into(), tensors, ..ModelFile::default() }
        };
        for error in ERRORS {
            for n in 0.. {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("student.safetensors");
                model(1.0).save(&path).unwrap();
                let fs = Faulty::at(n, Fault::Once(error));
                let result = model(2.0).save_with(&fs, &path);
                let Some((operation, _)) = fs.log(|log| log.failed.clone()) else {
                    assert!(n >= 5, "only {n} operations");
                    break;
                };
                sync_was_not_repeated(&fs);
                assert_eq!(Disk.list(folder.path()).unwrap(), ["student.safetensors"]);
                let placed = result.is_ok() || operation == Operation::SyncFolder;
                assert_eq!(ModelFile::load(&path).unwrap(), model(if placed { 2.0 } else { 1.0 }));
                assert_eq!(result.is_ok(), operation == Operation::Write && error == libc::EINTR);
                assert!(result.is_ok() || result.is_err_and(|error| error.code == Code::Io));
            }
        }
    }
}
