//! Upload grants. A grant allows one file to be uploaded to an unguessable address without another credential. Grants
//! are stored in memory only.
//!
//! A grant is for one checkpoint of one run. It expires after an hour and is removed once a file is stored; until then
//! the client may retry. An attempt that begins within the hour may end later. Only the SHA-256 hash of a grant's token
//! is stored. A restart removes all grants.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rand::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use ulkeys_domain::KeyId;
use ulkeys_domain::secret::write_hex;
use ulkeys_domain::training::{CheckpointId, FileName, ModelId, RunId};
use zeroize::Zeroizing;

use crate::caller::Caller;

const TOKEN_BYTES: usize = 32;
/// The time for which a grant is valid. It is measured by the service's uptime, because changing the wall clock must
/// not extend a grant.
const GRANT_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Extra time that an upload attempt gets beyond the time that the client has for sending, because the received file
/// must still be stored.
const STORING_GRACE_PERIOD: Duration = Duration::from_secs(60);
/// The maximum number of pending grants per run, per caller, and in total. An unused grant counts until it expires
/// after an hour. A caller's limit is sixteen times the limit of a run, so that sixteen runs that end at the same time
/// do not block each other.
const MAX_PENDING_OF_RUN: usize = 16;
const MAX_PENDING_OF_CALLER: usize = 256;
const MAX_PENDING: usize = 1_024;

/// The file that may be uploaded, and the caller that requested the grant.
#[derive(Clone)]
pub(crate) struct UploadGrant {
    pub(crate) id: CheckpointId,
    pub(crate) model: ModelId,
    pub(crate) run: RunId,
    pub(crate) filename: FileName,
    /// The size in bytes, if the client announced it.
    pub(crate) size: Option<u64>,
    /// Whether the file becomes the run's checkpoint as soon as it is stored, without a further event from the run.
    pub(crate) save_on_arrival: bool,
    pub(crate) caller: Caller,
}

/// The reason why no grant is issued.
pub(crate) enum GrantError {
    TooMany,
    NoRandomness,
}

type TokenDigest = [u8; 32];

/// The pending grants, by the hash of their token.
#[derive(Default)]
pub(crate) struct UploadGrants(Mutex<HashMap<TokenDigest, PendingUpload>>);

struct PendingUpload {
    grant: UploadGrant,
    /// The time after which no attempt may begin.
    expires: Duration,
    /// The time before which the current attempt must succeed.
    attempt_ends: Duration,
    /// Cancels the current attempt when a new one begins.
    attempt: CancellationToken,
}

/// A grant that an upload has consumed. [`UploadGrants::restore_grant`] makes it valid again.
pub(crate) struct ConsumedGrant {
    digest: TokenDigest,
    grant: UploadGrant,
    expires: Duration,
}

impl UploadGrants {
    /// Issues a grant and returns its token: 64 hexadecimal digits from 32 bytes of `rng`.
    pub(crate) fn issue_grant<R: TryCryptoRng>(
        &self,
        grant: UploadGrant,
        now: Duration,
        rng: &mut R,
    ) -> Result<Zeroizing<String>, GrantError> {
        let mut random = Zeroizing::new([0_u8; TOKEN_BYTES]);
        rng.try_fill_bytes(&mut *random).map_err(|_| GrantError::NoRandomness)?;
        let mut digits = Zeroizing::new([0_u8; 2 * TOKEN_BYTES]);
        write_hex(&*random, &mut *digits);
        let mut pending = self.lock_unexpired(now);
        let of_caller = || pending.values().filter(|other| other.grant.caller.key_id() == grant.caller.key_id());
        let of_run = of_caller().filter(|other| other.grant.run == grant.run).count();
        if pending.len() >= MAX_PENDING || of_caller().count() >= MAX_PENDING_OF_CALLER || of_run >= MAX_PENDING_OF_RUN
        {
            return Err(GrantError::TooMany);
        }
        let expires = now + GRANT_LIFETIME;
        let fresh = PendingUpload { grant, expires, attempt_ends: expires, attempt: CancellationToken::new() };
        pending.insert(Sha256::digest(digits.as_slice()).into(), fresh);
        Ok(Zeroizing::new(digits.iter().copied().map(char::from).collect()))
    }

    /// Starts an upload attempt with the grant that `token` identifies. The client has `max_time` to send the file. A
    /// previous attempt that still appears active is assumed to be a dead connection and is cancelled.
    pub(crate) fn begin_attempt(
        &self,
        token: &str,
        now: Duration,
        max_time: Duration,
    ) -> Option<(UploadGrant, CancellationToken)> {
        let mut pending = self.lock_unexpired(now);
        let found = pending.get_mut(&digest_token(token)).filter(|found| found.expires > now)?;
        found.attempt_ends = now + max_time + STORING_GRACE_PERIOD;
        found.attempt.cancel();
        found.attempt = CancellationToken::new();
        Some((found.grant.clone(), found.attempt.clone()))
    }

