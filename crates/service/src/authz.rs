//! Decides whether a request is accepted, based on the state of its key, the scope policy and the rate limits, and
//! records the decision.
//!
//! A single function authorizes both requests to this service and requests that a gateway asks this service to check. A
//! training process's request is authorized in two steps: the credential and the scopes are checked before the body is
//! read, and the rate limit afterwards, because only the body names the run ([`PendingRunUsage`]).

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use ulkeys_domain::decision::{Decision, Rejection};
use ulkeys_domain::policy::RequiredScopes;
use ulkeys_domain::rate_limit::RateLimitStatus;
use ulkeys_domain::{KeyAuthInfo, RateLimitClass, Scope, Scopes, Timestamp, policy};

use crate::authn::Credential;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::rate_limiter::RunRequest;
use crate::state::ServiceState;
use crate::usage::ClientAddress;

/// The access that a request needs.
pub(crate) enum RequiredAccess<'a> {
    /// The scopes that the policy table requires for this method and path (without the query).
    Request { method: &'a str, path: &'a str, class: RateLimitClass },
    /// Like `Request`, but the handler itself counts the request against the rate limit, after it has read the body,
    /// which names the request's run.
    RunRequest { method: &'a str, path: &'a str },
    /// At least one of these scopes, regardless of method and path.
    AnyOf(&'a [Scope], RateLimitClass),
}

impl RequiredAccess<'_> {
    /// Returns whether a key with these scopes is accepted only because it has `admin`.
    fn needs_admin(&self, scopes: Scopes) -> bool {
        let allowed = match *self {
            Self::Request { method, path, .. } | Self::RunRequest { method, path } => {
                match policy::required_scopes(method, path) {
                    Some(RequiredScopes::AnyOf(allowed)) => allowed,
                    Some(RequiredScopes::AnyKey) | None => &[],
                }
            }
            Self::AnyOf(allowed, _) => allowed,
        };
        policy::is_solely_granted_by(scopes, Scope::Admin, allowed)
    }
}

/// The fingerprint that all malformed credentials share, so that all malformed credentials from one peer count as a
/// single failed attempt. A malformed credential is not a guess at a key.
const MALFORMED_FINGERPRINT: u64 = 0;

/// An authorized caller and, if the request has been counted against a key's rate limit, the status of that limit.
pub(crate) struct Authorized {
    pub(crate) caller: Caller,
    pub(crate) limit_status: Option<RateLimitStatus>,
    /// Present if the handler itself must count the request; see [`RequiredAccess::RunRequest`].
    pub(crate) run_usage: Option<Arc<PendingRunUsage>>,
}

/// Authorizes or rejects a request, and records the decision.
pub(crate) async fn authorize(
    state: &Arc<ServiceState>,
    credential: Result<Credential, Rejection>,
    required: RequiredAccess<'_>,
    from: ClientAddress<'_>,
    now: Timestamp,
) -> Result<Authorized, ApiError> {
    let (named, secret) = match credential {
        Ok(Credential::Session) => {
            return Ok(Authorized { caller: Caller::Session, limit_status: None, run_usage: None });
        }
        Ok(Credential::Key(secret)) => (None, secret),
        Ok(Credential::KeyWithId(id, secret)) => (Some(id), secret),
        Err(rejection) => {
            if rejection.decision() == Decision::Malformed {
                if let Some(limit_status) = state.rate_limiter.rate_limit_status_if_blocked(from.peer) {
                    return Err(record_rejected(state, None, Rejection::PeerLimit(limit_status), from));
                }
                state.rate_limiter.record_failure(from.peer, MALFORMED_FINGERPRINT);
            }
            return Err(record_rejected(state, None, rejection, from));
        }
    };
    let hash = secret.hash();
    let key = state.store.lookup(&hash).await?.filter(|key| named.is_none_or(|id| id == key.id));
    let is_active = key.as_ref().is_some_and(|key| key.revoked_at.is_none());
    if let Some(limit_status) = state.rate_limiter.rate_limit_status_if_blocked(from.peer)
        && !key.as_ref().is_some_and(|key| is_active && state.rate_limiter.is_known_peer(from.peer, &key.id))
    {
        return Err(record_rejected(state, None, Rejection::PeerLimit(limit_status), from));
    }
    if !is_active {
        state.rate_limiter.record_failure(from.peer, hash.fingerprint());
    }
    let Some(key) = key else {
        return Err(record_rejected(state, None, Rejection::Unknown, from));
    };
    let needed_admin = key.scopes.contains(Scope::Admin) && required.needs_admin(key.scopes);
    match check_scopes_and_limit(state, &key, required, from.peer) {
        Ok(limit_status) => {
            let run_usage = if limit_status.is_some() {
                record_accepted(state, &key, from, now, needed_admin);
                None
            } else {
                Some(Arc::new(PendingRunUsage::new(state, &key, from, now, needed_admin)))
            };
            Ok(Authorized { caller: Caller::Key { key, hash }, limit_status, run_usage })
        }
        Err(rejection) => Err(record_rejected(state, Some(&key), rejection, from)),
    }
}

