//! Who makes a change.

use std::fmt;

use crate::KeyId;

/// Who makes a change or sends a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The service itself, for example when it finds a change that another program made.
    System,
    /// A person who uses the app.
    Session,
    /// A client that presents a key.
    Key(KeyId),
}

impl Actor {
    /// Returns the identifier of the key, or `None` if the actor is not a key.
    pub fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Key(id) => Some(id),
            Self::System | Self::Session => None,
        }
    }

    /// Parses the text that [`fmt::Display`] writes. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "system" => Some(Self::System),
            "session" => Some(Self::Session),
            _ => KeyId::parse(text).map(Self::Key),
        }
    }
}

impl fmt::Display for Actor {
    /// Writes `system`, `session`, or the identifier of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Session => "session",
            Self::Key(id) => id.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_displayed_actor_returns_it() {
        let key = KeyId::parse("key_0123456789abcdef01234567").expect("valid");
        for actor in [Actor::System, Actor::Session, Actor::Key(key)] {
            assert_eq!(Actor::parse(&actor.to_string()), Some(actor));
        }
        assert_eq!(Actor::parse(""), None);
    }
}
