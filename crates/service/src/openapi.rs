//! The OpenAPI document. A handler's annotation, which also registers its route, says what the handler takes and
//! answers; what [`crate::pipeline`] answers before the handlers, and adds behind them, is added here.
//!
//! Nothing in it is kept in step by hand: routes and types come from the code, scopes from the policy's table.

mod responses;
mod variants;

use std::collections::BTreeSet;

use ulkeys_domain::policy::{self, RequiredScopes};
use ulkeys_domain::wire::{ActivityKind, ErrorBody, KeyEvent, KeyStatus};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Server};
use utoipa::{IntoResponses as _, ToSchema};

pub(crate) use responses::{
    AuthErrors, BadRequest, BodyErrors, Conflict, FileBytes, InsufficientStorage, NotFound, StorageErrors,
};
pub(crate) use variants::name_variants;

const API_DESCRIPTION: &str = "A key service speaks the platform's protocol: programs authenticate with keys, and the holders \
    of keys with the scope `admin` manage them. Only programs on the same computer are served; requests that a web page \
    makes, and those whose `Host` names something else, are refused with 403, and those with several `Host` headers with 400. \
    A path knows the methods listed here, and \
    `HEAD` beside each `GET`; others are refused with 405. Any other path of three segments leads to a page that \
    says where training runs are shown.";

/// What the document says before it names any route.
pub(crate) fn base_document() -> OpenApi {
    let mut components = Components::new();
    for (name, scheme) in [
        (
            "key",
            bearer_scheme(
                "A key: `ul_` and 40 hexadecimal digits. It needs one of the listed scopes. A client may send it in \
                `X-API-Key`, or as the password of HTTP Basic, instead.",
            ),
        ),
        ("session", bearer_scheme("The credential of the app that embeds the service. No program has it but the app.")),
        (
            "client",
            http_scheme(
                HttpAuthScheme::Basic,
                "A key's identifier as user name, and the key as password (RFC 6749, 2.3.1).",
            ),
        ),
    ] {
        components.add_security_scheme(name, scheme);
    }
    responses::add_shared_components(&mut components);
    add_schema::<ErrorBody>(&mut components);
    add_schema::<KeyEvent>(&mut components);
    // Types of parameters alone are not registered with their routes.
    add_schema::<ActivityKind>(&mut components);
    add_schema::<KeyStatus>(&mut components);
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

/// Adds a type that no handler names, with those that it names itself.
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

/// What [`crate::pipeline`] answers and adds: below `/api` the rejections of callers without access, everywhere those
/// of peers that are not served; and, where keys are counted, the status of their limit. A handler that names its
/// callers itself keeps them.
pub(crate) fn document_pipeline_responses(document: &mut OpenApi) {
    let mut names = BTreeSet::new();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations_mut(item) {
            // A handler of several methods has one name, and generators name functions by it.
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
            // None is needed: the list is there, and empty.
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

/// The app's session, and keys with the scopes of the policy's table: one alternative for each scope, as any is enough.
fn security_requirements(method: &str, path: &str) -> Vec<SecurityRequirement> {
    // A parameter stands for a plain segment.
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
