//! Permissions to upload one file: unguessable addresses that need no other credential, in memory only.
//!
//! Each is for one checkpoint of one run, lasts an hour, and is gone once a file has arrived; until then the same client may
//! try again. An attempt that has begun within the hour may still succeed after it. Only the SHA-256 of each is held. A restart forgets them all.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rand::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use ulkeys_domain::KeyId;
use ulkeys_domain::secret::write_hex;
use ulkeys_domain::training::{CheckpointId, FileName, RunId};
use zeroize::Zeroizing;

use crate::auth::Caller;

const RANDOM_BYTES: usize = 32;
/// How long a permission lasts. Measured from the start of the service: a clock that is set must not prolong it.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How much longer an attempt may succeed than its client may send: the file is still to be put in its place.
const GRACE: Duration = Duration::from_secs(60);
/// How many may be outstanding for one run, for one caller, and in all: an abandoned one occupies a place for an hour. A
/// caller has room for sixteen runs that use all of theirs, so trainings that end together do not take each other's places.
const MAX_PENDING_OF_RUN: usize = 16;
const MAX_PENDING_OF_CALLER: usize = 256;
const MAX_PENDING: usize = 1_024;

/// What may be uploaded, and on whose behalf.
#[derive(Clone)]
pub(crate) struct UploadGrant {
    pub(crate) id: CheckpointId,
    pub(crate) run: RunId,
    pub(crate) filename: FileName,
    /// In bytes, where the client announced it.
    pub(crate) size: Option<u64>,
    /// Whether it becomes the run's checkpoint when it arrives, without a word from the run.
    pub(crate) save_at_once: bool,
    pub(crate) caller: Caller,
}

/// Why no permission is given.
pub(crate) enum IssueError {
    TooMany,
    NoRandomness,
}

type Digest = [u8; 32];

/// The outstanding permissions.
#[derive(Default)]
pub(crate) struct UploadGrants(Mutex<HashMap<Digest, PendingUpload>>);

struct PendingUpload {
    upload: UploadGrant,
    /// From then on, no attempt may begin.
    expires: Duration,
    /// Until then, an attempt that has begun may succeed.
    attempt_ends: Duration,
    /// The request that is sending, if one is.
    attempt: CancellationToken,
}

impl UploadGrants {
    /// A new permission: 64 hexadecimal digits from 32 bytes of `rng`.
    pub(crate) fn issue<R: TryCryptoRng>(
        &self,
        upload: UploadGrant,
        now: Duration,
        rng: &mut R,
    ) -> Result<Zeroizing<String>, IssueError> {
        let mut random = Zeroizing::new([0_u8; RANDOM_BYTES]);
        rng.try_fill_bytes(&mut *random).map_err(|_| IssueError::NoRandomness)?;
        let mut digits = Zeroizing::new([0_u8; 2 * RANDOM_BYTES]);
        write_hex(&*random, &mut *digits);
        let mut outstanding = self.outstanding(now);
        let of_caller = || outstanding.values().filter(|other| other.upload.caller.key_id() == upload.caller.key_id());
        let of_run = of_caller().filter(|other| other.upload.run == upload.run).count();
        if outstanding.len() >= MAX_PENDING
            || of_caller().count() >= MAX_PENDING_OF_CALLER
            || of_run >= MAX_PENDING_OF_RUN
        {
            return Err(IssueError::TooMany);
        }
        let expires = now + LIFETIME;
        let fresh = PendingUpload { upload, expires, attempt_ends: expires, attempt: CancellationToken::new() };
        outstanding.insert(Sha256::digest(digits.as_slice()).into(), fresh);
        Ok(Zeroizing::new(digits.iter().copied().map(char::from).collect()))
    }

