//! A key goes into a real keychain, programs start with it, and it leaves when it is revoked.

use std::process::Output;

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, Keyring, binary, tools};

use crate::hands::{choose, confirm};

/// Runs the command line beside the window.
pub(crate) fn ul_keys(desktop: &Desktop, arguments: &[&str]) -> Result<Output> {
    Ok(desktop.command(binary()).args(arguments).output()?)
}

/// What another program finds under a name.
pub(crate) fn looked_up(desktop: &Desktop, name: &str) -> Option<String> {
    desktop.run("secret-tool", &["lookup", "service", "ul-keys", "username", name]).ok()
}

/// Creates a key and saves it, without ever copying it.
pub(crate) async fn create_and_save(app: &App, name: &str) -> Result<()> {
    app.create_in_dialog(name, "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    app.wait_text(&format!("ul-keys run --key {name} -- yolo train")).await?;
    // A saved key is safe: nothing is asked.
    app.click("Done").await?;
    app.leave_key_window().await
}

pub(crate) async fn revoke(app: &App, name: &str) -> Result<()> {
    choose(app, name, "Revoke…").await?;
    app.click("Revoke key").await?;
    app.wait_text(&format!("{name} was revoked")).await
}

#[tokio::test]
async fn a_saved_key_starts_programs_and_leaves_when_it_is_revoked() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save(&app, "trainer").await?;
    let key = looked_up(&desktop, "trainer").unwrap_or_default();
    ensure!(key.len() == 43 && key.starts_with("ul_"), "the key");
    let saved = std::fs::read_to_string(desktop.data().join("saved-keys.json"))?;
    ensure!(saved.contains("trainer") && !saved.contains(&key), "names only: {saved}");

    let listed = ul_keys(&desktop, &["list"])?;
    ensure!(String::from_utf8(listed.stdout)? == format!("trainer\t{}…\n", &key[..11]), "name and prefix");
    let ul = tools().join("ul/bin/ul").display().to_string();
    let summary = ul_keys(&desktop, &["run", "--key", "trainer", "--", &ul, "cloud", "account", "summary"])?;
    ensure!(summary.status.success(), "{summary:?}");
    let told = format!("{}{}", String::from_utf8(summary.stdout)?, String::from_utf8(summary.stderr)?);
    ensure!(told.contains("\"plan\": \"free\"") && !told.contains(&key), "{told}");
    let script = r#"test ${#ULTRALYTICS_API_KEY} = 43 && echo "$ULTRALYTICS_PLATFORM_URL" && exit 7"#;
    let own = ul_keys(&desktop, &["run", "--key", "trainer", "--", "sh", "-c", script])?;
    ensure!(own.status.code() == Some(7), "the program's own answer: {own:?}");
    ensure!(String::from_utf8(own.stdout)? == format!("http://127.0.0.1:{}\n", app.port), "the service's address");

    choose(&app, "trainer", "Revoke…").await?;
    // It was used just now.
    app.control("To confirm, type trainer").await?;
    confirm(&desktop, &app, "trainer").await?;
    app.click("Revoke key").await?;
    app.wait_text("trainer was revoked").await?;
    app.wait("the end of the entry", async || looked_up(&desktop, "trainer").is_none()).await?;
    let gone = ul_keys(&desktop, &["run", "--key", "trainer", "--", "true"])?;
    ensure!(gone.status.code() == Some(125), "{gone:?}");
    ensure!(String::from_utf8_lossy(&gone.stderr).contains("holds no key under this name"), "{gone:?}");
    Ok(())
}

/// A database that was moved away may come back, or be another computer's.
#[tokio::test]
async fn a_new_database_leaves_the_keychain_alone() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save(&app, "kept").await?;
    app.quit().await?;
    std::fs::rename(desktop.data().join("keys.db"), desktop.data().join("moved.db"))?;

    let app = App::start(&desktop).await?;
    create_and_save(&app, "short-lived").await?;
    revoke(&app, "short-lived").await?;
    // Whatever was looked at when the service came was looked at before this.
    app.wait("the end of the entry", async || looked_up(&desktop, "short-lived").is_none()).await?;
    ensure!(looked_up(&desktop, "kept").is_some(), "a key that may be good was removed");
    Ok(())
}

