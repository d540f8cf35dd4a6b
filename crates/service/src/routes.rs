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
use axum::http::Method;
use ulkeys_domain::policy;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::actions::Action;
use crate::error::ApiError;
use crate::openapi;
use crate::state::ServiceState;

/// Builds the router, and the table of the actions that its routes declare.
pub(crate) fn build_router(state: Arc<ServiceState>) -> (Router, RouteActions) {
    let (router, actions, _) = build_routes();
    (router.with_state(state), actions)
}

/// The actions that the routes below `/api` declare, by path and method.
#[derive(Default)]
pub(crate) struct RouteActions(matchit::Router<Vec<(Method, Action)>>);

impl RouteActions {
    /// Returns the action of a request. Returns `None` if no route declares one for this path and method, or if a
    /// gateway could interpret the path differently; the policy table then decides.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<Action> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let matched = self.0.at(path).ok()?;
        // A path without parameters equals the path of its route, which is canonical.
        if !matched.params.is_empty() && !policy::is_canonical_path(path) {
            return None;
        }
        matched.value.iter().find(|(known, _)| known == method).map(|(_, action)| *action)
    }
}

/// Registers routes with the actions that they need.
struct RouteBuilder {
    router: OpenApiRouter<Arc<ServiceState>>,
    actions: RouteActions,
}

impl RouteBuilder {
    /// Registers the routes of one path below `/api`, with the action of each method.
    fn api<const N: usize>(
        mut self,
        routes: UtoipaMethodRouter<Arc<ServiceState>>,
        actions: [(Method, Action); N],
    ) -> Self {
        for path in routes.1.paths.keys() {
            if let Err(error) = self.actions.0.insert(path.as_str(), actions.to_vec()) {
                // The policy table decides about requests to this path. A test fails.
                tracing::error!(%error, path, "cannot declare the actions of a route");
            }
        }
        self.router = self.router.routes(routes);
        self
    }

    /// Registers the routes of a path outside `/api`, whose handlers authorize the caller if necessary.
    fn open(mut self, routes: UtoipaMethodRouter<Arc<ServiceState>>) -> Self {
        self.router = self.router.routes(routes);
        self
    }
}

