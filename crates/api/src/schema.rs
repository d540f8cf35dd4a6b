//! Descriptions of domain types for the OpenAPI document and the TypeScript types.
//!
//! The domain defines these types and how they are written in JSON; it does not know who reads the JSON. A field of an
//! API type that has a domain type therefore names its description: `#[schema(value_type = schema::KeyId)]` for the
//! OpenAPI document, and `#[ts(as = "schema::Scope")]` for TypeScript. These types are never constructed. A test
//! compares them with the JSON of the domain types.

use ts_rs::TS;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use ulkeys_domain::name::MAX_CHARS;
#[cfg(doc)]
use ulkeys_domain::{RateLimitClass, rate_limit::RunRateLimitClass, training::RunSummary};

/// Public identifier of a key: `key_` and 24 lowercase hexadecimal digits. It is neither secret nor derived from the
/// secret.
#[derive(ToSchema)]
#[schema(pattern = "^key_[0-9a-f]{24}$", example = "key_0123456789abcdef01234567")]
pub struct KeyId(pub String);

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z (the resolution of JavaScript's `Date`).
#[derive(ToSchema)]
#[schema(format = DateTime, example = "2026-11-22T09:30:00.000Z")]
pub struct Timestamp(pub String);

/// A set of at least one scope. There is no "all" and no "none": a key grants exactly the listed scopes.
#[derive(ToSchema)]
#[schema(min_items = 1)]
pub struct Scopes(pub Vec<Scope>);

/// A model identifier: `model_` and 24 hexadecimal digits if this service issued it. A client may send any other short
/// string, which matches no model.
#[derive(ToSchema)]
#[schema(pattern = "^model_[0-9a-f]{24}$")]
pub struct ModelId(pub String);

/// A run identifier: a positive number that JavaScript can represent exactly. Later runs have higher numbers.
#[derive(ToSchema)]
#[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
pub struct RunId(pub i64);

/// Identifier of an uploaded checkpoint, which is also its file name on disk: `ckpt_` and 24 lowercase hexadecimal
/// digits.
#[derive(ToSchema)]
#[schema(pattern = "^ckpt_[0-9a-f]{24}$")]
pub struct CheckpointId(pub String);

/// A URL-safe name of 1 to 128 characters: `a-z`, `0-9` and single inner hyphens.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9a-z][0-9a-z-]*$")]
pub struct Slug(pub String);

/// The display name of an uploaded model: 1 to 128 letters, digits, spaces, `.`, `-` and `_`, with a known file
/// extension.
///
/// The name is never used as a path or as the name of a file on the service's disk. It is only suggested as the file
/// name when the model is downloaded.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 128)]
pub struct FileName(pub String);

/// The name that a person gives a key.
pub struct KeyName;

/// Describes the names that [`ulkeys_domain::KeyName::parse`] accepts. The schema has no maximum length, because a
/// limit would also count the white space that is trimmed.
///
/// The pattern uses only syntax that ECMAScript, Python and RE2 (Go) interpret identically. RE2 supports neither
/// look-ahead nor `\u`, so characters beyond U+00FF are written literally. Without look-ahead, the pattern cannot
/// describe a name that begins with an invisible character, although such a name is accepted.
impl PartialSchema for KeyName {
    fn schema() -> RefOr<Schema> {
        const SPACE: &str = "[\\t-\\r \\x85\\xa0\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}]*";
        // Matches a character that neither breaks a line nor reorders text.
        const PLAIN: &str = "[^\\x00-\\x1f\\x7f-\\x9f\u{2028}-\u{202e}\u{2066}-\u{2069}]";
        // Matches a `PLAIN` character that is also visible: neither white space nor a character without a glyph.
        const SEEN: &str = concat!(
            "[^\\x00-\\x20\\x7f-\\xa0\\xad\u{34f}\u{61c}\u{115f}\u{1160}\u{1680}\u{180e}\u{2000}-\u{200f}",
            "\u{2028}-\u{202f}\u{205f}-\u{2064}\u{2066}-\u{2069}\u{3000}\u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}]"
        );
        let more = MAX_CHARS - 1;
        let pattern = format!("^{SPACE}{SEEN}{PLAIN}{{0,{more}}}{SPACE}$");
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).pattern(Some(pattern));
        text.description(Some(format!("1 to {MAX_CHARS} characters after trimming"))).into()
    }
}

impl ToSchema for KeyName {}

/// One permission. The order of the variants is the order in which the platform documents them and in which they are
/// always listed.
#[derive(TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Allows starting training runs and streaming metrics.
    Training,
    /// Allows uploading, downloading and deleting models.
    Models,
    /// Allows reading and modifying datasets.
    Datasets,
    /// Allows reading all resources.
    Read,
    /// Allows writing all resources, and implies reading.
    Write,
    /// Allows managing the account. Grants no access to resources.
    Admin,
}

