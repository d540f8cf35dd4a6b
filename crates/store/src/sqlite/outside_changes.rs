//! Detects outside changes (changes that other programs make to the database) and handles them.
//!
//! A revoked key stays revoked, whatever the database file contains, if the revocation record contains the key or if
//! this process has seen the key revoked. All other changes are accepted, because the owner may edit the file; they are
//! reported and added to the activity list. A digest of all keys shows changes that were made while the service was not
//! running.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, named_params, params};
use rustc_hash::FxHashSet;
use tokio::sync::watch;
use ulkeys_domain::{AccountId, KeyAuthInfo, KeyHash, KeyId, OutsideChange, Timestamp};

use super::account_scope::{AccountScope, list_accounts};
use super::{activity, keys};
use crate::revocation_record::{RecordPosition, RecordState, RevocationRecord};
use crate::{ActivityEvent, AuditContext, ChangeCount, DatabaseHealth, KeyChanges, KnownKeys, Revision, StoredKey};

/// Maximum number of activity entries for one kind of change. If there are more changes of that kind, a single entry
/// contains their number.
const MAX_ACTIVITY_ENTRIES: usize = 20;

/// Initial and maximum delay before a failed access to the revocation record is retried.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Detects changes by other programs. A store that was opened for a tool has no detector.
pub(super) struct OutsideChangeDetector {
    record: RevocationRecord,
    clock: fn() -> Timestamp,
    health: watch::Sender<DatabaseHealth>,
    /// For each revocation record that the database has used, the position up to which it was applied. A failed read or
    /// write does not change a position, so the next attempt detects the same problem again.
    expected: Vec<RecordPosition>,
    /// The position in the current revocation record, as stored in the database.
    noted: Option<RecordPosition>,
    /// Detected changes that are not in the database yet.
    pending: Vec<DetectedChange>,
    /// Revocations that are in the revocation record or known to this process, but not in the database yet.
    revocations: Vec<UnwrittenRevocation>,
    /// The amounts by which the stored number of keys and the stored digest must be corrected to match the keys in the
    /// database.
    correction: (i64, i64),
    /// Time of the next attempt to use the revocation record after a failure, and the delay before that attempt.
    retry: Option<(Instant, Duration)>,
    /// Whether a failed write to the database has been logged.
    has_failed: bool,
}

/// A detected change by another program.
#[derive(Debug)]
struct DetectedChange {
    /// The account in whose activity list the change appears.
    account: AccountId,
    change: OutsideChange,
    key: Option<KeyId>,
    before: Option<String>,
    after: Option<String>,
}

impl DetectedChange {
    /// Returns a change that concerns the whole database or the revocation record. It is reported to the account of the
    /// service itself.
    fn of_database(change: OutsideChange) -> Self {
        Self { account: AccountId::EMBEDDED, change, key: None, before: None, after: None }
    }

    fn of_key(change: OutsideChange, key: &StoredKey) -> Self {
        Self { account: key.account, change, key: Some(key.info.id), before: None, after: None }
    }
}

struct UnwrittenRevocation {
    account: AccountId,
    key: KeyId,
    at: Timestamp,
    /// The change to the digest that the revocation causes.
    difference: i64,
    /// The origin of the revocation, if a client of this process requested it.
    audit: Option<AuditContext>,
}

impl UnwrittenRevocation {
    fn new(key: &StoredKey, at: Timestamp, audit: Option<AuditContext>) -> Self {
        let difference = fingerprint(&revoked_key(key.clone(), at)) - fingerprint(key);
        Self { account: key.account, key: key.info.id, at, difference, audit }
    }
}

/// The result of a scan of all keys.
#[derive(Default)]
struct KeyScan {
    /// The number of keys.
    count: i64,
    /// The sum of the fingerprints of all keys.
    sum: i64,
    /// Keys that are active in the database although the revocation record contains them or the service has seen them
    /// revoked.
    kept: Vec<(StoredKey, Timestamp)>,
    /// Revocations that are missing from the revocation record.
    missing: Vec<(KeyHash, Timestamp)>,
}