#[tokio::test]
async fn a_name_is_taken_over_only_after_asking() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    create_and_save(&app, "twice").await?;
    let old = looked_up(&desktop, "twice");

    app.create_in_dialog("twice", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("already holds another key under the name").await?;
    app.wait_focus("Cancel").await?;
    app.click("Cancel").await?;
    app.wait_focus("Save in this computer’s keychain").await?;
    ensure!(looked_up(&desktop, "twice") == old, "nothing was replaced");
    app.click("Save in this computer’s keychain").await?;
    app.click("Replace").await?;
    app.wait_text("Saved in this computer").await?;
    let new = looked_up(&desktop, "twice");
    ensure!(new.is_some() && new != old, "replaced");
    app.click("Done").await?;
    app.leave_key_window().await?;

    // Revoking the old key leaves the new one where it is.
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let old_id = listed["keys"][1]["keyId"].clone();
    app.invoke("revoke_key", json!({ "keyId": old_id })).await?.expect("revoked");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    ensure!(looked_up(&desktop, "twice") == new, "another key's entry was removed");

    ensure!(ul_keys(&desktop, &["forget", "twice"])?.status.success(), "forgotten");
    ensure!(looked_up(&desktop, "twice").is_none() && ul_keys(&desktop, &["list"])?.stdout.is_empty(), "forgotten");
    let again = ul_keys(&desktop, &["forget", "twice"])?;
    ensure!(again.status.code() == Some(125), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data())?;
    std::fs::write(desktop.settings(), "{}")?;
    let _keyring = Keyring::start(&desktop)?;
    let key = format!("ul_{}", "0123456789".repeat(4));
    let store = format!("printf %s {key} | secret-tool store --label=x service ul-keys username by-hand");
    desktop.run("sh", &["-c", &store])?;
    for (program, code) in [("no-such-program", 127), ("/etc", 126)] {
        let failed = ul_keys(&desktop, &["run", "--key", "by-hand", "--", program])?;
        let told = String::from_utf8_lossy(&failed.stderr).into_owned();
        ensure!(failed.status.code() == Some(code) && told.contains(program), "{failed:?}");
        ensure!(told.contains("the key service does not answer at http://127.0.0.1:"), "the app is closed: {told}");
        ensure!(!told.contains(&key), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_keychain_the_key_stays_on_the_screen() -> Result<()> {
    let desktop = Desktop::start_without_services(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("patient", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("This computer has no keychain that the app can reach").await?;
    let failed = ul_keys(&desktop, &["run", "--key", "patient", "--", "true"])?;
    ensure!(String::from_utf8_lossy(&failed.stderr).contains("no keychain can be reached"), "{failed:?}");
    // One that is started since is found.
    let _keyring = Keyring::start(&desktop)?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    ensure!(looked_up(&desktop, "patient").is_some(), "saved");
    Ok(())
}

#[tokio::test]
async fn a_locked_keychain_asks_and_takes_no_for_an_answer() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    keyring.lock(&desktop)?;
    app.create_in_dialog("locked", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    keyring.refuse(&desktop)?;
    app.wait_text("prompt was dismissed. Nothing was saved.").await?;
    app.click("Save in this computer’s keychain").await?;
    keyring.answer(&desktop)?;
    app.wait_text("Saved in this computer").await?;
    app.click("Done").await?;
    app.leave_key_window().await?;

    // Revoking does not wait for the keychain, and says when an entry stays.
    keyring.lock(&desktop)?;
    revoke(&app, "locked").await?;
    keyring.refuse(&desktop)?;
    app.wait_text("is still in this computer").await?;
    app.wait_text("prompt was dismissed").await?;
    // It is tried again when the app starts again.
    app.quit().await?;
    let app = App::start(&desktop).await?;
    keyring.answer(&desktop)?;
    app.wait("the end of the entry", async || looked_up(&desktop, "locked").is_none()).await
}

#[tokio::test]
async fn a_question_that_nobody_answers_comes_to_an_end() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    keyring.lock(&desktop)?;
    app.create_in_dialog("waiting", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    tokio::time::sleep(std::time::Duration::from_secs(55)).await;
    app.wait_text("was not unlocked in time").await?;
    // Answered at last, it saves nothing by itself.
    keyring.answer(&desktop)?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    ensure!(looked_up(&desktop, "waiting").is_none(), "saved after all");
    app.click("Copy").await?;
    app.wait_text("Copied").await
}

/// The keychain is unlocked when the key that it was for has gone, and another one is on the screen.
#[tokio::test]
async fn a_late_answer_saves_no_other_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    keyring.lock(&desktop)?;
    app.create_in_dialog("first", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    app.leave_key_window().await?;
    // Its window cannot have the focus yet, which the question holds.
    let second = json!({ "name": "second", "scopes": ["read"], "replaces": null });
    app.invoke("create_key", second).await?.expect("created");
    keyring.answer(&desktop)?;
    app.wait("the second window", async || desktop.key_window().is_ok()).await?;
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.key_window()?])?;
    app.enter_key_window().await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    ensure!(looked_up(&desktop, "second").is_none(), "nobody asked for that");
    ensure!(looked_up(&desktop, "first").is_none(), "its plaintext has gone");
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    ensure!(looked_up(&desktop, "second").is_some(), "asked for now");
    Ok(())
}

/// Saves under a name by another program, which adds an attribute and so makes an entry of its own.
fn save_beside(desktop: &Desktop, name: &str, digit: char) -> Result<String> {
    let key = format!("ul_{}", digit.to_string().repeat(40));
    let store =
        format!("printf %s {key} | secret-tool store --label=x service ul-keys username {name} from another-{digit}");
    desktop.run("sh", &["-c", &store])?;
    Ok(key)
}

/// All that is saved under a name. The tool prints the secrets, and the attributes as errors.
fn all_saved(desktop: &Desktop, name: &str) -> Result<Vec<String>> {
    let found = desktop.run("secret-tool", &["search", "--all", "--unlock", "service", "ul-keys", "username", name])?;
    let mut secrets: Vec<_> =
        found.lines().filter_map(|line| line.strip_prefix("secret = ")).map(str::to_owned).collect();
    secrets.sort();
    Ok(secrets)
}

/// Which key a program receives.
fn run_key(desktop: &Desktop, name: &str) -> Result<Output> {
    ul_keys(desktop, &["run", "--key", name, "--", "printenv", "ULTRALYTICS_API_KEY"])
}

#[tokio::test]
async fn run_forget_and_revoke_with_two_entries_of_one_name_mean_the_one_that_was_saved() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    for name in ["revoked", "forgotten"] {
        create_and_save(&app, name).await?;
        let own = looked_up(&desktop, name).unwrap_or_default();
        let other = save_beside(&desktop, name, '0')?;
        ensure!(all_saved(&desktop, name)?.len() == 2, "two entries");
        let received = run_key(&desktop, name)?;
        ensure!(String::from_utf8(received.stdout)?.trim() == own && own != other, "{name}: {:?}", received.status);
    }

    revoke(&app, "revoked").await?;
    let only_other =
        async || all_saved(&desktop, "revoked").is_ok_and(|saved| saved.len() == 1 && saved[0].contains("00000"));
    app.wait("the end of the revoked key alone", only_other).await?;
    let listed = String::from_utf8(ul_keys(&desktop, &["list"])?.stdout)?;
    ensure!(listed.contains("forgotten") && !listed.contains("revoked"), "{listed}");

    let forgotten = ul_keys(&desktop, &["forget", "forgotten"])?;
    let said = String::from_utf8_lossy(&forgotten.stderr).into_owned();
    ensure!(forgotten.status.success() && said.contains("still holds another entry for this name"), "{said}");
    ensure!(all_saved(&desktop, "forgotten")?.iter().all(|saved| saved.contains("00000")), "the right one");

    // Nothing is said at the next start: nothing was left behind.
    app.quit().await?;
    let app = App::start(&desktop).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    app.wait_gone("is still in this computer").await?;
    Ok(())
}

#[tokio::test]
async fn save_and_forget_with_several_unknown_entries_say_what_to_do_and_change_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    let others = [save_beside(&desktop, "twice", '0')?, save_beside(&desktop, "twice", '1')?];
    for command in [&["forget", "twice"][..], &["run", "--key", "twice", "--", "true"]] {
        let failed = ul_keys(&desktop, command)?;
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        ensure!(failed.status.code() == Some(125) && said.contains("several entries for this name"), "{said}");
        ensure!(said.contains("remove all but one") && !said.contains("locked") && !said.contains('{'), "{said}");
    }
    app.create_in_dialog("twice", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("holds several entries under this name").await?;
    ensure!(all_saved(&desktop, "twice")? == others, "nothing was changed");
    // With one of them, it is clear what would be replaced.
    desktop.run("secret-tool", &["clear", "service", "ul-keys", "username", "twice", "from", "another-1"])?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("already holds another key under the name").await?;
    app.click("Replace").await?;
    app.wait_text("Saved in this computer").await?;
    ensure!(all_saved(&desktop, "twice")?.len() == 1 && all_saved(&desktop, "twice")? != others[..1], "replaced");
    Ok(())
}
