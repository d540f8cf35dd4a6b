//! How a shell that sources a file reads it: a small part of the grammar of bash (POSIX.1-2017, XCU 2), as much as
//! `.env` files use.
//!
//! Reading stops at the first command that is not in this part. Deliberately absent: guessing what such a command does.

use std::ops::Range;

/// Words that begin a compound command, or end a part of one.
const RESERVED_WORDS: [&str; 21] = [
    "!", "[[", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select",
    "then", "time", "until", "while", "{", "}",
];
/// Commands after which a shell may read no further, or reads words in another way.
const PARSING_CHANGE_COMMANDS: [&str; 14] = [
    "alias", "break", "builtin", "command", "continue", "enable", "eval", "exec", "exit", "logout", "return", "shopt",
    "trap", "unalias",
];
/// Commands that set, remove or mark the variables that their arguments name.
const VARIABLE_COMMANDS: [&str; 9] =
    ["declare", "export", "getopts", "local", "mapfile", "read", "readonly", "typeset", "unset"];
/// Characters with which a shell computes an argument, or which can split a name.
const COMPUTED_CHARACTERS: [char; 6] = ['$', '`', '{', '"', '\'', '\\'];
/// Characters that a shell expands in a command's name, which can become any of these.
const EXPANDED_CHARACTERS: [char; 7] = ['$', '`', '*', '?', '[', '{', '~'];

/// How deeply expansions may be nested, as each level takes room on the stack. Files that people write have fewer.
const MAX_EXPANSION_DEPTH: u32 = 50;

/// A file as a shell reads it.
pub(super) struct Script<'a> {
    pub(super) commands: Vec<Command<'a>>,
    pub(super) end: ScriptEnd,
}

/// Where reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptEnd {
    /// At the end of the file.
    File,
    /// At a syntax error. A shell runs no command from there on.
    SyntaxError,
    /// At a command that is not understood here, which begins at this place.
    Unknown(usize),
}

/// A simple command.
pub(super) struct Command<'a> {
    pub(super) words: Vec<Word<'a>>,
    /// How it is joined to the next one; empty for the end of the line.
    pub(super) operator: &'static str,
    /// Whether a shell runs it itself and in any case: not in a pipeline, in the background, or after `&&` or `||`.
    pub(super) is_unconditional: bool,
}

/// A word, with its quotes.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) start: usize,
    pub(super) text: &'a str,
}

impl Word<'_> {
    pub(super) fn byte_range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The name of the variable that the word sets, and whether it replaces the variable's value as a whole.
    fn assigned_variable(&self) -> Option<(&str, bool)> {
        let end = self.text.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')?;
        let (name, rest) = self.text.split_at(end);
        let is_name = name.starts_with(|first: char| !first.is_ascii_digit());
        let is_assignment =
            rest.starts_with('=') || rest.starts_with("+=") || rest.starts_with('[') && rest.contains("]=");
        (is_name && is_assignment).then_some((name, rest.starts_with('=')))
    }

    /// What the word assigns to this variable, with quotes.
    pub(super) fn value_assigned_to(&self, name: &str) -> Option<&str> {
        (self.assigned_variable() == Some((name, true))).then(|| &self.text[name.len() + 1..])
    }
}

impl<'a> Command<'a> {
    /// Whether the command sets variables of the shell itself and does nothing else.
    pub(super) fn only_assigns(&self) -> bool {
        let is_export = self.words.first().is_some_and(|word| word.text == "export");
        let mut words = self.words.iter().skip(usize::from(is_export));
        words.all(|word| word.assigned_variable().is_some() || is_export && is_variable_name(word.text))
    }

    /// Whether the command can set variables that it does not name.
    pub(super) fn runs_other_code(&self) -> bool {
        let Some(name) = self.command_name() else { return false };
        let is_computed =
            |word: &Word<'_>| word.assigned_variable().is_none() && word.text.contains(COMPUTED_CHARACTERS);
        runs_external_code(&name)
            || VARIABLE_COMMANDS.contains(&&*name) && self.words.iter().skip(1).any(is_computed)
            || self.words.iter().any(|word| word.text.split('=').next().is_some_and(|name| name.contains("\\\n")))
    }

    /// The variables that the command sets, or only exports, and whether a program started after it finds them.
    pub(super) fn changed_variables(&self, all_are_exported: bool) -> impl Iterator<Item = (&str, bool)> {
        let name = self.command_name();
        let is_export = match name.as_deref() {
            Some("declare" | "typeset") => {
                let mut words = self.words.iter().skip(1);
                words.any(|word| word.text.strip_prefix('-').is_some_and(|options| options.contains('x')))
            }
            name => name == Some("export"),
        };
        let sets = name.is_none_or(|name| VARIABLE_COMMANDS.contains(&&*name));
        let words = self.words.iter().filter(move |_| sets);
        words.filter_map(move |word| match word.assigned_variable() {
            Some((name, _)) => Some((name, is_export || all_are_exported)),
            None => (is_export && word.start > self.words[0].start && is_variable_name(word.text))
                .then_some((word.text, true)),
        })
    }

