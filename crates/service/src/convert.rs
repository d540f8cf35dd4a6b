//! Converts what the store returns into the JSON types of the API.

use ulkeys_api as api;
use ulkeys_domain::KeyId;
use ulkeys_store::{ActivityEntry, ActivityEvent, ActivityPage, HourlyUsage, KeyClient, KeyUsage};

/// Converts a page of activity. The cursor of the next page is the number of the last entry.
pub(crate) fn activity_page(page: ActivityPage) -> api::ActivityPage {
    let next = page.next.map(|last| last.to_string());
    api::ActivityPage { entries: page.entries.into_iter().map(activity_entry).collect(), next }
}

fn activity_entry(entry: ActivityEntry) -> api::ActivityEntry {
    let ActivityEntry { id, event, key_id, key_name, key_prefix, at, peer, user_agent } = entry;
    let what = activity_event(event);
    api::ActivityEntry { id, what, key_id, key_name, key_prefix, at, peer, agent: user_agent }
}

fn activity_event(event: ActivityEvent) -> api::ActivityEvent {
    use api::ActivityEvent as Json;
    match event {
        ActivityEvent::Created { by } => Json::Created { by },
        ActivityEvent::Renamed { by, old_name, new_name } => Json::Renamed { by, old_name, new_name },
        ActivityEvent::Revoked { by } => Json::Revoked { by },
        ActivityEvent::NewClient => Json::NewClient,
        ActivityEvent::Rejected { outcome, requests, last_at } => Json::Rejected { outcome, requests, last_at },
        ActivityEvent::ChangedOutside { change, keys, before, after } => {
            Json::ChangedOutside { change, keys, before, after }
        }
    }
}

/// Converts the usage of the key `key_id`.
pub(crate) fn key_usage(key_id: KeyId, usage: KeyUsage) -> api::KeyUsage {
    let hour = |HourlyUsage { hour, outcome, requests }| api::HourlyUsage { hour, outcome, requests };
    let client = |KeyClient { peer, user_agent: agent, first_used_at, last_used_at, requests }| api::KeyClient {
        peer,
        agent,
        first_used_at,
        last_used_at,
        requests,
    };
    api::KeyUsage {
        key_id,
        hours: usage.hours.into_iter().map(hour).collect(),
        sources: usage.clients.into_iter().map(client).collect(),
    }
}