/// A reason why an active key needs attention.
#[derive(TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attention)]
pub enum AttentionReason {
    /// The key is older than the rotation period.
    Old,
    /// The key was created 30 or more days ago and has never been used.
    NeverUsed,
    /// The key has not been used for 90 days or more.
    Unused,
    /// The key is in use and holds the `admin` scope, but has not needed that scope for 30 days or more.
    AdminUnused,
}

/// Filters the list of keys by status.
#[derive(TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum KeyStatus {
    /// Active keys, which are accepted.
    Active,
    /// Active keys that need attention.
    Attention,
    /// Revoked keys, which are permanently rejected.
    Revoked,
    /// Active and revoked keys.
    All,
}

/// The column by which keys are sorted.
#[derive(TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SortBy {
    /// Sorts by name, ignoring case and accents.
    Name,
    /// Sorts by scopes, so that keys with the same scopes are adjacent.
    Scopes,
    /// Sorts by the time of creation.
    CreatedAt,
    /// Sorts by the time of the last use. Keys that have never been used come first.
    LastUsedAt,
    /// Sorts by the time of revocation. Active keys come first.
    RevokedAt,
}

/// The kinds of activity entries, by which activity can be filtered.
#[derive(TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HappeningKind)]
pub enum ActivityKind {
    /// A key was created.
    Created,
    /// A key was renamed.
    Renamed,
    /// A key was revoked.
    Revoked,
    /// A new client used a key.
    #[serde(rename = "newSource")]
    NewClient,
    /// Requests were rejected.
    #[serde(rename = "refused")]
    Rejected,
    /// Another program changed the database.
    ChangedOutside,
}

/// A change that another program made to the key database, or to the record of revocations (a separate file outside the
/// database).
#[derive(TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutsideChange {
    /// A key was added.
    Added,
    /// A key was removed or is no longer readable.
    Removed,
    /// A key was renamed.
    Renamed,
    /// The scopes of a key were changed.
    ScopesChanged,
    /// The secret of a key was replaced under the same identifier.
    SecretChanged,
    /// A key was revoked.
    Revoked,
    /// A revoked key was made active again. The service still treats it as revoked.
    KeptRevoked,
    /// Keys were changed while the service was not running, so the details are unknown.
    WhileClosed,
    /// The record of revocations was missing. The service created a new one from the database.
    RecordLost,
    /// The record of revocations was replaced by a different one.
    RecordReplaced,
    /// The record of revocations was truncated or edited. The service created a new one.
    RecordDamaged,
}

/// The decision about a request, as recorded in usage and activity.
#[derive(TS, ToSchema)]
#[serde(rename_all = "camelCase")]
// The OpenAPI document calls this type `Outcome`, because generated clients already use that name.
#[schema(as = Outcome)]
pub enum Decision {
    /// The request was accepted.
    Accepted,
    /// Rejected because the request contains no credential.
    NoCredential,
    /// Rejected because the credential is malformed or ambiguous.
    Malformed,
    /// Rejected because the credential is not a key of this service.
    Unknown,
    /// Rejected because the key is revoked.
    Revoked,
    /// Rejected because the key lacks a required scope.
    Scope,
    /// Rejected because the key has reached its rate limit.
    Limit,
    /// Rejected because the peer has presented too many invalid credentials.
    PeerLimit,
}

/// The status of a run. Once a run has ended, later reports do not change its status.
///
/// If a training process is killed, its run remains `running`; see [`RunSummary::silent_since`].
#[derive(TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// The run has started, and no end has been reported.
    Running,
    /// The training process reported success.
    Completed,
    /// The training process reported a failure.
    Failed,
    /// The run was cancelled. The response to each of its events tells the training process to stop.
    Cancelled,
}

/// The state of an uploaded checkpoint. For each run, only the file of the newest saved checkpoint is kept.
#[derive(TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointState {
    /// The upload is complete, but the run has not confirmed it yet.
    Uploaded,
    /// The run has confirmed this checkpoint.
    Saved,
    /// A newer checkpoint has replaced this one, and the file of this checkpoint has been deleted.
    Replaced,
}

/// The maximum number of requests per minute for each class. A limit that is missing from the settings file has its
/// default value.
#[derive(TS)]
#[ts(rename_all = "camelCase")]
pub struct RateLimits {
    /// Limit per key for [`RateLimitClass::Default`].
    pub default: u32,
    /// Limit per key for [`RateLimitClass::TrainingStart`].
    pub training_start: u32,
    /// Limit per key for [`RateLimitClass::Upload`], and per run for [`RunRateLimitClass::Checkpoint`].
    pub upload: u32,
    /// Limit per key for [`RateLimitClass::Predict`].
    pub predict: u32,
    /// Limit per key for [`RateLimitClass::Export`].
    pub export: u32,
    /// Limit per key for [`RateLimitClass::Download`].
    pub download: u32,
    /// Limit per run for [`RunRateLimitClass::Event`], and per key for [`RateLimitClass::RunStart`].
    pub stream: u32,
    /// Limit per key for [`RateLimitClass::Introspection`].
    pub introspection: u32,
    /// Limit per key for [`RateLimitClass::Gateway`].
    pub gateway: u32,
    /// Limit per peer for requests with an invalid credential.
    pub invalid_credentials: u32,
}

