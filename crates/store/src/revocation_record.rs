//! The revocation record: an append-only file outside the folder of the database.
//!
//! Restoring an old copy of the database or editing the database must not reactivate a revoked key. So each revocation
//! is also written to this file, and the file's revocations are applied whenever keys are loaded. One file serves all
//! databases of a user, because the hash of a key is unique.
//!
//! The file is text. The first line contains the format and the identifier of the record. Every other line contains a
//! hash, a time in milliseconds, and a checksum over both and the previous checksum. An incomplete last line is the
//! result of a crash and is removed; any other invalid line means that the file was edited. Space for further entries
//! is allocated in advance, so that a key can be revoked on a full disk. The checksums use no secret: a program that
//! can write this file can forge it, as SECURITY.md says.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::TryRng as _;
use rand::rngs::SysRng;
use rustc_hash::{FxBuildHasher, FxHashMap};
use sha2::{Digest as _, Sha256};
use ulkeys_domain::secret::write_hex;
use ulkeys_domain::{KeyHash, Timestamp};

use crate::disk_space;
use crate::private_files::{create_folder, reserve_name};

const HEADER_PREFIX: &str = "ulkeys-revocations 1 ";
/// Maximum time to wait for a file lock that another process holds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

type Checksum = [u8; 16];

/// The minimum size of an entry in bytes, to estimate the number of entries.
const MIN_ENTRY_BYTES: usize = 100;

/// The part of a revocation record that a database has already applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordPosition {
    /// The identifier of the revocation record.
    pub(crate) record: String,
    /// The number of entries that the database has applied.
    pub(crate) entries: u64,
    /// The checksum of the last applied entry, or of the first line if there are no entries.
    pub(crate) checksum: String,
}

/// The state of the revocation record, compared with what the database expects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecordState {
    /// The file does not exist.
    Missing,
    /// The record is valid. The database has either used this record before or never used any record. The record may
    /// contain entries that the database has not applied yet.
    Intact,
    /// The record is valid, but the database has so far used only other records.
    Unknown,
    /// The record has invalid lines, or some of the entries that the database has already applied are missing or
    /// different.
    Damaged,
}

/// A revocation record, as last read from its file.
pub(crate) struct RevocationRecord {
    path: PathBuf,
    /// The file content as of the last read or write.
    known: Option<ReadRecord>,
    /// Revocations that an earlier version of the file contained and the current file lacks. They stay effective: a
    /// known revocation is never dropped.
    lost_entries: FxHashMap<[u8; 32], Timestamp>,
}

struct ReadRecord {
    stamp: FileStamp,
    record: String,
    /// The revocation time and the entry number of each revoked key, by the hash of the key.
    revoked: FxHashMap<[u8; 32], (Timestamp, u64)>,
    entries: u64,
    checksum: Checksum,
    /// Total length of the file's complete lines, in bytes.
    length: u64,
    /// Whether all complete lines are valid and no entry that the database has seen is missing.
    is_sound: bool,
    /// The number of entries that the database has seen, or `None` if the last of these entries is missing from the
    /// file.
    seen: Option<u64>,
}

/// File metadata that shows whether a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    file: (u64, u64),
    length: u64,
    changed: Option<std::time::SystemTime>,
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let file = {
            use std::os::unix::fs::MetadataExt as _;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let file = (0, 0);
        Self { file, length: metadata.len(), changed: metadata.modified().ok() }
    }
}

