//! The scenes, in the order of the sidebar.

mod keys;
mod one_time;
mod problems;

use super::Scene;

/// Every scene.
pub const SCENES: &[Scene] =
    &[keys::NEW, keys::LIST, keys::HOSTILE, keys::CROWD, one_time::SHOWN, problems::DAMAGED, problems::PORT];
