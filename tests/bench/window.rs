//! What many keys cost in the real window: the app with a hundred thousand keys beside the app with ten, in one run, as
//! ratios; no number here is a pass mark.
//!
//! Times are taken by the page itself, so that the driver's own are not in them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use serde_json::Value;
use ulkeys_tests::{App, Desktop, seed};

const FEW_KEYS: usize = 10;
const MANY_KEYS: usize = 100_000;
/// Each start is measured this often; the median counts.
const ROUNDS: usize = 5;
/// What is typed, key by key; each finds something among ten keys, too.
const TYPED_SEARCHES: [&str; 5] = ["k", "ke", "key", "key ", "key 7"];

/// Frames while `arguments[0]` is done with each of `arguments[1]` frames; answers with the lengths of all frames.
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

/// Types each of `arguments[0]` into the search field, and answers with the times until the frame after its results.
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
    println!("{MANY_KEYS} keys beside {FEW_KEYS}, in the real window; medians of {ROUNDS}; milliseconds\n");
    print_comparison("start to first rows", median(&few.starts), median(&many.starts));
    print_comparison("reload to first rows", median(&few.reloads), median(&many.reloads));
    for (index, text) in TYPED_SEARCHES.iter().enumerate() {
        let (before, after) = (few.searches[index], many.searches[index]);
        println!("{:<28} {before:>8.1} {after:>8.1}  + {:.1}", format!("search “{text}”"), after - before);
    }
    println!("\n{:<28} {:>8} {:>8} {:>8}", "frames", "median", "99 %", "longest");
    for (name, frames) in [
        ("of an empty page", &empty),
        ("by the wheel", &FrameStatistics::from_lengths(&many.wheel)),
        ("through the whole list", &FrameStatistics::from_lengths(&many.whole)),
    ] {
        println!(
            "{name:<28} {:>8.1} {:>8.1} {:>8.1}  {:.2} of the empty page's longest",
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
    // What the app does once after its start is not what scrolling costs.
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
    value.as_array().context("a list")?.iter().map(|number| number.as_f64().context("a number")).collect()
}

/// From the page's beginning to its first rows, by its own mark.
async fn first_rows_time(app: &App) -> Result<f64> {
    let script = "return performance.getEntriesByName('first rows')[0]?.startTime ?? null;";
    app.wait("the first rows", async || app.script(script, Vec::new()).await.is_ok_and(|time| !time.is_null())).await?;
    app.script(script, Vec::new()).await?.as_f64().context("a time")
}

/// From the start of the process to the first rows.
async fn start_to_first_rows(app: &App) -> Result<f64> {
    let rows = first_rows_time(app).await?;
    let origin = app.script("return performance.timeOrigin;", Vec::new()).await?.as_f64().context("a time")?;
    Ok(origin + rows - process_start_time(app.pid)?)
}

/// When a process started, in milliseconds since 1970 (proc(5); to a hundredth of a second).
fn process_start_time(pid: u32) -> Result<f64> {
    let read = |path: &str| std::fs::read_to_string(Path::new("/proc").join(path));
    let stat = read(&format!("{pid}/stat"))?;
    let ticks: f64 = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(19)).context("a field")?.parse()?;
    let uptime: f64 = read("uptime")?.split(' ').next().context("a number")?.parse()?;
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
