//! Who may reach what: the page's commands under hostile arguments, and other people and programs at the service.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop};

/// Each command with the argument that it takes.
const COMMANDS: &[(&str, &[&str])] = &[
    ("change_port", &["port"]),
    ("clear_clipboard", &[]),
    ("copy_key", &["keyId"]),
    ("copy_key_id", &["keyId"]),
    ("copy_service_url", &[]),
    ("create_key", &["name", "scopes"]),
    ("discard_secret", &[]),
    ("list_keys", &[]),
    ("retry_service", &[]),
    ("revoke_key", &["keyId"]),
    ("service_status", &[]),
    ("watch", &["channel"]),
];

fn hostile() -> Vec<Value> {
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

#[tokio::test]
async fn hostile_arguments_are_refused_and_lose_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let declared: Value = serde_json::from_str(include_str!("../../src-tauri/capabilities/main.json"))?;
    let permitted = declared["permissions"].as_array().context("a list")?.len();
    ensure!(permitted == COMMANDS.len(), "every permitted command is tried here");
    app.invoke("create_key", json!({ "name": "kept", "scopes": ["read"] })).await?.expect("created");
    let before = app.invoke("list_keys", json!({})).await?.expect("listed");

    for (command, arguments) in COMMANDS.iter().filter(|(_, arguments)| !arguments.is_empty()) {
        let missing = app.invoke(command, json!({})).await?.expect_err("an argument is missing");
        ensure!(missing.to_string().contains(arguments[0]), "{command} names what is missing: {missing}");
        for value in hostile() {
            let all: Value = arguments
                .iter()
                .map(|name| ((*name).to_owned(), value.clone()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let refused = app.invoke(command, all).await?;
            let told = refused.expect_err(command).to_string();
            // Tauri itself reads channels, and tells the page what the page gave.
            ensure!(*command == "watch" || told.len() < 200, "{command} repeats what it was given");
        }
    }
    for (command, _) in
        COMMANDS.iter().filter(|(command, arguments)| arguments.is_empty() && *command != "retry_service")
    {
        for value in hostile() {
            // There is nothing to read, so nothing can be wrong.
            app.invoke(command, json!({ "surprise": value })).await?.expect(command);
        }
    }
    ensure!(app.invoke("list_keys", json!({})).await?.expect("listed") == before, "a key was lost or made");
    ensure!(!app.output().contains("panicked"), "{}", app.output());
    Ok(())
}

/// What a program gets from the service that has no credential of its own, as another user where the tests may choose.
#[tokio::test]
async fn other_users_and_programs_cannot_list_create_or_revoke() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let created =
        app.invoke("create_key", json!({ "name": "victim", "scopes": ["training"] })).await?.expect("created");
    let (key_id, key) = (created["keyId"].as_str().context("an id")?, created["key"].as_str().context("a key")?);
    let is_root = desktop.run("id", &["-u"])?.trim() == "0";
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
    let listed = app.invoke("list_keys", json!({})).await?.expect("listed");
    ensure!(listed["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{listed}");
    Ok(())
}