    /// Begins an attempt with the permission `text`, if there is one, that may send for as long as `max_time`. An attempt before it that still seems to be sending
    /// is a broken connection that we have not noticed yet: its token is cancelled.
    pub(crate) fn begin_attempt(
        &self,
        text: &str,
        now: Duration,
        max_time: Duration,
    ) -> Option<(UploadGrant, CancellationToken)> {
        let mut outstanding = self.outstanding(now);
        let found = outstanding.get_mut(&digest(text)).filter(|found| found.expires > now)?;
        found.attempt_ends = now + max_time + GRACE;
        found.attempt.cancel();
        found.attempt = CancellationToken::new();
        Some((found.upload.clone(), found.attempt.clone()))
    }

    /// Uses up the permission; `false` when it is gone, or another attempt has begun. Whoever gets `true` either keeps the
    /// file or calls [`Self::restore`].
    pub(crate) fn consume(&self, text: &str, attempt: &CancellationToken, now: Duration) -> bool {
        let mut outstanding = self.outstanding(now);
        let digest = digest(text);
        let is_ours = outstanding.contains_key(&digest) && !attempt.is_cancelled();
        if is_ours {
            outstanding.remove(&digest);
        }
        is_ours
    }

    /// Makes a permission valid again whose file could not be kept.
    pub(crate) fn restore(&self, text: &str, upload: UploadGrant, now: Duration) {
        let expires = now + LIFETIME;
        let again = PendingUpload { upload, expires, attempt_ends: expires, attempt: CancellationToken::new() };
        self.outstanding(now).insert(digest(text), again);
    }

    /// Whose permissions are outstanding, each caller once.
    pub(crate) fn callers(&self, now: Duration) -> Vec<Caller> {
        let outstanding = self.outstanding(now);
        let callers: HashMap<_, _> =
            outstanding.values().map(|other| (other.upload.caller.key_id(), &other.upload.caller)).collect();
        callers.into_values().cloned().collect()
    }

    /// Forgets what was permitted to a key that is revoked now.
    pub(crate) fn withdraw(&self, key: &KeyId, now: Duration) {
        self.outstanding(now).retain(|_, other| other.upload.caller.key_id() != Some(key));
    }

    /// Those that have not expired, and those that an attempt is still made with.
    fn outstanding(&self, now: Duration) -> MutexGuard<'_, HashMap<Digest, PendingUpload>> {
        let mut outstanding = self.0.lock();
        outstanding.retain(|_, upload| upload.expires.max(upload.attempt_ends) > now);
        outstanding
    }
}

