//! The list of keys, and what is done there.

use super::super::Step::{Anew, Click, ClickOn, Fill, Find, Press, Refuse, See, Silent};
use super::super::{Scene, Setting, State};

pub(super) const NEW: Scene = Scene {
    name: "new",
    setting: Setting::New,
    states: &[
        State { name: "empty", steps: &[See("No keys yet")] },
        State { name: "empty-create", steps: &[Click("Create Key"), Find("[role=dialog]")] },
    ],
};

pub(super) const LIST: Scene = Scene {
    name: "keys",
    setting: Setting::Team,
    states: &[
        State { name: "list", steps: &[See("ci-pipeline")] },
        State { name: "loading", steps: &[Silent("list_keys"), Anew, Find("[aria-busy=true]")] },
        State {
            name: "failing",
            steps: &[Refuse("list_keys", "SERVICE_UNAVAILABLE"), Anew, See("The keys cannot be shown")],
        },
        State { name: "menu", steps: &[Click("Actions for ci-pipeline"), Find("[role=menu]")] },
        State { name: "service", steps: &[ClickOn("button:has([data-service-address])"), See("Programs")] },
        State { name: "create", steps: &[Click("Create Key"), Find("[role=dialog]")] },
        State { name: "create-errors", steps: &[Click("Create Key"), Click("Create"), See("Enter a name.")] },
        State {
            name: "create-admin",
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
            name: "create-failing",
            steps: &[
                Refuse("create_key", "DATABASE_BUSY"),
                Click("Create Key"),
                Fill("Name", "billing-robot"),
                Click("read"),
                Click("Create"),
                See("The key was not created."),
            ],
        },
        State {
            name: "creating",
            steps: &[
                Silent("create_key"),
                Click("Create Key"),
                Fill("Name", "billing-robot"),
                Click("read"),
                Click("Create"),
                Find("[role=dialog] [aria-busy=true]"),
            ],
        },
        State {
            name: "revoke",
            steps: &[Click("Actions for ci-pipeline"), Click("Revoke…"), Find("[role=alertdialog]")],
        },
        State {
            name: "revoke-failing",
            steps: &[
                Refuse("revoke_key", "DATABASE_BUSY"),
                Click("Actions for nightly-export"),
                Click("Revoke…"),
                Click("Revoke key"),
                See("The key was not revoked"),
            ],
        },
        State { name: "id-copied", steps: &[Click("Actions for mobile-app"), Click("Copy key ID"), See("was copied")] },
        State { name: "focus", steps: &[Press(&["Tab", "Tab", "Tab"])] },
    ],
};

pub(super) const HOSTILE: Scene = Scene {
    name: "hostile",
    setting: Setting::Hostile,
    states: &[
        State { name: "list", steps: &[See("WWW")] },
        State { name: "menu", steps: &[ClickOn("[aria-haspopup=menu][data-menu-of]"), Find("[role=menu]")] },
        State {
            name: "revoke",
            steps: &[
                Click("Actions for WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"),
                Click("Revoke…"),
                Find("[role=alertdialog]"),
            ],
        },
    ],
};

pub(super) const CROWD: Scene =
    Scene { name: "crowd", setting: Setting::Crowd, states: &[State { name: "list", steps: &[See("key ")] }] };
