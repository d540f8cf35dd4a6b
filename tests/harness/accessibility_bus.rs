//! What any program of the user can read over the accessibility bus (AT-SPI), and so what a screen reader can read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use serde::Deserialize;

use crate::desktop::Desktop;

/// Stands in a text for a child that has its own object.
const EMBEDDED_OBJECT_CHAR: char = '\u{fffc}';

/// Roles of objects that a person uses, or that stand for something: each of them needs a name.
const ROLES_REQUIRING_NAME: &[&str] = &[
    "alert",
    "check box",
    "column header",
    "combo box",
    "dialog",
    "entry",
    "image",
    "link",
    "menu",
    "menu item",
    "page tab",
    "page tab list",
    "password text",
    "progress bar",
    "push button",
    "radio button",
    "slider",
    "spin button",
    "table",
    "toggle button",
];

/// Roles of objects that only hold others.
const CONTAINER_ROLES: &[&str] = &["filler", "footer", "header", "panel", "scroll pane", "section", "static", "label"];

/// A script that returns the texts that the page shows, outside of what is hidden from screen readers or below a
/// dialog.
pub const VISIBLE_TEXTS_SCRIPT: &str =
    "const root = [...document.querySelectorAll('[aria-modal=true]')].at(-1) ?? document.body;
    const all = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (all.nextNode()) {
        const { parentElement: parent, data } = all.currentNode;
        const isShown = parent.checkVisibility({ visibilityProperty: true });
        if (isShown && !parent.closest('[aria-hidden=true], [inert], option, style')) texts.push(data);
    }
    return texts;";

/// An object in the accessibility tree of a program.
#[derive(Debug, Clone, Deserialize)]
pub struct AccessibleObject {
    /// How many objects are around it.
    pub depth: usize,
    /// Its role, such as `push button`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its text, with [`EMBEDDED_OBJECT_CHAR`] for each child.
    pub text: String,
    /// Its value, where it has one.
    pub value: Option<f64>,
    /// The states that a screen reader reports.
    pub states: Vec<String>,
    /// The attributes that a screen reader reports.
    pub attributes: BTreeMap<String, String>,
    /// The units of its text (sentence, line, paragraph) that begin outside of it.
    pub outside: Vec<String>,
    /// Everything else that can be read of it: description, attributes, text, value and selections.
    pub texts: Vec<String>,
}

impl AccessibleObject {
    /// The lines of its own text, without its children.
    fn own_lines(&self) -> impl Iterator<Item = String> {
        self.text.split(['\n', EMBEDDED_OBJECT_CHAR]).map(normalize_text).filter(|line| !line.is_empty())
    }

    fn has_state(&self, state: &str) -> bool {
        self.states.iter().any(|it| it == state)
    }

    /// Whether a line says something that no object below it says.
    fn adds_text(&self, line: &str, below: &[Self]) -> bool {
        *line != normalize_text(&self.name)
            && !below
                .iter()
                .any(|it| normalize_text(&it.name).contains(line) || it.own_lines().any(|own| own.contains(line)))
    }

    fn describe(&self, below: &[Self]) -> Vec<String> {
        let mut words = Vec::new();
        if !self.name.is_empty() {
            words.push(format!("\"{}\"", normalize_text(&self.name)));
        }
        let added: Vec<_> = self.own_lines().filter(|line| self.adds_text(line, below)).collect();
        if !added.is_empty() {
            words.push(format!("text \"{}\"", added.join(" ")));
        }
        if let Some(value) = self.value {
            words.push(format!("value {value}"));
        }
        if !self.description.is_empty() {
            words.push(format!("described \"{}\"", normalize_text(&self.description)));
        }
        let mut states: Vec<&str> = self.states.iter().map(String::as_str).filter(|it| *it != "expandable").collect();
        if self.has_state("expandable") && !self.has_state("expanded") {
            states.push("collapsed");
        }
        let sorted = self.attributes.get("sort").filter(|sort| *sort != "none");
        let more = [
            self.attributes.get("current").map(|it| format!("current {it}")),
            sorted.map(|it| format!("sorted {it}")),
            self.attributes.get("live").map(|it| format!("live {it}")),
        ];
        let states: Vec<String> = states.into_iter().map(str::to_owned).chain(more.into_iter().flatten()).collect();
        if !states.is_empty() {
            words.push(format!("[{}]", states.join(", ")));
        }
        words
    }
}

