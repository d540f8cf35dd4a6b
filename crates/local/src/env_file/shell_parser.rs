//! Parses a file the way a shell would when sourcing it. Supports the small part of bash's grammar (POSIX.1-2017, XCU
//! 2) that `.env` files use.
//!
//! Parsing stops at the first command that is not supported. Deliberately omitted: guessing the effect of that command.

use std::ops::Range;

/// Words that begin a compound command, or that begin or end one of its parts.
const RESERVED_WORDS: [&str; 21] = [
    "!", "[[", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select",
    "then", "time", "until", "while", "{", "}",
];
/// Commands after which a shell may stop reading the file, or may parse words differently.
const PARSING_CHANGE_COMMANDS: [&str; 14] = [
    "alias", "break", "builtin", "command", "continue", "enable", "eval", "exec", "exit", "logout", "return", "shopt",
    "trap", "unalias",
];
/// Commands that set or remove the variables that their arguments name, or change the attributes of these variables.
const VARIABLE_COMMANDS: [&str; 9] =
    ["declare", "export", "getopts", "local", "mapfile", "read", "readonly", "typeset", "unset"];
/// Characters that can hide which variable an argument names, because a shell expands or removes them.
const COMPUTED_CHARACTERS: [char; 6] = ['$', '`', '{', '"', '\'', '\\'];
/// Characters that a shell expands in a command's name. The expanded name can be that of any command, including those
/// listed above.
const EXPANDED_CHARACTERS: [char; 7] = ['$', '`', '*', '?', '[', '{', '~'];

/// The maximum nesting depth of expansions. Each level takes stack space, and files written by people have fewer
/// levels.
const MAX_EXPANSION_DEPTH: u32 = 50;

/// A file as a shell parses it.
pub(super) struct Script<'a> {
    pub(super) commands: Vec<Command<'a>>,
    pub(super) end: ScriptEnd,
}

/// The reason and the position at which parsing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptEnd {
    /// Parsing ended at the end of the file.
    File,
    /// Parsing ended at a syntax error. A shell runs no command after it.
    SyntaxError,
    /// Parsing ended at an unsupported command, which begins at this offset.
    Unknown(usize),
}

/// A simple command as defined by the shell grammar.
pub(super) struct Command<'a> {
    pub(super) words: Vec<Word<'a>>,
    /// The operator that joins the command to the next one; empty at the end of the line.
    pub(super) operator: &'static str,
    /// Whether the shell itself always runs the command. This excludes commands that are in a pipeline or in the
    /// background, and commands after `&&` or `||`.
    pub(super) is_unconditional: bool,
}

/// A word of a command, including its quotes.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) start: usize,
    pub(super) text: &'a str,
}

impl Word<'_> {
    pub(super) fn byte_range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// Returns the name of the variable that the word sets, and whether the word replaces the variable's whole value.
    fn assigned_variable(&self) -> Option<(&str, bool)> {
        let end = self.text.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')?;
        let (name, rest) = self.text.split_at(end);
        let is_name = name.starts_with(|first: char| !first.is_ascii_digit());
        let is_assignment =
            rest.starts_with('=') || rest.starts_with("+=") || rest.starts_with('[') && rest.contains("]=");
        (is_name && is_assignment).then_some((name, rest.starts_with('=')))
    }

    /// Returns the text that the word assigns to this variable, including quotes.
    pub(super) fn value_assigned_to(&self, name: &str) -> Option<&str> {
        (self.assigned_variable() == Some((name, true))).then(|| &self.text[name.len() + 1..])
    }
}

impl<'a> Command<'a> {
    /// Returns whether the command sets or exports variables of the shell itself and does nothing else.
    pub(super) fn only_assigns(&self) -> bool {
        let is_export = self.words.first().is_some_and(|word| word.text == "export");
        let mut words = self.words.iter().skip(usize::from(is_export));
        words.all(|word| word.assigned_variable().is_some() || is_export && is_variable_name(word.text))
    }

