//! Finds problems on a displayed page: accessibility violations (axe) and layout errors.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::SceneDriver;

/// Checks WCAG 2.2 AA and axe's best practices. The `target-size` rule (WCAG 2.2) is disabled by default, so the script
/// enables it.
///
/// The script makes sticky bars non-sticky while axe runs, because axe reports a control that is half covered by a bar
/// as too small.
const AXE_SCRIPT: &str = "
    const done = arguments[arguments.length - 1];
    const bars = [...document.querySelectorAll('body *')].filter((it) => getComputedStyle(it).position === 'sticky');
    for (const bar of bars) Object.assign(bar.style, { position: 'relative', insetBlock: 'auto' });
    const putBack = () => bars.forEach(({ style }) => Object.assign(style, { position: '', insetBlock: '' }));
    axe.run(document, {
      resultTypes: ['violations'],
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] },
      rules: { 'target-size': { enabled: true } },
    }).finally(putBack).then(
      ({ violations }) => done(violations.flatMap(({ id, nodes }) => nodes.map(({ html, any, all, none }) => {
        const [check] = [...any, ...all, ...none];
        return `axe ${id}: ${html.slice(0, 240)} (${check?.message ?? ''})`;
      }))),
      (error) => done([String(error)]),
    );";

const LAYOUT_SCRIPT: &str = include_str!("layout.js");

/// The problems found, each with the states and variants in which it occurs.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<String, Vec<String>>);

impl Findings {
    /// Returns whether no problems were found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, place: &str, what: String) {
        self.0.entry(what).or_default().push(place.to_owned());
    }

    pub(super) async fn check(&mut self, driver: &SceneDriver, place: &str) -> Result<()> {
        let app = &driver.app;
        for what in string_list(&app.script(LAYOUT_SCRIPT, Vec::new()).await?) {
            self.add(place, what);
        }
        if app.script("return typeof axe === 'undefined'", Vec::new()).await? == true {
            app.script(&load_axe()?, Vec::new()).await?;
        }
        for what in string_list(app.driver.execute_async(AXE_SCRIPT, vec![json!(null)]).await?.json()) {
            self.add(place, what);
        }
        Ok(())
    }
}

/// Prints each problem once, with all states and variants in which it occurs.
impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(what, places)| writeln!(f, "{what}\n    in {}", places.join(", ")))
    }
}

fn string_list(list: &Value) -> Vec<String> {
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned)).collect()
}

fn load_axe() -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}; run `cargo xtask setup`", path.display()))
}
