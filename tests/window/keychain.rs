//! Tests a real keychain: a key is saved, programs start with the key, and the entry is removed when the key is
//! revoked.

use std::process::Output;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, Keyring, cli_binary, ensure_holds, tools_folder};

use crate::helpers::{choose_menu_entry, type_confirmation};

/// Runs the app's command line.
pub(crate) fn run_cli(desktop: &Desktop, arguments: &[&str]) -> Result<Output> {
    Ok(desktop.command(cli_binary()).args(arguments).output()?)
}

/// Returns the secret that another program finds in the keychain under a name.
pub(crate) fn lookup_in_keychain(desktop: &Desktop, name: &str) -> Option<String> {
    desktop.run("secret-tool", &["lookup", "service", "ul-keys", "username", name]).ok()
}

/// Creates a key and saves it in the keychain, without copying it.
pub(crate) async fn create_and_save_key(app: &App, name: &str) -> Result<()> {
    app.create_key_in_dialog(name, "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    app.wait_text(&format!("ul-keys run --key {name} -- yolo train")).await?;
    // A saved key is safe, so closing the window does not ask for confirmation.
    app.click("Done").await?;
    app.wait_key_window_closed().await
}

pub(crate) async fn revoke_key_in_list(app: &App, name: &str) -> Result<()> {
    choose_menu_entry(app, name, "Revoke…").await?;
    app.click("Revoke key").await?;
    app.wait_text(&format!("{name} was revoked")).await
}

#[tokio::test]
async fn saved_key_starts_programs_and_is_removed_on_revocation() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "trainer").await?;
    let key = lookup_in_keychain(&desktop, "trainer").unwrap_or_default();
    ensure!(key.len() == 43 && key.starts_with("ul_"), "the keychain does not contain the key");
    let saved = std::fs::read_to_string(desktop.data_folder().join("saved-keys.json"))?;
    ensure!(
        saved.contains("trainer") && !saved.contains(&key),
        "the index of saved keys is incomplete or contains the key: {saved}"
    );

    let listed = run_cli(&desktop, &["keychain", "list"])?;
    ensure!(
        String::from_utf8(listed.stdout)? == format!("trainer\t{}…\n", &key[..11]),
        "the list does not contain exactly the name and the prefix"
    );
    let ul = tools_folder().join("ul/bin/ul").display().to_string();
    let summary = run_cli(&desktop, &["run", "--key", "trainer", "--", &ul, "cloud", "account", "summary"])?;
    ensure!(summary.status.success(), "{summary:?}");
    let told = format!("{}{}", String::from_utf8(summary.stdout)?, String::from_utf8(summary.stderr)?);
    ensure!(told.contains("\"plan\": \"free\"") && !told.contains(&key), "{told}");
    let script = r#"test ${#ULTRALYTICS_API_KEY} = 43 && echo "$ULTRALYTICS_PLATFORM_URL" && exit 7"#;
    let own = run_cli(&desktop, &["run", "--key", "trainer", "--", "sh", "-c", script])?;
    ensure!(own.status.code() == Some(7), "the exit code is not that of the program: {own:?}");
    ensure!(
        String::from_utf8(own.stdout)? == format!("http://127.0.0.1:{}\n", app.port),
        "the program did not receive the service's address"
    );

    choose_menu_entry(&app, "trainer", "Revoke…").await?;
    // The key was used recently, so the dialog requires the user to type its name.
    app.find_control("To confirm, type trainer").await?;
    type_confirmation(&desktop, &app, "trainer").await?;
    app.click("Revoke key").await?;
    app.wait_text("trainer was revoked").await?;
    app.wait("the entry to be removed", async || lookup_in_keychain(&desktop, "trainer").is_none()).await?;
    let gone = run_cli(&desktop, &["run", "--key", "trainer", "--", "true"])?;
    ensure!(gone.status.code() == Some(125), "{gone:?}");
    ensure!(String::from_utf8_lossy(&gone.stderr).contains("holds no key under this name"), "{gone:?}");
    Ok(())
}

/// With a new database, the app must not remove the entries of keys that the database does not contain: the previous
/// database may be restored, or the keys may belong to another computer.
#[tokio::test]
async fn new_database_leaves_keychain_unchanged() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "kept").await?;
    app.quit().await?;
    std::fs::rename(desktop.data_folder().join("keys.db"), desktop.data_folder().join("moved.db"))?;

    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "short-lived").await?;
    revoke_key_in_list(&app, "short-lived").await?;
    // The app checks all existing entries when it starts, before it removes this entry. Once this entry is removed,
    // that check is complete.
    app.wait("the entry to be removed", async || lookup_in_keychain(&desktop, "short-lived").is_none()).await?;
    ensure!(lookup_in_keychain(&desktop, "kept").is_some(), "a key that may still be valid was removed");
    Ok(())
}

