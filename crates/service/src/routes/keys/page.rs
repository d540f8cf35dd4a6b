//! The entries of a page of keys: each key with its rotation partner and its recent requests.

use std::collections::HashMap;

use ulkeys_api::{ApiKey, ListedKey, RECENT_HOURS, RotationPartner};
use ulkeys_domain::{AttentionThresholds, KeyId, KeyRecord, Timestamp};

use crate::error::ApiError;
use crate::pending_usage::hour_index;
use crate::state::ServiceState;
use crate::usage::PendingUseTimes;

/// Describes the keys of a page with two further queries, however many keys there are.
pub(super) async fn describe_page(
    state: &ServiceState,
    mut keys: Vec<KeyRecord>,
    pending_times: &PendingUseTimes,
    thresholds: &AttentionThresholds,
) -> Result<Vec<ListedKey>, ApiError> {
    let linked = keys.iter().flat_map(|key| [key.replaced_by, key.replaces]).flatten().collect();
    let mut linked = state.account.get_keys(linked).await?;
    for record in keys.iter_mut().chain(&mut linked) {
        pending_times.overlay_on_record(record, thresholds.latest);
    }
    let linked: HashMap<_, _> = linked.into_iter().map(|key| (key.id, key)).collect();
    let mut requests = count_recent_requests(state, keys.iter().map(|key| key.id).collect(), state.now()).await?;
    let describe = |key: KeyRecord| ListedKey {
        rotation_partner: find_partner(&key, &linked),
        recent_requests: Some(requests.remove(&key.id).unwrap_or_else(|| vec![0; RECENT_HOURS])),
        key: ApiKey::new(key, thresholds),
    };
    Ok(keys.into_iter().map(describe).collect())
}

/// Returns the accepted requests with each key per hour, oldest hour first. A key without requests is missing.
async fn count_recent_requests(
    state: &ServiceState,
    ids: Vec<KeyId>,
    now: Timestamp,
) -> Result<HashMap<KeyId, Vec<u64>>, ApiError> {
    let last = hour_index(now);
    let first = last - (RECENT_HOURS as i64 - 1);
    let mut requests = HashMap::new();
    for count in state.account.accepted_requests(ids, first..=last).await? {
        let of_key = requests.entry(count.key).or_insert_with(|| vec![0; RECENT_HOURS]);
        if let Some(hour) = usize::try_from(count.hour - first).ok().and_then(|index| of_key.get_mut(index)) {
            *hour = count.requests;
        }
    }
    Ok(requests)
}

/// Returns the other key of a rotation. If a key replaces a key and is itself replaced, the active one of the two is
/// the partner, and otherwise the newer one.
fn find_partner(key: &KeyRecord, linked: &HashMap<KeyId, KeyRecord>) -> Option<RotationPartner> {
    let mut partners = [key.replaced_by, key.replaces].into_iter().flatten().filter_map(|id| linked.get(&id));
    let first = partners.next()?;
    let partner = if first.revoked_at.is_none() {
        first
    } else {
        partners.next().filter(|other| other.revoked_at.is_none()).unwrap_or(first)
    };
    Some(RotationPartner {
        key_id: partner.id,
        name: partner.name.as_str().to_owned(),
        revoked_at: partner.revoked_at,
        last_used_at: partner.last_used_at,
    })
}
