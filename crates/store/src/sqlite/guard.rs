//! Changes that other programs make to the database, and what the service makes of them.
//!
//! A revoked key stays revoked, whatever the file says: because the record of revocations says so, or because this process
//! knew it as revoked. Everything else in the file counts, as its owner may edit it; it is reported and noted in the list
//! of activity. Changes between two runs are noticed by a digest of all keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;
use ulkeys_domain::wire::{ChangeCount, DatabaseHealth, OutsideChange, RecordFailure};
use ulkeys_domain::{KeyHash, KeyId, KnownKey, Timestamp};

use super::activity;
use super::index::{Entry, Keys};
use crate::revocations::{Finding, Revocations, Seen};

/// Entries in the list of activity for one kind of change; where there are more, one entry tells how many.
const MAX_ENTRIES: usize = 20;

/// What a service watches its database with. A tool that opens a database has none.
pub(super) struct Guard {
    record: Revocations,
    clock: fn() -> Timestamp,
    health: watch::Sender<DatabaseHealth>,
    /// Found, and not in the database yet.
    pending: Vec<Found>,
    /// How often keys were found changed.
    revision: u64,
}

/// One change that was found.
#[derive(Debug)]
struct Found {
    change: OutsideChange,
    key: Option<KeyId>,
    before: Option<String>,
    after: Option<String>,
    /// For a key that is kept revoked: since when.
    revoked_at: Option<Timestamp>,
}

impl Found {
    fn new(change: OutsideChange, key: Option<KeyId>) -> Self {
        Self { change, key, before: None, after: None, revoked_at: None }
    }
}

impl Guard {
    pub(super) fn new(record: &Path, clock: fn() -> Timestamp, health: watch::Sender<DatabaseHealth>) -> Self {
        Self { record: Revocations::new(record), clock, health, pending: Vec::new(), revision: 0 }
    }

    /// Checks the keys of a database that was just opened, and revokes what must be.
    pub(super) fn begin(&mut self, connection: &mut Connection, keys: &mut Keys) -> rusqlite::Result<()> {
        let known = connection
            .query_row("SELECT keys, digest, record, entries, checksum FROM guard", [], |row| {
                let record: Option<String> = row.get(2)?;
                let (entries, checksum) = (row.get::<_, i64>(3)?.cast_unsigned(), row.get(4)?);
                let seen = record.map(|record| Seen { record, entries, checksum });
                Ok(((row.get(0)?, row.get(1)?), seen))
            })
            .optional()?;
        let (digest_before, seen) = known.unzip();
        let seen = seen.flatten();
        let stored = digest(keys);
        self.read_record(seen.as_ref(), keys);
        let kept = self.keep_revoked(keys, None);
        let digest = if kept.is_empty() { stored } else { digest(keys) };
        // An old copy of the database is what it was; only its revocations are missing.
        if digest_before.is_some_and(|before| before != stored && before != digest) {
            self.pending.push(Found::new(OutsideChange::WhileClosed, None));
        }
        self.record_missing(keys);
        let is_known = digest_before == Some(digest) && self.record.seen() == seen && self.pending.is_empty();
        // The keys are revoked in memory already; what is pending is written as soon as the database can be.
        if !is_known && let Err(error) = self.write_with(connection, digest) {
            tracing::warn!(%error, "what another program changed is not written yet");
        }
        Ok(())
    }

    /// Compares keys that were read again with those that were known, and revokes what must be.
    pub(super) fn compare(&mut self, old: &Keys, new: &mut Keys) {
        if self.record.has_changed() {
            self.read_record(self.record.seen().as_ref(), new);
        }
        let kept = self.keep_revoked(new, Some(old));
        self.pending.extend(differences(old, new, &kept));
        self.record_missing(new);
        self.revision += 1;
    }

    /// Whether the record has to be read, or what was found to be written.
    pub(super) fn has_work(&self) -> bool {
        !self.pending.is_empty() || self.record.has_changed() || self.health.borrow().record_failure.is_some()
    }

    /// Reads the record again, after another process has changed it or it could not be used. The keys that are to be
    /// revoked now.
    pub(super) fn follow_record(&mut self, keys: &Keys) -> Vec<Entry> {
        self.read_record(self.record.seen().as_ref(), keys);
        let mut revoked: Vec<_> = Vec::new();
        for entry in keys.iter().filter(|entry| entry.key.revoked_at.is_none()) {
            if let Some(at) = self.record.get(entry.hash.as_bytes()) {
                self.pending.push(kept_revoked(entry, at));
                revoked.push(as_revoked(entry, at));
            }
        }
        self.record_missing(keys);
        self.revision += u64::from(!revoked.is_empty());
        revoked
    }

