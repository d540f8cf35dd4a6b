//! Parses numbers in queries.

/// Parses a number from 1 to `max`, or returns the default if the parameter is absent.
pub(super) fn parse_number_up_to(field: &str, text: Option<&str>, default: i64, max: i64) -> Result<i64, String> {
    let Some(text) = text else {
        return Ok(default);
    };
    let number = parse_canonical_number(text)
        .and_then(|number| i64::try_from(number).ok())
        .filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("{field}: must be a whole number from 1 to {max}"))
}

/// Parses a number in its canonical form: digits only, without leading zeros.
pub(super) fn parse_canonical_number(text: &str) -> Option<u64> {
    let is_plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| is_plain)
}
