//! Parses a `.env` file the way programs other than shells do: python-dotenv, dotenv for Node.js and Docker. The values
//! are returned as written in the file.
//!
//! Deliberately omitted: the expansion of `$NAME` and of escapes. The values are only compared, and equal text expands
//! equally.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Variables and their values; `None` for a name without a value.
pub(super) type VariableMap = BTreeMap<String, Option<String>>;

/// A name and the value that is assigned to it, if any.
pub(super) struct Binding<'a> {
    pub(super) name: &'a str,
    /// The value without its quotes.
    pub(super) value: Option<&'a str>,
    /// The byte range from the name to the end of the value, including quotes.
    pub(super) range: Range<usize>,
}

/// Returns whether Python's `isspace` and regular expressions treat the character as whitespace.
fn is_python_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

/// Parses a file according to the grammar of python-dotenv 1.2 (`dotenv/parser.py`).
pub(super) fn parse_python_dotenv(text: &str) -> Vec<Binding<'_>> {
    let mut place = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut bindings = Vec::new();
    loop {
        place += text[place..].len() - text[place..].trim_start_matches(is_python_space).len();
        if place == text.len() {
            return bindings;
        }
        match parse_binding(text, &mut place) {
            Some(binding) => bindings.extend(binding),
            // If python-dotenv cannot parse a line, it skips the rest of that line.
            None => place += text[place..].find(is_line_end).unwrap_or(text.len() - place),
        }
    }
}

/// Parses one line. Returns `Some(None)` for a line that contains only a comment, and `None` if python-dotenv reports
/// an error at `place`.
fn parse_binding<'a>(text: &'a str, place: &mut usize) -> Option<Option<Binding<'a>>> {
    let blanks = |from: usize| {
        let rest = &text[from..];
        rest.len() - rest.trim_start_matches(|character| is_python_space(character) && !is_line_end(character)).len()
    };
    if text[*place..].starts_with("export") && blanks(*place + 6) > 0 {
        *place += 6 + blanks(*place + 6);
    }
    let start = *place;
    let name = match text[start..].chars().next() {
        Some('#') => None,
        Some('\'') => {
            let length = text[start + 1..].find('\'').filter(|length| *length > 0)?;
            *place = start + length + 2;
            Some(&text[start + 1..start + 1 + length])
        }
        _ => {
            let is_end = |character| matches!(character, '=' | '#') || is_python_space(character);
            let length = text[start..].find(is_end).unwrap_or(text.len() - start);
            *place = start + length;
            (length > 0).then(|| &text[start..*place]).map(Some)?
        }
    };
    let mut end = *place;
    *place += blanks(*place);
    let mut value = None;
    if text[*place..].starts_with('=') {
        let space = blanks(*place + 1);
        *place += 1 + space;
        end = *place;
        value = Some(match text[*place..].chars().next() {
            Some('#') if space > 0 => {
                end = *place - space;
                ""
            }
            Some(quote @ ('\'' | '"')) => {
                let length = quoted_text_length(&text[*place + 1..], quote)?;
                let value = &text[*place + 1..*place + 1 + length];
                *place += length + 2;
                end = *place;
                value
            }
            _ => {
                let length = text[*place..].find(is_line_end).unwrap_or(text.len() - *place);
                let line = &text[*place..*place + length];
                let value = strip_comment(line).trim_end_matches(is_python_space);
                end += value.len();
                *place += length;
                value
            }
        });
    }
    let rest = &text[*place + blanks(*place)..];
    if !rest.is_empty() && !rest.starts_with(|first| first == '#' || is_line_end(first)) {
        return None;
    }
    *place += text[*place..].find(is_line_end).unwrap_or(text.len() - *place);
    Some(name.map(|name| Binding { name, value, range: start..end }))
}

/// Returns the length of the quoted text with which `text` begins, up to the closing quote. The opening quote has
/// already been skipped. A backslash escapes any character.
fn quoted_text_length(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.find(|character| {
        let is_end = !is_escaped && character == quote;
        is_escaped = !is_escaped && character == '\\';
        is_end
    })
}

/// Returns an unquoted value without its comment. A comment begins at the first number sign that follows whitespace.
fn strip_comment(line: &str) -> &str {
    let comment = line.match_indices('#').find(|(place, _)| line[..*place].ends_with(is_python_space));
    comment.map_or(line, |(place, _)| &line[..place])
}

/// Returns the variables that python-dotenv finds. If a variable is set more than once, the last value wins.
pub(super) fn python_variables(text: &str) -> VariableMap {
    let own = |binding: Binding<'_>| (binding.name.to_owned(), binding.value.map(str::to_owned));
    parse_python_dotenv(text).into_iter().map(own).collect()
}

/// Returns the variables that the npm package dotenv finds with its regular expression (`lib/main.js` of version 17).
/// Node.js parses most files in the same way (`util.parseEnv`).
pub(super) fn node_variables(text: &str) -> VariableMap {
    static LINE_REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // In JavaScript, `\s` also matches the byte order mark.
        let line = r#"(?m)^[\s\u{feff}]*(?:export[\s\u{feff}]+)?([\w.-]+)(?:[\s\u{feff}]*=[\s\u{feff}]*?|:[\s\u{feff}]+?)([\s\u{feff}]*'(?:\\'|[^'])*'|[\s\u{feff}]*"(?:\\"|[^"])*"|[\s\u{feff}]*`(?:\\`|[^`])*`|[^#\r\n]+)?[\s\u{feff}]*(?:#.*)?$"#;
        Regex::new(&line.replace(r"\w", "A-Za-z0-9_")).ok()
    });
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut variables = VariableMap::new();
    let Some(line) = &*LINE_REGEX else { return variables };
    for found in line.captures_iter(&text) {
        let value = found
            .get(2)
            .map_or("", |value| value.as_str())
            .trim_matches(|character| char::is_whitespace(character) || character == '\u{feff}');
        let inner = ['\'', '"', '`']
            .into_iter()
            .find_map(|quote| (value.len() > 1).then(|| value.strip_prefix(quote)?.strip_suffix(quote)).flatten());
        variables.insert(found[1].to_owned(), Some(inner.unwrap_or(value).to_owned()));
    }
    variables
}

/// Returns the variables that `docker --env-file` finds. Docker expects one variable per line, and supports neither
/// quotes nor comments after a value. Returns `None` if Docker rejects the file.
pub(super) fn docker_variables(text: &str) -> Option<VariableMap> {
    let mut variables = VariableMap::new();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').map_or((line, None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.contains(char::is_whitespace) {
            return None;
        }
        // For a name without a value, Docker takes the value from its own environment, so the file itself sets nothing.
        if let Some(value) = value {
            variables.insert(name.to_owned(), Some(value.to_owned()));
        }
    }
    Some(variables)
}
