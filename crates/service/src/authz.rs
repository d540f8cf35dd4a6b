//! Decides whether a request is accepted, based on the state of its key, the required scopes and the rate limits, and
//! records the decision.
//!
//! A single function authorizes both requests to this service and requests that a gateway asks this service to check.
//! It only reads and changes memory, so it never waits. A training process's request is authorized in two steps: the
//! credential and the scopes are checked before the body is read, and the rate limit afterwards, because only the body
//! names the run ([`PendingRunUsage`]).

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use ulkeys_domain::decision::{Decision, Rejection};
use ulkeys_domain::policy::RequiredScopes;
use ulkeys_domain::rate_limit::RateLimitStatus;
use ulkeys_domain::{RateLimitClass, Scope, Scopes, policy};

use crate::actions::{Action, Counting};
use crate::authn::Credential;
use crate::caller::Caller;
use crate::clock::Moment;
use crate::error::ApiError;
use crate::key_index::KeyEntry;
use crate::key_rate_limits::RunRequest;
use crate::pending_usage::ClientAddress;
use crate::state::ServiceState;

/// The access that a request needs.
pub(crate) enum RequiredAccess<'a> {
    /// The access that a route of this service declares.
    Action(Action),
    /// The scopes that the policy table requires for this method and path (without the query).
    Path { method: &'a str, path: &'a str, class: RateLimitClass },
    /// At least one of these scopes, regardless of method and path.
    AnyOf(&'a [Scope], RateLimitClass),
}

impl<'a> RequiredAccess<'a> {
    fn counting(&self) -> Counting {
        match self {
            Self::Action(action) => action.counting(),
            Self::Path { class, .. } | Self::AnyOf(_, class) => Counting::Class(*class),
        }
    }

    /// Checks that a key with these scopes may send the request. Returns whether it may only because it has `admin`.
    fn check(&self, scopes: Scopes) -> Result<bool, Rejection> {
        let required = match *self {
            Self::Action(action) => Some(action.required_scopes()),
            Self::Path { method, path, .. } => policy::required_scopes(method, path),
            Self::AnyOf(allowed, _) => {
                policy::authorize_any(scopes, allowed)?;
                return Ok(policy::is_solely_granted_by(scopes, Scope::Admin, allowed));
            }
        };
        match required {
            Some(RequiredScopes::AnyKey) => Ok(false),
            Some(RequiredScopes::AnyOf(allowed)) => {
                policy::authorize_any(scopes, allowed)?;
                Ok(policy::is_solely_granted_by(scopes, Scope::Admin, allowed))
            }
            None => Err(Rejection::Scope(None)),
        }
    }
}

/// The fingerprint that all malformed credentials share, so that all malformed credentials from one peer count as a
/// single failed attempt. A malformed credential is not a guess at a key.
const MALFORMED_FINGERPRINT: u64 = 0;

/// An authorized caller and, if the request has been counted against a key's rate limit, the status of that limit.
pub(crate) struct Authorized {
    pub(crate) caller: Caller,
    pub(crate) limit_status: Option<RateLimitStatus>,
    /// Present if the handler itself must count the request; see [`Counting::ByRun`].
    pub(crate) run_usage: Option<Arc<PendingRunUsage>>,
}

