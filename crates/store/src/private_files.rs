//! Creates files and folders that only their owner can access.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Creates the folder of a file if it is missing, accessible only by its owner.
pub(crate) fn create_folder(path: &Path) -> std::io::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    path.parent().map_or(Ok(()), |parent| folder.recursive(true).create(parent))
}

/// Returns options for writing a file that only its owner can access.
pub(crate) fn private_file() -> OpenOptions {
    let mut file = OpenOptions::new();
    file.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file
}

/// Finds an unused file name and reserves it by creating an empty file, so that no existing file is overwritten.
pub(crate) fn reserve_name(path: &Path, suffix: &str) -> std::io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let name = match number {
            1 => sibling_path(path, suffix),
            _ => sibling_path(path, &format!("{suffix}-{number}")),
        };
        match private_file().create_new(true).open(&name) {
            Ok(_) => return Ok(name),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Returns the path of a file with `suffix` appended to its name.
pub(crate) fn sibling_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
