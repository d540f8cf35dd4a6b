//! Reads small JSON files, replaces files as a whole, so that a crash leaves either the old or the new file, and locks
//! files.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Seek as _, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tempfile::{Builder, NamedTempFile};

use crate::file_problem::FileProblem;

/// The maximum length of a file name that is used as the prefix of a temporary name. File systems allow names of at
/// most 255 bytes, and the temporary name is longer than its prefix.
const MAX_TEMP_PREFIX_BYTES: usize = 200;
/// The maximum number of links that are followed in a row. Linux has the same limit.
const MAX_LINKS: usize = 40;

/// Follows all links of a path and returns the path of the target. The target file does not have to exist: writing then
/// creates it and preserves the links.
///
/// # Errors
/// Returns an error if the folder does not exist, or if links lead to a missing folder or form a loop.
pub fn resolve_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    for followed in 0..MAX_LINKS {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(FileProblem::NotAFile.into());
        };
        let folder = std::fs::canonicalize(folder).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory if followed > 0 => FileProblem::BrokenLink.into(),
            _ => error,
        })?;
        let place = folder.join(name);
        match std::fs::read_link(&place) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Ok(place),
        }
    }
    Err(FileProblem::LinkLoop.into())
}

/// Checks for reasons why the file at this path cannot be replaced, without trying to replace it. Called before the
/// user is asked to confirm the change.
///
/// # Errors
/// Returns an error if the file is a mount point, or if it is marked as immutable or append-only.
pub fn check_replaceable(place: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        // Old kernels do not report these attributes. In that case, the attempt to replace the file fails.
        let Ok(found) = statx(CWD, place, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) else { return Ok(()) };
        if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
            return Err(FileProblem::Mounted.into());
        }
        if found.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND) {
            return Err(FileProblem::Protected.into());
        }
    }
    let _ = place;
    Ok(())
}

/// Reads a JSON file. Returns the default value if the file does not exist.
///
/// # Errors
/// Returns an error if the file cannot be read, or [`ErrorKind::InvalidData`] if its content is not valid.
pub fn read_json<T: DeserializeOwned + Default>(path: &Path) -> io::Result<T> {
    let Some(bytes) = read_content(path)? else { return Ok(T::default()) };
    serde_json::from_slice(&bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Reads a JSON file that is about to be replaced. A file whose content is not valid is renamed, so that it is not
/// overwritten.
///
/// # Errors
/// Returns an error if the file cannot be read, or cannot be renamed. In both cases, the caller must not replace the
/// file.
pub fn read_json_before_replace<T: DeserializeOwned + Default>(path: &Path) -> io::Result<T> {
    match read_json(path) {
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            let aside = backup_path(path);
            std::fs::rename(path, &aside)?;
            tracing::warn!(%error, aside = %aside.display(), "couldn't parse a file; renamed it to keep its content");
            Ok(T::default())
        }
        read => read,
    }
}

/// Reads the fields of a JSON object from a file. Returns no fields if the file does not exist.
///
/// # Errors
/// Returns an error if the file cannot be read, or [`ErrorKind::InvalidData`] if it does not contain an object. The
/// error does not quote the content.
pub fn read_json_fields(path: &Path) -> io::Result<Map<String, Value>> {
    let Some(bytes) = read_content(path)? else { return Ok(Map::new()) };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(io::Error::new(ErrorKind::InvalidData, "the content is not a JSON object")),
        Err(error) => Err(io::Error::new(ErrorKind::InvalidData, error)),
    }
}

/// Returns the content of a file without the byte order mark that some editors add (RFC 8259, section 8.1, lets parsers
/// ignore it). Returns `None` if the file does not exist.
fn read_content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match path.symlink_metadata() {
                // If the target of a link is missing, the file may still exist, for example on a disk that is not
                // mounted.
                Ok(_) => Err(FileProblem::BrokenLink.into()),
                Err(_) => Ok(None),
            };
        }
        // Reading from a pipe could block forever.
        Ok(metadata) if !metadata.is_file() => return Err(FileProblem::NotAFile.into()),
        _ => {}
    }
    match std::fs::read(path) {
        Err(error) => Err(error),
        Ok(mut bytes) => {
            if bytes.starts_with(b"\xEF\xBB\xBF") {
                bytes.drain(..3);
            }
            Ok(Some(bytes))
        }
    }
}

