//! `GET /api/account/summary`: describes the owner of the keys. Clients use this route to test a key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ulkeys_api::{AccountSummary, ResourceCounts};

use crate::error::ApiError;
use crate::state::ServiceState;

/// Describes the owner of the keys
///
/// Any valid key is accepted, so this is the quickest way for a client to test its key.
#[utoipa::path(
    get,
    path = "/api/account/summary",
    operation_id = "accountSummary",
    tag = "account",
    responses((status = OK, description = "The owner of the workspace.", body = AccountSummary))
)]
pub(super) async fn get_summary(State(state): State<Arc<ServiceState>>) -> Result<Json<AccountSummary>, ApiError> {
    let account = &state.config.account;
    let counts = state.account.count_resources().await?;
    Ok(Json(AccountSummary {
        username: account.username.clone(),
        name: account.name.clone(),
        account_type: "personal".to_owned(),
        plan: "free".to_owned(),
        credits_cents: 0,
        // Only resources that training runs have created are counted. This service does not store datasets.
        counts: ResourceCounts { projects: counts.projects, datasets: 0, models: counts.models },
        teams: Vec::new(),
    }))
}
