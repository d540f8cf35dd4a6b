//! Setting one variable in the text of a `.env` file, so that every program that reads the file finds the new value, and
//! finds every other variable as before.
//!
//! An edit is tried in several ways, from the smallest to the largest change. Each result is read again as a shell,
//! python-dotenv, dotenv for Node.js and Docker read it, and the first one that is right for all of them is taken.
//!
//! Deliberately absent: repairing a file. What these programs read in contradictory ways is left to a person.

use std::ops::Range;

use zeroize::Zeroizing;

use super::readers::{Variables, docker_variables, node_variables, python_dotenv, python_variables};
use super::shell::{Command, End, Script, Word};
use crate::file_problem::UnclearLine;

/// Some editors begin a file in UTF-8 with it. Shells read it as part of the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The result of an edit.
pub(super) struct Edited {
    pub(super) text: Zeroizing<String>,
    /// Whether some program found another value before.
    pub(super) replaces: bool,
}

/// A variable and its new value, which needs no quotes anywhere.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// Where a line of ours is added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Added {
    Nowhere,
    Last,
    First,
}

/// Sets a variable in a file.
pub(super) fn set(text: &str, setting: Setting<'_>) -> Result<Edited, UnclearLine> {
    let line_end = line_end(text);
    let before = Reading::of(text, setting, line_end);
    let replaces = before.has_another_value();
    let spans = Spans::find(text, setting.name, &before.script, line_end);
    let mut all = spans.of_dotenv.iter().chain(&spans.of_shell);
    if let Some(hiding) = all.find_map(|span| Some(span.start + hidden_line(&text[span.clone()])?)) {
        return Err(UnclearLine { line: line_of(&text[..hiding]) });
    }
    if before.is_right_after(&before) {
        return Ok(Edited { text: Zeroizing::new(text.to_owned()), replaces: false });
    }
    let mut span_sets: Vec<&[Range<usize>]> = Vec::new();
    for spans in [&spans.of_dotenv, &spans.of_shell, &spans.of_dotenv_alone] {
        if !spans.is_empty() && !span_sets.contains(&&spans[..]) {
            span_sets.push(spans);
        }
    }
    let of_spans = [Added::Nowhere, Added::Last, Added::First];
    let of_spans = of_spans.into_iter().flat_map(|added| span_sets.iter().map(move |spans| (*spans, added)));
    // Otherwise a line is added, and the former ones stay.
    for (spans, added) in of_spans.chain([(&[][..], Added::Last), (&[][..], Added::First)]) {
        let edited = apply(text, spans, added, setting, line_end);
        if Reading::of(&edited, setting, line_end).is_right_after(&before) {
            return Ok(Edited { text: edited, replaces });
        }
    }
    Err(UnclearLine { line: before.unclear_line() })
}

/// How our lines end: as all others do; where those differ, or the last one has no end, in a line feed. A shell takes a
/// carriage return before the line feed as part of the value.
fn line_end(text: &str) -> &'static str {
    let ends = text.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
    let pairs = text.matches("\r\n").count();
    if text.ends_with("\r\n") && ends == 2 * pairs { "\r\n" } else { "\n" }
}

/// Where a value has a line that looks as if it sets a variable: the closing quote before it may have been forgotten.
fn hidden_line(assignment: &str) -> Option<usize> {
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

/// The number of the line, from 1, that follows this text.
fn line_of(before: &str) -> u32 {
    u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1)
}

/// The places where the variable is set, each from its name to the end of the value.
struct Spans {
    /// As python-dotenv reads the file, and where it reads nothing, as a shell does.
    of_dotenv: Vec<Range<usize>>,
    /// The other way around.
    of_shell: Vec<Range<usize>>,
    /// As python-dotenv reads the file. A place that only a shell finds can be in another value for python-dotenv.
    of_dotenv_alone: Vec<Range<usize>>,
}

impl Spans {
    fn find(text: &str, name: &str, script: &Script<'_>, line_end: &str) -> Self {
        let commands = script.commands.iter().filter(|command| command.only_assigns());
        let words = commands.flat_map(|command| &command.words);
        let shell: Vec<_> = words.filter(|word| word.value_of(name).is_some()).map(Word::range).collect();
        let bindings = python_dotenv(text).into_iter();
        let ours = bindings.filter(|binding| binding.name == name && binding.value.is_some());
        let with_line_end = |range: Range<usize>| match &text[range.end..] {
            rest if rest.starts_with("\r\n") && line_end == "\n" => range.start..range.end + 1,
            _ => range,
        };
        let dotenv: Vec<_> = ours.map(|binding| with_line_end(binding.range)).collect();
        // A shell runs what such a value names, and other lines may need its effects.
        let is_constant =
            |span: &Range<usize>| !["$(", "${", "`"].iter().any(|begin| text[span.clone()].contains(begin));
        let constant = |spans: Vec<Range<usize>>| spans.into_iter().filter(is_constant).collect();
        Self {
            of_dotenv: constant(merged(&dotenv, &shell)),
            of_shell: constant(merged(&shell, &dotenv)),
            of_dotenv_alone: constant(dotenv),
        }
    }
}

