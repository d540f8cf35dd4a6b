//! Reads and writes the activity table.

use rusqlite::{Row, named_params};
use ulkeys_domain::{ActivityKind, KeyId, KeyName, KeyPrefix, OutsideChange, Timestamp};

use super::account_scope::AccountScope;
use super::rows::{read_actor, read_enum, read_id, read_time, read_user_agent};
use crate::{ActivityEntry, ActivityEvent, ActivityPage, AuditContext, MILLIS_PER_HOUR, RejectedRequests};

/// Adds an entry about a key. Runs in the caller's transaction.
pub(super) fn insert(
    scope: AccountScope<'_>,
    key: &KeyId,
    at: Timestamp,
    audit: &AuditContext,
    event: &ActivityEvent,
) -> rusqlite::Result<()> {
    let (kind, old_name, new_name) = match event {
        ActivityEvent::Created { .. } => (ActivityKind::Created, None, None),
        ActivityEvent::Renamed { old_name, new_name, .. } => (ActivityKind::Renamed, Some(old_name), Some(new_name)),
        ActivityEvent::Revoked { .. } => (ActivityKind::Revoked, None, None),
        ActivityEvent::NewClient => (ActivityKind::NewClient, None, None),
        ActivityEvent::Rejected { .. } => unreachable!("rejected requests are recorded by add_rejected_requests"),
        ActivityEvent::ChangedOutside { .. } => unreachable!("outside changes are recorded by insert_outside_change"),
    };
    scope
        .execute(
            "INSERT INTO activity (account_id, at, kind, key_id, peer, user_agent, actor, old_name, new_name)
             VALUES (:account_id, :at, :kind, :key, :peer, :user_agent, :actor, :old_name, :new_name)",
            named_params! {
                ":at": at.as_millis(),
                ":kind": kind.as_ref(),
                ":key": key.as_str(),
                ":peer": audit.peer.to_string(),
                ":user_agent": audit.user_agent,
                ":actor": audit.actor.to_string(),
                ":old_name": old_name,
                ":new_name": new_name,
            },
        )
        .map(drop)
}

/// Adds an entry about a change by another program. Runs in the caller's transaction.
pub(super) fn insert_outside_change(
    scope: AccountScope<'_>,
    key: Option<&KeyId>,
    at: Timestamp,
    change: OutsideChange,
    keys: u64,
    (before, after): (Option<&str>, Option<&str>),
) -> rusqlite::Result<()> {
    scope
        .execute(
            "INSERT INTO activity (account_id, at, kind, key_id, peer, user_agent, change, keys, old_name, new_name)
             VALUES (:account_id, :at, 'changedOutside', :key, '', '', :change, :keys, :before, :after)",
            named_params! {
                ":at": at.as_millis(),
                ":key": key.map_or("", KeyId::as_str),
                ":change": change.as_ref(),
                ":keys": keys.cast_signed(),
                ":before": before,
                ":after": after,
            },
        )
        .map(drop)
}

/// Adds the rejected requests to the entry for their key, outcome, IP address, and hour, creating the entry if
/// necessary. Runs in the caller's transaction.
pub(super) fn add_rejected_requests(scope: AccountScope<'_>, rejected: &RejectedRequests) -> rusqlite::Result<()> {
    scope
        .execute(
            "INSERT INTO activity (account_id, at, kind, key_id, peer, user_agent, outcome, hour, requests, last_at)
             VALUES (:account_id, :first, 'refused', :key, :peer, :user_agent, :outcome, :hour, :requests, :last)
             ON CONFLICT (account_id, key_id, outcome, peer, hour) WHERE kind = 'refused' DO UPDATE SET
                 requests = requests + excluded.requests,
                 last_at = max(last_at, excluded.last_at),
                 user_agent = excluded.user_agent",
            named_params! {
                ":first": rejected.first.as_millis(),
                ":key": rejected.key.as_ref().map_or("", KeyId::as_str),
                ":peer": rejected.peer.to_string(),
                ":user_agent": rejected.user_agent,
                ":outcome": rejected.outcome.as_ref(),
                ":hour": rejected.first.as_millis().div_euclid(MILLIS_PER_HOUR),
                ":requests": rejected.requests.cast_signed(),
                ":last": rejected.last.as_millis(),
            },
        )
        .map(drop)
}

pub(super) fn load_page(
    scope: AccountScope<'_>,
    key: Option<KeyId>,
    kind: Option<ActivityKind>,
    before: Option<u64>,
    limit: u32,
) -> rusqlite::Result<ActivityPage> {
    let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
    let of_key = if key.is_some() { "activity.key_id = :key" } else { ":key = ''" };
    let of_kind = if kind.is_some() { "kind = :kind" } else { ":kind = ''" };
    // Read one entry more than requested, to find out whether there is a next page.
    let mut entries: Vec<_> = scope.query_all(
        &format!(
            "SELECT activity.id, at, kind, key_id, keys.name, peer, user_agent, actor, old_name, new_name, outcome, requests,
                    last_at, keys.prefix, change, activity.keys
             FROM activity LEFT JOIN keys ON keys.account_id = activity.account_id AND keys.id = activity.key_id
             WHERE activity.account_id = :account_id AND activity.id < :before AND {of_key} AND {of_kind}
             ORDER BY activity.id DESC LIMIT :limit"
        ),
        named_params! {
            ":before": before,
            ":limit": i64::from(limit) + 1,
            ":key": key.as_ref().map_or("", KeyId::as_str),
            ":kind": kind.as_ref().map_or("", AsRef::as_ref),
        },
        read_entry,
    )?;
    let has_more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| has_more).map(|entry: &ActivityEntry| entry.id);
    Ok(ActivityPage { entries, next })
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<ActivityEntry> {
    let by = || read_actor(row, 7).map(|actor| actor.key_id().copied());
    let event = match read_enum(row, 2)? {
        ActivityKind::Created => ActivityEvent::Created { by: by()? },
        ActivityKind::Renamed => ActivityEvent::Renamed { by: by()?, old_name: row.get(8)?, new_name: row.get(9)? },
        ActivityKind::Revoked => ActivityEvent::Revoked { by: by()? },
        ActivityKind::NewClient => ActivityEvent::NewClient,
        ActivityKind::Rejected => ActivityEvent::Rejected {
            outcome: read_enum(row, 10)?,
            requests: row.get::<_, i64>(11)?.cast_unsigned(),
            last_at: read_time(row, 12)?,
        },
        ActivityKind::ChangedOutside => ActivityEvent::ChangedOutside {
            change: read_enum(row, 14)?,
            keys: row.get::<_, i64>(15)?.cast_unsigned(),
            before: row.get(8)?,
            after: row.get(9)?,
        },
    };
    let key_id = match row.get_ref(3)?.as_str()? {
        "" => None,
        _ => Some(read_id(row, 3)?),
    };
    Ok(ActivityEntry {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        event,
        key_id,
        key_name: row.get::<_, Option<String>>(4)?.filter(|name| KeyName::parse(name).is_ok()),
        key_prefix: row.get::<_, Option<String>>(13)?.filter(|prefix| KeyPrefix::parse(prefix).is_some()),
        at: read_time(row, 1)?,
        peer: row.get(5)?,
        user_agent: read_user_agent(row, 6)?,
    })
}
