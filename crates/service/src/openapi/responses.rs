//! Groups of answers that many operations share, by what can go wrong. Each answer is described once, among the
//! document's components.

use std::collections::BTreeMap;

use ulkeys_domain::wire::ErrorBody;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Components, ContentBuilder, Header, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

/// A query or a header is wrong.
pub(crate) struct BadRequest;
/// A body is wrong, too large or too slow.
pub(crate) struct BodyErrors;
/// The resource is in a state that does not allow it.
pub(crate) struct Conflict;
/// What the path names is not there.
pub(crate) struct NotFound;
/// The credential is not accepted, or the store, which is asked about it, fails.
pub(crate) struct AuthErrors;
/// The store fails.
pub(crate) struct StorageErrors;
/// The disk is full, or training data has reached its limits.
pub(crate) struct InsufficientStorage;

/// The bytes of a file. `format: binary` is of OpenAPI 3.0, and what generators of clients still read.
pub(crate) struct FileBytes;

impl PartialSchema for FileBytes {
    fn schema() -> RefOr<Schema> {
        string_schema().format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).into()
    }
}

impl ToSchema for FileBytes {}

type ResponseMap = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for BadRequest {
    fn responses() -> ResponseMap {
        error_response_refs(&[400])
    }
}

impl IntoResponses for BodyErrors {
    fn responses() -> ResponseMap {
        error_response_refs(&[400, 408, 413])
    }
}

impl IntoResponses for NotFound {
    fn responses() -> ResponseMap {
        error_response_refs(&[404])
    }
}

impl IntoResponses for Conflict {
    fn responses() -> ResponseMap {
        error_response_refs(&[409])
    }
}

impl IntoResponses for AuthErrors {
    fn responses() -> ResponseMap {
        error_response_refs(&[401, 403, 429, 500, 503])
    }
}

impl IntoResponses for StorageErrors {
    fn responses() -> ResponseMap {
        error_response_refs(&[500, 503])
    }
}

impl IntoResponses for InsufficientStorage {
    fn responses() -> ResponseMap {
        error_response_refs(&[507])
    }
}

/// Status, what it means, and the headers beside those that every answer has.
#[rustfmt::skip]
const ERROR_RESPONSES: &[(u16, &str, &[&str])] = &[
    (400, "A field is wrong; the text names it and never repeats it.", RATE_LIMIT_HEADERS),
    (401, "No credential, or none that is accepted. Malformed, unknown and revoked keys are answered alike.", CHALLENGE_HEADERS),
    (403, "The key lacks the scopes, or callers of this kind are not served.", CHALLENGE_HEADERS),
    (404, "There is nothing of that name.", RATE_LIMIT_HEADERS),
    (408, "The body did not arrive in time.", RATE_LIMIT_HEADERS),
    (409, "The state of the resource does not allow it; the text says what to do first.", RATE_LIMIT_HEADERS),
    (413, "The body is too large.", RATE_LIMIT_HEADERS),
    (429, "The key, the training run, or a peer with invalid keys, has asked too often.", &["Retry-After", RATE_LIMIT_HEADERS[0], RATE_LIMIT_HEADERS[1], RATE_LIMIT_HEADERS[2]]),
    (500, "The service failed; the cause is in its log.", &[]),
    (503, "Another program holds the database for the moment, or has moved or replaced its file; too many large requests \
        came at once; or the service is stopping. Nothing was changed.", &["Retry-After"]),
    (507, "There is no space left: on the disk (`STORAGE_FULL`), or for training data, which has limits and leaves a reserve \
        of the disk to keys (`TRAINING_DATA_FULL`). Nothing was changed.", RATE_LIMIT_HEADERS),
];

const CHALLENGE_HEADERS: &[&str] = &["WWW-Authenticate"];
const RATE_LIMIT_HEADERS: &[&str] = &["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
const REQUEST_ID_HEADER: &str = "X-Request-Id";

/// The answer with this status, by reference.
pub(super) fn error_response_ref(status: u16) -> RefOr<Response> {
    RefOr::Ref(Ref::from_response_name(status.to_string()))
}

fn error_response_refs(statuses: &[u16]) -> ResponseMap {
    statuses.iter().map(|status| (status.to_string(), error_response_ref(*status))).collect()
}

/// Puts the shared answers and headers among the components.
pub(super) fn add_shared_components(components: &mut Components) {
    for (status, description, headers) in ERROR_RESPONSES {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name()))).build();
        let response = ResponseBuilder::new().description(*description).content("application/json", body);
        let headers = headers.iter().chain([&REQUEST_ID_HEADER]);
        let response = headers.fold(response, |response, name| response.header_ref(*name, header_reference(name)));
        components.responses.insert(status.to_string(), response.build().into());
    }
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    for (name, schema, description) in [
        (
            CHALLENGE_HEADERS[0],
            string_schema().build(),
            "What is missing (RFC 6750, section 3). Absent where no credential would help.",
        ),
        ("Retry-After", number().build(), "Seconds to wait."),
        (
            RATE_LIMIT_HEADERS[0],
            number().build(),
            "Requests a minute of this key and kind; for what a training process sends, \
            those of its run. The app's session has no limit.",
        ),
        (RATE_LIMIT_HEADERS[1], number().build(), "How many of them are left."),
        (RATE_LIMIT_HEADERS[2], date_time_schema(), "When one more becomes free."),
        (
            REQUEST_ID_HEADER,
            string_schema().build(),
            "The request's own `X-Request-Id` where it is plain, or a new one.",
        ),
    ] {
        let mut header = Header::new(schema);
        header.description = Some(description.to_owned());
        components.headers.insert(name.to_owned(), header.into());
    }
}

/// Gives an answer the headers that the front adds.
pub(super) fn add_pipeline_headers(response: &mut Response, is_limited: bool) {
    let limit = if is_limited { RATE_LIMIT_HEADERS } else { &[] };
    for name in limit.iter().chain([&REQUEST_ID_HEADER]) {
        response.headers.insert((*name).to_owned(), RefOr::Ref(header_reference(name)));
    }
}

fn header_reference(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

fn string_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn date_time_schema() -> Object {
    string_schema().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build()
}