/// Opens or creates a file and locks it until the returned file is closed. Returns `None` if the file is already
/// locked, by another process or by this one.
pub fn try_lock_file(path: &Path) -> io::Result<Option<File>> {
    // Opening a pipe could block forever.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(FileProblem::NotAFile.into());
    }
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Copies a file to an unused name in the same folder, and returns the path of the copy.
pub fn back_up_file(path: &Path) -> io::Result<PathBuf> {
    let aside = backup_path(path);
    match std::fs::copy(path, &aside) {
        Ok(_) => Ok(aside),
        Err(error) => {
            let _ = std::fs::remove_file(&aside);
            Err(error)
        }
    }
}

/// Returns the first unused path of the form `NAME.unreadable-N.json` in the same folder, where N starts at 1.
fn backup_path(path: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let aside = path.with_extension(format!("unreadable-{number}.json"));
        if aside.symlink_metadata().is_err() {
            return aside;
        }
        number += 1;
    }
}

/// Replaces a JSON file. On file systems that support permissions, only the owner can read the new file.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    replace_file(path, &serde_json::to_vec_pretty(value)?, ReplacementAccess::OwnerIfPossible)
}

/// Determines who can read a file that replaces another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplacementAccess {
    /// Everybody who could read the old file can read the new one. If there was no old file, only the owner can read
    /// it.
    Kept,
    /// Only the owner can read the file. If the file system ignores permissions, nothing is written.
    Owner,
    /// Only the owner can read the file if the file system supports permissions. If it ignores permissions, the file is
    /// written anyway.
    OwnerIfPossible,
}

/// Returns whether the file system of this folder can prevent other users from reading a file. FAT, some FUSE file
/// systems and some network drives give all files the same permissions, and an attempt to change them either fails or
/// has no effect.
///
/// # Errors
/// Returns an error if no file can be created in the folder.
pub fn file_system_keeps_permissions(folder: &Path) -> io::Result<bool> {
    // This file has no name, so nothing remains of it after the check.
    let file = tempfile::tempfile_in(folder)?;
    set_mode(&file, 0o600)?;
    is_private(&file)
}

/// Replaces or creates a file. On an error, the file is unchanged, and no part of `content` remains next to it.
pub fn replace_file(path: &Path, content: &[u8], access: ReplacementAccess) -> io::Result<()> {
    let mut file = FileReplacement::begin_replacement(path, access)?;
    file.write_all(content)?;
    file.commit()
}

/// The new content of a file, which replaces the old content as a whole when it is committed.
///
/// Until the commit, the new file has no name, so it leaves nothing behind after an error or if the process is killed.
/// If there is an old file, the commit takes two steps: it gives the new file the temporary name `NAME.XXXXXX`, and
/// then renames it over the old file. If the process is killed between these steps, the complete new file remains under
/// the temporary name. Deliberately omitted: writing into the old file if it cannot be replaced, because that could
/// lose its content.
pub struct FileReplacement {
    path: PathBuf,
    folder: PathBuf,
    file: File,
    access: ReplacementAccess,
}