impl RevocationRecord {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), known: None, lost_entries: FxHashMap::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the time at which the key with this hash was revoked.
    pub(crate) fn get(&self, hash: &[u8; 32]) -> Option<Timestamp> {
        self.entry_in_file(hash).map(|(at, _)| at).or_else(|| self.lost_entries.get(hash).copied())
    }

    fn entry_in_file(&self, hash: &[u8; 32]) -> Option<(Timestamp, u64)> {
        self.known.as_ref()?.revoked.get(hash).copied()
    }

    /// Returns whether the file has no entry for this hash.
    pub(crate) fn has_no_entry(&self, hash: &[u8; 32]) -> bool {
        self.entry_in_file(hash).is_none()
    }

    /// Returns whether the file has an entry for this hash that the database has not seen yet.
    pub(crate) fn is_unseen(&self, hash: &[u8; 32]) -> bool {
        let seen = self.known.as_ref().and_then(|known| known.seen);
        self.entry_in_file(hash).zip(seen).is_some_and(|((_, entry), seen)| entry >= seen)
    }

    /// Returns the position up to which the record was read, or `None` if the record is not valid.
    pub(crate) fn position(&self) -> Option<RecordPosition> {
        let known = self.known.as_ref().filter(|known| known.is_sound)?;
        Some(RecordPosition {
            record: known.record.clone(),
            entries: known.entries,
            checksum: format_hex(&known.checksum),
        })
    }

    /// Returns whether the file has changed since it was last read.
    pub(crate) fn has_changed(&self) -> bool {
        let now = self.path.metadata().ok().map(|metadata| FileStamp::of(&metadata));
        now != self.known.as_ref().map(|known| known.stamp)
    }

    /// Reads the file, and compares it with the positions up to which a database has applied its revocation records. If
    /// the file is damaged, its readable entries are still applied.
    ///
    /// # Errors
    /// Returns an error if the file exists but cannot be read.
    pub(crate) fn read(&mut self, expected: &[RecordPosition]) -> io::Result<RecordState> {
        let file = match require_file(&self.path).and_then(|()| File::open(&self.path)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.replace_read_record(None);
                return Ok(RecordState::Missing);
            }
            Err(error) => return Err(error),
        };
        lock_with_timeout(&file)?;
        let known = ReadRecord::read(&file, expected)?;
        let finding = match expected {
            _ if !known.is_sound => RecordState::Damaged,
            [] => RecordState::Intact,
            _ if expected.iter().any(|seen| seen.record == known.record) => RecordState::Intact,
            _ => RecordState::Unknown,
        };
        self.replace_read_record(Some(known));
        Ok(finding)
    }

    /// Replaces the file content in memory, but retains the revocations that the new content lacks.
    fn replace_read_record(&mut self, known: Option<ReadRecord>) {
        let before = std::mem::replace(&mut self.known, known);
        let before = before.into_iter().flat_map(|before| before.revoked).map(|(hash, (at, _))| (hash, at));
        let has = |hash: &[u8; 32]| self.known.as_ref().is_some_and(|known| known.revoked.contains_key(hash));
        self.lost_entries.retain(|hash, _| !has(hash));
        self.lost_entries.extend(before.filter(|(hash, _)| !has(hash)));
    }

    /// Appends those of `entries` that the file lacks, and all revocations lost from an earlier version of the file.
    /// When this method returns, the appended entries survive a power loss.
    ///
    /// # Errors
    /// Returns an error if the file is missing, is damaged, or cannot be written.
    pub(crate) fn append(&mut self, entries: &[(KeyHash, Timestamp)]) -> io::Result<()> {
        // Append mode is used on Unix only: Windows cannot truncate a file that was opened in append mode.
        require_file(&self.path)?;
        let mut file = OpenOptions::new().read(true).write(true).append(cfg!(unix)).open(&self.path)?;
        lock_with_timeout(&file)?;
        // Another process may have replaced the file between opening and locking it.
        if FileStamp::of(&file.metadata()?).file != FileStamp::of(&self.path.metadata()?).file {
            return Err(io::Error::other("the revocation record was replaced while it was being opened"));
        }
        let stamp = FileStamp::of(&file.metadata()?);
        let is_current = self.known.as_ref().is_some_and(|known| known.stamp == stamp);
        if !is_current {
            let again = ReadRecord::read(&file, self.position().as_slice())?;
            if self.known.as_ref().is_some_and(|known| again.record != known.record) || !again.is_sound {
                return Err(io::Error::other("the revocation record was replaced or edited since it was last read"));
            }
            self.replace_read_record(Some(again));
        }
        let known = self.known.as_mut().ok_or(ErrorKind::NotFound)?;
        if !known.is_sound {
            return Err(io::Error::other("the revocation record is damaged"));
        }
        if stamp.length > known.length {
            tracing::warn!("the revocation record ends with an unfinished line, which is removed");
            file.set_len(known.length)?;
        }
        let mut new = FxHashMap::default();
        let (mut text, mut checksum) = (String::new(), known.checksum);
        for (hash, at) in entries.iter().map(|(hash, at)| (hash.as_bytes(), at)).chain(&self.lost_entries) {
            let number = known.entries + new.len() as u64;
            if !known.revoked.contains_key(hash) && !new.contains_key(hash) {
                new.insert(*hash, (*at, number));
                let (line, next) = format_line(hash, *at, &checksum);
                text += &line;
                checksum = next;
            }
        }
        file.seek(SeekFrom::End(0))?;
        if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
            // A revocation that is reported as failed must not take effect later, so remove the new entries. Truncating
            // the file also frees the preallocated space, so allocate it again.
            let _ = file.set_len(known.length);
            disk_space::preallocate(&file);
            return Err(error);
        }
        disk_space::preallocate(&file);
        known.entries += new.len() as u64;
        known.revoked.extend(new);
        known.checksum = checksum;
        known.length += text.len() as u64;
        // If `is_current` is false, another process has added entries that have not been applied yet. In that case,
        // leave the stamp unchanged, so that the file is read again.
        if is_current {
            known.stamp = FileStamp::of(&file.metadata()?);
            known.seen = Some(known.entries);
        }
        self.lost_entries.clear();
        Ok(())
    }

    /// Appends entries as [`Self::append`] does. If there is nothing to append, only preallocates space.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::append`].
    pub(crate) fn append_missing(&mut self, entries: &[(KeyHash, Timestamp)]) -> io::Result<()> {
        if !entries.is_empty() || !self.lost_entries.is_empty() {
            return self.append(entries);
        }
        self.preallocate_space();
        Ok(())
    }

    /// Allocates space for further entries in an existing file. A file written by an earlier version of this program
    /// has no preallocated space.
    fn preallocate_space(&mut self) {
        let Some(known) = &mut self.known else { return };
        let Ok(file) = OpenOptions::new().write(true).open(&self.path) else { return };
        if lock_with_timeout(&file).is_ok()
            && file.metadata().is_ok_and(|metadata| FileStamp::of(&metadata) == known.stamp)
        {
            disk_space::preallocate(&file);
            if let Ok(metadata) = file.metadata() {
                known.stamp = FileStamp::of(&metadata);
            }
        }
    }

    /// Writes a new record with a new identifier, containing `entries` and all known revocations. If a file exists at
    /// the path, a copy of that file is saved, because it may show the owner what happened.
    ///
    /// # Errors
    /// Returns an error if the new record cannot be written. An existing file is then left unchanged.
    pub(crate) fn create(&mut self, entries: &[(KeyHash, Timestamp)]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        create_folder(&self.path)?;
        let mut random = [0_u8; 16];
        SysRng.try_fill_bytes(&mut random).map_err(io::Error::other)?;
        let header = format!("{HEADER_PREFIX}{}\n", format_hex(&random));
        let mut checksum = header_checksum(header.trim_end());
        let mut text = header;
        let mut all = self.lost_entries.clone();
        all.extend(self.known.iter().flat_map(|known| &known.revoked).map(|(hash, (at, _))| (*hash, *at)));
        for (hash, at) in entries {
            all.entry(*hash.as_bytes()).or_insert(*at);
        }
        for (hash, at) in &all {
            let (line, next) = format_line(hash, *at, &checksum);
            text += &line;
            checksum = next;
        }
        // Write a temporary file (mode 0600) and rename it. So the record is either complete or absent, and a record
        // that another process created at the same time is never overwritten.
        let mut file = tempfile::Builder::new().prefix(".revocations-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        disk_space::preallocate(file.as_file());
        file.as_file().sync_all()?;
        let persisted = match require_file(&self.path).and_then(|()| File::open(&self.path)) {
            Ok(old) => {
                lock_with_timeout(&old)?;
                if self.has_changed() {
                    return Err(io::Error::other("the revocation record has changed since it was last read"));
                }
                self.save_copy(&old)?;
                file.persist(&self.path)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => file.persist_noclobber(&self.path),
            Err(error) => return Err(error),
        };
        match persisted {
            Ok(_) => sync_folder(folder)?,
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                self.read(&[])?;
                let all: Vec<_> = all.into_iter().map(|(hash, at)| (KeyHash::from_bytes(hash), at)).collect();
                return self.append(&all);
            }
            Err(error) => return Err(error.error),
        }
        self.read(&[])?;
        if let Some(known) = &mut self.known {
            known.seen = Some(known.entries);
        }
        Ok(())
    }

    /// Copies the existing file through the handle that holds its lock: on Windows, no other handle can read a locked
    /// file.
    fn save_copy(&self, mut old: &File) -> io::Result<()> {
        let aside = reserve_name(&self.path, ".set-aside")?;
        let mut copy = || {
            let mut copy = OpenOptions::new().write(true).open(&aside)?;
            io::copy(&mut old, &mut copy)?;
            copy.sync_all()
        };
        copy().inspect_err(|_| drop(std::fs::remove_file(&aside)))
    }
}

