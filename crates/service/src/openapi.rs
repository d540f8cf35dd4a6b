//! Builds the OpenAPI document. Each handler's annotation registers the handler's route and describes its parameters
//! and responses. This module documents the responses and headers that [`crate::pipeline`] adds.
//!
//! No part is maintained by hand: routes and types come from the code, and scopes from the policy table.

mod responses;
mod variants;

use std::collections::BTreeSet;

use ulkeys_api::{ErrorBody, KeyEvent, schema};
use ulkeys_domain::policy::{self, RequiredScopes};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Server};
use utoipa::{IntoResponses as _, ToSchema};

pub(crate) use responses::{
    AuthErrors, BadRequest, BodyErrors, Conflict, FileBytes, InsufficientStorage, NotFound, StorageErrors,
};
pub(crate) use variants::name_variants;

const API_DESCRIPTION: &str = "A key service that implements the platform's protocol: clients authenticate with keys, and keys \
    with the scope `admin` can manage other keys. Only programs on the same computer may use the service. Requests from web \
    pages, and requests whose `Host` header does not name this computer, are rejected with 403; requests with several `Host` \
    headers are rejected with 400. Each path supports the methods listed here, and `HEAD` in addition to each `GET`; other \
    methods are rejected with 405. Any other path of three segments outside `/api` returns a page that tells where training \
    runs are displayed.";

/// Returns the document without any routes: the general information and the shared components.
pub(crate) fn base_document() -> OpenApi {
    let mut components = Components::new();
    for (name, scheme) in [
        (
            "key",
            bearer_scheme(
                "A key: `ul_` and 40 hexadecimal digits. The key needs one of the listed scopes. A client may also \
                send the key in `X-API-Key`, or as the password of HTTP Basic.",
            ),
        ),
        ("session", bearer_scheme("The credential of the app that embeds the service. Only the app has it.")),
        (
            "client",
            http_scheme(
                HttpAuthScheme::Basic,
                "A key's identifier as the user name, and the key as the password (RFC 6749, section 2.3.1).",
            ),
        ),
    ] {
        components.add_security_scheme(name, scheme);
    }
    responses::add_shared_components(&mut components);
    add_schema::<ErrorBody>(&mut components);
    add_schema::<KeyEvent>(&mut components);
    // utoipa does not register types that are used only in parameters.
    add_schema::<schema::ActivityKind>(&mut components);
    add_schema::<schema::KeyStatus>(&mut components);
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("UL Keys")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(API_DESCRIPTION))
                .build(),
        )
        .servers(Some([Server::new("/")]))
        .components(Some(components))
        .build()
}

/// Adds the schema of a type that no handler refers to, and the schemas of the types that this type refers to.
fn add_schema<T: ToSchema>(components: &mut Components) {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    components.schemas.extend(schemas);
}

fn bearer_scheme(description: &str) -> SecurityScheme {
    http_scheme(HttpAuthScheme::Bearer, description)
}

fn http_scheme(scheme: HttpAuthScheme, description: &str) -> SecurityScheme {
    SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(description)).build())
}

/// Documents the responses and headers that [`crate::pipeline`] adds: the rejection of unauthorized callers (below
/// `/api`), the rejection of peers that are not allowed (everywhere), and the rate-limit headers (for operations that
/// have a rate limit). Security requirements that a handler declares itself are left unchanged.
pub(crate) fn document_pipeline_responses(document: &mut OpenApi) {
    let mut names = BTreeSet::new();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations_mut(item) {
            // utoipa gives the same operation id to all methods of one handler. Client generators name functions after
            // the operation id, so each method after the first gets a suffix.
            let name = operation.operation_id.get_or_insert_default();
            if !names.insert(name.clone()) {
                let (first, rest) = method.split_at(1);
                *name += &format!("{first}{}", rest.to_ascii_lowercase());
                names.insert(name.clone());
            }
            if path.starts_with("/api/") {
                operation.security.get_or_insert_with(|| security_requirements(method, path));
                operation.responses.responses.extend(AuthErrors::responses());
            }
            // An empty list of requirements states that the operation needs no credential.
            operation.security.get_or_insert_default();
            let responses = &mut operation.responses.responses;
            let is_limited = responses.contains_key("429");
            responses.entry("403".to_owned()).or_insert_with(|| responses::error_response_ref(403));
            for response in responses.values_mut() {
                if let RefOr::T(response) = response {
                    responses::add_pipeline_headers(response, is_limited);
                }
            }
        }
    }
}

/// Returns the security requirements of a route: the app's session, or a key with one of the scopes that the policy
/// table requires.
fn security_requirements(method: &str, path: &str) -> Vec<SecurityRequirement> {
    // The braces of path parameters are removed, because the policy table matches concrete paths.
    let keys = match policy::required_scopes(method, &path.replace(['{', '}'], "")) {
        None => Vec::new(),
        Some(RequiredScopes::AnyKey) => vec![SecurityRequirement::new("key", [""; 0])],
        Some(RequiredScopes::AnyOf(scopes)) => {
            scopes.iter().map(|scope| SecurityRequirement::new("key", [scope.as_ref()])).collect()
        }
    };
    keys.into_iter().chain([SecurityRequirement::new("session", [""; 0])]).collect()
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("HEAD", &mut item.head),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
        ("OPTIONS", &mut item.options),
        ("TRACE", &mut item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
