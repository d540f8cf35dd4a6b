//! The closed set of permissions that a key can hold.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{AsRefStr, Display, EnumString, VariantArray};

/// One permission. The order of the variants is the order in which the platform documents them and in which they are
/// always listed.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    EnumString,
    AsRefStr,
    VariantArray,
    Display,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Scope {
    /// Allows starting training runs and streaming metrics.
    Training,
    /// Allows uploading, downloading and deleting models.
    Models,
    /// Allows reading and modifying datasets.
    Datasets,
    /// Allows reading all resources.
    Read,
    /// Allows writing all resources, and implies reading.
    Write,
    /// Allows managing the account. Grants no access to resources.
    Admin,
}

impl Scope {
    const fn bit_mask(self) -> u8 {
        1 << self as u8
    }
}

/// A set of at least one scope. There is no "all" and no "none": a key grants exactly the listed scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

/// Why a list is not a valid set of scopes. The error message is a predicate, which callers display after `scopes: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopesError {
    /// The list is empty.
    #[error("at least one is needed")]
    Empty,
    /// The entry at this index (from 0) is not one of the six scopes. The error message does not quote the entry,
    /// because it may contain a secret.
    #[error("entry {0} is not one of training, models, datasets, read, write, admin")]
    Unknown(usize),
}

impl Scopes {
    /// Creates a set of the given scopes. A scope listed twice counts once.
    ///
    /// # Errors
    /// Returns [`ScopesError::Empty`] if no scope is given.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, ScopesError> {
        match scopes.into_iter().fold(0, |bits, scope| bits | scope.bit_mask()) {
            0 => Err(ScopesError::Empty),
            bits => Ok(Self(bits)),
        }
    }

    /// Parses a list of scope names such as `training`.
    ///
    /// # Errors
    /// Returns [`ScopesError`] if the list is empty or an entry is not one of the six names.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopesError> {
        let scopes: Vec<Scope> = names
            .into_iter()
            .enumerate()
            .map(|(index, name)| name.parse().map_err(|_| ScopesError::Unknown(index)))
            .collect::<Result<_, _>>()?;
        Self::new(scopes)
    }

    /// Whether the set contains `scope`.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit_mask() != 0
    }

    /// Whether the set contains at least one of `scopes`.
    pub fn intersects(self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|scope| self.contains(*scope))
    }

    /// Iterates over the scopes in documented order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::VARIANTS.iter().copied().filter(move |scope| self.contains(*scope))
    }
}

/// Writes the scopes separated by spaces, as in an OAuth scope list (RFC 6749, section 3.3).
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_ref())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scopes = Vec::<Scope>::deserialize(deserializer)?;
        Self::new(scopes).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{leaks_input, proptest_config};
    use proptest::prelude::*;

    #[test]
    fn parse_accepts_exact_scope_names_only() {
        for &scope in Scope::VARIANTS {
            assert_eq!(scope.as_ref().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).expect("can be serialized"), scope.as_ref());
        }
        for other in ["", "Training", "training ", "*", "all", "null"] {
            assert!(other.parse::<Scope>().is_err(), "{other:?}");
        }
    }

    #[test]
    fn parse_rejects_empty_and_unknown_scopes() {
        assert_eq!(Scopes::parse([]), Err(ScopesError::Empty));
        assert_eq!(Scopes::parse(["read", "root"]), Err(ScopesError::Unknown(1)));
        assert!(serde_json::from_str::<Scopes>("[]").is_err());
        assert!(serde_json::from_str::<Scopes>("null").is_err());
    }

    proptest! {
        #[test]
        fn scopes_ignore_order_and_repetition(picks in prop::collection::vec(0_usize..6, 1..20)) {
            let set = Scopes::new(picks.iter().map(|pick| Scope::VARIANTS[*pick])).expect("not empty");
            for (index, scope) in Scope::VARIANTS.iter().copied().enumerate() {
                prop_assert_eq!(set.contains(scope), picks.contains(&index));
            }
            let listed: Vec<_> = set.iter().collect();
            prop_assert!(listed.is_sorted());
            let again: Scopes = serde_json::from_str(&serde_json::to_string(&set).expect("json")).expect("json");
            prop_assert_eq!(again, set);
            prop_assert_eq!(Scopes::parse(set.to_string().split(' ')), Ok(set));
        }
    }

    const SCOPE_NAMES: [&str; 6] = ["training", "models", "datasets", "read", "write", "admin"];
    const ERROR_WORDS: &[&str] =
        &["at least one is needed", " is not one of training, models, datasets, read, write, admin"];

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_accepts_only_the_six_names(
            names in prop::collection::vec(prop_oneof![6 => prop::sample::select(&SCOPE_NAMES[..]).prop_map(str::to_owned),
                1 => "(training|models|read)?.{0,12}"], 0..8)
        ) {
            let unknown = names.iter().position(|name| !SCOPE_NAMES.contains(&name.as_str()));
            match (Scopes::parse(names.iter().map(String::as_str)), unknown) {
                (Ok(scopes), None) => {
                    let held: Vec<_> = SCOPE_NAMES.into_iter().filter(|name| names.iter().any(|given| given == name)).collect();
                    prop_assert_eq!(scopes.to_string(), held.join(" "));
                    prop_assert!(!held.is_empty());
                }
                (Err(ScopesError::Empty), None) => prop_assert!(names.is_empty()),
                (Err(error), Some(at)) => {
                    prop_assert_eq!(error, ScopesError::Unknown(at));
                    let names = names.concat();
                    prop_assert!(!leaks_input(&error.to_string(), names.as_bytes(), ERROR_WORDS), "{error}");
                }
                (parsed, unknown) => prop_assert!(false, "{parsed:?} {unknown:?}"),
            }
        }
    }
}
