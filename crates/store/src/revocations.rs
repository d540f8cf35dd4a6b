//! The record of revocations: an append-only file outside the folder of the database.
//!
//! A person who restores an old copy of the database, or edits it, must not make a revoked key valid again. So each
//! revocation is also written here, and applied whenever keys are read. One file serves all databases of a user, as the
//! hash of a key is unique.
//!
//! The file is text. Its first line names the format and the record; each further line holds a hash, a time in
//! milliseconds, and a checksum over both and the checksum before. An unfinished last line is what a crash leaves, and is
//! cut off; any other line that does not fit was edited. The checksums have no secret: whoever can write this file can
//! forge it. SECURITY.md says so.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::TryRng as _;
use rand::rngs::SysRng;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};
use ulkeys_domain::secret::write_hex;
use ulkeys_domain::{KeyHash, Timestamp};

const FORMAT: &str = "ulkeys-revocations 1 ";
/// How long to wait for another process that appends.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

type Checksum = [u8; 16];

/// How far a database has seen a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The record's identifier.
    pub(crate) record: String,
    /// The number of entries.
    pub(crate) entries: u64,
    /// The checksum of the last of them, or of the first line.
    pub(crate) checksum: String,
}

/// What a database finds where its record should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// There is no file.
    Missing,
    /// The record that was seen before, and perhaps more entries; or the first one that this database sees.
    Whole,
    /// A sound record with another identifier.
    Other,
    /// The record has fewer entries than were seen, other ones, or lines that do not fit.
    Damaged,
}

/// The record, as far as it was read.
pub(crate) struct Revocations {
    path: PathBuf,
    known: Option<Known>,
}

struct Known {
    stamp: Stamp,
    record: String,
    revoked: FxHashMap<[u8; 32], Timestamp>,
    entries: u64,
    checksum: Checksum,
    /// Length of the sound part in bytes.
    length: u64,
    /// Whether all complete lines are sound.
    is_sound: bool,
    /// Whether the entry that was asked for is there.
    has_seen: bool,
}

/// Tells whether a file is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    length: u64,
    changed: Option<std::time::SystemTime>,
}

impl Stamp {
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

impl Revocations {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), known: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// When the key with this hash was revoked.
    pub(crate) fn get(&self, hash: &[u8; 32]) -> Option<Timestamp> {
        self.known.as_ref()?.revoked.get(hash).copied()
    }

    /// How far the record is read.
    pub(crate) fn seen(&self) -> Option<Seen> {
        let known = self.known.as_ref()?;
        Some(Seen { record: known.record.clone(), entries: known.entries, checksum: hex(&known.checksum) })
    }

    /// Whether the file is no longer the one that was read.
    pub(crate) fn has_changed(&self) -> bool {
        let now = self.path.metadata().ok().map(|metadata| Stamp::of(&metadata));
        now != self.known.as_ref().map(|known| known.stamp)
    }

