//! The plaintext of the key that was just made, for as long as its window is open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;
use ts_rs::TS;
use ulkeys_domain::wire::ApiKey;
use ulkeys_domain::{KeyId, Secret};

use crate::env_file::EnvFilePlan;

/// At most one plaintext.
#[derive(Default)]
pub(crate) struct OneTime {
    slot: Mutex<Slot>,
    told: watch::Sender<OneTimeState>,
    /// Counts how often its window was asked to close.
    close_requests: watch::Sender<u64>,
    /// Counts how often its window was found to be hidden.
    hidden: watch::Sender<u64>,
    unanswered: AtomicBool,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    /// A key is being made.
    Reserved,
    Held(Held),
    /// Wiped; the window is still closing.
    Closing {
        lost: Option<LostKey>,
    },
}

struct Held {
    key: ApiKey,
    secret: Secret,
    revealed: bool,
    /// Whether it was copied. That counts for as long as it is on the clipboard.
    copied: bool,
    /// Whether it was saved.
    saved: bool,
    env_file: Option<EnvFilePlan>,
}

impl Held {
    fn is_kept(&self, on_clipboard: bool) -> bool {
        self.saved || self.copied && on_clipboard
    }
}

/// What the list's page knows of the other window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneTimeState {
    /// The key that is being shown.
    showing: Option<ApiKey>,
    /// The last key that was taken from sight while it was neither saved nor on the clipboard.
    lost: Option<LostKey>,
}

/// A key whose plaintext nobody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LostKey {
    key: ApiKey,
    cause: Loss,
    /// Whether it was copied before, so that it may be in its place.
    was_copied: bool,
}

/// Why a plaintext was erased without being asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Loss {
    /// The screen was locked.
    Locked,
    /// Its page was reloaded or ended by itself.
    Interrupted,
}

/// The right to show the next key.
pub(crate) struct Reservation<'a>(&'a OneTime);

impl Reservation<'_> {
    /// Holds the plaintext of the key that was made.
    pub(crate) fn hold(self, key: ApiKey, secret: Secret) {
        self.0.told.send_modify(|state| state.showing = Some(key.clone()));
        *self.0.slot() = Slot::Held(Held { key, secret, revealed: false, copied: false, saved: false, env_file: None });
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut slot = self.0.slot();
        if matches!(*slot, Slot::Reserved) {
            *slot = Slot::Empty;
        }
    }
}

