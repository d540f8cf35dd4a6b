//! Reading a process's memory, as an attacker with every right would.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};
use memchr::memmem;

const PAGE_BYTES: usize = 4096;
/// Pages that are read at a time.
const PAGES_PER_READ: usize = 1024;

/// Where one of these texts of ASCII characters stands in the writable memory of a process, as UTF-8 or UTF-16: the
/// mapping, and the bytes around it.
///
/// # Errors
/// When the process has gone, or may not be read.
pub fn find_in_memory(pid: u32, texts: &[&str]) -> Result<Vec<String>> {
    let wide = |text: &str| text.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<u8>>();
    let forms: Vec<Vec<u8>> = texts.iter().flat_map(|text| [text.as_bytes().to_vec(), wide(text)]).collect();
    let finders: Vec<_> = forms.iter().map(memmem::Finder::new).collect();
    let memory = File::open(format!("/proc/{pid}/mem")).context("the memory")?;
    let pages = File::open(format!("/proc/{pid}/pagemap")).context("the page map")?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut hits = Vec::new();
    let mut buffer = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().context("a range")?, fields.next().context("rights")?);
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').context("a range")?;
        let (start, end) = (usize::from_str_radix(start, 16)?, usize::from_str_radix(end, 16)?);
        for stretch in written_page_ranges(&pages, start / PAGE_BYTES, end / PAGE_BYTES)? {
            buffer.resize(stretch.len() * PAGE_BYTES, 0);
            match memory.read_exact_at(&mut buffer, u64::try_from(stretch.start * PAGE_BYTES)?) {
                Ok(()) => {
                    let found = finders.iter().flat_map(|finder| finder.find_iter(&buffer));
                    hits.extend(found.map(|at| format!("{line}: {}", format_surrounding_bytes(&buffer, at))));
                }
                // Memory of a device, or unmapped since.
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

/// The stretches of pages that were ever written: WebKit reserves gigabytes that it never touches. Two stretches may
/// part a text in two only where a page was never touched, and there is no text there.
fn written_page_ranges(pages: &File, start: usize, end: usize) -> Result<Vec<std::ops::Range<usize>>> {
    let mut stretches: Vec<std::ops::Range<usize>> = Vec::new();
    let mut entries = vec![0; PAGES_PER_READ * 8];
    for first in (start..end).step_by(PAGES_PER_READ) {
        let count = PAGES_PER_READ.min(end - first);
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