    /// Reads the file, and compares it with what a database has seen before. What can be read of a damaged one counts.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(crate) fn read(&mut self, seen: Option<&Seen>) -> io::Result<Finding> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.known = None;
                return Ok(Finding::Missing);
            }
            Err(error) => return Err(error),
        };
        lock(&file)?;
        let known = Known::read(&file, seen)?;
        let finding = match seen {
            _ if !known.is_sound => Finding::Damaged,
            Some(seen) if seen.record != known.record => Finding::Other,
            Some(_) if !known.has_seen => Finding::Damaged,
            _ => Finding::Whole,
        };
        self.known = Some(known);
        Ok(finding)
    }

    /// Adds entries that are not there yet. When this returns, they survive a loss of power.
    ///
    /// # Errors
    /// When the file is missing, is not sound or cannot be written.
    pub(crate) fn append(&mut self, entries: &[(KeyHash, Timestamp)]) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).open(&self.path)?;
        lock(&file)?;
        // Another process may have set the file aside between opening and locking.
        if Stamp::of(&file.metadata()?).file != Stamp::of(&self.path.metadata()?).file {
            return Err(io::Error::other("the record of revocations was replaced"));
        }
        let stamp = Stamp::of(&file.metadata()?);
        if self.known.as_ref().is_none_or(|known| known.stamp != stamp) {
            let seen = self.seen();
            let again = Known::read(&file, seen.as_ref())?;
            if seen.is_some_and(|seen| again.record != seen.record || !again.has_seen) {
                return Err(io::Error::other("the record of revocations is not the one that was read"));
            }
            self.known = Some(again);
        }
        let known = self.known.as_mut().ok_or(ErrorKind::NotFound)?;
        if !known.is_sound {
            return Err(io::Error::other("the record of revocations is damaged"));
        }
        if stamp.length > known.length {
            tracing::warn!("the record of revocations ends in an unfinished line, which is cut off");
            file.set_len(known.length)?;
        }
        let mut new = FxHashMap::default();
        let (mut text, mut checksum) = (String::new(), known.checksum);
        for (hash, at) in entries {
            let hash = hash.as_bytes();
            if !known.revoked.contains_key(hash) && new.insert(*hash, *at).is_none() {
                let (line, next) = line(hash, *at, &checksum);
                text += &line;
                checksum = next;
            }
        }
        // On failure the file has at most an unfinished line more than is known of it.
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        known.entries += new.len() as u64;
        known.revoked.extend(new);
        known.checksum = checksum;
        known.length += text.len() as u64;
        known.stamp = Stamp::of(&file.metadata()?);
        Ok(())
    }

    /// Writes a new record, with an identifier of its own, that holds these entries and those that are known. What is at
    /// its path is set aside.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn create(&mut self, entries: &[(KeyHash, Timestamp)]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        create_folder(folder)?;
        self.set_aside()?;
        let mut random = [0_u8; 16];
        SysRng.try_fill_bytes(&mut random).map_err(io::Error::other)?;
        let header = format!("{FORMAT}{}\n", hex(&random));
        let mut checksum = first_checksum(header.trim_end());
        let mut text = header;
        let mut all = self.known.as_ref().map(|known| known.revoked.clone()).unwrap_or_default();
        all.extend(entries.iter().map(|(hash, at)| (*hash.as_bytes(), *at)));
        for (hash, at) in &all {
            let (line, next) = line(hash, *at, &checksum);
            text += &line;
            checksum = next;
        }
        // Whole or not there (mode 0600), and never over a record that another process made at the same time.
        let mut file = tempfile::Builder::new().prefix(".revocations-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(&self.path) {
            Ok(_) => sync_folder(folder)?,
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                self.read(None)?;
                let all: Vec<_> = all.into_iter().map(|(hash, at)| (KeyHash::from_bytes(hash), at)).collect();
                return self.append(&all);
            }
            Err(error) => return Err(error.error),
        }
        self.read(None).map(drop)
    }

    /// Gives what is at the path another name. Nothing is deleted: it may tell its owner what happened.
    fn set_aside(&self) -> io::Result<()> {
        if !self.path.try_exists()? {
            return Ok(());
        }
        let mut number = 1_u32;
        loop {
            let mut name = self.path.as_os_str().to_owned();
            name.push(if number == 1 { ".set-aside".to_owned() } else { format!(".set-aside-{number}") });
            if !Path::new(&name).try_exists()? {
                return std::fs::rename(&self.path, name);
            }
            number += 1;
        }
    }
}

impl Known {
    fn read(mut file: &File, seen: Option<&Seen>) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut lines = bytes[..complete].split(|byte| *byte == b'\n');
        let header = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
        let record = header.strip_prefix(FORMAT).filter(|id| unhex::<16>(id).is_some());
        let mut known = Self {
            stamp: Stamp::of(&file.metadata()?),
            record: record.unwrap_or_default().to_owned(),
            revoked: FxHashMap::default(),
            entries: 0,
            checksum: first_checksum(header),
            length: complete as u64,
            is_sound: record.is_some(),
            has_seen: false,
        };
        let is_seen = |known: &Self| {
            seen.is_none_or(|seen| seen.entries == known.entries && seen.checksum == hex(&known.checksum))
        };
        known.has_seen = is_seen(&known);
        for text in lines.filter(|line| !line.is_empty()) {
            match read_line(text) {
                Some((hash, at, checksum)) => {
                    // Also one whose checksum does not fit: a key that is revoked once too often is the lesser harm.
                    known.revoked.entry(hash).or_insert(at);
                    known.is_sound &= checksum == next_checksum(&known.checksum, &text[..text.len() - 33]);
                    known.checksum = checksum;
                    known.entries += 1;
                    known.has_seen |= is_seen(&known);
                }
                None => known.is_sound = false,
            }
        }
        Ok(known)
    }
}

fn read_line(line: &[u8]) -> Option<([u8; 32], Timestamp, Checksum)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let (hash, at, checksum) = (words.next()?, words.next()?, words.next()?);
    let at = Timestamp::from_millis(at.parse().ok()?)?;
    words.next().is_none().then_some((unhex(hash)?, at, unhex(checksum)?))
}

fn line(hash: &[u8; 32], at: Timestamp, before: &Checksum) -> (String, Checksum) {
    let text = format!("{} {}", hex(hash), at.as_millis());
    let checksum = next_checksum(before, text.as_bytes());
    (format!("{text} {}\n", hex(&checksum)), checksum)
}

fn first_checksum(header: &str) -> Checksum {
    next_checksum(&[0; 16], header.as_bytes())
}

