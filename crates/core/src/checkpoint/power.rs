//! A simulated disk that loses power: any combination of the unsynced changes may survive. The tests check that in every
//! resulting state the run folder finds the old checkpoint or the new one.
//!
//! ```text
//! names   : a change of a folder is durable after a sync of the folder; before that, each change may be lost or kept
//! content : a write is durable after a sync of the file; before that, it may be kept, lost, or replaced by zeros
//! ```
//!
//! Source: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014. Where we differ: a rename is one step,
//! as in every journaling file system.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::fs::{Access, Fs, Opened, Output};

type Inode = usize;

#[derive(Clone, Debug)]
enum Event {
    /// One change of the folder: a name that is removed, and a name that is added.
    Names {
        gone: Option<PathBuf>,
        come: Option<(PathBuf, Inode)>,
    },
    Write(Inode, Vec<u8>),
    Sync(Inode),
    SyncFolder,
}

#[derive(Clone, Default)]
struct State {
    names: BTreeMap<PathBuf, Inode>,
    files: Vec<Vec<u8>>,
    events: Vec<Event>,
}

/// A disk in memory with one folder, which records every operation.
#[derive(Clone, Default)]
struct Memory {
    state: Arc<Mutex<State>>,
    /// Whether syncs are ignored, to prove that the tests detect such a disk.
    lies: bool,
}

impl Memory {
    fn names(&self, gone: Option<&Path>, come: Option<(&Path, Inode)>) {
        let mut state = self.state.lock().unwrap();
        apply_names(&mut state.names, gone, come);
        let come = come.map(|(path, inode)| (path.to_path_buf(), inode));
        state.events.push(Event::Names { gone: gone.map(Path::to_path_buf), come });
    }

