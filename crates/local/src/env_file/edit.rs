//! Sets one variable in the text of a `.env` file, so that every program that reads the file finds the new value and
//! finds every other variable unchanged.
//!
//! An edit is tried in several ways, from the smallest to the largest change. Each result is parsed again the way a
//! shell, python-dotenv, dotenv for Node.js and Docker would parse it. The first result that is correct for all of
//! these readers is used.
//!
//! Deliberately omitted: repairing a file. If these readers interpret a file in contradictory ways, the user has to
//! correct the file.

use std::collections::BTreeMap;
use std::ops::Range;

use zeroize::Zeroizing;

use super::dotenv_readers::{VariableMap, docker_variables, node_variables, parse_python_dotenv, python_variables};
use super::shell_parser::{Command, Script, ScriptEnd, Word, line_may_run_other_code};
use super::{KEY_VARIABLE, URL_VARIABLE};
use crate::file_problem::{FileProblem, UnclearLine};

/// The byte order mark with which some editors begin a UTF-8 file. Shells read it as part of the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The result of an edit.
pub(super) struct EditResult {
    pub(super) text: Zeroizing<String>,
    /// Whether a shell or a dotenv library found another value before the edit.
    pub(super) replaces: bool,
}

/// A variable and its new value. Neither shells nor dotenv libraries require quotes around the value.
#[derive(Clone, Copy)]
pub(super) struct VariableSetting<'a> {
    pub(super) name: &'static str,
    pub(super) value: &'a str,
}

/// The position at which a line is added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LinePosition {
    Nowhere,
    First,
    Last,
    /// Before the line that begins at this offset.
    Before(usize),
}

/// A line that the edit adds.
#[derive(Clone, Copy)]
struct AddedLine {
    place: LinePosition,
    /// Whether the line begins with `export`.
    is_exported: bool,
}

impl AddedLine {
    const NO_LINE: Self = Self { place: LinePosition::Nowhere, is_exported: false };

    /// Returns the ways to add a line, the most common one first. `export` is omitted where it is not needed, because
    /// Docker rejects it.
    fn possible_added_lines(before: &ParsedFile<'_>) -> Vec<Self> {
        let plain = |place| Self { place, is_exported: false };
        if !before.exports {
            return vec![plain(LinePosition::Last), plain(LinePosition::First)];
        }
        let inside = before.export_section_end().map(|line| plain(LinePosition::Before(line)));
        let exported = |place| [plain(place), Self { place, is_exported: true }];
        inside.into_iter().chain(exported(LinePosition::Last)).chain(exported(LinePosition::First)).collect()
    }
}

/// Sets a variable in the text of a file.
pub(super) fn set_variable(text: &str, setting: VariableSetting<'_>) -> Result<EditResult, UnclearLine> {
    let line_end = detect_line_end(text);
    let before = ParsedFile::parse(text, setting, line_end);
    let replaces = before.some_reader_finds_other_value();
    let spans = AssignmentSpans::find_spans(text, setting.name, &before.script, line_end);
    let mut all = spans.of_dotenv.iter().chain(&spans.of_shell);
    if let Some(hiding) = all.find_map(|span| Some(span.start + find_hidden_assignment(&text[span.clone()])?)) {
        let problem = FileProblem::UnclearLine;
        return Err(UnclearLine { line: line_number_after(&text[..hiding]), variable: setting.name, problem });
    }
    let sets = [&spans.of_dotenv, &spans.of_shell, &spans.of_dotenv_alone];
    let has_tab = sets.iter().any(|spans| spans.iter().any(|span| has_tab_for_node(text, span)));
    if before.changes_only_the_variable_since(&before) && !has_tab {
        return Ok(EditResult { text: Zeroizing::new(text.to_owned()), replaces: false });
    }
    let mut span_sets: Vec<&[Range<usize>]> = Vec::new();
    for spans in sets {
        if !spans.is_empty() && !span_sets.contains(&&spans[..]) {
            span_sets.push(spans);
        }
    }
    let ways = AddedLine::possible_added_lines(&before);
    let of_spans = std::iter::once(AddedLine::NO_LINE).chain(ways.iter().copied());
    let of_spans = of_spans.flat_map(|added| span_sets.iter().map(move |spans| (*spans, added)));
    // If no edit of the existing assignments is correct, they are left unchanged, and only a line is added.
    let of_lines = ways.iter().map(|&added| (&[][..], added));
    for (spans, added) in of_spans.chain(of_lines) {
        let edited = apply_edit(text, spans, added, setting, line_end);
        if ParsedFile::parse(&edited, setting, line_end).changes_only_the_variable_since(&before) {
            return Ok(EditResult { text: edited, replaces });
        }
    }
    Err(before.find_unclear_line())
}

