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
pub(crate) struct BadBody;
/// The resource is in a state that does not allow it.
pub(crate) struct Conflict;
/// What the path names is not there.
pub(crate) struct NotFound;
/// The credential is not accepted, or the store, which is asked about it, fails.
pub(crate) struct Refused;
/// The store fails.
pub(crate) struct Stored;
/// The disk is full, or training data has reached its limits.
pub(crate) struct NoSpace;

/// The bytes of a file. `format: binary` is of OpenAPI 3.0, and what generators of clients still read.
pub(crate) struct FileBytes;

impl PartialSchema for FileBytes {
    fn schema() -> RefOr<Schema> {
        text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).into()
    }
}

impl ToSchema for FileBytes {}

type Responses = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for BadRequest {
    fn responses() -> Responses {
        errors(&[400])
    }
}

impl IntoResponses for BadBody {
    fn responses() -> Responses {
        errors(&[400, 408, 413])
    }
}

impl IntoResponses for NotFound {
    fn responses() -> Responses {
        errors(&[404])
    }
}

impl IntoResponses for Conflict {
    fn responses() -> Responses {
        errors(&[409])
    }
}

impl IntoResponses for Refused {
    fn responses() -> Responses {
        errors(&[401, 403, 429, 500, 503])
    }
}

impl IntoResponses for Stored {
    fn responses() -> Responses {
        errors(&[500, 503])
    }
}

impl IntoResponses for NoSpace {
    fn responses() -> Responses {
        errors(&[507])
    }
}

/// Status, what it means, and the headers beside those that every answer has.
#[rustfmt::skip]
const ERRORS: &[(u16, &str, &[&str])] = &[
    (400, "A field is wrong; the text names it and never repeats it.", LIMIT),
    (401, "No credential, or none that is accepted. Malformed, unknown and revoked keys are answered alike.", CHALLENGE),
    (403, "The key lacks the scopes, or callers of this kind are not served.", CHALLENGE),
    (404, "There is nothing of that name.", LIMIT),
    (408, "The body did not arrive in time.", LIMIT),
    (409, "The state of the resource does not allow it; the text says what to do first.", LIMIT),
    (413, "The body is too large.", LIMIT),
    (429, "The key, the training run, or a peer with invalid keys, has asked too often.", &["Retry-After", LIMIT[0], LIMIT[1], LIMIT[2]]),
    (500, "The service failed; the cause is in its log.", &[]),
    (503, "Another program holds the database for the moment, or has moved or replaced its file; too many large requests \
        came at once; or the service is stopping. Nothing was changed.", &["Retry-After"]),
    (507, "There is no space left: on the disk (`STORAGE_FULL`), or for training data, which has limits and leaves a reserve \
        of the disk to keys (`TRAINING_DATA_FULL`). Nothing was changed.", LIMIT),
];

const CHALLENGE: &[&str] = &["WWW-Authenticate"];
const LIMIT: &[&str] = &["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
const REQUEST_ID: &str = "X-Request-Id";

/// The answer with this status, by reference.
pub(super) fn error(status: u16) -> RefOr<Response> {
    RefOr::Ref(Ref::from_response_name(status.to_string()))
}

fn errors(statuses: &[u16]) -> Responses {
    statuses.iter().map(|status| (status.to_string(), error(*status))).collect()
}

/// Puts the shared answers and headers among the components.
pub(super) fn describe(components: &mut Components) {
    for (status, description, headers) in ERRORS {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name()))).build();
        let response = ResponseBuilder::new().description(*description).content("application/json", body);
        let headers = headers.iter().chain([&REQUEST_ID]);
        let response = headers.fold(response, |response, name| response.header_ref(*name, header(name)));
        components.responses.insert(status.to_string(), response.build().into());
    }
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    for (name, schema, description) in [
        (CHALLENGE[0], text().build(), "What is missing (RFC 6750, section 3). Absent where no credential would help."),
        ("Retry-After", number().build(), "Seconds to wait."),
        (
            LIMIT[0],
            number().build(),
            "Requests a minute of this key and kind; for what a training process sends, \
            those of its run. The app's session has no limit.",
        ),
        (LIMIT[1], number().build(), "How many of them are left."),
        (LIMIT[2], time(), "When one more becomes free."),
        (REQUEST_ID, text().build(), "The request's own `X-Request-Id` where it is plain, or a new one."),
    ] {
        let mut header = Header::new(schema);
        header.description = Some(description.to_owned());
        components.headers.insert(name.to_owned(), header.into());
    }
}

/// Gives an answer the headers that the front adds.
pub(super) fn add_headers(response: &mut Response, is_limited: bool) {
    let limit = if is_limited { LIMIT } else { &[] };
    for name in limit.iter().chain([&REQUEST_ID]) {
        response.headers.insert((*name).to_owned(), RefOr::Ref(header(name)));
    }
}

fn header(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn time() -> Object {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build()
}