/// Builds the router, the table of actions, and the OpenAPI document. The annotation of a handler both registers and
/// documents its route.
fn build_routes() -> (Router<Arc<ServiceState>>, RouteActions, OpenApi) {
    use Action::{
        CancelOrDeleteRuns, CreateKeys, DiagnoseKeys, DownloadCheckpoint, ReadAccountSummary, ReadActivity, ReadKeys,
        ReadRuns, RenameKeys, ReportEvent, RequestUpload, RevokeKeys,
    };
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;

    let router = OpenApiRouter::with_openapi(openapi::base_document());
    let RouteBuilder { router, actions } = RouteBuilder { router, actions: RouteActions::default() }
        .api(routes!(account::get_summary), [(GET, ReadAccountSummary)])
        .api(
            routes!(keys::list::list, keys::create::create, keys::revoke::revoke_by_query),
            [(GET, ReadKeys), (POST, CreateKeys), (DELETE, RevokeKeys)],
        )
        .api(routes!(keys::events::stream_events), [(GET, ReadKeys)])
        .api(routes!(keys::count::count), [(GET, ReadKeys)])
        .api(routes!(keys::revoke_many::revoke_many), [(POST, RevokeKeys)])
        .api(
            routes!(keys::get::get, keys::revoke::revoke, keys::rename::rename),
            [(GET, ReadKeys), (DELETE, RevokeKeys), (PATCH, RenameKeys)],
        )
        .api(routes!(keys::usage::get_usage), [(GET, ReadKeys)])
        .api(routes!(activity::list_activity), [(GET, ReadActivity)])
        .api(routes!(diagnosis::diagnose), [(POST, DiagnoseKeys)])
        .api(routes!(training::report_event), [(POST, ReportEvent)])
        .api(routes!(training::request_upload), [(POST, RequestUpload)])
        .api(routes!(runs::list), [(GET, ReadRuns)])
        .api(routes!(runs::list_live), [(GET, ReadRuns)])
        .api(routes!(runs::get, runs::delete), [(GET, ReadRuns), (DELETE, CancelOrDeleteRuns)])
        .api(routes!(runs::list_epochs), [(GET, ReadRuns)])
        .api(routes!(runs::get_console), [(GET, ReadRuns)])
        .api(routes!(runs::download_checkpoint), [(GET, DownloadCheckpoint)])
        .api(routes!(runs::cancel), [(POST, CancelOrDeleteRuns)])
        // Gateways may forward methods that OpenAPI cannot describe, so the fallback accepts any other method.
        .open(
            routes!(forward_auth::authorize_for_gateway)
                .map(|methods| methods.fallback(forward_auth::authorize_for_gateway)),
        )
        .open(routes!(introspect::introspect))
        .open(routes!(health::get_metrics))
        .open(routes!(health::get_liveness))
        .open(routes!(health::get_readiness))
        .open(routes!(openapi_json::get))
        .open(routes!(uploads::receive_upload));
    let (router, mut document) = router.split_for_parts();
    openapi::document_pipeline_responses(&mut document);
    let router = router.fallback(model_page::get_page_or_not_found).method_not_allowed_fallback(method_not_allowed);
    (router, actions, document)
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ulkeys_domain::policy::RequiredScopes;
    use ulkeys_domain::{RateLimitClass, Scopes};
    use utoipa::openapi::PathItem;

    use super::*;
    use crate::actions::Counting;

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
        let (router, _, document) = build_routes();
        let documented: BTreeSet<_> = document.paths.paths.keys().cloned().collect();
        assert_eq!(served_paths(&router), documented);
    }

    /// The methods of a documented path.
    fn documented_methods(path: &PathItem) -> Vec<Method> {
        let methods = [
            (&path.get, Method::GET),
            (&path.post, Method::POST),
            (&path.put, Method::PUT),
            (&path.patch, Method::PATCH),
            (&path.delete, Method::DELETE),
        ];
        methods.into_iter().filter(|(operation, _)| operation.is_some()).map(|(_, method)| method).collect()
    }

    /// A gateway that protects this service by the policy table must accept the same requests as the service itself.
    #[test]
    fn declared_actions_agree_with_policy_table() {
        let (_, actions, document) = build_routes();
        for (path, item) in document.paths.paths.iter().filter(|(path, _)| path.starts_with("/api/")) {
            let sample = path.replace("{keyId}", "key_0123456789abcdef01234567").replace("{runId}", "17");
            for method in documented_methods(item) {
                let action = actions.find(&method, &sample).unwrap_or_else(|| panic!("{method} {path}: no action"));
                let sorted = |scopes: Option<RequiredScopes>| match scopes {
                    Some(RequiredScopes::AnyOf(scopes)) => Some(Scopes::new(scopes.iter().copied()).ok()),
                    Some(RequiredScopes::AnyKey) => None,
                    None => panic!("{method} {path}: no key may send this request"),
                };
                let table = policy::required_scopes(method.as_str(), &sample);
                assert_eq!(sorted(Some(action.required_scopes())), sorted(table), "{method} {path}");
                if let Counting::Class(class) = action.counting() {
                    assert_eq!(class, RateLimitClass::of(method.as_str(), &sample), "{method} {path}");
                }
            }
        }
    }

    #[test]
    fn find_action_of_ambiguous_path_or_other_method_returns_none() {
        let (_, actions, _) = build_routes();
        assert_eq!(actions.find(&Method::HEAD, "/api/api-keys"), Some(Action::ReadKeys));
        assert_eq!(actions.find(&Method::PUT, "/api/api-keys"), None);
        assert_eq!(actions.find(&Method::GET, "/api/api-keys/%6bey"), None);
        assert_eq!(actions.find(&Method::GET, "/api/models"), None);
    }
}
