//! Stores the days on which the service ran, to decide whether the clock can be trusted.
//!
//! Old data is purged relative to the eighth most recent of these days, so a clock that is wrong on up to seven days
//! does not cause data to be deleted too early. After a computer has been off for a long time, purging resumes after
//! eight days of use.

use rusqlite::{Connection, params};
use ulkeys_domain::Timestamp;

/// The maximum number of stored days.
const MAX_STORED_DAYS: usize = 31;
/// A time counts as passed only if at least this many stored days are at or after it. A clock that is wrong on fewer
/// days does not cause data to be deleted too early.
const AGREEING_DAYS: usize = 8;
const MILLIS_PER_DAY: i64 = 24 * crate::MILLIS_PER_HOUR;
/// 2026-01-01, before the first release of this program. An earlier time means that the clock was reset, for example
/// because of an empty battery.
const EARLIEST_CLOCK_MILLIS: i64 = 1_767_225_600_000;

/// Records that the service ran on the day of `now`.
pub(super) fn record_day(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    if now.as_millis() < EARLIEST_CLOCK_MILLIS {
        return Ok(());
    }
    let today = day_number(now);
    let newest =
        connection.query_row("SELECT max(seen), day FROM service_days", [], |row| row.get::<_, Option<i64>>(1))?;
    if newest == Some(today) {
        return Ok(());
    }
    connection.execute("DELETE FROM service_days WHERE day = ?1", [today])?;
    connection.execute("INSERT INTO service_days (day) VALUES (?1)", [today])?;
    let old = "DELETE FROM service_days WHERE seen NOT IN (SELECT seen FROM service_days ORDER BY seen DESC LIMIT ?1)";
    connection.execute(old, params![MAX_STORED_DAYS.cast_signed()]).map(drop)
}

/// Returns the latest time that has certainly passed, for purging old data: the start of the eighth most recent stored
/// day, but never later than `now`. Returns `None` while too few days are stored, or if the clock is obviously wrong.
pub(super) fn believable_time(connection: &Connection, now: Timestamp) -> rusqlite::Result<Option<Timestamp>> {
    let days = load_days(connection)?;
    let agreed = days.len().checked_sub(AGREEING_DAYS).and_then(|index| days.get(index));
    if now.as_millis() < EARLIEST_CLOCK_MILLIS {
        return Ok(None);
    }
    Ok(agreed.and_then(|day| Timestamp::from_millis(day * MILLIS_PER_DAY)).map(|moment| moment.min(now)))
}

/// Returns whether the clock can be trusted enough to treat a stored time after `now` as wrong. Returns `false` if the
/// clock itself seems to be behind.
pub(super) fn is_clock_plausible(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let days = load_days(connection)?;
    Ok(now.as_millis() >= EARLIEST_CLOCK_MILLIS && median(&days).is_none_or(|usual| day_number(now) >= usual))
}

fn load_days(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut select = connection.prepare_cached("SELECT day FROM service_days ORDER BY day")?;
    select.query_map([], |row| row.get(0))?.collect()
}

/// Returns the median of sorted days. For an even number of days, returns the earlier of the middle two.
fn median(days: &[i64]) -> Option<i64> {
    days.get(days.len().checked_sub(1)? / 2).copied()
}

fn day_number(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MILLIS_PER_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns noon on day `day`. Day 0 is an arbitrary day after the first release of this program.
    fn noon_of_day(day: i64) -> Timestamp {
        Timestamp::from_millis(EARLIEST_CLOCK_MILLIS + 300 * MILLIS_PER_DAY + day * MILLIS_PER_DAY + MILLIS_PER_DAY / 2)
            .expect("in range")
    }

    fn database_with_days(days: &[i64]) -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        connection
            .execute_batch(
                "CREATE TABLE service_days (seen INTEGER PRIMARY KEY AUTOINCREMENT, day INTEGER NOT NULL UNIQUE)",
            )
            .expect("created");
        for day in days {
            record_day(&connection, noon_of_day(*day)).expect("recorded");
        }
        connection
    }

    fn believed_day(days: &[i64], now: i64) -> Option<i64> {
        let believable = believable_time(&database_with_days(days), noon_of_day(now)).expect("read")?;
        Some(day_number(believable) - day_number(noon_of_day(0)))
    }

    #[test]
    fn believable_time_seven_wrong_days_change_nothing() {
        let right: Vec<i64> = (0..20).collect();
        assert_eq!(believed_day(&right[..7], 6), None, "too few days");
        assert_eq!(believed_day(&right, 19), Some(12));
        let mut days = right.clone();
        days.extend([100, 101, 102, 730, 731, 732, 733]);
        assert_eq!(believed_day(&days, 733), Some(19), "seven wrong days");
        days.extend([20, 21, 22]);
        assert_eq!(believed_day(&days, 22), Some(22), "correct clock again: never later than now");
    }

    #[test]
    fn believable_time_after_long_pause_follows_after_eight_days() {
        let days: Vec<i64> = (0..10).chain(200..208).collect();
        assert_eq!(believed_day(&days[..17], 206), Some(9));
        assert_eq!(believed_day(&days, 207), Some(200));
    }

    #[test]
    fn is_clock_plausible_reset_clock_is_not() {
        let ask = |days: &[i64], now: Timestamp| is_clock_plausible(&database_with_days(days), now).expect("read");
        assert!(ask(&[0, 1, 2], noon_of_day(2)) && ask(&[0, 100], noon_of_day(0)) && ask(&[], noon_of_day(0)));
        assert!(!ask(&[0, 1, 2], noon_of_day(-50)));
        assert!(!ask(&[], Timestamp::from_millis(86_400_000).expect("in range")), "1970");
    }
}
