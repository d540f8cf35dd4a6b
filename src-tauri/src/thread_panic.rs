//! Describes panics of work that runs on other threads.

/// Logs the panic of a background task. Returns an error message for the user, which does not contain the panic's
/// details.
pub(crate) fn panic_message(error: &tokio::task::JoinError) -> String {
    tracing::error!(%error, "a background task panicked");
    "an internal error occurred".to_owned()
}