/// Authorizes or rejects a request, and records the decision.
pub(crate) fn authorize(
    state: &Arc<ServiceState>,
    credential: Result<Credential, Rejection>,
    required: &RequiredAccess<'_>,
    from: ClientAddress<'_>,
    now: Moment,
) -> Result<Authorized, Rejection> {
    let limits = state.config.limits.get();
    let blocked = state.peer_limiter.status_if_blocked(from.peer, limits.invalid_credentials, now.uptime);
    let record_failure = |fingerprint| {
        state.peer_limiter.record_failure(from.peer, fingerprint, limits.invalid_credentials, now.uptime);
    };
    let (named, secret) = match credential {
        Ok(Credential::Session) => {
            return Ok(Authorized { caller: Caller::Session, limit_status: None, run_usage: None });
        }
        Ok(Credential::Key(secret)) => (None, secret),
        Ok(Credential::KeyWithId(id, secret)) => (Some(id), secret),
        Err(rejection) if rejection.decision() == Decision::Malformed => {
            if let Some(limit_status) = blocked {
                return Err(record_rejected(state, None, Rejection::PeerLimit(limit_status), from, now));
            }
            record_failure(MALFORMED_FINGERPRINT);
            return Err(record_rejected(state, None, rejection, from, now));
        }
        Err(rejection) => return Err(record_rejected(state, None, rejection, from, now)),
    };
    let hash = secret.hash();
    let Some(entry) = state.index.get(&hash).filter(|entry| named.is_none_or(|id| id == entry.id())) else {
        if blocked.is_none() {
            record_failure(hash.fingerprint());
        }
        let rejection = blocked.map_or(Rejection::Unknown, Rejection::PeerLimit);
        return Err(record_rejected(state, None, rejection, from, now));
    };

    let mut key = entry.lock();
    let is_active = key.check_active().is_ok();
    if let Some(limit_status) = blocked
        && !(is_active && key.known_activity().is_some_and(|activity| activity.is_known_peer(from.peer)))
    {
        drop(key);
        return Err(record_rejected(state, None, Rejection::PeerLimit(limit_status), from, now));
    }
    if !is_active {
        record_failure(hash.fingerprint());
    }
    let decision = key.check_active().and_then(|()| required.check(key.scopes)).and_then(|needed_admin| {
        let activity = key.activity();
        let Counting::Class(class) = required.counting() else {
            return Ok((needed_admin, None));
        };
        activity.note_peer(from.peer, now.uptime);
        let limit_status = activity.limits.admit(class, &limits, now.uptime).map_err(Rejection::Limit)?;
        let has_capacity = state.usage.has_capacity();
        let recorded = activity.usage.record_accepted(from, now.at, needed_admin, has_capacity);
        Ok((needed_admin, Some((limit_status, recorded))))
    });
    // The key must be unlocked before its decision is recorded.
    drop(key);
    match decision {
        Ok((_, Some((limit_status, recorded)))) => {
            state.usage.enqueue(&entry, &recorded);
            state.metrics.count_decision(Decision::Accepted);
            Ok(Authorized { caller: Caller::Key(entry), limit_status: Some(limit_status), run_usage: None })
        }
        Ok((needed_admin, None)) => {
            let run_usage = Some(Arc::new(PendingRunUsage::new(state, &entry, from, now, needed_admin)));
            Ok(Authorized { caller: Caller::Key(entry), limit_status: None, run_usage })
        }
        Err(rejection) => Err(record_rejected(state, Some(&entry), rejection, from, now)),
    }
}

fn record_rejected(
    state: &ServiceState,
    key: Option<&Arc<KeyEntry>>,
    rejection: Rejection,
    from: ClientAddress<'_>,
    now: Moment,
) -> Rejection {
    let outcome = rejection.decision();
    state.usage.record_rejected(key, outcome, from, now.at);
    state.metrics.count_decision(outcome);
    tracing::debug!(%outcome, key = key.map(|key| tracing::field::display(key.id())), "rejected");
    rejection
}

/// A training process's request whose key has been accepted, but which has not been counted against the rate limit of
/// its run yet. Dropping the value records the usage, even if the client closes the connection early: as rejected if
/// the rate limit rejected the request, otherwise as accepted.
pub(crate) struct PendingRunUsage {
    state: Arc<ServiceState>,
    key: Arc<KeyEntry>,
    peer: IpAddr,
    user_agent: Box<str>,
    at: Moment,
    needed_admin: bool,
    /// `Ok(None)` until the request is counted.
    limit_status: Mutex<Result<Option<RateLimitStatus>, RateLimitStatus>>,
}

impl PendingRunUsage {
    fn new(
        state: &Arc<ServiceState>,
        key: &Arc<KeyEntry>,
        from: ClientAddress<'_>,
        at: Moment,
        needed_admin: bool,
    ) -> Self {
        let limit_status = Mutex::new(Ok(None));
        let (state, key, user_agent) = (state.clone(), key.clone(), from.user_agent.into());
        Self { state, key, peer: from.peer, user_agent, at, needed_admin, limit_status }
    }

    pub(crate) fn count_against_run_limit(&self, request: RunRequest) -> Result<(), ApiError> {
        let (limits, uptime) = (self.state.config.limits.get(), self.state.uptime());
        let result = {
            let mut key = self.key.lock();
            let activity = key.activity();
            activity.note_peer(self.peer, uptime);
            activity.limits.admit_for_run(request, &limits, uptime)
        };
        *self.limit_status.lock() = result;
        result.map(drop).map_err(|limit_status| Rejection::Limit(limit_status).into())
    }

    /// Returns the status of the rate limit that admitted the request.
    pub(crate) fn admitted_status(&self) -> Option<RateLimitStatus> {
        self.limit_status.lock().ok().flatten()
    }
}

impl Drop for PendingRunUsage {
    fn drop(&mut self) {
        let from = ClientAddress { peer: self.peer, user_agent: &self.user_agent };
        let limit_status = *self.limit_status.lock();
        match limit_status {
            Ok(_) => {
                self.state.usage.record_accepted(&self.key, from, self.at.at, self.needed_admin);
                self.state.metrics.count_decision(Decision::Accepted);
            }
            Err(limit_status) => {
                record_rejected(&self.state, Some(&self.key), Rejection::Limit(limit_status), from, self.at);
            }
        }
    }
}
