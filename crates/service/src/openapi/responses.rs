//! Groups of error responses that many operations share. Each response is described once, in the document's components.

use std::collections::BTreeMap;

use ulkeys_api::ErrorBody;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Components, ContentBuilder, Header, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

/// A query parameter or a header is invalid.
pub(crate) struct BadRequest;
/// The request body is invalid, too large, or too slow.
pub(crate) struct BodyErrors;
/// The state of the resource does not allow the operation.
pub(crate) struct Conflict;
/// The resource that the path names does not exist.
pub(crate) struct NotFound;
/// The credential is not accepted, or the store fails while the credential is checked.
pub(crate) struct AuthErrors;
/// The database cannot be read or written.
pub(crate) struct StorageErrors;
/// The disk is full, or training data has reached its limits.
pub(crate) struct InsufficientStorage;

/// The bytes of a file. `format: binary` is from OpenAPI 3.0, but client generators still expect it.
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

/// The status, the description, and the headers that the response has in addition to those of every response.
#[rustfmt::skip]
const ERROR_RESPONSES: &[(u16, &str, &[&str])] = &[
    (400, "A field is invalid. The text names the field and never repeats its content.", RATE_LIMIT_HEADERS),
    (401, "There is no credential, or it is not accepted. The response is the same for malformed, unknown and revoked keys.", CHALLENGE_HEADERS),
    (403, "The key has none of the required scopes, or callers of this kind are not allowed.", CHALLENGE_HEADERS),
    (404, "The resource does not exist.", RATE_LIMIT_HEADERS),
    (408, "The body did not arrive in time.", RATE_LIMIT_HEADERS),
    (409, "The state of the resource does not allow the operation. The text states what to do first.", RATE_LIMIT_HEADERS),
    (413, "The body is too large.", RATE_LIMIT_HEADERS),
    (429, "The rate limit of the key, of the training run, or of a client with invalid keys is exceeded.", &["Retry-After", RATE_LIMIT_HEADERS[0], RATE_LIMIT_HEADERS[1], RATE_LIMIT_HEADERS[2]]),
    (500, "The service failed. The cause is in its log.", &[]),
    (503, "The database is locked by another program, or its file was moved or replaced; the service is overloaded with \
        large requests; or the service is shutting down. Nothing was changed.", &["Retry-After"]),
    (507, "There is no space left on the disk (`STORAGE_FULL`), or training data has reached a limit or the disk space \
        reserved for keys (`TRAINING_DATA_FULL`). Nothing was changed.", RATE_LIMIT_HEADERS),
];

const CHALLENGE_HEADERS: &[&str] = &["WWW-Authenticate"];
const RATE_LIMIT_HEADERS: &[&str] = &["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
const REQUEST_ID_HEADER: &str = "X-Request-Id";

/// Returns a reference to the shared response with this status.
pub(super) fn error_response_ref(status: u16) -> RefOr<Response> {
    RefOr::Ref(Ref::from_response_name(status.to_string()))
}

fn error_response_refs(statuses: &[u16]) -> ResponseMap {
    statuses.iter().map(|status| (status.to_string(), error_response_ref(*status))).collect()
}

/// Adds the shared responses and headers to the components.
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
            "The challenge (RFC 6750, section 3). Absent if no credential would be accepted.",
        ),
        ("Retry-After", number().build(), "The number of seconds to wait before the next request."),
        (
            RATE_LIMIT_HEADERS[0],
            number().build(),
            "The number of requests of this kind that the key may make per minute; for \
            reports of a training process, those of its run. The app's session has no limit.",
        ),
        (RATE_LIMIT_HEADERS[1], number().build(), "The number of requests that remain."),
        (RATE_LIMIT_HEADERS[2], date_time_schema(), "The time when the next request becomes available."),
        (
            REQUEST_ID_HEADER,
            string_schema().build(),
            "The `X-Request-Id` of the request if it has only plain characters and no key, otherwise a generated one.",
        ),
    ] {
        let mut header = Header::new(schema);
        header.description = Some(description.to_owned());
        components.headers.insert(name.to_owned(), header.into());
    }
}

/// Documents the headers that [`crate::pipeline`] inserts into a response.
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
