//! What a screen reader finds in the windows, compared with what is committed below `accessibility_tree/`: an outline in
//! words of the tree that the accessibility bus gives. `UPDATE_ACCESSIBILITY_TREES=1 cargo test --workspace --test window
//! accessibility_tree` writes it again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use serde_json::{Value, json};
use similar::TextDiff;
use ulkeys_tests::{AccessibleObject, App, Desktop, SHOWN_TEXTS, below, outline, row_words, seed, tree_problems};

use crate::accessibility_bus::wait_tree;
use crate::hands::{app_with, app_with_crowd, choose, closed, use_once};

const UPDATE: &str = "UPDATE_ACCESSIBILITY_TREES";
/// The tree follows the page after some moments; charts and details arrive later than the rest.
const SETTLED: Duration = Duration::from_millis(700);
/// A screen reader should say no more of a row before it comes to the point.
const MOST_ROW_WORDS: usize = 15;

/// What differs from one run to the next.
const MASKS: &[(&str, &str)] = &[
    (r"[A-Z][a-z]+ \d{1,2}, \d{4} at \d{1,2}:\d{2}:\d{2} [AP]M UTC", "‹time›"),
    // The last hours of a seeded day are not over.
    (r"\d+ accepted", "‹count› accepted"),
    (r"[A-Z][a-z]{2} \d{1,2}, \d{1,2}:00( [AP]M)? – \d{1,2}:00 [AP]M", "‹hour›"),
    (r"\d{1,2}:\d{2} [AP]M", "‹time›"),
    (r"just now|\d+ (seconds?|minutes?) ago", "‹ago›"),
    (r"ul_[0-9a-f]{8}", "‹prefix›"),
    (r"key_[0-9a-f]{24}", "‹key ID›"),
    (r"127\.0\.0\.1:\d+", "‹address›"),
    (r"/tmp/[^ \x22]*", "‹path›"),
    (r"[A-Z][a-z]+ \d{1,2}, \d{4}", "‹date›"),
];

fn masked(text: &str) -> String {
    MASKS.iter().fold(text.to_owned(), |text, (pattern, name)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *name).into_owned()
    })
}

/// Reads the tree until it says what is expected of it and no longer changes.
async fn settled(app: &App, desktop: &Desktop, expected: &str) -> Result<Vec<AccessibleObject>> {
    let mut tree = Vec::new();
    app.wait(&format!("{expected:?} in the accessibility tree"), async || {
        let before = outline(&tree);
        tokio::time::sleep(SETTLED).await;
        tree = desktop.accessibility_tree().unwrap_or_default();
        let now = outline(&tree);
        now == before && now.contains(expected)
    })
    .await
    .with_context(|| format!("the tree:\n{}", outline(&tree)))?;
    Ok(tree)
}

/// Compares the outline of the windows with the committed one. What differs is in the error.
async fn compare(app: &App, desktop: &Desktop, name: &str, expected: &str) -> Result<()> {
    let tree = settled(app, desktop, expected).await?;
    let shown: Vec<String> = serde_json::from_value(app.script(SHOWN_TEXTS, Vec::new()).await?)?;
    let problems = tree_problems(&tree, &shown);
    ensure!(problems.is_empty(), "{name}: {problems:#?}");
    let found = masked(&outline(&tree));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("window/accessibility_tree/{name}.txt"));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &found)?;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = TextDiff::from_lines(committed.as_str(), found.as_str());
    ensure!(
        committed == found,
        "{name}: the accessibility tree is another one; {UPDATE}=1 writes it again.\n{}",
        difference.unified_diff().context_radius(3).header("committed", "found")
    );
    Ok(())
}

/// The rows of the list, without the one with the headers.
fn rows(tree: &[AccessibleObject]) -> Vec<&[AccessibleObject]> {
    let at = (0..tree.len()).filter(|at| tree[*at].role == "table row");
    at.map(|at| below(tree, at)).filter(|row| row.iter().any(|it| it.role == "row header")).collect()
}

/// The names of the columns.
fn headers(tree: &[AccessibleObject]) -> Vec<&str> {
    tree.iter().filter(|it| it.role == "column header").map(|it| it.name.as_str()).collect()
}

const HEADERS: [&str; 6] = ["Selection", "Name", "Scopes", "Created", "Last used", "Actions"];

const TWO: &[seed::Sample] = &[
    seed::Sample::new("gpu box", "training read", 30 * 24).used(3, &[("curl/8.9.1", "127.0.0.1")]),
    seed::Sample::new("second", "models", 50),
];

