//! Access to the system clipboard, and the removal of a copied key from it.
//!
//! The app uses one [`Clipboard`] for its whole lifetime: on X11 and Wayland, the program that copied text must keep
//! providing it for other programs to paste. The app stores only the hash of a copied key, to detect later whether the
//! clipboard still contains the key.

#[cfg(target_os = "linux")]
mod gtk;
mod system;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use ts_rs::TS;
use ulkeys_domain::{KeyHash, Secret, Timestamp};

use system::SystemClipboard;

/// The longest interval between two checks of the clock. Timers stop while the computer sleeps, so a single long timer
/// would expire too late.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The pause before a failed removal of a key is retried.
const RETRY_DELAY: Duration = Duration::from_secs(2);
/// The number of failed removals after which the pages report that the key is still on the clipboard.
const REPORT_AFTER_FAILURES: u32 = 2;
/// The pauses between the checks that a removed key has not returned. Parcellite and CopyQ restore a cleared clipboard
/// within half a second. Other programs restore it when they next synchronize.
const REMOVAL_CHECK_DELAYS: [Duration; 6] = [
    Duration::from_millis(700),
    Duration::from_millis(700),
    Duration::from_secs(2),
    Duration::from_secs(2),
    Duration::from_secs(2),
    Duration::from_secs(2),
];
/// The number of consecutive checks that must not find the key before the pages report the key as removed.
const CHECKS_TO_CONFIRM_REMOVAL: usize = 2;
/// The maximum number of times that one key is removed. Without a limit, the app and a program that keeps restoring the
/// key would undo each other's changes forever.
const MAX_REMOVALS: u32 = 3;
/// The pause between checks after the app has stopped removing a key that keeps returning.
const PUT_BACK_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The system clipboard and the state of the key that was copied to it.
pub(crate) struct Clipboard {
    /// This lock may be held for seconds if another program does not respond.
    system: Mutex<SystemClipboard>,
    copied: watch::Sender<Option<CopiedKey>>,
}

/// A key that was copied to the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CopiedKey {
    hash: KeyHash,
    state: CopiedKeyState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CopiedKeyState {
    /// The key is on the clipboard until `clears_at`, or until something else is copied.
    Held { clears_at: Option<Timestamp> },
    /// The key could not be removed when its removal was due. The removal is retried.
    Overdue { clears_at: Timestamp },
    /// The key has been removed `times` times, and the most recent checks (`checks` in a row) did not find it.
    Removed { times: u32, checks: usize },
    /// Another program restored the key after each of [`MAX_REMOVALS`] removals.
    PutBack,
}

/// The state of a copied key on the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ClipboardState {
    /// The clipboard contains no key that this app copied.
    Clear,
    /// The clipboard contains a key that this app copied.
    Held,
    /// The key could not be removed from the clipboard. The removal is retried.
    Overdue,
    /// The key was removed from the clipboard, but another program may still restore it.
    Checking,
    /// Another program restored the key, and it was removed from the clipboard again. That program may still have the
    /// key.
    RemovedAgain,
    /// Another program restored the key after each removal, so the app has stopped removing it automatically.
    PutBack,
}

impl CopiedKey {
    /// Returns the time at which the key will be removed, if a removal is scheduled.
    pub(crate) fn clears_at(&self) -> Option<Timestamp> {
        match self.state {
            CopiedKeyState::Held { clears_at } => clears_at,
            CopiedKeyState::Overdue { clears_at } => Some(clears_at),
            CopiedKeyState::Removed { .. } | CopiedKeyState::PutBack => None,
        }
    }