    /// Whether the command makes a shell export all variables that are set after it, or not any more.
    pub(super) fn export_all_switch(&self) -> Option<bool> {
        let mut is_option_name = false;
        let mut switched = None;
        for word in self.words.iter().filter(|_| self.command_name().as_deref() == Some("set")).skip(1) {
            let is_on = word.text.starts_with('-');
            if word.text.starts_with(['-', '+']) && word.text.contains('a') {
                switched = Some(is_on);
            }
            if is_option_name && word.text == "allexport" {
                switched = Some(self.words.iter().any(|word| word.text.starts_with('-') && word.text.ends_with('o')));
            }
            is_option_name = word.text.ends_with('o');
        }
        switched
    }

    /// Whether the command only prints or drops its arguments.
    pub(super) fn only_prints(&self) -> bool {
        matches!(self.command_name().as_deref(), Some("echo" | ":"))
    }

    /// The first word that is no assignment, without quotes.
    fn command_name(&self) -> Option<String> {
        let word = self.words.iter().find(|word| word.assigned_variable().is_none())?;
        Some(word.text.replace(['\'', '"', '\\'], ""))
    }

    /// Whether a shell may read no further after the command, or in another way.
    fn may_change_parsing(&self, ends_at_failure: bool) -> bool {
        if self.words.iter().any(|word| requires_variable(word.text)) {
            return true;
        }
        let name = self.command_name();
        if ends_at_failure && name.as_deref() != Some("set") {
            // What expands nothing and starts nothing cannot fail.
            return !self.only_assigns() || self.words.iter().any(|word| word.text.contains(['$', '`']));
        }
        let Some(name) = name else { return false };
        PARSING_CHANGE_COMMANDS.contains(&&*name)
            || name == "set" && !self.is_known_set_option()
            || name != "[" && name.contains(EXPANDED_CHARACTERS)
    }

    fn is_known_set_option(&self) -> bool {
        let mut is_option_name = false;
        let is_understood = |word: &Word<'_>| {
            let is_name_here = std::mem::take(&mut is_option_name);
            if is_name_here {
                return ["allexport", "errexit", "nounset", "pipefail", "xtrace"].contains(&word.text);
            }
            let Some(options) = word.text.strip_prefix(['-', '+']) else { return false };
            is_option_name = options.ends_with('o');
            let letters = options.strip_suffix('o').unwrap_or(options);
            !options.is_empty() && letters.chars().all(|letter| "aeux".contains(letter))
        };
        self.words.len() > 1 && self.words[0].text == "set" && self.words[1..].iter().all(is_understood)
    }

    /// Whether a shell that has run the command may end at a failure, or where a variable is not set.
    fn enables_exit_on_failure(&self) -> bool {
        let is_strict = |word: &Word<'_>| {
            word.text.starts_with('-') && word.text.contains(['e', 'u']) || ["errexit", "nounset"].contains(&word.text)
        };
        self.is_known_set_option() && self.words.iter().any(is_strict)
    }
}

/// Whether the word has an expansion like `${NAME:?text}`, at which a shell ends where the variable is not set.
fn requires_variable(word: &str) -> bool {
    word.split("${").skip(1).any(|expansion| {
        let rest =
            expansion.trim_start_matches(|character: char| character.is_ascii_alphanumeric() || character == '_');
        rest.starts_with('?') || rest.starts_with(":?")
    })
}

/// Whether a command of this name runs code that is not in the file. Some of these names are functions of direnv.
fn runs_external_code(name: &str) -> bool {
    matches!(name, "." | "source" | "let" | "eval") || name.starts_with("source_") || name.starts_with("dotenv")
}

/// Whether this line, of which nothing else is known, may set variables that it does not name.
pub(super) fn line_may_run_other_code(line: &str) -> bool {
    let is_computed = |word: &str| word.split('=').next().is_some_and(|name| name.contains(['$', '`', '{']));
    let mut place = 0;
    line.split_inclusive([' ', '\t', '\n', ';', '&', '|', '(', ')', '{', '}', '`']).any(|part| {
        place += part.len();
        let word = part.trim_matches([' ', '\t', '\r', '\n', ';', '&', '|', '(', ')', '{', '}', '`', '"', '\'', '\\']);
        runs_external_code(word)
            || VARIABLE_COMMANDS.contains(&word) && line[place..].split_whitespace().any(is_computed)
    })
}

