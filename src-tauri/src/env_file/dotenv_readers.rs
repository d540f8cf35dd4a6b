//! The variables that programs other than shells find in a `.env` file, with their values as they are written.
//!
//! Deliberately absent: expanding `$NAME` and escapes. Values that are written alike are read alike.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Variables and what they are set to; `None` for a name without a value.
pub(super) type VariableMap = BTreeMap<String, Option<String>>;

/// A name, and the value that it gets, if any.
pub(super) struct Binding<'a> {
    pub(super) name: &'a str,
    /// Without its quotes.
    pub(super) value: Option<&'a str>,
    /// From the name to the end of the value, with quotes.
    pub(super) range: Range<usize>,
}

/// What Python's `isspace` and its regular expressions take for white space.
fn is_python_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

/// The file as python-dotenv reads it, by its grammar (`dotenv/parser.py` of version 1.2).
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
            // What it does not understand is passed over up to the end of the line.
            None => place += text[place..].find(is_line_end).unwrap_or(text.len() - place),
        }
    }
}

/// One line, which may hold only a comment; `None` where python-dotenv reports an error at `place`.
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

/// How long a quoted text is whose opening quote comes before it. A backslash escapes any character.
fn quoted_text_length(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.find(|character| {
        let is_end = !is_escaped && character == quote;
        is_escaped = !is_escaped && character == '\\';
        is_end
    })
}

/// A value without quotes, up to the first white space that a number sign follows.
fn strip_comment(line: &str) -> &str {
    let comment = line.match_indices('#').find(|(place, _)| line[..*place].ends_with(is_python_space));
    comment.map_or(line, |(place, _)| &line[..place])
}

/// What python-dotenv finds: of several values, the last.
pub(super) fn python_variables(text: &str) -> VariableMap {
    let own = |binding: Binding<'_>| (binding.name.to_owned(), binding.value.map(str::to_owned));
    parse_python_dotenv(text).into_iter().map(own).collect()
}

/// What the package dotenv of npm finds, by its own regular expression (`lib/main.js` of version 17). Node.js reads
/// most files in the same way (`util.parseEnv`).
pub(super) fn node_variables(text: &str) -> VariableMap {
    static LINE_REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // `\s` of JavaScript has the byte order mark too.
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

/// What `docker --env-file` finds: one variable in each line. It knows neither quotes nor comments after a value.
/// `None` where it rejects the file.
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
        // A name alone stands for the variable of the environment that Docker runs in.
        if let Some(value) = value {
            variables.insert(name.to_owned(), Some(value.to_owned()));
        }
    }
    Some(variables)
}
