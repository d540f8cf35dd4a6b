//! Who makes a request, and whether they may: bearer authentication (RFC 6750) and the scope policy.

use axum::extract::{OriginalUri, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use ulkeys_domain::verdict::Refusal;
use ulkeys_domain::{KeyHash, KeyId, KeyRecord, Secret, policy};

use crate::error::ApiError;
use crate::session::SessionToken;
use crate::state::AppState;

/// An accepted caller, kept in the request's extensions.
#[derive(Clone)]
pub(crate) enum Caller {
    /// The app that embeds the service.
    Session,
    /// The holder of an active key whose scopes allow this request.
    Key { id: KeyId, hash: KeyHash },
}

impl Caller {
    /// The key; `None` for the app.
    pub(crate) fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Session => None,
            Self::Key { id, .. } => Some(id),
        }
    }
}

enum Credential {
    Session,
    Key(Secret),
}

/// Middleware for everything under `/api`.
pub(crate) async fn authorize(
    State(state): State<AppState>,
    OriginalUri(uri): OriginalUri,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let caller = match read_credential(request.headers(), &state.config.session)? {
        Credential::Session => Caller::Session,
        Credential::Key(secret) => {
            let hash = secret.hash();
            let key = active_key(&state, &hash).await?;
            policy::check(key.scopes, request.method().as_str(), uri.path())?;
            state.last_used.record(&key.id, state.now());
            Caller::Key { id: key.id, hash }
        }
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// The key with this hash, as the store has it now.
pub(crate) async fn active_key(state: &AppState, hash: &KeyHash) -> Result<KeyRecord, ApiError> {
    let key = state.store.find_by_hash(hash).await?.ok_or(Refusal::Unknown)?;
    if key.revoked_at.is_some() {
        return Err(Refusal::Revoked.into());
    }
    Ok(key)
}

/// Exactly one header, the scheme in any case, one space, and the credential as it was issued.
fn read_credential(headers: &HeaderMap, session: &SessionToken) -> Result<Credential, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoCredential)?.as_bytes();
    if values.next().is_some() {
        return Err(Refusal::Malformed);
    }
    let (scheme, token) = value.split_at_checked(b"Bearer ".len()).ok_or(Refusal::Malformed)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(Refusal::Malformed);
    }
    if session.matches(token) {
        return Ok(Credential::Session);
    }
    Secret::parse(token).map(Credential::Key).map_err(|_| Refusal::Malformed)
}