    /// Returns the key's state as the pages show it.
    pub(crate) fn clipboard_state(&self) -> ClipboardState {
        match self.state {
            CopiedKeyState::Held { .. } => ClipboardState::Held,
            CopiedKeyState::Overdue { .. } => ClipboardState::Overdue,
            CopiedKeyState::Removed { checks, .. } if checks < CHECKS_TO_CONFIRM_REMOVAL => ClipboardState::Checking,
            CopiedKeyState::Removed { times: 1, .. } => ClipboardState::Clear,
            CopiedKeyState::Removed { .. } => ClipboardState::RemovedAgain,
            CopiedKeyState::PutBack => ClipboardState::PutBack,
        }
    }
}

impl Default for Clipboard {
    fn default() -> Self {
        Self { system: Mutex::default(), copied: watch::channel(None).0 }
    }
}

impl Clipboard {
    /// Runs `work` on a blocking thread, because an operation on the clipboard may take seconds.
    pub(crate) async fn run_blocking(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<(), arboard::Error> + Send + 'static,
    ) -> Result<(), arboard::Error> {
        let clipboard = self.clone();
        let worked = tokio::task::spawn_blocking(move || work(&clipboard)).await;
        worked.unwrap_or_else(|error| Err(arboard::Error::Unknown { description: error.to_string() }))
    }

    /// Copies text that is not secret.
    pub(crate) fn copy_text(&self, text: &str) -> Result<(), arboard::Error> {
        let mut system = self.system.lock();
        system.set_text(text)?;
        self.copied.send_replace(None);
        Ok(())
    }

    /// Copies text that contains a key, and asks clipboard managers and cloud synchronization to ignore the text. The
    /// key is removed after the duration `after`, or is never removed automatically if `after` is `None`.
    pub(crate) fn copy_secret(&self, text: &str, hash: KeyHash, after: Option<Duration>) -> Result<(), arboard::Error> {
        let mut system = self.system.lock();
        system.set_secret(text)?;
        let clears_at = after.map(|after| Timestamp::from(SystemTime::now() + after));
        self.copied.send_replace(Some(CopiedKey { hash, state: CopiedKeyState::Held { clears_at } }));
        Ok(())
    }

    /// Subscribes to the state of the copied key, which is `None` if there is no key to remove.
    pub(crate) fn subscribe_copied_key(&self) -> watch::Receiver<Option<CopiedKey>> {
        self.copied.subscribe()
    }

    /// Returns whether this app assumes that the copied key can still be pasted. Returns `false` as soon as the key is
    /// due to be removed from the clipboard, unless another program keeps putting the key back.
    pub(crate) fn has_copied_key(&self) -> bool {
        self.copied.borrow().is_some_and(|key| match key.state {
            CopiedKeyState::Held { clears_at } => clears_at.is_none_or(|due| !time_until(due).is_zero()),
            CopiedKeyState::PutBack => true,
            CopiedKeyState::Overdue { .. } | CopiedKeyState::Removed { .. } => false,
        })
    }

    /// Makes the copied key due for removal immediately. [`Self::remove_due_keys`] then removes it, and retries if the
    /// system prevents the removal.
    pub(crate) fn expire_copied_key(&self) {
        let now = Timestamp::from(SystemTime::now());
        self.copied.send_if_modified(|copied| match copied {
            Some(CopiedKey { state: CopiedKeyState::Held { clears_at }, .. })
                if clears_at.is_none_or(|due| due > now) =>
            {
                *clears_at = Some(now);
                true
            }
            _ => false,
        });
    }

    /// Clears the clipboard if it still contains the copied key. Any other content is left unchanged.
    /// [`Self::remove_due_keys`] then checks for a while that the key does not return.
    pub(crate) fn remove_copied_key(&self) -> Result<(), arboard::Error> {
        self.remove_copied_key_if(|_| true)
    }

