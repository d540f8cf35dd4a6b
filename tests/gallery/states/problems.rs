//! When the key service cannot run.

use super::super::Step::See;
use super::super::{Scene, Setting, State};

pub(super) const DAMAGED: Scene = Scene {
    name: "damaged",
    setting: Setting::Damaged,
    states: &[State { name: "database", steps: &[See("The key database is damaged")] }],
};

pub(super) const PORT: Scene = Scene {
    name: "port",
    setting: Setting::PortTaken,
    states: &[State { name: "taken", steps: &[See("is used by")] }],
};
