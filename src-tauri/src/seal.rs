//! Encrypts the message that carries a plaintext key to a page, so that intermediate layers see only ciphertext.
//!
//! Uses HPKE (RFC 9180) in base mode with DHKEM(P-256, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM, which the WebCrypto
//! API of every web view supports. The page creates the key pair; its private key never leaves the page's process.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::DhP256HkdfSha256;
use hpke::{Deserializable as _, HpkeError, Kem, OpModeS, Serializable as _};
use serde::Serialize;
use ts_rs::TS;
use ulkeys_domain::{Secret, with_stack_wiped};

/// A plaintext key, encrypted so that only the page that requested it can read it.
#[derive(Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedKey {
    /// The sender's ephemeral public key (65 bytes); `enc` in RFC 9180.
    encapsulated: Vec<u8>,
    /// The encrypted key, followed by a 16-byte authentication tag.
    ciphertext: Vec<u8>,
}

/// Encrypts a key for the holder of a P-256 key pair. `recipient` is the uncompressed public key (65 bytes).
///
/// # Errors
/// Returns an error if `recipient` is not a valid P-256 public key.
pub(crate) fn seal_secret(secret: &Secret, recipient: &[u8]) -> Result<SealedKey, HpkeError> {
    let recipient = <DhP256HkdfSha256 as Kem>::PublicKey::from_bytes(recipient)?;
    let (encapsulated, ciphertext) = with_stack_wiped::<8, _>(|| {
        hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, DhP256HkdfSha256>(
            &OpModeS::Base,
            &recipient,
            &[],
            secret.expose().as_bytes(),
            &[],
            &mut rand::rng(),
        )
    })?;
    Ok(SealedKey { encapsulated: encapsulated.to_bytes().to_vec(), ciphertext })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpke::OpModeR;

    #[test]
    fn sealed_key_opens_only_for_recipient() {
        let text = format!("ul_{}", "0123456789".repeat(4));
        let secret = Secret::parse(text.as_bytes()).expect("valid");
        let (private, public) = DhP256HkdfSha256::gen_keypair_with_rng(&mut rand::rng());
        let (stranger, _) = DhP256HkdfSha256::gen_keypair_with_rng(&mut rand::rng());
        let sealed = seal_secret(&secret, &public.to_bytes()).expect("sealed");
        let open = |private| {
            let enc = <DhP256HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.encapsulated).expect("a point");
            hpke::single_shot_open::<AesGcm256, HkdfSha256, DhP256HkdfSha256>(
                &OpModeR::Base,
                private,
                &enc,
                &[],
                &sealed.ciphertext,
                &[],
            )
        };
        assert_eq!(open(&private).expect("opened"), text.as_bytes());
        assert!(open(&stranger).is_err());
    }

    #[test]
    fn seal_rejects_invalid_public_key() {
        let secret = Secret::parse(format!("ul_{}", "0".repeat(40)).as_bytes()).expect("valid");
        for wrong in [vec![], vec![0; 65], vec![4; 65], vec![4; 100_000]] {
            assert!(seal_secret(&secret, &wrong).is_err());
        }
    }
}
