//! Everything about one key, beside the list.

use super::super::Step::{Click, Find, Refuse, See, Silent};
use super::super::{Scene, Setting, State};

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
            name: "run-running",
            steps: &[Click("training-server"), Click("warehouse/pallet-counter"), See("Epoch 34")],
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
