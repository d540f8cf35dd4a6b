//! Reads the memory of a process, as an attacker with full privileges could.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};
use memchr::memmem;

const PAGE_BYTES: usize = 4096;
/// Number of entries of the page map that are read at a time.
const PAGES_PER_READ: usize = 1024;

/// Searches the writable memory of a process for these ASCII strings, encoded as UTF-8 or UTF-16. Describes each match
/// by its mapping and the surrounding bytes.
///
/// # Errors
/// Returns an error if the process has exited or its memory cannot be read.
pub fn find_in_memory(pid: u32, texts: &[&str]) -> Result<Vec<String>> {
    let wide = |text: &str| text.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<u8>>();
    let forms: Vec<Vec<u8>> = texts.iter().flat_map(|text| [text.as_bytes().to_vec(), wide(text)]).collect();
    let finders: Vec<_> = forms.iter().map(memmem::Finder::new).collect();
    let memory = File::open(format!("/proc/{pid}/mem")).context("cannot open the memory")?;
    let pages = File::open(format!("/proc/{pid}/pagemap")).context("cannot open the page map")?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut hits = Vec::new();
    let mut buffer = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().context("no address range")?, fields.next().context("no permissions")?);
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').context("no address range")?;
        let (start, end) = (usize::from_str_radix(start, 16)?, usize::from_str_radix(end, 16)?);
        for stretch in written_page_ranges(&pages, start / PAGE_BYTES, end / PAGE_BYTES)? {
            buffer.resize(stretch.len() * PAGE_BYTES, 0);
            match memory.read_exact_at(&mut buffer, u64::try_from(stretch.start * PAGE_BYTES)?) {
                Ok(()) => {
                    let found = finders.iter().flat_map(|finder| finder.find_iter(&buffer));
                    hits.extend(found.map(|at| format!("{line}: {}", format_surrounding_bytes(&buffer, at))));
                }
                // Skip memory that belongs to a device or was unmapped after the list of mappings was read.
                Err(error) if matches!(error.raw_os_error(), Some(5 | 14)) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(hits)
}

fn format_surrounding_bytes(memory: &[u8], at: usize) -> String {
    let around = &memory[at.saturating_sub(64)..memory.len().min(at + 96)];
    around.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect()
}

/// Returns the ranges of pages that have been written at least once. Other pages are not searched, because WebKit
/// reserves gigabytes that it never uses. No string can extend over two ranges, because the pages between them have
/// never been written.
fn written_page_ranges(pages: &File, start: usize, end: usize) -> Result<Vec<std::ops::Range<usize>>> {
    let mut stretches: Vec<std::ops::Range<usize>> = Vec::new();
    let mut entries = vec![0; PAGES_PER_READ * 8];
    for first in (start..end).step_by(PAGES_PER_READ) {
        let count = PAGES_PER_READ.min(end - first);
        let read = pages.read_at(&mut entries[..count * 8], u64::try_from(first * 8)?)?;
        for (page, entry) in (first..).zip(entries[..read].chunks_exact(8)) {
            // Bit 63 means that the page is in memory, and bit 62 that it is swapped out (proc_pid_pagemap(5)).
            if entry[7] & 0b1100_0000 == 0 {
                continue;
            }
            match stretches.last_mut() {
                Some(last) if last.end == page => last.end += 1,
                _ => stretches.push(page..page + 1),
            }
        }
    }
    Ok(stretches)
}
