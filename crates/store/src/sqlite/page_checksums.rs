//! Checks whether the content of a database file was written by SQLite.
//!
//! In WAL mode, SQLite changes the database file in only one way: a checkpoint copies pages from the WAL to their
//! position in the file. Every process that has the database open can start a checkpoint at any time, possibly of only
//! a part of the WAL. So each page must contain either its previous content or its content in the checkpointed part of
//! the WAL; otherwise a program has written to the file without SQLite. Neither the modification time of the file nor
//! its header distinguishes the two cases. The file formats are described in <https://www.sqlite.org/walformat.html>.

use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, BufReader, ErrorKind, Read, Seek as _, SeekFrom};
use std::path::Path;

use rustc_hash::{FxHashMap, FxHasher};

/// Maximum number of pages that are compared. In a larger file, only every second page is compared, or every third, and
/// so on.
const MAX_CHECKED_PAGES: u64 = 16_384;
const READ_BUFFER_BYTES: usize = 1 << 16;
/// Offsets of two fields in the WAL index (`-shm`): the number of checkpointed frames, and the number of frames that a
/// checkpoint has at least started to copy.
const WAL_INDEX_BACKFILL_OFFSETS: [u64; 2] = [96, 128];

/// Checksums of the compared pages of a database file.
pub(super) struct PageChecksums {
    page_size: usize,
    length: u64,
    /// Every `step`-th page is compared.
    step: u64,
    checksums: Vec<u64>,
}

impl PageChecksums {
    /// Computes the checksums of a file without comparing them.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or if another program shortens it at the same time.
    pub(super) fn read(file: &File, page_size: usize) -> io::Result<Self> {
        let pages = file.metadata()?.len() / page_size as u64;
        Self::read_pages(file, page_size, pages.div_ceil(MAX_CHECKED_PAGES).max(1))
    }

    fn read_pages(mut file: &File, page_size: usize, step: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        file.rewind()?;
        let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES.max(page_size), file);
        let mut page = vec![0; page_size];
        let mut checksums = Vec::new();
        for number in 0..length / page_size as u64 {
            if number % step == 0 {
                reader.read_exact(&mut page)?;
                checksums.push(checksum(&page));
            } else {
                reader.seek_relative(page_size as i64)?;
            }
        }
        Ok(Self { page_size, length, step, checksums })
    }

    /// Returns the current checksums of the same file if each page contains its previous content or its content in the
    /// checkpointed part of the WAL at `log`; otherwise returns `None`. `index` is the WAL index.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if another program shortens it at the same time.
    pub(super) fn reload(&self, file: &File, log: &Path, index: Option<&File>) -> io::Result<Option<Self>> {
        let now = Self::read_pages(file, self.page_size, self.step)?;
        if now.length < self.length || now.length % self.page_size as u64 != 0 {
            return Ok(None);
        }
        // A partial checkpoint may extend the file past a page that has not been copied yet. That page then contains
        // zeros.
        let hole = checksum(&vec![0; self.page_size]);
        let mut changed = FxHashMap::default();
        for (index, sum) in now.checksums.iter().enumerate() {
            if *sum != self.checksums.get(index).copied().unwrap_or(hole) {
                changed.insert(index as u64 * self.step + 1, *sum);
            }
        }
        if !changed.is_empty() {
            // Read the number of checkpointed frames only after reading the pages, so that it includes every frame that
            // was copied before a page was read.
            let copied = index.map_or(Ok(u32::MAX), checkpointed_frames)?;
            remove_pages_in_log(&mut changed, log, copied, self.page_size)?;
        }
        Ok(changed.is_empty().then_some(now))
    }
}

/// Returns the maximum number of WAL frames that may have been copied to the database file.
fn checkpointed_frames(mut index: &File) -> io::Result<u32> {
    let mut most = 0;
    for offset in WAL_INDEX_BACKFILL_OFFSETS {
        let mut frames = [0; 4];
        index.seek(SeekFrom::Start(offset))?;
        index.read_exact(&mut frames)?;
        most = u32::from_ne_bytes(frames).max(most);
    }
    Ok(most)
}

/// Removes from `changed` those pages whose content matches one of the first `copied` frames of the WAL. SQLite holds
/// no file locks on the WAL file, so opening and closing it here is safe.
fn remove_pages_in_log(changed: &mut FxHashMap<u64, u64>, log: &Path, copied: u32, page_size: usize) -> io::Result<()> {
    let mut log = BufReader::with_capacity(READ_BUFFER_BYTES, File::open(log)?);
    let mut header = [0; 32];
    if !read_exact_or_eof(&mut log, &mut header)?
        || header[8..12] != u32::try_from(page_size).unwrap_or_default().to_be_bytes()
    {
        return Ok(());
    }
    let (mut frame, mut page) = ([0; 24], vec![0; page_size]);
    for _ in 0..copied {
        // The valid frames may be followed by frames of an earlier WAL, which have different salts.
        if !read_exact_or_eof(&mut log, &mut frame)? || frame[8..16] != header[16..24] {
            break;
        }
        let number = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]).into();
        let Some(sum) = changed.get(&number) else {
            log.seek_relative(page_size as i64)?;
            continue;
        };
        if read_exact_or_eof(&mut log, &mut page)? && checksum(&page) == *sum {
            changed.remove(&number);
        }
    }
    Ok(())
}

fn read_exact_or_eof(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum(page: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(page);
    hasher.finish()
}
