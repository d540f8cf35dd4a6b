//! A key gets another name, and programs notice nothing.

use anyhow::{Result, ensure};
use ulkeys_tests::{App, Desktop, ul};

use crate::hands::{active_names, choose, closed};

const API_KEYS: &[&str] = &["cloud", "account", "api-keys"];
const SAID: &str = "return document.querySelector('.toaster').innerText.split('is now called').length - 1";

#[tokio::test]
async fn a_new_name_is_seen_in_the_list_and_by_programs() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "before", "read").await?;
    app.create_unseen("taken", "read").await?;

    choose(&app, "before", "Rename…").await?;
    app.wait_focus("Name").await?;
    app.wait_name("before").await?;
    // All of it is selected; the name of the key itself is no warning.
    desktop.type_text("taken")?;
    app.wait_text("Another key has this name").await?;
    desktop.press(&["ctrl+a", "BackSpace", "Return"])?;
    app.wait_text("Enter a name").await?;
    app.wait_focus("Name").await?;
    desktop.type_text("after")?;
    app.wait_name("after").await?;
    desktop.press(&["Return"])?;
    app.wait_text("The key is now called after").await?;
    closed(&app).await?;
    app.wait_focus("Actions for after").await?;
    ensure!(active_names(&app).await? == ["after", "taken"], "one key, one name");
    let listed = ul(&desktop, &key, app.port, API_KEYS)?;
    ensure!(listed.code == Some(0) && listed.stdout.contains("\"name\": \"after\""), "{listed:?}");
    ensure!(!listed.stdout.contains("before"), "{listed:?}");

    // Nothing to change, nothing to do.
    desktop.press(&["Return"])?;
    app.click("Rename…").await?;
    app.wait_focus("Name").await?;
    desktop.press(&["Return"])?;
    closed(&app).await?;
    app.wait_focus("Actions for after").await?;
    let said = app.script(SAID, Vec::new()).await?;
    ensure!(said.as_u64().is_some_and(|count| count <= 1), "nothing was renamed, nothing is said");
    Ok(())
}
