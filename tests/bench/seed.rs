//! Databases with many keys, in seconds: rows are inserted past the store, into the schema that it made.

use std::path::Path;

use anyhow::Result;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rusqlite::{Connection, params};
use ulkeys_domain::{KeyId, Scope, Scopes, Secret};
use ulkeys_service::system_clock;
use ulkeys_store::SqliteStore;

/// Makes a database with `count` active keys, and returns `sample` of them, spread evenly.
pub fn seed(path: &Path, count: usize, sample: usize) -> Result<Vec<String>> {
    drop(SqliteStore::open(path)?);
    // Quick, and the same each time; these keys open nothing else.
    let mut rng = StdRng::seed_from_u64(count as u64);
    let scopes = Scopes::new([Scope::Read])?.to_string();
    let mut taken = Vec::with_capacity(sample);
    let mut connection = Connection::open(path)?;
    // What a crash would leave of it is nobody's.
    connection.pragma_update(None, "synchronous", "OFF")?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare(
            "INSERT INTO keys (id, name, folded, prefix, hash, scopes, created_at) VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for number in 0..count {
            let secret = Secret::generate(&mut rng)?;
            insert.execute(params![
                KeyId::generate(&mut rng)?.as_str(),
                format!("key {number}"),
                secret.prefix().as_str(),
                secret.hash().as_bytes(),
                scopes,
                system_clock().as_millis(),
            ])?;
            if number % (count / sample).max(1) == 0 && taken.len() < sample {
                taken.push(secret.expose().to_owned());
            }
        }
    }
    transaction.commit()?;
    Ok(taken)
}
