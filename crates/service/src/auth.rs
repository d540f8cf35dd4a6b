//! Who makes a request, and whether they may: the credential, the scope policy, and the limits.
//!
//! One function decides, for this service's own routes and for gateways that ask on behalf of theirs. What a training
//! process sends is decided in two steps: the credential and the scopes before the body is read, and the limit after it,
//! because only the body names the run ([`PendingRunUse`]).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use parking_lot::{Mutex, MutexGuard};
use percent_encoding::percent_decode;
use ulkeys_domain::decision::{Decision, Rejection};
use ulkeys_domain::key::ID_PREFIX;
use ulkeys_domain::policy::RequiredScopes;
use ulkeys_domain::rate_limit::RateLimitStatus;
use ulkeys_domain::{KeyAuthInfo, KeyHash, KeyId, RateLimitClass, Scope, Scopes, Secret, Timestamp, policy, secret};
use zeroize::Zeroizing;

use crate::error::ApiError;
use crate::rate_limiter::RunRequest;
use crate::session::SessionToken;
use crate::state::AppState;
use crate::usage::ClientAddress;
use crate::user_agent;

/// An accepted caller.
#[derive(Clone)]
pub(crate) enum Caller {
    /// The app that embeds the service.
    Session,
    /// The holder of an active key whose scopes allow this request.
    Key { key: Arc<KeyAuthInfo>, hash: KeyHash },
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
pub(crate) enum RequiredAccess<'a> {
    /// A request for this method and path (without the query), by the policy's table.
    Request { method: &'a str, path: &'a str, category: RateLimitClass },
    /// The same, for a request whose handler counts it, once it knows the run that it is about.
    RunRequest { method: &'a str, path: &'a str },
    /// Any of these scopes, whatever the request is.
    AnyOf(&'a [Scope], RateLimitClass),
}

impl RequiredAccess<'_> {
    /// Whether a key with these scopes can do it only because it holds `admin`.
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

/// The credential of a request: none, one that cannot be any, the app's, or what may be a key.
pub(crate) enum Credential {
    Session,
    Key(Secret),
    /// A key, and the identifier that it must have.
    KeyWithId(KeyId, Secret),
}

/// All texts that cannot be a credential count as one: there is nothing to guess in them.
const MALFORMED_FINGERPRINT: u64 = 0;

/// A caller who may do what was asked; for a key, with the state of its limit.
pub(crate) struct Authorized {
    pub(crate) caller: Caller,
    pub(crate) standing: Option<RateLimitStatus>,
    /// What is still to be counted, see [`RequiredAccess::RunRequest`].
    pub(crate) run_use: Option<Arc<PendingRunUse>>,
}

/// Decides about a request, and notes what became of it.
pub(crate) async fn authorize(
    state: &AppState,
    credential: Result<Credential, Rejection>,
    need: RequiredAccess<'_>,
    from: ClientAddress<'_>,
    now: Timestamp,
) -> Result<Authorized, ApiError> {
    let (named, secret) = match credential {
        Ok(Credential::Session) => return Ok(Authorized { caller: Caller::Session, standing: None, run_use: None }),
        Ok(Credential::Key(secret)) => (None, secret),
        Ok(Credential::KeyWithId(id, secret)) => (Some(id), secret),
        Err(refusal) => {
            if refusal.decision() == Decision::Malformed {
                if let Some(standing) = state.rate_limiter.is_over(from.peer) {
                    return Err(refuse(state, None, Rejection::PeerLimit(standing), from));
                }
                state.rate_limiter.record_failure(from.peer, MALFORMED_FINGERPRINT);
            }
            return Err(refuse(state, None, refusal, from));
        }
    };
    let hash = secret.hash();
    let key = state.store.lookup(&hash).await?.filter(|key| named.is_none_or(|id| id == key.id));
    let is_active = key.as_ref().is_some_and(|key| key.revoked_at.is_none());
    if let Some(standing) = state.rate_limiter.is_over(from.peer)
        && !key.as_ref().is_some_and(|key| is_active && state.rate_limiter.is_known_peer(from.peer, &key.id))
    {
        return Err(refuse(state, None, Rejection::PeerLimit(standing), from));
    }
    if !is_active {
        state.rate_limiter.record_failure(from.peer, hash.fingerprint());
    }
    let Some(key) = key else {
        return Err(refuse(state, None, Rejection::Unknown, from));
    };
    let needed_admin = key.scopes.contains(Scope::Admin) && need.needs_admin(key.scopes);
    match admit(state, &key, need, from.peer) {
        Ok(standing) => {
            let run_use = if standing.is_some() {
                accept(state, &key, from, now, needed_admin);
                None
            } else {
                Some(Arc::new(PendingRunUse::new(state, &key, from, now, needed_admin)))
            };
            Ok(Authorized { caller: Caller::Key { key, hash }, standing, run_use })
        }
        Err(refusal) => Err(refuse(state, Some(&key), refusal, from)),
    }
}

/// Whether this key may do it now. Counts the request against the key's limit, unless its handler does so.
fn admit(
    state: &AppState,
    key: &KeyAuthInfo,
    need: RequiredAccess<'_>,
    peer: IpAddr,
) -> Result<Option<RateLimitStatus>, Rejection> {
    if key.revoked_at.is_some() {
        return Err(Rejection::Revoked);
    }
    let category = match need {
        RequiredAccess::RunRequest { method, path } => {
            policy::authorize(key.scopes, method, path)?;
            return Ok(None);
        }
        RequiredAccess::Request { method, path, category } => {
            policy::authorize(key.scopes, method, path)?;
            category
        }
        RequiredAccess::AnyOf(scopes, category) => {
            policy::authorize_any(key.scopes, scopes)?;
            category
        }
    };
    state.rate_limiter.admit(&key.id, category, peer).map(Some).map_err(Rejection::Limit)
}

fn accept(state: &AppState, key: &KeyAuthInfo, from: ClientAddress<'_>, now: Timestamp, needed_admin: bool) {
    state.usage.record_accepted(&key.id, from, now, needed_admin);
    state.metrics.count(Decision::Accepted);
}

fn refuse(state: &AppState, key: Option<&KeyAuthInfo>, refusal: Rejection, from: ClientAddress<'_>) -> ApiError {
    let outcome = refusal.decision();
    state.usage.record_rejected(key.map(|key| &key.id), outcome, from, state.now());
    state.metrics.count(outcome);
    tracing::debug!(%outcome, key = key.map(|key| key.id.as_str()), "refused");
    ApiError::Refused(refusal)
}

impl Caller {
    /// Asks once more, where something was waited for since the caller was admitted: a key may be revoked by now.
    pub(crate) async fn revalidate(&self, state: &AppState) -> Result<(), ApiError> {
        let Self::Key { hash, .. } = self else {
            return Ok(());
        };
        match state.store.lookup(hash).await? {
            None => Err(Rejection::Unknown.into()),
            Some(key) if key.revoked_at.is_some() => Err(Rejection::Revoked.into()),
            Some(_) => Ok(()),
        }
    }
}

/// The use of a key by a training process, from the decision about its key to the decision about its run. It is recorded
/// when it is dropped, even if the client closes the connection before: as rejected if the limit rejected it, otherwise as
/// accepted.
pub(crate) struct PendingRunUse {
    state: AppState,
    key: Arc<KeyAuthInfo>,
    peer: IpAddr,
    agent: Box<str>,
    at: Timestamp,
    needed_admin: bool,
    /// `Ok(None)` until it is counted.
    standing: Mutex<Result<Option<RateLimitStatus>, RateLimitStatus>>,
}

impl PendingRunUse {
    fn new(
        state: &AppState,
        key: &Arc<KeyAuthInfo>,
        from: ClientAddress<'_>,
        at: Timestamp,
        needed_admin: bool,
    ) -> Self {
        let standing = Mutex::new(Ok(None));
        let (state, key, agent) = (state.clone(), key.clone(), from.user_agent.into());
        Self { state, key, peer: from.peer, agent, at, needed_admin, standing }
    }

