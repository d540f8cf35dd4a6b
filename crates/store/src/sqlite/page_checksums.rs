//! Whether the content of a database file comes from SQLite.
//!
//! In write-ahead-log mode, SQLite changes the file in one way: a checkpoint copies pages from the log to their places.
//! Each process that has the database open may do that at any time, for a part of the log. So each page must hold what
//! it held before, or what the part of the log has that was copied; otherwise a program has written past SQLite.
//! Neither the time of the file nor its header tells the two apart. The formats:
//! <https://www.sqlite.org/walformat.html>.

use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, BufReader, ErrorKind, Read, Seek as _, SeekFrom};
use std::path::Path;

use rustc_hash::{FxHashMap, FxHasher};

/// In a file with more pages, every second, third ... page is compared.
const MAX_CHECKED_PAGES: u64 = 16_384;
const READ_BUFFER_BYTES: usize = 1 << 16;
/// Where the index of the log (`-shm`) tells how many frames are copied, and up to which one a checkpoint has begun to
/// copy.
const WAL_INDEX_BACKFILL_OFFSETS: [u64; 2] = [96, 128];

/// A checksum for each compared page of a database file.
pub(super) struct PageChecksums {
    page_size: usize,
    length: u64,
    /// One page of so many is compared.
    step: u64,
    checksums: Vec<u64>,
}

impl PageChecksums {
    /// The content of a file, without a comparison.
    ///
    /// # Errors
    /// When the file cannot be read, or another program makes it shorter at the same time.
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

    /// The content of the same file now, if each page holds what it held before, or what was copied from the log at
    /// `log`. `index` is the index of that log.
    ///
    /// # Errors
    /// When a file cannot be read, or another program makes it shorter at the same time.
    pub(super) fn reload(&self, file: &File, log: &Path, index: Option<&File>) -> io::Result<Option<Self>> {
        let now = Self::read_pages(file, self.page_size, self.step)?;
        if now.length < self.length || now.length % self.page_size as u64 != 0 {
            return Ok(None);
        }
        // A checkpoint of a part of the log may copy a page behind one that it leaves out.
        let hole = checksum(&vec![0; self.page_size]);
        let mut changed = FxHashMap::default();
        for (index, sum) in now.checksums.iter().enumerate() {
            if *sum != self.checksums.get(index).copied().unwrap_or(hole) {
                changed.insert(index as u64 * self.step + 1, *sum);
            }
        }
        if !changed.is_empty() {
            // Read after the pages: then it covers all of them.
            let copied = index.map_or(Ok(u32::MAX), checkpointed_frames)?;
            remove_pages_in_log(&mut changed, log, copied, self.page_size)?;
        }
        Ok(changed.is_empty().then_some(now))
    }
}

/// How many frames of the log may be in the file.
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

/// Removes the pages that the first `copied` frames of the log have with the same content. SQLite holds no locks on the
/// log, so it may be opened and closed.
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
        // Behind the last frame are those of an earlier log, with other salts.
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
