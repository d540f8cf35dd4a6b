//! Compares the windows' accessibility trees, which screen readers use, with the outlines committed in
//! `accessibility_tree/`. The trees are read from the accessibility bus.
//! `UPDATE_ACCESSIBILITY_TREES=1 cargo test --workspace --test window accessibility_tree` updates the outlines.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use serde_json::{Value, json};
use similar::TextDiff;
use ulkeys_tests::{
    AccessibleObject, App, Desktop, TREE_TIMEOUT, VISIBLE_TEXTS_SCRIPT, find_tree_problems, format_outline, seed,
    spoken_row_text, subtree,
};

use crate::accessibility_bus::wait_accessibility_tree;
use crate::helpers::{choose_menu_entry, start_with_bulk_keys, start_with_keys, use_key_once, wait_dialog_closed};

const UPDATE_VARIABLE: &str = "UPDATE_ACCESSIBILITY_TREES";
/// Time without a change after which the tree counts as settled. The tree is updated some time after the page, with
/// charts and details last.
const SETTLE_INTERVAL: Duration = Duration::from_millis(700);
/// A screen reader must speak a row of the list in fewer words than this.
const MAX_ROW_WORDS: usize = 15;

/// Text that changes while a test runs.
const RELATIVE_TIME: (&str, &str) = (r"just now|\d+ (seconds?|minutes?) ago", "‹ago›");

/// Patterns for text that differs between test runs, each with the placeholder that replaces the text.
const VOLATILE_PATTERNS: &[(&str, &str)] = &[
    (r"[A-Z][a-z]+ \d{1,2}, \d{4} at \d{1,2}:\d{2}:\d{2} [AP]M UTC", "‹time›"),
    // The count depends on the time of day, because the last hours of a seeded day may still be in the future.
    (r"\d+ accepted", "‹count› accepted"),
    (r"[A-Z][a-z]{2} \d{1,2}, \d{1,2}:00( [AP]M)? – \d{1,2}:00 [AP]M", "‹hour›"),
    (r"\d{1,2}:\d{2} [AP]M", "‹time›"),
    RELATIVE_TIME,
    (r"ul_[0-9a-f]{8}", "‹prefix›"),
    (r"key_[0-9a-f]{24}", "‹key ID›"),
    (r"127\.0\.0\.1:\d+", "‹address›"),
    (r"/tmp/[^ \x22]*", "‹path›"),
    (r"[A-Z][a-z]+ \d{1,2}, \d{4}", "‹date›"),
];

fn mask(text: &str, (pattern, placeholder): (&str, &str)) -> String {
    Regex::new(pattern).expect("the pattern is valid").replace_all(text, placeholder).into_owned()
}

fn mask_volatile_text(text: &str) -> String {
    VOLATILE_PATTERNS.iter().fold(text.to_owned(), |text, pattern| mask(&text, *pattern))
}

/// Finds the problems of a tree, except for relative times that have changed between reading the tree and the page.
fn find_lasting_tree_problems(tree: &[AccessibleObject], shown: &[String]) -> Vec<String> {
    let mask_object = |object: &AccessibleObject| AccessibleObject {
        name: mask(&object.name, RELATIVE_TIME),
        description: mask(&object.description, RELATIVE_TIME),
        text: mask(&object.text, RELATIVE_TIME),
        ..object.clone()
    };
    let shown: Vec<_> = shown.iter().map(|text| mask(text, RELATIVE_TIME)).collect();
    find_tree_problems(&tree.iter().map(mask_object).collect::<Vec<_>>(), &shown)
}

/// Reads the accessibility tree until it contains the expected text and no longer changes.
async fn wait_settled_tree(app: &App, desktop: &Desktop, expected: &str) -> Result<Vec<AccessibleObject>> {
    let mut tree = Vec::new();
    // Masks times such as "12 seconds ago", which change with each reading.
    let outline = |tree: &[AccessibleObject]| mask_volatile_text(&format_outline(tree));
    app.wait_within(TREE_TIMEOUT, &format!("{expected:?} in the accessibility tree"), async || {
        let before = outline(&tree);
        tokio::time::sleep(SETTLE_INTERVAL).await;
        tree = desktop.accessibility_tree().unwrap_or_default();
        let now = outline(&tree);
        now == before && now.contains(expected)
    })
    .await
    .with_context(|| format!("the tree:\n{}", format_outline(&tree)))?;
    Ok(tree)
}

