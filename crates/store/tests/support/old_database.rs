//! Databases with the schema of an earlier version.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Creates a database with the schema of an earlier version.
pub(crate) fn database_of_version(path: &Path, version: usize) -> Connection {
    let old = Connection::open(path).expect("created");
    old.create_scalar_function("fold", 1, FunctionFlags::SQLITE_UTF8, |_| Ok("")).expect("registered");
    let steps = [
        include_str!("../../migrations/sqlite/0001_keys.sql"),
        include_str!("../../migrations/sqlite/0002_usage.sql"),
        include_str!("../../migrations/sqlite/0003_training.sql"),
        include_str!("../../migrations/sqlite/0004_list.sql"),
        include_str!("../../migrations/sqlite/0005_fold_again.sql"),
        include_str!("../../migrations/sqlite/0006_guard.sql"),
        include_str!("../../migrations/sqlite/0007_training_bytes.sql"),
        include_str!("../../migrations/sqlite/0008_names.sql"),
        include_str!("../../migrations/sqlite/0009_change_feed.sql"),
    ];
    for step in &steps[..version] {
        old.execute_batch(step).expect("migrated");
    }
    old.pragma_update(None, "user_version", i64::try_from(version).expect("small")).expect("written");
    old
}
