//! The system clipboard, and taking a key off it again.
//!
//! One object for the whole run: on X11 and Wayland the content lives in the program that set it. Of a copied key only
//! its hash is kept, to tell later whether the clipboard still holds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use ulkeys_domain::{KeyHash, Secret, Timestamp};
use zeroize::Zeroizing;

/// The longest pause between two looks at the clock: a timer stands still while the computer sleeps.
const LOOK: Duration = Duration::from_secs(1);
/// The pause before it is tried again to take a key off.
const RETRY: Duration = Duration::from_secs(2);
/// After so many failures the pages say that the key is still there.
const FAILURES_TO_TELL: u32 = 2;

/// The system's clipboard. Connected at first use, so that a missing one fails only a copy, and again after a failure.
pub(crate) struct Clipboard {
    /// Held for as long as the system takes, which may be seconds when another program does not answer.
    system: Mutex<System>,
    copied: watch::Sender<Option<CopiedKey>>,
}

#[derive(Default)]
struct System(Option<arboard::Clipboard>);

/// A key that was copied, and not taken off yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CopiedKey {
    hash: KeyHash,
    /// When it will be taken off, if at all.
    pub(crate) clears_at: Option<Timestamp>,
    /// Whether that was tried in vain. It is tried again.
    pub(crate) overdue: bool,
}

impl Default for Clipboard {
    fn default() -> Self {
        Self { system: Mutex::default(), copied: watch::channel(None).0 }
    }
}

impl Clipboard {
    /// Work with the clipboard off the threads that serve the windows, as it may take seconds.
    pub(crate) async fn work(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<(), arboard::Error> + Send + 'static,
    ) -> Result<(), arboard::Error> {
        let clipboard = self.clone();
        let worked = tokio::task::spawn_blocking(move || work(&clipboard)).await;
        worked.unwrap_or_else(|error| Err(arboard::Error::Unknown { description: error.to_string() }))
    }

    /// Copies text that is no secret.
    pub(crate) fn copy_text(&self, text: &str) -> Result<(), arboard::Error> {
        let mut system = self.system();
        system.with(|system| system.set_text(text))?;
        self.copied.send_replace(None);
        Ok(())
    }

    /// Copies a text with a key in it, asking clipboard managers and cloud synchronisation to leave it alone. It is taken
    /// off again `after` that time, if at all.
    pub(crate) fn copy_secret(&self, text: &str, hash: KeyHash, after: Option<Duration>) -> Result<(), arboard::Error> {
        let mut system = self.system();
        system.with(|system| exclude_from_history(system.set()).text(text))?;
        let clears_at = after.map(|after| Timestamp::from(SystemTime::now() + after));
        self.copied.send_replace(Some(CopiedKey { hash, clears_at, overdue: false }));
        Ok(())
    }

    /// Follows what becomes of a copied key; `None` when there is nothing to take off.
    pub(crate) fn copied(&self) -> watch::Receiver<Option<CopiedKey>> {
        self.copied.subscribe()
    }

    /// Whether a key that was copied is still there, as far as this app did not take it off.
    pub(crate) fn has_key(&self) -> bool {
        self.copied.borrow().is_some()
    }

    /// Empties the clipboard if it still holds the key that was copied; anything else is somebody's and stays.
    pub(crate) fn clear_key(&self) -> Result<(), arboard::Error> {
        self.clear(|_| true)
    }

    /// The same, if the key `is_meant`. Asked once the system is at hand, as another may have been copied by then.
    fn clear(&self, is_meant: impl FnOnce(&CopiedKey) -> bool) -> Result<(), arboard::Error> {
        let mut system = self.system();
        let copied = *self.copied.borrow();
        if copied.as_ref().is_some_and(|copied| !is_meant(copied)) {
            return Ok(());
        }
        if let Some(copied) = copied {
            system.with(|system| match system.get_text().map(Zeroizing::new) {
                Ok(text) if holds(&text, copied.hash) => system.clear(),
                Ok(_) | Err(arboard::Error::ContentNotAvailable) => Ok(()),
                Err(error) => Err(error),
            })?;
            // Its connection to the display server keeps a buffer in which the key was once sent.
            system.0 = None;
        }
        self.copied.send_replace(None);
        Ok(())
    }

    /// Takes each copied key off when its time has come. Runs until the app ends.
    pub(crate) async fn keep_clear(self: &Arc<Self>) {
        self.keep_clear_by(|due| {
            let clipboard = self.clone();
            async move { clipboard.work(move |clipboard| clipboard.clear(|key| key.clears_at == Some(due))).await }
        })
        .await;
    }

    async fn keep_clear_by<F: Future<Output = Result<(), arboard::Error>>>(&self, clear: impl Fn(Timestamp) -> F) {
        let mut copied = self.copied();
        let (mut awaited, mut latest, mut failures) = (None, Instant::now(), 0);
        loop {
            let due = copied.borrow_and_update().and_then(|copied| copied.clears_at);
            let Some(due) = due else {
                match copied.changed().await {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            };
            if awaited != Some(due) {
                (awaited, latest, failures) = (Some(due), Instant::now() + until(due), 0);
            }
            // A clock that is set back does not keep a key for longer.
            let left = || until(due).min(latest.saturating_duration_since(Instant::now()));
            tokio::select! {
                _ = copied.changed() => continue,
                () = tokio::time::sleep(if failures == 0 { left().min(LOOK) } else { RETRY }) => {}
            }
            if !left().is_zero() {
                continue;
            }
            if let Err(error) = clear(due).await {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(%error, "the clipboard could not be cleared");
                }
                if failures >= FAILURES_TO_TELL {
                    self.tell_overdue(due);
                }
            }
        }
    }

    fn tell_overdue(&self, due: Timestamp) {
        self.copied.send_if_modified(|copied| match copied {
            Some(copied) if copied.clears_at == Some(due) => !std::mem::replace(&mut copied.overdue, true),
            _ => false,
        });
    }

    fn system(&self) -> MutexGuard<'_, System> {
        self.system.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl System {
    fn with(
        &mut self,
        work: impl FnOnce(&mut arboard::Clipboard) -> Result<(), arboard::Error>,
    ) -> Result<(), arboard::Error> {
        let mut system = match self.0.take() {
            Some(system) => system,
            None => arboard::Clipboard::new()?,
        };
        work(&mut system)?;
        self.0 = Some(system);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_could_not_be_taken_off_is_tried_again_and_told() {
        let clipboard = Clipboard::default();
        let secret = Secret::parse(format!("ul_{}", "0".repeat(40)).as_bytes()).expect("valid");
        let clears_at = Some(Timestamp::from(SystemTime::now()));
        let copied = CopiedKey { hash: secret.hash(), clears_at, overdue: false };
        clipboard.copied.send_replace(Some(copied));
        let tries = AtomicU32::new(0);
        let keeping = clipboard.keep_clear_by(|_| async {
            let before = *clipboard.copied.borrow();
            assert_eq!(
                before,
                Some(CopiedKey { overdue: tries.load(Ordering::Relaxed) >= FAILURES_TO_TELL, ..copied })
            );
            if tries.fetch_add(1, Ordering::Relaxed) < FAILURES_TO_TELL {
                return Err(arboard::Error::ClipboardOccupied);
            }
            clipboard.copied.send_replace(None);
            Ok(())
        });
        let mut told = clipboard.copied();
        tokio::select! {
            () = keeping => panic!("ends with the app alone"),
            gone = told.wait_for(Option::is_none) => assert!(gone.is_ok()),
        }
        assert_eq!(tries.into_inner(), FAILURES_TO_TELL + 1);
    }
}