/// Compares the outline of the windows with the committed outline. The error shows the differences.
async fn ensure_tree_matches(app: &App, desktop: &Desktop, name: &str, expected: &str) -> Result<()> {
    let tree = wait_settled_tree(app, desktop, expected).await?;
    let shown: Vec<String> = serde_json::from_value(app.script(VISIBLE_TEXTS_SCRIPT, Vec::new()).await?)?;
    let problems = find_lasting_tree_problems(&tree, &shown);
    ensure!(problems.is_empty(), "{name}: {problems:#?}");
    let found = mask_volatile_text(&format_outline(&tree));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("window/accessibility_tree/{name}.txt"));
    if std::env::var_os(UPDATE_VARIABLE).is_some() {
        std::fs::write(&path, &found)?;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = TextDiff::from_lines(committed.as_str(), found.as_str());
    ensure!(
        committed == found,
        "{name}: the accessibility tree has changed; set {UPDATE_VARIABLE}=1 to update it.\n{}",
        difference.unified_diff().context_radius(3).header("committed", "found")
    );
    Ok(())
}

/// Returns the rows of the list, without the header row.
fn table_rows(tree: &[AccessibleObject]) -> Vec<&[AccessibleObject]> {
    let at = (0..tree.len()).filter(|at| tree[*at].role == "table row");
    at.map(|at| subtree(tree, at)).filter(|row| row.iter().any(|it| it.role == "row header")).collect()
}

/// Returns the names of the columns.
fn column_headers(tree: &[AccessibleObject]) -> Vec<&str> {
    tree.iter().filter(|it| it.role == "column header").map(|it| it.name.as_str()).collect()
}

const COLUMN_HEADERS: [&str; 6] = ["Selection", "Name", "Scopes", "Created", "Last used", "Actions"];

const TWO_KEYS: &[seed::SeedKey] = &[
    seed::SeedKey::new("gpu box", "training read", 30 * 24).with_usage(3, &[("curl/8.9.1", "127.0.0.1")]),
    seed::SeedKey::new("second", "models", 50),
];

#[tokio::test]
async fn list_of_no_keys_and_new_key_match_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    ensure_tree_matches(&app, &desktop, "list_empty", "No keys yet").await?;
    app.click("Create Key").await?;
    app.wait_focus("Name").await?;
    ensure_tree_matches(&app, &desktop, "create", "Choose only what").await?;
    app.click("Create").await?;
    app.wait_text("Enter a name.").await?;
    ensure_tree_matches(&app, &desktop, "create_errors", "Enter a name.").await?;
    app.click("Cancel").await?;
    wait_dialog_closed(&app).await?;

    app.create_key_in_dialog("gpu box", "read").await?;
    ensure_tree_matches(&app, &desktop, "one_time", "push button \"Done\"").await?;
    app.click("curl").await?;
    app.click("Done").await?;
    app.wait_text("Close anyway").await?;
    ensure_tree_matches(&app, &desktop, "one_time_asking", "Close anyway").await?;
    app.click("Close anyway").await?;
    app.wait_key_window_closed().await
}

