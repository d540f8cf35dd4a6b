//! The plaintext of the key that was just made, for as long as its dialog is open.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ulkeys_domain::{KeyId, Secret};

/// At most one plaintext. It is wiped when it is forgotten or replaced.
#[derive(Default)]
pub(crate) struct HeldSecret(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    held: Option<(KeyId, Secret)>,
    /// How often a plaintext was forgotten.
    forgotten: u64,
}

/// The right to hold a plaintext that was asked for before anything else was forgotten.
pub(crate) struct Ticket(u64);

impl HeldSecret {
    /// To be taken before a plaintext is asked for.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.slot().forgotten)
    }

    /// Holds this plaintext instead of any other, unless the page that asked for it has gone meanwhile.
    pub(crate) fn hold(&self, ticket: Ticket, id: KeyId, secret: Secret) {
        let mut slot = self.slot();
        if slot.forgotten == ticket.0 {
            slot.held = Some((id, secret));
        }
    }

    /// Wipes the plaintext, and any that is still on its way.
    pub(crate) fn forget(&self) {
        let mut slot = self.slot();
        slot.held = None;
        slot.forgotten += 1;
    }

    /// Lends the plaintext of this key, if it is the one that is held.
    pub(crate) fn lend<T>(&self, id: &KeyId, borrow: impl FnOnce(&Secret) -> T) -> Option<T> {
        self.slot().held.as_ref().filter(|(held, _)| held == id).map(|(_, secret)| borrow(secret))
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_only_the_held_key_and_forgets() {
        let id = |digit: &str| KeyId::parse(&format!("key_{}", digit.repeat(24))).expect("valid");
        let secret = || Secret::parse(format!("ul_{}", "0".repeat(40)).as_bytes()).expect("valid");
        let held = HeldSecret::default();
        held.hold(held.ticket(), id("1"), secret());
        assert_eq!(held.lend(&id("1"), |secret| secret.expose().len()), Some(43));
        assert_eq!(held.lend(&id("2"), |_| ()), None);
        held.hold(held.ticket(), id("2"), secret());
        assert_eq!(held.lend(&id("1"), |_| ()), None, "replaced");
        held.forget();
        assert_eq!(held.lend(&id("2"), |_| ()), None);

        let ticket = held.ticket();
        held.forget();
        held.hold(ticket, id("1"), secret());
        assert_eq!(held.lend(&id("1"), |_| ()), None, "the page was reloaded while the key was being made");
    }
}