/// Returns the line ending for added lines: `\r\n` if every line of the file ends with it, otherwise `\n`. A shell
/// reads a carriage return before the line feed as part of the value.
fn detect_line_end(text: &str) -> &'static str {
    let ends = text.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
    let pairs = text.matches("\r\n").count();
    if text.ends_with("\r\n") && ends == 2 * pairs { "\r\n" } else { "\n" }
}

/// Returns whether Node.js treats a tab in this assignment as part of the name, and therefore does not find the
/// variable.
fn has_tab_for_node(text: &str, span: &Range<usize>) -> bool {
    let line = &text[..span.start];
    let indent = &line[line.rfind('\n').map_or(0, |end| end + 1)..];
    let name = text[span.clone()].split('=').next().unwrap_or_default();
    name.contains('\t') || indent.contains('\t') && is_indent(indent)
}

/// Returns whether the text consists only of what may precede a name: spaces, tabs and `export`.
fn is_indent(text: &str) -> bool {
    matches!(text.trim_matches([' ', '\t']), "" | "export")
}

/// Returns the offset of a line that is part of a value but appears to set a variable. Such a line suggests that the
/// closing quote before it was forgotten.
fn find_hidden_assignment(assignment: &str) -> Option<usize> {
    let mut place = 0;
    assignment.split_inclusive('\n').enumerate().find_map(|(index, whole)| {
        place += whole.len();
        let line = whole.trim_start();
        let line = line.strip_prefix("export").map_or(line, str::trim_start);
        let end = line.find(|character: char| !character.is_ascii_alphanumeric() && !"_.-".contains(character))?;
        let sets = index > 0 && end > 0 && line[end..].trim_start().starts_with('=');
        sets.then_some(place - whole.len())
    })
}

/// Returns the number of the line, counted from 1, that follows this text.
fn line_number_after(before: &str) -> u32 {
    u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1)
}

/// The byte ranges in which the variable is set, each from the name to the end of the value.
struct AssignmentSpans {
    /// All assignments that python-dotenv finds. An assignment that only a shell finds is included if it overlaps none
    /// of these.
    of_dotenv: Vec<Range<usize>>,
    /// All assignments that a shell finds. An assignment that only python-dotenv finds is included if it overlaps none
    /// of these.
    of_shell: Vec<Range<usize>>,
    /// Only the assignments that python-dotenv finds. To python-dotenv, an assignment that only a shell finds can be
    /// part of another value.
    of_dotenv_alone: Vec<Range<usize>>,
}

impl AssignmentSpans {
    fn find_spans(text: &str, name: &str, script: &Script<'_>, line_end: &str) -> Self {
        let commands = script.commands.iter().filter(|command| command.only_assigns());
        let words = commands.flat_map(|command| &command.words);
        let shell: Vec<_> = words.filter(|word| word.value_assigned_to(name).is_some()).map(Word::byte_range).collect();
        let bindings = parse_python_dotenv(text).into_iter();
        let ours = bindings.filter(|binding| binding.name == name && binding.value.is_some());
        let with_line_end = |range: Range<usize>| match &text[range.end..] {
            rest if rest.starts_with("\r\n") && line_end == "\n" => range.start..range.end + 1,
            _ => range,
        };
        let dotenv: Vec<_> = ours.map(|binding| with_line_end(binding.range)).collect();
        // Values with expansions are excluded: a shell executes them, and other lines may depend on their effects.
        let is_constant =
            |span: &Range<usize>| !["$(", "${", "`"].iter().any(|begin| text[span.clone()].contains(begin));
        let constant = |spans: Vec<Range<usize>>| spans.into_iter().filter(is_constant).collect();
        Self {
            of_dotenv: constant(merge_spans(&dotenv, &shell)),
            of_shell: constant(merge_spans(&shell, &dotenv)),
            of_dotenv_alone: constant(dotenv),
        }
    }
}

