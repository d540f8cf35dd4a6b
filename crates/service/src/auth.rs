//! Who makes a request, and whether they may: bearer authentication (RFC 6750), the scope policy, and the limits.
//!
//! One function decides, for this service's own routes and for gateways that ask on behalf of theirs. What a training
//! process sends is decided in two steps: the credential and the scopes before the body is read, and the limit after it,
//! because only the body names the run ([`RunUse`]).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use ulkeys_domain::limit::Standing;
use ulkeys_domain::policy::Requirement;
use ulkeys_domain::verdict::{Outcome, Refusal};
use ulkeys_domain::{Category, KeyHash, KeyId, KnownKey, Scope, Scopes, Secret, Timestamp, policy};

use crate::agent;
use crate::error::ApiError;
use crate::limits::RunRequest;
use crate::session::SessionToken;
use crate::state::AppState;
use crate::uses::Source;

/// An accepted caller.
#[derive(Clone)]
pub(crate) enum Caller {
    /// The app that embeds the service.
    Session,
    /// The holder of an active key whose scopes allow this request.
    Key { key: Arc<KnownKey>, hash: KeyHash },
}

impl Caller {
    /// The key; `None` for the app.
    pub(crate) fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Session => None,
            Self::Key { key, .. } => Some(&key.id),
        }
    }
}

/// What a key is asked to open.
pub(crate) enum Need<'a> {
    /// A request for this method and path (without the query), by the policy's table.
    Request { method: &'a str, path: &'a str },
    /// The same, for a request whose handler counts it, once it knows the run that it is about.
    RunRequest { method: &'a str, path: &'a str },
    /// Any of these scopes, whatever the request is.
    AnyOf(&'a [Scope], Category),
}

impl Need<'_> {
    /// Whether a key with these scopes can do it only because it holds `admin`.
    fn needs_admin(&self, scopes: Scopes) -> bool {
        let allowed = match *self {
            Self::Request { method, path } | Self::RunRequest { method, path } => {
                match policy::requirement(method, path) {
                    Some(Requirement::AnyOf(allowed)) => allowed,
                    Some(Requirement::AnyKey) | None => &[],
                }
            }
            Self::AnyOf(allowed, _) => allowed,
        };
        policy::needed(scopes, Scope::Admin, allowed)
    }
}

/// The credential of a request: none, one that cannot be any, the app's, or what may be a key.
pub(crate) enum Credential {
    Session,
    Key(Secret),
    /// A key, and the identifier that it must have.
    Named(KeyId, Secret),
}

/// All texts that cannot be a credential count as one: there is nothing to guess in them.
const MALFORMED: u64 = 0;

/// A caller who may do what was asked; for a key, with the state of its limit.
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) standing: Option<Standing>,
    /// What is still to be counted, see [`Need::RunRequest`].
    pub(crate) run_use: Option<Arc<RunUse>>,
}

/// Decides about a request, and notes what became of it.
pub(crate) async fn decide(
    state: &AppState,
    credential: Result<Credential, Refusal>,
    need: Need<'_>,
    from: Source<'_>,
    now: Timestamp,
) -> Result<Admitted, ApiError> {
    let (named, secret) = match credential {
        Ok(Credential::Session) => return Ok(Admitted { caller: Caller::Session, standing: None, run_use: None }),
        Ok(Credential::Key(secret)) => (None, secret),
        Ok(Credential::Named(id, secret)) => (Some(id), secret),
        Err(refusal) => {
            if refusal == Refusal::Malformed {
                if let Some(standing) = state.limits.is_over(from.peer) {
                    return Err(refuse(state, None, Refusal::PeerLimit(standing), from));
                }
                state.limits.failed(from.peer, MALFORMED);
            }
            return Err(refuse(state, None, refusal, from));
        }
    };
    let hash = secret.hash();
    let key = state.store.find_by_hash(&hash).await?.filter(|key| named.is_none_or(|id| id == key.id));
    let is_active = key.as_ref().is_some_and(|key| key.revoked_at.is_none());
    if let Some(standing) = state.limits.is_over(from.peer)
        && !key.as_ref().is_some_and(|key| is_active && state.limits.has_used(from.peer, &key.id))
    {
        return Err(refuse(state, None, Refusal::PeerLimit(standing), from));
    }
    if !is_active {
        state.limits.failed(from.peer, hash.fingerprint());
    }
    let Some(key) = key else {
        return Err(refuse(state, None, Refusal::Unknown, from));
    };
    let needed_admin = key.scopes.contains(Scope::Admin) && need.needs_admin(key.scopes);
    match admit(state, &key, need, from.peer) {
        Ok(standing) => {
            let run_use = if standing.is_some() {
                accept(state, &key, from, now, needed_admin);
                None
            } else {
                Some(Arc::new(RunUse::new(state, &key, from, now, needed_admin)))
            };
            Ok(Admitted { caller: Caller::Key { key, hash }, standing, run_use })
        }
        Err(refusal) => Err(refuse(state, Some(&key), refusal, from)),
    }
}

