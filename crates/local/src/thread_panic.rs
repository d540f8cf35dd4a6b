//! Describes panics of work that runs on other threads.

/// Logs the panic of a background task. Returns an error message for the user, which does not contain the panic's
/// details.
pub fn panic_message(error: &tokio::task::JoinError) -> String {
    tracing::error!(%error, "a background task panicked");
    "an internal error occurred".to_owned()
}

/// Converts the panic of a background task that was working on a file into an I/O error.
pub fn thread_panic_error(error: tokio::task::JoinError) -> std::io::Error {
    std::io::Error::other(panic_message(&error))
}