impl ReadRecord {
    fn read(mut file: &File, expected: &[RecordPosition]) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let unfinished = &bytes[complete..];
        let mut lines = bytes[..complete].split(|byte| *byte == b'\n');
        let header = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
        let record = header.strip_prefix(HEADER_PREFIX).filter(|id| parse_hex::<16>(id).is_some());
        let seen = expected.iter().find(|seen| Some(seen.record.as_str()) == record);
        let mut known = Self {
            stamp: FileStamp::of(&file.metadata()?),
            record: record.unwrap_or_default().to_owned(),
            revoked: FxHashMap::with_capacity_and_hasher(bytes.len() / MIN_ENTRY_BYTES, FxBuildHasher),
            entries: 0,
            checksum: header_checksum(header),
            length: complete as u64,
            is_sound: record.is_some(),
            seen: seen.is_none().then_some(0),
        };
        let note_seen = |known: &mut Self| {
            if seen.is_some_and(|seen| seen.entries == known.entries && seen.checksum == format_hex(&known.checksum)) {
                known.seen = Some(known.entries);
            }
        };
        note_seen(&mut known);
        for text in lines.filter(|line| !line.is_empty()) {
            match parse_line(text) {
                Some((hash, at, checksum)) => {
                    // Apply an entry even if its checksum is wrong: revoking a key by mistake is less harmful than
                    // accepting a revoked key.
                    known.revoked.entry(hash).or_insert((at, known.entries));
                    known.is_sound &= checksum == next_checksum(&known.checksum, &text[..text.len() - 33]);
                    known.checksum = checksum;
                    known.entries += 1;
                    note_seen(&mut known);
                }
                None => {
                    known.is_sound = false;
                    known.add_from_edited_line(text);
                }
            }
        }
        // An incomplete last line is normally a partial entry left by a crash. If it contains a whole revocation, an
        // editor or a synchronization program has removed the line end, so the file was edited.
        known.is_sound &= !known.add_from_edited_line(unfinished);
        known.is_sound &= known.seen.is_some();
        Ok(known)
    }

    /// Parses a revocation from a line that another program has changed: different line ends, spaces, or capital
    /// letters must not reactivate a key. Returns whether the line contained a revocation.
    fn add_from_edited_line(&mut self, line: &[u8]) -> bool {
        let line = String::from_utf8_lossy(line).to_lowercase();
        let mut words = line.split_whitespace();
        let hash = words.next().and_then(parse_hex::<32>);
        let at = words.next().and_then(|at| Timestamp::from_millis(at.parse().ok()?));
        if let (Some(hash), Some(at)) = (hash, at) {
            self.revoked.entry(hash).or_insert((at, self.entries));
        }
        hash.is_some() && at.is_some()
    }
}

