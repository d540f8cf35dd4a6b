//! `GET /api/account/summary`: whose keys these are. The quickest way for a client to try its key.

use axum::Json;
use axum::extract::State;
use ulkeys_domain::wire::{AccountSummary, ResourceCounts};

use crate::state::AppState;

pub(super) async fn summary(State(state): State<AppState>) -> Json<AccountSummary> {
    let account = &state.config.account;
    Json(AccountSummary {
        username: account.username.clone(),
        name: account.name.clone(),
        account_type: "personal".to_owned(),
        plan: "free".to_owned(),
        credits_cents: 0,
        // The service keeps keys, not projects, datasets or models.
        counts: ResourceCounts::default(),
        teams: Vec::new(),
    })
}
