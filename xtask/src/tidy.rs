//! Checks the width of comments, the spelling of all files, and comments and documents for wordy phrases.
//!
//! Files are read line by line; there is deliberately no parser for each language. A comment is recognized by its
//! marker at the start of a line, or after code and a space, so a comment marker in a string literal can be mistaken
//! for a comment.

use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::setup;
use crate::shell::RunExt as _;

/// The width to which rustfmt and Prettier wrap code. Neither of them wraps comments.
const MAX_COMMENT_COLUMNS: usize = 120;

/// Phrases that comments and documents must not contain, one per line.
const PHRASES: &str = include_str!("tidy_phrases.txt");

/// Path prefixes of files that are not checked: generated files, the texts of the user interface, and released
/// migrations, which never change.
const UNCHECKED_PATHS: &[&str] = &[
    "ui/src/lib/ipc/bindings/",
    "ui/src/lib/i18n/",
    "crates/store/migrations/sqlite/0001_",
    "crates/store/migrations/sqlite/0002_",
    "crates/store/migrations/sqlite/0003_",
    "crates/store/migrations/sqlite/0004_",
    "crates/store/migrations/sqlite/0005_",
    "crates/store/migrations/sqlite/0006_",
    "crates/store/migrations/sqlite/0007_",
];

/// How a file type marks prose.
#[derive(Clone, Copy)]
enum Syntax {
    /// The whole file is prose. Its lines can have any width, because tables cannot be wrapped.
    Document,
    /// Comments are prose. A comment extends from a `line` marker to the end of the line, or from the opening marker of
    /// a pair in `blocks` to its closing marker.
    Code { line: Option<&'static str>, blocks: &'static [(&'static str, &'static str)] },
}

/// A line of prose.
struct ProseLine<'a> {
    /// Number of the line in the file, from 1.
    number: usize,
    text: &'a str,
    /// Whether the line contains no code.
    is_comment_only: bool,
}

/// A line that violates a rule, and the reason.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    line: usize,
    reason: String,
}

/// Checks comments, documents and spelling in all files that Git tracks. Installs the spelling checker if necessary.
///
/// # Errors
/// Returns an error that lists the file, line and reason of each problem. Also fails if Git cannot list the files, if a
/// listed file cannot be read, or if the spelling checker cannot be installed.
pub fn check_prose() -> Result<()> {
    check_comments()?;
    setup::install_spelling_checker()?;
    // The settings are in `typos.toml`.
    Command::new(setup::typos_path()).args(["--format", "brief"]).run()
}

/// Checks phrases, and the width of comments.
fn check_comments() -> Result<()> {
    let phrases: Vec<&str> = PHRASES.lines().collect();
    let mut report = Vec::new();
    for path in tracked_files()? {
        let Some(syntax) = syntax_of(&path) else { continue };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            // Git lists a deleted file until the deletion is staged.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).context(format!("cannot read {path}")),
        };
        let problems = find_problems(&text, syntax, &phrases);
        report.extend(problems.into_iter().map(|Problem { line, reason }| format!("{path}:{line}: {reason}")));
    }
    if !report.is_empty() {
        bail!("problems in comments and documents: {}\n{}", report.len(), report.join("\n"));
    }
    Ok(())
}