    /// Clears the clipboard as [`Self::remove_copied_key`] does, but only if `is_meant` accepts the copied key.
    /// `is_meant` is called after the clipboard has been locked, because another key may have been copied while this
    /// call waited for the lock.
    fn remove_copied_key_if(&self, is_meant: impl FnOnce(&CopiedKey) -> bool) -> Result<(), arboard::Error> {
        let mut system = self.system.lock();
        let Some(copied) = self.copied.borrow().filter(is_meant) else {
            return Ok(());
        };
        let next = match copied.state {
            CopiedKeyState::Held { .. } | CopiedKeyState::Overdue { .. } => {
                let removed = system.remove_key(copied.hash, false)?;
                system.disconnect();
                removed.then_some(CopiedKeyState::Removed { times: 1, checks: 0 })
            }
            CopiedKeyState::PutBack => system
                .remove_key(copied.hash, true)?
                .then_some(CopiedKeyState::Removed { times: MAX_REMOVALS, checks: 0 }),
            state @ CopiedKeyState::Removed { .. } => Some(state),
        };
        self.copied.send_replace(next.map(|state| CopiedKey { state, ..copied }));
        Ok(())
    }

    /// Checks whether a removed key has returned to the clipboard, and if so removes it again, up to [`MAX_REMOVALS`]
    /// times in total. Does nothing if the state is no longer `expected`.
    fn recheck_removed_key(&self, expected: CopiedKey) -> Result<(), arboard::Error> {
        let mut system = self.system.lock();
        if *self.copied.borrow() != Some(expected) {
            return Ok(());
        }
        let next = match expected.state {
            CopiedKeyState::Removed { times, checks } if times < MAX_REMOVALS => {
                match system.remove_key(expected.hash, true)? {
                    true => Some(CopiedKeyState::Removed { times: times + 1, checks: 0 }),
                    false => state_after_empty_check(times, checks + 1),
                }
            }
            CopiedKeyState::Removed { times, checks } => match system.contains_key(expected.hash)? {
                true => Some(CopiedKeyState::PutBack),
                false => state_after_empty_check(times, checks + 1),
            },
            CopiedKeyState::PutBack => system.contains_key(expected.hash)?.then_some(CopiedKeyState::PutBack),
            state => Some(state),
        };
        if next == Some(CopiedKeyState::PutBack) && expected.state != CopiedKeyState::PutBack {
            tracing::warn!("another program keeps restoring a key on the clipboard");
        }
        self.copied.send_if_modified(|copied| {
            let next = next.map(|state| CopiedKey { state, ..expected });
            std::mem::replace(copied, next) != next
        });
        Ok(())
    }

    /// Clears the clipboard as [`Self::remove_copied_key`] does, and waits until a check no longer finds the key, or
    /// until the app has to give up because another program keeps restoring it. Blocks for less than a second unless
    /// another program restores the key.
    pub(crate) fn clear_before_exit(&self) -> Result<(), arboard::Error> {
        self.remove_copied_key()?;
        loop {
            let Some(copied) = *self.copied.borrow() else {
                return Ok(());
            };
            match copied.state {
                CopiedKeyState::Removed { checks: 0, .. } => {}
                _ => return Ok(()),
            }
            std::thread::sleep(REMOVAL_CHECK_DELAYS[0]);
            self.recheck_removed_key(copied)?;
        }
    }

    /// Removes each copied key when its removal is due, and then checks that it stays removed. Runs until the app
    /// exits.
    pub(crate) async fn remove_due_keys(self: &Arc<Self>) {
        let clear = |due| {
            let clipboard = self.clone();
            async move {
                clipboard
                    .run_blocking(move |clipboard| clipboard.remove_copied_key_if(|key| key.clears_at() == Some(due)))
                    .await
            }
        };
        let check = |copied| {
            let clipboard = self.clone();
            async move { clipboard.run_blocking(move |clipboard| clipboard.recheck_removed_key(copied)).await }
        };
        self.remove_due_keys_with(clear, check).await;
    }

