//! Defines the scenes of the gallery, in one module for each area of the app.

mod details;
mod keys;
mod one_time;
mod problems;
mod sections;

use super::Scene;

/// All scenes, in the order of the sidebar.
pub const SCENES: &[Scene] = &[
    keys::NEW_APP,
    keys::KEY_LIST,
    keys::CREATE_DIALOG,
    keys::REVOKE_DIALOG,
    keys::OTHER_ACTIONS,
    details::KEY_DETAILS,
    details::HOSTILE_KEY_DETAILS,
    keys::ROTATION,
    keys::HOSTILE_NAMES,
    keys::MANY_KEYS,
    one_time::KEY_WINDOW,
    sections::ACTIVITY_PAGE,
    sections::CONNECTION_PAGE,
    sections::PREFERENCES_PAGE,
    sections::HELP_PAGE,
    problems::DAMAGED_DATABASE,
    problems::PORT_TAKEN,
];
