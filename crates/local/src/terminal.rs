//! Messages for the person at a terminal.

use std::io::Write as _;

use ulkeys_domain::secret;

/// Prints a line on standard error, without any key that it contains. A failed write is ignored, so that a closed
/// terminal does not end the program.
pub fn print_error(line: impl std::fmt::Display) {
    let line = line.to_string();
    let _ = writeln!(std::io::stderr(), "{}", secret::redact(&line));
}