#[tokio::test]
async fn list_and_dialogs_of_two_keys_match_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, TWO_KEYS).await?;
    let leave = async || {
        desktop.press(&["Escape"])?;
        wait_dialog_closed(&app).await
    };
    ensure_tree_matches(&app, &desktop, "list_two_keys", "\"gpu box\"").await?;
    app.click("Actions for gpu box").await?;
    ensure_tree_matches(&app, &desktop, "menu", "menu item \"Revoke…\"").await?;
    desktop.press(&["Escape"])?;
    choose_menu_entry(&app, "gpu box", "Revoke…").await?;
    ensure_tree_matches(&app, &desktop, "revoke", "To confirm, type gpu box").await?;
    leave().await?;
    choose_menu_entry(&app, "second", "Revoke…").await?;
    ensure_tree_matches(&app, &desktop, "revoke_unused", "Revoke second?").await?;
    leave().await?;
    choose_menu_entry(&app, "second", "Rename…").await?;
    ensure_tree_matches(&app, &desktop, "rename", "Rename second").await?;
    leave().await?;
    choose_menu_entry(&app, "second", "Use this key…").await?;
    ensure_tree_matches(&app, &desktop, "use", "Use second").await?;
    leave().await?;
    choose_menu_entry(&app, "second", "Rotate…").await?;
    ensure_tree_matches(&app, &desktop, "rotate", "Create the new key").await?;
    leave().await?;
    app.click("Select all").await?;
    app.wait_text("2 keys selected").await?;
    ensure_tree_matches(&app, &desktop, "list_selected", "2 keys selected").await?;
    app.click("Revoke…").await?;
    app.wait_text("Revoke 2 keys?").await?;
    ensure_tree_matches(&app, &desktop, "revoke_several", "type the number of keys: 2").await
}

#[tokio::test]
async fn list_and_details_of_team_match_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    ensure_tree_matches(&app, &desktop, "list_team", "\"training-server\"").await?;
    app.click("Needs attention").await?;
    app.wait_gone("nightly-export").await?;
    ensure_tree_matches(&app, &desktop, "list_attention", "\"labeling-team\"").await?;
    app.click("Revoked").await?;
    ensure_tree_matches(&app, &desktop, "list_revoked", "\"old-laptop\"").await?;
    app.click("Active").await?;
    app.click("ci-pipeline").await?;
    ensure_tree_matches(&app, &desktop, "details", "curl/8.9.1").await
}

#[tokio::test]
async fn rotate_guide_matches_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::ROTATING_KEYS).await?;
    choose_menu_entry(&app, "both-in-use", "Continue rotation…").await?;
    app.wait_text("Something still depends on it").await?;
    ensure_tree_matches(&app, &desktop, "rotate_in_use", "still depends on it").await?;
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    choose_menu_entry(&app, "moved", "Continue rotation…").await?;
    app.wait_text("has been silent since").await?;
    ensure_tree_matches(&app, &desktop, "rotate_moved", "has been silent since").await
}

#[tokio::test]
async fn other_sections_match_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "reader", "read").await?;
    use_key_once(&desktop, &app, &key)?;
    // The message appears for five seconds once the clipboard is cleared. The tree must not depend on this delay.
    app.wait_text("The key is no longer on the clipboard").await?;
    app.wait_gone("The key is no longer on the clipboard").await?;
    app.click("Activity").await?;
    ensure_tree_matches(&app, &desktop, "activity", "New program or address").await?;
    app.click("Connection").await?;
    ensure_tree_matches(&app, &desktop, "connection", "Point programs here").await?;
    app.click("Preferences").await?;
    ensure_tree_matches(&app, &desktop, "preferences", "Language").await?;
    app.click("Help").await?;
    ensure_tree_matches(&app, &desktop, "help", "Check a key").await
}

/// A screen reader speaks a row every time the user passes it, so the text must be short.
#[tokio::test]
async fn list_row_is_spoken_in_few_words() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    for (view, key) in [("Active", "ci-pipeline"), ("Revoked", "old-laptop")] {
        app.click(view).await?;
        let tree = wait_settled_tree(&app, &desktop, key).await?;
        let rows: Vec<_> = table_rows(&tree).into_iter().map(spoken_row_text).collect();
        ensure!(rows.len() > 1 && rows.iter().any(|row| row.contains(key)), "{rows:?}");
        for row in rows {
            ensure!(
                row.contains("ul_"),
                "the prefix is missing, so keys with the same name cannot be distinguished: {row}"
            );
            let words = row.split_whitespace().count();
            ensure!(words < MAX_ROW_WORDS, "{words} words are too many: {row}");
        }
    }
    Ok(())
}