    fn count(&self, request: RunRequest) -> Result<(), ApiError> {
        let result = self.state.rate_limiter.admit_for_run(&self.key.id, request, self.peer);
        *self.standing() = result;
        result.map(drop).map_err(|standing| Rejection::Limit(standing).into())
    }

    /// The state of the limit that admitted the request.
    pub(crate) fn admitted(&self) -> Option<RateLimitStatus> {
        self.standing().ok().flatten()
    }

    fn standing(&self) -> MutexGuard<'_, Result<Option<RateLimitStatus>, RateLimitStatus>> {
        self.standing.lock()
    }
}

impl Drop for PendingRunUse {
    fn drop(&mut self) {
        let from = ClientAddress { peer: self.peer, user_agent: &self.agent };
        let standing = *self.standing();
        match standing {
            Ok(_) => accept(&self.state, &self.key, from, self.at, self.needed_admin),
            Err(standing) => drop(refuse(&self.state, Some(&self.key), Rejection::Limit(standing), from)),
        }
    }
}

/// Counts a request of a training process. The app's own requests have no limit.
pub(crate) struct RunLimit(Option<Arc<PendingRunUse>>);

impl RunLimit {
    /// Counts the request, or rejects it.
    pub(crate) fn count(&self, request: RunRequest) -> Result<(), ApiError> {
        self.0.as_ref().map_or(Ok(()), |run_use| run_use.count(request))
    }
}