fn digest(text: &str) -> Digest {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SysRng;
    use ulkeys_domain::{KeyAuthInfo, KeyName, Scope, Scopes, Secret, Timestamp};

    const LIFETIME: u64 = super::LIFETIME.as_millis() as u64;
    const GRACE: u64 = super::GRACE.as_millis() as u64;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn holder() -> Caller {
        let key = KeyAuthInfo {
            id: KeyId::generate(&mut SysRng).expect("randomness"),
            name: KeyName::parse("trainer").expect("valid"),
            scopes: Scopes::new([Scope::Training]).expect("not empty"),
            created_at: Timestamp::from_millis(0).expect("in range"),
            revoked_at: None,
        };
        Caller::Key { key: key.into(), hash: Secret::generate(&mut SysRng).expect("randomness").hash() }
    }

    fn upload(caller: Caller) -> UploadGrant {
        upload_of(caller, 1)
    }

    fn upload_of(caller: Caller, run: i64) -> UploadGrant {
        UploadGrant {
            id: CheckpointId::generate(&mut SysRng).expect("randomness"),
            run: RunId::new(run).expect("positive"),
            filename: FileName::parse("best.pt").expect("valid"),
            size: None,
            save_at_once: false,
            caller,
        }
    }

    fn issue(uploads: &UploadGrants, now: u64) -> Zeroizing<String> {
        uploads.issue(upload(Caller::Session), at(now), &mut SysRng).ok().expect("a place")
    }

    const MAX_TIME: Duration = Duration::from_secs(60);

    fn begin(uploads: &UploadGrants, text: &str, now: u64) -> Option<(UploadGrant, CancellationToken)> {
        uploads.begin_attempt(text, at(now), MAX_TIME)
    }

    #[test]
    fn consume_grant_succeeds_once() {
        let uploads = UploadGrants::default();
        let text = issue(&uploads, 0);
        assert_eq!(text.len(), 64);
        let (_, first) = begin(&uploads, &text, 1).expect("outstanding");
        let (_, second) = begin(&uploads, &text, 2).expect("still outstanding");
        assert!(first.is_cancelled() && !second.is_cancelled());
        assert!(!uploads.consume(&text, &first, at(3)), "another attempt has begun");
        assert!(uploads.consume(&text, &second, at(3)));
        assert!(!uploads.consume(&text, &second, at(3)));
        assert!(begin(&uploads, &text, 4).is_none());
        uploads.restore(&text, upload(Caller::Session), at(5));
        assert!(begin(&uploads, &text, 6).is_some());
    }

    #[test]
    fn begin_attempt_expired_grant_is_rejected() {
        let uploads = UploadGrants::default();
        let text = issue(&uploads, 0);
        assert!(begin(&uploads, &text, LIFETIME - 1).is_some());
        assert!(begin(&uploads, &text, LIFETIME).is_none());
        let unused = issue(&uploads, 0);
        assert!(begin(&uploads, &unused, LIFETIME).is_none());
        assert!(begin(&uploads, &unused, 0).is_none(), "it is forgotten");
        assert!(begin(&uploads, "", 0).is_none());
    }

    #[test]
    fn consume_attempt_begun_in_time_succeeds_after_expiry() {
        let uploads = UploadGrants::default();
        let last = LIFETIME - 1;
        let ends = last + 60_000 + GRACE;
        for (done, succeeds) in [(last, true), (LIFETIME + 59_000, true), (ends - 1, true), (ends, false)] {
            let text = issue(&uploads, 0);
            let (_, attempt) = begin(&uploads, &text, last).expect("outstanding");
            assert!(done <= last || begin(&uploads, &text, LIFETIME).is_none(), "no other attempt may begin");
            assert_eq!(uploads.consume(&text, &attempt, at(done)), succeeds, "{done}");
        }
    }

    #[test]
    fn withdraw_removes_grants_of_key() {
        let uploads = UploadGrants::default();
        let (one, two) = (holder(), holder());
        for caller in [&one, &one, &two] {
            assert!(uploads.issue(upload(caller.clone()), at(0), &mut SysRng).is_ok());
        }
        assert_eq!(uploads.callers(at(0)).len(), 2);
        uploads.withdraw(one.key_id().expect("a key"), at(0));
        let left: Vec<_> = uploads.callers(at(0)).iter().map(|caller| caller.key_id().copied()).collect();
        assert_eq!(left, [two.key_id().copied()]);
    }

    #[test]
    fn issue_above_a_limit_is_rejected() {
        let uploads = UploadGrants::default();
        let fill = |caller: &Caller| {
            let runs = i64::try_from(MAX_PENDING_OF_CALLER / MAX_PENDING_OF_RUN).expect("few");
            for run in 1..=runs {
                for _ in 0..MAX_PENDING_OF_RUN {
                    assert!(uploads.issue(upload_of(caller.clone(), run), at(0), &mut SysRng).is_ok());
                }
                let one_more = uploads.issue(upload_of(caller.clone(), run), at(0), &mut SysRng);
                assert!(matches!(one_more, Err(IssueError::TooMany)), "of run {run}");
            }
            let another_run = uploads.issue(upload_of(caller.clone(), runs + 1), at(0), &mut SysRng);
            assert!(matches!(another_run, Err(IssueError::TooMany)), "of the caller");
        };
        for _ in 0..MAX_PENDING / MAX_PENDING_OF_CALLER {
            fill(&holder());
        }
        assert!(matches!(uploads.issue(upload(Caller::Session), at(0), &mut SysRng), Err(IssueError::TooMany)));
        assert!(uploads.issue(upload(Caller::Session), at(LIFETIME), &mut SysRng).is_ok(), "they expire");
    }
}
