//! The states of the other sections of the sidebar: Activity, Connection, Preferences and Help.

use super::super::Step::{
    Answer, Click, ClickOn, Fill, GoTo, NeverAnswer, Press, Reject, SendEvent, Steps, WaitSelector, WaitText,
};
use super::super::{Precondition, Scene, SceneState, Step};

/// The result of a key check, as JSON. The result is stubbed because no scene has a real key to check: the plaintexts
/// of the keys in the seeded database are unknown.
macro_rules! check_result_json {
    ($check_result_json:literal) => {
        concat!(
            r#"{"finding":"#,
            $check_result_json,
            r#","cause":"","remedy":"","key":{"keyId":"key_0123456789abcdef01234567","name":"warehouse-cam-12","#,
            r#""keyPrefix":"ul_01234567","scopes":["read","datasets"],"createdAt":"2026-09-01T08:00:00.000Z","#,
            r#""lastUsedAt":null,"revokedAt":null,"attention":[],"replaces":null,"replacedBy":null}}"#
        )
    };
}

pub(super) const ACTIVITY_PAGE: Scene = Scene {
    name: "activity",
    precondition: Precondition::Team,
    states: &[
        SceneState { name: "list", steps: &[GoTo("Activity"), WaitText("ci-pipeline")] },
        SceneState {
            name: "loading",
            steps: &[NeverAnswer("list_activity"), GoTo("Activity"), WaitText("Loading the activity")],
        },
        SceneState {
            name: "failing",
            steps: &[
                Reject("list_activity", "SERVICE_UNAVAILABLE"),
                GoTo("Activity"),
                WaitText("The activity cannot be shown"),
            ],
        },
        SceneState { name: "refused", steps: &[GoTo("Activity"), Click("Refused"), WaitText("a scope was missing")] },
        SceneState {
            name: "one-key",
            steps: &[
                GoTo("Activity"),
                ClickOn("[data-only-key], main li button"),
                WaitSelector("[data-tip='Show every key']"),
            ],
        },
        SceneState {
            name: "no-match",
            steps: &[
                GoTo("Activity"),
                Answer("list_activity", r#"{"entries":[],"next":null}"#),
                Click("Renamed"),
                WaitText("Nothing of this kind"),
            ],
        },
        SceneState {
            name: "out-of-date",
            steps: &[
                GoTo("Activity"),
                WaitText("ci-pipeline"),
                Reject("list_activity", "SERVICE_UNAVAILABLE"),
                WaitText("may be out of date"),
            ],
        },
        SceneState { name: "export", steps: &[GoTo("Activity"), Click("Export"), WaitSelector("[role=menu]")] },
    ],
};

/// Reports that the window uses a service outside the app.
const ATTACHED: Step = SendEvent(
    r#"{"type":"status","status":{"state":"running","url":"http://127.0.0.1:8576","port":8576,"host":"otherProgram","canKeepRunning":false,"exportLine":"export ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:8576"}}"#,
);

pub(super) const CONNECTION_PAGE: Scene = Scene {
    name: "connection",
    precondition: Precondition::Team,
    states: &[
        SceneState { name: "running", steps: &[GoTo("Connection"), WaitText("Key database")] },
        SceneState {
            name: "attached",
            steps: &[ATTACHED, GoTo("Connection"), WaitText("It keeps running when you close this app")],
        },
        SceneState {
            name: "background",
            steps: &[
                SendEvent(
                    r#"{"type":"status","status":{"state":"running","url":"http://127.0.0.1:8576","port":8576,"host":"background","canKeepRunning":true,"exportLine":"export ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:8576"}}"#,
                ),
                GoTo("Connection"),
                WaitText("At login"),
            ],
        },
        SceneState { name: "port", steps: &[GoTo("Connection"), Click("Change port…"), WaitSelector("main input")] },
        SceneState {
            name: "port-wrong",
            steps: &[
                GoTo("Connection"),
                Click("Change port…"),
                Fill("Port", "0"),
                Click("Change port"),
                WaitText("Enter a whole number"),
            ],
        },
        SceneState {
            name: "not-moved",
            steps: &[
                Answer(
                    "get_file_locations",
                    r#"{"database":"/home/maria/.local/share/org.ulkeys.UlKeys/keys.db","settings":"/home/maria/.config/org.ulkeys.desktop/settings.json","settingsProblem":null,"logs":"/home/maria/.local/share/org.ulkeys.UlKeys/logs","relocationErrors":[{"kind":"bothInUse","from":"/home/maria/.local/share/org.ulkeys.desktop","to":"/home/maria/.local/share/org.ulkeys.UlKeys"},{"kind":"cannotMove","from":"/home/maria/.config/org.ulkeys.desktop","to":"/home/maria/.config/org.ulkeys.UlKeys","reason":"Read-only file system (os error 30)"}]}"#,
                ),
                GoTo("Connection"),
                WaitText("Only the second folder is used"),
            ],
        },
        SceneState {
            name: "ignored-settings",
            steps: &[
                Answer(
                    "get_file_locations",
                    r#"{"database":"/home/maria/.local/share/org.ulkeys.UlKeys/keys.db","settings":"/home/maria/.config/org.ulkeys.UlKeys/settings.json","settingsProblem":{"kind":"ignored","settings":[{"name":"language","reason":{"kind":"notAChoice","choices":["system","en","de","pt-BR"]}},{"name":"limits.invalidCredentials","reason":{"kind":"notInRange","least":1,"most":999999}},{"name":"limits.predicts","reason":{"kind":"unknown"}},{"name":"runDays","reason":{"kind":"notInRangeOrNull","least":1,"most":3650}},{"name":"storage","reason":{"kind":"notAGroup"}}]},"logs":"/home/maria/.local/share/org.ulkeys.UlKeys/logs","relocationErrors":[]}"#,
                ),
                GoTo("Connection"),
                WaitText("storage: must be an object"),
                // Clicking this button scrolls the button into view, together with the problems reported next to it.
                ClickOn("dl > div:has(.problem) + div button"),
            ],
        },
    ],
};

pub(super) const PREFERENCES_PAGE: Scene = Scene {
    name: "preferences",
    precondition: Precondition::New,
    states: &[
        SceneState { name: "all", steps: &[GoTo("Preferences"), WaitText("Clear the clipboard")] },
        SceneState {
            name: "attached",
            steps: &[ATTACHED, GoTo("Preferences"), WaitText("in its configuration file, serve.toml")],
        },
        SceneState {
            name: "wrong-number",
            steps: &[
                GoTo("Preferences"),
                ClickOn("[role=radiogroup]:nth-of-type(4) [value=other]"),
                Fill("Seconds", "0"),
                ClickOn("[role=radiogroup]:nth-of-type(5) [value=other]"),
                WaitSelector("[aria-invalid=true]"),
            ],
        },
        SceneState {
            name: "storage",
            steps: &[
                GoTo("Preferences"),
                Fill("In the database, all keys", "0"),
                Press(&["Return"]),
                WaitText("Default: 2,048"),
                WaitText("Saved"),
            ],
        },
        SceneState {
            name: "limits",
            steps: &[
                GoTo("Preferences"),
                Fill("Uploads", "x"),
                Press(&["Return"]),
                Fill("Requests through a gateway", "0"),
                Press(&["Return"]),
                WaitText("Default: 6,000"),
                WaitSelector("[aria-invalid=true]"),
            ],
        },
        SceneState {
            name: "not-saved",
            steps: &[
                Reject("change_preferences", "SETTINGS_NOT_SAVED"),
                GoTo("Preferences"),
                ClickOn("[value=dark]"),
                WaitText("could not be saved"),
            ],
        },
    ],
};

pub(super) const HELP_PAGE: Scene = Scene {
    name: "help",
    precondition: Precondition::Team,
    states: &[
        SceneState { name: "page", steps: &[GoTo("Help"), WaitText("Good habits")] },
        SceneState {
            name: "questions",
            steps: &[GoTo("Help"), Click("Do keys expire?"), WaitText("No. A key works until")],
        },
        SceneState { name: "unknown", steps: &[PASTE_KEY, WaitText("This service does not know the key")] },
        SceneState {
            name: "malformed",
            steps: &[GoTo("Help"), Fill(HELP_FIELD_NAME, "ul_0123456789ABCDEF"), WaitText("not as it was made")],
        },
        SceneState {
            name: "nothing",
            steps: &[GoTo("Help"), Fill(HELP_FIELD_NAME, "it does not work"), WaitText("No key was found")],
        },
        SceneState {
            name: "variable",
            steps: &[
                GoTo("Help"),
                Fill(HELP_FIELD_NAME, "curl -H 'Authorization: Bearer $ULTRALYTICS_API_KEY' x"),
                WaitText("Single quotes"),
            ],
        },
        SceneState {
            name: "revoked",
            steps: &[
                Answer("check_key", check_result_json!(r#"{"kind":"revoked","revokedAt":"2026-11-01T08:00:00.000Z"}"#)),
                PASTE_KEY,
                WaitText("was revoked"),
            ],
        },
        SceneState {
            name: "scope",
            steps: &[
                Answer(
                    "check_key",
                    check_result_json!(r#"{"kind":"scope","needed":["training","models","write","admin"]}"#),
                ),
                PASTE_KEY,
                WaitText("may not make this request"),
            ],
        },
        SceneState {
            name: "limit",
            steps: &[
                Answer(
                    "check_key",
                    check_result_json!(r#"{"kind":"limit","limit":100,"freeAt":"2026-11-01T08:00:00.000Z"}"#),
                ),
                PASTE_KEY,
                WaitText("has reached its limit"),
            ],
        },
        SceneState {
            name: "accepted",
            steps: &[
                Answer("check_key", check_result_json!(r#"{"kind":"accepted"}"#)),
                PASTE_KEY,
                WaitText("is valid"),
            ],
        },
        SceneState {
            name: "failing",
            steps: &[Reject("check_key", "SERVICE_UNAVAILABLE"), PASTE_KEY, WaitText("cannot be reached")],
        },
        SceneState { name: "about", steps: &[GoTo("Help"), Click("About UL Keys"), WaitText("Third-party packages")] },
        SceneState {
            name: "about-packages",
            steps: &[
                Answer("get_about", ABOUT_WITH_THREE_PACKAGES),
                GoTo("Help"),
                Click("About UL Keys"),
                WaitText("Third-party packages"),
                ClickOn("[role=dialog] summary"),
                ClickOn("[role=dialog] li:first-child summary"),
                WaitText("Permission is hereby granted"),
            ],
        },
        SceneState {
            name: "about-failing",
            steps: &[Reject("get_about", "INTERNAL_ERROR"), GoTo("Help"), Click("About UL Keys"), WaitText("load the")],
        },
    ],
};

const ABOUT_WITH_THREE_PACKAGES: &str = r#"{
    "version": "1.2.3",
    "packages": [
        { "name": "@fontsource-variable/jetbrains-mono", "version": "5.3.0", "license": "OFL-1.1", "texts": [0] },
        { "name": "a-package-with-a-long-name-and-version", "version": "0.13.0-beta.12+build.20261129",
          "license": "(Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT) AND Unicode-3.0", "texts": [] },
        { "name": "svelte-toolbelt", "version": "0.10.7", "license": null, "texts": [0] }
    ],
    "texts": ["MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software."]
}"#;
const HELP_FIELD_NAME: &str = "Key, command or error message";
const PASTE_KEY: Step = Steps(&[GoTo("Help"), Fill(HELP_FIELD_NAME, "ul_0123456789abcdef0123456789abcdef01234567")]);
