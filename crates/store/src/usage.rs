//! Request data that a service stores: the origin of a change, batches of usage, and the usage of a key.

use std::net::IpAddr;

use ulkeys_domain::decision::Decision;
use ulkeys_domain::{Actor, KeyId, Timestamp};

/// Milliseconds in an hour. Usage is counted in hours since the Unix epoch (UTC).
pub const MILLIS_PER_HOUR: i64 = 3_600_000;

/// The maximum number of clients that are stored per key. A new client replaces the one that was inactive for the
/// longest time.
pub const MAX_CLIENTS_PER_KEY: u32 = 50;

/// The origin of a change.
#[derive(Debug, Clone)]
pub struct AuditContext {
    /// Who requested the change. If a key requested it and that key has been revoked, nothing is changed.
    pub actor: Actor,
    /// The IP address of the client.
    pub peer: IpAddr,
    /// The client's user agent, or an empty string if the client sent none.
    pub user_agent: Box<str>,
}

/// The identifier of a batch of usage: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UsageBatchId(pub(crate) [u8; 16]);

/// The usage of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// The number of requests per hour and outcome, oldest hour first. Hours without requests are left out.
    pub hours: Vec<HourlyUsage>,
    /// The clients that used the key, most recent first; at most [`MAX_CLIENTS_PER_KEY`].
    pub clients: Vec<KeyClient>,
}

/// The number of requests with one key that had the same outcome in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourlyUsage {
    /// The beginning of the hour.
    pub hour: Timestamp,
    /// The outcome of the requests.
    pub outcome: Decision,
    /// The number of requests.
    pub requests: u64,
}

/// A client, identified by address and user agent, that used a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClient {
    /// The IP address of the client.
    pub peer: String,
    /// The client's user agent, if the client sent one.
    pub user_agent: Option<String>,
    /// When the client's first request was accepted.
    pub first_used_at: Timestamp,
    /// When the client's last request was accepted.
    pub last_used_at: Timestamp,
    /// The number of accepted requests from the client.
    pub requests: u64,
}

/// The usage recorded since the last batch.
#[derive(Debug)]
pub struct UsageBatch {
    /// The identifier of the batch. A batch with an identifier that is already stored is not stored again.
    pub id: UsageBatchId,
    /// Time at which the batch is written, according to the same clock as the other times in the batch. A stored
    /// last-used time after this time is replaced, because it was recorded while the clock was ahead. If this field is
    /// `None`, no stored time is replaced.
    pub at: Option<Timestamp>,
    /// The time of the last accepted request with each key.
    pub last_used: Vec<(KeyId, Timestamp)>,
    /// The time of each key's last request that only its `admin` scope permitted.
    pub admin_used: Vec<(KeyId, Timestamp)>,
    /// The number of requests by key, hour, and outcome.
    pub counts: Vec<HourlyCount>,
    /// Accepted requests by key and client.
    pub clients: Vec<ClientUsage>,
    /// Rejected requests, for the activity list.
    pub rejected: Vec<RejectedRequests>,
}

/// The number of requests that were made with one key in one hour and had the same outcome.
#[derive(Debug)]
pub struct HourlyCount {
    /// The key of the requests.
    pub key: KeyId,
    /// The hour, counted from the Unix epoch (UTC).
    pub hour: i64,
    /// The outcome of the requests.
    pub outcome: Decision,
    /// The number of requests.
    pub requests: u64,
}

/// Accepted requests of one client with one key.
#[derive(Debug)]
pub struct ClientUsage {
    /// The key that the client used.
    pub key: KeyId,
    /// The IP address of the client.
    pub peer: IpAddr,
    /// The client's user agent, or an empty string if the client sent none.
    pub user_agent: Box<str>,
    /// Time of the first request.
    pub first: Timestamp,
    /// Time of the last request.
    pub last: Timestamp,
    /// The number of requests.
    pub requests: u64,
}

/// Requests from one IP address that were rejected for the same reason within one hour.
#[derive(Debug)]
pub struct RejectedRequests {
    /// The key of the requests, or `None` if they contained no existing key.
    pub key: Option<KeyId>,
    /// The reason for the rejection.
    pub outcome: Decision,
    /// The IP address of the client.
    pub peer: IpAddr,
    /// The user agent of the last request, or an empty string if the client sent none.
    pub user_agent: Box<str>,
    /// Time of the first request.
    pub first: Timestamp,
    /// Time of the last request.
    pub last: Timestamp,
    /// The number of requests.
    pub requests: u64,
}

impl UsageBatch {
    /// Creates a batch without usage, with a new identifier.
    pub fn empty() -> Self {
        Self {
            id: UsageBatchId(rand::random()),
            at: None,
            last_used: Vec::new(),
            admin_used: Vec::new(),
            counts: Vec::new(),
            clients: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Returns whether the batch contains nothing to store.
    pub fn is_empty(&self) -> bool {
        self.last_used.is_empty() && self.counts.is_empty() && self.clients.is_empty() && self.rejected.is_empty()
    }
}
