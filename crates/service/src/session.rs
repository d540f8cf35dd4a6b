//! The credential of the app that embeds the service: random for each launch, in memory only, never a key.

use rand::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A bearer token of 256 random bits. It may manage keys; it is not stored and cannot be listed or revoked.
pub struct SessionToken(Zeroizing<String>);

impl SessionToken {
    /// A new token from 32 bytes of `rng`.
    ///
    /// # Errors
    /// Whatever the random source reports.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut random = Zeroizing::new([0_u8; 32]);
        rng.try_fill_bytes(&mut *random)?;
        let mut text = Zeroizing::new(String::with_capacity(68));
        text.push_str("uls_");
        for byte in random.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        Ok(Self(text))
    }

    /// The text to send as a bearer token.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is this token, in time that does not depend on where they differ.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(presented)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SysRng;

    #[test]
    fn a_token_matches_itself_only() {
        let one = SessionToken::generate(&mut SysRng).expect("randomness");
        let two = SessionToken::generate(&mut SysRng).expect("randomness");
        assert_eq!(one.expose().len(), 68);
        assert!(one.matches(one.expose().as_bytes()));
        assert!(!one.matches(two.expose().as_bytes()));
        assert!(!one.matches(b""));
    }
}
