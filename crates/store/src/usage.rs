//! What a service records in its store about requests: the origin of a change, and usage in batches.

use std::net::IpAddr;

use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyId, Timestamp};

/// Milliseconds in an hour. Usage is counted by hours since 1970, UTC.
pub const MILLIS_PER_HOUR: i64 = 3_600_000;

/// Who asked for a change.
#[derive(Debug, Clone)]
pub struct AuditContext {
    /// The key that did it; `None` for the app itself.
    pub actor: Option<KeyId>,
    /// Address of the peer.
    pub peer: IpAddr,
    /// What the program called itself; empty when it said nothing.
    pub user_agent: Box<str>,
}

/// The usage since the last batch.
#[derive(Debug, Default)]
pub struct UsageBatch {
    /// When it is written, by the clock that its times are of. A stored use that is later gives way.
    pub at: Option<Timestamp>,
    /// The last accepted request of each key.
    pub last_used: Vec<(KeyId, Timestamp)>,
    /// The last request of each key that its scope `admin` alone opened.
    pub admin_used: Vec<(KeyId, Timestamp)>,
    /// Requests by key, hour and outcome.
    pub counts: Vec<HourlyCount>,
    /// Accepted requests by key and program.
    pub clients: Vec<ClientUsage>,
    /// Refused requests, for the list of activity.
    pub rejected: Vec<RejectedRequests>,
}

/// Requests with one key in one hour that ended alike.
#[derive(Debug)]
pub struct HourlyCount {
    /// The key.
    pub key: KeyId,
    /// Hours since 1970, UTC.
    pub hour: i64,
    /// How they ended.
    pub outcome: Decision,
    /// How many.
    pub requests: u64,
}

/// Accepted requests of one program with one key.
#[derive(Debug)]
pub struct ClientUsage {
    /// The key.
    pub key: KeyId,
    /// Address of the peer.
    pub peer: IpAddr,
    /// What the program called itself; empty when it said nothing.
    pub user_agent: Box<str>,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// How many.
    pub requests: u64,
}

/// Requests from one peer that were refused for one cause within one hour.
#[derive(Debug)]
pub struct RejectedRequests {
    /// The key; `None` when none was presented that exists.
    pub key: Option<KeyId>,
    /// Why.
    pub outcome: Decision,
    /// Address of the peer.
    pub peer: IpAddr,
    /// What the last of the programs called itself; empty when it said nothing.
    pub user_agent: Box<str>,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// How many.
    pub requests: u64,
}

impl UsageBatch {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.last_used.is_empty() && self.counts.is_empty() && self.clients.is_empty() && self.rejected.is_empty()
    }
}
