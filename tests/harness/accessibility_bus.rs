//! Reads everything that the accessibility bus (AT-SPI) exposes to screen readers and to the user's other programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use serde::Deserialize;

use crate::desktop::Desktop;

/// Character that an object's text contains in place of each child object.
const EMBEDDED_OBJECT_CHAR: char = '\u{fffc}';

/// Roles of controls and of other objects that are meaningful to a user. Every object with one of these roles needs a
/// name.
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

/// Roles of objects that only contain other objects.
const CONTAINER_ROLES: &[&str] = &["filler", "footer", "header", "panel", "scroll pane", "section", "static", "label"];

/// A script that returns the text nodes visible on the page, except those that are hidden from screen readers or
/// covered by a dialog.
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
    /// Number of ancestors of the object.
    pub depth: usize,
    /// Role of the object, such as `push button`.
    pub role: String,
    /// Name of the object.
    pub name: String,
    /// Description of the object.
    pub description: String,
    /// Text of the object, with [`EMBEDDED_OBJECT_CHAR`] in place of each child.
    pub text: String,
    /// Numeric value of the object, if it has one.
    pub value: Option<f64>,
    /// States of the object that a screen reader reports.
    pub states: Vec<String>,
    /// Attributes of the object that a screen reader reports.
    pub attributes: BTreeMap<String, String>,
    /// The text units (sentence, line or paragraph) that begin before the object. Such a unit may crash WebKit.
    pub outside: Vec<String>,
    /// All strings that can be read from the object: its description, attributes, text, text units, document attributes
    /// and image description.
    pub texts: Vec<String>,
}

impl AccessibleObject {
    /// Returns the lines of the object's own text, excluding its children's text.
    fn own_lines(&self) -> impl Iterator<Item = String> {
        self.text.split(['\n', EMBEDDED_OBJECT_CHAR]).map(normalize_text).filter(|line| !line.is_empty())
    }

    fn has_state(&self, state: &str) -> bool {
        self.states.iter().any(|it| it == state)
    }

    /// Returns whether a line of this object's text differs from the object's name and does not appear in any of the
    /// object's descendants (`below`).
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

/// Reduces text to what a user reads: removes marks for the text direction and collapses white space.
fn normalize_text(text: &str) -> String {
    let visible: String = text.chars().filter(|it| !matches!(it, '\u{2066}'..='\u{2069}' | '\u{200e}')).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Formats the app's pages as an indented outline. Omits objects that only contain other objects.
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

/// Returns the accessibility problems of a tree: objects without a name, list items outside a list, text units that
/// begin before their object, and text that the page shows but that no object contains.
pub fn find_tree_problems(tree: &[AccessibleObject], shown: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut read = Vec::new();
    for document in (0..tree.len()).filter(|at| tree[*at].role == "document web") {
        let mut around: Vec<&AccessibleObject> = Vec::new();
        for (object, at) in subtree(tree, document).iter().zip(document + 1..) {
            around.retain(|it| it.depth < object.depth);
            let is_nameless = object.name.is_empty() && ROLES_REQUIRING_NAME.contains(&object.role.as_str());
            // The list inside a native `select` element needs no name, because it is part of the control.
            if is_nameless && around.last().is_none_or(|it| it.role != "combo box") {
                let texts: Vec<_> = subtree(tree, at).iter().map(|it| normalize_text(&it.text)).collect();
                problems.push(format!("{} without a name: {:?} {texts:?}", object.role, normalize_text(&object.text)));
            }
            if object.role == "list item" && around.last().is_none_or(|it| it.role != "list") {
                problems.push(format!("list item outside a list: {:?}", normalize_text(&object.text)));
            }
            // If an object is in the middle of a line, WebKit counts the characters from the start of the line to the
            // object and uses this number as an offset into the object's text. It crashes if that text is shorter.
            for unit in object.outside.iter().collect::<BTreeSet<_>>() {
                let text = normalize_text(&object.text);
                problems.push(format!(
                    "a {unit} of a {} begins before the object, which may crash WebKit: {text:?}",
                    object.role
                ));
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
            .map(|text| format!("no accessible object contains the text {text:?}")),
    );
    problems
}

/// Returns all descendants of the object at index `at`.
pub fn subtree(tree: &[AccessibleObject], at: usize) -> &[AccessibleObject] {
    let count = tree[at + 1..].iter().take_while(|it| it.depth > tree[at].depth).count();
    &tree[at + 1..at + 1 + count]
}

/// Returns what a screen reader speaks for a table row: the text of its cells, excluding the text of controls in the
/// cells.
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
    /// Returns all accessible objects of the app's windows. Reads them with AT-SPI's reference library, as a screen
    /// reader does. Runs Debian's Python, because another Python on the `PATH` may lack the bindings of this library.
    ///
    /// # Errors
    /// Returns an error if the bus cannot be read.
    pub fn accessibility_tree(&self) -> Result<Vec<AccessibleObject>> {
        self.read_accessible_objects(&[])
    }

    /// Returns the titles of the app's windows and dialogs, without reading the pages. Works under both X11 and
    /// Wayland.
    ///
    /// # Errors
    /// Returns an error if the bus cannot be read.
    pub fn window_titles(&self) -> Result<Vec<String>> {
        Ok(self.read_accessible_objects(&["1"])?.into_iter().filter(|it| it.depth == 1).map(|it| it.name).collect())
    }

    fn read_accessible_objects(&self, options: &[&str]) -> Result<Vec<AccessibleObject>> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/accessibility_tree.py");
        let mut command = vec!["30", "/usr/bin/python3", "-W", "ignore", script, "org.ulkeys.UlKeys"];
        command.extend(options);
        Ok(serde_json::from_str(&self.run("timeout", &command)?)?)
    }

    /// Announces on the bus that a screen reader was switched on or off, as a desktop's settings do.
    ///
    /// # Errors
    /// Returns an error if the accessibility service does not respond.
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
