//! The scenes, in the order of the sidebar.

mod details;
mod keys;
mod one_time;
mod problems;
mod sections;

use super::Scene;

/// Every scene.
pub const SCENES: &[Scene] = &[
    keys::NEW,
    keys::LIST,
    keys::CREATE,
    keys::REVOKE,
    keys::OTHER,
    details::SHOWN,
    details::HOSTILE,
    keys::ROTATE,
    keys::HOSTILE,
    keys::CROWD,
    one_time::SHOWN,
    sections::ACTIVITY,
    sections::CONNECTION,
    sections::PREFERENCES,
    sections::HELP,
    problems::DAMAGED,
    problems::PORT,
];
