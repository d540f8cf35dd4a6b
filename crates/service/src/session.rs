//! The credential with which the programs of the service's owner manage keys: generated at each launch, and never a
//! key. An app that embeds the service holds it in memory only; `ul-keys serve` writes it into a file that only its
//! owner can read.

use rand::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use ulkeys_domain::secret::write_hex;
use zeroize::Zeroizing;

const TOKEN_PREFIX: &str = "uls_";

/// A bearer token of 256 random bits that authorizes the management of keys. Unlike a key, it is not stored, and it
/// cannot be listed or revoked.
pub struct SessionToken {
    text: Zeroizing<String>,
    digest: [u8; 32],
}

impl SessionToken {
    /// Generates a token from 32 bytes of `rng`.
    ///
    /// # Errors
    /// Returns the error of the random number generator.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut random = Zeroizing::new([0_u8; 32]);
        rng.try_fill_bytes(&mut *random)?;
        let mut digits = Zeroizing::new([0_u8; 64]);
        write_hex(&*random, &mut *digits);
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_PREFIX.len() + digits.len()));
        text.push_str(TOKEN_PREFIX);
        text.extend(digits.iter().copied().map(char::from));
        let digest = Sha256::digest(text.as_bytes()).into();
        Ok(Self { text, digest })
    }

    /// Returns the text to send as a bearer token.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Returns whether `presented` is this token. The comparison runs in constant time. This method is called for every
    /// request, so a credential with another prefix, such as a key, is rejected before it is hashed.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        presented.starts_with(TOKEN_PREFIX.as_bytes())
            && Sha256::digest(presented).as_slice().ct_eq(&self.digest).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SysRng;

    #[test]
    fn matches_accepts_the_same_token_only() {
        let one = SessionToken::generate(&mut SysRng).expect("randomness");
        let two = SessionToken::generate(&mut SysRng).expect("randomness");
        assert_eq!(one.expose().len(), 68);
        assert!(one.matches(one.expose().as_bytes()));
        assert!(!one.matches(two.expose().as_bytes()));
        assert!(!one.matches(b""));
    }
}