impl FileReplacement {
    /// Begins a replacement. If the path is a link, the link is preserved, and its target is replaced or created.
    ///
    /// # Errors
    /// Returns an error if the path leads to something other than a file, or if no file can be created in the folder.
    pub fn begin_replacement(path: &Path, access: ReplacementAccess) -> io::Result<Self> {
        let path = resolve_links(path)?;
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(FileProblem::NotAFile.into());
        }
        let Some(folder) = path.parent().map(Path::to_owned) else {
            return Err(FileProblem::NotAFile.into());
        };
        let file = tempfile::tempfile_in(&folder)?;
        let replacement = Self { path, folder, file, access };
        replacement.apply_access(&replacement.file)?;
        Ok(replacement)
    }

    /// Replaces the file with the new content.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        match link_unnamed_file(&self.file, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let named = Builder::new()
                    .prefix(&self.temp_name_prefix())
                    .make_in(&self.folder, |name| link_unnamed_file(&self.file, name));
                match named {
                    Ok(named) => persist_or_remove(named, &self.file, &self.path)?,
                    Err(_) => self.commit_by_copy()?,
                }
            }
            // Either the file system has no hard links, or the operating system cannot give a name to an unnamed file.
            Err(_) => self.commit_by_copy()?,
        }
        // The file has already been replaced, so a failure to flush the folder to disk is not an error.
        #[cfg(unix)]
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Commits the content by copying it into a file that has a name from the beginning.
    fn commit_by_copy(&mut self) -> io::Result<()> {
        let named = Builder::new().prefix(&self.temp_name_prefix()).tempfile_in(&self.folder)?;
        self.apply_access(named.as_file())?;
        let (mut file, name) = named.into_parts();
        let named = NamedTempFile::from_parts((), name);
        self.file.rewind()?;
        let copied = io::copy(&mut self.file, &mut file).and_then(|_| file.sync_all());
        if let Err(error) = copied {
            let _ = file.set_len(0);
            return Err(error);
        }
        persist_or_remove(named, &file, &self.path)
    }

    /// Returns the prefix of a temporary name. It begins with the file's own name, so that ignore patterns such as
    /// `.env.*` match it as well.
    fn temp_name_prefix(&self) -> OsString {
        let name = self.path.file_name().filter(|name| name.len() <= MAX_TEMP_PREFIX_BYTES);
        let mut prefix = name.unwrap_or(OsStr::new(".ul-keys")).to_owned();
        prefix.push(".");
        prefix
    }

    /// Gives a new file the owner of the file that it will replace, if possible, and the mode that the
    /// [`ReplacementAccess`] requires. Call this while the new file is still empty, so that nobody can read its content
    /// with other permissions.
    ///
    /// # Errors
    /// Returns an error if the file would be readable by more users than intended.
    #[cfg(unix)]
    fn apply_access(&self, file: &File) -> io::Result<()> {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
        let before = std::fs::metadata(&self.path).ok();
        if let Some(before) = &before {
            match fchown(file, Some(before.uid()), Some(before.gid())) {
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                Err(error) if error.kind() != ErrorKind::PermissionDenied || rustix::process::geteuid().is_root() => {
                    return Err(error);
                }
                // A user who cannot change the file's owner can still change its group to one of the user's own groups.
                Err(_) => drop(fchown(file, None, Some(before.gid()))),
                Ok(()) => {}
            }
        }
        let keeps_mode = self.access == ReplacementAccess::Kept;
        let kept = before.filter(|_| keeps_mode).map(|before| before.permissions().mode() & 0o777);
        set_mode(file, kept.unwrap_or(0o600))?;
        if self.access == ReplacementAccess::Owner && !is_private(file)? {
            return Err(FileProblem::Changed.into());
        }
        #[cfg(target_os = "linux")]
        if keeps_mode && let Some(list) = crate::file_access_loss::read_acl(&self.path)? {
            rustix::fs::fsetxattr(
                file,
                crate::file_access_loss::ACL_ATTRIBUTE,
                &list,
                rustix::fs::XattrFlags::empty(),
            )?;
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn apply_access(&self, _file: &File) -> io::Result<()> {
        let _ = self.access;
        Ok(())
    }
}

/// Sets the mode of a new file. Does nothing if the file system does not support modes: FAT returns `EPERM` even to the
/// owner of a file.
#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    match file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode)) {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => Ok(()),
        set => set,
    }
}

#[cfg(not(unix))]
fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Returns whether only the owner can access a file, according to its mode.
#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_file: &File) -> io::Result<bool> {
    Ok(true)
}

impl Write for FileReplacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Renames a temporary file to its final name. On an error, the temporary file is emptied and removed. If the folder
/// does not allow removing files, an empty file remains.
fn persist_or_remove(named: NamedTempFile<()>, file: &File, path: &Path) -> io::Result<()> {
    named.persist(path).map_err(|failed| {
        let _ = file.set_len(0);
        failed.error
    })
}

