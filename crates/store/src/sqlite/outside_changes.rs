//! Changes that other programs make to the database, and what the service makes of them.
//!
//! A revoked key stays revoked, whatever the file says: because the record of revocations says so, or because this
//! process knew it as revoked. Everything else in the file counts, as its owner may edit it; it is reported and noted
//! in the list of activity. Changes between two runs are noticed by a digest of all keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, params};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;
use ulkeys_domain::wire::{ActivityEvent, ChangeCount, DatabaseHealth, OutsideChange, RecordFailure};
use ulkeys_domain::{KeyAuthInfo, KeyHash, KeyId, Timestamp};

use super::activity;
use super::key_index::{self, IndexedKey, KeySet};
use crate::AuditContext;
use crate::revocation_record::{RecordPosition, RecordState, RevocationRecord};

/// Entries in the list of activity for one kind of change; where there are more, one entry tells how many.
const MAX_ACTIVITY_ENTRIES: usize = 20;

/// How long to wait before a record that could not be used is tried again: at first, and at most.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Detects changes by other programs. A tool that opens a database has none.
pub(super) struct OutsideChangeDetector {
    record: RevocationRecord,
    clock: fn() -> Timestamp,
    health: watch::Sender<DatabaseHealth>,
    /// How far each record was seen. A failure to read or write one changes nothing here, so that it is found again.
    expected: Vec<RecordPosition>,
    /// What the database has of it, for the record as it is.
    noted: Option<RecordPosition>,
    /// Found, and not in the database yet.
    pending: Vec<DetectedChange>,
    /// Revocations that the record or this process knows, and the database does not have yet.
    revocations: Vec<UnwrittenRevocation>,
    /// What the digest of the keys in the database differs from the one that is noted there.
    correction: (i64, i64),
    /// When a record that could not be used is tried again, and how long that was put off.
    retry: Option<(Instant, Duration)>,
    /// Whether it was reported that writing fails.
    has_failed: bool,
    /// How often keys were found changed.
    revision: u64,
}

/// One change that was found.
#[derive(Debug)]
struct DetectedChange {
    change: OutsideChange,
    key: Option<KeyId>,
    before: Option<String>,
    after: Option<String>,
}

impl DetectedChange {
    fn new(change: OutsideChange, key: Option<KeyId>) -> Self {
        Self { change, key, before: None, after: None }
    }
}

struct UnwrittenRevocation {
    key: KeyId,
    at: Timestamp,
    /// By how much the digest changes.
    difference: i64,
    /// Who asked this process for it.
    audit: Option<AuditContext>,
}

impl UnwrittenRevocation {
    fn new(entry: &IndexedKey, at: Timestamp, audit: Option<AuditContext>) -> Self {
        let (before, after) = (&entry.key, as_revoked(entry, at));
        let difference = fingerprint(&entry.hash, &after.key) - fingerprint(&entry.hash, before);
        Self { key: before.id, at, difference, audit }
    }
}

