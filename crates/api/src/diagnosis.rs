//! The request and the response for finding out whether, and why, a request with a key is rejected.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{ApiKey, schema};
use ulkeys_domain::{Scope, Timestamp};

/// Body of `POST /api/diagnosis`. Does not implement `Debug`, because it may contain a key.
#[derive(Serialize, Deserialize, TS, ToSchema)]
#[schema(example = json!({ "key": "ul_…", "method": "POST", "path": "/api/models/a/predict" }))]
#[schema(as = Diagnose)]
pub struct CheckRequest {
    /// The text to check, presumably a key.
    pub key: String,
    /// Method of the request that the key should allow; `GET` if only a path is given. Requires a path.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<String>,
    /// Path of the request that the key should allow, or its full URL.
    #[schema(pattern = r"^[ \t\r\n]*(/|https?://)")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
}

/// Response of `POST /api/diagnosis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[schema(as = Diagnosis)]
pub struct CheckReport {
    /// Machine-readable result of the check.
    pub finding: CheckResult,
    /// The cause, as a sentence for display.
    pub cause: String,
    /// What to do, as a sentence for display. Empty if nothing has to be done.
    pub remedy: String,
    /// The key's metadata, if the text is a key of this service.
    #[schema(required = true)]
    pub key: Option<ApiKey>,
}

/// The result of checking a key, in a form that clients can evaluate and translate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[schema(as = Finding)]
pub enum CheckResult {
    /// The text is not a key. The response does not quote the text.
    Malformed {
        /// Why the text is not a key.
        problem: FormatProblem,
    },
    /// The text is well-formed, but it is not a key of this service.
    Unknown,
    /// The key is revoked.
    #[serde(rename_all = "camelCase")]
    Revoked {
        /// When the key was revoked.
        #[ts(type = "string")]
        #[schema(value_type = schema::Timestamp)]
        revoked_at: Timestamp,
    },
    /// The key lacks a scope that the request needs.
    Scope {
        /// Scopes that allow the request; any one of them is sufficient. Empty if no key allows the request.
        #[ts(as = "Vec<schema::Scope>")]
        #[schema(value_type = Vec<schema::Scope>)]
        needed: Vec<Scope>,
    },
    /// The key has sent too many requests of this kind in the last minute.
    #[serde(rename_all = "camelCase")]
    Limit {
        /// Maximum number of requests per minute.
        limit: u32,
        /// When the next request can be accepted.
        #[ts(type = "string")]
        #[schema(value_type = schema::Timestamp)]
        free_at: Timestamp,
    },
    /// Clients on this computer have presented too many invalid keys within a minute. Until some of these attempts
    /// expire, keys that these clients have not used recently are rejected without a check.
    #[serde(rename_all = "camelCase")]
    PeerLimit {
        /// When keys that have not been used recently will be checked again.
        #[ts(type = "string")]
        #[schema(value_type = schema::Timestamp)]
        free_at: Timestamp,
    },
    /// The key is valid, and the request would be accepted.
    Accepted,
}

/// Reasons why the checked text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FormatProblem {
    /// The text contains white space.
    WhiteSpace,
    /// The text does not begin with `ul_`.
    Prefix,
    /// The text is not 43 characters long.
    Length,
    /// The text contains upper-case hexadecimal digits.
    UpperCase,
    /// The text contains a character that is not a hexadecimal digit (of either case).
    NotHexadecimal,
}
