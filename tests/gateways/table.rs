//! The table in `docs/gateways`, which the stories hold.

use std::path::Path;

use crate::gateway::GATEWAYS;
use crate::{Observed, STORIES};

const HEAD: &str = "# What the three gateways do alike

`tests/gateways` runs each of these stories against nginx, Caddy and Traefik with the files of this folder, and fails
where a cell is wrong. Written by `UPDATE_STORIES=1 cargo test -p ulkeys-tests --test gateways table`.

| story | nginx | Caddy | Traefik |
|---|---|---|---|
";

fn table() -> String {
    let mut text = HEAD.to_owned();
    for story in STORIES {
        let cells = GATEWAYS.map(|gateway| match story.expected(gateway) {
            Observed::AsClaimed => "yes",
            Observed::Difference(words) => words,
        });
        text += &format!("| {} | {} |\n", story.claim, cells.join(" | "));
    }
    text
}

#[test]
fn table_of_stories_is_written_out() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateways/stories.md");
    if std::env::var_os("UPDATE_STORIES").is_some() {
        std::fs::write(&path, table()).expect("written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, table(), "run UPDATE_STORIES=1 cargo test -p ulkeys-tests --test gateways table");
}