/// What one pass over all keys finds.
#[derive(Default)]
struct KeyScan {
    /// The sum of the fingerprints.
    sum: i64,
    /// Active keys that the record, or this process, knows as revoked.
    kept: Vec<(IndexedKey, Timestamp)>,
    /// Revocations that the record lacks.
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
            revision: 0,
        }
    }

    /// Reads and checks the keys of a database that was just opened, and revokes what must be.
    pub(super) fn load_keys(&mut self, connection: &mut Connection) -> rusqlite::Result<KeySet> {
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
        let mut keys = key_index::load_all_keys(connection, Err, |entry| self.scan_key(entry, None, &mut scan))?;
        let stored = (keys.len() as i64, scan.sum);
        self.revoke_again(&scan, None).into_iter().for_each(|entry| drop(keys.replace(entry)));
        let repaired = stored.1 + self.revocations.iter().map(|revocation| revocation.difference).sum::<i64>();
        // An old copy of the database is what it was; only its revocations are missing.
        if noted.is_some_and(|noted| noted != stored && noted != (stored.0, repaired)) {
            self.pending.push(DetectedChange::new(OutsideChange::WhileClosed, None));
        }
        let is_seen = self.record.position().is_some_and(|seen| self.expected.contains(&seen));
        self.noted = self.record.position().filter(|_| is_seen);
        self.set_digest_correction(stored, noted);
        self.repair_revocation_record(finding, &scan.missing);
        if noted.is_none() || self.has_pending_writes() {
            // The keys are revoked in memory already; what is pending is written as soon as the database can be.
            let _ = self.write_detected_changes(connection);
        }
        Ok(keys)
    }

    /// Reads keys again that another program has changed, compares them with those that were known, and revokes what
    /// must be.
    pub(super) fn reload(&mut self, connection: &Connection, old: &KeySet) -> rusqlite::Result<KeySet> {
        let finding = self.needs_record_reload().then(|| self.record.read(&self.expected));
        let mut scan = KeyScan::default();
        let mut keys = key_index::load_all_keys(connection, key_index::skip_unreadable, |entry| {
            self.scan_key(entry, Some(old), &mut scan)
        })?;
        let stored = (keys.len() as i64, scan.sum);
        let kept = self.revoke_again(&scan, Some(old));
        let hashes = kept.iter().map(|entry| *entry.hash.as_bytes()).collect();
        kept.into_iter().for_each(|entry| drop(keys.replace(entry)));
        self.pending.extend(diff_keys(old, &keys, &hashes));
        // Another program may have written over both.
        self.set_digest_correction(stored, stored_digest(connection).ok().flatten());
        self.noted = None;
        self.repair_revocation_record(finding.unwrap_or(Ok(RecordState::Intact)), &scan.missing);
        self.revision += 1;
        Ok(keys)
    }

    /// Whether the record must be read again.
    pub(super) fn needs_record_reload(&self) -> bool {
        self.retry.map_or_else(|| self.record.has_changed(), |(next, _)| Instant::now() >= next)
    }

    /// Whether findings await a write.
    pub(super) fn has_pending_writes(&self) -> bool {
        let seen = self.reported_position();
        !self.pending.is_empty()
            || !self.revocations.is_empty()
            || self.correction != (0, 0)
            || (seen.is_some() && seen != self.noted)
    }

    /// Reads the record again, after another process has changed it or it could not be used. The keys that are to be
    /// revoked now.
    pub(super) fn reload_record(&mut self, keys: &KeySet) -> Vec<IndexedKey> {
        let finding = self.record.read(&self.expected);
        let mut scan = KeyScan::default();
        keys.iter().for_each(|entry| self.scan_key(entry, None, &mut scan));
        let revoked = self.revoke_again(&scan, None);
        self.repair_revocation_record(finding, &scan.missing);
        self.revision += u64::from(!revoked.is_empty());
        revoked
    }

    /// How often keys were found changed.
    pub(super) fn key_set_revision(&self) -> u64 {
        self.revision
    }

    /// Writes a revocation into the record. If the record cannot be written, the revocation is in the database alone
    /// and is added to the record later. Until then the window says so.
    pub(super) fn record_revocation(&mut self, hash: &KeyHash, at: Timestamp) -> Option<RecordPosition> {
        if let Err(error) = self.record.append(&[(*hash, at)]) {
            self.report_record_failure(Err(error));
            return None;
        }
        // What failed before is missing in the record still, and what another process has added is not applied yet.
        match &mut self.retry {
            Some((next, _)) => *next = Instant::now(),
            None if self.record.has_changed() => {}
            None => self.mark_record_seen(),
        }
        // What is not in the database yet must not count there as seen.
        if self.revocations.is_empty() {
            self.noted = self.reported_position();
            self.noted.clone()
        } else {
            None
        }
    }

    /// Takes over a revocation that the database could not commit, if it is in the record. The key as it is now, and
    /// since when it is revoked.
    pub(super) fn take_revocation_from_record(
        &mut self,
        entry: &IndexedKey,
        audit: AuditContext,
    ) -> Option<(IndexedKey, Timestamp)> {
        self.noted = None;
        let at = self.record.get(entry.hash.as_bytes())?;
        if entry.key.revoked_at.is_none() {
            self.revocations.push(UnwrittenRevocation::new(entry, at, Some(audit)));
        }
        Some((as_revoked(entry, at), at))
    }

    /// Since when a key is revoked whose revocation the database does not have yet.
    pub(super) fn unwritten_revoked_at(&self, key: &KeyId) -> Option<Timestamp> {
        self.revocations.iter().find(|revocation| revocation.key == *key).map(|revocation| revocation.at)
    }

    /// Checks one key.
    fn scan_key(&self, entry: &IndexedKey, old: Option<&KeySet>, scan: &mut KeyScan) {
        scan.sum += fingerprint(&entry.hash, &entry.key);
        let hash = entry.hash.as_bytes();
        let known = || old?.get(hash)?.key.revoked_at;
        let revoked_at = entry.key.revoked_at.or_else(|| self.record.get(hash)).or_else(known);
        let Some(at) = revoked_at else { return };
        if entry.key.revoked_at.is_none() {
            scan.kept.push((entry.clone(), at));
        }
        if self.record.has_no_entry(hash) {
            scan.missing.push((entry.hash, at));
        }
    }

    /// Revokes what was found to be active and must not be. Those keys as they are then.
    fn revoke_again(&mut self, scan: &KeyScan, old: Option<&KeySet>) -> Vec<IndexedKey> {
        let waiting: FxHashSet<_> = self.revocations.iter().map(|revocation| revocation.key).collect();
        for (entry, at) in scan.kept.iter().filter(|(entry, _)| !waiting.contains(&entry.key.id)) {
            let hash = entry.hash.as_bytes();
            let was_revoked = old.and_then(|old| old.get(hash)).is_some_and(|old| old.key.revoked_at.is_some());
            // The running database has never known that it is revoked: so nobody has made it active. At the start, an
            // old copy of the database looks the same, and is by far the more frequent case.
            let is_late = old.is_some() && !was_revoked && self.record.is_unseen(hash);
            let change = if is_late { OutsideChange::Revoked } else { OutsideChange::KeptRevoked };
            self.pending.push(DetectedChange::new(change, Some(entry.key.id)));
            self.revocations.push(UnwrittenRevocation::new(entry, *at, None));
        }
        scan.kept.iter().map(|(entry, at)| as_revoked(entry, *at)).collect()
    }

    /// Notes by how much the digest in the database is to be changed.
    fn set_digest_correction(&mut self, stored: (i64, i64), noted: Option<(i64, i64)>) {
        let noted = noted.unwrap_or_default();
        self.correction = (stored.0 - noted.0, stored.1 - noted.1);
    }

    /// Adds to the record what it lacks, or writes a new one, and reports what was wrong with it.
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
        // On failure, what was expected stays as it is: so the same is found at the next attempt, and reported then.
        if settled.is_ok() {
            self.pending.extend(problem.map(|problem| DetectedChange::new(problem, None)));
            self.mark_record_seen();
        }
        self.report_record_failure(settled);
    }

    fn mark_record_seen(&mut self) {
        let Some(seen) = self.record.position() else { return };
        self.expected.retain(|expected| expected.record != seen.record);
        self.expected.push(seen);
    }

    /// How far the record is read, unless what is wrong with it is not reported yet.
    fn reported_position(&self) -> Option<RecordPosition> {
        self.record.position().filter(|seen| self.expected.contains(seen))
    }

    fn report_record_failure(&mut self, result: std::io::Result<()>) {
        let failure = result
            .err()
            .map(|error| RecordFailure { path: self.record.path().display().to_string(), detail: error.to_string() });
        let wait = self.retry.map_or(RETRY_DELAYS.0, |(_, wait)| (2 * wait).min(RETRY_DELAYS.1));
        self.retry = failure.is_some().then(|| (Instant::now() + wait, wait));
        self.health.send_if_modified(|health| {
            // Some texts name a temporary file, another one each time.
            let is_new = health.record_failure.is_some() != failure.is_some();
            match &failure {
                Some(failure) if is_new => {
                    tracing::error!(?failure, "revocations cannot be recorded outside the database");
                }
                None if is_new => tracing::info!("revocations are recorded outside the database again"),
                _ => {}
            }
            if is_new {
                health.record_failure = failure;
            }
            is_new
        });
    }

    /// Writes what was found in one transaction.
    pub(super) fn write_detected_changes(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        let written = self.try_write_detected_changes(connection);
        match &written {
            // A full disk is reported once for all that is written.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {}
            Err(error) if !self.has_failed => {
                tracing::warn!(%error, "revocations or changes by other programs are not in the database yet");
                self.has_failed = true;
            }
            Ok(()) if self.has_failed => {
                tracing::info!("revocations and changes by other programs are in the database again");
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
        for UnwrittenRevocation { key, at, difference, audit } in &self.revocations {
            let changed = transaction.execute(
                "UPDATE keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
                params![key.as_str(), at.as_millis()],
            )?;
            if changed > 0 {
                digest += difference;
                if let Some(audit) = audit {
                    activity::insert(&transaction, key, *at, audit, &ActivityEvent::Revoked { by: audit.actor })?;
                }
            }
        }
        let mut kinds: BTreeMap<OutsideChange, Vec<&DetectedChange>> = BTreeMap::new();
        for found in &self.pending {
            kinds.entry(found.change).or_default().push(found);
        }
        for (change, all) in &kinds {
            if all.len() > MAX_ACTIVITY_ENTRIES {
                activity::insert_outside_change(&transaction, None, at, *change, all.len() as u64, (None, None))?;
                continue;
            }
            for found in all {
                let texts = (found.before.as_deref(), found.after.as_deref());
                let keys = u64::from(found.key.is_some());
                activity::insert_outside_change(&transaction, found.key.as_ref(), at, *change, keys, texts)?;
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

        let counts: Vec<_> = kinds
            .into_iter()
            .map(|(change, all)| (change, all.iter().filter(|found| found.key.is_some()).count() as u64))
            .collect();
        self.pending.clear();
        self.revocations.clear();
        self.correction = (0, 0);
        self.noted = seen;
        for (change, keys) in counts {
            tracing::warn!(change = change.as_ref(), keys, "another program has changed the key database");
            self.health.send_modify(|health| match health.changes.iter_mut().find(|count| count.change == change) {
                Some(count) => *count = ChangeCount { change, keys: count.keys + keys, times: count.times + 1 },
                None => health.changes.push(ChangeCount { change, keys, times: 1 }),
            });
        }
        Ok(())
    }
}

fn as_revoked(entry: &IndexedKey, at: Timestamp) -> IndexedKey {
    let key = KeyAuthInfo { revoked_at: Some(at), ..KeyAuthInfo::clone(&entry.key) };
    IndexedKey { hash: entry.hash, key: Arc::new(key) }
}

/// How many keys there are, and the sum of their fingerprints, as the database notes it.
fn stored_digest(connection: &Connection) -> rusqlite::Result<Option<(i64, i64)>> {
    connection.query_row("SELECT keys, digest FROM key_digest", [], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// What differs, but for the keys that were `kept` revoked.
fn diff_keys(old: &KeySet, new: &KeySet, kept: &FxHashSet<[u8; 32]>) -> Vec<DetectedChange> {
    let gone = old.iter().filter(|entry| !new.contains(entry.hash.as_bytes()));
    let mut gone: FxHashMap<KeyId, &IndexedKey> = gone.map(|entry| (entry.key.id, entry)).collect();
    let mut found = Vec::new();
    for entry in new {
        let (key, hash) = (&entry.key, entry.hash.as_bytes());
        let mut add = |change| found.push(DetectedChange::new(change, Some(key.id)));
        let Some(before) = old.get(hash).map(|before| &before.key) else {
            let change = match gone.remove(&key.id) {
                Some(_) => OutsideChange::SecretChanged,
                None if kept.contains(hash) => continue,
                None => OutsideChange::Added,
            };
            add(change);
            continue;
        };
        if before.id != key.id {
            add(OutsideChange::SecretChanged);
        }
        if before.revoked_at.is_none() && key.revoked_at.is_some() && !kept.contains(hash) {
            add(OutsideChange::Revoked);
        }
        let mut add_texts = |change, before: String, after: String| {
            let texts = (Some(before), Some(after));
            found.push(DetectedChange { before: texts.0, after: texts.1, ..DetectedChange::new(change, Some(key.id)) });
        };
        if before.name != key.name {
            add_texts(OutsideChange::Renamed, before.name.as_str().to_owned(), key.name.as_str().to_owned());
        }
        if before.scopes != key.scopes {
            add_texts(OutsideChange::ScopesChanged, before.scopes.to_string(), key.scopes.to_string());
        }
    }
    found.extend(gone.into_keys().map(|id| DetectedChange::new(OutsideChange::Removed, Some(id))));
    found
}

/// Keeps the digest right within the transaction of a change.
pub(super) fn update_digest(
    connection: &Connection,
    hash: &KeyHash,
    before: Option<&KeyAuthInfo>,
    after: &KeyAuthInfo,
) -> rusqlite::Result<()> {
    let print = |key: &KeyAuthInfo| fingerprint(hash, key);
    let difference = print(after) - before.map_or(0, print);
    connection
        .prepare_cached("UPDATE key_digest SET keys = keys + ?1, digest = digest + ?2")?
        .execute(params![i64::from(before.is_none()), difference])
        .map(drop)
}

/// Notes how far the record was read.
pub(super) fn store_record_position(connection: &Connection, seen: &RecordPosition) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO revocation_records (id, entries, checksum) VALUES (?1, ?2, ?3)")?
        .execute(params![seen.record, seen.entries.cast_signed(), seen.checksum])
        .map(drop)
}

/// A checksum of what decides about a key (FNV-1a). Kept in the database, so it must stay as it is. No secret is in it:
/// it shows a change, and proves none.
fn fingerprint(hash: &KeyHash, key: &KeyAuthInfo) -> i64 {
    let mut sum = 0x811c_9dc5_u32;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0]) {
            sum = (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    add(hash.as_bytes());
    add(key.id.as_str().as_bytes());
    add(key.name.as_str().as_bytes());
    for scope in key.scopes.iter() {
        add(scope.as_ref().as_bytes());
    }
    add(&[u8::from(key.revoked_at.is_some())]);
    i64::from(sum)
}
