//! Which handler answers what. [`crate::pipeline`] has authorised everything under `/api` before. `/uploads` is outside: its
//! addresses are permissions in themselves.

mod account;
mod activity;
mod api_keys;
mod diagnosis;
mod document;
mod events;
mod forward_auth;
mod health;
mod introspect;
mod key_list;
mod model_page;
mod query;
mod runs;
pub(crate) mod training;
mod uploads;

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::openapi;
use crate::state::AppState;

pub(crate) fn router(state: AppState) -> Router {
    documented().0.with_state(state)
}

/// The routes, and the document that tells of them all: each is registered by its documentation.
fn documented() -> (Router<AppState>, OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(account::summary))
        .routes(routes!(key_list::list, api_keys::create, api_keys::revoke_by_query))
        .routes(routes!(events::stream))
        .routes(routes!(key_list::counts))
        .routes(routes!(key_list::show, api_keys::revoke, api_keys::rename))
        .routes(routes!(activity::usage))
        .routes(routes!(activity::list))
        .routes(routes!(diagnosis::diagnose))
        .routes(routes!(training::report))
        .routes(routes!(training::ticket))
        .routes(routes!(runs::list))
        .routes(routes!(runs::live))
        .routes(routes!(runs::details, runs::delete))
        .routes(routes!(runs::epochs))
        .routes(routes!(runs::console))
        .routes(routes!(runs::checkpoint))
        .routes(routes!(runs::cancel))
        // Gateways may hand on methods that OpenAPI has no name for.
        .routes(routes!(forward_auth::check).map(|methods| methods.fallback(forward_auth::check)))
        .routes(routes!(introspect::introspect))
        .routes(routes!(health::metrics))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(document::show))
        .routes(routes!(uploads::receive))
        .split_for_parts();
    openapi::fronted(&mut document);
    let router = router.fallback(model_page::page_or_not_found).method_not_allowed_fallback(method_not_allowed);
    (router, document)
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The router tells its paths only where it is printed for debugging, as `RouteId(3): "/healthz"`.
    fn served_paths(router: &Router<AppState>) -> BTreeSet<String> {
        let printed = format!("{router:?}");
        let routes = printed.split("fallback_router").next().unwrap_or_default();
        let quoted = routes.split('"').skip(1).step_by(2);
        quoted.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
    }

    #[test]
    fn every_path_that_is_served_is_documented() {
        let (router, document) = documented();
        let documented: BTreeSet<_> = document.paths.paths.keys().cloned().collect();
        assert_eq!(served_paths(&router), documented);
    }
}