/// WebKit removes the content behind a modal dialog from the accessibility tree. When the dialog closes, all of that
/// content must reappear, including changes made while the dialog was open.
#[tokio::test]
async fn table_that_changes_behind_dialog_is_whole_after_dialog_closes() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let admin = app.create_and_copy_key(&desktop, "admin", "admin").await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://127.0.0.1:{}/api/api-keys", app.port);
    let create = async |name: &str| -> Result<Value> {
        let body = json!({ "name": name, "scopes": ["read"] });
        Ok(client.post(&url).bearer_auth(&admin).json(&body).send().await?.error_for_status()?.json().await?)
    };
    let read_dialog = async || {
        let is_alone = |tree: &[AccessibleObject]| {
            format_outline(tree).contains("Choose only what") && column_headers(tree).is_empty()
        };
        wait_accessibility_tree(&app, &desktop, "only the dialog in the tree", is_alone).await
    };
    let leave_dialog = async |columns: usize, keys: usize| {
        desktop.press(&["Escape"])?;
        wait_dialog_closed(&app).await?;
        let is_whole =
            |tree: &[AccessibleObject]| column_headers(tree).len() == columns && table_rows(tree).len() == keys;
        wait_accessibility_tree(&app, &desktop, "the whole table", is_whole).await
    };
    let first = create("first").await?;
    app.wait_text("first").await?;

    // The only key is revoked while the dialog is open, so the table of revoked keys appears behind the dialog.
    app.click("Revoked").await?;
    app.wait_text("No revoked keys").await?;
    app.click("Create Key").await?;
    read_dialog().await?;
    let id = first["keyId"].as_str().context("no key ID")?;
    client.delete(format!("{url}/{id}")).bearer_auth(&admin).send().await?.error_for_status()?;
    app.wait_text("Revoked\n1").await?;
    read_dialog().await?;
    leave_dialog(COLUMN_HEADERS.len(), 1).await?;

    // A row is added to the table of active keys while the dialog is open.
    app.click("Active").await?;
    app.click("Create Key").await?;
    read_dialog().await?;
    create("second").await?;
    app.wait_text("Active\n2").await?;
    read_dialog().await?;
    leave_dialog(COLUMN_HEADERS.len(), 2).await?;
    Ok(())
}

#[tokio::test]
async fn table_of_many_keys_keeps_header_row_and_row_numbers_after_scrolling() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_bulk_keys(&desktop, 1000).await?;
    let tree = wait_settled_tree(&app, &desktop, "row header").await?;
    ensure!(column_headers(&tree) == COLUMN_HEADERS, "{}", format_outline(&tree));
    app.script("document.querySelector('.window').scrollTo(0, 1e9);", Vec::new()).await?;
    let last = "return !!document.querySelector('[data-row=\"999\"][data-key-id]')";
    app.wait("the last row", async || app.script(last, Vec::new()).await.is_ok_and(|it| it == true)).await?;
    let tree = wait_settled_tree(&app, &desktop, "row header").await?;
    ensure!(column_headers(&tree) == COLUMN_HEADERS, "{}", format_outline(&tree));
    let last = tree.iter().rfind(|it| it.role == "table row").context("no row")?;
    let number = last.texts.iter().find(|it| it.contains("\"rowindex\": \"1001\""));
    ensure!(number.is_some(), "the last row has no row number: {last:?}");
    Ok(())
}

/// WebKit crashes when a screen reader requests a line, sentence or paragraph from an object whose text starts in the
/// middle of one.
#[tokio::test]
async fn details_with_training_run_stay_open_when_text_is_read_unit_by_unit() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.script("window.isSamePage = true", Vec::new()).await?;
    app.click("training-server").await?;
    app.click("warehouse/forklift-detector").await?;
    let is_open = |tree: &[AccessibleObject]| {
        format_outline(tree).contains("\"More actions\"") && format_outline(tree).contains("mAP50")
    };
    let tree = wait_accessibility_tree(&app, &desktop, "the run in the accessibility tree", is_open).await?;
    let outside: Vec<_> = tree.iter().filter(|it| !it.outside.is_empty()).collect();
    ensure!(outside.is_empty(), "objects start in the middle of a line: {outside:#?}");
    ensure!(app.script("return window.isSamePage", Vec::new()).await? == true, "the page was reloaded");
    Ok(())
}