    /// Returns whether the command can set variables that it does not name.
    pub(super) fn runs_other_code(&self) -> bool {
        let Some(name) = self.command_name() else { return false };
        let is_computed =
            |word: &Word<'_>| word.assigned_variable().is_none() && word.text.contains(COMPUTED_CHARACTERS);
        runs_external_code(&name)
            || VARIABLE_COMMANDS.contains(&&*name) && self.words.iter().skip(1).any(is_computed)
            || self.words.iter().any(|word| word.text.split('=').next().is_some_and(|name| name.contains("\\\n")))
    }

    /// Returns the variables that the command sets or exports, each with a flag that is true if programs started later
    /// receive the variable.
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

    /// Returns `true` if the command makes a shell export all variables that are set after it, `false` if it ends this
    /// mode, and `None` if it does neither.
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

    /// Returns whether the command only prints or ignores its arguments.
    pub(super) fn only_prints(&self) -> bool {
        matches!(self.command_name().as_deref(), Some("echo" | ":"))
    }

    /// Returns the first word that is not an assignment, without quotes.
    fn command_name(&self) -> Option<String> {
        let word = self.words.iter().find(|word| word.assigned_variable().is_none())?;
        Some(word.text.replace(['\'', '"', '\\'], ""))
    }

    /// Returns whether a shell may stop reading after the command, or may parse the following text differently.
    fn may_change_parsing(&self, ends_at_failure: bool) -> bool {
        if self.words.iter().any(|word| requires_variable(word.text)) {
            return true;
        }
        let name = self.command_name();
        if ends_at_failure && name.as_deref() != Some("set") {
            // A command that expands no variables and starts no program cannot fail.
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

    /// Returns whether the command makes a shell exit when a later command fails or uses an unset variable.
    fn enables_exit_on_failure(&self) -> bool {
        let is_strict = |word: &Word<'_>| {
            word.text.starts_with('-') && word.text.contains(['e', 'u']) || ["errexit", "nounset"].contains(&word.text)
        };
        self.is_known_set_option() && self.words.iter().any(is_strict)
    }
}

/// Returns whether the word contains an expansion such as `${NAME:?text}`, at which a shell exits if the variable is
/// not set.
fn requires_variable(word: &str) -> bool {
    word.split("${").skip(1).any(|expansion| {
        let rest =
            expansion.trim_start_matches(|character: char| character.is_ascii_alphanumeric() || character == '_');
        rest.starts_with('?') || rest.starts_with(":?")
    })
}

/// Returns whether a command with this name runs code that this parser does not see, for example from another file.
/// Some of these names are functions of direnv.
fn runs_external_code(name: &str) -> bool {
    matches!(name, "." | "source" | "let" | "eval") || name.starts_with("source_") || name.starts_with("dotenv")
}

/// Returns whether an unparsed line may set variables that it does not name.
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
    /// Parses a whole file.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut reader = ScriptParser { text, place: 0, depth: 0, ends_at_failure: false };
        let mut commands = Vec::new();
        let end = loop {
            let start = reader.place;
            match reader.parse_line() {
                // A shell runs no part of a line before it has read the whole line.
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

/// The reason why parsing stops before the end of the file.
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
    /// The number of expansions that enclose the current position.
    depth: u32,
    /// Whether a shell may exit at the next command that fails.
    ends_at_failure: bool,
}

impl<'a> ScriptParser<'a> {
    /// Parses commands up to the line end that terminates the last one.
    fn parse_line(&mut self) -> Result<Vec<Command<'a>>, StopReason> {
        let mut commands: Vec<Command<'a>> = Vec::new();
        let mut words = Vec::new();
        // The index of the first command in the current list. An `&` after the list puts the whole list into the
        // background.
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
                // After `&&`, `||` and `|`, the command continues on the next line.
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
                    // `A=a(b)` is a syntax error. `a()` begins a function, `A=(1 2)` sets an array, and `?(x)` can be a
                    // pattern; these are valid, but not supported.
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

    /// Skips a dollar sign or a backtick and the expansion that it begins. An expansion that continues on the next line
    /// is not supported.
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
                // A single quote is an ordinary character in `"${A:-'}"`, but not in `${A:-'}`, so it is not supported
                // here.
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
