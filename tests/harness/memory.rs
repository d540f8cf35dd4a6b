//! Reading a process's memory, as an attacker with every right would.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};
use memchr::memmem;

const PAGE: usize = 4096;
/// Pages that are read at a time.
const STRETCH: usize = 1024;

/// How often a text of ASCII characters stands in the writable memory of a process, as UTF-8 or UTF-16. The text itself
/// must not stand in the searching process twice over: it is the process that is searched which counts.
///
/// # Errors
/// When the process has gone, or may not be read.
pub fn hits_in_memory(pid: u32, text: &str) -> Result<usize> {
    let utf16: Vec<u8> = text.bytes().flat_map(|byte| [byte, 0]).collect();
    let finders = [memmem::Finder::new(text.as_bytes()), memmem::Finder::new(&utf16)];
    let memory = File::open(format!("/proc/{pid}/mem")).context("the memory")?;
    let pages = File::open(format!("/proc/{pid}/pagemap")).context("the page map")?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut hits = 0;
    let mut buffer = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().context("a range")?, fields.next().context("rights")?);
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').context("a range")?;
        let (start, end) = (usize::from_str_radix(start, 16)?, usize::from_str_radix(end, 16)?);
        for stretch in touched(&pages, start / PAGE, end / PAGE)? {
            buffer.resize(stretch.len() * PAGE, 0);
            match memory.read_exact_at(&mut buffer, u64::try_from(stretch.start * PAGE)?) {
                Ok(()) => hits += finders.iter().map(|finder| finder.find_iter(&buffer).count()).sum::<usize>(),
                // Memory of a device, or given back meanwhile.
                Err(error) if matches!(error.raw_os_error(), Some(5 | 14)) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(hits)
}

/// The stretches of pages that were ever written: WebKit reserves gigabytes that it never touches. Two stretches may
/// part a text in two only where a page was never touched, and there is no text there.
fn touched(pages: &File, start: usize, end: usize) -> Result<Vec<std::ops::Range<usize>>> {
    let mut stretches: Vec<std::ops::Range<usize>> = Vec::new();
    let mut entries = vec![0; STRETCH * 8];
    for first in (start..end).step_by(STRETCH) {
        let count = STRETCH.min(end - first);
        let read = pages.read_at(&mut entries[..count * 8], u64::try_from(first * 8)?)?;
        for (page, entry) in (first..).zip(entries[..read].chunks_exact(8)) {
            // Bits 63 and 62: in memory, or swapped out (proc_pid_pagemap(5)).
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