#[tokio::test]
async fn list_of_no_keys_and_new_key_match_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    compare(&app, &desktop, "list_empty", "No keys yet").await?;
    app.click("Create Key").await?;
    app.wait_focus("Name").await?;
    compare(&app, &desktop, "create", "Choose only what").await?;
    app.click("Create").await?;
    app.wait_text("Enter a name.").await?;
    compare(&app, &desktop, "create_errors", "Enter a name.").await?;
    app.click("Cancel").await?;
    closed(&app).await?;

    app.create_in_dialog("gpu box", "read").await?;
    compare(&app, &desktop, "one_time", "push button \"Done\"").await?;
    app.click("curl").await?;
    app.click("Done").await?;
    app.wait_text("Close anyway").await?;
    compare(&app, &desktop, "one_time_asking", "Close anyway").await?;
    app.click("Close anyway").await?;
    app.leave_key_window().await
}

#[tokio::test]
async fn list_and_dialogs_of_two_keys_match_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = app_with(&desktop, TWO).await?;
    let leave = async || {
        desktop.press(&["Escape"])?;
        closed(&app).await
    };
    compare(&app, &desktop, "list_two_keys", "\"gpu box\"").await?;
    app.click("Actions for gpu box").await?;
    compare(&app, &desktop, "menu", "menu item \"Revoke…\"").await?;
    desktop.press(&["Escape"])?;
    choose(&app, "gpu box", "Revoke…").await?;
    compare(&app, &desktop, "revoke", "To confirm, type gpu box").await?;
    leave().await?;
    choose(&app, "second", "Revoke…").await?;
    compare(&app, &desktop, "revoke_unused", "Revoke second?").await?;
    leave().await?;
    choose(&app, "second", "Rename…").await?;
    compare(&app, &desktop, "rename", "Rename second").await?;
    leave().await?;
    choose(&app, "second", "Use this key…").await?;
    compare(&app, &desktop, "use", "Use second").await?;
    leave().await?;
    choose(&app, "second", "Rotate…").await?;
    compare(&app, &desktop, "rotate", "Create the new key").await?;
    leave().await?;
    app.click("Select all").await?;
    app.wait_text("2 keys selected").await?;
    compare(&app, &desktop, "list_selected", "2 keys selected").await?;
    app.click("Revoke…").await?;
    app.wait_text("Revoke 2 keys?").await?;
    compare(&app, &desktop, "revoke_several", "type the number of keys: 2").await
}

#[tokio::test]
async fn list_and_details_of_team_match_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = app_with(&desktop, seed::TEAM).await?;
    compare(&app, &desktop, "list_team", "\"training-server\"").await?;
    app.click("Needs attention").await?;
    app.wait_gone("nightly-export").await?;
    compare(&app, &desktop, "list_attention", "\"labelling-team\"").await?;
    app.click("Revoked").await?;
    compare(&app, &desktop, "list_revoked", "\"old-laptop\"").await?;
    app.click("Active").await?;
    app.click("ci-pipeline").await?;
    compare(&app, &desktop, "details", "curl/8.9.1").await
}

#[tokio::test]
async fn rotate_guide_matches_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = app_with(&desktop, seed::ROTATING).await?;
    choose(&app, "both-in-use", "Continue rotation…").await?;
    app.wait_text("Something still depends on it").await?;
    compare(&app, &desktop, "rotate_in_use", "still depends on it").await?;
    desktop.press(&["Escape"])?;
    closed(&app).await?;
    choose(&app, "moved", "Continue rotation…").await?;
    app.wait_text("has been silent since").await?;
    compare(&app, &desktop, "rotate_moved", "has been silent since").await
}

#[tokio::test]
async fn other_sections_match_committed_trees() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "reader", "read").await?;
    use_once(&desktop, &app, &key)?;
    app.click("Activity").await?;
    compare(&app, &desktop, "activity", "New program or address").await?;
    app.click("Connection").await?;
    compare(&app, &desktop, "connection", "Point programs here").await?;
    app.click("Preferences").await?;
    compare(&app, &desktop, "preferences", "Language").await?;
    app.click("Help").await?;
    compare(&app, &desktop, "help", "Check a key").await
}

