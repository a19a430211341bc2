//! The file system operations that we use, and the single way in which we write files.
//!
//! A new file appears completely or not at all: create a temporary file in the same folder → write → sync → rename →
//! sync the folder. On any error the temporary file is removed and the old file stays. A failed sync is never repeated,
//! because the kernel may have dropped the pages and would then report success.
//!
//! A temporary file is locked while it is written. A process that dies loses its locks, so a temporary file that can be
//! locked is left over from a dead process and is removed (`sweep`). A run locks its folder in the same way
//! (`FolderLock`).
//!
//! Source: the order of PostgreSQL's and SQLite's file writing; "fsyncgate", PostgreSQL wiki, 2018. Where we differ:
//! nowhere.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A file opened for reading.
pub struct Opened {
    pub source: Box<dyn Read>,
    pub size: u64,
    /// The kind of file if it is not a regular one: "a folder", "a pipe" ….
    pub other: Option<&'static str>,
}

/// A file opened for writing.
pub trait Output: Write {
    /// Writes content and size to the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// Access permissions of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Access only for the owner, for checkpoints.
    Owner,
    /// The permissions of the process's umask, for a new model.
    Umask,
    /// These permission bits, for a model that replaces another and keeps its permissions.
    Mode(u32),
}

impl Access {
    /// The umask's permissions, or those of an existing file at `path`.
    pub(crate) fn of_new(path: &Path) -> Access {
        #[cfg(unix)]
        if let Ok(found) = std::fs::metadata(path) {
            return Access::Mode(std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777);
        }
        let _ = path;
        Access::Umask
    }
}

/// The file system operations that the writer and the run folder need; tests inject faults and power cuts here.
pub trait Fs: Send + Sync {
    fn open(&self, path: &Path) -> io::Result<Opened>;
    /// Creates a file, which must not exist. It is locked until it is closed.
    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn Output>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a file unless a process is writing it; returns whether the file was removed.
    fn remove_abandoned(&self, path: &Path) -> io::Result<bool> {
        self.remove(path).map(|()| true)
    }
    /// Writes new, renamed and removed names of the folder to the disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Names in the folder, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    fn create_folder(&self, path: &Path) -> io::Result<()>;
}

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Output for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

fn other_kind(kind: std::fs::FileType) -> Option<&'static str> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        }
    }
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => None,
        (_, true) => Some("a folder"),
        _ => Some("something else"),
    }
}