/// Returns all ranges of `first`, and those ranges of `second` that overlap no range of `first`. Both slices are
/// sorted, and may contain tens of thousands of ranges.
fn merge_spans(first: &[Range<usize>], second: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut all = first.to_vec();
    let is_apart = |range: &&Range<usize>| {
        let next = first.partition_point(|other| other.end <= range.start);
        first.get(next).is_none_or(|other| range.end <= other.start)
    };
    all.extend(second.iter().filter(is_apart).cloned());
    all.sort_by_key(|range| range.start);
    all
}

/// Returns the text with the variable set in each of `spans`, and with the line `added`, if there is one.
fn apply_edit(
    text: &str,
    spans: &[Range<usize>],
    added: AddedLine,
    setting: VariableSetting<'_>,
    line_end: &str,
) -> Zeroizing<String> {
    let VariableSetting { name, value } = setting;
    let length = name.len() + value.len() + 16;
    // Reserves capacity for the whole text, because growing the string would leave copies of the secret in memory.
    let mut edited = Zeroizing::new(String::with_capacity(text.len() + length * (spans.len() + 2)));
    let mut place = text.len() - text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).len();
    let mark = place;
    edited.push_str(&text[..mark]);
    let assign = |edited: &mut String| {
        for part in [name, "=", value] {
            edited.push_str(part);
        }
    };
    let add = |edited: &mut String| {
        edited.push_str(if added.is_exported { "export " } else { "" });
        assign(edited);
        edited.push_str(line_end);
    };
    if added.place == LinePosition::First {
        if mark > 0 {
            edited.push_str(line_end);
            place += if text[mark..].starts_with(line_end) { line_end.len() } else { 0 };
        }
        add(&mut edited);
    }
    let mut line = match added.place {
        LinePosition::Before(line) => Some(line),
        _ => None,
    };
    for span in spans {
        if let Some(line) = line.take_if(|line| *line <= span.start) {
            edited.push_str(&text[place..line]);
            add(&mut edited);
            place = line;
        }
        edited.push_str(&text[place..span.start]);
        // The assignment must start at a position where every reader begins a line, which excludes the position after a
        // byte order mark.
        if mark > 0 && span.start == mark && edited.len() == mark {
            edited.push_str(line_end);
        }
        // The assignment must not follow a tab, which Node.js treats as part of the name.
        let start = edited.rfind('\n').map_or(mark, |end| end + 1);
        let indent = &edited[start..];
        if indent.contains('\t') && is_indent(indent) {
            let is_export = indent.contains("export");
            edited.truncate(start);
            edited.push_str(if is_export { "export " } else { "" });
        }
        assign(&mut edited);
        place = span.end;
    }
    if let Some(line) = line.filter(|line| *line >= place) {
        edited.push_str(&text[place..line]);
        add(&mut edited);
        place = line;
    }
    edited.push_str(&text[place..]);
    if added.place == LinePosition::Last {
        // A carriage return alone does not end a line for every reader, so a line feed is added before the new line.
        match edited.chars().next_back() {
            None | Some('\n') => {}
            Some('\r') => edited.push('\n'),
            Some(_) => edited.push_str(line_end),
        }
        add(&mut edited);
    }
    edited
}

/// The text of a file, and what a shell, python-dotenv, Node.js and Docker each find in it.
struct ParsedFile<'a> {
    text: &'a str,
    setting: VariableSetting<'a>,
    line_end: &'static str,
    script: Script<'a>,
    python: VariableMap,
    node: VariableMap,
    docker: Option<VariableMap>,
    /// Whether the file itself makes a shell export variables. This is true if the file exports one of the app's
    /// variables, or if it exports every variable that it sets.
    exports: bool,
}

impl<'a> ParsedFile<'a> {
    fn parse(text: &'a str, setting: VariableSetting<'a>, line_end: &'static str) -> Self {
        let script = Script::parse(text);
        Self {
            text,
            setting,
            line_end,
            exports: script_exports_variables(&script),
            script,
            python: python_variables(text),
            node: node_variables(text),
            docker: docker_variables(text),
        }
    }