#[tokio::test]
async fn existing_entry_is_replaced_only_after_confirmation() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save_key(&app, "twice").await?;
    let old = lookup_in_keychain(&desktop, "twice");

    app.create_key_in_dialog("twice", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("already holds another key under the name").await?;
    app.wait_focus("Cancel").await?;
    app.click("Cancel").await?;
    app.wait_focus("Save in this computer’s keychain").await?;
    ensure!(lookup_in_keychain(&desktop, "twice") == old, "the entry was replaced");
    app.click("Save in this computer’s keychain").await?;
    app.click("Replace").await?;
    app.wait_text("Saved in this computer").await?;
    let new = lookup_in_keychain(&desktop, "twice");
    ensure!(new.is_some() && new != old, "the entry was not replaced");
    app.click("Done").await?;
    app.wait_key_window_closed().await?;

    // Revoking the old key does not remove the entry of the new key.
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let old_id = listed["keys"][1]["keyId"].clone();
    app.invoke("revoke_key", json!({ "keyId": old_id })).await?.expect("revoked");
    let is_kept = async || lookup_in_keychain(&desktop, "twice") == new;
    ensure_holds("the entry of the other key", Duration::from_secs(2), is_kept).await?;

    ensure!(
        run_cli(&desktop, &["keychain", "forget", "twice"])?.status.success(),
        "the key was not removed from the keychain"
    );
    ensure!(
        lookup_in_keychain(&desktop, "twice").is_none() && run_cli(&desktop, &["keychain", "list"])?.stdout.is_empty(),
        "the key was not removed from the keychain and the list"
    );
    let again = run_cli(&desktop, &["keychain", "forget", "twice"])?;
    ensure!(again.status.code() == Some(125), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn run_with_program_that_cannot_start_names_it() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.settings_file(), "{}")?;
    let _keyring = Keyring::start(&desktop)?;
    let key = format!("ul_{}", "0123456789".repeat(4));
    let store = format!("printf %s {key} | secret-tool store --label=x service ul-keys username by-hand");
    desktop.run("sh", &["-c", &store])?;
    for (program, code) in [("no-such-program", 127), ("/etc", 126)] {
        let failed = run_cli(&desktop, &["run", "--key", "by-hand", "--", program])?;
        let told = String::from_utf8_lossy(&failed.stderr).into_owned();
        ensure!(failed.status.code() == Some(code) && told.contains(program), "{failed:?}");
        ensure!(
            told.contains("the key service does not answer at http://127.0.0.1:"),
            "the closed app is not reported: {told}"
        );
        ensure!(!told.contains(&key), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn save_without_keychain_reports_it_and_keeps_key_shown() -> Result<()> {
    let desktop = Desktop::start_without_bus_services(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("patient", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("This computer has no keychain that the app can reach").await?;
    let failed = run_cli(&desktop, &["run", "--key", "patient", "--", "true"])?;
    ensure!(String::from_utf8_lossy(&failed.stderr).contains("no keychain can be reached"), "{failed:?}");
    // The app also finds a keychain that starts after the app.
    let _keyring = Keyring::start(&desktop)?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    ensure!(lookup_in_keychain(&desktop, "patient").is_some(), "the key was not saved");
    Ok(())
}

#[tokio::test]
async fn dismissed_prompt_of_locked_keychain_is_reported() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    keyring.lock(&desktop)?;
    app.create_key_in_dialog("locked", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    keyring.dismiss_prompt(&desktop)?;
    app.wait_text("prompt was dismissed. Nothing was saved.").await?;
    app.click("Save in this computer’s keychain").await?;
    keyring.enter_password(&desktop)?;
    app.wait_text("Saved in this computer").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await?;

    // A revocation does not wait for the keychain, and the window reports an entry that could not be removed.
    keyring.lock(&desktop)?;
    revoke_key_in_list(&app, "locked").await?;
    keyring.dismiss_prompt(&desktop)?;
    app.wait_text("is still in this computer").await?;
    app.wait_text("prompt was dismissed").await?;
    // When the app is started again, it retries the removal of the entry.
    app.quit().await?;
    let app = App::start(&desktop).await?;
    keyring.enter_password(&desktop)?;
    app.wait("the entry to be removed", async || lookup_in_keychain(&desktop, "locked").is_none()).await
}

#[tokio::test]
async fn unanswered_keychain_prompt_times_out() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    keyring.lock(&desktop)?;
    app.create_key_in_dialog("waiting", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    let has_ended = async || app.text("body").await.is_ok_and(|text| text.contains("was not unlocked in time"));
    app.wait_within(Duration::from_secs(80), "the prompt to time out", has_ended).await?;
    // If the user answers the prompt after the timeout, the key is not saved.
    keyring.enter_password(&desktop)?;
    let is_unsaved = async || lookup_in_keychain(&desktop, "waiting").is_none();
    ensure_holds("a keychain without the key", Duration::from_secs(1), is_unsaved).await?;
    app.click("Copy").await?;
    app.wait_text("Copied").await
}

/// The keychain is unlocked after the window of the first key has closed, while another key is on the screen.
#[tokio::test]
async fn late_unlock_saves_no_other_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    keyring.lock(&desktop)?;
    app.create_key_in_dialog("first", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    app.wait_key_window_closed().await?;
    // The second window cannot have the focus yet, because the keychain's prompt has it.
    let second = json!({ "name": "second", "scopes": ["read"], "replaces": null });
    app.invoke("create_key", second).await?.expect("created");
    keyring.enter_password(&desktop)?;
    app.wait("the second window", async || desktop.key_window().is_ok()).await?;
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.key_window()?])?;
    app.switch_to_key_window().await?;
    let is_unsaved = async || lookup_in_keychain(&desktop, "second").is_none();
    ensure_holds("a keychain without the second key", Duration::from_secs(1), is_unsaved).await?;
    ensure!(lookup_in_keychain(&desktop, "first").is_none(), "the first key was saved after its window closed");
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    ensure!(lookup_in_keychain(&desktop, "second").is_some(), "the second key was not saved");
    Ok(())
}

/// Saves a key as another program does. The program adds an attribute, so the keychain creates a separate entry with
/// the same name.
fn save_second_entry(desktop: &Desktop, name: &str, digit: char) -> Result<String> {
    let key = format!("ul_{}", digit.to_string().repeat(40));
    let store =
        format!("printf %s {key} | secret-tool store --label=x service ul-keys username {name} from another-{digit}");
    desktop.run("sh", &["-c", &store])?;
    Ok(key)
}

/// Returns all secrets saved under a name. `secret-tool` prints the secrets to standard output and the attributes to
/// standard error.
fn list_saved_keys(desktop: &Desktop, name: &str) -> Result<Vec<String>> {
    let found = desktop.run("secret-tool", &["search", "--all", "--unlock", "service", "ul-keys", "username", name])?;
    let mut secrets: Vec<_> =
        found.lines().filter_map(|line| line.strip_prefix("secret = ")).map(str::to_owned).collect();
    secrets.sort();
    Ok(secrets)
}

/// Starts a program that prints the key it receives.
fn run_with_key(desktop: &Desktop, name: &str) -> Result<Output> {
    run_cli(desktop, &["run", "--key", name, "--", "printenv", "ULTRALYTICS_API_KEY"])
}

#[tokio::test]
async fn run_forget_and_revoke_with_two_entries_use_saved_one() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    for name in ["revoked", "forgotten"] {
        create_and_save_key(&app, name).await?;
        let own = lookup_in_keychain(&desktop, name).unwrap_or_default();
        let other = save_second_entry(&desktop, name, '0')?;
        ensure!(list_saved_keys(&desktop, name)?.len() == 2, "there are not exactly two entries");
        let received = run_with_key(&desktop, name)?;
        ensure!(String::from_utf8(received.stdout)?.trim() == own && own != other, "{name}: {:?}", received.status);
    }

    revoke_key_in_list(&app, "revoked").await?;
    let only_other =
        async || list_saved_keys(&desktop, "revoked").is_ok_and(|saved| saved.len() == 1 && saved[0].contains("00000"));
    app.wait("only the revoked key to be removed", only_other).await?;
    let listed = String::from_utf8(run_cli(&desktop, &["keychain", "list"])?.stdout)?;
    ensure!(listed.contains("forgotten") && !listed.contains("revoked"), "{listed}");

    let forgotten = run_cli(&desktop, &["keychain", "forget", "forgotten"])?;
    let said = String::from_utf8_lossy(&forgotten.stderr).into_owned();
    ensure!(forgotten.status.success() && said.contains("still contains another entry for this name"), "{said}");
    ensure!(
        list_saved_keys(&desktop, "forgotten")?.iter().all(|saved| saved.contains("00000")),
        "the wrong entry was removed"
    );

    // After a restart, the app reports nothing, because no entry of a revoked key remains.
    app.quit().await?;
    let app = App::start(&desktop).await?;
    let says_nothing = async || app.text("body").await.is_ok_and(|text| !text.contains("is still in this computer"));
    ensure_holds("a page without a notice", Duration::from_secs(2), says_nothing).await
}

#[tokio::test]
async fn save_and_forget_with_several_unknown_entries_explain_and_change_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    let others = [save_second_entry(&desktop, "twice", '0')?, save_second_entry(&desktop, "twice", '1')?];
    for command in [&["keychain", "forget", "twice"][..], &["run", "--key", "twice", "--", "true"]] {
        let failed = run_cli(&desktop, command)?;
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        ensure!(failed.status.code() == Some(125) && said.contains("several entries for this name"), "{said}");
        ensure!(said.contains("remove all but one") && !said.contains("locked") && !said.contains('{'), "{said}");
    }
    app.create_key_in_dialog("twice", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("holds several entries under this name").await?;
    ensure!(list_saved_keys(&desktop, "twice")? == others, "an entry was changed");
    // With only one entry left, it is clear which key would be replaced.
    desktop.run("secret-tool", &["clear", "service", "ul-keys", "username", "twice", "from", "another-1"])?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("already holds another key under the name").await?;
    app.click("Replace").await?;
    app.wait_text("Saved in this computer").await?;
    ensure!(
        list_saved_keys(&desktop, "twice")?.len() == 1 && list_saved_keys(&desktop, "twice")? != others[..1],
        "the entry was not replaced"
    );
    Ok(())
}
