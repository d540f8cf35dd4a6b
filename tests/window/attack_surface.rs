//! Who may reach what: the page's commands under hostile arguments, and other people and programs at the service.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop};

/// Each command of the list's window with the arguments that it takes.
const LIST_WINDOW_COMMANDS: &[(&str, &[&str])] = &[
    ("answer_quit_question", &["answer"]),
    ("cancel_run", &["runId"]),
    ("change_port", &["port"]),
    ("change_preferences", &["preferences"]),
    ("check_key", &["key", "method", "path"]),
    ("clear_clipboard", &[]),
    ("copy_key_id", &["keyId"]),
    ("copy_service_url", &[]),
    ("copy_text", &["text"]),
    ("count_keys", &[]),
    ("create_key", &["name", "scopes", "replaces"]),
    ("delete_run", &["runId"]),
    ("export_activity", &["format", "kind", "keyId", "day", "title"]),
    ("get_key_usage", &["keyId", "hours"]),
    ("list_activity", &["query"]),
    ("list_keys", &["query"]),
    ("list_runs", &["keyId", "cursor"]),
    ("get_file_locations", &[]),
    ("rename_key", &["keyId", "name"]),
    ("replace_lost_key", &[]),
    ("retry_service", &[]),
    ("revoke_key", &["keyId"]),
    ("get_keychain_name", &["keyId"]),
    ("get_key", &["keyId"]),
    ("show_list_window", &[]),
    ("focus_one_time_window", &[]),
    ("get_run", &["runId"]),
    ("get_training_storage", &[]),
    ("subscribe", &["channel"]),
];

/// The same of the window with a new key. The last one comes last, as it closes the window where the window manager
/// says that it is minimized.
const KEY_WINDOW_COMMANDS: &[(&str, &[&str])] = &[
    ("change_preferences", &["preferences"]),
    ("choose_env_file", &["title"]),
    ("clear_clipboard", &[]),
    ("copy_key", &[]),
    ("copy_service_url", &[]),
    ("copy_snippet", &["template"]),
    ("reveal_key", &["publicKey"]),
    ("save_in_keychain", &["replace"]),
    ("one_time_ready", &["height"]),
    ("subscribe", &["channel"]),
    ("write_env_file", &[]),
    ("close_one_time_window", &["unseen"]),
    ("one_time_hidden", &[]),
];

fn hostile_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(65_536),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!("x".repeat(1_000_000)),
        json!("../../etc/passwd"),
        json!("key_'; DROP TABLE keys; --"),
        json!("\u{0}\u{202e}\n"),
        json!("__CHANNEL__:not-a-number"),
        json!([]),
        json!(["root", null, {}]),
        json!(vec!["read"; 100_000]),
        json!({ "__proto__": { "polluted": true }, "toString": 1 }),
    ]
}

/// A capability file permits exactly these commands.
fn ensure_capabilities_match(file: &str, commands: &[(&str, &[&str])]) -> Result<()> {
    let declared: Value = serde_json::from_str(file)?;
    let permitted = declared["permissions"].as_array().context("a list")?.iter().filter_map(Value::as_str);
    let permitted: BTreeSet<_> = permitted.map(str::to_owned).collect();
    let tried = commands.iter().map(|(command, _)| format!("allow-{}", command.replace('_', "-")));
    ensure!(permitted == tried.collect::<BTreeSet<_>>(), "every permitted command is tried here");
    Ok(())
}