impl Fs for Disk {
    fn open(&self, path: &Path) -> io::Result<Opened> {
        // Checked before opening: opening a device may have side effects, and a pipe would wait for its other end.
        let found = std::fs::metadata(path)?;
        if let Some(other) = other_kind(found.file_type()) {
            return Ok(Opened { source: Box::new(io::empty()), size: 0, other: Some(other) });
        }
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
        let file = options.open(path)?;
        // Checked again on the opened file: the name may refer to a different file by now.
        let found = file.metadata()?;
        Ok(Opened { size: found.len(), other: other_kind(found.file_type()), source: Box::new(file) })
    }

    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn Output>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(
            &mut options,
            match access {
                Access::Owner | Access::Mode(_) => 0o600,
                Access::Umask => 0o666, // the kernel applies the umask and default access lists
            },
        );
        let mut file = options.open(path)?;
        while !claimed(&file, path) {
            file = options.open(path)?;
        }
        #[cfg(unix)]
        if let Access::Mode(mode) = access {
            let kept = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
            kept.inspect_err(|_| drop(std::fs::remove_file(path)))?;
        }
        #[cfg(not(unix))]
        let _ = access;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_abandoned(&self, path: &Path) -> io::Result<bool> {
        // A link is not followed, because its target is not one of our files.
        if !std::fs::symlink_metadata(path)?.is_file() {
            return Ok(false);
        }
        let file = OpenOptions::new().write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => std::fs::remove_file(path).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        match File::open(path)?.sync_all() {
            // Some network file systems do not support this call; the durability of the rename is then theirs to ensure.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result,
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            Ok(())
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            // A name that is not UTF-8 is not a name of our files.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }
}

/// Locks a new file; returns false if a concurrent sweep has already removed it. On a file system without locks, sweeps
/// remove no files.
fn claimed(file: &File, path: &Path) -> bool {
    file.lock().is_err() || std::fs::symlink_metadata(path).is_ok()
}

/// Exclusive access to a folder until it is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock(#[allow(dead_code)] Option<File>);

/// How long to wait for the lock, in case that another run is just ending.
const ENDING: Duration = Duration::from_secs(1);

impl FolderLock {
    /// Locks a folder; `None` if another run holds the lock. If folders cannot be locked (some network file systems,
    /// Windows), every run succeeds.
    pub fn of(folder: &Path) -> Option<FolderLock> {
        let Ok(file) = File::open(folder) else { return Some(FolderLock(None)) };
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Some(FolderLock(Some(file))),
                Err(TryLockError::Error(_)) => return Some(FolderLock(None)),
                Err(TryLockError::WouldBlock) if begun.elapsed() > ENDING => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

/// Removes temporary files of dead processes; returns their number.
pub(crate) fn sweep(fs: &dyn Fs, folder: &Path) -> usize {
    let names = fs.list(folder).unwrap_or_default();
    let temporaries = names.iter().filter(|name| is_temporary(name));
    temporaries.filter(|name| fs.remove_abandoned(&folder.join(name)).is_ok_and(|removed| removed)).count()
}

/// Like `sweep`, but only once per folder and process, because a folder may contain very many files.
pub(crate) fn sweep_once(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.insert(folder.to_path_buf()) {
        drop(swept);
        sweep(&Disk, folder);
    }
}

const TEMPORARY: (&str, &str) = (".limbeck-", ".tmp");

/// Whether a name is that of one of our temporary files.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

fn temporary_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    format!("{}{:x}-{count:x}-{now:x}{}", TEMPORARY.0, std::process::id(), TEMPORARY.1)
}

/// The folder of a path; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Number of consecutive interruptions after which reading or writing fails.
const INTERRUPTIONS: u32 = 1_000;

/// Reads and writes through the inner value, but fails after too many consecutive interruptions.
struct Patient<T>(T, u32);

impl<T> Patient<T> {
    fn tried(&mut self, result: io::Result<usize>) -> io::Result<usize> {
        match &result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.1 += 1,
            _ => self.1 = 0,
        }
        if self.1 < INTERRUPTIONS {
            return result;
        }
        Err(io::Error::other(format!("{INTERRUPTIONS} consecutive interruptions by signals")))
    }
}

impl<T: Write> Write for Patient<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.0.write(bytes);
        self.tried(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<T: Read> Read for Patient<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let result = self.0.read(bytes);
        self.tried(result)
    }
}

/// A source that fails after too many consecutive interruptions.
pub(crate) fn patient(source: Box<dyn Read>) -> Box<dyn Read> {
    Box::new(Patient(source, 0))
}

/// Writes a complete new file, or leaves the old one unchanged. Interrupted and short writes are continued; any other
/// failure is an error.
pub fn write_atomically(
    fs: &dyn Fs,
    path: &Path,
    access: Access,
    content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    let temporary = folder.join(temporary_name());
    let mut output = Patient(fs.create(&temporary, access)?, 0);
    let written = content(&mut output).and_then(|()| output.0.sync());
    // The temporary file stays open, and therefore locked, until it is renamed.
    let renamed = written.and_then(|()| fs.rename(&temporary, path));
    drop(output);
    if let Err(error) = renamed {
        // If this fails too, the next sweep removes the file. The first error is reported.
        let _ = fs.remove(&temporary);
        return Err(error);
    }
    fs.sync_folder(&folder)
}
