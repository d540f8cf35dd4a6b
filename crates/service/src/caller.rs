//! The caller of a request.

use std::sync::Arc;

use ulkeys_domain::decision::Rejection;
use ulkeys_domain::{KeyAuthInfo, KeyHash, KeyId};
use ulkeys_store::Store;

use crate::error::ApiError;

/// An accepted caller.
#[derive(Clone)]
pub(crate) enum Caller {
    /// The app that embeds the service.
    Session,
    /// The holder of an active key whose scopes allow this request.
    Key { key: Arc<KeyAuthInfo>, hash: KeyHash },
}

impl Caller {
    /// Returns the key's identifier; `None` for the app.
    pub(crate) fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Session => None,
            Self::Key { key, .. } => Some(&key.id),
        }
    }

    /// Checks that the caller's key is still active. Called after a wait (for a body or an event), during which the key
    /// may have been revoked.
    pub(crate) async fn revalidate(&self, store: &dyn Store) -> Result<(), ApiError> {
        let Self::Key { hash, .. } = self else {
            return Ok(());
        };
        match store.lookup(hash).await? {
            None => Err(Rejection::Unknown.into()),
            Some(key) if key.revoked_at.is_some() => Err(Rejection::Revoked.into()),
            Some(_) => Ok(()),
        }
    }
}
