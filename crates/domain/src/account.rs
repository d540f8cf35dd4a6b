//! Accounts, which own keys and training runs.

/// The identifier of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(i64);

impl AccountId {
    /// The only account of a service that is embedded in the app.
    pub const EMBEDDED: Self = Self(1);
}