fn is_variable_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl<'a> Script<'a> {
    /// Reads a whole file.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut reader = ScriptParser { text, place: 0, depth: 0, ends_at_failure: false };
        let mut commands = Vec::new();
        let end = loop {
            let start = reader.place;
            match reader.parse_line() {
                // A shell runs nothing of a line before it has read all of it.
                Ok(line) => commands.extend(line),
                Err(StopReason::SyntaxError) => break ScriptEnd::SyntaxError,
                Err(StopReason::Unknown) => break ScriptEnd::Unknown(start),
            }
            if reader.place == text.len() {
                break ScriptEnd::File;
            }
        };
        Self { commands, end }
    }
}

/// Why reading stops before the end of the file.
enum StopReason {
    SyntaxError,
    Unknown,
}

enum Token<'a> {
    Word(Word<'a>),
    Redirection(Word<'a>),
    Operator(&'static str),
    NewLine,
    End,
}

struct ScriptParser<'a> {
    text: &'a str,
    place: usize,
    /// How many expansions the place is inside of.
    depth: u32,
    /// Whether a shell may end at the next command that fails.
    ends_at_failure: bool,
}

impl<'a> ScriptParser<'a> {
    /// Reads commands up to a line end that ends the last of them.
    fn parse_line(&mut self) -> Result<Vec<Command<'a>>, StopReason> {
        let mut commands: Vec<Command<'a>> = Vec::new();
        let mut words = Vec::new();
        // Where the list begins that `&` puts into the background as a whole.
        let mut list = 0;
        let mut operator = "";
        let mut needs_target = false;
        loop {
            let token = self.next_token()?;
            if needs_target && !matches!(token, Token::Word(_)) {
                return Err(StopReason::SyntaxError);
            }
            let joined = match token {
                Token::Word(word) => {
                    if words.is_empty() && RESERVED_WORDS.contains(&word.text) {
                        return Err(StopReason::Unknown);
                    }
                    needs_target = false;
                    words.push(word);
                    continue;
                }
                Token::Redirection(word) => {
                    needs_target = true;
                    words.push(word);
                    continue;
                }
                Token::Operator("(") => {
                    let is_syntax_error =
                        words.len() > 1 || words.first().is_some_and(|word| word.assigned_variable().is_some());
                    return Err(if is_syntax_error { StopReason::SyntaxError } else { StopReason::Unknown });
                }
                Token::Operator(")") => return Err(StopReason::SyntaxError),
                Token::Operator(joined) => joined,
                // The line goes on after `&&`, `||` and `|`.
                Token::NewLine if words.is_empty() && matches!(operator, "&&" | "||" | "|") => continue,
                Token::NewLine | Token::End => "",
            };
            if words.is_empty() {
                match joined {
                    "" if matches!(operator, "" | ";" | "&") => return Ok(commands),
                    _ => return Err(StopReason::SyntaxError),
                }
            }
            let is_conditional = matches!(operator, "&&" | "||") || operator == "|" || joined == "|";
            let follows_conditional =
                operator == "|" && commands.last().is_some_and(|command: &Command<'_>| !command.is_unconditional);
            let command = Command {
                words: std::mem::take(&mut words),
                operator: joined,
                is_unconditional: !is_conditional && !follows_conditional,
            };
            if command.may_change_parsing(self.ends_at_failure) {
                return Err(StopReason::Unknown);
            }
            self.ends_at_failure |= command.enables_exit_on_failure();
            commands.push(command);
            match joined {
                "&" => commands[list..].iter_mut().for_each(|command| command.is_unconditional = false),
                "" => return Ok(commands),
                _ => {}
            }
            if matches!(joined, "&" | ";") {
                list = commands.len();
            }
            operator = joined;
        }
    }

    fn remaining_bytes(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.place..]
    }

    fn next_token(&mut self) -> Result<Token<'a>, StopReason> {
        loop {
            match self.remaining_bytes() {
                [b' ' | b'\t', ..] => self.place += 1,
                [b'\\', b'\n', ..] => self.place += 2,
                [b'#', ..] => {
                    let rest = self.remaining_bytes();
                    self.place += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                _ => break,
            }
        }
        let start = self.place;
        let (length, operator) = match self.remaining_bytes() {
            [] => return Ok(Token::End),
            [b'\n', ..] => {
                self.place += 1;
                return Ok(Token::NewLine);
            }
            [b'<', b'<' | b'(', ..] | [b'>', b'(', ..] => return Err(StopReason::Unknown),
            [b'&', b'>', b'>', ..] => (3, None),
            [b'&', b'>', ..] | [b'<', b'>' | b'&', ..] | [b'>', b'>' | b'&' | b'|', ..] => (2, None),
            [b'<' | b'>', ..] => (1, None),
            [b';', b';' | b'&', ..] => return Err(StopReason::SyntaxError),
            [b'|', b'&', ..] => (2, Some("|")),
            [b'&', b'&', ..] => (2, Some("&&")),
            [b'|', b'|', ..] => (2, Some("||")),
            [b';', ..] => (1, Some(";")),
            [b'&', ..] => (1, Some("&")),
            [b'|', ..] => (1, Some("|")),
            [b'(', ..] => (1, Some("(")),
            [b')', ..] => (1, Some(")")),
            _ => {
                self.skip_word()?;
                return Ok(Token::Word(Word { start, text: &self.text[start..self.place] }));
            }
        };
        self.place += length;
        Ok(match operator {
            Some(operator) => Token::Operator(operator),
            None => Token::Redirection(Word { start, text: &self.text[start..self.place] }),
        })
    }

    fn skip_word(&mut self) -> Result<(), StopReason> {
        let start = self.place;
        loop {
            match self.remaining_bytes() {
                [] | [b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b')', ..] => return Ok(()),
                [b'(', ..] => {
                    let before = &self.text[start..self.place];
                    // `A=a(b)` is wrong, `a()` begins a function, `A=(1 2)` sets a list, and `?(x)` can be a pattern.
                    let is_wrong = before.contains('=') && !before.ends_with(['=', '?', '*', '+', '@', '!']);
                    return Err(if is_wrong { StopReason::SyntaxError } else { StopReason::Unknown });
                }
                [b'\\', _, ..] => self.skip_bytes_and_character(1),
                [b'\'', ..] => self.skip_quoted(1, b'\'', false)?,
                [b'$', b'\'', ..] => self.skip_quoted(2, b'\'', true)?,
                [b'"', ..] => self.skip_double_quoted()?,
                [b'`' | b'$', ..] => self.skip_expansion()?,
                _ => self.place += 1,
            }
        }
    }

    /// Skips `length` bytes and the character after them.
    fn skip_bytes_and_character(&mut self, length: usize) {
        self.place += length;
        self.place += self.text[self.place..].chars().next().map_or(0, char::len_utf8);
    }

    fn skip_quoted(&mut self, opening: usize, quote: u8, knows_escapes: bool) -> Result<(), StopReason> {
        self.place += opening;
        loop {
            match self.remaining_bytes() {
                [] => return Err(StopReason::SyntaxError),
                [b'\\', _, ..] if knows_escapes => self.skip_bytes_and_character(1),
                [byte, ..] => {
                    self.place += 1;
                    if *byte == quote {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn skip_double_quoted(&mut self) -> Result<(), StopReason> {
        self.place += 1;
        loop {
            match self.remaining_bytes() {
                [] => return Err(StopReason::SyntaxError),
                [b'\\', _, ..] => self.skip_bytes_and_character(1),
                [b'`' | b'$', ..] => self.skip_expansion()?,
                [byte, ..] => {
                    self.place += 1;
                    if *byte == b'"' {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A dollar sign or a backtick, and what belongs to it. Only what ends on the same line is understood.
    fn skip_expansion(&mut self) -> Result<(), StopReason> {
        let (opening, closing) = match self.remaining_bytes() {
            [b'$', b'(', ..] => (2, b')'),
            [b'$', b'{', ..] => (2, b'}'),
            [b'`', ..] => (1, b'`'),
            _ => {
                self.place += 1;
                return Ok(());
            }
        };
        let is_arithmetic = self.remaining_bytes().starts_with(b"$((");
        self.place += opening;
        self.depth += 1;
        if self.depth > MAX_EXPANSION_DEPTH {
            return Err(StopReason::Unknown);
        }
        let mut open = 1;
        while open > 0 {
            match self.remaining_bytes() {
                [b'\'', ..] if closing == b')' && !is_arithmetic => self.skip_quoted(1, b'\'', false)?,
                // A quote in `"${A:-'}"` is a character, and one in `${A:-'}` is not.
                [] | [b'\n' | b'#' | b'<' | b'\'', ..] => return Err(StopReason::Unknown),
                [b'`', ..] if closing != b'`' => return Err(StopReason::Unknown),
                [b'\\', _, ..] => self.skip_bytes_and_character(1),
                [b'"', ..] if closing != b'`' => self.skip_double_quoted()?,
                [byte, ..] => {
                    self.place += 1;
                    if *byte == closing {
                        open -= 1;
                    } else if closing == b')' && *byte == b'(' || closing == b'}' && *byte == b'{' {
                        open += 1;
                    }
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }
}
