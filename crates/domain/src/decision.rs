//! The decision about a request: accepted, or rejected for a reason.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumString, VariantArray};

use crate::Scopes;
use crate::rate_limit::RateLimitStatus;

/// Why a request is rejected. The caller receives only the protocol's fixed texts; the key's owner sees the exact
/// reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// None of the headers that may hold a credential.
    NoCredential,
    /// A header that holds no well-formed credential, or more than one header.
    Malformed,
    /// Two headers that each hold a credential. None of the two is looked up.
    TwoCredentials,
    /// Well-formed, but not a credential of this service.
    Unknown,
    /// Once a key, now revoked.
    Revoked,
    /// A valid key without any of the scopes that allow the request; `None` where no scope is enough.
    Scope(Option<Scopes>),
    /// A valid key that has made as many requests of this kind as it may for now.
    Limit(RateLimitStatus),
    /// The peer has presented too many invalid credentials. Until some of them expire, it may only use the keys that it
    /// uses already.
    PeerLimit(RateLimitStatus),
}

impl Rejection {
    /// The decision under which the rejection is counted.
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

/// The decision about a request, as usage and activity store it.
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
    ts_rs::TS,
    utoipa::ToSchema,
    EnumString,
    AsRefStr,
    VariantArray,
    Display,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "snake_case")]
// The name that generated clients know.
#[schema(as = Outcome)]
pub enum Decision {
    /// Accepted.
    Accepted,
    /// [`Rejection::NoCredential`].
    NoCredential,
    /// [`Rejection::Malformed`] or [`Rejection::TwoCredentials`].
    Malformed,
    /// [`Rejection::Unknown`].
    Unknown,
    /// [`Rejection::Revoked`].
    Revoked,
    /// [`Rejection::Scope`].
    Scope,
    /// [`Rejection::Limit`].
    Limit,
    /// [`Rejection::PeerLimit`].
    PeerLimit,
}