/// A text as a person reads it: without the marks for directions, and with single spaces.
fn normalize_text(text: &str) -> String {
    let visible: String = text.chars().filter(|it| !matches!(it, '\u{2066}'..='\u{2069}' | '\u{200e}')).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The pages of a program, as an indented outline in words. Objects that only hold others are left out.
pub fn format_outline(tree: &[AccessibleObject]) -> String {
    let mut text = String::new();
    for (at, document) in tree.iter().enumerate().filter(|(_, it)| it.role == "document web") {
        let _ = writeln!(text, "page \"{}\"", document.name);
        let mut around = vec![document.depth];
        for (object, index) in subtree(tree, at).iter().zip(at + 1..) {
            around.retain(|depth| *depth < object.depth);
            let words = object.describe(subtree(tree, index));
            if words.is_empty() && CONTAINER_ROLES.contains(&object.role.as_str()) {
                continue;
            }
            let level = object.attributes.get("level").map(|level| format!(" {level}")).unwrap_or_default();
            let words = words.iter().map(|it| format!(" {it}")).collect::<String>();
            let _ = writeln!(text, "{}{}{level}{words}", "  ".repeat(around.len()), object.role);
            around.push(object.depth);
        }
    }
    text
}

/// What is wrong with a tree: objects without a name, items outside a list, and texts that the
/// page shows and no object has.
pub fn find_tree_problems(tree: &[AccessibleObject], shown: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut read = Vec::new();
    for document in (0..tree.len()).filter(|at| tree[*at].role == "document web") {
        let mut around: Vec<&AccessibleObject> = Vec::new();
        for (object, at) in subtree(tree, document).iter().zip(document + 1..) {
            around.retain(|it| it.depth < object.depth);
            let is_nameless = object.name.is_empty() && ROLES_REQUIRING_NAME.contains(&object.role.as_str());
            // The list of a native select is part of the control.
            if is_nameless && around.last().is_none_or(|it| it.role != "combo box") {
                let texts: Vec<_> = subtree(tree, at).iter().map(|it| normalize_text(&it.text)).collect();
                problems.push(format!("{} without a name: {:?} {texts:?}", object.role, normalize_text(&object.text)));
            }
            if object.role == "list item" && around.last().is_none_or(|it| it.role != "list") {
                problems.push(format!("list item outside a list: {:?}", normalize_text(&object.text)));
            }
            // WebKit finds the beginning of the line before an object in the middle of it, counts from there into the
            // text of the object, and crashes when that text is shorter.
            for unit in object.outside.iter().collect::<BTreeSet<_>>() {
                let text = normalize_text(&object.text);
                problems
                    .push(format!("a {unit} of a {} begins before it, which may crash WebKit: {text:?}", object.role));
            }
            around.push(object);
            read.push(normalize_text(&object.name));
            read.push(normalize_text(&object.description));
            read.push(normalize_text(&object.text.replace(EMBEDDED_OBJECT_CHAR, " ")));
        }
    }
    let is_missing = |text: &&String| !text.is_empty() && !read.iter().any(|it| it.contains(text.as_str()));
    problems.extend(
        shown
            .iter()
            .map(|it| normalize_text(it))
            .collect::<Vec<_>>()
            .iter()
            .filter(is_missing)
            .map(|text| format!("a text is in no accessible object: {text:?}")),
    );
    problems
}

/// The objects below the one at this place.
pub fn subtree(tree: &[AccessibleObject], at: usize) -> &[AccessibleObject] {
    let count = tree[at + 1..].iter().take_while(|it| it.depth > tree[at].depth).count();
    &tree[at + 1..at + 1 + count]
}

/// What is heard of a row of a table: the texts of its cells, without the controls that stand in some of them.
pub fn spoken_row_text(row: &[AccessibleObject]) -> String {
    const CONTROL_ROLES: &[&str] = &["check box", "combo box", "toggle button"];
    let mut texts: Vec<String> = Vec::new();
    for object in row.iter().filter(|it| !CONTROL_ROLES.contains(&it.role.as_str()) && !it.has_state("expandable")) {
        let own = normalize_text(&object.text.replace(EMBEDDED_OBJECT_CHAR, " "));
        for text in [own, normalize_text(&object.name)] {
            if !text.is_empty() && !texts.iter().any(|it| it.contains(&text)) {
                texts.push(text);
            }
        }
    }
    texts.join(", ")
}

impl Desktop {
    /// All objects of the app's windows, read as a screen reader would, through the reference library. Debian's Python
    /// has the bindings; another one on the path may lack them.
    ///
    /// # Errors
    /// When the bus cannot be read.
    pub fn accessibility_tree(&self) -> Result<Vec<AccessibleObject>> {
        self.read_accessible_objects(&[])
    }

    /// The titles of the app's windows and dialogs, on every kind of desktop. Pages are not read.
    ///
    /// # Errors
    /// When the bus cannot be read.
    pub fn window_titles(&self) -> Result<Vec<String>> {
        Ok(self.read_accessible_objects(&["1"])?.into_iter().filter(|it| it.depth == 1).map(|it| it.name).collect())
    }

    fn read_accessible_objects(&self, options: &[&str]) -> Result<Vec<AccessibleObject>> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/accessibility_tree.py");
        let mut command = vec!["30", "/usr/bin/python3", "-W", "ignore", script, "org.ulkeys.UlKeys"];
        command.extend(options);
        Ok(serde_json::from_str(&self.run("timeout", &command)?)?)
    }

    /// Announces that a screen reader started or ended, as the desktop's settings do.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn announce_screen_reader(&self, enabled: bool) -> Result<()> {
        self.run(
            "dbus-send",
            &[
                "--session",
                "--print-reply",
                "--dest=org.a11y.Bus",
                "/org/a11y/bus",
                "org.freedesktop.DBus.Properties.Set",
                "string:org.a11y.Status",
                "string:ScreenReaderEnabled",
                &format!("variant:boolean:{enabled}"),
            ],
        )
        .map(drop)
    }
}
