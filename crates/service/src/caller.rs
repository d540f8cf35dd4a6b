//! The caller of a request.

use std::sync::Arc;

use ulkeys_domain::decision::Rejection;
use ulkeys_domain::policy::RequiredScopes;
use ulkeys_domain::{Actor, KeyId};

use crate::actions::Action;
use crate::key_index::KeyEntry;

/// An accepted caller.
#[derive(Clone)]
pub(crate) enum Caller {
    /// The app that embeds the service.
    Session,
    /// The holder of an active key whose scopes allow this request.
    Key(Arc<KeyEntry>),
}

impl Caller {
    /// Returns the key's identifier; `None` for the app.
    pub(crate) fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Session => None,
            Self::Key(key) => Some(key.id()),
        }
    }

    /// Returns the caller as the actor of a change.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Session => Actor::Session,
            Self::Key(key) => Actor::Key(key.id()),
        }
    }

    /// Checks that the caller's key is still active. Called after a wait (for a body or an event), during which the key
    /// may have been revoked.
    pub(crate) fn revalidate(&self) -> Result<(), Rejection> {
        match self {
            Self::Session => Ok(()),
            Self::Key(key) => key.lock().check_active(),
        }
    }

    /// Returns whether the caller may perform another action than the one that its request was authorized for.
    pub(crate) fn may(&self, action: Action) -> bool {
        match (self, action.required_scopes()) {
            (Self::Session, _) | (_, RequiredScopes::AnyKey) => true,
            (Self::Key(key), RequiredScopes::AnyOf(allowed)) => key.lock().scopes.intersects(allowed),
        }
    }
}
