//! When the key service cannot run.

use super::super::Step::{See, Tell};
use super::super::{Scene, Setting, State};

/// The database cannot be opened.
macro_rules! problem {
    ($problem:literal) => {
        concat!(
            r#"{"type":"status","status":{"state":"databaseProblem","problem":""#,
            $problem,
            r#"","path":"/home/ada/.local/share/org.ulkeys.UlKeys/keys.db","detail":"os error"}}"#
        )
    };
}

pub(super) const DAMAGED: Scene = Scene {
    name: "damaged",
    setting: Setting::Damaged,
    states: &[
        State { name: "database", steps: &[See("The key database is damaged")] },
        State { name: "full", steps: &[Tell(problem!("full")), See("The disk with the key database is full")] },
        State {
            name: "locking-unsupported",
            steps: &[Tell(problem!("lockingUnsupported")), See("doesn’t support file locks")],
        },
    ],
};

pub(super) const PORT: Scene = Scene {
    name: "port",
    setting: Setting::PortTaken,
    states: &[State { name: "taken", steps: &[See("is used by")] }],
};