/// Checks that the path is a regular file. Opening a named pipe would block until another program opens the pipe for
/// writing.
fn require_file(path: &Path) -> io::Result<()> {
    match path.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "the path is not a regular file")),
    }
}

fn parse_line(line: &[u8]) -> Option<([u8; 32], Timestamp, Checksum)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let (hash, at, checksum) = (words.next()?, words.next()?, words.next()?);
    let at = Timestamp::from_millis(at.parse().ok()?)?;
    words.next().is_none().then_some((parse_hex(hash)?, at, parse_hex(checksum)?))
}

fn format_line(hash: &[u8; 32], at: Timestamp, before: &Checksum) -> (String, Checksum) {
    let text = format!("{} {}", format_hex(hash), at.as_millis());
    let checksum = next_checksum(before, text.as_bytes());
    (format!("{text} {}\n", format_hex(&checksum)), checksum)
}

fn header_checksum(header: &str) -> Checksum {
    next_checksum(&[0; 16], header.as_bytes())
}

fn next_checksum(before: &Checksum, text: &[u8]) -> Checksum {
    let digest: [u8; 32] = Sha256::new().chain_update(before).chain_update(text).finalize().into();
    let mut checksum = Checksum::default();
    checksum.copy_from_slice(&digest[..16]);
    checksum
}

fn format_hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    write_hex(bytes, &mut digits);
    digits.into_iter().map(char::from).collect()
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == 2 * N).then_some(bytes)
}

/// Locks the file until it is closed. If the file system does not support locks, continues without a lock, because each
/// append is a single write.
fn lock_with_timeout(file: &File) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, "cannot lock the revocation record; continuing without a lock");
                return Ok(());
            }
        }
    }
}

