//! Points in time with millisecond resolution, written as RFC 3339 in UTC (`2026-11-22T09:30:00.000Z`).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How far a recorded time may lie in the future and still be accepted. Clocks are occasionally set back by a few
/// seconds.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z (the resolution of JavaScript's `Date`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-22T09:30:00.000Z")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// Returns the instant `millis` milliseconds after the epoch, or `None` if it lies outside the years -9999 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        jiff::Timestamp::from_millisecond(millis).ok().map(Self)
    }

    /// Returns the instant that is `duration` later, rounded up to the millisecond. On overflow, returns the latest
    /// supported instant.
    pub fn saturating_add(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis)).unwrap_or(Self(jiff::Timestamp::MAX))
    }

    /// Returns the instant that is `duration` (truncated to milliseconds) earlier. On overflow, returns the earliest
    /// supported instant.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(millis)).unwrap_or(Self(jiff::Timestamp::MIN))
    }

    /// Returns the milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }
}

impl From<SystemTime> for Timestamp {
    /// Truncates the time to milliseconds. A time outside the supported years becomes the latest supported instant.
    fn from(time: SystemTime) -> Self {
        let exact = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
        Self::from_millis(exact.as_millisecond()).unwrap_or(Self(jiff::Timestamp::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let exact: jiff::Timestamp = text.parse()?;
        jiff::Timestamp::from_millisecond(exact.as_millisecond()).map(Self)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_rfc_3339_with_milliseconds() {
        let time = Timestamp::from_millis(1_700_000_000_120).expect("in range");
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.120Z");
        assert_eq!("2023-11-14T22:13:20.120Z".parse::<Timestamp>().ok(), Some(time));
    }

    #[test]
    fn parse_drops_fractions_of_a_millisecond() {
        let time: Timestamp = "2023-11-14T22:13:20.120999Z".parse().expect("valid");
        assert_eq!(time.as_millis(), 1_700_000_000_120);
    }

    #[test]
    fn saturating_sub_stops_at_the_first_time() {
        let time = Timestamp::from_millis(90_000_000).expect("in range");
        assert_eq!(time.saturating_sub(Duration::from_hours(24)).as_millis(), 3_600_000);
        assert_eq!(time.saturating_sub(Duration::from_hours(48)).as_millis(), -82_800_000);
        assert_eq!(time.saturating_sub(Duration::MAX), Timestamp(jiff::Timestamp::MIN));
    }
}
