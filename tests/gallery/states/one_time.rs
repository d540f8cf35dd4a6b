//! The window with a new key, what the list shows behind it, and what is left of it afterwards.

use std::process::Stdio;
use std::time::Duration;

use super::super::Step::{
    Answer, Click, ClickOn, Do, Fill, Find, KeyWindow, KeyWindowGone, ListWindow, Refuse, RefuseFile, See, Steps,
};
use super::super::{Scene, Setting, Stage, State, Step};

/// Makes a key, and turns to its window.
const NEW_KEY: Step =
    Steps(&[Click("Create Key"), Fill("Name", "billing-robot"), Click("read"), Click("Create"), KeyWindow]);

/// Makes and copies a key, and closes its window.
const COPIED: Step = Steps(&[
    NEW_KEY,
    ClickOn("code.key + button"),
    See("On the clipboard for"),
    Click("Done"),
    KeyWindowGone,
    See("On the clipboard for"),
]);

/// Puts the key back on the clipboard so many times after it was cleared, as some clipboard managers do.
fn put_back(stage: &Stage, times: u32) -> anyhow::Result<()> {
    let script = r#"key=$(xclip -selection clipboard -out)
        for _ in $(seq "$0"); do
            while timeout 2 xclip -selection clipboard -out 2>/dev/null | grep -q ul_; do sleep 0.1; done
            printf '%s' "$key" | xclip -selection clipboard -in
        done"#;
    let mut command = stage.desktop.command("sh");
    command.args(["-c", script, &times.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    // It ends by itself, with the desktop at the latest.
    command.spawn()?;
    // It has read the key by then.
    std::thread::sleep(Duration::from_secs(1));
    Ok(())
}

pub(super) const SHOWN: Scene = Scene {
    name: "one-time",
    setting: Setting::Team,
    states: &[
        State { name: "shown", steps: &[NEW_KEY] },
        State { name: "behind", steps: &[NEW_KEY, ListWindow, See("Your new key is in its own window")] },
        State { name: "asking", steps: &[NEW_KEY, Click("Done"), See("has not been copied or saved")] },
        State { name: "copied", steps: &[NEW_KEY, ClickOn("code.key + button"), See("On the clipboard for")] },
        State {
            name: "copy-failing",
            steps: &[
                NEW_KEY,
                Refuse("copy_key", "CLIPBOARD_UNAVAILABLE"),
                ClickOn("code.key + button"),
                Find("[role=alert]"),
            ],
        },
        State {
            name: "saved",
            steps: &[NEW_KEY, Click("Save in this computer’s keychain"), See("Saved in this computer’s keychain")],
        },
        State {
            name: "replaces",
            steps: &[NEW_KEY, Click("Save in this computer’s keychain"), See("already holds another key")],
        },
        State {
            name: "keychain-failing",
            steps: &[
                NEW_KEY,
                Refuse("save_in_keychain", "KEYCHAIN_MISSING"),
                Click("Save in this computer’s keychain"),
                Find("[role=alert]"),
            ],
        },
        State {
            name: "keychain-ambiguous",
            steps: &[
                NEW_KEY,
                Refuse("save_in_keychain", "KEYCHAIN_AMBIGUOUS"),
                Click("Save in this computer’s keychain"),
                Find("[role=alert]"),
            ],
        },
        State {
            name: "keychain-silent",
            steps: &[
                NEW_KEY,
                Refuse("save_in_keychain", "KEYCHAIN_SILENT"),
                Click("Save in this computer’s keychain"),
                Find("[role=alert]"),
            ],
        },
        State {
            name: "file-replaces",
            steps: &[
                NEW_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/home/maria/projects/warehouse-vision/production/.env","replaces":["ULTRALYTICS_API_KEY","ULTRALYTICS_PLATFORM_URL"],"gitRisk":null}"#,
                ),
                Click("Save as .env…"),
                See("already sets"),
            ],
        },
        State {
            name: "file-in-git",
            steps: &[
                NEW_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/home/maria/warehouse-vision/.env","replaces":["ULTRALYTICS_API_KEY"],"gitRisk":"notIgnored"}"#,
                ),
                Click("Save as .env…"),
                See("Git does not ignore"),
            ],
        },
        State {
            name: "file-in-broken-git",
            steps: &[
                NEW_KEY,
                Answer("choose_env_file", r#"{"path":"/home/maria/.env","replaces":[],"gitRisk":"unknown"}"#),
                Click("Save as .env…"),
                See("could not be read"),
            ],
        },
        State {
            name: "file-shared",
            steps: &[
                NEW_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/srv/warehouse-vision/.env","replaces":["ULTRALYTICS_API_KEY"],"gitRisk":null,"accessLoss":{"everyone":false,"groups":["www-data"],"users":["deploy"],"otherNames":1}}"#,
                ),
                Click("Save as .env…"),
                See("These lose access"),
            ],
        },
        State {
            name: "file-public",
            steps: &[
                NEW_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/home/maria/warehouse-vision/.env","replaces":[],"gitRisk":null,"accessLoss":{"everyone":true,"groups":[],"users":[],"otherNames":0}}"#,
                ),
                Click("Save as .env…"),
                See("Everyone on this computer"),
            ],
        },
        State {
            name: "file-encoding",
            steps: &[
                NEW_KEY,
                RefuseFile("choose_env_file", "ENV_FILE_FAILED", "notUtf8"),
                Click("Save as .env…"),
                Find("[role=alert]"),
            ],
        },
        State {
            name: "file-broken-link",
            steps: &[
                NEW_KEY,
                RefuseFile("choose_env_file", "ENV_FILE_FAILED", "brokenLink"),
                Click("Save as .env…"),
                Find("[role=alert]"),
            ],
        },
        State {
            name: "file-without-permissions",
            steps: &[
                NEW_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/media/maria/stick/.env","replaces":["ULTRALYTICS_API_KEY"],"gitRisk":null,"accessLoss":null,"isShared":true}"#,
                ),
                Click("Save as .env…"),
                See("support file permissions"),
            ],
        },
        State {
            name: "file-shared-saved",
            steps: &[
                NEW_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/media/maria/stick/.env","replaces":[],"gitRisk":null,"accessLoss":null,"isShared":true}"#,
                ),
                Answer("write_env_file", "null"),
                Click("Save as .env…"),
                Click("Save anyway"),
                See("possibly readable"),
            ],
        },
        State {
            name: "file-unclear",
            steps: &[
                NEW_KEY,
                RefuseFile("choose_env_file", "ENV_FILE_FAILED", "unclearLine"),
                Click("Save as .env…"),
                Find("[role=alert]"),
            ],
        },
        State {
            name: "file-failing",
            steps: &[
                NEW_KEY,
                Answer("choose_env_file", r#"{"path":"/home/maria/.env","replaces":[],"gitRisk":null}"#),
                Refuse("write_env_file", "ENV_FILE_FAILED"),
                Click("Save as .env…"),
                Find("[role=alert]"),
            ],
        },
        State {
            name: "file-mounted",
            steps: &[
                NEW_KEY,
                Answer("choose_env_file", r#"{"path":"/home/maria/.env","replaces":[],"gitRisk":null}"#),
                RefuseFile("write_env_file", "ENV_FILE_FAILED", "mounted"),
                Click("Save as .env…"),
                Find("[role=alert]"),
            ],
        },
        State { name: "example", steps: &[NEW_KEY, Click("PowerShell"), Find("[role=tabpanel]")] },
        State {
            name: "on-clipboard",
            steps: &[
                NEW_KEY,
                ClickOn("code.key + button"),
                See("On the clipboard for"),
                Click("Done"),
                KeyWindowGone,
                See("On the clipboard for"),
            ],
        },
        State {
            name: "hidden",
            steps: &[
                NEW_KEY,
                Click("curl"),
                Do(|stage| stage.desktop.run("xdotool", &["windowminimize", &stage.desktop.key_window()?]).map(drop)),
                See("This window was hidden"),
            ],
        },
        State {
            name: "removed-again",
            steps: &[COPIED, Do(|stage| put_back(stage, 1)), Click("Clear now"), See("Another app put the key back")],
        },
        State {
            name: "put-back",
            steps: &[COPIED, Do(|stage| put_back(stage, 3)), Click("Clear now"), See("Another app keeps putting")],
        },
        State {
            name: "lost",
            steps: &[
                NEW_KEY,
                Do(|stage| stage.desktop.lock_screen()),
                KeyWindowGone,
                See("is no longer shown: the screen was locked"),
            ],
        },
        State {
            name: "lost-with-clipboard",
            steps: &[
                NEW_KEY,
                ClickOn("code.key + button"),
                See("On the clipboard for"),
                Do(|stage| stage.desktop.lock_screen()),
                KeyWindowGone,
                See("it does not stay on the clipboard"),
            ],
        },
        // The last, as it stays announced.
        State {
            name: "read-aloud",
            steps: &[NEW_KEY, Do(|stage| stage.desktop.announce_screen_reader(true)), See("A screen reader is on")],
        },
    ],
};
