//! Why a request with a key is, or would be, refused.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::ApiKey;
use crate::{Scope, Timestamp};

/// Body of `POST /api/diagnosis`. Not `Debug`: it may hold a key.
#[derive(Serialize, Deserialize, TS, ToSchema)]
#[schema(example = json!({ "key": "ul_…", "method": "POST", "path": "/api/models/a/predict" }))]
#[schema(as = Diagnose)]
pub struct CheckRequest {
    /// What a person believes to be a key.
    pub key: String,
    /// The method of a request that it should open; `GET` where only a path is given. Means nothing without a path.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<String>,
    /// The path of that request, or its whole address.
    #[schema(pattern = r"^[ \t\r\n]*(/|https?://)")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
}

/// Answer of `POST /api/diagnosis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[schema(as = Diagnosis)]
pub struct CheckReport {
    /// What was found.
    pub finding: CheckResult,
    /// The cause, in a sentence for people.
    pub cause: String,
    /// What to do about it, in a sentence for people; empty where nothing is to be done.
    pub remedy: String,
    /// The key's metadata, where it is one.
    #[schema(required = true)]
    pub key: Option<ApiKey>,
}

/// What a check of a key can find, for clients and for translated texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[schema(as = Finding)]
pub enum CheckResult {
    /// The text is not a key. Nothing of it is repeated.
    Malformed {
        /// What is wrong with it.
        problem: FormatProblem,
    },
    /// Well-formed, but not a key of this service.
    Unknown,
    /// Revoked.
    #[serde(rename_all = "camelCase")]
    Revoked {
        /// When.
        #[ts(type = "string")]
        revoked_at: Timestamp,
    },
    /// The key lacks a scope for the request.
    Scope {
        /// Any one of these is enough; empty where no key opens the request.
        needed: Vec<Scope>,
    },
    /// The key has made too many requests of this kind in the last minute.
    #[serde(rename_all = "camelCase")]
    Limit {
        /// Requests a minute.
        limit: u32,
        /// When the next one is accepted.
        #[ts(type = "string")]
        free_at: Timestamp,
    },
    /// Programs on this computer presented so many invalid keys within a minute that keys which were not in use before
    /// are rejected without a check.
    #[serde(rename_all = "camelCase")]
    PeerLimit {
        /// When they are checked again.
        #[ts(type = "string")]
        free_at: Timestamp,
    },
    /// Nothing: the request is accepted, or the key would be.
    Accepted,
}

/// Ways in which a text fails to be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FormatProblem {
    /// White space before, after or inside.
    WhiteSpace,
    /// Does not begin with `ul_`.
    Prefix,
    /// Not 43 characters long.
    Length,
    /// Upper-case hexadecimal digits.
    UpperCase,
    /// Other characters than hexadecimal digits.
    NotHexadecimal,
}
