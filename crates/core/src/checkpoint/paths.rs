//! Converts untrusted names (a shard named by an index, an entry of a configuration) to paths inside a folder.
//!
//! A name is accepted only if it means the same file on every system: no absolute path, drive letter, UNC path, `..`,
//! NUL, trailing dot or space, or Windows device. Links must not point out of the folder: real paths are compared.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};

const LONGEST_PART: usize = 255;
const LONGEST_NAME: usize = 1024;
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

fn refuse(name: &str, message: &str) -> Error {
    let short: String = name.chars().take(64).collect();
    Error::new(Code::InvalidFile, "", format!("expected a name inside the folder, got {short:?}: {message}"))
}

/// Whether a part is a Windows device with any extension: a named device, or COM0 … LPT9, also with the superscript digits
/// that Windows treats as equal.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end().to_ascii_uppercase();
    let numbered = |kind: &str| {
        let mut rest = stem.strip_prefix(kind).unwrap_or("").chars();
        matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    DEVICES.contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

/// Checks the rules that depend only on the text.
fn check(name: &str) -> Result<()> {
    let fail = |message| Err(refuse(name, message));
    if name.is_empty() {
        return fail("it is empty");
    }
    if name.len() > LONGEST_NAME {
        return fail("it is too long");
    }
    if name.starts_with('/') {
        return fail("it is an absolute path");
    }
    if name.chars().any(|c| c.is_control()) {
        return fail("it contains a control character");
    }
    // Covers UNC and `\\?\` paths, drive letters and alternate streams.
    if name.contains(['\\', ':', '<', '>', '"', '|', '?', '*']) {
        return fail("it contains a character with a special meaning on Windows");
    }
    for part in name.split('/') {
        match part {
            "" => return fail("a part is empty"),
            "." | ".." => return fail("a part is . or .."),
            _ if part.len() > LONGEST_PART => return fail("a part is too long"),
            _ if part.ends_with(['.', ' ']) => return fail("a part ends with a dot or space"),
            _ if is_device(part) => return fail("a part is a device on Windows"),
            _ => {}
        }
    }
    Ok(())
}

/// The path of `name` inside `base`, which must exist. After all links are resolved, the existing part of the path is
/// inside `base`. `open_inside` also detects a race with a process that can write there.
pub fn resolve_inside(base: &Path, name: &str) -> Result<PathBuf> {
    check(name)?;
    let unreadable = |error: std::io::Error| Error::new(Code::Io, base.display().to_string(), error.to_string());
    let real_base = std::fs::canonicalize(base).map_err(unreadable)?;
    let mut real = real_base.clone();
    for part in name.split('/') {
        real.push(part);
        match std::fs::symlink_metadata(&real) {
            Ok(_) => {
                real = std::fs::canonicalize(&real).map_err(|_| refuse(name, "a link has no target"))?;
                if !real.starts_with(&real_base) {
                    return Err(refuse(name, "a link points out of the folder"));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(refuse(name, &error.to_string())),
        }
    }
    Ok(real)
}

/// Opens `name` inside `base` for reading and then checks the real path of the opened file (on Linux), so that a link that
/// was inserted in the meantime is an error.
pub fn open_inside(base: &Path, name: &str) -> Result<File> {
    let path = resolve_inside(base, name)?;
    let unreadable = |error: std::io::Error| Error::new(Code::Io, path.display().to_string(), error.to_string());
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let file = options.open(&path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(refuse(name, "it is not a regular file"));
    }
    #[cfg(target_os = "linux")]
    {
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
        let real = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).map_err(unreadable)?;
        if !real.starts_with(std::fs::canonicalize(base).map_err(unreadable)?) {
            return Err(refuse(name, "a link points out of the folder"));
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_folder_are_rejected_on_every_system() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir(base.path().join("in")).unwrap();
        let long_part = "p".repeat(256);
        let long_name = "p/".repeat(513);
        let bad = [
            "",
            "/",
            "/etc/passwd",
            "//server/share",
            "///",
            "..",
            ".",
            "../x",
            "in/../../x",
            "in/..",
            "./x",
            "in/./x",
            "in//x",
            "in/",
            "a/b/../../../c",
            "C:",
            "C:x",
            "C:/x",
            "c:\\x",
            "\\x",
            "\\\\server\\share",
            "\\\\?\\C:\\x",
            "\\\\.\\pipe\\x",
            "..\\x",
            "in\\..\\..\\x",
            "x\0",
            "x\0.safetensors",
            "x\n",
            "x\u{7f}",
            "x\u{85}",
            "x.",
            "x..",
            "x ",
            "x/ ",
            " ",
            "...",
            "in./x",
            "in /x",
            "CON",
            "con",
            "nul",
            "NUL.safetensors",
            "aux.tar.gz",
            "in/PRN",
            "com1",
            "COM9.txt",
            "COM0",
            "lpt1",
            "LPT¹",
            "com²",
            "CONIN$",
            "conout$.x",
            "nul .txt",
            "x:stream",
            "x::$DATA",
            "a*",
            "a?",
            "a|b",
            "a<b",
            "a>b",
            "a\"b",
            &long_part,
            &long_name,
        ];
        for name in bad {
            let error = resolve_inside(base.path(), name).expect_err(name);
            assert_eq!(error.code, Code::InvalidFile, "{name:?}");
            assert!(open_inside(base.path(), name).is_err(), "{name:?}");
        }
        assert!(bad.len() >= 40);
    }

    #[test]
    fn plain_names_are_accepted() {
        let base = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(base.path()).unwrap();
        let good = [
            "x",
            "model-00001-of-00002.safetensors",
            "in/x",
            "..x",
            ".hidden",
            "a..b",
            "com",
            "com10",
            "console",
            "nulls",
            "lpt",
            "com1x",
            "日本/モデル",
            "a b",
            "x~1",
            "%2e%2e",
            "null.txt",
            "conin",
        ];
        for name in good {
            assert_eq!(resolve_inside(base.path(), name).unwrap(), real.join(name));
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_may_point_inside_the_folder_but_not_out_of_it() {
        use std::os::unix::fs::symlink;
        let (base, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        std::fs::write(base.path().join("file"), "f").unwrap();
        let links = [
            ("out", outside.path().to_path_buf()),
            ("secret", outside.path().join("secret")),
            ("up", PathBuf::from("..")),
            ("nowhere", PathBuf::from("none")),
            ("loop", PathBuf::from("loop")),
            ("chain", base.path().join("out")),
            ("root", PathBuf::from("/")),
        ];
        for (name, target) in &links {
            symlink(target, base.path().join(name)).unwrap();
        }
        for name in [
            "out",
            "out/secret",
            "out/new",
            "secret",
            "up",
            "up/x",
            "nowhere",
            "loop",
            "chain/secret",
            "root/etc/passwd",
            "file/x",
        ] {
            assert!(resolve_inside(base.path(), name).is_err(), "{name}");
            assert!(open_inside(base.path(), name).is_err(), "{name}");
        }
        symlink("file", base.path().join("same")).unwrap();
        assert!(resolve_inside(base.path(), "same").unwrap().ends_with("file"));
        open_inside(base.path(), "same").unwrap();
        assert!(open_inside(base.path(), "out").is_err());
    }

    /// Another thread repeatedly replaces the folder by a link to the outside while the file is opened.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_link_that_appears_between_check_and_open_is_detected() {
        use std::io::Read;
        use std::sync::atomic::{AtomicBool, Ordering};
        let (base, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, text) in [(&base, "inside"), (&outside, "secret")] {
            std::fs::create_dir(folder.path().join("real")).unwrap();
            std::fs::write(folder.path().join("real/x"), text).unwrap();
        }
        let (folder, spare, link) = (base.path().join("d"), base.path().join("real"), base.path().join("link"));
        std::os::unix::fs::symlink(outside.path().join("real"), &link).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = std::fs::rename(&spare, &folder);
                    let _ = std::fs::rename(&folder, &spare);
                    let _ = std::fs::rename(&link, &folder);
                    let _ = std::fs::rename(&folder, &link);
                }
            });
            let mut opened = 0;
            for _ in 0..20_000 {
                if let Ok(mut file) = open_inside(base.path(), "d/x") {
                    let mut text = String::new();
                    file.read_to_string(&mut text).unwrap();
                    assert_eq!(text, "inside");
                    opened += 1;
                }
            }
            stop.store(true, Ordering::Relaxed);
            assert!(opened > 0, "the file was never opened");
        });
    }
}