/// Whether this key may do it now. Counts the request against the key's limit, unless its handler does so.
fn admit(state: &AppState, key: &KnownKey, need: Need<'_>, peer: IpAddr) -> Result<Option<Standing>, Refusal> {
    if key.revoked_at.is_some() {
        return Err(Refusal::Revoked);
    }
    let category = match need {
        Need::RunRequest { method, path } => {
            policy::check(key.scopes, method, path)?;
            return Ok(None);
        }
        Need::Request { method, path } => {
            policy::check(key.scopes, method, path)?;
            Category::of(method, path)
        }
        Need::AnyOf(scopes, category) => {
            policy::check_any(key.scopes, scopes)?;
            category
        }
    };
    state.limits.admit(&key.id, category, peer).map(Some).map_err(Refusal::Limit)
}

fn accept(state: &AppState, key: &KnownKey, from: Source<'_>, now: Timestamp, needed_admin: bool) {
    state.uses.accepted(&key.id, from, now, needed_admin);
    state.metrics.count(Outcome::Accepted);
}

fn refuse(state: &AppState, key: Option<&KnownKey>, refusal: Refusal, from: Source<'_>) -> ApiError {
    let outcome = refusal.outcome();
    state.uses.refused(key.map(|key| &key.id), outcome, from, state.now());
    state.metrics.count(outcome);
    tracing::debug!(%outcome, key = key.map(|key| key.id.as_str()), "refused");
    ApiError::Refused(refusal)
}

impl Caller {
    /// Asks once more, where something was waited for since the caller was admitted: a key may be revoked by now.
    pub(crate) async fn check_again(&self, state: &AppState) -> Result<(), ApiError> {
        let Self::Key { hash, .. } = self else {
            return Ok(());
        };
        match state.store.find_by_hash(hash).await? {
            None => Err(Refusal::Unknown.into()),
            Some(key) if key.revoked_at.is_some() => Err(Refusal::Revoked.into()),
            Some(_) => Ok(()),
        }
    }
}

/// The use of a key by a training process, from the decision about its key to the decision about its run. It is recorded
/// when it is dropped, even if the client closes the connection before: as rejected if the limit rejected it, otherwise as
/// accepted.
pub(crate) struct RunUse {
    state: AppState,
    key: Arc<KnownKey>,
    peer: IpAddr,
    agent: Box<str>,
    at: Timestamp,
    needed_admin: bool,
    /// `Ok(None)` until it is counted.
    standing: Mutex<Result<Option<Standing>, Standing>>,
}

impl RunUse {
    fn new(state: &AppState, key: &Arc<KnownKey>, from: Source<'_>, at: Timestamp, needed_admin: bool) -> Self {
        let standing = Mutex::new(Ok(None));
        let (state, key, agent) = (state.clone(), key.clone(), from.agent.into());
        Self { state, key, peer: from.peer, agent, at, needed_admin, standing }
    }

    fn count(&self, request: RunRequest) -> Result<(), ApiError> {
        let result = self.state.limits.admit_for_run(&self.key.id, request, self.peer);
        *self.standing() = result;
        result.map(drop).map_err(|standing| Refusal::Limit(standing).into())
    }

    /// The state of the limit that admitted the request.
    pub(crate) fn admitted(&self) -> Option<Standing> {
        self.standing().ok().flatten()
    }

    fn standing(&self) -> MutexGuard<'_, Result<Option<Standing>, Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunUse {
    fn drop(&mut self) {
        let from = Source { peer: self.peer, agent: &self.agent };
        let standing = *self.standing();
        match standing {
            Ok(_) => accept(&self.state, &self.key, from, self.at, self.needed_admin),
            Err(standing) => drop(refuse(&self.state, Some(&self.key), Refusal::Limit(standing), from)),
        }
    }
}

/// Counts a request of a training process. The app's own requests have no limit.
pub(crate) struct RunLimit(Option<Arc<RunUse>>);