    async fn remove_due_keys_with<C, D>(&self, clear: impl Fn(Timestamp) -> C, check: impl Fn(CopiedKey) -> D)
    where
        C: Future<Output = Result<(), arboard::Error>>,
        D: Future<Output = Result<(), arboard::Error>>,
    {
        let mut copied = self.subscribe_copied_key();
        let mut reported = false;
        loop {
            let current = *copied.borrow_and_update();
            let pause = match current.map(|key| key.state) {
                Some(CopiedKeyState::Held { clears_at: Some(due) } | CopiedKeyState::Overdue { clears_at: due }) => {
                    self.remove_key_when_due(due, &mut copied, &clear).await;
                    continue;
                }
                Some(CopiedKeyState::Removed { checks, .. }) => REMOVAL_CHECK_DELAYS.get(checks).copied(),
                Some(CopiedKeyState::PutBack) => Some(PUT_BACK_CHECK_INTERVAL),
                Some(CopiedKeyState::Held { clears_at: None }) | None => None,
            };
            let (Some(key), Some(pause)) = (current, pause) else {
                match copied.changed().await {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            };
            tokio::select! {
                _ = copied.changed() => continue,
                () = tokio::time::sleep(pause) => {}
            }
            match check(key).await {
                Ok(()) => reported = false,
                Err(error) if !std::mem::replace(&mut reported, true) => {
                    tracing::warn!(%error, "couldn't check whether a removed key returned to the clipboard");
                }
                Err(_) => {}
            }
        }
    }

    /// Waits until `due` and then removes the copied key. Failed removals are retried. Returns when the key has been
    /// removed, or when its removal is no longer scheduled for `due`.
    async fn remove_key_when_due<F: Future<Output = Result<(), arboard::Error>>>(
        &self,
        due: Timestamp,
        copied: &mut watch::Receiver<Option<CopiedKey>>,
        clear: impl Fn(Timestamp) -> F,
    ) {
        let (latest, mut failures) = (Instant::now() + time_until(due), 0);
        while copied.borrow_and_update().and_then(|key| key.clears_at()) == Some(due) {
            // `latest` limits how long a key stays on the clipboard if the clock is set back.
            let left = || time_until(due).min(latest.saturating_duration_since(Instant::now()));
            tokio::select! {
                _ = copied.changed() => continue,
                () = tokio::time::sleep(if failures == 0 { left().min(CLOCK_CHECK_INTERVAL) } else { RETRY_DELAY }) => {}
            }
            if !left().is_zero() {
                continue;
            }
            if let Err(error) = clear(due).await {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(%error, "couldn't remove the key from the clipboard; retrying");
                }
                if failures >= REPORT_AFTER_FAILURES {
                    self.report_overdue(due);
                }
            }
        }
    }

    fn report_overdue(&self, due: Timestamp) {
        self.copied.send_if_modified(|copied| match copied {
            Some(CopiedKey { state: state @ CopiedKeyState::Held { .. }, .. })
                if *state == (CopiedKeyState::Held { clears_at: Some(due) }) =>
            {
                *state = CopiedKeyState::Overdue { clears_at: due };
                true
            }
            _ => false,
        });
    }
}

/// Returns the state after `checks` consecutive checks did not find the key, or `None` if there is nothing left to
/// check or to report.
fn state_after_empty_check(times: u32, checks: usize) -> Option<CopiedKeyState> {
    (checks < REMOVAL_CHECK_DELAYS.len() || times > 1).then_some(CopiedKeyState::Removed { times, checks })
}

fn contains_key(text: &str, key: KeyHash) -> bool {
    Secret::find_in_text(text).is_some_and(|secret| secret.hash() == key)
}