/// Returns the paths of all files that Git tracks, relative to the workspace root.
fn tracked_files() -> Result<Vec<String>> {
    let output = Command::new("git").args(["ls-files", "-z"]).output().context("cannot start `git`")?;
    ensure!(output.status.success(), "`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).context("a path is not valid UTF-8")?;
    Ok(paths.split_terminator('\0').map(str::to_owned).collect())
}

/// Returns how a file marks prose, or `None` if the file is not checked.
fn syntax_of(path: &str) -> Option<Syntax> {
    if UNCHECKED_PATHS.iter().any(|beginning| path.starts_with(beginning)) {
        return None;
    }
    let (_, extension) = path.rsplit_once('.')?;
    let syntax = match extension {
        "md" => Syntax::Document,
        "rs" | "ts" | "js" | "mjs" => Syntax::Code { line: Some("//"), blocks: &[("/*", "*/")] },
        "svelte" => Syntax::Code { line: Some("//"), blocks: &[("/*", "*/"), ("<!--", "-->")] },
        "css" => Syntax::Code { line: None, blocks: &[("/*", "*/")] },
        "sql" => Syntax::Code { line: Some("--"), blocks: &[] },
        "py" => Syntax::Code { line: Some("#"), blocks: &[] },
        _ => return None,
    };
    Some(syntax)
}

/// Returns all problems of a file, ordered by line.
fn find_problems(text: &str, syntax: Syntax, phrases: &[&str]) -> Vec<Problem> {
    let prose = match syntax {
        Syntax::Document => {
            (1..).zip(text.lines()).map(|(number, text)| ProseLine { number, text, is_comment_only: false }).collect()
        }
        Syntax::Code { line, blocks } => find_comments(text, line, blocks),
    };
    let mut problems = find_phrases(&prose, phrases);
    for line in prose.iter().filter(|line| line.is_comment_only) {
        let columns = line.text.chars().count();
        if columns > MAX_COMMENT_COLUMNS {
            let reason = format!("the comment has {columns} columns; the maximum is {MAX_COMMENT_COLUMNS}");
            problems.push(Problem { line: line.number, reason });
        }
    }
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// Returns the lines of a file that contain a comment. If a comment follows code, only the comment is returned.
fn find_comments<'a>(text: &'a str, line_marker: Option<&str>, blocks: &[(&str, &'a str)]) -> Vec<ProseLine<'a>> {
    let after_code = line_marker.map(|marker| format!(" {marker} "));
    let mut comments = Vec::new();
    let mut open_block: Option<&str> = None;
    for (number, text) in (1..).zip(text.lines()) {
        let trimmed = text.trim_start();
        let begins_comment = line_marker.is_some_and(|marker| trimmed.starts_with(marker));
        if open_block.is_none() && !begins_comment {
            open_block = blocks.iter().find(|(open, _)| trimmed.starts_with(open)).map(|(_, close)| *close);
        }
        if begins_comment || open_block.is_some() {
            comments.push(ProseLine { number, text, is_comment_only: true });
        } else if let Some((_, comment)) = after_code.as_ref().and_then(|marker| text.split_once(marker.as_str())) {
            comments.push(ProseLine { number, text: comment, is_comment_only: false });
        }
        open_block = open_block.filter(|close| !text.contains(close));
    }
    comments
}

/// Finds phrases as whole words in any case. A phrase may continue on the next line of the same paragraph.
fn find_phrases(prose: &[ProseLine<'_>], phrases: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for paragraph in prose.chunk_by(|line, next| line.number + 1 == next.number && !split_words(next.text).is_empty()) {
        let words: Vec<(usize, String)> = paragraph
            .iter()
            .flat_map(|line| split_words(line.text).into_iter().map(|word| (line.number, word)))
            .collect();
        for phrase in phrases {
            let phrase_words = split_words(phrase);
            for found in words.windows(phrase_words.len()) {
                if found.iter().map(|(_, word)| word).eq(&phrase_words) {
                    problems.push(Problem { line: found[0].0, reason: format!("contains the phrase \"{phrase}\"") });
                }
            }
        }
    }
    problems
}

/// Returns the words of a text, in lower case and with straight apostrophes.
fn split_words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('’', "'");
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'').map(|word| word.trim_matches('\''));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{MAX_COMMENT_COLUMNS, PHRASES, find_problems, split_words, syntax_of};

    /// Returns the numbers of the lines that have a problem if the phrase `so to speak` is not allowed.
    fn problem_lines(path: &str, text: &str) -> Vec<usize> {
        let syntax = syntax_of(path).expect("a checked file");
        find_problems(text, syntax, &["so to speak"]).into_iter().map(|problem| problem.line).collect()
    }

    /// Returns a line of `columns` columns that begins with `marker`.
    fn wide_line(marker: &str, columns: usize) -> String {
        format!("{marker}{}", "é".repeat(columns - marker.len()))
    }

    #[test]
    fn comment_wider_than_maximum_is_reported() {
        for (path, marker) in
            [("a.rs", "    /// "), ("a.ts", "/* "), ("a.svelte", "<!-- "), ("a.sql", "-- "), ("a.py", "# ")]
        {
            assert_eq!(problem_lines(path, &wide_line(marker, MAX_COMMENT_COLUMNS)), [], "{path}");
            assert_eq!(problem_lines(path, &wide_line(marker, MAX_COMMENT_COLUMNS + 1)), [1], "{path}");
        }
    }

    #[test]
    fn wide_line_in_block_comment_is_reported() {
        let text = ["/**", &wide_line(" * ", 200), " */", &wide_line("* ", 200)].join("\n");
        assert_eq!(problem_lines("a.ts", &text), [2]);
        assert_eq!(problem_lines("a.css", &text), [2]);
    }

    #[test]
    fn wide_code_and_wide_document_are_accepted() {
        assert_eq!(problem_lines("a.rs", &wide_line("let a = ", 200)), []);
        assert_eq!(problem_lines("a.md", &wide_line("| ", 200)), []);
    }

    #[test]
    fn phrase_is_reported_in_any_case_as_whole_words() {
        assert_eq!(problem_lines("a.rs", "//! So to speak,\n//! also to speak\n//! so to speaker"), [1]);
        assert_eq!(problem_lines("a.md", "It is\n\n(so *to* speak)"), [3]);
    }

    #[test]
    fn phrase_across_lines_of_paragraph_is_reported_at_its_first_line() {
        assert_eq!(problem_lines("a.rs", "/// Fine. So\n/// to speak"), [1]);
        assert_eq!(problem_lines("a.rs", "/// Fine. So\n///\n/// to speak"), []);
        assert_eq!(problem_lines("a.rs", "// Fine. So\nto();\n// to speak"), []);
    }

    #[test]
    fn phrase_is_reported_in_comments_only() {
        assert_eq!(problem_lines("a.rs", "let a = \"so to speak\";"), []);
        assert_eq!(problem_lines("a.rs", "let a = 1; // so to speak"), [1]);
    }

    #[test]
    fn syntax_of_unchecked_file_is_none() {
        for path in
            ["ui/src/lib/i18n/en/help.ts", "crates/store/migrations/sqlite/0007_training_bytes.sql", "a.png", "a"]
        {
            assert!(syntax_of(path).is_none(), "{path}");
        }
        assert!(syntax_of("crates/store/migrations/sqlite/0008_names.sql").is_some());
    }

    #[test]
    fn phrase_list_has_no_empty_line() {
        assert!(PHRASES.lines().all(|phrase| !split_words(phrase).is_empty()));
    }
}
