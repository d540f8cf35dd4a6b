//! Limits the space that training data occupies, per key and in total, and reserves disk space for keys.
//!
//! When a limit is reached or free space falls below the reserve, training data is rejected, while keys can still be
//! created, renamed and revoked. The end of a run is always recorded, but without the run's results if there is no
//! space for them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ulkeys_api::training::{StorageUse, TrainingStorage};
use ulkeys_domain::KeyId;
use ulkeys_domain::storage::{StorageLimits, mib_to_bytes};
use ulkeys_store::{AccountStore, StoreError, StoredBytes, TrainingBytes};

use crate::checkpoints::CheckpointStore;
use crate::setting::Setting;

/// The storage limits and the retention period of training data.
#[derive(Clone)]
pub struct TrainingConfig {
    /// The limits for stored training data, and the disk space reserved for keys.
    pub limits: Setting<StorageLimits>,
    /// The time for which a run is stored after its last event; `None` if runs are deleted only on request.
    pub retention: Setting<Option<Duration>>,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self { limits: StorageLimits::default().into(), retention: None.into() }
    }
}

/// The limit that a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum QuotaKind {
    Key(Option<KeyId>),
    KeyDatabase(Option<KeyId>),
    All,
    Database,
    Reserve,
}

/// The reason why training data is rejected.
pub(crate) struct StorageShortage {
    limit: QuotaKind,
    /// The limit in MiB.
    value: u32,
}

impl StorageShortage {
    /// Returns the action that makes space available.
    pub(crate) fn remedy(&self) -> &'static str {
        match self.limit {
            // Deleting runs would not help: deleted rows do not shrink the database file.
            QuotaKind::Reserve => "Free some space on the disk",
            _ => "Delete training runs",
        }
    }

    pub(crate) fn message(&self) -> String {
        let value = self.value;
        match self.limit {
            QuotaKind::Key(_) => format!("The training data of this key has reached its limit of {value} MiB"),
            QuotaKind::KeyDatabase(_) => {
                format!("The training data of this key in the database has reached its limit of {value} MiB")
            }
            QuotaKind::All => format!("Training data has reached its limit of {value} MiB"),
            QuotaKind::Database => format!("Training data in the database has reached its limit of {value} MiB"),
            QuotaKind::Reserve => {
                format!("The disk has no space left except the {value} MiB reserved for keys")
            }
        }
    }
}

/// The reason why a check of the storage limits fails.
pub(crate) enum QuotaError {
    /// The data does not fit.
    Full(StorageShortage),
    /// The store cannot report how much data it contains.
    Store(StoreError),
}

impl From<StoreError> for QuotaError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Checks training data against the storage limits.
pub(crate) struct TrainingQuota {
    store: Arc<dyn AccountStore>,
    config: TrainingConfig,
    /// The reserve applies to the disk that contains the checkpoint files.
    checkpoints: CheckpointStore,
    /// The limits that are currently reached. A message is logged once when a limit is reached, and once when there is
    /// space again.
    reached: Mutex<HashSet<QuotaKind>>,
}

impl TrainingQuota {
    pub(crate) fn new(store: Arc<dyn AccountStore>, config: TrainingConfig, checkpoints: CheckpointStore) -> Self {
        Self { store, config, checkpoints, reached: Mutex::default() }
    }

    /// Checks that another `bytes` bytes of training data, reported with a key, fit into the storage limits, and that
    /// they leave the disk reserve free.
    pub(crate) async fn check_database(&self, key: Option<&KeyId>, bytes: u64) -> Result<(), QuotaError> {
        let (limits, stored) = (self.config.limits.get(), self.store.training_bytes(key.copied()).await?);
        let key = key.copied();
        self.check_limits(
            [
                (
                    QuotaKind::KeyDatabase(key),
                    limits.database_per_key,
                    remaining_bytes(limits.database_per_key, stored.key.rows),
                ),
                (QuotaKind::Database, limits.database, remaining_bytes(limits.database, stored.all.rows)),
            ],
            bytes,
        )?;
        self.check_total(key, stored, bytes)?;
        self.check_disk_reserve(bytes.saturating_sub(stored.reusable))
    }

