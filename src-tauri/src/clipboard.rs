//! The system clipboard, and taking a key off it again.
//!
//! One object for the whole run: on X11 and Wayland the content lives in the program that set it. Of a copied key only
//! its hash is kept, to tell later whether the clipboard still holds it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use ulkeys_domain::{KeyHash, Secret, Timestamp};
use zeroize::Zeroizing;

/// The system's clipboard. Connected at first use, so that a missing one fails only a copy, and again after a failure.
pub(crate) struct Clipboard {
    state: Mutex<State>,
    clears_at: watch::Sender<Option<Timestamp>>,
}

#[derive(Default)]
struct State {
    system: Option<arboard::Clipboard>,
    copied: Option<KeyHash>,
}

impl Default for Clipboard {
    fn default() -> Self {
        Self { state: Mutex::default(), clears_at: watch::channel(None).0 }
    }
}

impl Clipboard {
    /// Copies text that is no secret.
    pub(crate) fn copy_text(&self, text: &str) -> Result<(), arboard::Error> {
        let mut state = self.state();
        state.with_system(|system| system.set_text(text))?;
        state.copied = None;
        self.clears_at.send_replace(None);
        Ok(())
    }

    /// Copies a text with a key in it, asking clipboard managers and cloud synchronisation to leave it alone. It is taken
    /// off again `after` that time, if at all.
    pub(crate) fn copy_secret(&self, text: &str, key: KeyHash, after: Option<Duration>) -> Result<(), arboard::Error> {
        let mut state = self.state();
        state.with_system(|system| exclude_from_history(system.set()).text(text))?;
        state.copied = Some(key);
        self.clears_at.send_replace(after.map(|after| Timestamp::from(SystemTime::now() + after)));
        Ok(())
    }

    /// When the key that was copied will be taken off; `None` when there is nothing to take off.
    pub(crate) fn clears_at(&self) -> watch::Receiver<Option<Timestamp>> {
        self.clears_at.subscribe()
    }

    /// Whether a key that was copied is still there, as far as this app did not take it off.
    pub(crate) fn has_key(&self) -> bool {
        self.state().copied.is_some()
    }

    /// Empties the clipboard if it still holds the key that was copied; anything else is somebody's and stays.
    pub(crate) fn clear_key(&self) -> Result<(), arboard::Error> {
        let mut state = self.state();
        if let Some(copied) = state.copied {
            state.with_system(|system| match system.get_text().map(Zeroizing::new) {
                Ok(text) if holds(&text, copied) => system.clear(),
                Ok(_) | Err(arboard::Error::ContentNotAvailable) => Ok(()),
                Err(error) => Err(error),
            })?;
            // Its connection to the display server keeps a buffer in which the key was once sent.
            state.system = None;
        }
        state.copied = None;
        self.clears_at.send_replace(None);
        Ok(())
    }

    /// Takes each copied key off when its time has come. Runs until the app ends.
    pub(crate) async fn keep_clear(&self) {
        let mut clears_at = self.clears_at();
        loop {
            let due = *clears_at.borrow_and_update();
            let changed = match due {
                None => clears_at.changed().await,
                Some(due) => tokio::select! {
                    changed = clears_at.changed() => changed,
                    () = tokio::time::sleep(until(due)) => {
                        if let Err(error) = self.clear_key() {
                            tracing::warn!(%error, "the clipboard could not be cleared");
                            self.clears_at.send_replace(None);
                        }
                        Ok(())
                    }
                },
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn with_system(
        &mut self,
        work: impl FnOnce(&mut arboard::Clipboard) -> Result<(), arboard::Error>,
    ) -> Result<(), arboard::Error> {
        let mut system = match self.system.take() {
            Some(system) => system,
            None => arboard::Clipboard::new()?,
        };
        work(&mut system)?;
        self.system = Some(system);
        Ok(())
    }
}

fn holds(text: &str, key: KeyHash) -> bool {
    Secret::find(text).is_some_and(|secret| secret.hash() == key)
}

fn until(due: Timestamp) -> Duration {
    let left = due.as_millis() - Timestamp::from(SystemTime::now()).as_millis();
    Duration::from_millis(left.try_into().unwrap_or(0))
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
