//! `GET /api/account/summary`: whose keys these are. The quickest way for a client to try its key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ulkeys_domain::wire::AccountSummary;

use crate::error::ApiError;
use crate::state::ServiceState;

/// Whose keys these are
///
/// Any valid key may ask: the quickest way for a program to try its key.
#[utoipa::path(
    get,
    path = "/api/account/summary",
    operation_id = "accountSummary",
    tag = "account",
    responses((status = OK, description = "The owner of the workspace.", body = AccountSummary))
)]
pub(super) async fn get_summary(State(state): State<Arc<ServiceState>>) -> Result<Json<AccountSummary>, ApiError> {
    let account = &state.config.account;
    Ok(Json(AccountSummary {
        username: account.username.clone(),
        name: account.name.clone(),
        account_type: "personal".to_owned(),
        plan: "free".to_owned(),
        credits_cents: 0,
        // What trainings made. Datasets stay with the programs.
        counts: state.store.count_resources().await?,
        teams: Vec::new(),
    }))
}