    /// Returns whether every program that reads the file finds the variable's new value, and no other difference from
    /// `before`.
    fn changes_only_the_variable_since(&self, before: &Self) -> bool {
        let name = self.setting.name;
        let ours = Some(Some(self.setting.value));
        let is_ours = |variables: &VariableMap| variables.get(name).map(Option::as_deref) == ours;
        let others_are_kept = |now: &VariableMap, then: &VariableMap| {
            now.iter().filter(|(other, _)| *other != name).eq(then.iter().filter(|(other, _)| *other != name))
        };
        let docker_is_right = match (&self.docker, &before.docker) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(now), Some(then)) => {
                // Docker does not support quotes, `export` or a comment after a value. If Docker and python-dotenv read
                // different old values, the line was not written for Docker, so Docker does not have to find the new
                // value.
                let was_written_for_docker = !then.contains_key(name) || then.get(name) == before.python.get(name);
                others_are_kept(now, then) && (!was_written_for_docker || is_ours(now))
            }
        };
        is_ours(&self.python)
            && others_are_kept(&self.python, &before.python)
            && is_ours(&self.node)
            && others_are_kept(&self.node, &before.node)
            && docker_is_right
            && self.shell_reads_new_value()
            && (!before.exports || self.shell_exports_new_value())
            && self.shell_runs_same_commands_as(before)
    }

    /// Returns whether a shell or a dotenv library finds a value of the variable that differs from the new value.
    fn some_reader_finds_other_value(&self) -> bool {
        let name = self.setting.name;
        let values = [&self.python, &self.node].into_iter().filter_map(|variables| variables.get(name));
        values.flatten().any(|value| value != self.setting.value)
            || self.shell_assignments().any(|(_, value)| !self.is_new_value(value))
    }

    /// Returns the values that shell commands assign to the variable, each with a flag that is true if the command
    /// always runs.
    fn shell_assignments(&self) -> impl Iterator<Item = (bool, &str)> {
        let commands = self.script.commands.iter().filter(|command| command.only_assigns());
        let name = self.setting.name;
        commands.flat_map(move |command| {
            command.words.iter().filter_map(move |word| Some((command.is_unconditional, word.value_assigned_to(name)?)))
        })
    }

    /// Returns whether a shell would parse `value` (quoted or not) as exactly the value being written.
    fn is_new_value(&self, value: &str) -> bool {
        let value = if self.line_end == "\r\n" { value.strip_suffix('\r').unwrap_or(value) } else { value };
        let inner = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        inner.unwrap_or(value) == self.setting.value
    }

    fn shell_reads_new_value(&self) -> bool {
        let name = self.setting.name;
        if self.find_shell_mentions().next().is_some() || self.find_unknown_code().is_some() {
            return false;
        }
        // `is_set` is true if the variable is certain to have the new value after the commands processed so far.
        let mut is_set = false;
        for command in &self.script.commands {
            if command.only_assigns() {
                for value in command.words.iter().filter_map(|word| word.value_assigned_to(name)) {
                    is_set = self.is_new_value(value) && (is_set || command.is_unconditional);
                }
            } else if command.runs_other_code() {
                is_set = false;
            }
        }
        is_set
    }

    /// Returns whether programs that the shell starts are certain to receive the variable.
    fn shell_exports_new_value(&self) -> bool {
        let mut all_are_exported = false;
        let mut is_exported = false;
        for command in &self.script.commands {
            match command.export_all_switch() {
                Some(true) => all_are_exported |= command.is_unconditional,
                Some(false) => all_are_exported = false,
                None => {}
            }
            if command.runs_other_code() {
                is_exported = false;
            }
            let mut variables =
                command.changed_variables(all_are_exported).filter(|(name, _)| *name == self.setting.name);
            is_exported |= command.is_unconditional && variables.any(|(_, is_exported)| is_exported);
        }
        is_exported
    }

    /// Returns the offset of the command that ends the last section in which a shell exports all variables, if that
    /// command begins a line.
    fn export_section_end(&self) -> Option<usize> {
        let mut ends = self.script.commands.iter().rev().filter(|command| command.export_all_switch() == Some(false));
        let start = ends.next()?.words.first()?.start;
        self.text[..start].ends_with('\n').then_some(start)
    }

    /// Returns the offsets at which shell code mentions the variable in a way that is not supported. Setting,
    /// exporting, reading and printing it are supported.
    fn find_shell_mentions(&self) -> impl Iterator<Item = usize> {
        let name = self.setting.name;
        let in_commands = self.script.commands.iter().flat_map(move |command| {
            let only_assigns = command.only_assigns();
            let is_mark = self.is_byte_order_mark_line(command);
            let only_prints = command.only_prints();
            let is_printed = move |word: &Word<'_>| {
                only_prints
                    && word.value_assigned_to(name).is_none()
                    && !["$(", "`", "="].iter().any(|part| word.text.contains(part))
            };
            let words = command.words.iter().filter(move |word| {
                !is_mark && !is_printed(word) && !is_harmless_word(command, only_assigns, word, name)
            });
            words.flat_map(move |word| find_mentions(word.text, name).map(move |place| word.start + place))
        });
        let unknown = match self.script.end {
            ScriptEnd::Unknown(start) => start,
            _ => self.text.len(),
        };
        let in_lines = self.text[unknown..].split_inclusive('\n').scan(unknown, |place, line| {
            *place += line.len();
            Some((*place - line.len(), line))
        });
        let is_harmless = |line: &str| {
            let line = line.trim_start();
            let prints = line.starts_with("echo ") || line.starts_with(": ");
            line.starts_with('#') || prints && ![";", "|", "&&", "$(", "`", "="].iter().any(|part| line.contains(part))
        };
        let in_lines = in_lines.filter(move |(_, line)| !is_harmless(line));
        in_commands
            .chain(in_lines.flat_map(move |(start, line)| find_mentions(line, name).map(move |place| start + place)))
    }

    /// Returns the offset of code that may set the variable without naming it. Searches only the part of the file that
    /// could not be parsed, which a shell runs after all parsed commands.
    fn find_unknown_code(&self) -> Option<usize> {
        let ScriptEnd::Unknown(start) = self.script.end else { return None };
        let rest = &self.text[start..];
        let mut place = start;
        let found = rest.split_inclusive('\n').find_map(|line| {
            place += line.len();
            let is_code = !line.trim_start().starts_with('#') && line_may_run_other_code(line);
            is_code.then_some(place - line.len())
        });
        found.or_else(|| {
            // A shell removes quotes and backslashes from a name, and joins a line that ends with a backslash to the
            // next one. The variable's name may therefore be hidden in the code.
            let joined = Zeroizing::new(rest.replace("\\\n", ""));
            let joined = Zeroizing::new(joined.replace(['"', '\'', '\\'], ""));
            let count = |text: &str| find_mentions(text, self.setting.name).count();
            (count(&joined) > count(rest)).then_some(start)
        })
    }

    /// Returns whether the command is the first line of a file that begins with a byte order mark. A shell interprets
    /// such a line as the name of a program.
    fn is_byte_order_mark_line(&self, command: &Command<'_>) -> bool {
        matches!(command.words[..], [word] if word.start == 0 && word.text.starts_with(BYTE_ORDER_MARK))
    }

    /// Returns whether a shell runs the same commands as in `before`, not counting those that set the app's variable.
    fn shell_runs_same_commands_as(&self, before: &Self) -> bool {
        let (now, then) = (self.commands_without_setting(), before.commands_without_setting());
        match (self.script.end, before.script.end) {
            (ScriptEnd::File, ScriptEnd::File) | (ScriptEnd::SyntaxError, ScriptEnd::SyntaxError) => now == then,
            // After the edit, a shell reads further than before, because the syntax error was in an edited line.
            (_, ScriptEnd::SyntaxError) => now.starts_with(&then),
            (ScriptEnd::Unknown(place), ScriptEnd::Unknown(place_before)) => {
                now == then && self.text[place..] == before.text[place_before..]
            }
            _ => false,
        }
    }

    /// Returns the words of the shell's commands, without the commands that only set the app's variable, and without
    /// the variable's values in the other commands.
    fn commands_without_setting(&self) -> Vec<&str> {
        let name = self.setting.name;
        let mut all = Vec::new();
        let mut is_in_list = false;
        for command in &self.script.commands {
            let stands_alone = !is_in_list && command.operator.is_empty();
            is_in_list = !command.operator.is_empty();
            let is_ours = |word: &Word<'_>| word.value_assigned_to(name).is_some();
            let only_sets_ours = match &command.words[..] {
                [first, others @ ..] if first.text == "export" && !others.is_empty() => others.iter().all(is_ours),
                words => words.iter().all(is_ours),
            };
            if stands_alone
                && (only_sets_ours || self.is_byte_order_mark_line(command) || is_failed_assignment(command, name))
            {
                continue;
            }
            // Computed once per command rather than once per word: the computation examines all words of the command,
            // and a line can have a hundred thousand words.
            let only_assigns = command.only_assigns();
            let text = |word: &Word<'a>| {
                if only_assigns && is_ours(word) { &word.text[..name.len()] } else { word.text }
            };
            all.extend(command.words.iter().map(text));
            all.push(if command.operator.is_empty() { "\n" } else { command.operator });
        }
        all
    }

    /// Returns the line to report to the user: the first line that mentions the variable or may set it. If there is no
    /// such line, returns the line of the unsupported command at which parsing ended, or line 1 if parsing ended
    /// elsewhere.
    fn find_unclear_line(&self) -> UnclearLine {
        let name = self.setting.name;
        let use_or_code = self.find_shell_mentions().next().map(|place| (place, FileProblem::UnclearUse));
        let use_or_code = use_or_code.or_else(|| self.find_unknown_code().map(|place| (place, FileProblem::OtherCode)));
        let (place, problem) = use_or_code.unwrap_or_else(|| {
            let mut place = 0;
            let found = self.text.split_inclusive('\n').find_map(|line| {
                place += line.len();
                let is_comment = line.trim_start().starts_with('#');
                find_mentions(line, name).next().filter(|_| !is_comment).map(|found| place - line.len() + found)
            });
            let unknown = match self.script.end {
                ScriptEnd::Unknown(place) => place,
                _ => 0,
            };
            (found.unwrap_or(unknown), FileProblem::UnclearLine)
        });
        UnclearLine { line: line_number_after(&self.text[..place]), variable: name, problem }
    }
}