/// Syncs a folder: a new file name is durable only after the folder was synced (fsync(2)). Windows has no such call and
/// needs none.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn hash(number: u8) -> KeyHash {
        KeyHash::from_bytes([number; 32])
    }

    fn new_record_path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("state/revocations");
        (folder, path)
    }

    /// Creates a record with three revocations, and returns the position after the last entry.
    fn record_with_three_entries() -> (tempfile::TempDir, PathBuf, RecordPosition) {
        let (folder, path) = new_record_path();
        let mut record = RevocationRecord::new(&path);
        record.create(&[(hash(1), at(10))]).expect("created");
        record.append(&[(hash(2), at(20)), (hash(3), at(30))]).expect("appended");
        let seen = record.position().expect("read");
        (folder, path, seen)
    }

    fn read_record(path: &Path, seen: &RecordPosition) -> (RecordState, RevocationRecord) {
        let mut record = RevocationRecord::new(path);
        let finding = record.read(std::slice::from_ref(seen)).expect("readable");
        (finding, record)
    }

    #[test]
    fn read_appended_entries_returns_each_with_its_time() {
        let (_folder, path, seen) = record_with_three_entries();
        assert_eq!(seen.entries, 3);
        let (finding, record) = read_record(&path, &seen);
        assert_eq!(finding, RecordState::Intact);
        for number in 1..=3 {
            assert_eq!(record.get(&[number; 32]), Some(at(10 * i64::from(number))));
        }
        assert_eq!(record.get(&[4; 32]), None);
    }

    #[cfg(unix)]
    #[test]
    fn create_missing_folder_makes_both_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, path, _) = record_with_three_entries();
        let mode = |path: &Path| path.metadata().expect("exists").permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().expect("has a parent")), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn append_two_processes_keeps_all_entries() {
        let (_folder, path, seen) = record_with_three_entries();
        let (_, mut one) = read_record(&path, &seen);
        let (_, mut two) = read_record(&path, &seen);
        one.append(&[(hash(4), at(40))]).expect("appended");
        two.append(&[(hash(5), at(50)), (hash(4), at(41))]).expect("appended");
        one.append(&[(hash(6), at(60))]).expect("appended");
        let (finding, record) = read_record(&path, &seen);
        assert_eq!((finding, record.position().expect("read").entries), (RecordState::Intact, 6));
        assert_eq!(record.get(&[4; 32]), Some(at(40)), "the first revocation time is retained");
    }

    #[test]
    fn append_after_torn_line_cuts_it_off() {
        let (_folder, path, seen) = record_with_three_entries();
        let whole = std::fs::read(&path).expect("readable");
        for torn in 1..50 {
            let mut bytes = whole.clone();
            bytes.extend_from_slice(&b"0123456789abcdef0123456789abcdef0123456789abcdef01 1234\0\0\0"[..torn]);
            std::fs::write(&path, bytes).expect("written");
            let (finding, mut record) = read_record(&path, &seen);
            assert_eq!(finding, RecordState::Intact);
            record.append(&[]).expect("repaired");
            assert!(std::fs::read(&path).expect("readable") == whole);
        }
    }

    #[test]
    fn read_edited_line_is_damaged_and_still_applies() {
        let (_folder, path, seen) = record_with_three_entries();
        let text = std::fs::read_to_string(&path).expect("readable");
        let lines: Vec<_> = text.lines().collect();
        let edits = [
            text.replacen(" 20 ", " 21 ", 1),
            format!("{}\n{}\n{}\n", lines[0], lines[1], lines[3]),
            format!("{}\n{}\n{}\n{}\n", lines[0], lines[2], lines[1], lines[3]),
            text.replacen(lines[1], "not an entry", 1),
        ];
        for edited in edits {
            std::fs::write(&path, &edited).expect("written");
            let (finding, record) = read_record(&path, &seen);
            assert_eq!(finding, RecordState::Damaged, "{edited}");
            assert_eq!(record.get(&[3; 32]), Some(at(30)));
        }
    }

    #[test]
    fn read_shortened_record_is_damaged() {
        let (_folder, path, seen) = record_with_three_entries();
        let text = std::fs::read_to_string(&path).expect("readable");
        let shortened: String = text.split_inclusive('\n').take(3).collect();
        std::fs::write(&path, shortened).expect("written");
        assert_eq!(read_record(&path, &seen).0, RecordState::Damaged);
        std::fs::write(&path, "").expect("written");
        assert_eq!(read_record(&path, &seen).0, RecordState::Damaged);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(read_record(&path, &seen).0, RecordState::Missing);
    }

    #[test]
    fn create_over_other_record_sets_it_aside_and_keeps_entries() {
        let (_folder, path, seen) = record_with_three_entries();
        let before = std::fs::read(&path).expect("readable");
        let (_, mut record) = read_record(&path, &seen);
        record.create(&[(hash(9), at(90))]).expect("created");
        let (finding, again) = read_record(&path, &seen);
        assert_eq!(finding, RecordState::Unknown);
        assert_eq!((again.get(&[1; 32]), again.get(&[9; 32])), (Some(at(10)), Some(at(90))));
        let aside = path.with_file_name("revocations.set-aside");
        assert!(std::fs::read(aside).expect("stored") == before);
    }
}
