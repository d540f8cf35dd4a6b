//! Converts why a database could not be opened into the JSON type of IPC.

use ulkeys_api::DatabaseProblem;
use ulkeys_store as store;

/// Converts the kind of a problem with a database.
pub(crate) fn describe_problem(problem: store::DatabaseProblem) -> DatabaseProblem {
    match problem {
        store::DatabaseProblem::Locked => DatabaseProblem::Locked,
        store::DatabaseProblem::ReadOnly => DatabaseProblem::ReadOnly,
        store::DatabaseProblem::Corrupt => DatabaseProblem::Corrupt,
        store::DatabaseProblem::Newer => DatabaseProblem::Newer,
        store::DatabaseProblem::Foreign => DatabaseProblem::Foreign,
        store::DatabaseProblem::Replaced => DatabaseProblem::Replaced,
        store::DatabaseProblem::LockingUnsupported => DatabaseProblem::LockingUnsupported,
        store::DatabaseProblem::Full => DatabaseProblem::Full,
        store::DatabaseProblem::Unavailable => DatabaseProblem::Unavailable,
    }
}