/// Returns whether a file makes a shell export variables. This is true if the file exports one of the app's variables,
/// or if it exports every variable that it sets.
fn script_exports_variables(script: &Script<'_>) -> bool {
    let mut all_are_exported = false;
    let mut variables = BTreeMap::new();
    let mut switches = false;
    for command in &script.commands {
        switches |= command.export_all_switch().is_some();
        match command.export_all_switch() {
            Some(true) => all_are_exported = true,
            Some(false) => all_are_exported &= !command.is_unconditional,
            None => {}
        }
        for (name, is_exported) in command.changed_variables(all_are_exported) {
            *variables.entry(name).or_insert(false) |= is_exported;
        }
    }
    [KEY_VARIABLE, URL_VARIABLE].iter().any(|name| variables.get(name) == Some(&true))
        || (switches || !variables.is_empty()) && variables.values().all(|is_exported| *is_exported)
}

/// Returns whether every mention of the variable in this word is harmless: the word sets or exports the variable, or
/// mentions it inside another variable's value. In a failed assignment, every mention is harmless.
fn is_harmless_word(command: &Command<'_>, only_assigns: bool, word: &Word<'_>, name: &str) -> bool {
    if is_failed_assignment(command, name) {
        return true;
    }
    if !only_assigns {
        return false;
    }
    word.value_assigned_to(name).is_some() || word.text == name || find_mentions(word.text, name).next() != Some(0)
}

/// Returns whether a shell interprets the variable in this command as the name of a program, as in `NAME = value`.
fn is_failed_assignment(command: &Command<'_>, name: &str) -> bool {
    let texts: Vec<_> = command.words.iter().take(2).map(|word| word.text).collect();
    match texts[..] {
        [first, second] if first == name => second.starts_with('='),
        [first, ..] => {
            first.strip_suffix(':') == Some(name)
                || first
                    .strip_prefix('\'')
                    .and_then(|rest| rest.strip_prefix(name))
                    .is_some_and(|rest| rest.starts_with("'"))
        }
        [] => false,
    }
}

/// Returns the offsets at which `text` mentions the variable, except as `$NAME` or `${NAME}`.
fn find_mentions<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_in_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(name).map(|(place, _)| place).filter(move |place| {
        let (before, after) = (&text[..*place], &text[*place + name.len()..]);
        !before.ends_with(is_in_name)
            && !after.starts_with(is_in_name)
            && !before.ends_with('$')
            && !before.ends_with("${")
    })
}