impl FromRequestParts<AppState> for RunLimit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let asker = RequestContext::of(parts)?;
        // A key whose requests nobody counts would have no limit: the front does not know this route.
        if asker.run_use.is_none() && asker.caller.as_ref().is_none_or(|caller| caller.key_id().is_some()) {
            return Err(ApiError::Refused(Rejection::NoCredential));
        }
        Ok(Self(asker.run_use.clone()))
    }
}

/// Holds a key for clients that use `Authorization` for something else.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Reads the credential of a request: one header, with the credential as it was issued.
///
/// `Authorization` holds it as a bearer token (RFC 6750), or as the password of HTTP Basic (RFC 7617); `X-API-Key` holds a
/// key alone. Where both headers are there, one of them may belong to the program behind a gateway, so the one that looks
/// like a credential of this service counts. Two that do are rejected.
pub(crate) fn read_credential(headers: &HeaderMap, session: &SessionToken) -> Result<Credential, Rejection> {
    match (single_value(headers, AUTHORIZATION)?, single_value(headers, X_API_KEY)?) {
        (None, None) => Err(Rejection::NoCredential),
        (Some(authorization), None) => read_authorization(authorization, session),
        (None, Some(key)) => read_key(key.as_bytes()),
        (Some(authorization), Some(key)) => {
            match (is_authorization_ours(authorization, session), looks_like_key(key.as_bytes())) {
                (true, true) => Err(Rejection::TwoCredentials),
                (true, false) => read_authorization(authorization, session),
                (false, _) => read_key(key.as_bytes()),
            }
        }
    }
}

/// Whether a request has a header that may hold a credential.
pub(crate) fn has_credential(headers: &HeaderMap) -> bool {
    has_value(headers, AUTHORIZATION) || has_value(headers, X_API_KEY)
}

/// Whether there is a header of this name that is not empty.
pub(crate) fn has_value(headers: &HeaderMap, name: HeaderName) -> bool {
    headers.get_all(name).iter().any(|value| !value.is_empty())
}

