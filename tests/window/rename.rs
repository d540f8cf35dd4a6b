//! Tests renaming a key, which does not affect the programs that use it.

use anyhow::{Result, ensure};
use ulkeys_tests::{App, Desktop, run_ul};

use crate::helpers::{active_key_names, choose_menu_entry, wait_dialog_closed};

const LIST_KEYS_COMMAND: &[&str] = &["cloud", "account", "api-keys"];
const RENAME_TOASTS_SCRIPT: &str =
    "return document.querySelector('.toaster').innerText.split('is now called').length - 1";

#[tokio::test]
async fn renamed_key_shows_new_name_in_list_and_api() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "before", "read").await?;
    app.create_key_without_copying("taken", "read").await?;

    choose_menu_entry(&app, "before", "Rename…").await?;
    app.wait_focus("Name").await?;
    app.wait_name_field("before").await?;
    // The dialog opens with the whole name selected. The key's current name does not trigger the warning that another
    // key has this name.
    desktop.type_text("taken")?;
    app.wait_text("Another key has this name").await?;
    desktop.press(&["ctrl+a", "BackSpace", "Return"])?;
    app.wait_text("Enter a name").await?;
    app.wait_focus("Name").await?;
    desktop.type_text("after")?;
    app.wait_name_field("after").await?;
    desktop.press(&["Return"])?;
    app.wait_text("The key is now called after").await?;
    wait_dialog_closed(&app).await?;
    app.wait_focus("Actions for after").await?;
    ensure!(active_key_names(&app).await? == ["after", "taken"], "the key was not renamed");
    let listed = run_ul(&desktop, &key, app.port, LIST_KEYS_COMMAND)?;
    ensure!(listed.code == Some(0) && listed.stdout.contains("\"name\": \"after\""), "{listed:?}");
    ensure!(!listed.stdout.contains("before"), "{listed:?}");

    // Saving an unchanged name has no effect.
    desktop.press(&["Return"])?;
    app.click("Rename…").await?;
    app.wait_focus("Name").await?;
    desktop.press(&["Return"])?;
    wait_dialog_closed(&app).await?;
    app.wait_focus("Actions for after").await?;
    let said = app.script(RENAME_TOASTS_SCRIPT, Vec::new()).await?;
    ensure!(said.as_u64().is_some_and(|count| count <= 1), "saving an unchanged name showed a message");
    Ok(())
}
