//! The plaintext of the key that was just made, for as long as its dialog is open.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ulkeys_domain::{KeyId, Secret};

/// At most one plaintext. It is wiped when it is forgotten or replaced.
#[derive(Default)]
pub(crate) struct HeldSecret(Mutex<Option<(KeyId, Secret)>>);

impl HeldSecret {
    /// Holds this plaintext instead of any other.
    pub(crate) fn hold(&self, id: KeyId, secret: Secret) {
        *self.held() = Some((id, secret));
    }

    /// Wipes the plaintext.
    pub(crate) fn forget(&self) {
        *self.held() = None;
    }

    /// Lends the plaintext of this key, if it is the one that is held.
    pub(crate) fn lend<T>(&self, id: &KeyId, borrow: impl FnOnce(&Secret) -> T) -> Option<T> {
        self.held().as_ref().filter(|(held, _)| held == id).map(|(_, secret)| borrow(secret))
    }

    fn held(&self) -> MutexGuard<'_, Option<(KeyId, Secret)>> {
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
        held.hold(id("1"), secret());
        assert_eq!(held.lend(&id("1"), |secret| secret.expose().len()), Some(43));
        assert_eq!(held.lend(&id("2"), |_| ()), None);
        held.hold(id("2"), secret());
        assert_eq!(held.lend(&id("1"), |_| ()), None, "replaced");
        held.forget();
        assert_eq!(held.lend(&id("2"), |_| ()), None);
    }
}
