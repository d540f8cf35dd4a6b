//! What becomes of a request: the reasons for which one is refused.

use crate::Scope;

/// Why a request is refused. The caller is told no more than the protocol's fixed texts; the exact reason is for the
/// key's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No `Authorization` header at all.
    NoCredential,
    /// A header that holds no well-formed credential, or more than one header.
    Malformed,
    /// Well-formed, but not a credential of this service.
    Unknown,
    /// Once a key, now revoked.
    Revoked,
    /// A valid key without any of the scopes that allow the request.
    Scope(&'static [Scope]),
}
