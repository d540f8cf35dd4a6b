//! How much training data is kept, and how much space of the disk it leaves to keys.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

const MIB: u64 = 1024 * 1024;

/// Limits for training data, in MiB. A key may use half of each by default, so that one program never shuts the others
/// out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageLimits {
    /// All of it: what is in the database, and files of checkpoints.
    pub training: u32,
    /// The same, of one key.
    pub training_per_key: u32,
    /// What of it is in the database. The database is checked as a whole at each start, so it must stay small: 2 GiB
    /// take a few seconds, and hold a thousand long runs.
    pub database: u32,
    /// The same, of one key.
    pub database_per_key: u32,
    /// Free space of the disk that training data leaves to keys, their usage and other programs. Keys themselves need a
    /// few MiB.
    pub reserve: u32,
}

impl Default for StorageLimits {
    fn default() -> Self {
        Self { training: 51_200, training_per_key: 25_600, database: 2_048, database_per_key: 1_024, reserve: 256 }
    }
}

impl StorageLimits {
    /// What a limit may be set to: at most 10 TiB.
    pub const ALLOWED_RANGE: RangeInclusive<u32> = 1..=9_999_999;
}

/// Converts MiB to bytes.
pub fn mib_to_bytes(number: u32) -> u64 {
    u64::from(number) * MIB
}
