//! The sections beside the list: Activity, Connection, Preferences and Help.

use super::super::Step::{Answer, Click, ClickOn, Fill, Find, Go, Press, Refuse, See, Silent, Steps};
use super::super::{Scene, Setting, State, Step};

/// What the service finds about a key. Only it can be asked, and nobody has the plaintext of a key in a test's database.
macro_rules! finding {
    ($finding:literal) => {
        concat!(
            r#"{"finding":"#,
            $finding,
            r#","cause":"","remedy":"","key":{"keyId":"key_0123456789abcdef01234567","name":"warehouse-cam-12","#,
            r#""keyPrefix":"ul_01234567","scopes":["read","datasets"],"createdAt":"2026-09-01T08:00:00.000Z","#,
            r#""lastUsedAt":null,"revokedAt":null,"attention":[],"replaces":null,"replacedBy":null}}"#
        )
    };
}

pub(super) const ACTIVITY: Scene = Scene {
    name: "activity",
    setting: Setting::Team,
    states: &[
        State { name: "list", steps: &[Go("Activity"), See("ci-pipeline")] },
        State { name: "loading", steps: &[Silent("list_activity"), Go("Activity"), See("Loading the activity")] },
        State {
            name: "failing",
            steps: &[
                Refuse("list_activity", "SERVICE_UNAVAILABLE"),
                Go("Activity"),
                See("The activity cannot be shown"),
            ],
        },
        State { name: "refused", steps: &[Go("Activity"), Click("Refused"), See("a scope was missing")] },
        State {
            name: "one-key",
            steps: &[Go("Activity"), ClickOn("[data-only-key], main li button"), Find("[data-tip='Show every key']")],
        },
        State {
            name: "no-match",
            steps: &[
                Go("Activity"),
                Answer("list_activity", r#"{"entries":[],"next":null}"#),
                Click("Renamed"),
                See("Nothing of this kind"),
            ],
        },
        State {
            name: "out-of-date",
            steps: &[
                Go("Activity"),
                See("ci-pipeline"),
                Refuse("list_activity", "SERVICE_UNAVAILABLE"),
                See("may be out of date"),
            ],
        },
        State { name: "export", steps: &[Go("Activity"), Click("Export"), Find("[role=menu]")] },
    ],
};

pub(super) const CONNECTION: Scene = Scene {
    name: "connection",
    setting: Setting::Team,
    states: &[
        State { name: "running", steps: &[Go("Connection"), See("Key database")] },
        State { name: "port", steps: &[Go("Connection"), Click("Change port…"), Find("main input")] },
        State {
            name: "port-wrong",
            steps: &[
                Go("Connection"),
                Click("Change port…"),
                Fill("Port", "0"),
                Click("Change port"),
                See("Enter a whole number"),
            ],
        },
        State {
            name: "not-moved",
            steps: &[
                Answer(
                    "places",
                    r#"{"database":"/home/maria/.local/share/org.ulkeys.UlKeys/keys.db","settings":"/home/maria/.config/org.ulkeys.desktop/settings.json","settingsProblem":null,"logs":"/home/maria/.local/share/org.ulkeys.UlKeys/logs","relocationErrors":[{"kind":"bothInUse","from":"/home/maria/.local/share/org.ulkeys.desktop","to":"/home/maria/.local/share/org.ulkeys.UlKeys"},{"kind":"cannotMove","from":"/home/maria/.config/org.ulkeys.desktop","to":"/home/maria/.config/org.ulkeys.UlKeys","reason":"Read-only file system (os error 30)"}]}"#,
                ),
                Go("Connection"),
                See("Only the second folder is used"),
            ],
        },
        State {
            name: "ignored-settings",
            steps: &[
                Answer(
                    "places",
                    r#"{"database":"/home/maria/.local/share/org.ulkeys.UlKeys/keys.db","settings":"/home/maria/.config/org.ulkeys.UlKeys/settings.json","settingsProblem":{"kind":"ignored","settings":[{"name":"language","reason":{"kind":"notAChoice","choices":["system","en","de","pt-BR"]}},{"name":"limits.invalidCredentials","reason":{"kind":"notInRange","least":1,"most":999999}},{"name":"limits.predicts","reason":{"kind":"unknown"}},{"name":"runDays","reason":{"kind":"notInRangeOrNull","least":1,"most":3650}},{"name":"storage","reason":{"kind":"notAGroup"}}]},"logs":"/home/maria/.local/share/org.ulkeys.UlKeys/logs","relocationErrors":[]}"#,
                ),
                Go("Connection"),
                See("storage: must be an object"),
                // Scrolls to it.
                ClickOn("dl > div:has(.problem) + div button"),
            ],
        },
    ],
};

pub(super) const PREFERENCES: Scene = Scene {
    name: "preferences",
    setting: Setting::New,
    states: &[
        State { name: "all", steps: &[Go("Preferences"), See("Clear the clipboard")] },
        State {
            name: "wrong-number",
            steps: &[
                Go("Preferences"),
                ClickOn("[role=radiogroup]:nth-of-type(4) [value=other]"),
                Fill("Seconds", "0"),
                ClickOn("[role=radiogroup]:nth-of-type(5) [value=other]"),
                Find("[aria-invalid=true]"),
            ],
        },
        State {
            name: "storage",
            steps: &[
                Go("Preferences"),
                Fill("In the database, all keys", "0"),
                Press(&["Return"]),
                See("Default: 2,048"),
                See("Saved"),
            ],
        },
        State {
            name: "limits",
            steps: &[
                Go("Preferences"),
                Fill("Uploads", "x"),
                Press(&["Return"]),
                Fill("Requests through a gateway", "0"),
                Press(&["Return"]),
                See("Default: 6,000"),
                Find("[aria-invalid=true]"),
            ],
        },
        State {
            name: "not-saved",
            steps: &[
                Refuse("change_preferences", "SETTINGS_NOT_SAVED"),
                Go("Preferences"),
                ClickOn("[value=dark]"),
                See("could not be saved"),
            ],
        },
    ],
};

pub(super) const HELP: Scene = Scene {
    name: "help",
    setting: Setting::Team,
    states: &[
        State { name: "page", steps: &[Go("Help"), See("Good habits")] },
        State { name: "questions", steps: &[Go("Help"), Click("Do keys expire?"), See("No. A key works until")] },
        State { name: "unknown", steps: &[PASTED, See("This service does not know the key")] },
        State {
            name: "malformed",
            steps: &[Go("Help"), Fill(FIELD, "ul_0123456789ABCDEF"), See("not as it was made")],
        },
        State { name: "nothing", steps: &[Go("Help"), Fill(FIELD, "it does not work"), See("No key was found")] },
        State {
            name: "variable",
            steps: &[
                Go("Help"),
                Fill(FIELD, "curl -H 'Authorization: Bearer $ULTRALYTICS_API_KEY' x"),
                See("Single quotes"),
            ],
        },
        State {
            name: "revoked",
            steps: &[
                Answer("check_key", finding!(r#"{"kind":"revoked","revokedAt":"2026-11-01T08:00:00.000Z"}"#)),
                PASTED,
                See("was revoked"),
            ],
        },
        State {
            name: "scope",
            steps: &[
                Answer("check_key", finding!(r#"{"kind":"scope","needed":["training","models","write","admin"]}"#)),
                PASTED,
                See("may not make this request"),
            ],
        },
        State {
            name: "limit",
            steps: &[
                Answer("check_key", finding!(r#"{"kind":"limit","limit":100,"freeAt":"2026-11-01T08:00:00.000Z"}"#)),
                PASTED,
                See("has reached its limit"),
            ],
        },
        State {
            name: "accepted",
            steps: &[Answer("check_key", finding!(r#"{"kind":"accepted"}"#)), PASTED, See("is valid")],
        },
        State {
            name: "failing",
            steps: &[Refuse("check_key", "SERVICE_UNAVAILABLE"), PASTED, See("cannot be reached")],
        },
    ],
};

const FIELD: &str = "Key, command or error message";
const PASTED: Step = Steps(&[Go("Help"), Fill(FIELD, "ul_0123456789abcdef0123456789abcdef01234567")]);
