//! Determines which keys need attention, and why.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::{CLOCK_TOLERANCE, KeyRecord, Scope, Timestamp};

/// Default rotation period in days: a key of this age should be replaced. The value comes from the platform's
/// documentation.
pub const DEFAULT_ROTATION_DAYS: u32 = 90;
/// Maximum rotation period, in days.
pub const MAX_ROTATION_DAYS: u32 = 3_650;
/// A key that has not been used for this many days after its creation is probably not configured in any client.
const NEVER_USED_DAYS: u32 = 30;
/// A key that has not been used for this many days is probably no longer needed.
const UNUSED_DAYS: u32 = 90;
/// A key whose `admin` scope has not been needed for this many days could be replaced by a key without that scope.
const ADMIN_UNUSED_DAYS: u32 = 30;

/// A reason why an active key needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantArray)]
#[serde(rename_all = "camelCase")]
pub enum AttentionReason {
    /// The key is older than the rotation period.
    Old,
    /// The key was created 30 or more days ago and has never been used.
    NeverUsed,
    /// The key has not been used for 90 days or more.
    Unused,
    /// The key is in use and holds the `admin` scope, but has not needed that scope for 30 days or more.
    AdminUnused,
}

/// Thresholds for the times at which a key was created and last used. They determine whether the key needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionThresholds {
    /// A key created at or before this time is due for rotation.
    pub old: Timestamp,
    /// A key created at or before this time needs attention if it has never been used.
    pub never_used: Timestamp,
    /// A key last used at or before this time counts as unused.
    pub unused: Timestamp,
    /// A key that last needed its `admin` scope at or before this time probably no longer needs it.
    pub admin_unused: Timestamp,
    /// A usage time later than this was recorded while the clock was wrong, and is ignored.
    pub latest: Timestamp,
}

impl AttentionThresholds {
    /// Returns the thresholds that apply at `now`, given the rotation period in days.
    pub fn at(now: Timestamp, rotation_days: u32) -> Self {
        let before = |days: u32| now.saturating_sub(Duration::from_hours(24 * u64::from(days)));
        Self {
            old: before(rotation_days),
            never_used: before(NEVER_USED_DAYS),
            unused: before(UNUSED_DAYS),
            admin_unused: before(ADMIN_UNUSED_DAYS),
            latest: now.saturating_add(CLOCK_TOLERANCE),
        }
    }

    /// Returns the reasons why a key needs attention, most important first. A revoked key never needs attention.
    pub fn reasons(&self, key: &KeyRecord) -> Vec<AttentionReason> {
        if key.revoked_at.is_some() {
            return Vec::new();
        }
        let possible = |used: Option<Timestamp>| used.filter(|at| *at <= self.latest);
        let silence = match possible(key.last_used_at) {
            None => (key.created_at <= self.never_used).then_some(AttentionReason::NeverUsed),
            Some(used) => (used <= self.unused).then_some(AttentionReason::Unused),
        };
        let needed_admin = possible(key.admin_used_at).unwrap_or(key.created_at);
        let admin_unused = silence.is_none() && key.scopes.contains(Scope::Admin) && needed_admin <= self.admin_unused;
        let old = key.created_at <= self.old;
        [silence, admin_unused.then_some(AttentionReason::AdminUnused), old.then_some(AttentionReason::Old)]
            .into_iter()
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SysRng;

    use super::*;
    use crate::{KeyId, KeyName, Scopes, Secret};

    const MILLIS_PER_DAY: i64 = 24 * 3_600_000;

    fn start_of_day(day: i64) -> Timestamp {
        Timestamp::from_millis(day * MILLIS_PER_DAY).expect("in range")
    }

    fn key_with_times(created: i64, used: Option<i64>, admin_used: Option<i64>, scopes: &[Scope]) -> KeyRecord {
        KeyRecord {
            last_used_at: used.map(start_of_day),
            admin_used_at: admin_used.map(start_of_day),
            ..KeyRecord::new(
                KeyId::generate(&mut SysRng).expect("randomness"),
                KeyName::parse("key").expect("valid"),
                Secret::generate(&mut SysRng).expect("randomness").prefix(),
                Scopes::new(scopes.iter().copied()).expect("not empty"),
                start_of_day(created),
            )
        }
    }

    #[test]
    fn reasons_begin_on_the_day_of_their_threshold() {
        use AttentionReason::{AdminUnused, NeverUsed, Old, Unused};
        let read: &[Scope] = &[Scope::Read];
        let admin: &[Scope] = &[Scope::Read, Scope::Admin];
        let rules = AttentionThresholds::at(start_of_day(1_000), 90);
        for (key, expected) in [
            (key_with_times(1_000, None, None, read), vec![]),
            (key_with_times(971, None, None, read), vec![]),
            (key_with_times(970, None, None, read), vec![NeverUsed]),
            (key_with_times(911, Some(1_000), None, read), vec![]),
            (key_with_times(910, Some(1_000), None, read), vec![Old]),
            (key_with_times(800, Some(911), None, read), vec![Old]),
            (key_with_times(800, Some(910), None, read), vec![Unused, Old]),
            (key_with_times(971, Some(1_000), None, admin), vec![]),
            (key_with_times(970, Some(1_000), None, admin), vec![AdminUnused]),
            (key_with_times(950, Some(1_000), Some(971), admin), vec![]),
            (key_with_times(950, Some(1_000), Some(970), admin), vec![AdminUnused]),
            (key_with_times(900, Some(1_000), None, admin), vec![AdminUnused, Old]),
            (key_with_times(960, None, None, admin), vec![NeverUsed]),
            // These usage times were recorded while the clock was 100 days ahead.
            (key_with_times(960, Some(1_100), None, read), vec![NeverUsed]),
            (key_with_times(971, Some(1_100), None, read), vec![]),
            (key_with_times(960, Some(1_000), Some(1_100), admin), vec![AdminUnused]),
        ] {
            assert_eq!(rules.reasons(&key), expected, "{key:?}");
            let revoked = KeyRecord { revoked_at: Some(start_of_day(999)), ..key };
            assert_eq!(rules.reasons(&revoked), []);
        }
    }

    #[test]
    fn reasons_rotation_period_is_configurable() {
        let key = key_with_times(800, Some(1_000), None, &[Scope::Read]);
        assert_eq!(AttentionThresholds::at(start_of_day(1_000), 200).reasons(&key), [AttentionReason::Old]);
        assert_eq!(AttentionThresholds::at(start_of_day(1_000), 201).reasons(&key), []);
    }
}
