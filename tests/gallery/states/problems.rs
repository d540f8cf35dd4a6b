//! The states in which the key service cannot run.

use super::super::Step::{SendEvent, WaitText};
use super::super::{Precondition, Scene, SceneState};

/// The event that reports that the database cannot be opened, with the given problem.
macro_rules! database_problem_event {
    ($database_problem_event:literal) => {
        concat!(
            r#"{"type":"status","status":{"state":"databaseProblem","problem":""#,
            $database_problem_event,
            r#"","path":"/home/ada/.local/share/org.ulkeys.UlKeys/keys.db","detail":"os error"}}"#
        )
    };
}

pub(super) const DAMAGED_DATABASE: Scene = Scene {
    name: "damaged",
    precondition: Precondition::Damaged,
    states: &[
        SceneState { name: "database", steps: &[WaitText("The key database is damaged")] },
        SceneState {
            name: "full",
            steps: &[SendEvent(database_problem_event!("full")), WaitText("The disk with the key database is full")],
        },
        SceneState {
            name: "locking-unsupported",
            steps: &[SendEvent(database_problem_event!("lockingUnsupported")), WaitText("doesn’t support file locks")],
        },
    ],
};

pub(super) const PORT_TAKEN: Scene = Scene {
    name: "port",
    precondition: Precondition::PortTaken,
    states: &[SceneState { name: "taken", steps: &[WaitText("is used by")] }],
};