    fn inode(&self, path: &Path) -> io::Result<Inode> {
        self.state.lock().unwrap().names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The disk after the first `count` events and a power cut; `fate` decides what happens to each unsynced change.
    fn after_power_cut(&self, count: usize, fate: &mut dyn FnMut() -> u8) -> Memory {
        let state = self.state.lock().unwrap();
        let events = &state.events[..count];
        let last = |wanted: &dyn Fn(&Event) -> bool| {
            if self.lies { None } else { events.iter().rposition(wanted) }
        };
        let folder_synced = last(&|event| matches!(event, Event::SyncFolder));
        let mut left = State { files: vec![Vec::new(); state.files.len()], ..State::default() };
        for (at, event) in events.iter().enumerate() {
            match event {
                Event::Names { gone, come } => {
                    if folder_synced.is_some_and(|synced| at < synced) || fate().is_multiple_of(2) {
                        let come = come.as_ref().map(|(path, inode)| (path.as_path(), *inode));
                        apply_names(&mut left.names, gone.as_deref(), come);
                    }
                }
                Event::Write(inode, bytes) => {
                    let synced = last(&|event| matches!(event, Event::Sync(other) if other == inode));
                    let file = &mut left.files[*inode];
                    match if synced.is_some_and(|synced| at < synced) { 0 } else { fate() % 3 } {
                        0 => file.extend_from_slice(bytes),
                        1 => file.extend(std::iter::repeat_n(0, bytes.len())),
                        _ => {}
                    }
                }
                Event::Sync(_) | Event::SyncFolder => {}
            }
        }
        Memory { state: Arc::new(Mutex::new(left)), lies: false }
    }
}

fn apply_names(names: &mut BTreeMap<PathBuf, Inode>, gone: Option<&Path>, come: Option<(&Path, Inode)>) {
    if let Some(gone) = gone {
        names.remove(gone);
    }
    if let Some((path, inode)) = come {
        names.insert(path.to_path_buf(), inode);
    }
}

struct MemoryFile {
    state: Arc<Mutex<State>>,
    inode: Inode,
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Writes are split, so that a power cut can happen in the middle of a tensor.
        let piece = &bytes[..bytes.len().min(500)];
        let mut state = self.state.lock().unwrap();
        state.files[self.inode].extend_from_slice(piece);
        state.events.push(Event::Write(self.inode, piece.to_vec()));
        Ok(piece.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for MemoryFile {
    fn sync(&mut self) -> io::Result<()> {
        self.state.lock().unwrap().events.push(Event::Sync(self.inode));
        Ok(())
    }
}

impl Fs for Memory {
    fn open(&self, path: &Path) -> io::Result<Opened> {
        let inode = self.inode(path)?;
        let bytes = self.state.lock().unwrap().files[inode].clone();
        let size = bytes.len() as u64;
        let source: Box<dyn Read> = Box::new(io::Cursor::new(bytes));
        Ok(Opened { source, size, other: None })
    }
    fn create(&self, path: &Path, _: Access) -> io::Result<Box<dyn Output>> {
        if self.inode(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = {
            let mut state = self.state.lock().unwrap();
            state.files.push(Vec::new());
            state.files.len() - 1
        };
        self.names(None, Some((path, inode)));
        Ok(Box::new(MemoryFile { state: Arc::clone(&self.state), inode }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.inode(from)?;
        self.names(Some(from), Some((to, inode)));
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inode(path)?;
        self.names(Some(path), None);
        Ok(())
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.state.lock().unwrap().events.push(Event::SyncFolder);
        Ok(())
    }
    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock().unwrap();
        Ok(state.names.keys().filter_map(|path| Some(path.file_name()?.to_str()?.to_string())).collect())
    }
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

mod tests {
    use super::super::run_folder::tests::checkpoint;
    use super::super::{ModelFile, RunFolder};
    use super::*;
    use crate::random::Key;

    /// Four constant fates, then random ones.
    fn fates(cut: usize) -> impl Iterator<Item = Box<dyn FnMut() -> u8>> {
        let always = |fate: u8| Box::new(move || fate) as Box<dyn FnMut() -> u8>;
        let drawn = (0..48u64).map(move |round| {
            let (key, mut at) = (Key::new(1).with(cut as u64).with(round), 0);
            Box::new(move || {
                at += 1;
                key.below(at, 6) as u8
            }) as Box<dyn FnMut() -> u8>
        });
        // 0: names and writes kept. 1: names lost, writes zero. 5: names and writes lost. 4: names kept, writes zero.
        [always(0), always(1), always(5), always(4)].into_iter().chain(drawn)
    }

    /// Saves steps 1, 2, 3 and cuts the power after every event; returns the number of states tested, and the first in
    /// which the run had lost more than the checkpoint being written.
    fn cut_everywhere(lies: bool, keep: usize) -> (usize, Option<String>) {
        let disk = Memory { lies, ..Memory::default() };
        let run = RunFolder::open_on(Arc::new(disk.clone()), Path::new("run"), keep).unwrap();
        let mut saved_after = Vec::new();
        for step in 1..=3 {
            run.save(&checkpoint(step)).unwrap();
            saved_after.push(disk.state.lock().unwrap().events.len());
        }
        let (all, mut seen) = (disk.state.lock().unwrap().events.len(), 0);
        for cut in 0..=all {
            // Every checkpoint whose `save` has returned must be on the disk.
            let promised = saved_after.iter().filter(|&&events| events <= cut).count() as u64;
            for mut fate in fates(cut) {
                let left = disk.after_power_cut(cut, &mut *fate);
                let found = RunFolder::open_on(Arc::new(left), Path::new("run"), keep).unwrap().recover();
                let found = match found {
                    Ok(recovered) => recovered.checkpoint.map(|(_, found)| found),
                    // Before the first `save` returns, there is nothing to lose.
                    Err(_) if promised == 0 => None,
                    Err(error) => return (seen, Some(format!("cut {cut}: {error}"))),
                };
                let step = found.as_ref().map_or(0, |found| found.step);
                if step < promised || step > promised + 1 {
                    return (seen, Some(format!("cut {cut}: expected step {promised} or the next, got {step}")));
                }
                assert!(found.is_none_or(|found| found == checkpoint(step)), "a mix was loaded");
                seen += 1;
            }
        }
        (seen, None)
    }

    #[test]
    fn a_power_cut_at_any_time_leaves_the_old_checkpoint_or_the_new() {
        for keep in [1, 2, 3] {
            let (states, loss) = cut_everywhere(false, keep);
            assert_eq!(loss, None);
            assert!(states > 2_000, "{states}");
        }
    }

    #[test]
    fn a_disk_that_ignores_syncs_is_detected() {
        assert!(cut_everywhere(true, 1).1.is_some());
    }

    #[test]
    fn a_power_cut_at_any_time_leaves_the_old_model_or_the_new() {
        // The folder does not exist, because the real disk is read to find out whether the path is a link or a folder.
        let path = Path::new("no such folder/student.safetensors");
        let model = |value: f32| {
            let weight = super::super::Array::f32(vec![700], vec![value; 700]).unwrap();
            ModelFile { tensors: [("w".to_string(), weight)].into(), ..ModelFile::default() }
        };
        let disk = Memory::default();
        model(1.0).save_with(&disk, path).unwrap();
        let first = disk.state.lock().unwrap().events.len();
        model(2.0).save_with(&disk, path).unwrap();
        let all = disk.state.lock().unwrap().events.len();
        let mut new = 0;
        for cut in first..=all {
            for mut fate in fates(cut) {
                let left = disk.after_power_cut(cut, &mut *fate);
                let found = ModelFile::load_on(&left, path).unwrap();
                assert!(found == model(2.0) || (found == model(1.0) && cut < all), "cut {cut}");
                new += usize::from(found == model(2.0));
            }
        }
        assert!(new > 52, "the new model was never seen before the end");
    }
}