fn next_checksum(before: &Checksum, text: &[u8]) -> Checksum {
    let digest: [u8; 32] = Sha256::new().chain_update(before).chain_update(text).finalize().into();
    let mut checksum = Checksum::default();
    checksum.copy_from_slice(&digest[..16]);
    checksum
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    write_hex(bytes, &mut digits);
    digits.into_iter().map(char::from).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
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

/// Locks the file until it is closed. A file system without locks must do without: appending is one write.
fn lock(file: &File) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, "the record of revocations cannot be locked");
                return Ok(());
            }
        }
    }
}

/// Creates the folder when missing, for the owner alone.
fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// A new name is on the disk when its folder is (fsync(2)). Windows has no such call and needs none.
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

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("state/revocations");
        (folder, path)
    }

    /// A record of three revocations, and how far it was seen.
    fn three() -> (tempfile::TempDir, PathBuf, Seen) {
        let (folder, path) = place();
        let mut record = Revocations::new(&path);
        record.create(&[(hash(1), at(10))]).expect("created");
        record.append(&[(hash(2), at(20)), (hash(3), at(30))]).expect("appended");
        let seen = record.seen().expect("read");
        (folder, path, seen)
    }

    fn read(path: &Path, seen: &Seen) -> (Finding, Revocations) {
        let mut record = Revocations::new(path);
        let finding = record.read(Some(seen)).expect("readable");
        (finding, record)
    }

    #[test]
    fn read_appended_entries_returns_each_with_its_time() {
        let (_folder, path, seen) = three();
        assert_eq!(seen.entries, 3);
        let (finding, record) = read(&path, &seen);
        assert_eq!(finding, Finding::Whole);
        for number in 1..=3 {
            assert_eq!(record.get(&[number; 32]), Some(at(10 * i64::from(number))));
        }
        assert_eq!(record.get(&[4; 32]), None);
    }

    #[cfg(unix)]
    #[test]
    fn create_missing_folder_makes_both_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, path, _) = three();
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().expect("has one")), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn append_two_processes_keeps_all_entries() {
        let (_folder, path, seen) = three();
        let (_, mut one) = read(&path, &seen);
        let (_, mut two) = read(&path, &seen);
        one.append(&[(hash(4), at(40))]).expect("appended");
        two.append(&[(hash(5), at(50)), (hash(4), at(41))]).expect("appended");
        one.append(&[(hash(6), at(60))]).expect("appended");
        let (finding, record) = read(&path, &seen);
        assert_eq!((finding, record.seen().expect("read").entries), (Finding::Whole, 6));
        assert_eq!(record.get(&[4; 32]), Some(at(40)), "the first time stays");
    }

    #[test]
    fn append_after_torn_line_cuts_it_off() {
        let (_folder, path, seen) = three();
        let whole = std::fs::read(&path).expect("readable");
        for torn in 1..50 {
            let mut bytes = whole.clone();
            bytes.extend_from_slice(&b"0123456789abcdef0123456789abcdef0123456789abcdef01 1234\0\0\0"[..torn]);
            std::fs::write(&path, bytes).expect("written");
            let (finding, mut record) = read(&path, &seen);
            assert_eq!(finding, Finding::Whole);
            record.append(&[]).expect("repaired");
            assert!(std::fs::read(&path).expect("readable") == whole);
        }
    }

    #[test]
    fn read_edited_line_is_damaged_and_still_applies() {
        let (_folder, path, seen) = three();
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
            let (finding, record) = read(&path, &seen);
            assert_eq!(finding, Finding::Damaged, "{edited}");
            assert_eq!(record.get(&[3; 32]), Some(at(30)));
        }
    }

    #[test]
    fn read_shortened_record_is_damaged() {
        let (_folder, path, seen) = three();
        let text = std::fs::read_to_string(&path).expect("readable");
        let shortened: String = text.split_inclusive('\n').take(3).collect();
        std::fs::write(&path, shortened).expect("written");
        assert_eq!(read(&path, &seen).0, Finding::Damaged);
        std::fs::write(&path, "").expect("written");
        assert_eq!(read(&path, &seen).0, Finding::Damaged);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(read(&path, &seen).0, Finding::Missing);
    }

    #[test]
    fn create_over_other_record_sets_it_aside_and_keeps_entries() {
        let (_folder, path, seen) = three();
        let before = std::fs::read(&path).expect("readable");
        let (_, mut record) = read(&path, &seen);
        record.create(&[(hash(9), at(90))]).expect("created");
        let (finding, again) = read(&path, &seen);
        assert_eq!(finding, Finding::Other);
        assert_eq!((again.get(&[1; 32]), again.get(&[9; 32])), (Some(at(10)), Some(at(90))));
        let aside = path.with_file_name("revocations.set-aside");
        assert!(std::fs::read(aside).expect("kept") == before);
    }
}
