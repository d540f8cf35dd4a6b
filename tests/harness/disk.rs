//! Provides a file system that a test can fill up.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use crate::desktop::Desktop;
use crate::skip::skip;

/// A small file system that is mounted at the app's data folder until this value is dropped.
pub struct SmallDisk<'a> {
    desktop: &'a Desktop,
    filling: PathBuf,
}

impl<'a> SmallDisk<'a> {
    /// Mounts the file system. If this machine does not permit mounting, skips the test and returns `None`.
    ///
    /// # Errors
    /// Returns an error if the app's data folder cannot be created.
    pub fn mount(desktop: &'a Desktop) -> Result<Option<Self>> {
        std::fs::create_dir_all(desktop.data_folder())?;
        let mount = ["-t", "tmpfs", "-o", "size=6m,mode=0700", "small", &desktop.data_folder().display().to_string()];
        if let Err(error) = desktop.run("mount", &mount) {
            skip(format!("cannot mount a file system: {error}"));
            return Ok(None);
        }
        Ok(Some(Self { desktop, filling: desktop.data_folder().join("filling") }))
    }

    /// Fills the file system until no space is left.
    ///
    /// # Errors
    /// Returns an error if no file can be created on the file system.
    pub fn fill(&self) -> Result<()> {
        let mut file = std::fs::File::create(&self.filling)?;
        while file.write_all(&[1; 4096]).is_ok() {}
        Ok(())
    }

    /// Frees the space that [`Self::fill`] used.
    ///
    /// # Errors
    /// Returns an error if the file system was not filled.
    pub fn free_space(&self) -> Result<()> {
        Ok(std::fs::remove_file(&self.filling)?)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Unmount lazily: if the test has failed, the app is still running and using the file system.
        let _ = self.desktop.run("umount", &["--lazy", &self.desktop.data_folder().display().to_string()]);
    }
}
