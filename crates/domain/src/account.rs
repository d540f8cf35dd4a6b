//! Accounts, which own keys and training runs.

/// The identifier of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(i64);

impl AccountId {
    /// The only account of a service that is embedded in the app.
    pub const EMBEDDED: Self = Self(1);

    /// Creates an identifier. Returns `None` if the number is not positive.
    pub fn new(number: i64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// Returns the identifier as a number.
    pub fn get(self) -> i64 {
        self.0
    }
}