    /// Consumes a grant. Returns `None` if the grant does not exist or a newer upload attempt has replaced this one.
    pub(crate) fn consume_grant(
        &self,
        token: &str,
        attempt: &CancellationToken,
        now: Duration,
    ) -> Option<ConsumedGrant> {
        let mut pending = self.lock_unexpired(now);
        if attempt.is_cancelled() {
            return None;
        }
        let digest = digest_token(token);
        let PendingUpload { grant, expires, .. } = pending.remove(&digest)?;
        Some(ConsumedGrant { digest, grant, expires })
    }

    /// Makes a consumed grant valid again, after its file could not be stored. The grant expires when it would have
    /// expired without the attempt.
    pub(crate) fn restore_grant(&self, consumed: ConsumedGrant, now: Duration) {
        let ConsumedGrant { digest, grant, expires } = consumed;
        let restored = PendingUpload { grant, expires, attempt_ends: expires, attempt: CancellationToken::new() };
        self.lock_unexpired(now).insert(digest, restored);
    }

    /// Returns the callers that have pending grants, without duplicates.
    pub(crate) fn callers_with_grants(&self, now: Duration) -> Vec<Caller> {
        let pending = self.lock_unexpired(now);
        let callers: HashMap<_, _> =
            pending.values().map(|other| (other.grant.caller.key_id(), &other.grant.caller)).collect();
        callers.into_values().cloned().collect()
    }

    /// Removes the grants of a revoked key.
    pub(crate) fn withdraw_grants_of_key(&self, key: KeyId, now: Duration) {
        self.lock_unexpired(now).retain(|_, other| other.grant.caller.key_id() != Some(key));
    }

    /// Removes expired grants, except those with an attempt in progress, and returns the remaining ones.
    fn lock_unexpired(&self, now: Duration) -> MutexGuard<'_, HashMap<TokenDigest, PendingUpload>> {
        let mut pending = self.0.lock();
        pending.retain(|_, grant| grant.expires.max(grant.attempt_ends) > now);
        pending
    }
}

