//! Maps requests to handlers. [`crate::pipeline`] has already authorized every request under `/api`. `/uploads` is
//! outside `/api`, because knowing the unguessable address of an upload authorizes it.

mod account;
mod activity;
mod diagnosis;
mod forward_auth;
mod health;
mod introspect;
mod keys;
mod model_page;
mod openapi_json;
mod query_params;
mod runs;
pub(crate) mod training;
mod uploads;

use std::sync::Arc;

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::openapi;
use crate::state::ServiceState;

pub(crate) fn build_router(state: Arc<ServiceState>) -> Router {
    build_router_and_document().0.with_state(state)
}

/// Builds the router and the OpenAPI document of its routes. The annotation of a handler both registers and documents
/// its route.
fn build_router_and_document() -> (Router<Arc<ServiceState>>, OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(openapi::base_document())
        .routes(routes!(account::get_summary))
        .routes(routes!(keys::list::list, keys::create::create, keys::revoke::revoke_by_query))
        .routes(routes!(keys::events::stream_events))
        .routes(routes!(keys::count::count))
        .routes(routes!(keys::get::get, keys::revoke::revoke, keys::rename::rename))
        .routes(routes!(keys::usage::get_usage))
        .routes(routes!(activity::list_activity))
        .routes(routes!(diagnosis::diagnose))
        .routes(routes!(training::report_event))
        .routes(routes!(training::request_upload))
        .routes(routes!(runs::list))
        .routes(routes!(runs::list_live))
        .routes(routes!(runs::get, runs::delete))
        .routes(routes!(runs::list_epochs))
        .routes(routes!(runs::get_console))
        .routes(routes!(runs::download_checkpoint))
        .routes(routes!(runs::cancel))
        // Gateways may forward methods that OpenAPI cannot describe, so the fallback accepts any other method.
        .routes(
            routes!(forward_auth::authorize_for_gateway)
                .map(|methods| methods.fallback(forward_auth::authorize_for_gateway)),
        )
        .routes(routes!(introspect::introspect))
        .routes(routes!(health::get_metrics))
        .routes(routes!(health::get_liveness))
        .routes(routes!(health::get_readiness))
        .routes(routes!(openapi_json::get))
        .routes(routes!(uploads::receive_upload))
        .split_for_parts();
    openapi::document_pipeline_responses(&mut document);
    let router = router.fallback(model_page::get_page_or_not_found).method_not_allowed_fallback(method_not_allowed);
    (router, document)
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Extracts the paths from the router's debug output, such as `RouteId(3): "/healthz"`, because axum offers no
    /// other access to them.
    fn served_paths(router: &Router<Arc<ServiceState>>) -> BTreeSet<String> {
        let printed = format!("{router:?}");
        let routes = printed.split("fallback_router").next().unwrap_or_default();
        let quoted = routes.split('"').skip(1).step_by(2);
        quoted.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
    }

    #[test]
    fn served_paths_are_all_documented() {
        let (router, document) = build_router_and_document();
        let documented: BTreeSet<_> = document.paths.paths.keys().cloned().collect();
        assert_eq!(served_paths(&router), documented);
    }
}
