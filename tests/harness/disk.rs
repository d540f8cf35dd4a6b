//! A file system that is full when a test wants it to be.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use crate::desktop::Desktop;
use crate::skip::skip;

/// A small file system in the place of the app's folder, until this is dropped.
pub struct SmallDisk<'a> {
    desktop: &'a Desktop,
    filling: PathBuf,
}

impl<'a> SmallDisk<'a> {
    /// Mounts it. Where nothing can be mounted, the test is skipped: `None`.
    ///
    /// # Errors
    /// When the app's folder cannot be made.
    pub fn mount(desktop: &'a Desktop) -> Result<Option<Self>> {
        std::fs::create_dir_all(desktop.data_folder())?;
        let mount = ["-t", "tmpfs", "-o", "size=6m,mode=0700", "small", &desktop.data_folder().display().to_string()];
        if let Err(error) = desktop.run("mount", &mount) {
            skip(format!("no file system can be mounted: {error}"));
            return Ok(None);
        }
        Ok(Some(Self { desktop, filling: desktop.data_folder().join("filling") }))
    }

    /// Uses up all its space.
    ///
    /// # Errors
    /// When no file can be made on it.
    pub fn fill(&self) -> Result<()> {
        let mut file = std::fs::File::create(&self.filling)?;
        while file.write_all(&[1; 4096]).is_ok() {}
        Ok(())
    }

    /// Gives back what [`Self::fill`] uses.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn free_space(&self) -> Result<()> {
        Ok(std::fs::remove_file(&self.filling)?)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: where a test failed, the app still runs.
        let _ = self.desktop.run("umount", &["--lazy", &self.desktop.data_folder().display().to_string()]);
    }
}