/// All of the first places, and those of the second that overlap none of them. Both are in order, and there may be tens of
/// thousands.
fn merged(first: &[Range<usize>], second: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut all = first.to_vec();
    let is_apart = |range: &&Range<usize>| {
        let next = first.partition_point(|other| other.end <= range.start);
        first.get(next).is_none_or(|other| range.end <= other.start)
    };
    all.extend(second.iter().filter(is_apart).cloned());
    all.sort_by_key(|range| range.start);
    all
}

/// The text with every one of these places set, and a line added.
fn apply(text: &str, spans: &[Range<usize>], added: Added, setting: Setting<'_>, line_end: &str) -> Zeroizing<String> {
    let Setting { name, value } = setting;
    let length = name.len() + value.len() + 8;
    // With room for all of it, so that no smaller copy is left behind.
    let mut edited = Zeroizing::new(String::with_capacity(text.len() + length * (spans.len() + 2)));
    let mut place = text.len() - text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).len();
    let mark = place;
    edited.push_str(&text[..mark]);
    let assign = |edited: &mut String| {
        for part in [name, "=", value] {
            edited.push_str(part);
        }
    };
    if added == Added::First {
        if mark > 0 {
            edited.push_str(line_end);
            place += if text[mark..].starts_with(line_end) { line_end.len() } else { 0 };
        }
        assign(&mut edited);
        edited.push_str(line_end);
    }
    for span in spans {
        edited.push_str(&text[place..span.start]);
        // Our line begins where every reader begins a line: not after a byte order mark.
        if mark > 0 && span.start == mark && edited.len() == mark {
            edited.push_str(line_end);
        }
        assign(&mut edited);
        place = span.end;
    }
    edited.push_str(&text[place..]);
    if added == Added::Last {
        // Nor after a carriage return alone.
        match edited.chars().next_back() {
            None | Some('\n') => {}
            Some('\r') => edited.push('\n'),
            Some(_) => edited.push_str(line_end),
        }
        assign(&mut edited);
        edited.push_str(line_end);
    }
    edited
}

/// A file as all programs read it.
struct Reading<'a> {
    text: &'a str,
    setting: Setting<'a>,
    line_end: &'static str,
    script: Script<'a>,
    python: Variables,
    node: Variables,
    docker: Option<Variables>,
}

impl<'a> Reading<'a> {
    fn of(text: &'a str, setting: Setting<'a>, line_end: &'static str) -> Self {
        Self {
            text,
            setting,
            line_end,
            script: Script::read(text),
            python: python_variables(text),
            node: node_variables(text),
            docker: docker_variables(text),
        }
    }

