//! Tests what text the user's other programs can read over the accessibility bus while a new key is shown.

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{AccessibleObject, App, Desktop, TREE_TIMEOUT, format_outline};

fn objects_containing<'a>(tree: &'a [AccessibleObject], text: &str) -> Vec<&'a AccessibleObject> {
    let holds =
        |object: &&AccessibleObject| object.name.contains(text) || object.texts.iter().any(|it| it.contains(text));
    tree.iter().filter(holds).collect()
}

fn contains_text(tree: &[AccessibleObject], text: &str) -> bool {
    !objects_containing(tree, text).is_empty()
}

/// Reads the accessibility tree until it satisfies `wanted`, because the tree is updated some time after the page.
pub(crate) async fn wait_accessibility_tree(
    app: &App,
    desktop: &Desktop,
    what: &str,
    wanted: impl Fn(&[AccessibleObject]) -> bool,
) -> Result<Vec<AccessibleObject>> {
    let mut tree = Vec::new();
    app.wait_within(TREE_TIMEOUT, what, async || {
        tree = desktop.accessibility_tree().unwrap_or_default();
        wanted(&tree)
    })
    .await
    .with_context(|| format!("the tree:\n{}", format_outline(&tree)))?;
    Ok(tree)
}

#[tokio::test]
async fn key_without_screen_reader_is_not_on_accessibility_bus() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("kept-quiet", "read").await?;
    let key = app.text("code.key").await?.trim().to_owned();
    let is_button = |object: &AccessibleObject, name: &str| object.role.contains("button") && object.name == name;

    let tree =
        wait_accessibility_tree(&app, &desktop, "Copy", |tree| tree.iter().any(|it| is_button(it, "Copy"))).await?;
    ensure!(contains_text(&tree, "API key, not readable by other apps"), "the key has no accessible name: {tree:#?}");
    for part in [&key[..], &key[13..23], &key[33..43]] {
        ensure!(!contains_text(&tree, part), "the key is on the bus: {:#?}", objects_containing(&tree, part));
    }
    for (example, text) in [
        ("bash, zsh", "export ULTRALYTICS_API_KEY="),
        ("PowerShell", "$env:ULTRALYTICS_API_KEY"),
        ("Python", "import os"),
        ("curl", "Authorization: Bearer"),
        ("yolo train", "yolo train model="),
    ] {
        app.click(example).await?;
        let shown = |tree: &[AccessibleObject]| contains_text(tree, text);
        let tree = wait_accessibility_tree(&app, &desktop, "the example", shown).await?;
        let found = objects_containing(&tree, &key[13..]);
        ensure!(found.is_empty(), "the key is on the bus in {example}: {found:#?}");
    }

    // While a screen reader is running, it can read the key. Other apps can then read the key as well, and the window
    // says so.
    desktop.announce_screen_reader(true)?;
    app.wait_text("A screen reader is on").await?;
    wait_accessibility_tree(&app, &desktop, "the key on the bus", |tree| contains_text(tree, &key)).await?;
    desktop.announce_screen_reader(false)?;
    app.wait_gone("A screen reader is on").await?;
    wait_accessibility_tree(&app, &desktop, "the key to be removed from the bus", |tree| {
        !contains_text(tree, &key[13..])
    })
    .await?;

    // Copying the key is announced to screen readers. The announcement does not contain the key.
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let tree = desktop.accessibility_tree()?;
    ensure!(!contains_text(&tree, &key[13..]), "{:#?}", objects_containing(&tree, &key[13..]));
    app.switch_to_list_window().await
}