impl OneTime {
    /// To be taken before a key is made. `None` while another one is shown or made.
    pub(crate) fn reserve(&self) -> Option<Reservation<'_>> {
        let mut slot = self.slot();
        if !matches!(*slot, Slot::Empty) {
            return None;
        }
        *slot = Slot::Reserved;
        Some(Reservation(self))
    }

    /// Lends the plaintext for showing it. `None` from the second time on.
    pub(crate) fn reveal<T, E>(&self, show: impl FnOnce(&ApiKey, &Secret) -> Result<T, E>) -> Option<Result<T, E>> {
        let mut slot = self.slot();
        let Slot::Held(held) = &mut *slot else {
            return None;
        };
        if held.revealed {
            return None;
        }
        let shown = show(&held.key, &held.secret);
        held.revealed = shown.is_ok();
        Some(shown)
    }

    /// The key that is held. What is then done for it names it, because it may have gone, and another be held, by then.
    pub(crate) fn key_id(&self) -> Option<KeyId> {
        match &*self.slot() {
            Slot::Held(held) => Some(held.key.key_id),
            _ => None,
        }
    }

    /// A copy of this key's plaintext, for putting it elsewhere. Not lent: that may take a while, and the window can be
    /// closed meanwhile.
    pub(crate) fn copy(&self, id: &KeyId) -> Option<(ApiKey, Secret)> {
        self.with(id, |held| Some((held.key.clone(), Secret::parse(held.secret.expose().as_bytes()).ok()?))).flatten()
    }

    /// Remembers that this key was copied.
    pub(crate) fn mark_copied(&self, id: &KeyId) {
        self.with(id, |held| held.copied = true);
    }

    /// Remembers that this key was saved.
    pub(crate) fn mark_saved(&self, id: &KeyId) {
        self.with(id, |held| held.saved = true);
    }

    /// Whether a key is being shown.
    pub(crate) fn is_showing(&self) -> bool {
        matches!(*self.slot(), Slot::Held(_))
    }

    /// Whether the key was saved, or copied and is still `on_clipboard`: closing its window loses nothing.
    pub(crate) fn is_kept(&self, on_clipboard: bool) -> bool {
        matches!(&*self.slot(), Slot::Held(held) if held.is_kept(on_clipboard))
    }

    /// Remembers the file that a person has chosen for this key, and what will be done to it.
    pub(crate) fn choose_env_file(&self, id: &KeyId, plan: EnvFilePlan) {
        self.with(id, |held| held.env_file = Some(plan));
    }

    /// The file that a person has chosen for this key.
    pub(crate) fn env_file(&self, id: &KeyId) -> Option<EnvFilePlan> {
        self.with(id, |held| held.env_file.clone()).flatten()
    }

    /// Wipes the plaintext. With a cause, it will be told that nobody has it, unless it was saved, or copied and still
    /// `on_clipboard`.
    pub(crate) fn wipe(&self, cause: Option<Loss>, on_clipboard: bool) {
        let mut slot = self.slot();
        if let Slot::Held(held) = &*slot {
            let lost = cause.filter(|_| !held.is_kept(on_clipboard));
            let lost = lost.map(|cause| LostKey { key: held.key.clone(), cause, was_copied: held.copied });
            *slot = Slot::Closing { lost };
        }
    }

    /// The window has gone: the next key may be made.
    pub(crate) fn closed(&self) {
        self.wipe(None, false);
        let mut slot = self.slot();
        if let Slot::Closing { lost } = &mut *slot {
            let lost = lost.take();
            *slot = Slot::Empty;
            self.told.send_modify(|state| {
                state.showing = None;
                state.lost = lost.or(state.lost.take());
            });
        }
    }

    /// What the list's page is told.
    pub(crate) fn state(&self) -> watch::Receiver<OneTimeState> {
        self.told.subscribe()
    }

    /// Asks the key's page to close. False when no page listens.
    pub(crate) fn ask_to_close(&self) -> bool {
        self.unanswered.store(true, Ordering::Relaxed);
        self.close_requests.send_modify(|count| *count += 1);
        self.close_requests.receiver_count() > 0
    }

    /// The page has heard that it is asked to close.
    pub(crate) fn answered(&self) {
        self.unanswered.store(false, Ordering::Relaxed);
    }

    /// Whether the page was asked to close and has not heard it.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Tells whenever the page is asked to close, from now on.
    pub(crate) fn close_requests(&self) -> watch::Receiver<u64> {
        self.close_requests.subscribe()
    }

    /// Tells the page that its window was hidden.
    pub(crate) fn report_hidden(&self) {
        self.hidden.send_modify(|count| *count += 1);
    }

    /// Changes whenever the window was found to be hidden, from now on.
    pub(crate) fn hidden_reports(&self) -> watch::Receiver<u64> {
        self.hidden.subscribe()
    }

    /// The key that was lost last, if none was created since.
    pub(crate) fn lost_key(&self) -> Option<ApiKey> {
        self.told.borrow().lost.as_ref().map(|lost| lost.key.clone())
    }

    /// The lost key was replaced.
    pub(crate) fn forget_lost(&self) {
        self.told.send_modify(|state| state.lost = None);
    }

    /// `None` when this key is no longer held.
    fn with<T>(&self, id: &KeyId, work: impl FnOnce(&mut Held) -> T) -> Option<T> {
        match &mut *self.slot() {
            Slot::Held(held) if held.key.key_id == *id => Some(work(held)),
            _ => None,
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn key() -> ApiKey {
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

    fn holding() -> OneTime {
        let one_time = OneTime::default();
        let secret = Secret::parse(format!("ul_{}", "0".repeat(40)).as_bytes()).expect("valid");
        one_time.reserve().expect("nothing is shown").hold(key(), secret);
        one_time
    }

    #[test]
    fn is_revealed_once_and_kept_until_forgotten() {
        let one_time = holding();
        assert!(one_time.reveal(|_, _| Err::<(), _>("a wrong public key")).expect("held").is_err());
        assert!(one_time.reveal(|_, _| Ok::<_, Infallible>(())).is_some());
        assert!(one_time.reveal(|_, _| Ok::<_, Infallible>(())).is_none(), "a second time");
        let id = one_time.key_id().expect("held");
        assert!(one_time.copy(&id).is_some() && one_time.copy(&id).is_some());
        one_time.wipe(None, false);
        assert!(one_time.copy(&id).is_none() && one_time.key_id().is_none());
        one_time.closed();
        assert_eq!(*one_time.state().borrow(), OneTimeState::default());
    }

    #[test]
    fn what_is_done_for_one_key_is_not_done_to_the_next() {
        let one_time = holding();
        let id = one_time.key_id().expect("held");
        let other = KeyId::parse("key_ffffffffffffffffffffffff").expect("valid");
        assert!(one_time.copy(&id).is_some_and(|(key, _)| key.key_id == id) && one_time.copy(&other).is_none());
        one_time.mark_copied(&other);
        one_time.mark_saved(&other);
        let plan = EnvFilePlan {
            path: ".env".into(),
            replaces: Vec::new(),
            git_risk: None,
            access_loss: None,
            is_shared: false,
        };
        one_time.choose_env_file(&other, plan);
        assert!(one_time.env_file(&id).is_none() && one_time.env_file(&other).is_none());
        one_time.wipe(Some(Loss::Locked), true);
        one_time.closed();
        assert!(one_time.state().borrow().lost.is_some(), "neither copied nor saved");
    }

    #[test]
    fn one_key_at_a_time() {
        let one_time = holding();
        assert!(one_time.reserve().is_none(), "one is shown");
        one_time.wipe(None, false);
        assert!(one_time.reserve().is_none(), "its window is closing");
        one_time.closed();
        let reservation = one_time.reserve().expect("free again");
        assert!(one_time.reserve().is_none(), "one is being made");
        drop(reservation);
        assert!(one_time.reserve().is_some(), "it could not be made");
    }

    #[test]
    fn tells_of_a_key_that_nobody_has() {
        let one_time = holding();
        one_time.wipe(Some(Loss::Locked), true);
        one_time.closed();
        let lost = one_time.state().borrow().lost.clone().expect("told");
        assert_eq!(lost, LostKey { key: key(), cause: Loss::Locked, was_copied: false });

        for (copied, saved, on_clipboard, is_lost) in
            [(true, false, true, false), (true, false, false, true), (false, true, false, false)]
        {
            let one_time = holding();
            if copied {
                one_time.mark_copied(&key().key_id);
            }
            if saved {
                one_time.mark_saved(&key().key_id);
            }
            assert_eq!(one_time.is_kept(on_clipboard), !is_lost, "{copied} {saved} {on_clipboard}");
            one_time.wipe(Some(Loss::Locked), on_clipboard);
            one_time.closed();
            let lost = one_time.state().borrow().lost.as_ref().map(|lost| lost.was_copied);
            assert_eq!(lost, is_lost.then_some(copied), "{copied} {saved} {on_clipboard}");
        }
    }
}
