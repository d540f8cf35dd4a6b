//! The list of keys, and what is done there.

use super::super::Step::{
    Anew, Answer, Ask, Click, ClickOn, Fill, Find, Go, Hold, Hover, KeyWindow, Press, Refuse, See, Silent, Steps, Tell,
};
use super::super::{Scene, Setting, State, Step};

pub(super) const NEW: Scene = Scene {
    name: "new",
    setting: Setting::New,
    states: &[
        State { name: "empty", steps: &[See("No keys yet")] },
        State { name: "create", steps: &[Click("Create Key"), Find("[role=dialog]")] },
        State { name: "activity", steps: &[Go("Activity"), See("Nothing has happened yet")] },
    ],
};

pub(super) const LIST: Scene = Scene {
    name: "keys",
    setting: Setting::Team,
    states: &[
        State { name: "list", steps: &[See("ci-pipeline")] },
        State { name: "loading", steps: &[Silent("list_keys"), Anew, See("Loading the keys")] },
        State {
            name: "failing",
            steps: &[Refuse("list_keys", "SERVICE_UNAVAILABLE"), Anew, See("The keys cannot be shown")],
        },
        State { name: "attention", steps: &[Click("Needs attention"), See("labelling-team")] },
        State { name: "revoked", steps: &[Click("Revoked"), See("old-laptop")] },
        State { name: "found", steps: &[Fill("Search keys", "inference"), See("2 keys")] },
        State {
            name: "search-shortened",
            steps: &[Fill("Search keys", "ul_0123456789abcdef0123456789abcdef01234567"), See("This looks like a key")],
        },
        State {
            name: "out-of-date",
            steps: &[
                See("ci-pipeline"),
                Refuse("list_keys", "SERVICE_UNAVAILABLE"),
                // The list is loaded again for another rotation period.
                Ask(
                    "change_preferences",
                    r#"{"preferences":{"language":"en","theme":"light","textPercent":100,"clipboardSeconds":120,"rotationDays":91}}"#,
                ),
                See("may be out of date"),
            ],
        },
        State {
            name: "left-in-keychain",
            steps: &[
                Hold,
                Tell(r#"{"type":"leftInKeychain","name":"nightly-export","reason":"dismissed"}"#),
                See("prompt was dismissed"),
            ],
        },
        State {
            name: "quit",
            steps: &[
                Tell(r#"{"type":"quit","question":{"runs":["warehouse/pallet-counter"],"count":1}}"#),
                See("Quit UL Keys?"),
            ],
        },
        State {
            name: "quit-many",
            steps: &[
                Tell(
                    r#"{"type":"quit","question":{"runs":["warehouse/pallet-counter","warehouse/forklift-detector-large-with-a-very-long-name-that-needs-more-than-one-line","x/y"],"count":15}}"#,
                ),
                See("and 12 more"),
            ],
        },
        State {
            name: "stopped",
            steps: &[
                Tell(r#"{"type":"status","status":{"state":"stopped","detail":"disk I/O error"}}"#),
                See("The key service has stopped"),
            ],
        },
        State {
            name: "database-full",
            steps: &[
                Tell(
                    r#"{"type":"database","health":{"stopped":null,"full":{"folder":"/home/ada/.local/share/org.ulkeys.UlKeys"},"recordFailure":null,"changes":[]}}"#,
                ),
                See("The disk with the key database is full"),
            ],
        },
        State {
            name: "database-replaced",
            steps: &[
                Tell(
                    r#"{"type":"database","health":{"full":null,"stopped":{"cause":"replaced","path":"/home/ada/.local/share/org.ulkeys.UlKeys/keys.db","saved":"/home/ada/.local/share/org.ulkeys.UlKeys/keys.db.set-aside"},"recordFailure":null,"changes":[]}}"#,
                ),
                See("replaced with another file"),
            ],
        },
        State {
            name: "outside-changes",
            steps: &[
                Tell(
                    r#"{"type":"database","health":{"stopped":null,"full":null,"recordFailure":{"path":"/home/ada/.local/state/org.ulkeys.UlKeys/revocations","detail":"Permission denied (os error 13)"},"changes":[{"change":"keptRevoked","keys":1,"times":1},{"change":"added","keys":2,"times":1},{"change":"scopesChanged","keys":1,"times":1},{"change":"recordLost","keys":0,"times":1}]}}"#,
                ),
                See("Another app changed your key database"),
            ],
        },
        State {
            name: "scopes-explained",
            steps: &[Fill("Search keys", "conference"), See("1 key"), Hover("[data-row='0'] .badges")],
        },
        State {
            name: "time-exactly",
            steps: &[Fill("Search keys", "mobile"), See("1 key"), Hover("[data-row='0'] .used time")],
        },
        State { name: "no-match", steps: &[Fill("Search keys", "no such key"), See("No active key matches")] },
        State {
            name: "match-elsewhere",
            steps: &[Click("Needs attention"), Fill("Search keys", "write"), See("1 revoked key matches")],
        },
        State {
            name: "selected",
            steps: &[Click("Select ci-pipeline"), Click("Select mobile-app"), See("2 keys selected")],
        },
        State { name: "focus", steps: &[Press(&["Tab", "Tab", "Tab"])] },
        State { name: "menu", steps: &[Click("Actions for ci-pipeline"), Find("[role=menu]")] },
        State {
            name: "menu-of-revoked",
            steps: &[Click("Revoked"), Click("Actions for old-laptop"), Find("[role=menu]")],
        },
        State {
            name: "id-copied",
            steps: &[Hold, Click("Actions for mobile-app"), Click("Copy key ID"), See("was copied")],
        },
        State {
            name: "service",
            steps: &[ClickOn("button:has([data-service-address])"), Find("[data-service-address]")],
        },
    ],
};

pub(super) const CREATE: Scene = Scene {
    name: "create",
    setting: Setting::Team,
    states: &[
        State { name: "asked", steps: &[Click("Create Key"), Find("[role=dialog]")] },
        State { name: "errors", steps: &[Click("Create Key"), Click("Create"), See("Enter a name.")] },
        State { name: "filled", steps: &[Click("Create Key"), Fill("Name", "gpu-box-berlin"), Click("training")] },
        State {
            name: "admin",
            steps: &[
                Click("Create Key"),
                Fill("Name", "ci-pipeline"),
                Click("models"),
                Click("write"),
                Click("admin"),
                See("Few programs need that."),
            ],
        },
        State {
            name: "failing",
            steps: &[Refuse("create_key", "DATABASE_BUSY"), FILLED, See("The key was not created.")],
        },
        State {
            name: "uncertain",
            steps: &[Refuse("create_key", "SERVICE_UNAVAILABLE"), FILLED, See("It is not known")],
        },
        State { name: "busy", steps: &[Silent("create_key"), FILLED, Find("[role=dialog] [aria-busy=true]")] },
    ],
};

const FILLED: Step = Steps(&[Click("Create Key"), Fill("Name", "billing-robot"), Click("read"), Click("Create")]);

pub(super) const REVOKE: Scene = Scene {
    name: "revoke",
    setting: Setting::Team,
    states: &[
        State { name: "unused", steps: &[Click("Actions for nightly-export"), Click("Revoke…"), Find(QUESTION)] },
        State {
            name: "in-use", steps: &[Click("Actions for ci-pipeline"), Click("Revoke…"), See("To confirm, type")]
        },
        State {
            name: "wrong-name",
            steps: &[
                Click("Actions for ci-pipeline"),
                Click("Revoke…"),
                Fill("To confirm, type ci-pipeline", "pipeline"),
                Press(&["Return"]),
                See("This is not the name"),
            ],
        },
        State {
            name: "failing",
            steps: &[
                Refuse("revoke_key", "DATABASE_BUSY"),
                Click("Actions for nightly-export"),
                Click("Revoke…"),
                Click("Revoke key"),
                See("The key was not revoked"),
            ],
        },
        State {
            name: "full-disk",
            steps: &[
                Refuse("revoke_key", "STORAGE_FULL"),
                Click("Actions for nightly-export"),
                Click("Revoke…"),
                Click("Revoke key"),
                See("The disk with the key database is full"),
            ],
        },
        State { name: "many", steps: &[TWO_SELECTED, Find(QUESTION)] },
        State {
            name: "many-in-use",
            steps: &[
                Click("Select ci-pipeline"),
                Click("Select training-server"),
                Click("Select mobile-app"),
                Click("Revoke…"),
                See("To confirm, type the number"),
            ],
        },
        State {
            name: "many-working",
            steps: &[Silent("revoke_key"), TWO_SELECTED, Click("Revoke 2 keys"), Find("progress")],
        },
        State {
            name: "many-failing",
            steps: &[
                Refuse("revoke_key", "DATABASE_BUSY"),
                TWO_SELECTED,
                Click("Revoke 2 keys"),
                See("They stay selected"),
            ],
        },
        State {
            name: "many-uncertain",
            steps: &[
                Refuse("revoke_key", "SERVICE_UNAVAILABLE"),
                TWO_SELECTED,
                Refuse("show_key", "SERVICE_UNAVAILABLE"),
                Click("Revoke 2 keys"),
                See("It is not known"),
            ],
        },
    ],
};

const QUESTION: &str = "[role=alertdialog]";
const TWO_SELECTED: Step = Steps(&[Click("Select nightly-export"), Click("Select conference-demo"), Click("Revoke…")]);

pub(super) const OTHER: Scene = Scene {
    name: "actions",
    setting: Setting::Team,
    states: &[
        State {
            name: "use",
            steps: &[Click("Actions for ci-pipeline"), Click("Use this key…"), Find("[role=dialog]")],
        },
        State {
            name: "use-power-shell",
            steps: &[
                Click("Actions for ci-pipeline"),
                Click("Use this key…"),
                Click("PowerShell"),
                Find("[role=dialog]"),
            ],
        },
        State {
            name: "rename",
            steps: &[Click("Actions for ci-pipeline"), Click("Rename…"), Find("[role=dialog] input")],
        },
        State {
            name: "rename-to-another",
            steps: &[
                Click("Actions for ci-pipeline"),
                Click("Rename…"),
                Press(&["ctrl+a"]),
                Fill("Name", "mobile-app"),
                See("Another key has this name"),
            ],
        },
        State {
            name: "rename-failing",
            steps: &[
                Refuse("rename_key", "DATABASE_BUSY"),
                Click("Actions for ci-pipeline"),
                Click("Rename…"),
                Fill("Name", "-2"),
                Click("Save"),
                See("The key was not renamed"),
            ],
        },
    ],
};

pub(super) const ROTATE: Scene = Scene {
    name: "rotate",
    setting: Setting::Rotating,
    states: &[
        State { name: "list", steps: &[See("not-begun")] },
        State { name: "create", steps: &[Click("Actions for not-begun"), Click("Rotate…"), Find("[role=dialog]")] },
        State {
            name: "failing",
            steps: &[
                Refuse("create_key", "DATABASE_BUSY"),
                Click("Actions for not-begun"),
                Click("Rotate…"),
                Click("Create the new key"),
                See("The key was not created"),
            ],
        },
        State { name: "change-scopes", steps: &[CHANGE_SCOPES, Click("admin"), See("Few programs need that.")] },
        State {
            name: "no-scope",
            steps: &[
                CHANGE_SCOPES,
                Click("models"),
                Click("read"),
                Click("Create the new key"),
                See("Choose at least one scope."),
            ],
        },
        State {
            name: "created",
            steps: &[Fill("Search keys", "created"), OLD_ONE, See("Waiting for the first request")],
        },
        State { name: "both-in-use", steps: &[Fill("Search keys", "both"), OLD_ONE, See("still depends on it")] },
        State {
            name: "some-moved",
            steps: &[Fill("Search keys", "weekly"), OLD_ONE, See("1 program has not used the new one yet")],
        },
        State { name: "moved", steps: &[Fill("Search keys", "moved"), OLD_ONE, See("has been silent since")] },
        State {
            name: "ended",
            steps: &[
                Answer(
                    "show_key",
                    r#"{"keyId":"key_0123456789abcdef01234567","name":"not-begun","keyPrefix":"ul_01234567","scopes":["read"],"createdAt":"2026-09-01T08:00:00.000Z","lastUsedAt":null,"revokedAt":"2026-11-01T08:00:00.000Z","attention":[],"replaces":null,"replacedBy":null}"#,
                ),
                Answer("key_usage", r#"{"uses":[],"sources":[]}"#),
                Click("Actions for not-begun"),
                Click("Rotate…"),
                See("no other has taken its place"),
            ],
        },
        // The key is gone afterwards: the last of them.
        State {
            name: "finished",
            steps: &[
                Fill("Search keys", "moved"),
                OLD_ONE,
                Click("Revoke the old key…"),
                Click("Revoke key"),
                See("The new one has taken its place"),
            ],
        },
    ],
};

/// Of two keys of a name, the old one.
const OLD_ONE: Step = Steps(&[See("2 keys"), ClickOn("[data-row='1'] [data-menu-of]"), Click("Continue rotation…")]);

const CHANGE_SCOPES: Step =
    Steps(&[Click("Actions for not-begun"), Click("Rotate…"), Click("Change scopes…"), Find("fieldset")]);

pub(super) const HOSTILE: Scene = Scene {
    name: "hostile",
    setting: Setting::Hostile,
    states: &[
        State { name: "list", steps: &[See("WWW")] },
        State { name: "menu", steps: &[ClickOn("[data-menu-of]"), Find("[role=menu]")] },
        State {
            name: "revoke",
            steps: &[
                Click("Actions for WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"),
                Click("Revoke…"),
                Find("[role=alertdialog]"),
            ],
        },
        State {
            name: "revoke-by-prefix",
            steps: &[
                Click("Actions for مفتاح الخادم 123"),
                Click("Revoke…"),
                Fill("To confirm, type مفتاح الخادم 123", "x"),
                Press(&["Return"]),
                See("This is not the name"),
            ],
        },
        State { name: "revoke-many", steps: &[Click("Select all"), Click("Revoke…"), Find("[role=alertdialog]")] },
        State { name: "rename", steps: &[LONGEST, Click("Rename…"), Find("[role=dialog] input")] },
        State { name: "rotate", steps: &[LONGEST, Click("Rotate…"), Find("[role=dialog] ol")] },
        State { name: "use", steps: &[LONGEST, Click("Use this key…"), Find("[role=dialog]")] },
        State { name: "toast", steps: &[Hold, LONGEST, Click("Copy key ID"), See("was copied")] },
        State {
            name: "name-explained",
            steps: &[Fill("Search keys", "WWW"), See("1 key"), Hover("[data-row='0'] .words")],
        },
        State { name: "activity", steps: &[Go("Activity"), See("WWW")] },
        State {
            name: "one-time",
            steps: &[
                Click("Create Key"),
                Fill("Name", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"),
                Click("read"),
                Click("Create"),
                KeyWindow,
                Click("Save in this computer’s keychain"),
                See("Saved in this computer’s keychain"),
            ],
        },
    ],
};

const LONGEST: Step = Click("Actions for WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW");

pub(super) const CROWD: Scene =
    Scene { name: "crowd", setting: Setting::Crowd, states: &[State { name: "list", steps: &[See("key ")] }] };
