//! The states of the details panel, which shows everything about one key next to the list.

use super::super::Step::{Answer, Click, NeverAnswer, Reject, WaitSelector, WaitText};
use super::super::{Precondition, Scene, SceneState, Step};

/// The JSON of a run whose last report has just arrived. The closing brace is missing, so that fields can be appended.
macro_rules! run_json {
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

/// Responses for a key whose only run is that of `run_json`: the list of runs and the details of the run.
macro_rules! single_run_responses {
    ($status:literal, $ended:literal) => {
        [
            Answer("list_runs", concat!(r#"{"runs":["#, run_json!($status, $ended), r#"}],"nextCursor":null}"#)),
            Answer(
                "get_run",
                concat!(
                    run_json!($status, $ended),
                    r#","epochs":[],"system":null,"trainArgs":null,"environment":null,"modelInfo":null,"#,
                    r#""results":null,"classNames":null,"plots":null,"checkpoints":[],"console":[]}"#
                ),
            ),
        ]
    };
}

const RUNNING_RUN_RESPONSES: [Step; 2] = single_run_responses!("running", "null");
/// Responses for a run that is cancelled, but whose training program has not been notified yet.
const STOPPING_RUN_RESPONSES: [Step; 2] = single_run_responses!("cancelled", "\"@now\"");

pub(super) const KEY_DETAILS: Scene = Scene {
    name: "details",
    precondition: Precondition::Team,
    states: &[
        SceneState { name: "training", steps: &[Click("training-server"), WaitText("forklift-detector")] },
        SceneState {
            name: "run",
            steps: &[Click("training-server"), Click("warehouse/forklift-detector"), WaitSelector("canvas")],
        },
        SceneState {
            name: "run-failed",
            steps: &[Click("training-server"), Click("warehouse/forklift-detector-large"), WaitText("CUDA")],
        },
        SceneState {
            name: "run-silent",
            steps: &[Click("training-server"), Click("warehouse/pallet-counter"), WaitText("Nothing has been heard")],
        },
        SceneState {
            name: "run-running",
            steps: &[
                RUNNING_RUN_RESPONSES[0],
                RUNNING_RUN_RESPONSES[1],
                Click("training-server"),
                Click("warehouse/pallet-counter"),
                WaitText("Running"),
            ],
        },
        SceneState {
            name: "run-cancel",
            steps: &[
                Click("training-server"),
                Click("warehouse/pallet-counter"),
                Click("Cancel run…"),
                WaitText("The run stops at its next report"),
            ],
        },
        SceneState {
            name: "run-delete",
            steps: &[
                Click("training-server"),
                Click("warehouse/forklift-detector"),
                Click("Delete run…"),
                WaitText("with its metrics, console output, results and checkpoint"),
            ],
        },
        SceneState {
            name: "run-stopping",
            steps: &[
                STOPPING_RUN_RESPONSES[0],
                STOPPING_RUN_RESPONSES[1],
                Click("training-server"),
                Click("warehouse/pallet-counter"),
                WaitText("learns of it with its next report"),
            ],
        },
        SceneState {
            name: "month",
            steps: &[
                Click("training-server"),
                Click("30 days"),
                WaitSelector("[role=img][aria-label*='30 days'] canvas"),
            ],
        },
        SceneState {
            name: "out-of-date",
            steps: &[
                Click("training-server"),
                WaitText("forklift-detector"),
                WaitSelector("canvas"),
                Reject("get_key_usage", "SERVICE_UNAVAILABLE"),
                Reject("list_runs", "SERVICE_UNAVAILABLE"),
                Reject("list_activity", "SERVICE_UNAVAILABLE"),
                WaitText("may be out of date"),
            ],
        },
        SceneState { name: "never-used", steps: &[Click("nightly-export"), WaitText("No requests in the last")] },
        SceneState { name: "attention", steps: &[Click("workspace-admin"), WaitText("Holds admin")] },
        SceneState { name: "revoked", steps: &[Click("Revoked"), Click("old-laptop"), WaitText("Key ID")] },
        SceneState {
            name: "table",
            steps: &[Click("training-server"), Click("Show as table: Requests"), WaitSelector("table")],
        },
        SceneState {
            name: "loading",
            steps: &[
                NeverAnswer("get_key_usage"),
                NeverAnswer("list_runs"),
                NeverAnswer("list_activity"),
                Click("training-server"),
                WaitText("Loading"),
            ],
        },
        SceneState {
            name: "failing",
            steps: &[
                Reject("get_key_usage", "SERVICE_UNAVAILABLE"),
                Reject("list_runs", "SERVICE_UNAVAILABLE"),
                Reject("list_activity", "SERVICE_UNAVAILABLE"),
                Click("training-server"),
                WaitText("This cannot be shown"),
            ],
        },
    ],
};

pub(super) const HOSTILE_KEY_DETAILS: Scene = Scene {
    name: "details-hostile",
    precondition: Precondition::Hostile,
    states: &[
        SceneState {
            name: "long",
            steps: &[Click("WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"), WaitText("Key ID")],
        },
        SceneState { name: "right-to-left", steps: &[Click("مفتاح الخادم 123"), WaitText("Key ID")] },
    ],
};