impl RunLimit {
    /// Counts the request, or rejects it.
    pub(crate) fn count(&self, request: RunRequest) -> Result<(), ApiError> {
        self.0.as_ref().map_or(Ok(()), |run_use| run_use.count(request))
    }
}

impl FromRequestParts<AppState> for RunLimit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let asker = Asker::of(parts)?;
        // A key whose requests nobody counts would have no limit: the front does not know this route.
        if asker.run_use.is_none() && asker.caller.as_ref().is_none_or(|caller| caller.key_id().is_some()) {
            return Err(ApiError::Refused(Refusal::NoCredential));
        }
        Ok(Self(asker.run_use.clone()))
    }
}

/// Exactly one header, the scheme in any case, one space, and the credential as it was issued.
pub(crate) fn read_credential(headers: &HeaderMap, session: &SessionToken) -> Result<Credential, Refusal> {
    let value = only(headers)?;
    let (scheme, token) = value.as_bytes().split_at_checked(b"Bearer ".len()).ok_or(Refusal::Malformed)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(Refusal::Malformed);
    }
    if session.matches(token) {
        return Ok(Credential::Session);
    }
    Secret::parse(token).map(Credential::Key).map_err(|_| Refusal::Malformed)
}

/// The one `Authorization` header.
pub(crate) fn only(headers: &HeaderMap) -> Result<&HeaderValue, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoCredential)?;
    if values.next().is_some() {
        return Err(Refusal::Malformed);
    }
    Ok(value)
}

/// From where a request came, and who made it: [`crate::front`] puts it beside the request.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) peer: IpAddr,
    /// `None` outside `/api`.
    pub(crate) caller: Option<Caller>,
    /// What the handler is to count.
    pub(crate) run_use: Option<Arc<RunUse>>,
}

impl Asker {
    /// Without one, nothing is opened: a handler was reached past the front.
    fn of(parts: &Parts) -> Result<&Self, ApiError> {
        parts.extensions.get().ok_or(ApiError::Refused(Refusal::NoCredential))
    }
}

/// Address of the peer.
pub(crate) struct Peer(pub(crate) IpAddr);

impl FromRequestParts<AppState> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(Asker::of(parts)?.peer))
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Asker::of(parts)?.caller.clone().ok_or(ApiError::Refused(Refusal::NoCredential))
    }
}

/// Who asks for a change, for the list of activity.
pub(crate) struct Origin(pub(crate) ulkeys_store::Origin);

impl FromRequestParts<AppState> for Origin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let asker = Asker::of(parts)?;
        let by = asker.caller.as_ref().and_then(Caller::key_id).copied();
        Ok(Self(ulkeys_store::Origin { by, peer: asker.peer, agent: agent::of(&parts.headers).into() }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::testing::{KEY, around_value, cases, headers, is_key};

    fn session() -> SessionToken {
        SessionToken::generate(&mut StdRng::seed_from_u64(1)).expect("infallible")
    }

    /// Mostly one header.
    fn values() -> impl Strategy<Value = Vec<HeaderValue>> {
        let value = prop_oneof![
            4 => around_value(&format!("Bearer {KEY}")),
            2 => around_value(&format!("bEARER {KEY}")),
            2 => around_value(&format!("Bearer {}", session().expose())),
        ];
        prop_oneof![9 => prop::collection::vec(value.clone(), 1), 1 => prop::collection::vec(value, 0..=3)]
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn nothing_but_one_bearer_credential_is_read(values in values()) {
            let session = session();
            let read = read_credential(&headers("authorization", &values), &session);
            let [value] = values.as_slice() else {
                let expected = if values.is_empty() { Refusal::NoCredential } else { Refusal::Malformed };
                prop_assert_eq!(read.err(), Some(expected));
                return Ok(());
            };
            let (scheme, token) = value.as_bytes().split_at(value.len().min(7));
            let is_bearer = String::from_utf8_lossy(scheme).to_lowercase() == "bearer ";
            match read {
                Ok(Credential::Session) => prop_assert!(is_bearer && token == session.expose().as_bytes()),
                Ok(Credential::Key(secret)) => {
                    prop_assert!(is_bearer && is_key(token) && secret.expose().as_bytes() == token);
                }
                Ok(Credential::Named(..)) => prop_assert!(false, "a bearer token names nobody"),
                Err(refusal) => {
                    prop_assert_eq!(refusal, Refusal::Malformed);
                    prop_assert!(!is_bearer || !(is_key(token) || token == session.expose().as_bytes()));
                }
            }
        }
    }
}