/// The scheme in any case, one space, and the credential.
fn read_authorization(value: &HeaderValue, session: &SessionToken) -> Result<Credential, Rejection> {
    if let Some(token) = after_scheme(value, b"Bearer ") {
        return if session.matches(token) { Ok(Credential::Session) } else { read_key(token) };
    }
    let Basic { user, password } = read_basic(value).ok_or(Rejection::Malformed)?;
    let secret = Secret::parse(&password).map_err(|_| Rejection::Malformed)?;
    // Programs that ask for a user name get any, in any character encoding. One that is meant to be a key's identifier must
    // be that of the key.
    if !user.starts_with(ID_PREFIX.as_bytes()) {
        return Ok(Credential::Key(secret));
    }
    let id = std::str::from_utf8(&user).ok().and_then(KeyId::parse);
    id.map(|id| Credential::KeyWithId(id, secret)).ok_or(Rejection::Malformed)
}

fn read_key(text: &[u8]) -> Result<Credential, Rejection> {
    Secret::parse(text).map(Credential::Key).map_err(|_| Rejection::Malformed)
}

/// Whether an `Authorization` header looks like a credential of this service. A request with `X-API-Key` may have any other
/// one: it is for the program behind a gateway, which receives it.
fn is_authorization_ours(value: &HeaderValue, session: &SessionToken) -> bool {
    let token = after_scheme(value, b"Bearer ");
    token.is_some_and(|token| session.matches(token) || looks_like_key(token))
        || read_basic(value).is_some_and(|Basic { user, password }| looks_like_key(&user) || looks_like_key(&password))
        || contains_hidden_key(value.as_bytes())
}

/// Whether a text begins as a key, or has one in it.
fn looks_like_key(text: &[u8]) -> bool {
    text.starts_with(secret::PREFIX) || contains_key(text)
}

/// Whether a header has a key in it, as it is or encoded. A gateway would pass the header on, so that everything is decoded
/// that looks like base64, in any scheme.
fn contains_hidden_key(value: &[u8]) -> bool {
    // The program `base64` wraps its lines, and a shell's word then has spaces.
    let words = value.split(u8::is_ascii_whitespace);
    let joined = Zeroizing::new(words.skip(1).collect::<Vec<_>>().concat());
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let pieces = [value, &joined].into_iter().flat_map(|text| text.split(|byte| !is_digit(byte)));
    // Shorter ones hold no key.
    let mut pieces = pieces.filter(|piece| piece.len() >= secret::KEY_LEN);
    contains_key(value) || pieces.any(|piece| decode_leniently(piece).is_some_and(|decoded| contains_key(&decoded)))
}

/// Whether a key is in a text, or percent-encoded in it (RFC 6749, section 2.3.1, for passwords).
fn contains_key(text: &[u8]) -> bool {
    let decoded = Zeroizing::new(percent_decode(text).collect::<Vec<_>>());
    [text, &decoded]
        .iter()
        .any(|text| secret::contains_key(&Zeroizing::new(String::from_utf8_lossy(text).into_owned())))
}

/// Decodes base64 in either alphabet (RFC 4648), with or without padding.
fn decode_leniently(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let standard = text.iter().map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    });
    LENIENT.decode(Zeroizing::new(standard.collect::<Vec<_>>())).ok().map(Zeroizing::new)
}

/// User name and password of HTTP Basic.
pub(crate) struct Basic {
    pub(crate) user: Zeroizing<Vec<u8>>,
    pub(crate) password: Zeroizing<Vec<u8>>,
}

/// Reads HTTP Basic (RFC 7617, section 2). `None` where it is another scheme, or not well-formed.
pub(crate) fn read_basic(value: &HeaderValue) -> Option<Basic> {
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(after_scheme(value, b"Basic ")?).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let part = |part: &[u8]| Zeroizing::new(part.to_vec());
    Some(Basic { user: part(&decoded[..colon]), password: part(&decoded[colon + 1..]) })
}

