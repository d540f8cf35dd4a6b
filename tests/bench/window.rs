//! Measures how much a large number of keys slows down the real window. One run compares the app with 100,000 keys and
//! with 10 keys, and prints ratios. It has no thresholds that could make it fail.
//!
//! The page itself measures the times, so that they do not include the overhead of WebDriver.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use serde_json::Value;
use ulkeys_tests::{App, Desktop, seed};

const FEW_KEYS: usize = 10;
const MANY_KEYS: usize = 100_000;
/// Number of starts and reloads that are measured. The report shows the medians.
const ROUNDS: usize = 5;
/// The search texts that result, one after another, when a user types `key 7`. Each of them matches a key even if there
/// are only ten keys.
const TYPED_SEARCHES: [&str; 5] = ["k", "ke", "key", "key ", "key 7"];

/// A script that renders `arguments[1]` frames and returns their durations. `arguments[0]` specifies how the page
/// scrolls: `wheel` (120 pixels per frame), `whole` (evenly from the top of the list to its end) or `none`.
const FRAMES_SCRIPT: &str = "
    const [kind, count, done] = arguments;
    const scroller = document.querySelector('.window');
    const end = scroller.scrollHeight - scroller.clientHeight;
    const lengths = [];
    let before = null;
    let frame = 0;
    function next(now) {
        if (before !== null) lengths.push(now - before);
        before = now;
        if (frame++ === count) return done(lengths);
        if (kind === 'whole') scroller.scrollTop = end * frame / count;
        if (kind === 'wheel') scroller.scrollTop += 120;
        requestAnimationFrame(next);
    }
    requestAnimationFrame(next);";

/// A script that enters each string of `arguments[0]` into the search field. Returns the duration of each search, up to
/// the first frame after its results appear.
const SEARCH_SCRIPT: &str = "
    const [texts, done] = arguments;
    const field = document.querySelector('[role=searchbox]');
    const frame = () => new Promise(requestAnimationFrame);
    const shown = () => document.querySelector('[data-shown-text]').dataset.shownText;
    (async () => {
        const times = [];
        for (const text of texts) {
            await frame();
            const begun = performance.now();
            field.value = text;
            field.dispatchEvent(new Event('input', { bubbles: true }));
            while (shown() !== text.trim()) await frame();
            await frame();
            times.push(performance.now() - begun);
            await new Promise(after => setTimeout(after, 300));
        }
        done(times);
    })();";

#[tokio::main]
async fn main() -> Result<()> {
    let (few, many) = (measure_window(FEW_KEYS).await?, measure_window(MANY_KEYS).await?);
    let empty = FrameStatistics::from_lengths(&empty_page_frames().await?);
    println!(
        "{MANY_KEYS} keys compared with {FEW_KEYS}, in the real window; medians of {ROUNDS} rounds in milliseconds\n"
    );
    print_comparison("start to first rows", median(&few.starts), median(&many.starts));
    print_comparison("reload to first rows", median(&few.reloads), median(&many.reloads));
    for (index, text) in TYPED_SEARCHES.iter().enumerate() {
        let (before, after) = (few.searches[index], many.searches[index]);
        println!("{:<28} {before:>8.1} {after:>8.1}  + {:.1}", format!("search “{text}”"), after - before);
    }
    println!("\n{:<28} {:>8} {:>8} {:>8}", "frames", "median", "99 %", "longest");
    for (name, frames) in [
        ("empty page", &empty),
        ("scrolling by wheel", &FrameStatistics::from_lengths(&many.wheel)),
        ("scrolling the whole list", &FrameStatistics::from_lengths(&many.whole)),
    ] {
        println!(
            "{name:<28} {:>8.1} {:>8.1} {:>8.1}  {:.2} times the longest of the empty page",
            frames.median,
            frames.most,
            frames.longest,
            frames.longest / empty.longest
        );
    }
    Ok(())
}

fn print_comparison(what: &str, few: f64, many: f64) {
    println!("{what:<28} {few:>8.1} {many:>8.1}  {:.2} times", many / few);
}

