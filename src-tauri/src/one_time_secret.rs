//! Stores the plaintext of a new key while its one-time window is open.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use ts_rs::TS;
use ulkeys_api::ApiKey;
use ulkeys_domain::{KeyId, Secret};
use ulkeys_local::env_file::EnvFilePlan;

/// Stores the plaintext of at most one key.
#[derive(Default)]
pub(crate) struct OneTimeSecret {
    state: Mutex<SecretState>,
    published: watch::Sender<OneTimeState>,
    /// The number of requests to close the one-time window so far. The window's page is notified when the number
    /// changes.
    close_requests: watch::Sender<u64>,
    /// The number of times the one-time window has been minimized and restored so far. The window's page is notified
    /// when the number changes.
    hidden_reports: watch::Sender<u64>,
    close_unanswered: AtomicBool,
}

#[derive(Default)]
enum SecretState {
    #[default]
    Empty,
    /// A key is being created.
    Reserved,
    Shown(ShownSecret),
    /// The plaintext is wiped, but the one-time window is still closing.
    Closing {
        lost: Option<UnsavedKey>,
    },
}

struct ShownSecret {
    key: ApiKey,
    secret: Secret,
    revealed: bool,
    /// Whether the user copied the key. A copied key counts as safe only while it is still on the clipboard.
    copied: bool,
    /// Whether the key was saved in the keychain or in a file.
    saved: bool,
    env_file: Option<EnvFilePlan>,
}

impl ShownSecret {
    fn is_kept_elsewhere(&self, on_clipboard: bool) -> bool {
        self.saved || self.copied && on_clipboard
    }
}

/// The state of the one-time window, for the page of the list window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneTimeState {
    /// The key that the one-time window currently shows.
    showing: Option<ApiKey>,
    /// The most recently lost key. A key is lost if its window is closed without a request by the user while the key is
    /// neither saved nor still on the clipboard.
    lost: Option<UnsavedKey>,
}

/// A key whose plaintext was lost before it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnsavedKey {
    key: ApiKey,
    cause: CloseReason,
    /// Whether the key was copied earlier, so the user may already have pasted it somewhere.
    was_copied: bool,
}

/// Why the one-time window was closed without a request by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CloseReason {
    /// The screen was locked, or the computer went to sleep.
    Locked,
    /// The page of the one-time window was reloaded, did not respond or could not show the key, or its process ended.
    Interrupted,
}

/// A reservation of the one-time window for the next key. Dropping an unused reservation cancels it.
pub(crate) struct Reservation<'a>(&'a OneTimeSecret);

impl Reservation<'_> {
    /// Stores the plaintext of the new key.
    pub(crate) fn fill(self, key: ApiKey, secret: Secret) {
        self.0.published.send_modify(|state| state.showing = Some(key.clone()));
        *self.0.state.lock() = SecretState::Shown(ShownSecret {
            key,
            secret,
            revealed: false,
            copied: false,
            saved: false,
            env_file: None,
        });
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut slot = self.0.state.lock();
        if matches!(*slot, SecretState::Reserved) {
            *slot = SecretState::Empty;
        }
    }
}