fn digest_token(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_index::KeyEntry;
    use rand::rngs::SysRng;
    use std::sync::Arc;

    use ulkeys_domain::{AccountId, KeyAuthInfo, KeyName, Scope, Scopes, Secret, Timestamp};
    use ulkeys_store::{Revision, StoredKey};

    const GRANT_LIFETIME: u64 = super::GRANT_LIFETIME.as_millis() as u64;
    const STORING_GRACE_PERIOD: u64 = super::STORING_GRACE_PERIOD.as_millis() as u64;

    fn from_millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn caller_with_key() -> Caller {
        let key = KeyAuthInfo {
            id: KeyId::generate(&mut SysRng).expect("randomness"),
            name: KeyName::parse("trainer").expect("valid"),
            scopes: Scopes::new([Scope::Training]).expect("not empty"),
            created_at: Timestamp::from_millis(0).expect("in range"),
            revoked_at: None,
        };
        let hash = Secret::generate(&mut SysRng).expect("randomness").hash();
        Caller::Key(Arc::new(KeyEntry::new(StoredKey {
            account: AccountId::EMBEDDED,
            hash,
            info: key,
            revision: Revision::default(),
        })))
    }

    fn grant_for(caller: Caller) -> UploadGrant {
        grant_for_run(caller, 1)
    }

    fn grant_for_run(caller: Caller, run: i64) -> UploadGrant {
        UploadGrant {
            id: CheckpointId::generate(&mut SysRng).expect("randomness"),
            model: ModelId::generate(&mut SysRng).expect("randomness"),
            run: RunId::new(run).expect("positive"),
            filename: FileName::parse("best.pt").expect("valid"),
            size: None,
            save_on_arrival: false,
            caller,
        }
    }

    fn issue_grant(grants: &UploadGrants, now: u64) -> Zeroizing<String> {
        grants.issue_grant(grant_for(Caller::Session), from_millis(now), &mut SysRng).ok().expect("below the limit")
    }

    const MAX_ATTEMPT_TIME: Duration = Duration::from_secs(60);

    fn begin_attempt(grants: &UploadGrants, token: &str, now: u64) -> Option<(UploadGrant, CancellationToken)> {
        grants.begin_attempt(token, from_millis(now), MAX_ATTEMPT_TIME)
    }

    #[test]
    fn consume_grant_succeeds_once() {
        let grants = UploadGrants::default();
        let token = issue_grant(&grants, 0);
        assert_eq!(token.len(), 64);
        let (_, first) = begin_attempt(&grants, &token, 1).expect("pending");
        let (_, second) = begin_attempt(&grants, &token, 2).expect("still pending");
        assert!(first.is_cancelled() && !second.is_cancelled());
        assert!(grants.consume_grant(&token, &first, from_millis(3)).is_none(), "another attempt has begun");
        assert!(grants.consume_grant(&token, &second, from_millis(3)).is_some());
        assert!(grants.consume_grant(&token, &second, from_millis(3)).is_none());
        assert!(begin_attempt(&grants, &token, 4).is_none());
    }

    #[test]
    fn restore_grant_keeps_original_expiry() {
        let grants = UploadGrants::default();
        let token = issue_grant(&grants, 0);
        let restore_after_attempt = |begun: u64, failed: u64| {
            let (_, attempt) = begin_attempt(&grants, &token, begun).expect("pending");
            let consumed = grants.consume_grant(&token, &attempt, from_millis(failed)).expect("consumed");
            grants.restore_grant(consumed, from_millis(failed));
        };
        restore_after_attempt(1, GRANT_LIFETIME / 2);
        restore_after_attempt(GRANT_LIFETIME - 1, GRANT_LIFETIME - 1);
        assert!(begin_attempt(&grants, &token, GRANT_LIFETIME).is_none());
        assert_eq!(grants.callers_with_grants(from_millis(GRANT_LIFETIME)).len(), 0, "the expired grant is removed");
    }

    #[test]
    fn begin_attempt_expired_grant_is_rejected() {
        let grants = UploadGrants::default();
        let token = issue_grant(&grants, 0);
        assert!(begin_attempt(&grants, &token, GRANT_LIFETIME - 1).is_some());
        assert!(begin_attempt(&grants, &token, GRANT_LIFETIME).is_none());
        let unused = issue_grant(&grants, 0);
        assert!(begin_attempt(&grants, &unused, GRANT_LIFETIME).is_none());
        assert!(begin_attempt(&grants, &unused, 0).is_none(), "the expired grant is removed");
        assert!(begin_attempt(&grants, "", 0).is_none());
    }

    #[test]
    fn consume_attempt_begun_in_time_succeeds_after_expiry() {
        let grants = UploadGrants::default();
        let last = GRANT_LIFETIME - 1;
        let ends = last + 60_000 + STORING_GRACE_PERIOD;
        for (done, succeeds) in [(last, true), (GRANT_LIFETIME + 59_000, true), (ends - 1, true), (ends, false)] {
            let token = issue_grant(&grants, 0);
            let (_, attempt) = begin_attempt(&grants, &token, last).expect("pending");
            assert!(
                done <= last || begin_attempt(&grants, &token, GRANT_LIFETIME).is_none(),
                "no other attempt may begin"
            );
            assert_eq!(grants.consume_grant(&token, &attempt, from_millis(done)).is_some(), succeeds, "{done}");
        }
    }

    #[test]
    fn withdraw_grants_of_key_removes_no_others() {
        let grants = UploadGrants::default();
        let (one, two) = (caller_with_key(), caller_with_key());
        for caller in [&one, &one, &two] {
            assert!(grants.issue_grant(grant_for(caller.clone()), from_millis(0), &mut SysRng).is_ok());
        }
        assert_eq!(grants.callers_with_grants(from_millis(0)).len(), 2);
        grants.withdraw_grants_of_key(one.key_id().expect("a key"), from_millis(0));
        let left: Vec<_> = grants.callers_with_grants(from_millis(0)).iter().map(|caller| caller.key_id()).collect();
        assert_eq!(left, [two.key_id()]);
    }

    #[test]
    fn issue_above_limit_is_rejected() {
        let grants = UploadGrants::default();
        let fill = |caller: &Caller| {
            let runs = i64::try_from(MAX_PENDING_OF_CALLER / MAX_PENDING_OF_RUN).expect("few");
            for run in 1..=runs {
                for _ in 0..MAX_PENDING_OF_RUN {
                    assert!(
                        grants.issue_grant(grant_for_run(caller.clone(), run), from_millis(0), &mut SysRng).is_ok()
                    );
                }
                let one_more = grants.issue_grant(grant_for_run(caller.clone(), run), from_millis(0), &mut SysRng);
                assert!(matches!(one_more, Err(GrantError::TooMany)), "the limit of run {run} is exceeded");
            }
            let another_run = grants.issue_grant(grant_for_run(caller.clone(), runs + 1), from_millis(0), &mut SysRng);
            assert!(matches!(another_run, Err(GrantError::TooMany)), "the limit of the caller is exceeded");
        };
        for _ in 0..MAX_PENDING / MAX_PENDING_OF_CALLER {
            fill(&caller_with_key());
        }
        assert!(matches!(
            grants.issue_grant(grant_for(Caller::Session), from_millis(0), &mut SysRng),
            Err(GrantError::TooMany)
        ));
        assert!(
            grants.issue_grant(grant_for(Caller::Session), from_millis(GRANT_LIFETIME), &mut SysRng).is_ok(),
            "expired grants do not count"
        );
    }
}