impl OutsideChangeDetector {
    pub(super) fn new(record: &Path, clock: fn() -> Timestamp, health: watch::Sender<DatabaseHealth>) -> Self {
        Self {
            record: RevocationRecord::new(record),
            clock,
            health,
            expected: Vec::new(),
            noted: None,
            pending: Vec::new(),
            revocations: Vec::new(),
            correction: (0, 0),
            retry: None,
            has_failed: false,
        }
    }

    /// Checks the keys of a newly opened database, and revokes keys that must not be active.
    ///
    /// # Errors
    /// Returns an error if a key cannot be read.
    pub(super) fn check_opened_database(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        let noted = stored_digest(connection)?;
        self.expected = connection
            .prepare("SELECT id, entries, checksum FROM revocation_records")?
            .query_map([], |row| {
                let entries = row.get::<_, i64>(1)?.cast_unsigned();
                Ok(RecordPosition { record: row.get(0)?, entries, checksum: row.get(2)? })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let finding = self.record.read(&self.expected);
        let mut scan = KeyScan::default();
        keys::scan(connection, None, Err, |key| self.scan_key(&key, None, &mut scan))?;
        let stored = (scan.count, scan.sum);
        self.revoke_again(&scan, None);
        let repaired = stored.1 + self.revocations.iter().map(|revocation| revocation.difference).sum::<i64>();
        // The digest detects edits made while the service was not running. No edit is reported if the stored digest
        // matches the keys in the database, either as they were read or with the revocations applied that the database
        // lacks. Restoring an old copy of the database therefore does not count as an edit.
        if noted.is_some_and(|noted| noted != stored && noted != (stored.0, repaired)) {
            self.pending.push(DetectedChange::of_database(OutsideChange::WhileClosed));
        }
        let is_seen = self.record.position().is_some_and(|seen| self.expected.contains(&seen));
        self.noted = self.record.position().filter(|_| is_seen);
        self.set_digest_correction(stored, noted);
        self.repair_revocation_record(finding, &scan.missing);
        if noted.is_none() || self.has_pending_writes() {
            // Ignore a failure: the revocation record revokes the keys in every snapshot, and the pending changes are
            // written as soon as the database is writable.
            let _ = self.write_detected_changes(connection);
        }
        Ok(())
    }

    /// Returns whether the revocation record contains a key.
    pub(super) fn is_revoked(&self, hash: &KeyHash) -> bool {
        self.record.get(hash.as_bytes()).is_some()
    }

    /// Applies the revocation record to a key that was read from the database.
    pub(super) fn apply_record(&self, key: &mut StoredKey) {
        key.info.revoked_at = key.info.revoked_at.or_else(|| self.record.get(key.hash.as_bytes()));
    }

    /// Compares the keys in the database with the known ones after another program has changed the database, and
    /// revokes keys that must not be active. Returns the keys that differ. A difference with a later revision than
    /// `since` and than the known key is a change of this process that the service does not know yet, unless the
    /// revision is after `latest`, which this process has not used.
    pub(super) fn compare_keys(
        &mut self,
        connection: &Connection,
        since: Revision,
        latest: Revision,
        known: &dyn KnownKeys,
    ) -> rusqlite::Result<KeyChanges> {
        let finding = self.needs_record_reload().then(|| self.record.read(&self.expected));
        let (mut scan, mut comparison) = (KeyScan::default(), KeyComparison::default());
        keys::scan(connection, None, keys::skip_unreadable, |key| {
            let before = known.get(&key.hash);
            self.scan_key(&key, before.as_ref(), &mut scan);
            comparison.add(key, before, since, latest);
        })?;
        let stored = (scan.count, scan.sum);
        let is_kept = self.revoke_again(&scan, Some(known));
        let (mut changes, detected) = comparison.finish(connection, known, &is_kept)?;
        for (key, at) in scan.kept {
            let revoked = revoked_key(key, at);
            changes.stored.retain(|changed| changed.hash != revoked.hash);
            if known.get(&revoked.hash).is_none_or(|known| is_different(&known, &revoked)) {
                changes.stored.push(revoked);
            }
        }
        self.pending.extend(detected);
        // The other program may have overwritten the stored digest and the stored record position, so write both again.
        self.set_digest_correction(stored, stored_digest(connection).ok().flatten());
        self.noted = None;
        self.repair_revocation_record(finding.unwrap_or(Ok(RecordState::Intact)), &scan.missing);
        Ok(changes)
    }

    /// Returns whether the revocation record must be read again.
    pub(super) fn needs_record_reload(&self) -> bool {
        self.retry.map_or_else(|| self.record.has_changed(), |(next, _)| Instant::now() >= next)
    }

    /// Returns whether anything that was detected must still be written to the database.
    pub(super) fn has_pending_writes(&self) -> bool {
        let seen = self.reported_position();
        !self.pending.is_empty()
            || !self.revocations.is_empty()
            || self.correction != (0, 0)
            || (seen.is_some() && seen != self.noted)
    }

    /// Reads the revocation record again after another process changed it or an access failed. Returns the keys that
    /// must be revoked now.
    pub(super) fn reload_record(&mut self, connection: &Connection, known: &dyn KnownKeys) -> Vec<StoredKey> {
        let finding = self.record.read(&self.expected);
        let mut scan = KeyScan::default();
        known.for_each(&mut |key| self.scan_key(&key, None, &mut scan));
        // The service may not know yet that this process has revoked a key.
        scan.kept.retain(|(key, _)| !keys::is_revoked(connection, &key.hash).unwrap_or_default());
        self.revoke_again(&scan, None);
        self.repair_revocation_record(finding, &scan.missing);
        scan.kept.into_iter().map(|(key, at)| revoked_key(key, at)).collect()
    }

    /// Writes a revocation to the revocation record. If the record cannot be written, only the database contains the
    /// revocation until a later attempt adds it to the record, and the app shows a warning until then.
    pub(super) fn record_revocation(&mut self, hash: &KeyHash, at: Timestamp) -> Option<RecordPosition> {
        if let Err(error) = self.record.append(&[(*hash, at)]) {
            self.report_record_failure(Err(error));
            return None;
        }
        // If an earlier write failed, entries are still missing from the record. If another process has added entries,
        // they are not applied yet. In both cases, the current position must not be marked as seen.
        match &mut self.retry {
            Some((next, _)) => *next = Instant::now(),
            None if self.record.has_changed() => {}
            None => self.mark_record_seen(),
        }
        // Do not store a position that covers revocations that are not in the database yet.
        if self.revocations.is_empty() {
            self.noted = self.reported_position();
            self.noted.clone()
        } else {
            None
        }
    }

    /// Applies a revocation that could not be committed to the database, if the record contains it. Returns the
    /// revoked key and the revocation time.
    pub(super) fn take_revocation_from_record(
        &mut self,
        key: &StoredKey,
        audit: AuditContext,
    ) -> Option<(StoredKey, Timestamp)> {
        self.noted = None;
        let at = self.record.get(key.hash.as_bytes())?;
        if self.unwritten_revoked_at(key.account, &key.info.id).is_none() {
            self.revocations.push(UnwrittenRevocation::new(key, at, Some(audit)));
        }
        Some((revoked_key(key.clone(), at), at))
    }

    /// Returns the revocation time of a key whose revocation is not in the database yet.
    pub(super) fn unwritten_revoked_at(&self, account: AccountId, key: &KeyId) -> Option<Timestamp> {
        let is_of_key = |revocation: &&UnwrittenRevocation| (revocation.account, &revocation.key) == (account, key);
        self.revocations.iter().find(is_of_key).map(|revocation| revocation.at)
    }

    /// Adds one key to the results of a scan. `before` is the same key as the service knows it.
    fn scan_key(&self, key: &StoredKey, before: Option<&StoredKey>, scan: &mut KeyScan) {
        scan.count += 1;
        scan.sum += fingerprint(key);
        let hash = key.hash.as_bytes();
        let revoked_before = || before?.info.revoked_at;
        let revoked_at = key.info.revoked_at.or_else(|| self.record.get(hash)).or_else(revoked_before);
        let Some(at) = revoked_at else { return };
        if key.info.revoked_at.is_none() {
            scan.kept.push((key.clone(), at));
        }
        if self.record.has_no_entry(hash) {
            scan.missing.push((key.hash, at));
        }
    }

    /// Revokes the keys that the scan found active although they must be revoked. Returns their hashes.
    fn revoke_again(&mut self, scan: &KeyScan, known: Option<&dyn KnownKeys>) -> FxHashSet<KeyHash> {
        let waiting: FxHashSet<_> =
            self.revocations.iter().map(|revocation| (revocation.account, revocation.key)).collect();
        for (key, at) in scan.kept.iter().filter(|(key, _)| !waiting.contains(&(key.account, key.info.id))) {
            let before = known.and_then(|known| known.get(&key.hash));
            let was_revoked = before.is_some_and(|before| before.info.revoked_at.is_some());
            // If the open database has never contained this key's revocation, the key cannot have been reactivated, so
            // the revocation is reported as a new one. At startup, a reactivated key looks the same as a key in a
            // restored old copy of the database. Both cases are reported as [`OutsideChange::KeptRevoked`], because a
            // restored copy is by far the more common one.
            let is_late = known.is_some() && !was_revoked && self.record.is_unseen(key.hash.as_bytes());
            let change = if is_late { OutsideChange::Revoked } else { OutsideChange::KeptRevoked };
            self.pending.push(DetectedChange::of_key(change, key));
            self.revocations.push(UnwrittenRevocation::new(key, *at, None));
        }
        scan.kept.iter().map(|(key, _)| key.hash).collect()
    }

    /// Sets the amount by which the stored digest must be corrected: the difference between the digest of the keys that
    /// the database contains (`stored`) and the digest that is recorded in the database (`noted`).
    fn set_digest_correction(&mut self, stored: (i64, i64), noted: Option<(i64, i64)>) {
        let noted = noted.unwrap_or_default();
        self.correction = (stored.0 - noted.0, stored.1 - noted.1);
    }

    /// Appends the missing entries to the revocation record or writes a new record, and reports problems with the
    /// record.
    fn repair_revocation_record(&mut self, finding: std::io::Result<RecordState>, missing: &[(KeyHash, Timestamp)]) {
        let (settled, problem) = match finding {
            Ok(RecordState::Intact) => (self.record.append_missing(missing), None),
            Ok(RecordState::Unknown) => (self.record.append_missing(missing), Some(OutsideChange::RecordReplaced)),
            Ok(RecordState::Missing) => {
                let problem = (!self.expected.is_empty()).then_some(OutsideChange::RecordLost);
                (self.record.create(missing), problem)
            }
            Ok(RecordState::Damaged) => (self.record.create(missing), Some(OutsideChange::RecordDamaged)),
            Err(error) => (Err(error), None),
        };
        // On failure, the expected positions stay unchanged, so the next attempt detects and reports the same problem.
        if settled.is_ok() {
            self.pending.extend(problem.map(DetectedChange::of_database));
            self.mark_record_seen();
        }
        self.report_record_failure(settled);
    }

    fn mark_record_seen(&mut self) {
        let Some(seen) = self.record.position() else { return };
        self.expected.retain(|expected| expected.record != seen.record);
        self.expected.push(seen);
    }

    /// Returns the position in the revocation record, or `None` if a problem with the record has not been reported yet.
    fn reported_position(&self) -> Option<RecordPosition> {
        self.record.position().filter(|seen| self.expected.contains(seen))
    }

    fn report_record_failure(&mut self, result: std::io::Result<()>) {
        let failure = result.err().map(|error| error.to_string());
        let wait = self.retry.map_or(RETRY_DELAYS.0, |(_, wait)| (2 * wait).min(RETRY_DELAYS.1));
        self.retry = failure.is_some().then(|| (Instant::now() + wait, wait));
        self.health.send_if_modified(|health| {
            // Compare only whether there is a failure: some error texts contain the name of a temporary file, which
            // always differs.
            let is_new = health.record_failure.is_some() != failure.is_some();
            match &failure {
                Some(failure) if is_new => {
                    tracing::error!(
                        path = %self.record.path().display(),
                        %failure,
                        "cannot use the revocation record; new revocations are stored only in the database"
                    );
                }
                None if is_new => tracing::info!("the revocation record can be used again"),
                _ => {}
            }
            if is_new {
                health.record_failure = failure;
            }
            is_new
        });
    }

    /// Writes all detected changes to the database in one transaction.
    pub(super) fn write_detected_changes(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        let written = self.try_write_detected_changes(connection);
        match &written {
            // A full disk is not logged here, because it is logged once for all writes.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {}
            Err(error) if !self.has_failed => {
                tracing::warn!(%error, "cannot write revocations or detected changes to the key database yet");
                self.has_failed = true;
            }
            Ok(()) if self.has_failed => {
                tracing::info!("revocations and detected changes were written to the key database");
                self.has_failed = false;
            }
            _ => {}
        }
        written
    }

    fn try_write_detected_changes(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        let at = (self.clock)();
        let transaction = connection.transaction()?;
        let (count, mut digest) = self.correction;
        for UnwrittenRevocation { account, key, at, difference, audit } in &self.revocations {
            let scope = AccountScope::new(&transaction, *account);
            let changed = scope.execute(
                "UPDATE keys SET revoked_at = :at WHERE account_id = :account_id AND id = :id AND revoked_at IS NULL",
                named_params! { ":id": key.as_str(), ":at": at.as_millis() },
            )?;
            if changed > 0 {
                digest += difference;
                if let Some(audit) = audit {
                    activity::insert(
                        scope,
                        key,
                        *at,
                        audit,
                        &ActivityEvent::Revoked { by: audit.actor.key_id().copied() },
                    )?;
                }
            }
        }
        let mut kinds: BTreeMap<(OutsideChange, AccountId), Vec<&DetectedChange>> = BTreeMap::new();
        // Another program may have deleted the account of a key together with the key. The service's own account always
        // exists.
        let accounts = list_accounts(&transaction)?;
        for found in &self.pending {
            let account = if accounts.contains(&found.account) { found.account } else { AccountId::EMBEDDED };
            kinds.entry((found.change, account)).or_default().push(found);
        }
        for ((change, account), all) in &kinds {
            let scope = AccountScope::new(&transaction, *account);
            if all.len() > MAX_ACTIVITY_ENTRIES {
                activity::insert_outside_change(scope, None, at, *change, all.len() as u64, (None, None))?;
                continue;
            }
            for found in all {
                let texts = (found.before.as_deref(), found.after.as_deref());
                let keys = u64::from(found.key.is_some());
                activity::insert_outside_change(scope, found.key.as_ref(), at, *change, keys, texts)?;
            }
        }
        transaction.execute(
            "INSERT INTO key_digest (id, keys, digest) VALUES (1, ?1, ?2)
             ON CONFLICT (id) DO UPDATE SET keys = keys + excluded.keys, digest = digest + excluded.digest",
            params![count, digest],
        )?;
        let seen = self.reported_position();
        if let Some(seen) = &seen {
            store_record_position(&transaction, seen)?;
        }
        transaction.commit()?;

        let mut counts: BTreeMap<OutsideChange, u64> = BTreeMap::new();
        for found in &self.pending {
            *counts.entry(found.change).or_default() += u64::from(found.key.is_some());
        }
        self.pending.clear();
        self.revocations.clear();
        self.correction = (0, 0);
        self.noted = seen;
        for (change, keys) in counts {
            tracing::warn!(change = change.as_ref(), keys, "detected a change of the key database by another program");
            self.health.send_modify(|health| match health.changes.iter_mut().find(|count| count.change == change) {
                Some(count) => *count = ChangeCount { change, keys: count.keys + keys, times: count.times + 1 },
                None => health.changes.push(ChangeCount { change, keys, times: 1 }),
            });
        }
        Ok(())
    }
}

/// Returns the keys in the database that differ from the known ones, without reporting any change. `apply_record` is
/// called for each key and revokes it if necessary.
pub(super) fn compare_keys(
    connection: &Connection,
    since: Revision,
    latest: Revision,
    known: &dyn KnownKeys,
    apply_record: impl Fn(&mut StoredKey),
) -> rusqlite::Result<KeyChanges> {
    let mut comparison = KeyComparison::default();
    keys::scan(connection, None, keys::skip_unreadable, |mut key| {
        apply_record(&mut key);
        let before = known.get(&key.hash);
        comparison.add(key, before, since, latest);
    })?;
    comparison.finish(connection, known, &FxHashSet::default()).map(|(changes, _)| changes)
}

/// Returns whether an account or any data that decides about requests differs.
fn is_different(one: &StoredKey, other: &StoredKey) -> bool {
    (one.account, &one.info) != (other.account, &other.info)
}

fn revoked_key(key: StoredKey, at: Timestamp) -> StoredKey {
    StoredKey { info: KeyAuthInfo { revoked_at: Some(at), ..key.info }, ..key }
}

/// Returns the digest that is stored in the database: the number of keys and the sum of their fingerprints.
fn stored_digest(connection: &Connection) -> rusqlite::Result<Option<(i64, i64)>> {
    connection.query_row("SELECT keys, digest FROM key_digest", [], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Compares the keys in the database with the keys that the service knows.
#[derive(Default)]
struct KeyComparison {
    /// Keys that the service does not know, and whether this process may have added them.
    new: Vec<(StoredKey, bool)>,
    /// Known keys that differ, with their former state.
    changed: Vec<(StoredKey, StoredKey)>,
    /// The number of known keys that are in the database.
    found: usize,
    /// Known keys that this process has changed.
    own: Vec<StoredKey>,
}

impl KeyComparison {
    fn add(&mut self, key: StoredKey, before: Option<StoredKey>, since: Revision, latest: Revision) {
        self.found += usize::from(before.is_some());
        let known_revision = before.as_ref().map_or(since, |before| before.revision);
        let is_own = key.revision > known_revision && key.revision <= latest;
        match before {
            None => self.new.push((key, is_own)),
            Some(_) if is_own => self.own.push(key),
            Some(before) if is_different(&before, &key) => self.changed.push((before, key)),
            Some(_) => {}
        }
    }

    /// Returns the differences, for the service and for the activity list. The activity list does not contain the keys
    /// whose revocation was restored (`kept`) as new or revoked keys, and no changes that this process made itself.
    fn finish(
        self,
        connection: &Connection,
        known: &dyn KnownKeys,
        kept: &FxHashSet<KeyHash>,
    ) -> rusqlite::Result<(KeyChanges, Vec<DetectedChange>)> {
        let mut removed = Vec::new();
        if self.found < known.count() {
            let mut exists = connection.prepare(
                "SELECT EXISTS (SELECT 1 FROM keys WHERE hash = ?1 AND account_id IN (SELECT id FROM accounts))",
            )?;
            let mut failed = None;
            known.for_each(&mut |key| match exists.query_row([key.hash.as_bytes()], |row| row.get::<_, bool>(0)) {
                Ok(true) => {}
                Ok(false) => removed.push(key),
                Err(error) => failed = Some(error),
            });
            failed.map_or(Ok(()), Err)?;
        }
        let mut gone: BTreeMap<_, &StoredKey> =
            removed.iter().map(|key: &StoredKey| ((key.account, key.info.id), key)).collect();
        let mut detected = Vec::new();
        for (key, is_own) in &self.new {
            // This process never changes the hash of a key.
            if gone.remove(&(key.account, key.info.id)).is_some() {
                detected.push(DetectedChange::of_key(OutsideChange::SecretChanged, key));
            } else if !is_own && !kept.contains(&key.hash) {
                detected.push(DetectedChange::of_key(OutsideChange::Added, key));
            }
        }
        for (former, key) in &self.changed {
            // A key in another account is gone for its former account, and new for the other one.
            if former.account != key.account {
                detected.push(DetectedChange::of_key(OutsideChange::Removed, former));
                detected.push(DetectedChange::of_key(OutsideChange::Added, key));
            }
            let (before, after) = (&former.info, &key.info);
            let mut add = |change, texts: Option<(String, String)>| {
                let (before, after) = texts.unzip();
                detected.push(DetectedChange { before, after, ..DetectedChange::of_key(change, key) });
            };
            if before.id != after.id {
                add(OutsideChange::SecretChanged, None);
            }
            if before.revoked_at.is_none() && after.revoked_at.is_some() && !kept.contains(&key.hash) {
                add(OutsideChange::Revoked, None);
            }
            if before.name != after.name {
                let texts = (before.name.as_str().to_owned(), after.name.as_str().to_owned());
                add(OutsideChange::Renamed, Some(texts));
            }
            if before.scopes != after.scopes {
                add(OutsideChange::ScopesChanged, Some((before.scopes.to_string(), after.scopes.to_string())));
            }
        }
        detected.extend(gone.into_values().map(|key| DetectedChange::of_key(OutsideChange::Removed, key)));
        let mut stored = self.own;
        stored.extend(self.new.into_iter().map(|(key, _)| key));
        stored.extend(self.changed.into_iter().map(|(_, key)| key));
        let removed = removed.into_iter().map(|key| key.hash).collect();
        Ok((KeyChanges { stored, removed, ..KeyChanges::default() }, detected))
    }
}

/// Updates the stored digest for a changed key, in the transaction of that change.
pub(super) fn update_digest(
    connection: &Connection,
    before: Option<&StoredKey>,
    after: &StoredKey,
) -> rusqlite::Result<()> {
    let difference = fingerprint(after) - before.map_or(0, fingerprint);
    connection
        .prepare_cached("UPDATE key_digest SET keys = keys + ?1, digest = digest + ?2")?
        .execute(params![i64::from(before.is_none()), difference])
        .map(drop)
}

/// Stores the position up to which the revocation record was read.
pub(super) fn store_record_position(connection: &Connection, seen: &RecordPosition) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO revocation_records (id, entries, checksum) VALUES (?1, ?2, ?3)")?
        .execute(params![seen.record, seen.entries.cast_signed(), seen.checksum])
        .map(drop)
}

/// Returns a checksum (FNV-1a) of those fields of a key that are monitored for changes by other programs. The checksum
/// is stored in the database, so the algorithm must not change. It is not keyed: it detects changes but does not
/// protect against forgery.
fn fingerprint(stored: &StoredKey) -> i64 {
    let mut sum = 0x811c_9dc5_u32;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0]) {
            sum = (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    let key = &stored.info;
    add(stored.hash.as_bytes());
    add(key.id.as_str().as_bytes());
    add(key.name.as_str().as_bytes());
    for scope in key.scopes.iter() {
        add(scope.as_ref().as_bytes());
    }
    add(&[u8::from(key.revoked_at.is_some())]);
    // Databases that were written before there were accounts contain checksums without an account.
    if stored.account != AccountId::EMBEDDED {
        add(&stored.account.get().to_be_bytes());
    }
    i64::from(sum)
}