impl OneTimeSecret {
    /// Reserves the one-time window before a key is created. Returns `None` while another key is being created or
    /// shown, or while its window is still closing.
    pub(crate) fn reserve(&self) -> Option<Reservation<'_>> {
        let mut slot = self.state.lock();
        if !matches!(*slot, SecretState::Empty) {
            return None;
        }
        *slot = SecretState::Reserved;
        Some(Reservation(self))
    }

    /// Calls `show` with the plaintext, which can be shown only once. Returns `None` if no key is stored, or if `show`
    /// has already succeeded once.
    pub(crate) fn reveal<T, E>(&self, show: impl FnOnce(&ApiKey, &Secret) -> Result<T, E>) -> Option<Result<T, E>> {
        let mut slot = self.state.lock();
        let SecretState::Shown(held) = &mut *slot else {
            return None;
        };
        if held.revealed {
            return None;
        }
        let shown = show(&held.key, &held.secret);
        held.revealed = shown.is_ok();
        Some(shown)
    }

    /// Returns the ID of the stored key. Later calls must pass this ID, because the window can close and another key
    /// can be stored in between.
    pub(crate) fn key_id(&self) -> Option<KeyId> {
        match &*self.state.lock() {
            SecretState::Shown(held) => Some(held.key.key_id),
            _ => None,
        }
    }

    /// Returns a copy of the plaintext of a key, so that the key can be saved elsewhere. A copy is needed because
    /// saving can take a while, and the window can close before it finishes.
    pub(crate) fn clone_secret(&self, id: &KeyId) -> Option<(ApiKey, Secret)> {
        self.with_shown(id, |held| Some((held.key.clone(), Secret::parse(held.secret.expose().as_bytes()).ok()?)))
            .flatten()
    }

    /// Records that the key was copied.
    pub(crate) fn mark_copied(&self, id: &KeyId) {
        self.with_shown(id, |held| held.copied = true);
    }

    /// Records that the key was saved.
    pub(crate) fn mark_saved(&self, id: &KeyId) {
        self.with_shown(id, |held| held.saved = true);
    }

    /// Returns whether the plaintext of a key is stored.
    pub(crate) fn is_showing(&self) -> bool {
        matches!(*self.state.lock(), SecretState::Shown(_))
    }

    /// Returns whether the key was saved, or was copied and is still on the clipboard. If so, closing the one-time
    /// window does not lose the key.
    pub(crate) fn is_kept_elsewhere(&self, on_clipboard: bool) -> bool {
        matches!(&*self.state.lock(), SecretState::Shown(held) if held.is_kept_elsewhere(on_clipboard))
    }

    /// Stores the plan for writing the key into the file that the user chose.
    pub(crate) fn set_env_file_plan(&self, id: &KeyId, plan: EnvFilePlan) {
        self.with_shown(id, |held| held.env_file = Some(plan));
    }

    /// Returns the plan for writing the key into the file that the user chose.
    pub(crate) fn env_file_plan(&self, id: &KeyId) -> Option<EnvFilePlan> {
        self.with_shown(id, |held| held.env_file.clone()).flatten()
    }

    /// Wipes the plaintext. If `cause` is set and the key is neither saved nor still on the clipboard, the key is
    /// reported as lost once the one-time window has closed.
    pub(crate) fn wipe(&self, cause: Option<CloseReason>, on_clipboard: bool) {
        let mut slot = self.state.lock();
        if let SecretState::Shown(held) = &*slot {
            let lost = cause.filter(|_| !held.is_kept_elsewhere(on_clipboard));
            let lost = lost.map(|cause| UnsavedKey { key: held.key.clone(), cause, was_copied: held.copied });
            *slot = SecretState::Closing { lost };
        }
    }

    /// Records that the one-time window has closed, so that the next key can be created. Publishes the new state.
    pub(crate) fn window_closed(&self) {
        self.wipe(None, false);
        let mut slot = self.state.lock();
        if let SecretState::Closing { lost } = &mut *slot {
            let lost = lost.take();
            *slot = SecretState::Empty;
            self.published.send_modify(|state| {
                state.showing = None;
                state.lost = lost.or(state.lost.take());
            });
        }
    }

    /// Subscribes to the state that the page of the list window shows.
    pub(crate) fn subscribe_state(&self) -> watch::Receiver<OneTimeState> {
        self.published.subscribe()
    }

    /// Sends the one-time window's page a request to close the window. Returns false if no page has subscribed to such
    /// requests.
    pub(crate) fn request_close(&self) -> bool {
        self.close_unanswered.store(true, Ordering::Relaxed);
        self.close_requests.send_modify(|count| *count += 1);
        self.close_requests.receiver_count() > 0
    }

    /// Records that the page has received the request to close.
    pub(crate) fn acknowledge_close_request(&self) {
        self.close_unanswered.store(false, Ordering::Relaxed);
    }

    /// Returns whether a request to close the window is still waiting for the page's acknowledgment.
    pub(crate) fn is_close_request_unanswered(&self) -> bool {
        self.close_unanswered.load(Ordering::Relaxed)
    }

    /// Subscribes to requests to close the one-time window. Earlier requests are not reported.
    pub(crate) fn subscribe_close_requests(&self) -> watch::Receiver<u64> {
        self.close_requests.subscribe()
    }

    /// Tells the page in the one-time window that its window was minimized.
    pub(crate) fn report_hidden(&self) {
        self.hidden_reports.send_modify(|count| *count += 1);
    }

    /// Subscribes to reports that the one-time window was minimized. Earlier reports are not repeated.
    pub(crate) fn subscribe_hidden_reports(&self) -> watch::Receiver<u64> {
        self.hidden_reports.subscribe()
    }

    /// Returns the last key that was lost, unless it has been replaced since then.
    pub(crate) fn unsaved_key(&self) -> Option<ApiKey> {
        self.published.borrow().lost.as_ref().map(|lost| lost.key.clone())
    }

    /// Removes the lost key from the published state, after it was replaced.
    pub(crate) fn clear_unsaved_key(&self) {
        self.published.send_modify(|state| state.lost = None);
    }

    /// Calls `work` with the key that has this ID. Returns `None` if the key is no longer stored.
    fn with_shown<T>(&self, id: &KeyId, work: impl FnOnce(&mut ShownSecret) -> T) -> Option<T> {
        match &mut *self.state.lock() {
            SecretState::Shown(held) if held.key.key_id == *id => Some(work(held)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn sample_key() -> ApiKey {
        ApiKey {
            key_id: ulkeys_domain::KeyId::parse("key_0123456789abcdef01234567").expect("valid"),
            name: "training-server".into(),
            key_prefix: "ul_00000000".into(),
            scopes: ulkeys_domain::Scopes::parse(["read"]).expect("valid"),
            created_at: "2026-11-22T09:30:00Z".parse().expect("valid"),
            last_used_at: None,
            admin_used_at: None,
            revoked_at: None,
            replaces: None,
            replaced_by: None,
            attention: Vec::new(),
        }
    }

    fn shown_secret() -> OneTimeSecret {
        let one_time = OneTimeSecret::default();
        let secret = Secret::parse(format!("ul_{}", "0".repeat(40)).as_bytes()).expect("valid");
        one_time.reserve().expect("nothing is shown").fill(sample_key(), secret);
        one_time
    }

    #[test]
    fn secret_is_revealed_once_and_held_until_wiped() {
        let one_time = shown_secret();
        assert!(one_time.reveal(|_, _| Err::<(), _>("a wrong public key")).expect("held").is_err());
        assert!(one_time.reveal(|_, _| Ok::<_, Infallible>(())).is_some());
        assert!(one_time.reveal(|_, _| Ok::<_, Infallible>(())).is_none(), "a second time");
        let id = one_time.key_id().expect("held");
        assert!(one_time.clone_secret(&id).is_some() && one_time.clone_secret(&id).is_some());
        one_time.wipe(None, false);
        assert!(one_time.clone_secret(&id).is_none() && one_time.key_id().is_none());
        one_time.window_closed();
        assert_eq!(*one_time.subscribe_state().borrow(), OneTimeState::default());
    }

    #[test]
    fn action_for_former_key_does_not_affect_current_key() {
        let one_time = shown_secret();
        let id = one_time.key_id().expect("held");
        let other = KeyId::parse("key_ffffffffffffffffffffffff").expect("valid");
        assert!(
            one_time.clone_secret(&id).is_some_and(|(key, _)| key.key_id == id)
                && one_time.clone_secret(&other).is_none()
        );
        one_time.mark_copied(&other);
        one_time.mark_saved(&other);
        let plan = EnvFilePlan {
            path: ".env".into(),
            replaces: Vec::new(),
            git_risk: None,
            access_loss: None,
            is_shared: false,
        };
        one_time.set_env_file_plan(&other, plan);
        assert!(one_time.env_file_plan(&id).is_none() && one_time.env_file_plan(&other).is_none());
        one_time.wipe(Some(CloseReason::Locked), true);
        one_time.window_closed();
        assert!(one_time.subscribe_state().borrow().lost.is_some(), "neither copied nor saved");
    }

    #[test]
    fn reserve_while_key_is_shown_is_rejected() {
        let one_time = shown_secret();
        assert!(one_time.reserve().is_none(), "a key is shown");
        one_time.wipe(None, false);
        assert!(one_time.reserve().is_none(), "its window is closing");
        one_time.window_closed();
        let reservation = one_time.reserve().expect("free again");
        assert!(one_time.reserve().is_none(), "a key is being created");
        drop(reservation);
        assert!(one_time.reserve().is_some(), "the key could not be created");
    }

    #[test]
    fn wipe_of_unsaved_key_reports_it_as_lost() {
        let one_time = shown_secret();
        one_time.wipe(Some(CloseReason::Locked), true);
        one_time.window_closed();
        let lost = one_time.subscribe_state().borrow().lost.clone().expect("reported as lost");
        assert_eq!(lost, UnsavedKey { key: sample_key(), cause: CloseReason::Locked, was_copied: false });

        for (copied, saved, on_clipboard, is_lost) in
            [(true, false, true, false), (true, false, false, true), (false, true, false, false)]
        {
            let one_time = shown_secret();
            if copied {
                one_time.mark_copied(&sample_key().key_id);
            }
            if saved {
                one_time.mark_saved(&sample_key().key_id);
            }
            assert_eq!(one_time.is_kept_elsewhere(on_clipboard), !is_lost, "{copied} {saved} {on_clipboard}");
            one_time.wipe(Some(CloseReason::Locked), on_clipboard);
            one_time.window_closed();
            let lost = one_time.subscribe_state().borrow().lost.as_ref().map(|lost| lost.was_copied);
            assert_eq!(lost, is_lost.then_some(copied), "{copied} {saved} {on_clipboard}");
        }
    }
}
