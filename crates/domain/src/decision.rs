//! Decisions about requests: each request is accepted, or rejected for a reason.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumString, VariantArray};

use crate::Scopes;
use crate::rate_limit::RateLimitStatus;

/// Why a request is rejected. The caller receives only the fixed error message that the protocol prescribes; the key's
/// owner can see the exact reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The request has none of the headers that may contain a credential.
    NoCredential,
    /// A header contains no well-formed credential, or is repeated.
    Malformed,
    /// Two headers each contain a credential. Neither credential is looked up.
    TwoCredentials,
    /// The credential is well-formed, but it is not a key of this service.
    Unknown,
    /// The key is revoked.
    Revoked,
    /// The key is valid but has none of the scopes that allow the request. The value lists those scopes, and is `None`
    /// if no scope allows the request.
    Scope(Option<Scopes>),
    /// The key is valid but has reached its rate limit for this class of requests.
    Limit(RateLimitStatus),
    /// The peer has presented too many invalid credentials. Until some of these attempts are more than a minute old,
    /// the service accepts only keys that this peer has used recently.
    PeerLimit(RateLimitStatus),
}

impl Rejection {
    /// Returns the decision under which this rejection is counted.
    pub const fn decision(self) -> Decision {
        match self {
            Self::NoCredential => Decision::NoCredential,
            Self::Malformed | Self::TwoCredentials => Decision::Malformed,
            Self::Unknown => Decision::Unknown,
            Self::Revoked => Decision::Revoked,
            Self::Scope(_) => Decision::Scope,
            Self::Limit(_) => Decision::Limit,
            Self::PeerLimit(_) => Decision::PeerLimit,
        }
    }
}

/// The decision about a request, as recorded in usage and activity.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    EnumString,
    AsRefStr,
    VariantArray,
    Display,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "snake_case")]
pub enum Decision {
    /// The request was accepted.
    Accepted,
    /// Rejected because the request contains no credential: [`Rejection::NoCredential`].
    NoCredential,
    /// Rejected because the credential is malformed or ambiguous: [`Rejection::Malformed`] or
    /// [`Rejection::TwoCredentials`].
    Malformed,
    /// Rejected because the credential is not a key of this service: [`Rejection::Unknown`].
    Unknown,
    /// Rejected because the key is revoked: [`Rejection::Revoked`].
    Revoked,
    /// Rejected because the key lacks a required scope: [`Rejection::Scope`].
    Scope,
    /// Rejected because the key has reached its rate limit: [`Rejection::Limit`].
    Limit,
    /// Rejected because the peer has presented too many invalid credentials: [`Rejection::PeerLimit`].
    PeerLimit,
}