/// What follows a scheme and its one space.
fn after_scheme<'a>(value: &'a HeaderValue, scheme: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = value.as_bytes().split_at_checked(scheme.len())?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The one header of this name, if there is any. Empty ones count as absent: a client sends them where a variable is empty.
pub(crate) fn single_value(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, Rejection> {
    let mut values = headers.get_all(name).iter().filter(|value| !value.is_empty());
    let value = values.next();
    if values.next().is_some() {
        return Err(Rejection::Malformed);
    }
    Ok(value)
}

/// The address and the caller of a request. [`crate::pipeline`] stores it in the extensions of the request.
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub(crate) peer: IpAddr,
    /// `None` outside `/api`.
    pub(crate) caller: Option<Caller>,
    /// What the handler is to count.
    pub(crate) run_use: Option<Arc<PendingRunUse>>,
}

impl RequestContext {
    /// Rejects a request without one: it reached a handler without passing [`crate::pipeline`].
    fn of(parts: &Parts) -> Result<&Self, ApiError> {
        parts.extensions.get().ok_or(ApiError::Refused(Rejection::NoCredential))
    }
}

/// Address of the peer.
pub(crate) struct Peer(pub(crate) IpAddr);

impl FromRequestParts<AppState> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(RequestContext::of(parts)?.peer))
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        RequestContext::of(parts)?.caller.clone().ok_or(ApiError::Refused(Rejection::NoCredential))
    }
}

/// Who asks for a change, for the list of activity.
pub(crate) struct AuditOrigin(pub(crate) ulkeys_store::AuditContext);

