//! Tests KeePassXC as the keychain: a saved key appears as the password of an entry, both in KeePassXC itself and to
//! programs that read the keychain.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use secret_service::{EncryptionType, SecretService};
use ulkeys_tests::{App, Desktop, KeePass, Keyring};

use crate::keychain::{create_and_save_key, lookup_in_keychain, revoke_key_in_list, run_cli};

/// Saves a secret with the given content type, to simulate another program or an earlier version of this app.
async fn save_from_other_program(desktop: &Desktop, name: &str, secret: &str, content_type: &str) -> Result<()> {
    save_with_attributes(desktop, HashMap::from([("service", "ul-keys"), ("username", name)]), secret, content_type)
        .await
}

/// Saves a secret with the given attributes and content type.
async fn save_with_attributes(
    desktop: &Desktop,
    attributes: HashMap<&str, &str>,
    secret: &str,
    content_type: &str,
) -> Result<()> {
    let bus = zbus::connection::Builder::address(desktop.bus_address())?.build().await?;
    let service = SecretService::connect_with_existing(EncryptionType::Dh, bus).await?;
    let collection = service.get_default_collection().await?;
    let label = format!("UL Keys: {}", attributes["username"]);
    collection.create_item(&label, attributes, secret.as_bytes(), true, content_type).await?;
    Ok(())
}

/// Returns the length of the key that a program started by `ul-keys run` receives.
fn received_key_length(desktop: &Desktop, name: &str) -> Result<String> {
    let output = run_cli(desktop, &["run", "--key", name, "--", "sh", "-c", "echo ${#ULTRALYTICS_API_KEY}"])?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

#[tokio::test]
async fn save_in_keepassxc_sets_password_of_entry() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let keepass = KeePass::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "trainer").await?;
    let key = lookup_in_keychain(&desktop, "trainer").context("another program does not find the key")?;
    ensure!(key.len() == 43 && key.starts_with("ul_"), "the keychain does not contain the key");
    let is_password =
        async || keepass.read_password(&desktop, "UL Keys: trainer").is_ok_and(|password| password == key);
    app.wait("the key as the password", is_password).await?;
    ensure!(keepass.list_attachments(&desktop, "UL Keys: trainer")?.is_empty(), "the entry has an attachment");
    ensure!(received_key_length(&desktop, "trainer")? == "43", "the program does not receive the key");

    revoke_key_in_list(&app, "trainer").await?;
    app.wait("the entry to be removed", async || lookup_in_keychain(&desktop, "trainer").is_none()).await?;
    app.wait("the entry to be removed on the disk", async || {
        keepass.read_password(&desktop, "UL Keys: trainer").is_err()
    })
    .await
}

/// An earlier version saved keys as bytes, which KeePassXC stores as an attachment of an entry without a password.
#[tokio::test]
async fn save_over_attachment_moves_key_into_password() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let keepass = KeePass::start(&desktop)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("early", "read").await?;
    let key = app.text("code.key").await?.trim().to_owned();
    save_from_other_program(&desktop, "early", &key, "application/octet-stream").await?;
    let is_attached =
        async || keepass.list_attachments(&desktop, "UL Keys: early").is_ok_and(|names| !names.is_empty());
    app.wait("the attachment", is_attached).await?;
    ensure!(keepass.read_password(&desktop, "UL Keys: early")?.is_empty(), "the entry has a password");
    ensure!(received_key_length(&desktop, "early")? == "43", "the attached key is not read");

    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    let is_password = async || keepass.read_password(&desktop, "UL Keys: early").is_ok_and(|password| password == key);
    app.wait("the key as the password", is_password).await?;
    ensure!(keepass.list_attachments(&desktop, "UL Keys: early")?.is_empty(), "the entry still has an attachment");
    ensure!(lookup_in_keychain(&desktop, "early") == Some(key), "another program does not find the key");
    Ok(())
}

/// Writes a settings file, as the app does when it is first started. Without this file, the command line does not know
/// the service's port.
fn write_empty_settings(desktop: &Desktop) -> Result<()> {
    std::fs::create_dir_all(desktop.data_folder())?;
    Ok(std::fs::write(desktop.settings_file(), "{}")?)
}

#[tokio::test]
async fn run_with_trailing_newline_in_entry_passes_key_alone() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    write_empty_settings(&desktop)?;
    let _keyring = Keyring::start(&desktop)?;
    let key = format!("ul_{}", "0123456789".repeat(4));
    for (name, end) in [("unix", "\n"), ("windows", "\r\n")] {
        save_from_other_program(&desktop, name, &format!("{key}{end}"), "text/plain").await?;
        ensure!(received_key_length(&desktop, name)? == "43", "{name}");
    }
    Ok(())
}

/// Another program has saved two entries with the same name that differ in an additional attribute.
#[tokio::test]
async fn run_with_two_entries_of_one_name_reports_it_without_keys() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    write_empty_settings(&desktop)?;
    let _keyring = Keyring::start(&desktop)?;
    for (digit, more) in [("0", "one"), ("1", "two")] {
        let key = format!("ul_{}", digit.repeat(40));
        let command =
            format!("printf %s {key} | secret-tool store --label=x service ul-keys username twice more {more}");
        desktop.run("sh", &["-c", &command])?;
    }
    let output = run_cli(&desktop, &["run", "--key", "twice", "--", "true"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(125) && said.contains("several entries for this name"), "{said}");
    ensure!(!said.contains("ul_0") && !said.contains("Specifier"), "{said}");
    Ok(())
}

#[tokio::test]
async fn run_and_revoke_with_two_entries_in_keepassxc_use_saved_one() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keepass = KeePass::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "trainer").await?;
    let own = lookup_in_keychain(&desktop, "trainer").context("the key was not saved")?;
    let attributes = HashMap::from([("service", "ul-keys"), ("username", "trainer"), ("from", "another")]);
    let other = format!("ul_{}", "0".repeat(40));
    save_with_attributes(&desktop, attributes, &other, "text/plain").await?;
    let received = run_cli(&desktop, &["run", "--key", "trainer", "--", "printenv", "ULTRALYTICS_API_KEY"])?;
    ensure!(String::from_utf8(received.stdout)?.trim() == own, "{:?}", received.stderr);
    revoke_key_in_list(&app, "trainer").await?;
    app.wait("only the other key", async || lookup_in_keychain(&desktop, "trainer").is_some_and(|found| found == other))
        .await
}
