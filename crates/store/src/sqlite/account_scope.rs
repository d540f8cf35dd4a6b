//! Statements that reach the data of one account only.
//!
//! Each statement must contain the parameter [`ACCOUNT_PARAMETER`], which is bound to the account. A statement without
//! it fails whenever it runs, so the first test that runs it detects a forgotten filter.

use rusqlite::{CachedStatement, Connection, Row, ToSql};
use ulkeys_domain::AccountId;

use super::rows::read_account;

/// The name of the parameter that each statement compares with, or writes to, the columns `account_id`.
const ACCOUNT_PARAMETER: &str = ":account_id";

/// The values of a statement's other parameters, by name. Parameters are always named, because the account's parameter
/// would shift the numbers of the others.
pub(super) type Parameters<'a> = &'a [(&'a str, &'a dyn ToSql)];

/// The data of one account in a transaction.
#[derive(Clone, Copy)]
pub(super) struct AccountScope<'c> {
    connection: &'c Connection,
    account: AccountId,
}

impl<'c> AccountScope<'c> {
    /// Returns the data of an account. `connection` must be in a transaction.
    pub(super) fn new(connection: &'c Connection, account: AccountId) -> Self {
        Self { connection, account }
    }

    /// Runs `work` in one transaction, and commits it unless `work` returns an error.
    pub(super) fn transact<T, E: From<rusqlite::Error>>(
        connection: &mut Connection,
        account: AccountId,
        work: impl FnOnce(AccountScope<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = connection.transaction()?;
        let done = work(AccountScope::new(&transaction, account))?;
        transaction.commit()?;
        Ok(done)
    }

    pub(super) fn account(self) -> AccountId {
        self.account
    }

    /// Returns the connection, for tables that describe the database and therefore have no account.
    pub(super) fn whole_database(self) -> &'c Connection {
        self.connection
    }

    /// Executes a statement and returns the number of changed rows.
    pub(super) fn execute(self, statement: &str, parameters: Parameters<'_>) -> rusqlite::Result<usize> {
        self.bind(statement, parameters)?.raw_execute()
    }

    /// Returns the first row.
    ///
    /// # Errors
    /// Returns [`rusqlite::Error::QueryReturnedNoRows`] if there is no row.
    pub(super) fn query_row<T>(
        self,
        statement: &str,
        parameters: Parameters<'_>,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut statement = self.bind(statement, parameters)?;
        let mut rows = statement.raw_query();
        rows.next()?.map_or(Err(rusqlite::Error::QueryReturnedNoRows), read)
    }

    /// Returns all rows.
    pub(super) fn query_all<T, C: FromIterator<T>>(
        self,
        statement: &str,
        parameters: Parameters<'_>,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<C> {
        self.bind(statement, parameters)?.raw_query().mapped(read).collect()
    }

    /// Prepares a statement and binds the account and all other parameters.
    ///
    /// # Errors
    /// Returns an error if the statement has no parameter for the account, or if `parameters` are not exactly its other
    /// parameters: SQLite would treat a parameter without a value as NULL.
    fn bind(self, statement: &str, parameters: Parameters<'_>) -> rusqlite::Result<CachedStatement<'c>> {
        let mut statement = self.connection.prepare_cached(statement)?;
        let account = [(ACCOUNT_PARAMETER, &self.account.get() as &dyn ToSql)];
        for (name, value) in account.iter().chain(parameters) {
            let index = statement.parameter_index(name)?;
            let index = index.ok_or_else(|| rusqlite::Error::InvalidParameterName((*name).to_owned()))?;
            statement.raw_bind_parameter(index, value)?;
        }
        let (bound, expected) = (parameters.len() + 1, statement.parameter_count());
        if bound == expected { Ok(statement) } else { Err(rusqlite::Error::InvalidParameterCount(bound, expected)) }
    }
}

/// Returns all accounts.
pub(super) fn list_accounts(connection: &Connection) -> rusqlite::Result<Vec<AccountId>> {
    connection
        .prepare_cached("SELECT id FROM accounts ORDER BY id")?
        .query_map([], |row| read_account(row, 0))?
        .collect()
}

#[cfg(test)]
mod tests {
    use rusqlite::Error;

    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        connection
            .execute_batch(
                "CREATE TABLE items (account_id INTEGER, name TEXT); INSERT INTO items VALUES (1, 'a'), (2, 'b')",
            )
            .expect("created");
        connection
    }

    #[test]
    fn query_all_returns_rows_of_the_account_only() {
        let connection = database();
        let scope = AccountScope::new(&connection, AccountId::EMBEDDED);
        let names: Vec<String> = scope
            .query_all("SELECT name FROM items WHERE account_id = :account_id", &[], |row| row.get(0))
            .expect("filtered");
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn statement_without_account_fails() {
        let connection = database();
        let scope = AccountScope::new(&connection, AccountId::EMBEDDED);
        let statements: [(&str, Parameters<'_>); 3] = [
            ("DELETE FROM items", &[]),
            ("DELETE FROM items WHERE name = :name", &[(":name", &"b")]),
            ("DELETE FROM items WHERE account_id = ?1", &[]),
        ];
        for (statement, parameters) in statements {
            let result = scope.execute(statement, parameters);
            assert!(matches!(&result, Err(Error::InvalidParameterName(name)) if name == ":account_id"), "{result:?}");
        }
        let count: i64 = connection.query_row("SELECT count(*) FROM items", [], |row| row.get(0)).expect("read");
        assert_eq!(count, 2);
    }

    #[test]
    fn statement_with_unbound_parameter_fails() {
        let connection = database();
        let scope = AccountScope::new(&connection, AccountId::EMBEDDED);
        let result = scope.execute("DELETE FROM items WHERE account_id = :account_id AND name <> :name", &[]);
        assert!(matches!(result, Err(Error::InvalidParameterCount(1, 2))), "{result:?}");
    }
}