    /// How often keys were found changed.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Writes a revocation into the record. Without the record it is still one: in the database, from where it gets into
    /// the record as soon as that can be written. Until then the window says so.
    pub(super) fn record_revocation(&mut self, hash: &KeyHash, at: Timestamp) -> Option<Seen> {
        let appended = self.record.append(&[(*hash, at)]);
        self.note_failure(appended);
        self.record.seen()
    }

    /// Reads the record, and reports what is wrong with it.
    fn read_record(&mut self, seen: Option<&Seen>, keys: &Keys) {
        let revoked = || keys.iter().filter_map(|entry| Some((entry.hash, entry.key.revoked_at?))).collect::<Vec<_>>();
        let (created, problem) = match self.record.read(seen) {
            Ok(Finding::Whole) => (Ok(()), None),
            Ok(Finding::Other) => (Ok(()), Some(OutsideChange::RecordReplaced)),
            Ok(Finding::Missing) => (self.record.create(&revoked()), seen.map(|_| OutsideChange::RecordLost)),
            Ok(Finding::Damaged) => (self.record.create(&revoked()), Some(OutsideChange::RecordDamaged)),
            Err(error) => (Err(error), None),
        };
        // A record that cannot be replaced is found again, and reported once it can.
        if created.is_ok() {
            self.pending.extend(problem.map(|problem| Found::new(problem, None)));
        }
        self.note_failure(created);
    }

    /// Revokes what the record, or this process, knows as revoked. Which keys those are.
    fn keep_revoked(&mut self, keys: &mut Keys, old: Option<&Keys>) -> FxHashSet<[u8; 32]> {
        let since = |entry: &Entry| {
            let known = || old?.get(entry.hash.as_bytes())?.key.revoked_at;
            self.record.get(entry.hash.as_bytes()).or_else(known)
        };
        let active = keys.iter().filter(|entry| entry.key.revoked_at.is_none());
        let kept: Vec<_> = active.filter_map(|entry| Some((entry.clone(), since(entry)?))).collect();
        // Those that could not be written before are among these.
        self.pending.retain(|found| found.change != OutsideChange::KeptRevoked);
        for (entry, at) in &kept {
            keys.replace(as_revoked(entry, *at));
            self.pending.push(kept_revoked(entry, *at));
        }
        kept.into_iter().map(|(entry, _)| *entry.hash.as_bytes()).collect()
    }

    /// Records the revocations that are in the database alone.
    fn record_missing(&mut self, keys: &Keys) {
        let revoked = keys.iter().filter_map(|entry| Some((entry.hash, entry.key.revoked_at?)));
        let missing: Vec<_> = revoked.filter(|(hash, _)| self.record.get(hash.as_bytes()).is_none()).collect();
        if !missing.is_empty() && self.record.seen().is_some() {
            let appended = self.record.append(&missing);
            self.note_failure(appended);
        }
    }

    fn note_failure(&self, result: std::io::Result<()>) {
        let failure = result
            .err()
            .map(|error| RecordFailure { path: self.record.path().display().to_string(), detail: error.to_string() });
        if self.health.borrow().record_failure != failure {
            match &failure {
                Some(failure) => tracing::error!(?failure, "revocations cannot be recorded outside the database"),
                None => tracing::info!("revocations are recorded outside the database again"),
            }
            self.health.send_modify(|health| health.record_failure = failure);
        }
    }

    /// Writes what was found, and what the keys are now, in one transaction.
    pub(super) fn write(&mut self, connection: &mut Connection, keys: &Keys) -> rusqlite::Result<()> {
        self.write_with(connection, digest(keys))
    }

