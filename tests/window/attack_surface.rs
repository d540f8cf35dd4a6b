//! Tests the attack surface: the page calls commands with hostile arguments, and other users and programs access the
//! service.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop};

#[path = "../../src-tauri/src/commands/list.rs"]
mod command_list;

/// A command of the app, with the windows that may call it.
struct Command {
    /// The module of the app that defines the command.
    module: &'static str,
    name: &'static str,
    arguments: &'static [&'static str],
    windows: &'static [&'static str],
}

macro_rules! commands {
    ($($module:ident::$command:ident($($argument:ident),*) in [$($window:literal),*];)*) => {
        &[$(Command {
            module: stringify!($module),
            name: stringify!($command),
            arguments: &[$(stringify!($argument)),*],
            windows: &[$($window),*],
        }),*]
    };
}

/// All commands of the app.
const COMMANDS: &[Command] = command_list::for_each_command!(commands);

/// Returns the commands that a window may call.
fn commands_of(window: &str) -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(move |command| command.windows.contains(&window))
}

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

/// Calls each of a window's commands, first with each argument missing in turn and then with unexpected values, and
/// checks that these calls are rejected.
async fn call_with_hostile_arguments(app: &App, window: &str) -> Result<()> {
    for command in commands_of(window) {
        let name = command.name;
        let call = async |argument_value: &dyn Fn(&str) -> Option<Value>| -> Result<_> {
            let given = command
                .arguments
                .iter()
                .filter_map(|argument| argument_value(argument).map(|value| ((*argument).to_owned(), value)));
            app.invoke(name, given.collect::<serde_json::Map<_, _>>().into()).await
        };
        for missing in command.arguments {
            let error = call(&|argument| (argument != *missing).then_some(Value::Null)).await?.expect_err(name);
            ensure!(error.to_string().contains(missing), "{name} does not name the missing {missing}: {error}");
        }
        for value in hostile_values() {
            let is_valid = match name {
                // Valid values are skipped, because they would have an effect, such as opening the file dialog or
                // closing the window.
                "choose_env_file" => value.as_str().is_some_and(|it| it.len() < 200 && !it.contains('\n')),
                "save_in_keychain" | "close_one_time_window" | "set_start_at_login" => value.is_boolean(),
                "one_time_ready" => value.is_number(),
                // Any short text is valid, because any text can be copied.
                "copy_text" => value.as_str().is_some_and(|it| it.len() < 200),
                // Any text is valid. The response explains why the text is not a valid key.
                "check_key" => value.is_string(),
                _ => command.arguments.is_empty(),
            };
            if is_valid {
                continue;
            }
            let error = call(&|_| Some(value.clone())).await?.expect_err(name).to_string();
            // Tauri itself parses the channel argument of `subscribe`, and Tauri's error repeats the invalid value.
            ensure!(name == "subscribe" || error.len() < 200, "{name} repeats the invalid value in its error");
            ensure!(!error.contains("missing required key"), "{name} has an argument that is not listed: {error}");
        }
    }
    Ok(())
}

/// Calls each command that only other windows may call, and checks that the call is rejected.
async fn ensure_other_commands_are_rejected(app: &App, window: &str) -> Result<()> {
    for Command { name, .. } in COMMANDS.iter().filter(|command| !command.windows.contains(&window)) {
        let error = app.invoke(name, json!({})).await?.expect_err("a command of another window");
        ensure!(error.to_string().contains("not allowed"), "{name}: {error}");
    }
    Ok(())
}

#[test]
fn key_window_has_no_commands_for_other_keys() {
    for Command { module, name, .. } in commands_of("one-time") {
        assert!(!["activity", "keys", "quit", "training"].contains(module), "{name}");
    }
}

#[tokio::test]
async fn hostile_arguments_are_rejected_without_loss() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("kept", "read").await?;
    app.switch_to_list_window().await?;
    let before = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");

    call_with_hostile_arguments(&app, "main").await?;
    // These commands are skipped: `retry_service` would restart the service, and `replace_lost_key` needs a lost key.
    let has_effect = |name: &str| matches!(name, "retry_service" | "replace_lost_key");
    for Command { name, .. } in
        commands_of("main").filter(|command| command.arguments.is_empty() && !has_effect(command.name))
    {
        for value in hostile_values() {
            // A command without parameters ignores the arguments that it receives.
            app.invoke(name, json!({ "surprise": value })).await?.expect(name);
        }
    }
    ensure_other_commands_are_rejected(&app, "main").await?;

    app.switch_to_key_window().await?;
    call_with_hostile_arguments(&app, "one-time").await?;
    for height in [json!(-1), json!(1e300), json!(65_536)] {
        app.invoke("one_time_ready", json!({ "height": height })).await?.expect("any height is accepted");
    }
    let unchosen = app.invoke("write_env_file", json!({ "path": ".env" })).await?.expect_err("no file was chosen");
    ensure!(unchosen["code"] == "SECRET_GONE", "{unchosen}");
    ensure_other_commands_are_rejected(&app, "one-time").await?;
    ensure!(app.invoke("copy_key", json!({ "surprise": hostile_values() })).await?.is_ok(), "the key was lost");
    app.invoke("close_one_time_window", json!({ "unseen": false, "surprise": hostile_values() })).await.ok();
    app.wait_key_window_closed().await?;
    ensure!(
        app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed") == before,
        "a key was lost or created"
    );
    ensure!(!app.output().contains("panicked"), "{}", app.output());
    Ok(())
}

/// Tests how the service responds to a program that is not authorized to manage keys. The program runs as another user
/// if the test can switch users.
#[tokio::test]
async fn other_users_and_programs_cannot_list_create_or_revoke() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "victim", "training").await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let key_id = listed["keys"][0]["keyId"].as_str().context("no key ID")?;
    let is_root = desktop.is_root()?;
    let url = format!("http://127.0.0.1:{}/api/api-keys", app.port);
    let body = r#"{"name":"mine","scopes":["admin"]}"#;
    // The attacking program sends either no credential at all, a guessed one, or a key that lacks the required scope.
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

/// Terminal output might be recorded, for example by continuous integration, so it must not contain the key.
#[test]
fn key_on_command_line_is_not_echoed() -> Result<()> {
    let key = format!("ul_{}", "0123456789".repeat(4));
    let option = format!("--token={key}");
    for arguments in [
        &["run", "--key", &key, "--", "true"][..],
        &["run", "--key", "a", "--as", &key, "--", "true"],
        &["keychain", "forget", &key],
        &["keychain", "forget", &format!("my {key}")],
        &["keychain", "list", &option],
        &[&key],
        &[&option],
    ] {
        ensure_rejected_without_echo(ulkeys_tests::cli_binary(), arguments)?;
    }
    for arguments in [&[&*key], &[&*option]] {
        ensure_rejected_without_echo(ulkeys_tests::app_binary(), arguments)?;
    }
    Ok(())
}

fn ensure_rejected_without_echo(program: std::path::PathBuf, arguments: &[&str]) -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut command = std::process::Command::new(program);
    let output = command.args(arguments).env("HOME", home.path()).env("UL_KEYS_DATA_DIR", home.path()).output()?;
    let text = String::from_utf8([output.stdout, output.stderr].concat())?;
    let is_rejected = output.status.code() == Some(2) && text.contains("error:");
    ensure!(is_rejected && !text.contains("0123456789"), "{arguments:?}: {text}");
    Ok(())
}