/// Limits for training data, in MiB. By default, one key may use half of each limit, so that a single client cannot use
/// up the storage of all others.
#[derive(TS)]
#[ts(rename_all = "camelCase")]
pub struct StorageLimits {
    /// Limit for all training data, both in the database and in checkpoint files.
    pub training: u32,
    /// Limit for the training data of one key.
    pub training_per_key: u32,
    /// Limit for training data in the database. The whole database is checked each time the service starts, so it must
    /// remain small. Checking 2 GiB (about a thousand long runs) takes a few seconds.
    pub database: u32,
    /// Limit for the training data of one key in the database.
    pub database_per_key: u32,
    /// Free disk space that training data must leave for keys, their usage and other programs. Keys themselves need a
    /// few MiB.
    pub reserve: u32,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;
    use strum::VariantArray;
    use ts_rs::Config;
    use ulkeys_domain::{self as domain, training};

    use super::*;

    /// Asserts that a description lists the JSON of exactly the variants of a domain enum, in the same order.
    fn assert_describes_variants<T: VariantArray + Serialize, Description: TS + ToSchema>() {
        let variants = serde_json::to_value(T::VARIANTS).expect("can be serialized");
        let schema = serde_json::to_value(Description::schema()).expect("can be serialized");
        assert_eq!(schema["enum"], variants, "OpenAPI");
        let names: Vec<_> = variants.as_array().expect("a list").iter().map(ToString::to_string).collect();
        assert_eq!(Description::inline(&Config::default()), names.join(" | "), "TypeScript");
    }

    /// Asserts that a description has a number for each field of a domain type.
    fn assert_describes_numbers<T: Default + Serialize, Description: TS>() {
        let json = serde_json::to_value(T::default()).expect("can be serialized");
        let names: BTreeSet<_> = json.as_object().expect("an object").keys().cloned().collect();
        let inline = Description::inline(&Config::default());
        let described = inline.lines().filter_map(|line| Some(line.split_once(": number,")?.0.to_owned()));
        assert_eq!(described.collect::<BTreeSet<_>>(), names);
    }

    #[test]
    fn descriptions_agree_with_domain_types() {
        assert_describes_variants::<domain::Scope, Scope>();
        assert_describes_variants::<domain::AttentionReason, AttentionReason>();
        assert_describes_variants::<domain::KeyStatus, KeyStatus>();
        assert_describes_variants::<domain::SortBy, SortBy>();
        assert_describes_variants::<domain::ActivityKind, ActivityKind>();
        assert_describes_variants::<domain::OutsideChange, OutsideChange>();
        assert_describes_variants::<domain::decision::Decision, Decision>();
        assert_describes_variants::<training::RunStatus, RunStatus>();
        assert_describes_variants::<training::CheckpointState, CheckpointState>();
        assert_describes_numbers::<domain::RateLimits, RateLimits>();
        assert_describes_numbers::<domain::storage::StorageLimits, StorageLimits>();
    }

    /// Asserts that a description has the JSON type of a domain value, and that its example is such a value.
    fn assert_describes<T: Serialize + DeserializeOwned, Description: ToSchema>(value: &T) {
        let schema = serde_json::to_value(Description::schema()).expect("can be serialized");
        let json_type = match serde_json::to_value(value).expect("can be serialized") {
            Value::String(_) => "string",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            other => panic!("not described: {other}"),
        };
        assert_eq!(schema["type"], json_type);
        if let Some(example) = schema.get("example") {
            assert!(serde_json::from_value::<T>(example.clone()).is_ok(), "{example}");
        }
    }

    #[test]
    fn descriptions_have_json_types_of_domain_values() {
        let rng = &mut StdRng::seed_from_u64(1);
        assert_describes::<_, KeyId>(&domain::KeyId::generate(rng).expect("infallible"));
        assert_describes::<_, Timestamp>(&domain::Timestamp::from_millis(0).expect("in range"));
        assert_describes::<_, Scopes>(&domain::Scopes::new([domain::Scope::Read]).expect("not empty"));
        assert_describes::<_, ModelId>(&training::ModelId::generate(rng).expect("infallible"));
        assert_describes::<_, RunId>(&training::RunId::MAX_NUMBER);
        assert_describes::<_, CheckpointId>(&training::CheckpointId::generate(rng).expect("infallible"));
        assert_describes::<_, Slug>(&training::Slug::of("My Project", "project"));
        assert_describes::<_, FileName>(&training::FileName::parse("best.pt").expect("valid"));
    }
}