/// A person who listens hears the same of each row as often as it is passed.
#[tokio::test]
async fn row_of_list_is_heard_in_few_words() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = app_with(&desktop, seed::TEAM).await?;
    for (view, key) in [("Active", "ci-pipeline"), ("Revoked", "old-laptop")] {
        app.click(view).await?;
        let tree = settled(&app, &desktop, key).await?;
        let rows: Vec<_> = rows(&tree).into_iter().map(row_words).collect();
        ensure!(rows.len() > 1 && rows.iter().any(|row| row.contains(key)), "{rows:?}");
        for row in rows {
            ensure!(row.contains("ul_"), "no prefix tells it from another of its name: {row}");
            let words = row.split_whitespace().count();
            ensure!(words < MOST_ROW_WORDS, "{words} words: {row}");
        }
    }
    Ok(())
}

/// WebKit leaves out what is behind a modal dialog, and has to put it back when the dialog closes: also what changed in
/// between.
#[tokio::test]
async fn table_that_changes_behind_dialog_is_whole_after_dialog_closes() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let admin = app.create_and_copy(&desktop, "admin", "admin").await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://127.0.0.1:{}/api/api-keys", app.port);
    let create = async |name: &str| -> Result<Value> {
        let body = json!({ "name": name, "scopes": ["read"] });
        Ok(client.post(&url).bearer_auth(&admin).json(&body).send().await?.error_for_status()?.json().await?)
    };
    let read_dialog = async || {
        let is_alone =
            |tree: &[AccessibleObject]| outline(tree).contains("Choose only what") && headers(tree).is_empty();
        wait_tree(&app, &desktop, "the dialog alone", is_alone).await
    };
    let leave_dialog = async |columns: usize, keys: usize| {
        desktop.press(&["Escape"])?;
        closed(&app).await?;
        let is_whole = |tree: &[AccessibleObject]| headers(tree).len() == columns && rows(tree).len() == keys;
        wait_tree(&app, &desktop, "the whole table", is_whole).await
    };
    let first = create("first").await?;
    app.wait_text("first").await?;

    // The table of revoked keys appears behind the dialog.
    app.click("Revoked").await?;
    app.wait_text("No revoked keys").await?;
    app.click("Create Key").await?;
    read_dialog().await?;
    let id = first["keyId"].as_str().context("an ID")?;
    client.delete(format!("{url}/{id}")).bearer_auth(&admin).send().await?.error_for_status()?;
    app.wait_text("Revoked\n1").await?;
    read_dialog().await?;
    leave_dialog(HEADERS.len(), 1).await?;

    // A row of the table of active keys appears behind it.
    app.click("Active").await?;
    app.click("Create Key").await?;
    read_dialog().await?;
    create("second").await?;
    app.wait_text("Active\n2").await?;
    read_dialog().await?;
    leave_dialog(HEADERS.len(), 2).await?;
    Ok(())
}

#[tokio::test]
async fn table_of_many_keys_keeps_header_row_and_row_numbers_after_scrolling() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = app_with_crowd(&desktop, 1000).await?;
    let tree = settled(&app, &desktop, "row header").await?;
    ensure!(headers(&tree) == HEADERS, "{}", outline(&tree));
    app.script("document.querySelector('.window').scrollTo(0, 1e9);", Vec::new()).await?;
    let last = "return !!document.querySelector('[data-row=\"999\"][data-key-id]')";
    app.wait("the last row", async || app.script(last, Vec::new()).await.is_ok_and(|it| it == true)).await?;
    let tree = settled(&app, &desktop, "row header").await?;
    ensure!(headers(&tree) == HEADERS, "{}", outline(&tree));
    let last = tree.iter().rfind(|it| it.role == "table row").context("a row")?;
    let number = last.texts.iter().find(|it| it.contains("\"rowindex\": \"1001\""));
    ensure!(number.is_some(), "the last row has no number: {last:?}");
    Ok(())
}

/// WebKit crashes when a screen reader asks for the line, sentence or paragraph of an object that does not begin it.
#[tokio::test]
async fn details_with_training_run_stay_open_when_text_is_read_unit_by_unit() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = app_with(&desktop, seed::TEAM).await?;
    app.script("window.isSamePage = true", Vec::new()).await?;
    app.click("training-server").await?;
    app.click("warehouse/forklift-detector").await?;
    let is_open =
        |tree: &[AccessibleObject]| outline(tree).contains("\"More actions\"") && outline(tree).contains("mAP50");
    let tree = wait_tree(&app, &desktop, "the run in the accessibility tree", is_open).await?;
    let outside: Vec<_> = tree.iter().filter(|it| !it.outside.is_empty()).collect();
    ensure!(outside.is_empty(), "objects in the middle of a line: {outside:#?}");
    ensure!(app.script("return window.isSamePage", Vec::new()).await? == true, "the page was loaded again");
    Ok(())
}
