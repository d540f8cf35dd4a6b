//! Points in time with millisecond resolution, written as RFC 3339 in UTC (`2026-11-22T09:30:00.000Z`).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How far a recorded time may lie in the future and still be accepted. Clocks are occasionally set back by a few
/// seconds.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z (the resolution of JavaScript's `Date`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant that jiff supports, in the year -9999.
    const MIN: Self = Self(-377_705_023_201_000);
    /// The latest whole second that jiff supports, in the year 9999.
    const MAX: Self = Self(253_402_207_200_000);

    /// Returns the instant `millis` milliseconds after the epoch, or `None` if it lies outside the years -9999 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// Returns the instant that is `duration` later, rounded up to the millisecond. On overflow, returns the latest
    /// supported instant.
    pub fn saturating_add(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis)).min(Self::MAX)
    }

    /// Returns the instant that is `duration` (truncated to milliseconds) earlier. On overflow, returns the earliest
    /// supported instant.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis)).max(Self::MIN)
    }

    /// Appends the time to a text, in RFC 3339 with milliseconds.
    pub fn write_rfc_3339(self, text: &mut String) {
        // Every time is in jiff's range, and writing to a string does not fail.
        let _ = self.print(text);
    }

    fn print(self, to: impl jiff::fmt::Write) -> Result<(), jiff::Error> {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        PRINTER.print_timestamp(&jiff::Timestamp::from_millisecond(self.0)?, to)
    }

    /// Returns the milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }
}

impl From<SystemTime> for Timestamp {
    /// Truncates the time to milliseconds. A time outside the supported years becomes the nearest supported instant.
    fn from(time: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let since_epoch = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        };
        Self(since_epoch.clamp(Self::MIN.0, Self::MAX.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(StdFmtWrite(f)).map_err(|_| fmt::Error)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let exact: jiff::Timestamp = text.parse()?;
        Ok(Self(exact.as_millisecond()).min(Self::MAX))
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
        assert_eq!(Timestamp::from_millis(0).expect("in range").to_string(), "1970-01-01T00:00:00.000Z");
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
        assert_eq!(time.saturating_sub(Duration::MAX), Timestamp::MIN);
    }

    #[test]
    fn first_and_last_time_can_be_displayed_and_parsed() {
        for (time, limit) in [(Timestamp::MIN, jiff::Timestamp::MIN), (Timestamp::MAX, jiff::Timestamp::MAX)] {
            assert_eq!(time.as_millis() / 1_000, limit.as_second());
            assert_eq!(time.to_string().parse::<Timestamp>().ok(), Some(time));
        }
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(Timestamp::MAX.as_millis() + 1), None);
        assert_eq!(Timestamp::from_millis(Timestamp::MIN.as_millis() - 1), None);
    }

    #[test]
    fn system_time_is_truncated_to_milliseconds() {
        let since = |duration| Timestamp::from(SystemTime::UNIX_EPOCH + duration).as_millis();
        assert_eq!(since(Duration::new(1_700_000_000, 120_999_999)), 1_700_000_000_120);
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH - Duration::from_millis(3)).as_millis(), -3);
        assert_eq!(since(Duration::from_secs(1 << 60)), Timestamp::MAX.as_millis());
    }
}
