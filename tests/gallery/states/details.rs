//! Everything about one key, beside the list.

use super::super::Step::{Answer, Click, Find, Refuse, See, Silent};
use super::super::{Scene, Setting, State, Step};

/// A run that reported just now, without its end.
macro_rules! reporting {
    ($status:literal, $ended:literal) => {
        concat!(
            r#"{"modelUrl":"http://127.0.0.1/x","runId":1,"modelId":"m","project":"warehouse","slug":"pallet-counter","#,
            r#""plannedEpochs":80,"recordedEpochs":34,"device":"cuda:0","keyIds":[],"startedAt":"@now","#,
            r#""lastEventAt":"@now","error":null,"hasCheckpoint":false,"reportDueAt":"@soon","silentSince":null,"#,
            r#""status":""#,
            $status,
            r#"","endedAt":"#,
            $ended
        )
    };
}

/// The page of runs with this one, and its details.
macro_rules! only_run {
    ($status:literal, $ended:literal) => {
        [
            Answer("list_runs", concat!(r#"{"runs":["#, reporting!($status, $ended), r#"}],"nextCursor":null}"#)),
            Answer(
                "show_run",
                concat!(
                    reporting!($status, $ended),
                    r#","epochs":[],"system":null,"trainArgs":null,"environment":null,"modelInfo":null,"#,
                    r#""results":null,"classNames":null,"plots":null,"checkpoints":[],"console":[]}"#
                ),
            ),
        ]
    };
}

const RUNNING: [Step; 2] = only_run!("running", "null");
/// Its program has not heard yet that it was cancelled.
const STOPPING: [Step; 2] = only_run!("cancelled", "\"@now\"");

pub(super) const SHOWN: Scene = Scene {
    name: "details",
    setting: Setting::Team,
    states: &[
        State { name: "training", steps: &[Click("training-server"), See("forklift-detector")] },
        State { name: "run", steps: &[Click("training-server"), Click("warehouse/forklift-detector"), Find("canvas")] },
        State {
            name: "run-failed",
            steps: &[Click("training-server"), Click("warehouse/forklift-detector-large"), See("CUDA")],
        },
        State {
            name: "run-silent",
            steps: &[Click("training-server"), Click("warehouse/pallet-counter"), See("Nothing has been heard")],
        },
        State {
            name: "run-running",
            steps: &[
                RUNNING[0],
                RUNNING[1],
                Click("training-server"),
                Click("warehouse/pallet-counter"),
                See("Running"),
            ],
        },
        State {
            name: "run-cancel",
            steps: &[
                Click("training-server"),
                Click("warehouse/pallet-counter"),
                Click("Cancel run…"),
                See("The run stops at its next report"),
            ],
        },
        State {
            name: "run-delete",
            steps: &[
                Click("training-server"),
                Click("warehouse/forklift-detector"),
                Click("Delete run…"),
                See("with its metrics, console output, results and checkpoint"),
            ],
        },
        State {
            name: "run-stopping",
            steps: &[
                STOPPING[0],
                STOPPING[1],
                Click("training-server"),
                Click("warehouse/pallet-counter"),
                See("learns of it with its next report"),
            ],
        },
        State {
            name: "month",
            steps: &[Click("training-server"), Click("30 days"), Find("[role=img][aria-label*='30 days'] canvas")],
        },
        State {
            name: "out-of-date",
            steps: &[
                Click("training-server"),
                See("forklift-detector"),
                Find("canvas"),
                Refuse("key_usage", "SERVICE_UNAVAILABLE"),
                Refuse("list_runs", "SERVICE_UNAVAILABLE"),
                Refuse("list_activity", "SERVICE_UNAVAILABLE"),
                See("may be out of date"),
            ],
        },
        State { name: "never-used", steps: &[Click("nightly-export"), See("No requests in the last")] },
        State { name: "attention", steps: &[Click("workspace-admin"), See("Holds admin")] },
        State { name: "revoked", steps: &[Click("Revoked"), Click("old-laptop"), See("Key ID")] },
        State { name: "table", steps: &[Click("training-server"), Click("Show as table: Requests"), Find("table")] },
        State {
            name: "loading",
            steps: &[
                Silent("key_usage"),
                Silent("list_runs"),
                Silent("list_activity"),
                Click("training-server"),
                See("Loading"),
            ],
        },
        State {
            name: "failing",
            steps: &[
                Refuse("key_usage", "SERVICE_UNAVAILABLE"),
                Refuse("list_runs", "SERVICE_UNAVAILABLE"),
                Refuse("list_activity", "SERVICE_UNAVAILABLE"),
                Click("training-server"),
                See("This cannot be shown"),
            ],
        },
    ],
};

pub(super) const HOSTILE: Scene = Scene {
    name: "details-hostile",
    setting: Setting::Hostile,
    states: &[
        State {
            name: "long",
            steps: &[Click("WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"), See("Key ID")],
        },
        State { name: "right-to-left", steps: &[Click("مفتاح الخادم 123"), See("Key ID")] },
    ],
};
