//! The keys of one account in an SQLite file, with their usage and their activity.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use rusqlite::Connection;
use ulkeys_api::{ActivityKind, ActivityPage, KeyCounts, KeyUsage};
use ulkeys_domain::{AttentionThresholds, KeyHash, KeyId, KeyName, KeyRecord, Timestamp};

use super::keys::KeyWriteError;
use super::{Database, SharedState, activity, key_list, keys, usage};
use crate::{AuditContext, HourlyCount, KeyPage, KeyQuery, KeyRepository, Result, Revocation, StoredKey, WriteResult};

/// The data of one account in an SQLite file.
pub(super) struct SqliteAccount {
    pub(super) database: Database,
}

#[async_trait]
impl KeyRepository for SqliteAccount {
    async fn insert(&self, key: KeyRecord, hash: KeyHash, audit: AuditContext) -> WriteResult<()> {
        let work = move |connection: &mut Connection, _: &SharedState, latest| {
            keys::insert(connection, latest, &key, &hash, &audit)
        };
        self.database.write_key(work, |_| false).await
    }

    async fn get_key(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let id = *id;
        self.database.read(move |connection| keys::find(connection, &id)).await
    }

    async fn get_keys(&self, ids: Vec<KeyId>) -> Result<Vec<KeyRecord>> {
        self.database.read(move |connection| keys::find_all(connection, &ids)).await
    }

    async fn list_active(&self, after: Option<(Timestamp, KeyId)>, limit: u32) -> Result<Vec<KeyRecord>> {
        self.database.read(move |connection| keys::list_active(connection, after, limit)).await
    }

    async fn list(&self, query: KeyQuery) -> Result<KeyPage> {
        self.database.read(move |connection| key_list::load_page(connection, &query)).await
    }

    async fn count_keys(&self, thresholds: AttentionThresholds) -> Result<KeyCounts> {
        self.database.read(move |connection| key_list::count_by_status(connection, &thresholds)).await
    }

    async fn rename(&self, id: &KeyId, name: KeyName, at: Timestamp, audit: AuditContext) -> WriteResult<KeyRecord> {
        let id = *id;
        let work = move |connection: &mut Connection, inner: &SharedState, latest| {
            // The database may contain a revoked key as active: if the revocation could not be committed, or if another
            // program removed it. The renamed key would then be accepted again.
            let is_revoked =
                |hash: &KeyHash| inner.detector.as_ref().is_some_and(|detector| detector.lock().is_revoked(hash));
            keys::rename(connection, latest, &id, &name, at, &audit, is_revoked)
        };
        self.database.write_key(work, |_| false).await
    }

    async fn revoke(&self, id: &KeyId, at: Timestamp, audit: AuditContext) -> WriteResult<Revocation> {
        let id = *id;
        let work = move |connection: &mut Connection, inner: &SharedState, latest| {
            // The key may have been revoked earlier, with a revocation that could not be written to the database yet.
            // Keep the time of that revocation.
            let since = inner.detector.as_ref().and_then(|detector| detector.lock().unwritten_revoked_at(&id));
            let at = since.unwrap_or(at);
            let mut recorded = None;
            let record = |key: &StoredKey, at| {
                recorded = Some(key.clone());
                inner.detector.as_ref()?.lock().record_revocation(&key.hash, at)
            };
            match keys::revoke(connection, latest, &id, at, &audit, record) {
                Ok(mut revoked) => {
                    revoked.value.is_new &= since.is_none();
                    Ok(revoked)
                }
                Err(KeyWriteError::Sqlite(error)) => {
                    match recorded.and_then(|key| inner.revoke_by_record_alone(&key, latest, audit)) {
                        Some(revocation) => {
                            inner.map_error(&error);
                            Ok(revocation)
                        }
                        None => Err(error.into()),
                    }
                }
                Err(error) => Err(error),
            }
        };
        // A recorded revocation is effective even if the database file was replaced, because the revocation record
        // applies to any file at the path.
        let holds = |inner: &SharedState| inner.detector.is_some() && inner.health.borrow().record_failure.is_none();
        self.database.write_key(work, holds).await
    }

    async fn key_usage(&self, id: &KeyId, since: Timestamp) -> Result<KeyUsage> {
        let id = *id;
        self.database.read(move |connection| usage::load_usage(connection, id, since)).await
    }

    async fn accepted_requests(&self, ids: Vec<KeyId>, hours: RangeInclusive<i64>) -> Result<Vec<HourlyCount>> {
        self.database.read(move |connection| usage::load_accepted(connection, &ids, &hours)).await
    }

    async fn list_activity(
        &self,
        key: Option<KeyId>,
        kind: Option<ActivityKind>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ActivityPage> {
        self.database.read(move |connection| activity::load_page(connection, key, kind, before, limit)).await
    }
}
