//! Rejected requests that are not yet published, in groups.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use ulkeys_api::{KeyEvent, RejectionGroup};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyId, Timestamp};

/// The maximum number of groups in one event. Further rejections are only counted, so that a flood of rejected requests
/// needs no more memory.
const MAX_GROUPS: usize = 50;
/// The maximum number of groups without a key in one event. Anyone can cause rejections without a key, so the other
/// groups are reserved for rejections of keys.
const MAX_GROUPS_WITHOUT_KEY: usize = 25;

/// Rejected requests since the last event, grouped by key, outcome and peer.
#[derive(Default)]
pub(crate) struct RejectionGroups {
    groups: HashMap<(Option<KeyId>, Decision, IpAddr), GroupCount>,
    without_key: usize,
    /// The number of rejections for which there was no group.
    more_requests: u64,
}

struct GroupCount {
    requests: u64,
    last_at: Timestamp,
}

impl RejectionGroups {
    /// Adds a rejected request. Returns whether it is the first since the last event.
    pub(crate) fn add(&mut self, key: Option<KeyId>, outcome: Decision, peer: IpAddr, at: Timestamp) -> bool {
        let is_first = self.groups.is_empty();
        let has_place = self.groups.len() < MAX_GROUPS && (key.is_some() || self.without_key < MAX_GROUPS_WITHOUT_KEY);
        match self.groups.entry((key, outcome, peer)) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.requests += 1;
                known.last_at = at.max(known.last_at);
            }
            Entry::Vacant(place) if has_place => {
                place.insert(GroupCount { requests: 1, last_at: at });
                self.without_key += usize::from(key.is_none());
            }
            Entry::Vacant(_) => self.more_requests += 1,
        }
        is_first
    }

    /// Returns the event about these rejections, the latest rejection first; `None` if nothing was rejected.
    pub(crate) fn into_event(self) -> Option<KeyEvent> {
        let to_group = |((key_id, outcome, peer), count): ((_, _, IpAddr), GroupCount)| RejectionGroup {
            key_id,
            outcome,
            peer: peer.to_string(),
            requests: count.requests,
            last_at: count.last_at,
        };
        let mut groups: Vec<_> = self.groups.into_iter().map(to_group).collect();
        groups.sort_by_key(|group| Reverse(group.last_at));
        (!groups.is_empty()).then_some(KeyEvent::Rejected { groups, more_requests: self.more_requests })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn new_key() -> Option<KeyId> {
        Some(KeyId::generate(&mut rand::rngs::SysRng).expect("randomness"))
    }

    fn groups_of(rejections: RejectionGroups) -> (Vec<RejectionGroup>, u64) {
        match rejections.into_event() {
            Some(KeyEvent::Rejected { groups, more_requests }) => (groups, more_requests),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn add_groups_by_key_outcome_and_peer() {
        let mut rejections = RejectionGroups::default();
        let (key, other) = (new_key(), IpAddr::from([10, 0, 0, 1]));
        assert!(rejections.add(key, Decision::Scope, PEER, at(5)));
        for (key, outcome, peer, millis) in [
            (key, Decision::Scope, PEER, 3),
            (key, Decision::Limit, PEER, 9),
            (None, Decision::Unknown, PEER, 7),
            (None, Decision::Unknown, other, 8),
        ] {
            assert!(!rejections.add(key, outcome, peer, at(millis)));
        }
        let group = |key_id, outcome, peer: &str, requests, millis| RejectionGroup {
            key_id,
            outcome,
            peer: peer.to_owned(),
            requests,
            last_at: at(millis),
        };
        let expected = vec![
            group(key, Decision::Limit, "127.0.0.1", 1, 9),
            group(None, Decision::Unknown, "10.0.0.1", 1, 8),
            group(None, Decision::Unknown, "127.0.0.1", 1, 7),
            group(key, Decision::Scope, "127.0.0.1", 2, 5),
        ];
        assert_eq!(groups_of(rejections), (expected, 0));
        assert_eq!(RejectionGroups::default().into_event(), None);
    }

    #[test]
    fn add_flood_without_key_is_bounded_and_leaves_groups_for_keys() {
        let mut rejections = RejectionGroups::default();
        for number in 0..10_000_u32 {
            rejections.add(None, Decision::Unknown, IpAddr::V4(number.into()), at(1));
        }
        for _ in 0..40 {
            rejections.add(new_key(), Decision::Scope, PEER, at(2));
        }
        rejections.add(None, Decision::Unknown, IpAddr::V4(0.into()), at(3));
        let (groups, more_requests) = groups_of(rejections);
        assert_eq!((groups.len(), groups[0].requests), (MAX_GROUPS, 2), "a known group is still counted");
        assert_eq!(groups.iter().filter(|group| group.key_id.is_some()).count(), MAX_GROUPS - MAX_GROUPS_WITHOUT_KEY);
        let listed: u64 = groups.iter().map(|group| group.requests).sum();
        assert_eq!(listed + more_requests, 10_041, "every rejection is counted");
    }
}
