//! Small JSON files, replaced as a whole so that a crash leaves the old or the new one.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads a file. A missing one means the default; one without sense too, and is put aside rather than overwritten.
///
/// # Errors
/// When it is there and cannot be read: nothing is known of it, and nothing should take its place.
pub(crate) fn read_json<T: DeserializeOwned + Default>(path: &Path) -> io::Result<T> {
    let Some(bytes) = content(path)? else { return Ok(T::default()) };
    Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        let aside = aside(path);
        tracing::warn!(%error, aside = %aside.display(), "a file cannot be read and is put aside");
        if let Err(error) = std::fs::rename(path, &aside) {
            tracing::warn!(%error, "the unreadable file cannot be put aside");
        }
        T::default()
    }))
}

/// Reads the fields of an object; none where there is no file.
///
/// # Errors
/// When it cannot be read; with [`ErrorKind::InvalidData`] when it holds anything else. The error repeats nothing of it.
pub(crate) fn read_fields(path: &Path) -> io::Result<Map<String, Value>> {
    let Some(bytes) = content(path)? else { return Ok(Map::new()) };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(io::Error::new(ErrorKind::InvalidData, "it is not an object")),
        Err(error) => Err(io::Error::new(ErrorKind::InvalidData, error)),
    }
}

/// What is in a file; `None` where there is none.
fn content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Copies a file beside itself, over no other copy.
pub(crate) fn copy_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = aside(path);
    std::fs::copy(path, &aside)?;
    Ok(aside)
}

/// A name beside the file that is free: `NAME.unreadable-1.json`, or with a higher number.
fn aside(path: &Path) -> PathBuf {
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
    write_private(path, &serde_json::to_vec_pretty(value)?)
}

/// Replaces a file, or makes one, that nobody but its owner may read. Until all of it is written it has no name
/// where the file system allows that. A kill at the moment of replacing may leave a whole copy beside it, `.NAME.XXXXXX`.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = open(path, false)?;
    file.write_all(content)?;
    file.commit()
}

/// The same for what is written piece by piece: nothing changes before it is committed. A file that is there stays as
/// readable as it is.
pub(crate) fn open_keeping_mode(path: &Path) -> io::Result<AtomicWriteFile> {
    open(path, true)
}

fn open(path: &Path, keeps_mode: bool) -> io::Result<AtomicWriteFile> {
    let mut options = AtomicWriteFile::options();
    #[cfg(unix)]
    {
        use atomic_write_file::unix::OpenOptionsExt as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.preserve_mode(keeps_mode).try_preserve_owner(true).mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = keeps_mode;
    // A link stays one, and the file that it leads to is replaced.
    options.open(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (file, link) = (folder.path().join("dotfiles/settings.json"), folder.path().join("settings.json"));
        std::fs::create_dir(folder.path().join("dotfiles")).expect("created");
        std::fs::write(&file, "{}").expect("written");
        symlink("dotfiles/settings.json", &link).expect("linked");
        write_json(&link, &[1]).expect("replaced");
        assert!(link.is_symlink());
        assert_eq!((std::fs::read_to_string(&file).expect("readable").as_str(), mode(&file)), ("[\n  1\n]", 0o600));
    }

    /// A folder in its place stands for a disk that fails: root may read everything.
    #[test]
    fn what_cannot_be_read_is_not_taken_for_missing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert!(read_json::<Vec<u8>>(&folder.path().join("missing.json")).expect("the default").is_empty());
        read_json::<Vec<u8>>(folder.path()).expect_err("nothing is known of it");
    }

    #[test]
    fn a_file_that_others_may_read_stays_so_where_that_is_wanted() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (shared, new) = (folder.path().join("shared.csv"), folder.path().join("new.csv"));
        std::fs::write(&shared, "").expect("written");
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o644)).expect("set");
        for (path, expected) in [(&shared, 0o644), (&new, 0o600)] {
            open_keeping_mode(path).expect("opened").commit().expect("committed");
            assert_eq!(mode(path), expected);
        }
        write_private(&shared, b"").expect("written");
        assert_eq!(mode(&shared), 0o600);
    }
}
