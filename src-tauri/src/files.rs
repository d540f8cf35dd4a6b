//! Small JSON files, replaced as a whole so that a crash leaves the old or the new one.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads a file. A missing one means the default; an unreadable one too, and is put aside rather than overwritten.
pub(crate) fn read_json<T: DeserializeOwned + Default>(path: &Path) -> T {
    let Ok(bytes) = std::fs::read(path) else {
        return T::default();
    };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        let aside = aside(path);
        tracing::warn!(%error, aside = %aside.display(), "a file cannot be read and is put aside");
        if let Err(error) = std::fs::rename(path, &aside) {
            tracing::warn!(%error, "the unreadable file cannot be put aside");
        }
        T::default()
    })
}

/// Reads the fields of an object; none where there is no file.
///
/// # Errors
/// When it cannot be read; with [`ErrorKind::InvalidData`] when it holds anything else. The error repeats nothing of it.
pub(crate) fn read_fields(path: &Path) -> io::Result<Map<String, Value>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Map::new()),
        read => read?,
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(io::Error::new(ErrorKind::InvalidData, "it is not an object")),
        Err(error) => Err(io::Error::new(ErrorKind::InvalidData, error)),
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
    let mut file = open_private(path)?;
    file.write_all(content)?;
    file.commit()
}

/// The same for what is written piece by piece: nothing changes before it is committed.
pub(crate) fn open_private(path: &Path) -> io::Result<AtomicWriteFile> {
    let mut options = AtomicWriteFile::options();
    #[cfg(unix)]
    {
        use atomic_write_file::unix::OpenOptionsExt as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.preserve_mode(false).try_preserve_owner(true).mode(0o600);
    }
    options.open(path)
}
