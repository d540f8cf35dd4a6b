//! Limits for stored training data, and the disk space that is reserved for keys.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;

/// Limits for training data, in MiB. By default, one key may use half of each limit, so that a single client cannot use
/// up the storage of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageLimits {
    /// Limit for all training data, both in the database and in checkpoint files.
    pub training: u32,
    /// Limit for the training data of one key.
    pub training_per_key: u32,
    /// Limit for training data in the database. The whole database is checked each time the service starts, so it must
    /// remain small. Checking 2 GiB (about a thousand long runs) takes a few seconds.
    pub database: u32,
    /// Limit for the training data of one key in the database.
    pub database_per_key: u32,
    /// Free disk space that training data must leave for keys, their usage and other programs. Keys themselves need a
    /// few MiB.
    pub reserve: u32,
}

impl Default for StorageLimits {
    fn default() -> Self {
        Self { training: 51_200, training_per_key: 25_600, database: 2_048, database_per_key: 1_024, reserve: 256 }
    }
}

impl StorageLimits {
    /// Range of valid limits, in MiB. The maximum is about 9.5 TiB.
    pub const ALLOWED_RANGE: RangeInclusive<u32> = 1..=9_999_999;
}

/// Converts MiB to bytes.
pub fn mib_to_bytes(number: u32) -> u64 {
    u64::from(number) * MIB
}
