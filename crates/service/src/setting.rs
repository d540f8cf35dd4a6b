//! Settings that may change while the service runs.

use std::sync::Arc;

use tokio::sync::watch;

/// A value that may change while the service runs. The service reads the value each time it needs it.
pub struct Setting<T>(Arc<dyn Fn() -> T + Send + Sync>);

impl<T> Setting<T> {
    /// Creates a setting whose value `read` returns. `read` is called for each request, so it must be fast.
    pub fn new(read: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Creates a setting whose value is always a part of the latest value of `source`.
    pub fn follow<S: Send + Sync + 'static>(
        source: watch::Receiver<S>,
        read: impl Fn(&S) -> T + Send + Sync + 'static,
    ) -> Self {
        Self::new(move || read(&source.borrow()))
    }

    /// Returns the current value.
    pub fn get(&self) -> T {
        (self.0)()
    }
}

/// Creates a setting whose value never changes.
impl<T: Copy + Send + Sync + 'static> From<T> for Setting<T> {
    fn from(value: T) -> Self {
        Self::new(move || value)
    }
}

impl<T> Clone for Setting<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
