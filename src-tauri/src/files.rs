//! Small JSON files, replaced as a whole so that a crash leaves the old or the new one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Seek as _, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tempfile::{Builder, NamedTempFile};

use crate::file_problem::FileProblem;

/// File systems take names of 255 bytes; a longer one leaves no room for the rest of a temporary name.
const MAX_TEMP_PREFIX_BYTES: usize = 200;
/// How many links are followed one after the other, as many as Linux follows.
const MAX_LINKS: usize = 40;

/// The place of the file to which a path leads. Links are followed, also to a file that does not exist yet: writing
/// creates it, and the links stay.
///
/// # Errors
/// When the folder does not exist, or when links lead to a missing folder or back to themselves.
pub(crate) fn resolve_links(path: &Path) -> io::Result<PathBuf> {
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

/// Checks whether the file at this place could be replaced, as far as that is known without trying: before a person is
/// asked about it.
///
/// # Errors
/// When something is mounted on it, or when it is marked as immutable.
pub(crate) fn check_replaceable(place: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        // Old kernels do not say. Then the attempt itself fails.
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

/// Reads a file; the default where there is none.
///
/// # Errors
/// When it cannot be read; with [`ErrorKind::InvalidData`] when its content is not what it should be.
pub(crate) fn read_json<T: DeserializeOwned + Default>(path: &Path) -> io::Result<T> {
    let Some(bytes) = read_content(path)? else { return Ok(T::default()) };
    serde_json::from_slice(&bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Reads a file that is about to be written anew. One with other content than it should have is renamed, so that it is
/// not overwritten.
///
/// # Errors
/// When it cannot be read, or not be renamed: then nothing should take its place.
pub(crate) fn read_json_before_replace<T: DeserializeOwned + Default>(path: &Path) -> io::Result<T> {
    match read_json(path) {
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            let aside = backup_path(path);
            std::fs::rename(path, &aside)?;
            tracing::warn!(%error, aside = %aside.display(), "a file has no content that can be read, and is renamed");
            Ok(T::default())
        }
        read => read,
    }
}

/// Reads the fields of an object; none where there is no file.
///
/// # Errors
/// When it cannot be read; with [`ErrorKind::InvalidData`] when it holds anything else. The error repeats nothing of
/// it.
pub(crate) fn read_json_fields(path: &Path) -> io::Result<Map<String, Value>> {
    let Some(bytes) = read_content(path)? else { return Ok(Map::new()) };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(io::Error::new(ErrorKind::InvalidData, "it is not an object")),
        Err(error) => Err(io::Error::new(ErrorKind::InvalidData, error)),
    }
}

/// The content of a file, without the byte order mark that some editors add (RFC 8259, section 8.1, lets readers ignore
/// it); `None` where there is no file.
fn read_content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match path.symlink_metadata() {
                // A link whose target is missing, for example on a disk that is not mounted, does not mean the default.
                Ok(_) => Err(FileProblem::BrokenLink.into()),
                Err(_) => Ok(None),
            };
        }
        // Reading a pipe could take forever.
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

/// Copies a file beside itself, over no other copy.
pub(crate) fn back_up_file(path: &Path) -> io::Result<PathBuf> {
    let aside = backup_path(path);
    match std::fs::copy(path, &aside) {
        Ok(_) => Ok(aside),
        Err(error) => {
            let _ = std::fs::remove_file(&aside);
            Err(error)
        }
    }
}

/// A name beside the file that is free: `NAME.unreadable-1.json`, or with a higher number.
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

/// Replaces a file, which is its owner's alone.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    replace_file(path, &serde_json::to_vec_pretty(value)?, ReplacementAccess::OwnerIfPossible)
}

/// Who can read a file that takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplacementAccess {
    /// Those who could read the former file; of a new one, its owner.
    Kept,
    /// Its owner alone. Where the file system keeps no permissions, nothing is written.
    Owner,
    /// Its owner alone, as far as the file system keeps permissions.
    OwnerIfPossible,
}