/// Gives a name to a file that has none. Fails if the name is in use.
#[cfg(target_os = "linux")]
fn link_unnamed_file(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD, linkat};
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link_unnamed_file(_file: &File, _path: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod failure_tests;

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        path.metadata().expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn lock_is_held_until_file_is_closed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("app.lock");
        let first = try_lock_file(&path).expect("the folder is there").expect("free");
        assert!(try_lock_file(&path).expect("no error").is_none(), "held");
        drop(first);
        assert!(try_lock_file(&path).expect("no error").is_some(), "free again");
        assert!(try_lock_file(&folder.path().join("missing/app.lock")).is_err());
    }

    #[test]
    fn write_through_link_keeps_link() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (file, link) = (folder.path().join("dotfiles/settings.json"), folder.path().join("settings.json"));
        std::fs::create_dir(folder.path().join("dotfiles")).expect("created");
        std::fs::write(&file, "{}").expect("written");
        symlink("dotfiles/settings.json", &link).expect("linked");
        write_json(&link, &[1]).expect("replaced");
        assert!(link.is_symlink());
        assert_eq!((std::fs::read_to_string(&file).expect("readable").as_str(), mode_of(&file)), ("[\n  1\n]", 0o600));
    }

    /// A folder in place of the file simulates a failing disk. Removing the read permission would have no effect if the
    /// test runs as root, because root can read any file.
    #[test]
    fn unreadable_json_is_not_treated_as_missing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert!(read_json::<Vec<u8>>(&folder.path().join("missing.json")).expect("the default").is_empty());
        read_json::<Vec<u8>>(folder.path()).expect_err("the content is unknown");
    }

    #[test]
    fn replacement_keeps_permissions_only_if_requested() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (shared, new) = (folder.path().join("shared.csv"), folder.path().join("new.csv"));
        std::fs::write(&shared, "").expect("written");
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o644)).expect("set");
        for (path, expected) in [(&shared, 0o644), (&new, 0o600)] {
            FileReplacement::begin_replacement(path, ReplacementAccess::Kept)
                .expect("opened")
                .commit()
                .expect("committed");
            assert_eq!(mode_of(path), expected);
        }
        replace_file(&shared, b"", ReplacementAccess::Owner).expect("written");
        assert_eq!(mode_of(&shared), 0o600);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn replacement_that_keeps_mode_keeps_acl() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("shared.csv");
        let run = |program: &str, arguments: &[&str]| {
            let output = std::process::Command::new(program).args(arguments).arg(&path).output();
            let output = output.expect("setfacl and getfacl; run `cargo xtask setup`");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).expect("text")
        };
        std::fs::write(&path, "").expect("written");
        run("setfacl", &["--modify", "user:daemon:r,group:games:rw"]);
        let before = run("getfacl", &["--absolute-names"]);
        FileReplacement::begin_replacement(&path, ReplacementAccess::Kept)
            .expect("opened")
            .commit()
            .expect("committed");
        assert_eq!(run("getfacl", &["--absolute-names"]), before);
    }

    #[test]
    fn replacement_through_link_to_missing_file_creates_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let link = folder.path().join("link.csv");
        symlink("missing.csv", &link).expect("linked");
        let mut file = FileReplacement::begin_replacement(&link, ReplacementAccess::Kept).expect("opened");
        file.write_all(b"x").expect("written");
        file.commit().expect("committed");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(folder.path().join("missing.csv")).expect("created"), "x");
    }

    /// The file may be on a disk that is not mounted. Its content is then unknown, so nothing must replace the file.
    #[test]
    fn json_behind_broken_link_is_not_treated_as_missing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let link = folder.path().join("settings.json");
        symlink("missing.json", &link).expect("linked");
        for error in [read_json::<Vec<u8>>(&link).expect_err("unknown"), read_json_fields(&link).expect_err("unknown")]
        {
            assert_eq!(FileProblem::from_io_error(&error), Some(FileProblem::BrokenLink), "{error}");
        }
    }
}
