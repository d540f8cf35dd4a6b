//! The window with a new key, what the list shows behind it, and what is left of it afterwards.

use super::super::Step::{
    Answer, Click, ClickOn, Do, Fill, Find, KeyWindow, KeyWindowGone, ListWindow, Refuse, See, Steps,
};
use super::super::{Scene, Setting, State, Step};

/// Makes a key, and turns to its window.
const NEW_KEY: Step =
    Steps(&[Click("Create Key"), Fill("Name", "billing-robot"), Click("read"), Click("Create"), KeyWindow]);

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
            name: "file-failing",
            steps: &[
                NEW_KEY,
                Answer("choose_env_file", r#"{"path":"/home/maria/.env","replaces":[],"gitRisk":null}"#),
                Refuse("write_env_file", "ENV_FILE_FAILED"),
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
            name: "lost",
            steps: &[
                NEW_KEY,
                Do(|stage| stage.desktop.lock_screen()),
                KeyWindowGone,
                See("is no longer shown: the screen was locked"),
            ],
        },
    ],
};
