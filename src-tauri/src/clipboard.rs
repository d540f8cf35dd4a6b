//! The system clipboard.
//!
//! One object for the whole run: on X11 and Wayland the content lives in the program that set it.

use std::sync::{Mutex, PoisonError};

use ulkeys_domain::Secret;

/// Connected at first use, so that a missing clipboard fails only a copy, and again after a failure.
#[derive(Default)]
pub(crate) struct Clipboard(Mutex<Option<arboard::Clipboard>>);

impl Clipboard {
    /// Copies text that is no secret.
    pub(crate) fn copy_text(&self, text: &str) -> Result<(), arboard::Error> {
        self.with(|clipboard| clipboard.set_text(text))
    }

    /// Copies a key, asking clipboard managers and cloud synchronisation to leave it alone.
    pub(crate) fn copy_secret(&self, secret: &Secret) -> Result<(), arboard::Error> {
        self.with(|clipboard| exclude_from_history(clipboard.set()).text(secret.expose()))
    }

    fn with(
        &self,
        work: impl FnOnce(&mut arboard::Clipboard) -> Result<(), arboard::Error>,
    ) -> Result<(), arboard::Error> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut clipboard = match slot.take() {
            Some(clipboard) => clipboard,
            None => arboard::Clipboard::new()?,
        };
        work(&mut clipboard)?;
        *slot = Some(clipboard);
        Ok(())
    }
}

#[cfg(target_os = "windows")]
fn exclude_from_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtWindows as _;
    set.exclude_from_cloud().exclude_from_history().exclude_from_monitoring()
}

#[cfg(target_os = "macos")]
fn exclude_from_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtApple as _;
    set.exclude_from_history()
}

#[cfg(all(unix, not(target_os = "macos")))]
fn exclude_from_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtLinux as _;
    set.exclude_from_history()
}
