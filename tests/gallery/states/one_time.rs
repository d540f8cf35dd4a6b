//! The states of the one-time window, of the list behind it, and of the list after the window has closed.

use std::process::Stdio;
use std::time::Duration;

use super::super::Step::{
    Answer, Click, ClickOn, EnterKeyWindow, EnterListWindow, Fill, Reject, RejectFile, Run, Steps, WaitKeyWindowClosed,
    WaitSelector, WaitText,
};
use super::super::{Precondition, Scene, SceneDriver, SceneState, Step};

/// Creates a key, and switches to its one-time window.
const CREATE_KEY: Step =
    Steps(&[Click("Create Key"), Fill("Name", "billing-robot"), Click("read"), Click("Create"), EnterKeyWindow]);

/// Creates a key, copies it and closes its window. The key is still on the clipboard.
const COPY_AND_CLOSE: Step = Steps(&[
    CREATE_KEY,
    ClickOn("code.key + button"),
    WaitText("On the clipboard for"),
    Click("Done"),
    WaitKeyWindowClosed,
    WaitText("On the clipboard for"),
]);

/// Puts the key back on the clipboard each time it is cleared, up to `times` times, as some clipboard managers do.
fn restore_clipboard(driver: &SceneDriver, times: u32) -> anyhow::Result<()> {
    let script = r#"key=$(xclip -selection clipboard -out)
        for _ in $(seq "$0"); do
            while timeout 2 xclip -selection clipboard -out 2>/dev/null | grep -q ul_; do sleep 0.1; done
            printf '%s' "$key" | xclip -selection clipboard -in
        done"#;
    let mut command = driver.desktop.command("sh");
    command.args(["-c", script, &times.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    // The script ends on its own, or when the desktop is shut down.
    command.spawn()?;
    // Give the script time to read the key from the clipboard.
    std::thread::sleep(Duration::from_secs(1));
    Ok(())
}

pub(super) const KEY_WINDOW: Scene = Scene {
    name: "one-time",
    precondition: Precondition::Team,
    states: &[
        SceneState { name: "shown", steps: &[CREATE_KEY] },
        SceneState {
            name: "behind",
            steps: &[CREATE_KEY, EnterListWindow, WaitText("Your new key is in its own window")],
        },
        SceneState { name: "asking", steps: &[CREATE_KEY, Click("Done"), WaitText("has not been copied or saved")] },
        SceneState {
            name: "copied",
            steps: &[CREATE_KEY, ClickOn("code.key + button"), WaitText("On the clipboard for")],
        },
        SceneState {
            name: "copy-failing",
            steps: &[
                CREATE_KEY,
                Reject("copy_key", "CLIPBOARD_UNAVAILABLE"),
                ClickOn("code.key + button"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState {
            name: "saved",
            steps: &[
                CREATE_KEY,
                Click("Save in this computer’s keychain"),
                WaitText("Saved in this computer’s keychain"),
            ],
        },
        SceneState {
            name: "replaces",
            steps: &[CREATE_KEY, Click("Save in this computer’s keychain"), WaitText("already holds another key")],
        },
        SceneState {
            name: "keychain-failing",
            steps: &[
                CREATE_KEY,
                Reject("save_in_keychain", "KEYCHAIN_MISSING"),
                Click("Save in this computer’s keychain"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState {
            name: "keychain-ambiguous",
            steps: &[
                CREATE_KEY,
                Reject("save_in_keychain", "KEYCHAIN_AMBIGUOUS"),
                Click("Save in this computer’s keychain"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState {
            name: "keychain-silent",
            steps: &[
                CREATE_KEY,
                Reject("save_in_keychain", "KEYCHAIN_SILENT"),
                Click("Save in this computer’s keychain"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState {
            name: "file-replaces",
            steps: &[
                CREATE_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/home/maria/projects/warehouse-vision/production/.env","replaces":["ULTRALYTICS_API_KEY","ULTRALYTICS_PLATFORM_URL"],"gitRisk":null}"#,
                ),
                Click("Save as .env…"),
                WaitText("already sets"),
            ],
        },
        SceneState {
            name: "file-in-git",
            steps: &[
                CREATE_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/home/maria/warehouse-vision/.env","replaces":["ULTRALYTICS_API_KEY"],"gitRisk":"notIgnored"}"#,
                ),
                Click("Save as .env…"),
                WaitText("Git does not ignore"),
            ],
        },
        SceneState {
            name: "file-in-broken-git",
            steps: &[
                CREATE_KEY,
                Answer("choose_env_file", r#"{"path":"/home/maria/.env","replaces":[],"gitRisk":"unknown"}"#),
                Click("Save as .env…"),
                WaitText("could not be read"),
            ],
        },
        SceneState {
            name: "file-shared",
            steps: &[
                CREATE_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/srv/warehouse-vision/.env","replaces":["ULTRALYTICS_API_KEY"],"gitRisk":null,"accessLoss":{"everyone":false,"groups":["www-data"],"users":["deploy"],"otherNames":1}}"#,
                ),
                Click("Save as .env…"),
                WaitText("These lose access"),
            ],
        },
        SceneState {
            name: "file-public",
            steps: &[
                CREATE_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/home/maria/warehouse-vision/.env","replaces":[],"gitRisk":null,"accessLoss":{"everyone":true,"groups":[],"users":[],"otherNames":0}}"#,
                ),
                Click("Save as .env…"),
                WaitText("Everyone on this computer"),
            ],
        },
        SceneState {
            name: "file-encoding",
            steps: &[
                CREATE_KEY,
                RejectFile("choose_env_file", "ENV_FILE_FAILED", "notUtf8"),
                Click("Save as .env…"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState {
            name: "file-broken-link",
            steps: &[
                CREATE_KEY,
                RejectFile("choose_env_file", "ENV_FILE_FAILED", "brokenLink"),
                Click("Save as .env…"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState {
            name: "file-without-permissions",
            steps: &[
                CREATE_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/media/maria/stick/.env","replaces":["ULTRALYTICS_API_KEY"],"gitRisk":null,"accessLoss":null,"isShared":true}"#,
                ),
                Click("Save as .env…"),
                WaitText("support file permissions"),
            ],
        },
        SceneState {
            name: "file-shared-saved",
            steps: &[
                CREATE_KEY,
                Answer(
                    "choose_env_file",
                    r#"{"path":"/media/maria/stick/.env","replaces":[],"gitRisk":null,"accessLoss":null,"isShared":true}"#,
                ),
                Answer("write_env_file", "null"),
                Click("Save as .env…"),
                Click("Save anyway"),
                WaitText("possibly readable"),
            ],
        },
        SceneState {
            name: "file-unclear",
            steps: &[
                CREATE_KEY,
                RejectFile("choose_env_file", "ENV_FILE_FAILED", "unclearLine"),
                Click("Save as .env…"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState {
            name: "file-failing",
            steps: &[
                CREATE_KEY,
                Answer("choose_env_file", r#"{"path":"/home/maria/.env","replaces":[],"gitRisk":null}"#),
                Reject("write_env_file", "ENV_FILE_FAILED"),
                Click("Save as .env…"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState {
            name: "file-mounted",
            steps: &[
                CREATE_KEY,
                Answer("choose_env_file", r#"{"path":"/home/maria/.env","replaces":[],"gitRisk":null}"#),
                RejectFile("write_env_file", "ENV_FILE_FAILED", "mounted"),
                Click("Save as .env…"),
                WaitSelector("[role=alert]"),
            ],
        },
        SceneState { name: "example", steps: &[CREATE_KEY, Click("PowerShell"), WaitSelector("[role=tabpanel]")] },
        SceneState {
            name: "on-clipboard",
            steps: &[
                CREATE_KEY,
                ClickOn("code.key + button"),
                WaitText("On the clipboard for"),
                Click("Done"),
                WaitKeyWindowClosed,
                WaitText("On the clipboard for"),
            ],
        },
        SceneState {
            name: "hidden",
            steps: &[
                CREATE_KEY,
                Click("curl"),
                Run(|driver| {
                    driver.desktop.run("xdotool", &["windowminimize", &driver.desktop.key_window()?]).map(drop)
                }),
                WaitText("This window was hidden"),
            ],
        },
        SceneState {
            name: "removed-again",
            steps: &[
                COPY_AND_CLOSE,
                Run(|driver| restore_clipboard(driver, 1)),
                Click("Clear now"),
                WaitText("Another app put the key back"),
            ],
        },
        SceneState {
            name: "put-back",
            steps: &[
                COPY_AND_CLOSE,
                Run(|driver| restore_clipboard(driver, 3)),
                Click("Clear now"),
                WaitText("Another app keeps putting"),
            ],
        },
        SceneState {
            name: "lost",
            steps: &[
                CREATE_KEY,
                Run(|driver| driver.desktop.lock_screen()),
                WaitKeyWindowClosed,
                WaitText("is no longer shown: the screen was locked"),
            ],
        },
        SceneState {
            name: "lost-with-clipboard",
            steps: &[
                CREATE_KEY,
                ClickOn("code.key + button"),
                WaitText("On the clipboard for"),
                Run(|driver| driver.desktop.lock_screen()),
                WaitKeyWindowClosed,
                WaitText("it does not stay on the clipboard"),
            ],
        },
        // The screen reader remains announced after this state, so this state must be the last one of its scene.
        SceneState {
            name: "read-aloud",
            steps: &[
                CREATE_KEY,
                Run(|driver| driver.desktop.announce_screen_reader(true)),
                WaitText("A screen reader is on"),
            ],
        },
    ],
};