/// Whether the file system of this folder can keep other users from reading a file. FAT, some file systems in user
/// space and some network drives give all files the same permissions, and report success or an error where they are
/// changed.
///
/// # Errors
/// When nothing can be created in the folder.
pub(crate) fn file_system_keeps_permissions(folder: &Path) -> io::Result<bool> {
    // It has no name, and leaves nothing behind.
    let file = tempfile::tempfile_in(folder)?;
    set_mode(&file, 0o600)?;
    is_private(&file)
}

/// Replaces a file, or makes one. On an error the file is as it was, and nothing of `content` is left beside it.
pub(crate) fn replace_file(path: &Path, content: &[u8], access: ReplacementAccess) -> io::Result<()> {
    let mut file = FileReplacement::begin_replacement(path, access)?;
    file.write_all(content)?;
    file.commit()
}

/// New content for a file, which takes the place of the old one as a whole when it is committed.
///
/// Until then it has no name, so that neither an error nor a kill leaves any of it behind. Naming it and replacing the
/// file are two steps: a kill between them leaves a whole copy, `NAME.XXXXXX`, where there was a file before.
/// Deliberately absent: writing into the old file where it cannot be replaced, which could lose what is in it.
pub(crate) struct FileReplacement {
    path: PathBuf,
    folder: PathBuf,
    file: File,
    access: ReplacementAccess,
}

impl FileReplacement {
    /// Begins a replacement. A link stays one, and the file that it leads to is replaced or created.
    ///
    /// # Errors
    /// When there is something else than a file, or when nothing can be created in the folder.
    pub(crate) fn begin_replacement(path: &Path, access: ReplacementAccess) -> io::Result<Self> {
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

    /// Puts the new content in the file's place.
    pub(crate) fn commit(mut self) -> io::Result<()> {
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
            // A file system without links, or a system on which a file without a name cannot have one later.
            Err(_) => self.commit_by_copy()?,
        }
        // The file is in its place: a file system that cannot write its folders at once is no reason to say otherwise.
        #[cfg(unix)]
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// The same by a copy that has a name from the beginning.
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

    /// How a temporary name begins: like the file's own, so that what ignores `.env.*` ignores it too.
    fn temp_name_prefix(&self) -> OsString {
        let name = self.path.file_name().filter(|name| name.len() <= MAX_TEMP_PREFIX_BYTES);
        let mut prefix = name.unwrap_or(OsStr::new(".ul-keys")).to_owned();
        prefix.push(".");
        prefix
    }

    /// Gives a new file the owner of the one that it will replace, where that is possible, and its mode. The file is
    /// still empty, so nobody reads anything in it before that.
    ///
    /// # Errors
    /// When the file would be readable by others than it should.
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
                // A group that the user is a member of can be kept without the owner.
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

/// Sets the mode of a new file, where the file system has modes: FAT answers `EPERM` to the owner of a file.
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

/// Whether only the owner of a file can read it, by its mode.
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

/// Moves a named file to its place. On an error it is emptied and removed: a folder in which nothing can be removed
/// keeps the name, but nothing of what was in it.
fn persist_or_remove(named: NamedTempFile<()>, file: &File, path: &Path) -> io::Result<()> {
    named.persist(path).map_err(|failed| {
        let _ = file.set_len(0);
        failed.error
    })
}

/// Gives a file that has no name one that is free.
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

    /// A folder in its place stands for a disk that fails: root may read everything.
    #[test]
    fn unreadable_json_is_not_treated_as_missing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert!(read_json::<Vec<u8>>(&folder.path().join("missing.json")).expect("the default").is_empty());
        read_json::<Vec<u8>>(folder.path()).expect_err("nothing is known of it");
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

    /// The disk of the file may not be mounted: what it holds is not known, and nothing takes its place.
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