struct Measurement {
    starts: Vec<f64>,
    reloads: Vec<f64>,
    searches: Vec<f64>,
    whole: Vec<f64>,
    wheel: Vec<f64>,
}

async fn measure_window(keys: usize) -> Result<Measurement> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_bulk(&prepare_database_path(&desktop)?, keys, 1)?;
    let mut starts = Vec::new();
    for _ in 1..ROUNDS {
        let app = App::start(&desktop).await?;
        starts.push(start_to_first_rows(&app).await?);
        app.quit().await?;
    }
    let app = App::start(&desktop).await?;
    starts.push(start_to_first_rows(&app).await?);
    // Wait until the app has finished the work that it does only once after its start, so that this work does not
    // affect the following measurements.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut reloads = Vec::new();
    for _ in 0..ROUNDS {
        app.driver.refresh().await?;
        reloads.push(first_rows_time(&app).await?);
    }
    let searches = parse_numbers(
        &app.driver.execute_async(SEARCH_SCRIPT, vec![serde_json::to_value(TYPED_SEARCHES)?]).await?.json().clone(),
    )?;
    app.driver.refresh().await?;
    first_rows_time(&app).await?;
    let wheel = measure_frames(&app, "wheel", 300).await?;
    let whole = measure_frames(&app, "whole", 600).await?;
    app.quit().await?;
    Ok(Measurement { starts, reloads, searches, whole, wheel })
}

async fn empty_page_frames() -> Result<Vec<f64>> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    measure_frames(&app, "none", 600).await
}

fn prepare_database_path(desktop: &Desktop) -> Result<std::path::PathBuf> {
    std::fs::create_dir_all(desktop.data_folder())?;
    Ok(desktop.data_folder().join("keys.db"))
}

async fn measure_frames(app: &App, kind: &str, count: u32) -> Result<Vec<f64>> {
    parse_numbers(app.driver.execute_async(FRAMES_SCRIPT, vec![kind.into(), count.into()]).await?.json())
}

fn parse_numbers(value: &Value) -> Result<Vec<f64>> {
    value
        .as_array()
        .context("expected a list")?
        .iter()
        .map(|number| number.as_f64().context("expected a number"))
        .collect()
}

/// Returns the time in milliseconds from the start of the page until it shows its first rows. The page sets a
/// performance mark at that moment.
async fn first_rows_time(app: &App) -> Result<f64> {
    let script = "return performance.getEntriesByName('first rows')[0]?.startTime ?? null;";
    app.wait("the first rows", async || app.script(script, Vec::new()).await.is_ok_and(|time| !time.is_null())).await?;
    app.script(script, Vec::new()).await?.as_f64().context("expected a time")
}

/// Returns the time in milliseconds from the start of the process until the page shows its first rows.
async fn start_to_first_rows(app: &App) -> Result<f64> {
    let rows = first_rows_time(app).await?;
    let origin = app.script("return performance.timeOrigin;", Vec::new()).await?.as_f64().context("expected a time")?;
    Ok(origin + rows - process_start_time(app.pid)?)
}

/// Returns the start time of a process in milliseconds since 1970, with a resolution of 10 ms (proc(5)).
fn process_start_time(pid: u32) -> Result<f64> {
    let read = |path: &str| std::fs::read_to_string(Path::new("/proc").join(path));
    let stat = read(&format!("{pid}/stat"))?;
    let ticks: f64 =
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(19)).context("missing field")?.parse()?;
    let uptime: f64 = read("uptime")?.split(' ').next().context("expected a number")?.parse()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    Ok((now - uptime + ticks / 100.0) * 1000.0)
}

struct FrameStatistics {
    median: f64,
    most: f64,
    longest: f64,
}

impl FrameStatistics {
    fn from_lengths(lengths: &[f64]) -> Self {
        let mut sorted = lengths.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part) as usize];
        Self { median: at(0.5), most: at(0.99), longest: at(1.0) }
    }
}

fn median(values: &[f64]) -> f64 {
    FrameStatistics::from_lengths(values).median
}
