//! The states of the list of keys and of its dialogs.

use super::super::Step::{
    Answer, Click, ClickOn, EnterKeyWindow, Fill, GoTo, Hover, Invoke, NeverAnswer, Press, Reject, RestartPage,
    SendEvent, Steps, StopTimers, WaitSelector, WaitText,
};
use super::super::{Precondition, Scene, SceneState, Step};

pub(super) const NEW_APP: Scene = Scene {
    name: "new",
    precondition: Precondition::New,
    states: &[
        SceneState { name: "empty", steps: &[WaitText("No keys yet")] },
        SceneState { name: "create", steps: &[Click("Create Key"), WaitSelector("[role=dialog]")] },
        SceneState { name: "activity", steps: &[GoTo("Activity"), WaitText("Nothing has happened yet")] },
    ],
};

pub(super) const KEY_LIST: Scene = Scene {
    name: "keys",
    precondition: Precondition::Team,
    states: &[
        SceneState { name: "list", steps: &[WaitText("ci-pipeline")] },
        SceneState { name: "loading", steps: &[NeverAnswer("list_keys"), RestartPage, WaitText("Loading the keys")] },
        SceneState {
            name: "failing",
            steps: &[Reject("list_keys", "SERVICE_UNAVAILABLE"), RestartPage, WaitText("The keys cannot be shown")],
        },
        SceneState { name: "attention", steps: &[Click("Needs attention"), WaitText("labeling-team")] },
        SceneState { name: "revoked", steps: &[Click("Revoked"), WaitText("old-laptop")] },
        SceneState { name: "found", steps: &[Fill("Search keys", "inference"), WaitText("2 keys")] },
        SceneState {
            name: "search-shortened",
            steps: &[
                Fill("Search keys", "ul_0123456789abcdef0123456789abcdef01234567"),
                WaitText("This looks like a key"),
            ],
        },
        SceneState {
            name: "out-of-date",
            steps: &[
                WaitText("ci-pipeline"),
                Reject("list_keys", "SERVICE_UNAVAILABLE"),
                // A change of the rotation period makes the page reload the list.
                Invoke(
                    "change_preferences",
                    r#"{"preferences":{"language":"en","theme":"light","textPercent":100,"clipboardSeconds":120,"rotationDays":91}}"#,
                ),
                WaitText("may be out of date"),
            ],
        },
        SceneState {
            name: "left-in-keychain",
            steps: &[
                StopTimers,
                SendEvent(r#"{"type":"leftInKeychain","name":"nightly-export","reason":"dismissed"}"#),
                WaitText("prompt was dismissed"),
            ],
        },
        SceneState {
            name: "quit",
            steps: &[
                SendEvent(
                    r#"{"type":"quit","question":{"kind":"quit","uses":{"runs":["warehouse/pallet-counter"],"runCount":1,"keys":[],"keyCount":0}}}"#,
                ),
                WaitText("Quit UL Keys?"),
            ],
        },
        SceneState {
            name: "quit-many",
            steps: &[
                SendEvent(
                    r#"{"type":"quit","question":{"kind":"quit","uses":{"runs":["warehouse/pallet-counter","warehouse/forklift-detector-large-with-a-very-long-name-that-needs-more-than-one-line","x/y"],"runCount":15,"keys":["ci-pipeline (curl/8.9.1)","mobile-app"],"keyCount":2}}}"#,
                ),
                WaitText("and 12 more"),
            ],
        },
        SceneState {
            name: "quit-with-key-in-use",
            steps: &[
                SendEvent(
                    r#"{"type":"quit","question":{"kind":"quit","uses":{"runs":[],"runCount":0,"keys":["ci-pipeline (curl/8.9.1)"],"keyCount":1}}}"#,
                ),
                WaitText("Quit UL Keys?"),
            ],
        },
        SceneState {
            name: "keep-running",
            steps: &[
                SendEvent(
                    r#"{"type":"quit","question":{"kind":"keepRunning","uses":{"runs":[],"runCount":0,"keys":[],"keyCount":0}}}"#,
                ),
                WaitText("Keep your keys working?"),
            ],
        },
        SceneState {
            name: "keep-running-in-use",
            steps: &[
                SendEvent(
                    r#"{"type":"quit","question":{"kind":"keepRunning","uses":{"runs":["warehouse/pallet-counter"],"runCount":1,"keys":["ci-pipeline (curl/8.9.1)","inference-gateway (python-httpx/0.28.1)","mobile-app"],"keyCount":5}}}"#,
                ),
                WaitText("and 2 more"),
            ],
        },
        SceneState {
            name: "stopped",
            steps: &[
                SendEvent(r#"{"type":"status","status":{"state":"stopped","detail":"disk I/O error"}}"#),
                WaitText("The key service has stopped"),
            ],
        },
        SceneState {
            name: "database-full",
            steps: &[
                SendEvent(
                    r#"{"type":"database","health":{"stopped":null,"full":{"folder":"/home/ada/.local/share/org.ulkeys.UlKeys"},"recordFailure":null,"changes":[]}}"#,
                ),
                WaitText("The disk with the key database is full"),
            ],
        },
        SceneState {
            name: "database-replaced",
            steps: &[
                SendEvent(
                    r#"{"type":"database","health":{"full":null,"stopped":{"cause":"replaced","path":"/home/ada/.local/share/org.ulkeys.UlKeys/keys.db","saved":"/home/ada/.local/share/org.ulkeys.UlKeys/keys.db.set-aside"},"recordFailure":null,"changes":[]}}"#,
                ),
                WaitText("replaced with another file"),
            ],
        },
        SceneState {
            name: "outside-changes",
            steps: &[
                SendEvent(
                    r#"{"type":"database","health":{"stopped":null,"full":null,"recordFailure":{"path":"/home/ada/.local/state/org.ulkeys.UlKeys/revocations","detail":"Permission denied (os error 13)"},"changes":[{"change":"keptRevoked","keys":1,"times":1},{"change":"added","keys":2,"times":1},{"change":"scopesChanged","keys":1,"times":1},{"change":"recordLost","keys":0,"times":1}]}}"#,
                ),
                WaitText("Another app changed your key database"),
            ],
        },
        SceneState {
            name: "scopes-explained",
            steps: &[Fill("Search keys", "conference"), WaitText("1 key"), Hover("[data-row='0'] .badges")],
        },
        SceneState {
            name: "time-exactly",
            steps: &[Fill("Search keys", "mobile"), WaitText("1 key"), Hover("[data-row='0'] .used time")],
        },
        SceneState {
            name: "no-match",
            steps: &[Fill("Search keys", "no such key"), WaitText("No active key matches")],
        },
        SceneState {
            name: "match-elsewhere",
            steps: &[Click("Needs attention"), Fill("Search keys", "write"), WaitText("1 revoked key matches")],
        },
        SceneState {
            name: "selected",
            steps: &[Click("Select ci-pipeline"), Click("Select mobile-app"), WaitText("2 keys selected")],
        },
        SceneState { name: "focus", steps: &[Press(&["Tab", "Tab", "Tab"])] },
        SceneState { name: "menu", steps: &[Click("Actions for ci-pipeline"), WaitSelector("[role=menu]")] },
        SceneState {
            name: "menu-of-revoked",
            steps: &[Click("Revoked"), Click("Actions for old-laptop"), WaitSelector("[role=menu]")],
        },
        SceneState {
            name: "id-copied",
            steps: &[StopTimers, Click("Actions for mobile-app"), Click("Copy key ID"), WaitText("was copied")],
        },
        SceneState {
            name: "service",
            steps: &[ClickOn("button:has([data-service-address])"), WaitSelector("[data-service-address]")],
        },
    ],
};

pub(super) const CREATE_DIALOG: Scene = Scene {
    name: "create",
    precondition: Precondition::Team,
    states: &[
        SceneState { name: "asked", steps: &[Click("Create Key"), WaitSelector("[role=dialog]")] },
        SceneState { name: "errors", steps: &[Click("Create Key"), Click("Create"), WaitText("Enter a name.")] },
        SceneState { name: "filled", steps: &[Click("Create Key"), Fill("Name", "gpu-box-berlin"), Click("training")] },
        SceneState {
            name: "admin",
            steps: &[
                Click("Create Key"),
                Fill("Name", "ci-pipeline"),
                Click("models"),
                Click("write"),
                Click("admin"),
                WaitText("Few programs need that."),
            ],
        },
        SceneState {
            name: "failing",
            steps: &[Reject("create_key", "DATABASE_BUSY"), SUBMIT_CREATE_FORM, WaitText("The key was not created.")],
        },
        SceneState {
            name: "uncertain",
            steps: &[Reject("create_key", "SERVICE_UNAVAILABLE"), SUBMIT_CREATE_FORM, WaitText("It is not known")],
        },
        SceneState {
            name: "busy",
            steps: &[NeverAnswer("create_key"), SUBMIT_CREATE_FORM, WaitSelector("[role=dialog] [aria-busy=true]")],
        },
    ],
};

const SUBMIT_CREATE_FORM: Step =
    Steps(&[Click("Create Key"), Fill("Name", "billing-robot"), Click("read"), Click("Create")]);

pub(super) const REVOKE_DIALOG: Scene = Scene {
    name: "revoke",
    precondition: Precondition::Team,
    states: &[
        SceneState {
            name: "unused",
            steps: &[Click("Actions for nightly-export"), Click("Revoke…"), WaitSelector(ALERT_DIALOG_SELECTOR)],
        },
        SceneState {
            name: "in-use",
            steps: &[Click("Actions for ci-pipeline"), Click("Revoke…"), WaitText("To confirm, type")],
        },
        SceneState {
            name: "wrong-name",
            steps: &[
                Click("Actions for ci-pipeline"),
                Click("Revoke…"),
                Fill("To confirm, type ci-pipeline", "pipeline"),
                Press(&["Return"]),
                WaitText("This is not the name"),
            ],
        },
        SceneState {
            name: "failing",
            steps: &[
                Reject("revoke_key", "DATABASE_BUSY"),
                Click("Actions for nightly-export"),
                Click("Revoke…"),
                Click("Revoke key"),
                WaitText("The key was not revoked"),
            ],
        },
        SceneState {
            name: "full-disk",
            steps: &[
                Reject("revoke_key", "STORAGE_FULL"),
                Click("Actions for nightly-export"),
                Click("Revoke…"),
                Click("Revoke key"),
                WaitText("The disk with the key database is full"),
            ],
        },
        SceneState { name: "many", steps: &[REVOKE_TWO_SELECTED, WaitSelector(ALERT_DIALOG_SELECTOR)] },
        SceneState {
            name: "many-in-use",
            steps: &[
                Click("Select ci-pipeline"),
                Click("Select training-server"),
                Click("Select mobile-app"),
                Click("Revoke…"),
                WaitText("To confirm, type the number"),
            ],
        },
        SceneState {
            name: "many-working",
            steps: &[NeverAnswer("revoke_key"), REVOKE_TWO_SELECTED, Click("Revoke 2 keys"), WaitSelector("progress")],
        },
        SceneState {
            name: "many-failing",
            steps: &[
                Reject("revoke_key", "DATABASE_BUSY"),
                REVOKE_TWO_SELECTED,
                Click("Revoke 2 keys"),
                WaitText("They stay selected"),
            ],
        },
        SceneState {
            name: "many-uncertain",
            steps: &[
                Reject("revoke_key", "SERVICE_UNAVAILABLE"),
                REVOKE_TWO_SELECTED,
                Reject("get_key", "SERVICE_UNAVAILABLE"),
                Click("Revoke 2 keys"),
                WaitText("It is not known"),
            ],
        },
    ],
};

const ALERT_DIALOG_SELECTOR: &str = "[role=alertdialog]";
const REVOKE_TWO_SELECTED: Step =
    Steps(&[Click("Select nightly-export"), Click("Select conference-demo"), Click("Revoke…")]);

pub(super) const OTHER_ACTIONS: Scene = Scene {
    name: "actions",
    precondition: Precondition::Team,
    states: &[
        SceneState {
            name: "use",
            steps: &[Click("Actions for ci-pipeline"), Click("Use this key…"), WaitSelector("[role=dialog]")],
        },
        SceneState {
            name: "use-power-shell",
            steps: &[
                Click("Actions for ci-pipeline"),
                Click("Use this key…"),
                Click("PowerShell"),
                WaitSelector("[role=dialog]"),
            ],
        },
        SceneState {
            name: "rename",
            steps: &[Click("Actions for ci-pipeline"), Click("Rename…"), WaitSelector("[role=dialog] input")],
        },
        SceneState {
            name: "rename-to-another",
            steps: &[
                Click("Actions for ci-pipeline"),
                Click("Rename…"),
                Press(&["ctrl+a"]),
                Fill("Name", "mobile-app"),
                WaitText("Another key has this name"),
            ],
        },
        SceneState {
            name: "rename-failing",
            steps: &[
                Reject("rename_key", "DATABASE_BUSY"),
                Click("Actions for ci-pipeline"),
                Click("Rename…"),
                Fill("Name", "-2"),
                Click("Save"),
                WaitText("The key was not renamed"),
            ],
        },
    ],
};

pub(super) const ROTATION: Scene = Scene {
    name: "rotate",
    precondition: Precondition::Rotating,
    states: &[
        SceneState { name: "list", steps: &[WaitText("not-begun")] },
        SceneState {
            name: "create",
            steps: &[Click("Actions for not-begun"), Click("Rotate…"), WaitSelector("[role=dialog]")],
        },
        SceneState {
            name: "failing",
            steps: &[
                Reject("create_key", "DATABASE_BUSY"),
                Click("Actions for not-begun"),
                Click("Rotate…"),
                Click("Create the new key"),
                WaitText("The key was not created"),
            ],
        },
        SceneState {
            name: "change-scopes",
            steps: &[OPEN_SCOPE_CHANGE, Click("admin"), WaitText("Few programs need that.")],
        },
        SceneState {
            name: "no-scope",
            steps: &[
                OPEN_SCOPE_CHANGE,
                Click("models"),
                Click("read"),
                Click("Create the new key"),
                WaitText("Choose at least one scope."),
            ],
        },
        SceneState {
            name: "created",
            steps: &[
                Fill("Search keys", "created"),
                CONTINUE_ROTATION_OF_OLD_KEY,
                WaitText("Waiting for the first request"),
            ],
        },
        SceneState {
            name: "both-in-use",
            steps: &[Fill("Search keys", "both"), CONTINUE_ROTATION_OF_OLD_KEY, WaitText("still depends on it")],
        },
        SceneState {
            name: "some-moved",
            steps: &[
                Fill("Search keys", "weekly"),
                CONTINUE_ROTATION_OF_OLD_KEY,
                WaitText("1 program has not used the new one yet"),
            ],
        },
        SceneState {
            name: "moved",
            steps: &[Fill("Search keys", "moved"), CONTINUE_ROTATION_OF_OLD_KEY, WaitText("has been silent since")],
        },
        SceneState {
            name: "ended",
            steps: &[
                Answer(
                    "get_key",
                    r#"{"keyId":"key_0123456789abcdef01234567","name":"not-begun","keyPrefix":"ul_01234567","scopes":["read"],"createdAt":"2026-09-01T08:00:00.000Z","lastUsedAt":null,"revokedAt":"2026-11-01T08:00:00.000Z","attention":[],"replaces":null,"replacedBy":null}"#,
                ),
                Answer("get_key_usage", r#"{"uses":[],"sources":[]}"#),
                Click("Actions for not-begun"),
                Click("Rotate…"),
                WaitText("no other has taken its place"),
            ],
        },
        // This state revokes a key, so it must be the last one of the scene.
        SceneState {
            name: "finished",
            steps: &[
                Fill("Search keys", "moved"),
                CONTINUE_ROTATION_OF_OLD_KEY,
                Click("Revoke the old key…"),
                Click("Revoke key"),
                WaitText("The new one has taken its place"),
            ],
        },
    ],
};

/// Continues a rotation from the menu of the old key, in a list of two keys with the same name.
const CONTINUE_ROTATION_OF_OLD_KEY: Step =
    Steps(&[WaitText("2 keys"), ClickOn("[data-row='1'] [data-menu-of]"), Click("Continue rotation…")]);

const OPEN_SCOPE_CHANGE: Step =
    Steps(&[Click("Actions for not-begun"), Click("Rotate…"), Click("Change scopes…"), WaitSelector("fieldset")]);

pub(super) const HOSTILE_NAMES: Scene = Scene {
    name: "hostile",
    precondition: Precondition::Hostile,
    states: &[
        SceneState { name: "list", steps: &[WaitText("WWW")] },
        SceneState { name: "menu", steps: &[ClickOn("[data-menu-of]"), WaitSelector("[role=menu]")] },
        SceneState {
            name: "revoke",
            steps: &[
                Click("Actions for WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"),
                Click("Revoke…"),
                WaitSelector("[role=alertdialog]"),
            ],
        },
        SceneState {
            name: "revoke-by-prefix",
            steps: &[
                Click("Actions for مفتاح الخادم 123"),
                Click("Revoke…"),
                Fill("To confirm, type مفتاح الخادم 123", "x"),
                Press(&["Return"]),
                WaitText("This is not the name"),
            ],
        },
        SceneState {
            name: "revoke-many",
            steps: &[Click("Select all"), Click("Revoke…"), WaitSelector("[role=alertdialog]")],
        },
        SceneState {
            name: "rename",
            steps: &[OPEN_MENU_OF_LONGEST_NAME, Click("Rename…"), WaitSelector("[role=dialog] input")],
        },
        SceneState {
            name: "rotate",
            steps: &[OPEN_MENU_OF_LONGEST_NAME, Click("Rotate…"), WaitSelector("[role=dialog] ol")],
        },
        SceneState {
            name: "use",
            steps: &[OPEN_MENU_OF_LONGEST_NAME, Click("Use this key…"), WaitSelector("[role=dialog]")],
        },
        SceneState {
            name: "toast",
            steps: &[StopTimers, OPEN_MENU_OF_LONGEST_NAME, Click("Copy key ID"), WaitText("was copied")],
        },
        SceneState {
            name: "name-explained",
            steps: &[Fill("Search keys", "WWW"), WaitText("1 key"), Hover("[data-row='0'] .words")],
        },
        SceneState { name: "activity", steps: &[GoTo("Activity"), WaitText("WWW")] },
        SceneState {
            name: "one-time",
            steps: &[
                Click("Create Key"),
                Fill("Name", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"),
                Click("read"),
                Click("Create"),
                EnterKeyWindow,
                Click("Save in this computer’s keychain"),
                WaitText("Saved in this computer’s keychain"),
            ],
        },
    ],
};

const OPEN_MENU_OF_LONGEST_NAME: Step =
    Click("Actions for WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW");

pub(super) const MANY_KEYS: Scene = Scene {
    name: "crowd",
    precondition: Precondition::Crowd,
    states: &[SceneState { name: "list", steps: &[WaitText("key ")] }],
};