/// Checks that a key is not revoked and has the required scopes, and counts the request against the key's rate limit.
/// Returns `None` if the handler counts the request instead.
fn check_scopes_and_limit(
    state: &ServiceState,
    key: &KeyAuthInfo,
    required: RequiredAccess<'_>,
    peer: IpAddr,
) -> Result<Option<RateLimitStatus>, Rejection> {
    if key.revoked_at.is_some() {
        return Err(Rejection::Revoked);
    }
    let class = match required {
        RequiredAccess::RunRequest { method, path } => {
            policy::authorize(key.scopes, method, path)?;
            return Ok(None);
        }
        RequiredAccess::Request { method, path, class } => {
            policy::authorize(key.scopes, method, path)?;
            class
        }
        RequiredAccess::AnyOf(scopes, class) => {
            policy::authorize_any(key.scopes, scopes)?;
            class
        }
    };
    state.rate_limiter.admit(&key.id, class, peer).map(Some).map_err(Rejection::Limit)
}

fn record_accepted(
    state: &ServiceState,
    key: &KeyAuthInfo,
    from: ClientAddress<'_>,
    now: Timestamp,
    needed_admin: bool,
) {
    state.usage.record_accepted(&key.id, from, now, needed_admin);
    state.metrics.count_decision(Decision::Accepted);
}

fn record_rejected(
    state: &ServiceState,
    key: Option<&KeyAuthInfo>,
    rejection: Rejection,
    from: ClientAddress<'_>,
) -> ApiError {
    let outcome = rejection.decision();
    state.usage.record_rejected(key.map(|key| &key.id), outcome, from, state.now());
    state.metrics.count_decision(outcome);
    tracing::debug!(%outcome, key = key.map(|key| key.id.as_str()), "rejected");
    ApiError::Rejected(rejection)
}

/// A training process's request whose key has been accepted, but which has not been counted against the rate limit of
/// its run yet. Dropping the value records the usage, even if the client closes the connection early: as rejected if
/// the rate limit rejected the request, otherwise as accepted.
pub(crate) struct PendingRunUsage {
    state: Arc<ServiceState>,
    key: Arc<KeyAuthInfo>,
    peer: IpAddr,
    user_agent: Box<str>,
    at: Timestamp,
    needed_admin: bool,
    /// `Ok(None)` until the request is counted.
    limit_status: Mutex<Result<Option<RateLimitStatus>, RateLimitStatus>>,
}

impl PendingRunUsage {
    fn new(
        state: &Arc<ServiceState>,
        key: &Arc<KeyAuthInfo>,
        from: ClientAddress<'_>,
        at: Timestamp,
        needed_admin: bool,
    ) -> Self {
        let limit_status = Mutex::new(Ok(None));
        let (state, key, user_agent) = (state.clone(), key.clone(), from.user_agent.into());
        Self { state, key, peer: from.peer, user_agent, at, needed_admin, limit_status }
    }

    pub(crate) fn count_against_run_limit(&self, request: RunRequest) -> Result<(), ApiError> {
        let result = self.state.rate_limiter.admit_for_run(&self.key.id, request, self.peer);
        *self.lock_limit_status() = result;
        result.map(drop).map_err(|limit_status| Rejection::Limit(limit_status).into())
    }

    /// Returns the status of the rate limit that admitted the request.
    pub(crate) fn admitted_status(&self) -> Option<RateLimitStatus> {
        self.lock_limit_status().ok().flatten()
    }

    fn lock_limit_status(&self) -> MutexGuard<'_, Result<Option<RateLimitStatus>, RateLimitStatus>> {
        self.limit_status.lock()
    }
}

impl Drop for PendingRunUsage {
    fn drop(&mut self) {
        let from = ClientAddress { peer: self.peer, user_agent: &self.user_agent };
        let limit_status = *self.lock_limit_status();
        match limit_status {
            Ok(_) => record_accepted(&self.state, &self.key, from, self.at, self.needed_admin),
            Err(limit_status) => {
                drop(record_rejected(&self.state, Some(&self.key), Rejection::Limit(limit_status), from))
            }
        }
    }
}