impl FromRequestParts<AppState> for AuditOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let asker = RequestContext::of(parts)?;
        let by = asker.caller.as_ref().and_then(Caller::key_id).copied();
        Ok(Self(ulkeys_store::AuditContext {
            actor: by,
            peer: asker.peer,
            user_agent: user_agent::from_headers(&parts.headers).into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::testing::{
        KEY, KEY_ID, around_value, base64, headers, is_key, is_key_id, mutations_of, proptest_config, unescaped,
    };

    fn session() -> SessionToken {
        SessionToken::generate(&mut StdRng::seed_from_u64(1)).expect("infallible")
    }

    fn authorizations() -> impl Strategy<Value = HeaderValue> {
        let basic = prop_oneof![
            2 => mutations_of(&format!("{KEY_ID}:{KEY}")),
            2 => mutations_of(&format!("anyone:{KEY}")),
            1 => mutations_of(&format!("{KEY}:")),
            1 => mutations_of("somebody:a password"),
        ];
        let basic = ("Basic |bASIC |basic  ?|Basic", basic)
            .prop_map(|(scheme, inner)| format!("{scheme}{}", BASE64_STANDARD.encode(inner)).parse().expect("a value"));
        prop_oneof![
            4 => around_value(&format!("Bearer {KEY}")),
            2 => around_value(&format!("bEARER {KEY}")),
            2 => around_value(&format!("Bearer {}", session().expose())),
            1 => around_value("Bearer of another service"),
            3 => basic,
        ]
    }

    /// Mostly one header or none.
    fn several(values: impl Strategy<Value = HeaderValue> + 'static) -> impl Strategy<Value = Vec<HeaderValue>> {
        let values = values.boxed();
        prop_oneof![
            6 => prop::collection::vec(values.clone(), 1),
            3 => Just(Vec::new()),
            1 => prop::collection::vec(values, 2..=3),
        ]
    }

    /// What a request proves: nothing, the app's session, or a key and perhaps its identifier.
    #[derive(Debug, PartialEq)]
    enum Proof {
        Session,
        Key(Option<Vec<u8>>, Vec<u8>),
    }

    /// Reads an `Authorization` once more: the credential in it, and whether it looks like one of ours.
    fn expected_authorization(value: &[u8], session: &[u8]) -> (Option<Proof>, bool) {
        let has_scheme = |scheme: &str| String::from_utf8_lossy(value).to_lowercase().starts_with(scheme);
        if has_scheme("bearer ") {
            let token = &value["bearer ".len()..];
            return match token {
                token if token == session => (Some(Proof::Session), true),
                token => (is_key(token).then(|| Proof::Key(None, token.to_vec())), has_key(token) || hides(value)),
            };
        }
        let decoded = if has_scheme("basic ") { base64(&value["basic ".len()..]) } else { None };
        let Some((decoded, colon)) =
            decoded.and_then(|text| Some((text.clone(), text.iter().position(|b| *b == b':')?)))
        else {
            return (None, hides(value));
        };
        let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
        let is_named = user.starts_with(b"key_");
        let is_user = !is_named || is_key_id(user);
        let proof = Proof::Key(is_named.then(|| user.to_vec()), password.to_vec());
        ((is_user && is_key(password)).then_some(proof), has_key(user) || has_key(password) || hides(value))
    }

    /// Whether a whole key is in a value, or in what a run of digits of base64 decodes to.
    fn hides(value: &[u8]) -> bool {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
        // Without the white space after the first word, too.
        let first = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
        let joined: Vec<u8> = value[first..].iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let runs = value.split(|byte| !is_digit(byte)).chain(joined.split(|byte| !is_digit(byte))).map(|run| {
            let whole = run.len() / 4 * 4;
            let standard: Vec<u8> = run
                .iter()
                .map(|byte| {
                    if *byte == b'-' {
                        b'+'
                    } else if *byte == b'_' {
                        b'/'
                    } else {
                        *byte
                    }
                })
                .collect();
            // A rest of one digit is no whole byte, and nothing decodes it.
            let rest: &[u8] = match run.len() - whole {
                0 => &[],
                1 => return Vec::new(),
                2 => &[standard[whole], standard[whole + 1], b'A', b'A'],
                _ => &[standard[whole], standard[whole + 1], standard[whole + 2], b'A'],
            };
            base64(&[&standard[..whole], rest].concat()).unwrap_or_default()
        });
        let texts = [value.to_vec()].into_iter().chain(runs);
        texts.flat_map(|text| [unescaped(&text), text]).any(|text| text.windows(43).any(is_key))
    }

    fn has_key(text: &[u8]) -> bool {
        text.starts_with(b"ul_") || text.windows(43).any(is_key)
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn read_credential_any_headers_reads_what_one_of_them_holds(
            authorizations in several(authorizations()), keys in several(around_value(KEY)),
        ) {
            let session = session();
            let mut both = headers("authorization", &authorizations);
            both.extend(headers("x-api-key", &keys));
            let read = read_credential(&both, &session);
            let [authorizations, keys] = [authorizations, keys]
                .map(|values| values.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>());
            let expected = match (authorizations.as_slice(), keys.as_slice()) {
                ([], []) => Err(Rejection::NoCredential),
                ([authorization], []) => {
                    expected_authorization(authorization.as_bytes(), session.expose().as_bytes()).0.ok_or(Rejection::Malformed)
                }
                ([], [key]) => is_key(key.as_bytes()).then(|| Proof::Key(None, key.as_bytes().to_vec())).ok_or(Rejection::Malformed),
                ([authorization], [key]) => {
                    let (proof, is_ours) = expected_authorization(authorization.as_bytes(), session.expose().as_bytes());
                    match (is_ours, has_key(key.as_bytes())) {
                        (true, true) => Err(Rejection::TwoCredentials),
                        (true, false) => proof.ok_or(Rejection::Malformed),
                        (false, _) => {
                            is_key(key.as_bytes()).then(|| Proof::Key(None, key.as_bytes().to_vec())).ok_or(Rejection::Malformed)
                        }
                    }
                }
                _ => Err(Rejection::Malformed),
            };
            let read = read.map(|credential| match credential {
                Credential::Session => Proof::Session,
                Credential::Key(secret) => Proof::Key(None, secret.expose().as_bytes().to_vec()),
                Credential::KeyWithId(id, secret) => {
                    Proof::Key(Some(id.as_str().as_bytes().to_vec()), secret.expose().as_bytes().to_vec())
                }
            });
            prop_assert_eq!(read, expected);
        }
    }
}
