//! The usage of one key that is not yet written to the store.

use std::net::IpAddr;

use smallvec::SmallVec;
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyId, Timestamp};
use ulkeys_store::{ClientUsage, HourlyCount, MAX_CLIENTS_PER_KEY, MILLIS_PER_HOUR, UsageBatch};

/// The client that sent a request: its address and user agent.
#[derive(Clone, Copy)]
pub(crate) struct ClientAddress<'a> {
    pub(crate) peer: IpAddr,
    /// The client's `User-Agent`; see [`crate::user_agent`].
    pub(crate) user_agent: &'a str,
}

/// The usage of one key since the last batch.
#[derive(Default)]
pub(crate) struct PendingKeyUsage {
    last_used: Option<Timestamp>,
    admin_used: Option<Timestamp>,
    counts: SmallVec<[(i64, Decision, u64); 1]>,
    clients: SmallVec<[PendingClient; 1]>,
    /// The last use, if it is not yet published.
    unpublished: Option<Timestamp>,
}

/// The requests of one client; see [`ClientUsage`].
struct PendingClient {
    peer: IpAddr,
    user_agent: Box<str>,
    first: Timestamp,
    last: Timestamp,
    requests: u64,
}

/// What [`PendingKeyUsage::record_accepted`] and [`PendingKeyUsage::record_rejected`] changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordedUsage {
    /// Whether this is the first usage since the last batch.
    pub(crate) is_first: bool,
    /// Whether this is the first use since the last event about the key.
    pub(crate) is_unpublished: bool,
    /// The number of counts and clients that were added.
    pub(crate) added: usize,
}

impl PendingKeyUsage {
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.last_used.is_none()
    }

    /// Returns the time of the last use, and of the last use that only the `admin` scope permitted.
    pub(crate) fn use_times(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.last_used, self.admin_used)
    }

    /// Records an accepted request, and whether acceptance required the `admin` scope. The time of the last use never
    /// moves back. Without capacity, no count or client is added.
    pub(crate) fn record_accepted(
        &mut self,
        from: ClientAddress<'_>,
        at: Timestamp,
        needed_admin: bool,
        has_capacity: bool,
    ) -> RecordedUsage {
        let is_first = self.is_empty();
        self.last_used = self.last_used.max(Some(at));
        if needed_admin {
            self.admin_used = self.admin_used.max(Some(at));
        }
        let added =
            self.count_outcome(Decision::Accepted, at, has_capacity) + self.count_client(from, at, has_capacity);
        let is_unpublished = self.unpublished.is_none();
        self.unpublished = self.unpublished.max(Some(at));
        RecordedUsage { is_first, is_unpublished, added }
    }

    /// Records a rejected request. Without capacity, no count is added.
    pub(crate) fn record_rejected(&mut self, outcome: Decision, at: Timestamp, has_capacity: bool) -> RecordedUsage {
        let is_first = self.is_empty();
        let added = self.count_outcome(outcome, at, has_capacity);
        RecordedUsage { is_first: is_first && added > 0, is_unpublished: false, added }
    }

    /// Returns the time of the last use if it is not yet published, and marks it as published.
    pub(crate) fn take_unpublished(&mut self) -> Option<Timestamp> {
        self.unpublished.take()
    }

    /// Moves the usage into a batch.
    pub(crate) fn move_into(&mut self, key: KeyId, batch: &mut UsageBatch) {
        batch.last_used.extend(self.last_used.take().map(|at| (key, at)));
        batch.admin_used.extend(self.admin_used.take().map(|at| (key, at)));
        let counts = self.counts.drain(..);
        batch.counts.extend(counts.map(|(hour, outcome, requests)| HourlyCount { key, hour, outcome, requests }));
        let clients = self.clients.drain(..);
        batch.clients.extend(clients.map(|PendingClient { peer, user_agent, first, last, requests }| ClientUsage {
            key,
            peer,
            user_agent,
            first,
            last,
            requests,
        }));
    }

    /// Counts a request by hour and decision. Returns the number of entries added.
    fn count_outcome(&mut self, outcome: Decision, at: Timestamp, has_capacity: bool) -> usize {
        let hour = hour_index(at);
        let is_same = |count: &(i64, Decision, u64)| count.1 == outcome && (count.0 == hour || !has_capacity);
        match self.counts.iter_mut().rfind(|count| is_same(count)) {
            Some(count) => count.2 += 1,
            None if has_capacity => {
                self.counts.push((hour, outcome, 1));
                return 1;
            }
            None => {}
        }
        0
    }

    /// Counts a request by client. Returns the number of entries added.
    fn count_client(&mut self, from: ClientAddress<'_>, at: Timestamp, has_capacity: bool) -> usize {
        let is_same_client =
            |client: &&mut PendingClient| client.peer == from.peer && *client.user_agent == *from.user_agent;
        if let Some(client) = self.clients.iter_mut().find(is_same_client) {
            client.last = at.max(client.last);
            client.requests += 1;
        } else if has_capacity && self.clients.len() < MAX_CLIENTS_PER_KEY as usize {
            let user_agent = from.user_agent.into();
            self.clients.push(PendingClient { peer: from.peer, user_agent, first: at, last: at, requests: 1 });
            return 1;
        }
        0
    }
}

/// Returns the number of the hour since the Unix epoch (UTC).
pub(crate) fn hour_index(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MILLIS_PER_HOUR)
}