    fn write_with(&mut self, connection: &mut Connection, (count, digest): (i64, i64)) -> rusqlite::Result<()> {
        let at = (self.clock)();
        let transaction = connection.transaction()?;
        for found in &self.pending {
            if let (Some(key), Some(at)) = (&found.key, found.revoked_at) {
                transaction.execute(
                    "UPDATE keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
                    params![key.as_str(), at.as_millis()],
                )?;
            }
        }
        let mut kinds: BTreeMap<OutsideChange, Vec<&Found>> = BTreeMap::new();
        for found in &self.pending {
            kinds.entry(found.change).or_default().push(found);
        }
        for (change, all) in &kinds {
            if all.len() > MAX_ENTRIES {
                activity::add_outside(&transaction, None, at, *change, all.len() as u64, (None, None))?;
                continue;
            }
            for found in all {
                let texts = (found.before.as_deref(), found.after.as_deref());
                let keys = u64::from(found.key.is_some());
                activity::add_outside(&transaction, found.key.as_ref(), at, *change, keys, texts)?;
            }
        }
        transaction.execute(
            "INSERT INTO guard (id, keys, digest, entries, checksum) VALUES (1, ?1, ?2, 0, '')
             ON CONFLICT (id) DO UPDATE SET keys = excluded.keys, digest = excluded.digest",
            params![count, digest],
        )?;
        if let Some(seen) = self.record.seen() {
            note_seen(&transaction, &seen)?;
        }
        transaction.commit()?;

        let counts: Vec<_> = kinds
            .into_iter()
            .map(|(change, all)| (change, all.iter().filter(|found| found.key.is_some()).count() as u64))
            .collect();
        self.pending.clear();
        for (change, keys) in counts {
            tracing::warn!(change = change.as_str(), keys, "another program has changed the key database");
            self.health.send_modify(|health| match health.changes.iter_mut().find(|count| count.change == change) {
                Some(count) => count.keys += keys,
                None => health.changes.push(ChangeCount { change, keys }),
            });
        }
        Ok(())
    }
}

fn as_revoked(entry: &Entry, at: Timestamp) -> Entry {
    let key = KnownKey { revoked_at: Some(at), ..KnownKey::clone(&entry.key) };
    Entry { hash: entry.hash, key: Arc::new(key) }
}

fn kept_revoked(entry: &Entry, at: Timestamp) -> Found {
    Found { revoked_at: Some(at), ..Found::new(OutsideChange::KeptRevoked, Some(entry.key.id)) }
}

/// What differs, but for the keys that were `kept` revoked.
fn differences(old: &Keys, new: &Keys, kept: &FxHashSet<[u8; 32]>) -> Vec<Found> {
    let gone = old.iter().filter(|entry| !new.contains(entry.hash.as_bytes()));
    let mut gone: FxHashMap<KeyId, &Entry> = gone.map(|entry| (entry.key.id, entry)).collect();
    let mut found = Vec::new();
    for entry in new {
        let (key, hash) = (&entry.key, entry.hash.as_bytes());
        let mut add = |change| found.push(Found::new(change, Some(key.id)));
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
            found.push(Found { before: texts.0, after: texts.1, ..Found::new(change, Some(key.id)) });
        };
        if before.name != key.name {
            add_texts(OutsideChange::Renamed, before.name.as_str().to_owned(), key.name.as_str().to_owned());
        }
        if before.scopes != key.scopes {
            add_texts(OutsideChange::ScopesChanged, before.scopes.to_string(), key.scopes.to_string());
        }
    }
    found.extend(gone.into_keys().map(|id| Found::new(OutsideChange::Removed, Some(id))));
    found
}

/// Keeps the digest right within the transaction of a change.
pub(super) fn note_change(
    connection: &Connection,
    hash: &KeyHash,
    before: Option<&KnownKey>,
    after: &KnownKey,
) -> rusqlite::Result<()> {
    let print = |key: &KnownKey| fingerprint(hash, key);
    let difference = print(after) - before.map_or(0, print);
    connection
        .prepare_cached("UPDATE guard SET keys = keys + ?1, digest = digest + ?2")?
        .execute(params![i64::from(before.is_none()), difference])
        .map(drop)
}

/// Notes how far the record was read.
pub(super) fn note_seen(connection: &Connection, seen: &Seen) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE guard SET record = ?1, entries = ?2, checksum = ?3")?
        .execute(params![seen.record, seen.entries.cast_signed(), seen.checksum])
        .map(drop)
}

/// How many keys there are, and the sum of their fingerprints.
fn digest(keys: &Keys) -> (i64, i64) {
    let sum = keys.iter().map(|entry| fingerprint(&entry.hash, &entry.key)).sum();
    (keys.len() as i64, sum)
}

/// A checksum of what decides about a key (FNV-1a). Kept in the database, so it must stay as it is. No secret is in it: it
/// shows a change, and proves none.
fn fingerprint(hash: &KeyHash, key: &KnownKey) -> i64 {
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
        add(scope.as_str().as_bytes());
    }
    add(&[u8::from(key.revoked_at.is_some())]);
    i64::from(sum)
}