    /// Whether every program finds our value, and everything else as before.
    fn is_right_after(&self, before: &Self) -> bool {
        let name = self.setting.name;
        let ours = Some(Some(self.setting.value));
        let is_ours = |variables: &Variables| variables.get(name).map(Option::as_deref) == ours;
        let others_are_kept = |now: &Variables, then: &Variables| {
            now.iter().filter(|(other, _)| *other != name).eq(then.iter().filter(|(other, _)| *other != name))
        };
        let docker_is_right = match (&self.docker, &before.docker) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(now), Some(then)) => {
                // A line with quotes, `export` or a comment was not written for Docker, which does not know them.
                let was_written_for_docker = !then.contains_key(name) || then.get(name) == before.python.get(name);
                others_are_kept(now, then) && (!was_written_for_docker || is_ours(now))
            }
        };
        is_ours(&self.python)
            && others_are_kept(&self.python, &before.python)
            && is_ours(&self.node)
            && others_are_kept(&self.node, &before.node)
            && docker_is_right
            && self.shell_finds_ours()
            && self.shell_runs_the_same(before)
    }

    /// Whether some program finds another value than ours.
    fn has_another_value(&self) -> bool {
        let name = self.setting.name;
        let values = [&self.python, &self.node].into_iter().filter_map(|variables| variables.get(name));
        values.flatten().any(|value| value != self.setting.value)
            || self.assignments().any(|(_, value)| !self.is_ours(value))
    }

    /// What commands of the shell set the variable to, and whether they do so in any case.
    fn assignments(&self) -> impl Iterator<Item = (bool, &str)> {
        let commands = self.script.commands.iter().filter(|command| command.only_assigns());
        let name = self.setting.name;
        commands.flat_map(move |command| {
            command.words.iter().filter_map(move |word| Some((command.is_unconditional, word.value_of(name)?)))
        })
    }

    /// Whether a shell reads this text of a word as our value.
    fn is_ours(&self, value: &str) -> bool {
        let value = if self.line_end == "\r\n" { value.strip_suffix('\r').unwrap_or(value) } else { value };
        let inner = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        inner.unwrap_or(value) == self.setting.value
    }

    fn shell_finds_ours(&self) -> bool {
        let name = self.setting.name;
        if self.shell_mentions().next().is_some() {
            return false;
        }
        // Whether the variable has our value, for certain, after the commands so far.
        let mut is_set = false;
        for command in &self.script.commands {
            if command.only_assigns() {
                for value in command.words.iter().filter_map(|word| word.value_of(name)) {
                    is_set = self.is_ours(value) && (is_set || command.is_unconditional);
                }
            } else if command.runs_other_code() {
                is_set = false;
            }
        }
        is_set
    }

    /// The places where the shell's commands name the variable in another way than by setting or reading it.
    fn shell_mentions(&self) -> impl Iterator<Item = usize> {
        let name = self.setting.name;
        let in_commands = self.script.commands.iter().flat_map(move |command| {
            let only_assigns = command.only_assigns();
            let is_mark = self.is_mark(command);
            let words =
                command.words.iter().filter(move |word| !is_mark && !is_harmless(command, only_assigns, word, name));
            words.flat_map(move |word| mentions(word.text, name).map(move |place| word.start + place))
        });
        let unknown = match self.script.end {
            End::Unknown(start) => start,
            _ => self.text.len(),
        };
        let in_lines = self.text[unknown..].split_inclusive('\n').scan(unknown, |place, line| {
            *place += line.len();
            Some((*place - line.len(), line))
        });
        let in_lines = in_lines.filter(|(_, line)| !line.trim_start().starts_with('#'));
        in_commands.chain(in_lines.flat_map(move |(start, line)| mentions(line, name).map(move |place| start + place)))
    }

    /// Whether this is the first line of a file with a byte order mark, which a shell takes for the name of a program.
    fn is_mark(&self, command: &Command<'_>) -> bool {
        matches!(command.words[..], [word] if word.start == 0 && word.text.starts_with(BYTE_ORDER_MARK))
    }

    /// Whether a shell runs the same commands as before but for those that set our variable.
    fn shell_runs_the_same(&self, before: &Self) -> bool {
        let (now, then) = (self.other_commands(), before.other_commands());
        match (self.script.end, before.script.end) {
            (End::File, End::File) | (End::SyntaxError, End::SyntaxError) => now == then,
            // The mistake was in a line of ours, and a shell reads on.
            (_, End::SyntaxError) => now.starts_with(&then),
            (End::Unknown(place), End::Unknown(place_before)) => {
                now == then && self.text[place..] == before.text[place_before..]
            }
            _ => false,
        }
    }

    /// The shell's commands without those that only set our variable, and without its values in the others.
    fn other_commands(&self) -> Vec<&str> {
        let name = self.setting.name;
        let mut all = Vec::new();
        let mut is_in_list = false;
        for command in &self.script.commands {
            let stands_alone = !is_in_list && command.operator.is_empty();
            is_in_list = !command.operator.is_empty();
            let is_ours = |word: &Word<'_>| word.value_of(name).is_some();
            if stands_alone && (command.words.iter().all(is_ours) || self.is_mark(command) || is_failed(command, name))
            {
                continue;
            }
            // Once for each command: a line can have a hundred thousand words.
            let only_assigns = command.only_assigns();
            let text = |word: &Word<'a>| {
                if only_assigns && is_ours(word) { &word.text[..name.len()] } else { word.text }
            };
            all.extend(command.words.iter().map(text));
            all.push(if command.operator.is_empty() { "\n" } else { command.operator });
        }
        all
    }

    /// The line to name to a person: the first one that mentions the variable, or else the first.
    fn unclear_line(&self) -> u32 {
        let name = self.setting.name;
        let shell = self.shell_mentions().next();
        let place = shell.or_else(|| {
            let mut place = 0;
            self.text.split_inclusive('\n').find_map(|line| {
                place += line.len();
                let is_comment = line.trim_start().starts_with('#');
                mentions(line, name).next().filter(|_| !is_comment).map(|found| place - line.len() + found)
            })
        });
        let place = place.or(match self.script.end {
            End::Unknown(place) => Some(place),
            _ => None,
        });
        line_of(&self.text[..place.unwrap_or(0)])
    }
}

/// Whether this word of a command names our variable, if at all, only to set or export it, or inside another's value.
fn is_harmless(command: &Command<'_>, only_assigns: bool, word: &Word<'_>, name: &str) -> bool {
    if is_failed(command, name) {
        return true;
    }
    if !only_assigns {
        return false;
    }
    word.value_of(name).is_some() || word.text == name || mentions(word.text, name).next() != Some(0)
}

/// Whether a shell takes our variable in this command for the name of a program, as in `NAME = value`.
fn is_failed(command: &Command<'_>, name: &str) -> bool {
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

/// Where a text names the variable, other than as in `$NAME` or `${NAME}`.
fn mentions<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_in_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(name).map(|(place, _)| place).filter(move |place| {
        let (before, after) = (&text[..*place], &text[*place + name.len()..]);
        !before.ends_with(is_in_name)
            && !after.starts_with(is_in_name)
            && !before.ends_with('$')
            && !before.ends_with("${")
    })
}
