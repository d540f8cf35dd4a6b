//! The table in `docs/gateways`, which the tests of each gateway check.

use std::path::Path;

use crate::gateway::GATEWAYS;
use crate::{GATEWAY_TESTS, Outcome};

const TABLE_HEADER: &str = "# What the three gateways do alike

`tests/gateways` runs each of these stories against nginx, Caddy and Traefik with the files of this folder, and fails
where a cell is wrong. Written by `UPDATE_STORIES=1 cargo test -p ulkeys-tests --test gateways table`.

| story | nginx | Caddy | Traefik |
|---|---|---|---|
";

fn format_table() -> String {
    let mut text = TABLE_HEADER.to_owned();
    for test in GATEWAY_TESTS {
        let cells = GATEWAYS.map(|gateway| match test.expected_outcome(gateway) {
            Outcome::AsClaimed => "yes",
            Outcome::Difference(words) => words,
        });
        text += &format!("| {} | {} |\n", test.claim, cells.join(" | "));
    }
    text
}

#[test]
fn committed_table_matches_tests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateways/stories.md");
    if std::env::var_os("UPDATE_STORIES").is_some() {
        std::fs::write(&path, format_table()).expect("written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, format_table(), "run UPDATE_STORIES=1 cargo test -p ulkeys-tests --test gateways table");
}