/// Calls each command with everything that it does not expect.
async fn fuzz_commands(app: &App, commands: &[(&str, &[&str])]) -> Result<()> {
    for (command, arguments) in commands.iter().filter(|(_, arguments)| !arguments.is_empty()) {
        let missing = app.invoke(command, json!({})).await?.expect_err("an argument is missing");
        ensure!(missing.to_string().contains(arguments[0]), "{command} names what is missing: {missing}");
        for value in hostile_values() {
            let expected = match *command {
                // The system's dialog would open, the window would close.
                "choose_env_file" => value.as_str().is_some_and(|it| it.len() < 200 && !it.contains('\n')),
                "save_in_keychain" | "close_one_time_window" => value.is_boolean(),
                "one_time_ready" => value.is_number(),
                // Any short text may be copied.
                "copy_text" => value.as_str().is_some_and(|it| it.len() < 200),
                // Any text may be asked about; the answer says what is wrong with it.
                "check_key" => value.is_string(),
                _ => false,
            };
            if expected {
                continue;
            }
            let all: Value = arguments
                .iter()
                .map(|name| ((*name).to_owned(), value.clone()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let told = app.invoke(command, all).await?.expect_err(command).to_string();
            // Tauri itself reads channels, and tells the page what the page gave.
            ensure!(*command == "subscribe" || told.len() < 200, "{command} repeats what it was given");
        }
    }
    Ok(())
}

#[tokio::test]
async fn hostile_arguments_are_rejected_without_loss() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    ensure_capabilities_match(include_str!("../../src-tauri/capabilities/main.json"), LIST_WINDOW_COMMANDS)?;
    ensure_capabilities_match(include_str!("../../src-tauri/capabilities/one-time.json"), KEY_WINDOW_COMMANDS)?;
    app.create_key_in_dialog("kept", "read").await?;
    app.switch_to_list_window().await?;
    let before = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");

    fuzz_commands(&app, LIST_WINDOW_COMMANDS).await?;
    // The one restarts the service; for the other, a key would have to be lost.
    let has_no_effect = |command: &str| !matches!(command, "retry_service" | "replace_lost_key");
    for (command, _) in
        LIST_WINDOW_COMMANDS.iter().filter(|(command, arguments)| arguments.is_empty() && has_no_effect(command))
    {
        for value in hostile_values() {
            // There is nothing to read, so nothing can be wrong.
            app.invoke(command, json!({ "surprise": value })).await?.expect(command);
        }
    }
    for (command, _) in KEY_WINDOW_COMMANDS.iter().filter(|command| !LIST_WINDOW_COMMANDS.contains(command)) {
        let refused = app.invoke(command, json!({})).await?.expect_err("the other window's");
        ensure!(refused.to_string().contains("not allowed"), "{command}: {refused}");
    }

    app.switch_to_key_window().await?;
    fuzz_commands(&app, KEY_WINDOW_COMMANDS).await?;
    for height in [json!(-1), json!(1e300), json!(65_536)] {
        app.invoke("one_time_ready", json!({ "height": height })).await?.expect("some height");
    }
    let unchosen = app.invoke("write_env_file", json!({ "path": ".env" })).await?.expect_err("no file was chosen");
    ensure!(unchosen["code"] == "SECRET_GONE", "{unchosen}");
    for (command, _) in LIST_WINDOW_COMMANDS.iter().filter(|command| !KEY_WINDOW_COMMANDS.contains(command)) {
        let refused = app.invoke(command, json!({})).await?.expect_err("the other window's");
        ensure!(refused.to_string().contains("not allowed"), "{command}: {refused}");
    }
    ensure!(app.invoke("copy_key", json!({ "surprise": hostile_values() })).await?.is_ok(), "the key is still there");
    app.invoke("close_one_time_window", json!({ "unseen": false, "surprise": hostile_values() })).await.ok();
    app.wait_key_window_closed().await?;
    ensure!(
        app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed") == before,
        "a key was lost or made"
    );
    ensure!(!app.output().contains("panicked"), "{}", app.output());
    Ok(())
}

/// What a program gets from the service that has no credential of its own, as another user where the tests may choose.
#[tokio::test]
async fn other_users_and_programs_cannot_list_create_or_revoke() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "victim", "training").await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let key_id = listed["keys"][0]["keyId"].as_str().context("an id")?;
    let is_root = desktop.is_root()?;
    let url = format!("http://127.0.0.1:{}/api/api-keys", app.port);
    let body = r#"{"name":"mine","scopes":["admin"]}"#;
    // Nothing, a guess, and a key that may do something else.
    for credential in ["", "Authorization: Bearer uls_0", &format!("Authorization: Bearer {key}")] {
        for call in
            [vec![url.clone()], vec![url.clone(), body.into()], vec!["DELETE".into(), format!("{url}/{key_id}")]]
        {
            let mut arguments = vec!["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"];
            if is_root {
                arguments =
                    [vec!["--reuid", "65534", "--regid", "65534", "--clear-groups", "curl"], arguments].concat();
            }
            match &call[..] {
                [method, url] if method == "DELETE" => arguments.extend(["--request", "DELETE", url]),
                [url, body] => arguments.extend(["--data", body, url]),
                [url] => arguments.push(url),
                _ => {}
            }
            if !credential.is_empty() {
                arguments.extend(["--header", credential]);
            }
            let status = desktop.run(if is_root { "setpriv" } else { "curl" }, &arguments)?;
            ensure!(matches!(status.as_str(), "401" | "403"), "{credential}: {status}");
        }
    }
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    ensure!(listed["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{listed}");
    Ok(())
}

/// What a terminal shows may be recorded, by continuous integration for instance.
#[test]
fn key_on_command_line_is_not_echoed() -> Result<()> {
    let home = tempfile::tempdir()?;
    let key = format!("ul_{}", "0123456789".repeat(4));
    let option = format!("--token={key}");
    for arguments in [
        &["run", "--key", &key, "--", "true"][..],
        &["forget", &key],
        &["forget", &format!("my {key}")],
        &["list", &option],
        &[&key],
        &[&option],
    ] {
        let mut command = std::process::Command::new(ulkeys_tests::app_binary());
        let output = command.args(arguments).env("HOME", home.path()).env("UL_KEYS_DATA_DIR", home.path()).output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text)?;
        ensure!(output.status.code() == Some(2) && !text.contains(&key[11..]) && text.contains("error:"), "{text}");
    }
    Ok(())
}
