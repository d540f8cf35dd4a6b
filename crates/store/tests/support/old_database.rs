//! Databases with the schema of an earlier version.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Creates a database with the schema of an earlier version.
pub(crate) fn database_of_version(path: &Path, version: usize) -> Connection {
    let old = Connection::open(path).expect("created");
    old.create_scalar_function("fold", 1, FunctionFlags::SQLITE_UTF8, |_| Ok("")).expect("registered");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let files = std::fs::read_dir(folder).expect("readable").map(|file| file.expect("readable").path());
    // The names of the files begin with the number of the version.
    let steps: Vec<_> = files.collect::<BTreeSet<_>>().into_iter().take(version).collect();
    assert_eq!(steps.len(), version, "there is no such version");
    for step in steps {
        old.execute_batch(&std::fs::read_to_string(step).expect("readable")).expect("migrated");
    }
    old.pragma_update(None, "user_version", i64::try_from(version).expect("small")).expect("written");
    old
}
