//! Checks that the comparison table in `docs/gateways` matches the tests, and rewrites it on request.

use std::path::Path;

use crate::gateway::GATEWAYS;
use crate::{GATEWAY_TESTS, Outcome};

const TABLE_HEADER: &str = "# What the three gateways have in common

`tests/gateways` checks each row with nginx, Caddy and Traefik and the configurations in this folder, and fails if a
cell is wrong. `UPDATE_STORIES=1 cargo test -p ulkeys-tests --test gateways table` updates this table.

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