fn time_until(due: Timestamp) -> Duration {
    let left = due.as_millis() - Timestamp::from(SystemTime::now()).as_millis();
    Duration::from_millis(left.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn sample_hash() -> KeyHash {
        Secret::parse(format!("ul_{}", "0".repeat(40)).as_bytes()).expect("valid").hash()
    }

    #[tokio::test]
    async fn failed_removal_is_retried_and_reported() {
        let clipboard = Clipboard::default();
        let due = Timestamp::from(SystemTime::now());
        clipboard.copied.send_replace(Some(CopiedKey {
            hash: sample_hash(),
            state: CopiedKeyState::Held { clears_at: Some(due) },
        }));
        let tries = AtomicU32::new(0);
        let clear = |_| async {
            let expected = match tries.load(Ordering::Relaxed) >= REPORT_AFTER_FAILURES {
                true => CopiedKeyState::Overdue { clears_at: due },
                false => CopiedKeyState::Held { clears_at: Some(due) },
            };
            assert_eq!(clipboard.copied.borrow().map(|key| key.state), Some(expected));
            if tries.fetch_add(1, Ordering::Relaxed) < REPORT_AFTER_FAILURES {
                return Err(arboard::Error::ClipboardOccupied);
            }
            clipboard.copied.send_replace(None);
            Ok(())
        };
        let keeping = clipboard.remove_due_keys_with(clear, |_| async { Ok(()) });
        let mut told = clipboard.subscribe_copied_key();
        tokio::select! {
            () = keeping => panic!("the removal task must run until the app exits"),
            gone = told.wait_for(Option::is_none) => assert!(gone.is_ok()),
        }
        assert_eq!(tries.into_inner(), REPORT_AFTER_FAILURES + 1);
    }

    #[test]
    fn clipboard_state_after_removal_is_clear_only_after_confirmation() {
        let shown = |times, checks| {
            CopiedKey { hash: sample_hash(), state: CopiedKeyState::Removed { times, checks } }.clipboard_state()
        };
        assert_eq!(shown(1, 0), ClipboardState::Checking);
        assert_eq!(shown(2, CHECKS_TO_CONFIRM_REMOVAL - 1), ClipboardState::Checking);
        assert_eq!(shown(1, CHECKS_TO_CONFIRM_REMOVAL), ClipboardState::Clear);
        assert_eq!(shown(2, CHECKS_TO_CONFIRM_REMOVAL), ClipboardState::RemovedAgain);
        assert_eq!(state_after_empty_check(1, REMOVAL_CHECK_DELAYS.len()), None, "nothing is left to report");
        assert!(
            state_after_empty_check(2, REMOVAL_CHECK_DELAYS.len()).is_some(),
            "the other program may still have the key"
        );
    }

    #[test]
    fn expired_key_is_due_and_no_longer_counted_as_copied() {
        let clipboard = Clipboard::default();
        let later = Timestamp::from(SystemTime::now() + Duration::from_mins(1));
        for clears_at in [None, Some(later)] {
            clipboard
                .copied
                .send_replace(Some(CopiedKey { hash: sample_hash(), state: CopiedKeyState::Held { clears_at } }));
            assert!(clipboard.has_copied_key());
            clipboard.expire_copied_key();
            assert!(!clipboard.has_copied_key());
            let due = clipboard.copied.borrow().and_then(|key| key.clears_at()).expect("due");
            assert!(time_until(due).is_zero());
            clipboard.expire_copied_key();
            assert_eq!(clipboard.copied.borrow().and_then(|key| key.clears_at()), Some(due), "unchanged");
        }
    }

    #[test]
    fn has_copied_key_after_removal_is_false_and_after_put_back_is_true() {
        let clipboard = Clipboard::default();
        for (state, has_key) in [
            (CopiedKeyState::Held { clears_at: None }, true),
            (CopiedKeyState::Overdue { clears_at: Timestamp::from(SystemTime::now()) }, false),
            (CopiedKeyState::Removed { times: 1, checks: 0 }, false),
            (CopiedKeyState::PutBack, true),
        ] {
            clipboard.copied.send_replace(Some(CopiedKey { hash: sample_hash(), state }));
            assert_eq!(clipboard.has_copied_key(), has_key, "{state:?}");
        }
    }
}