    /// Checks that a checkpoint file of `bytes` bytes fits into the limits and leaves the disk reserve free.
    pub(crate) async fn check_file(&self, key: Option<&KeyId>, bytes: u64) -> Result<(), QuotaError> {
        let stored = self.store.training_bytes(key.copied()).await?;
        self.check_total(key.copied(), stored, bytes)?;
        self.check_disk_reserve(bytes)
    }

    /// Checks the limits for a file that has been received and is already on the disk. This second check is needed if
    /// the size was not announced, or if several files were received with the same key at the same time.
    pub(crate) async fn check_received_file(&self, key: Option<&KeyId>, bytes: u64) -> Result<(), QuotaError> {
        let stored = self.store.training_bytes(key.copied()).await?;
        self.check_total(key.copied(), stored, bytes)
    }

    fn check_total(&self, key: Option<KeyId>, stored: TrainingBytes, bytes: u64) -> Result<(), QuotaError> {
        let limits = self.config.limits.get();
        self.check_limits(
            [
                (
                    QuotaKind::Key(key),
                    limits.training_per_key,
                    remaining_bytes(limits.training_per_key, total_bytes(stored.key)),
                ),
                (QuotaKind::All, limits.training, remaining_bytes(limits.training, total_bytes(stored.all))),
            ],
            bytes,
        )
    }

    /// Checks that writing another `bytes` bytes leaves the disk reserve free.
    pub(crate) fn check_disk_reserve(&self, bytes: u64) -> Result<(), QuotaError> {
        let reserve = self.config.limits.get().reserve;
        let free = self.checkpoints.free_disk_bytes().unwrap_or(u64::MAX);
        self.check_limits([(QuotaKind::Reserve, reserve, free.saturating_sub(mib_to_bytes(reserve)))], bytes)
    }

    fn check_limits<const N: usize>(&self, limits: [(QuotaKind, u32, u64); N], bytes: u64) -> Result<(), QuotaError> {
        let mut reached = self.reached.lock();
        for (limit, value, room) in limits {
            // Near a limit, small reports may still fit while large ones are rejected. To avoid logging a change each
            // time, a limit counts as reached only while at most 2 % of it is left.
            let is_low = room <= mib_to_bytes(value) / 50;
            if bytes > room {
                let shortage = StorageShortage { limit, value };
                if is_low && reached.insert(limit) {
                    tracing::warn!(?limit, "training data is rejected: {}", shortage.message());
                }
                return Err(QuotaError::Full(shortage));
            }
            if !is_low && reached.remove(&limit) {
                tracing::info!(?limit, "there is space for training data again");
            }
        }
        Ok(())
    }

    /// Returns how much training data is stored, in total and for one key.
    pub(crate) async fn used_storage(&self, key: Option<&KeyId>) -> Result<TrainingStorage, StoreError> {
        let (limits, stored) = (self.config.limits.get(), self.store.training_bytes(key.copied()).await?);
        let in_use = |stored: StoredBytes, limit, database_limit| StorageUse {
            used_bytes: total_bytes(stored),
            limit_bytes: mib_to_bytes(limit),
            database_used_bytes: stored.rows,
            database_limit_bytes: mib_to_bytes(database_limit),
        };
        let free = self.checkpoints.free_disk_bytes();
        Ok(TrainingStorage {
            all: in_use(stored.all, limits.training, limits.database),
            key: key.map(|_| in_use(stored.key, limits.training_per_key, limits.database_per_key)),
            leaves_reserve: free.is_none_or(|free| free > mib_to_bytes(limits.reserve)),
            reserve_bytes: mib_to_bytes(limits.reserve),
        })
    }
}

fn total_bytes(stored: StoredBytes) -> u64 {
    stored.rows + stored.files
}

fn remaining_bytes(limit: u32, stored: u64) -> u64 {
    mib_to_bytes(limit).saturating_sub(stored)
}
