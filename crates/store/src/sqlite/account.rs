//! The keys of one account in an SQLite file, with their usage and their activity.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use rusqlite::Connection;
use ulkeys_domain::{AccountId, ActivityKind, AttentionThresholds, KeyHash, KeyId, KeyName, KeyRecord, Timestamp};

use super::account_scope::AccountScope;
use super::keys::KeyWriteError;
use super::{Database, SharedState, activity, key_list, keys, usage};
use crate::{
    ActivityPage, AuditContext, HourlyCount, KeyCounts, KeyPage, KeyQuery, KeyRepository, KeyUsage, Result, Revocation,
    StoredKey, WriteResult,
};

/// The data of one account in an SQLite file.
pub(super) struct SqliteAccount {
    pub(super) database: Database,
    pub(super) id: AccountId,
}

impl SqliteAccount {
    /// Runs `work` in a transaction of a connection for reading, on a thread on which blocking is allowed.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(AccountScope<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let account = self.id;
        self.database.read(move |connection| AccountScope::transact(connection, account, work)).await
    }

    /// Runs `work` in a transaction of the connection for writing, as [`Database::write`] does.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(AccountScope<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let account = self.id;
        self.database.write(move |connection, _| AccountScope::transact(connection, account, work)).await
    }
}

#[async_trait]
impl KeyRepository for SqliteAccount {
    async fn insert(&self, key: KeyRecord, hash: KeyHash, audit: AuditContext) -> WriteResult<()> {
        let account = self.id;
        let work = move |connection: &mut Connection, _: &SharedState, latest| {
            AccountScope::transact(connection, account, |scope| keys::insert(scope, latest, &key, &hash, &audit))
        };
        self.database.write_key(work, |_| false).await
    }

    async fn get_key(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let id = *id;
        self.read(move |scope| keys::find(scope, &id)).await
    }

    async fn get_keys(&self, ids: Vec<KeyId>) -> Result<Vec<KeyRecord>> {
        self.read(move |scope| keys::find_all(scope, &ids)).await
    }

    async fn list_active(&self, after: Option<(Timestamp, KeyId)>, limit: u32) -> Result<Vec<KeyRecord>> {
        self.read(move |scope| keys::list_active(scope, after, limit)).await
    }

    async fn list(&self, query: KeyQuery) -> Result<KeyPage> {
        self.read(move |scope| key_list::load_page(scope, &query)).await
    }

    async fn count_keys(&self, thresholds: AttentionThresholds) -> Result<KeyCounts> {
        self.read(move |scope| key_list::count_by_status(scope, &thresholds)).await
    }

    async fn rename(&self, id: &KeyId, name: KeyName, at: Timestamp, audit: AuditContext) -> WriteResult<KeyRecord> {
        let (account, id) = (self.id, *id);
        let work = move |connection: &mut Connection, inner: &SharedState, latest| {
            // The database may contain a revoked key as active: if the revocation could not be committed, or if another
            // program removed it. The renamed key would then be accepted again.
            let is_revoked =
                |hash: &KeyHash| inner.detector.as_ref().is_some_and(|detector| detector.lock().is_revoked(hash));
            AccountScope::transact(connection, account, |scope| {
                keys::rename(scope, latest, &id, &name, at, &audit, is_revoked)
            })
        };
        self.database.write_key(work, |_| false).await
    }

    async fn revoke(&self, id: &KeyId, at: Timestamp, audit: AuditContext) -> WriteResult<Revocation> {
        let (account, id) = (self.id, *id);
        let work = move |connection: &mut Connection, inner: &SharedState, latest| {
            // The key may have been revoked earlier, with a revocation that could not be written to the database yet.
            // Keep the time of that revocation.
            let since = inner.detector.as_ref().and_then(|detector| detector.lock().unwritten_revoked_at(account, &id));
            let at = since.unwrap_or(at);
            let mut recorded = None;
            let record = |key: &StoredKey, at| {
                recorded = Some(key.clone());
                inner.detector.as_ref()?.lock().record_revocation(&key.hash, at)
            };
            let revoke = |scope: AccountScope<'_>| keys::revoke(scope, latest, &id, at, &audit, record);
            match AccountScope::transact(connection, account, revoke) {
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
        self.read(move |scope| usage::load_usage(scope, id, since)).await
    }

    async fn accepted_requests(&self, ids: Vec<KeyId>, hours: RangeInclusive<i64>) -> Result<Vec<HourlyCount>> {
        self.read(move |scope| usage::load_accepted(scope, &ids, &hours)).await
    }

    async fn list_activity(
        &self,
        key: Option<KeyId>,
        kind: Option<ActivityKind>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ActivityPage> {
        self.read(move |scope| activity::load_page(scope, key, kind, before, limit)).await
    }
}
