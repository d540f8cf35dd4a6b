//! Databases to begin with: keys as people have them, keys as nobody should have them, and very many.
//!
//! All of it goes through the store, so that no database is made that the service could not have made itself; only
//! [`seed_bulk`] does not, as a hundred thousand commits would take minutes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::{Connection, params};
use serde_json::json;
use ulkeys_domain::decision::Decision;
use ulkeys_domain::training::{ConsolePart, EpochReport, ModelId, ModelRef, RunCompletion, RunStart, RunUpdate, Slug};
use ulkeys_domain::{KeyId, KeyName, KeyRecord, Scopes, Secret, Timestamp};
use ulkeys_store::{
    AuditContext, ClientUsage, HourlyCount, KeyStore as _, MILLIS_PER_HOUR, RejectedRequests, ReportedBy,
    RunStore as _, SqliteStore, UsageBatch,
};

/// A key to begin with. Times are hours before now.
#[derive(Debug, Clone, Copy)]
pub struct SeedKey {
    /// Its name today.
    pub name: &'static str,
    /// Its scopes, separated by spaces.
    pub scopes: &'static str,
    /// When it was made.
    pub made: u64,
    /// When it was last used.
    pub used: Option<u64>,
    /// When it last needed the scope `admin`.
    pub needed_admin: Option<u64>,
    /// What it was called before, and until when.
    pub renamed: Option<(&'static str, u64)>,
    /// When it was revoked.
    pub revoked: Option<u64>,
    /// The key in whose place it was made, by its name and the time when that one was made.
    pub replaces: Option<(&'static str, u64)>,
    /// The programs that use it, as they call themselves, with their addresses.
    pub programs: &'static [(&'static str, &'static str)],
    /// Requests that were refused in each of the last hours: why, and how many.
    pub refused: &'static [(Decision, u64)],
    /// Its training runs.
    pub runs: &'static [SeedRun],
}

/// A training run to begin with.
#[derive(Debug, Clone, Copy)]
pub struct SeedRun {
    /// Name of the model.
    pub name: &'static str,
    /// When it started.
    pub started: u64,
    /// How many epochs were planned.
    pub planned: u32,
    /// How many were trained.
    pub trained: u32,
    /// How it ended: `Some(None)` well, `Some(Some(why))` badly, `None` not yet.
    pub ended: Option<Option<&'static str>>,
}

const HOURS_PER_DAY: u64 = 24;
const LOOPBACK: &str = "127.0.0.1";

impl SeedKey {
    /// A key that nobody has used yet.
    pub const fn new(name: &'static str, scopes: &'static str, made: u64) -> Self {
        Self {
            name,
            scopes,
            made,
            used: None,
            needed_admin: None,
            renamed: None,
            revoked: None,
            replaces: None,
            programs: &[],
            refused: &[],
            runs: &[],
        }
    }

    /// The same, last used then by these programs.
    pub const fn with_usage(self, hours_ago: u64, programs: &'static [(&'static str, &'static str)]) -> Self {
        Self { used: Some(hours_ago), programs, ..self }
    }
}

/// The keys of a small team: every age and every reason for attention, a key that is being replaced, and revoked ones.
pub const TEAM_KEYS: &[SeedKey] = &[
    SeedKey {
        runs: &[
            SeedRun { name: "forklift-detector", started: 200, planned: 50, trained: 51, ended: Some(None) },
            SeedRun {
                name: "forklift-detector-large",
                started: 70,
                planned: 100,
                trained: 17,
                ended: Some(Some("CUDA out of memory. Tried to allocate 2.44 GiB (GPU 0; 23.69 GiB total capacity)")),
            },
            SeedRun { name: "pallet-counter", started: 3, planned: 80, trained: 34, ended: None },
        ],
        refused: &[(Decision::Limit, 12)],
        ..SeedKey::new("training-server", "training", 41 * HOURS_PER_DAY)
            .with_usage(0, &[("ultralytics/8.4.190 (Linux; x86_64)", LOOPBACK), ("python-requests/2.32.3", LOOPBACK)])
    },
    SeedKey {
        refused: &[(Decision::Scope, 4)],
        ..SeedKey::new("ci-pipeline", "models datasets", 33 * HOURS_PER_DAY).with_usage(2, &[("curl/8.9.1", LOOPBACK)])
    },
    SeedKey::new("edge-camera-07", "models read", 120 * HOURS_PER_DAY)
        .with_usage(27, &[("ul/0.3.2", "192.168.178.41"), ("ul/0.3.1", "192.168.178.41")]),
    SeedKey {
        renamed: Some(("phone", 11 * HOURS_PER_DAY)),
        ..SeedKey::new("mobile-app", "read", 12 * HOURS_PER_DAY)
            .with_usage(6 * HOURS_PER_DAY, &[("okhttp/4.12.0", "10.20.0.8")])
    },
    SeedKey::new("labelling-team", "datasets", 200 * HOURS_PER_DAY)
        .with_usage(100 * HOURS_PER_DAY, &[("labeltool/2.1", LOOPBACK)]),
    SeedKey::new("nightly-export", "models write", 30),
    SeedKey::new("conference-demo", "training models datasets read", 45 * HOURS_PER_DAY),
    SeedKey {
        needed_admin: Some(40 * HOURS_PER_DAY),
        ..SeedKey::new("workspace-admin", "admin", 61 * HOURS_PER_DAY).with_usage(5, &[("", LOOPBACK)])
    },
    SeedKey {
        refused: &[(Decision::Revoked, 31)],
        ..SeedKey::new("inference-gateway", "models read", 130 * HOURS_PER_DAY)
            .with_usage(4, &[("python-httpx/0.28.1", "10.20.0.15")])
    },
    SeedKey {
        replaces: Some(("inference-gateway", 130 * HOURS_PER_DAY)),
        ..SeedKey::new("inference-gateway", "models read", 2).with_usage(1, &[("python-httpx/0.28.1", "10.20.0.15")])
    },
    SeedKey {
        revoked: Some(9 * HOURS_PER_DAY),
        ..SeedKey::new("old-laptop", "read write", 80 * HOURS_PER_DAY).with_usage(10 * HOURS_PER_DAY, &[("", LOOPBACK)])
    },
    SeedKey { revoked: Some(26), ..SeedKey::new("trial-account", "training", 60 * HOURS_PER_DAY) },
];

/// Keys that are being rotated, each as far as one can be.
pub const ROTATING_KEYS: &[SeedKey] = &[
    SeedKey::new("not-begun", "models read", 130 * HOURS_PER_DAY).with_usage(
        4,
        &[("python-httpx/0.28.1", "10.20.0.15"), ("", LOOPBACK), ("curl/8.9.1", LOOPBACK), ("ul/0.3.2", LOOPBACK)],
    ),
    SeedKey::new("created", "training", 120 * HOURS_PER_DAY).with_usage(1, &[("ultralytics/8.4.190", LOOPBACK)]),
    SeedKey { replaces: Some(("created", 120 * HOURS_PER_DAY)), ..SeedKey::new("created", "training", 1) },
    SeedKey::new("both-in-use", "datasets", 110 * HOURS_PER_DAY)
        .with_usage(0, &[("python-requests/2.32.3", "10.20.0.8"), ("labeltool/2.1", LOOPBACK)]),
    SeedKey {
        replaces: Some(("both-in-use", 110 * HOURS_PER_DAY)),
        ..SeedKey::new("both-in-use", "datasets", 30).with_usage(1, &[("labeltool/2.1", LOOPBACK)])
    },
    SeedKey::new("moved", "read", 100 * HOURS_PER_DAY).with_usage(3 * HOURS_PER_DAY, &[("okhttp/4.12.0", "10.20.0.9")]),
    SeedKey::new("weekly", "models", 95 * HOURS_PER_DAY)
        .with_usage(2 * HOURS_PER_DAY, &[("okhttp/4.12.0", "10.20.0.9"), ("weekly-report/1.4", "10.20.0.12")]),
    SeedKey {
        replaces: Some(("weekly", 95 * HOURS_PER_DAY)),
        ..SeedKey::new("weekly", "models", HOURS_PER_DAY).with_usage(0, &[("okhttp/4.13.0", "10.20.0.9")])
    },
    SeedKey {
        replaces: Some(("moved", 100 * HOURS_PER_DAY)),
        ..SeedKey::new("moved", "read", 4 * HOURS_PER_DAY).with_usage(0, &[("okhttp/4.12.0", "10.20.0.9")])
    },
];

/// Names that a program could have given, with as much of everything as there can be.
pub const HOSTILE_KEYS: &[SeedKey] = &[
    SeedKey {
        renamed: Some(("MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM", 100)),
        refused: &[(Decision::Limit, 4_000_000), (Decision::Scope, 1)],
        runs: &[SeedRun {
            name: "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
            started: 9,
            planned: 20_000,
            trained: 3,
            ended: None,
        }],
        ..SeedKey::new(
            "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
            "training models datasets read write admin",
            9000,
        )
        .with_usage(
            1,
            &[(
                "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
                "fd12:3456:789a:bcde:f012:3456:789a:bcde",
            )],
        )
    },
    SeedKey::new("a name of many words that goes on until the very last allowed c", "read", 500)
        .with_usage(30, &[("", LOOPBACK)]),
    SeedKey::new("<b>bold</b> & \"quoted\" {{7*7}}", "read", 400),
    SeedKey::new("مفتاح الخادم 123", "training", 300).with_usage(3, &[("<img src=x>", LOOPBACK)]),
    SeedKey::new("學習伺服器・推論用", "models", 200),
    SeedKey::new("Z̸͖͋a̷͇͌l̶̳̇g̷̱̈o̵̜͐", "datasets", 100),
    SeedKey::new("👩‍💻🏳️‍🌈🇧🇷🧑🏽‍🚀👨‍👩‍👧‍👦🔑🗝️🔐", "read", 90),
    SeedKey { revoked: Some(3), ..SeedKey::new("مفتاح ملغى", "training", 300) },
];

/// Makes a database with these keys and everything that happened with them.
///
/// # Errors
/// When it cannot be written, or a sample is not valid.
pub async fn seed_database(path: &Path, samples: &[SeedKey]) -> Result<()> {
    let store = SqliteStore::open(path)?;
    let now = SystemTime::now();
    // Two minutes before the hour is full: what happened "0 hours ago" is not the future.
    let ago = |hours: u64| Timestamp::from(now - Duration::from_secs(hours * 3600 + 130));
    let audit = |agent: &str| AuditContext { actor: None, peer: [127, 0, 0, 1].into(), user_agent: agent.into() };

    // The service ran on eight days: on fewer, it removes nothing because of its age. These days come before the uses,
    // which would be in their future.
    for days in (1..=8).rev() {
        store.purge_old_entries(ago(days * 24), Duration::from_hours(90 * 24)).await?;
    }

    // The store numbers events in the order in which they are recorded.
    let mut ids = BTreeMap::new();
    let mut events: Vec<(u64, SeedEvent<'_>)> = Vec::new();
    for sample in samples {
        let id = KeyId::generate(&mut SysRng)?;
        ids.insert((sample.name, sample.made), id);
        events.push((sample.made, SeedEvent::Made(id, sample)));
        if let Some(last) = sample.used {
            events.push((first_use_hours_ago(sample, last), SeedEvent::FirstUsed(id, sample)));
            events.push((last, SeedEvent::Used(id, sample)));
        }
        events.extend(sample.renamed.map(|(_, hours)| (hours, SeedEvent::Renamed(id, sample))));
        events.extend(sample.revoked.map(|hours| (hours, SeedEvent::Revoked(id))));
    }
    events.sort_by_key(|(hours, _)| std::cmp::Reverse(*hours));
    for (hours, event) in events {
        match event {
            SeedEvent::Made(id, sample) => {
                let secret = Secret::generate(&mut SysRng)?;
                let name = KeyName::parse(sample.renamed.map_or(sample.name, |(before, _)| before))?;
                let scopes = Scopes::parse(sample.scopes.split(' '))?;
                let replaces = match sample.replaces {
                    Some(key) => Some(*ids.get(&key).context("a key to replace")?),
                    None => None,
                };
                let key = KeyRecord { replaces, ..KeyRecord::new(id, name, secret.prefix(), scopes, ago(hours)) };
                store.insert(key, secret.hash(), audit("")).await?;
            }
            SeedEvent::Renamed(id, sample) => {
                store.rename(&id, KeyName::parse(sample.name)?, ago(hours), audit("")).await?;
            }
            SeedEvent::Revoked(id) => drop(store.revoke(&id, ago(hours), audit("")).await?),
            SeedEvent::FirstUsed(id, sample) => {
                let sources = client_usage(id, sample, 1, ago(hours))?;
                store.record_usage(UsageBatch { clients: sources, ..UsageBatch::default() }.into()).await?;
            }
            SeedEvent::Used(id, sample) => {
                store.record_usage(usage_batch(id, sample, hours, ago)?.into()).await?;
                for run in sample.runs {
                    seed_training_run(&store, id, run, ago).await?;
                }
            }
        }
    }
    Ok(())
}

enum SeedEvent<'a> {
    Made(KeyId, &'a SeedKey),
    FirstUsed(KeyId, &'a SeedKey),
    Used(KeyId, &'a SeedKey),
    Renamed(KeyId, &'a SeedKey),
    Revoked(KeyId),
}

/// How many hours ago a key was first used: at most two weeks before its last use.
fn first_use_hours_ago(sample: &SeedKey, last: u64) -> u64 {
    sample.made.min(last + 14 * HOURS_PER_DAY)
}

/// Two weeks of requests up to the last, busier by day than by night.
fn usage_batch(id: KeyId, sample: &SeedKey, last: u64, ago: impl Fn(u64) -> Timestamp) -> Result<UsageBatch> {
    let since = first_use_hours_ago(sample, last);
    let hour = |hours: u64| ago(hours).as_millis().div_euclid(MILLIS_PER_HOUR);
    let mut batch = UsageBatch { last_used: vec![(id, ago(last))], ..UsageBatch::default() };
    batch.admin_used = sample.needed_admin.map(|hours| (id, ago(hours))).into_iter().collect();
    let mut rng = StdRng::seed_from_u64(sample.made);
    for hours in last..since {
        let busy = if (7..20).contains(&(hour(hours).rem_euclid(24))) { 60 } else { 6 };
        let requests = rng.random_range(0..busy) * rng.random_range(0..4);
        if requests > 0 {
            batch.counts.push(HourlyCount { key: id, hour: hour(hours), outcome: Decision::Accepted, requests });
        }
    }
    batch.clients = client_usage(id, sample, 430, ago(last))?;
    for (index, (outcome, requests)) in (0_u64..).zip(sample.refused) {
        let (first, requests) = (ago(last + index), *requests);
        batch.counts.push(HourlyCount { key: id, hour: hour(last + index), outcome: *outcome, requests });
        let peer: IpAddr = sample.programs.first().map_or(LOOPBACK, |(_, peer)| peer).parse()?;
        let agent = sample.programs.first().map_or("", |(agent, _)| agent);
        let last = first.saturating_add(Duration::from_secs(60));
        batch.rejected.push(RejectedRequests {
            key: Some(id),
            outcome: *outcome,
            peer,
            user_agent: agent.into(),
            first,
            last,
            requests,
        });
    }
    Ok(batch)
}

/// So many requests of each of a key's programs, all of them then.
fn client_usage(id: KeyId, sample: &SeedKey, requests: u64, at: Timestamp) -> Result<Vec<ClientUsage>> {
    let source = |&(agent, peer): &(&str, &str)| -> Result<ClientUsage> {
        Ok(ClientUsage { key: id, peer: peer.parse()?, user_agent: agent.into(), first: at, last: at, requests })
    };
    sample.programs.iter().map(source).collect()
}

/// A run with its epochs, as the training program reports them.
async fn seed_training_run(
    store: &SqliteStore,
    key: KeyId,
    run: &SeedRun,
    ago: impl Fn(u64) -> Timestamp,
) -> Result<()> {
    let started = ago(run.started);
    let feed =
        |minutes: u64| ReportedBy { key: Some(key), at: started.saturating_add(Duration::from_secs(minutes * 60)) };
    let target = ModelRef::Named { project: Slug::of_project("warehouse"), name: Slug::of(run.name, "train") };
    let start = RunStart {
        epochs: Some(run.planned),
        device: Some("cuda:0".into()),
        train_args: Some(json!({ "model": "yolo26n.pt", "data": "warehouse.yaml", "imgsz": 640, "batch": 16 })),
        environment: Some(json!({ "python": "3.12.7", "torch": "2.9.1+cu128", "gpu": "NVIDIA L4" })),
        ..RunStart::default()
    };
    let begun = store.start_run(ModelId::generate(&mut SysRng)?, target, start, feed(0)).await?.context("a run")?;
    for epoch in 0..run.trained {
        let progress = 1.0 - (-f64::from(epoch) / 12.0).exp();
        let metrics = [
            ("train/box_loss", 2.4 - 1.5 * progress),
            ("train/cls_loss", 3.1 - 2.2 * progress),
            ("metrics/precision(B)", 0.87 * progress),
            ("metrics/recall(B)", 0.81 * progress),
            ("metrics/mAP50(B)", 0.84 * progress),
            ("metrics/mAP50-95(B)", 0.61 * progress),
        ];
        let change = RunUpdate::Epoch(EpochReport {
            epoch,
            metrics: metrics.map(|(name, value)| (name.to_owned(), Some(value))).into(),
            fitness: Some(0.63 * progress),
            best_fitness: Some(0.63 * progress),
            ..EpochReport::default()
        });
        store.record_update(begun.run_id, change, feed(u64::from(epoch) + 1)).await?;
    }
    let printed = ConsolePart { chunk_id: Some(0), content: "Ultralytics 8.4.190 🚀 Python-3.12.7 CUDA:0\n".into() };
    store.record_update(begun.run_id, RunUpdate::Console(printed), feed(1)).await?;
    let end = feed(u64::from(run.trained) + 1);
    match run.ended {
        None => {}
        Some(None) => {
            let results = Some(json!({ "metrics": { "metrics/mAP50-95(B)": 0.611 }, "bestEpoch": run.planned - 4 }));
            let classes = Some(["forklift", "pallet", "person"].map(str::to_owned).into());
            let ending = RunCompletion { results, class_names: classes, ..RunCompletion::default() };
            store.record_update(begun.run_id, RunUpdate::Complete(ending), end).await?;
        }
        Some(Some(reason)) => {
            store.record_update(begun.run_id, RunUpdate::Failed(reason.to_owned()), end).await?;
        }
    }
    Ok(())
}

/// Makes a database with `count` active keys, and returns the plaintexts of `sample` of them, spread evenly. Rows are
/// inserted past the store, into the schema that it made, which takes seconds.
///
/// # Errors
/// When it cannot be written.
pub fn seed_bulk(path: &Path, count: usize, sample: usize) -> Result<Vec<String>> {
    drop(SqliteStore::open(path)?);
    // Quick, and the same each time; these keys open nothing else.
    let mut rng = StdRng::seed_from_u64(count as u64);
    let now = Timestamp::from(SystemTime::now()).as_millis();
    let all_scopes: Vec<String> = ["read", "training read", "models datasets read", "read write"]
        .iter()
        .map(|names| Scopes::parse(names.split(' ')).map(|scopes| scopes.to_string()))
        .collect::<Result<_, _>>()?;
    let mut taken = Vec::with_capacity(sample);
    let mut connection = Connection::open(path)?;
    // What a crash would leave of it is nobody's.
    connection.pragma_update(None, "synchronous", "OFF")?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare(
            "INSERT INTO keys (id, name, normalized_name, prefix, hash, scopes, created_at, last_used_at)
             VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for number in 0..count {
            let secret = Secret::generate(&mut rng)?;
            let age = rng.random_range(0..400 * HOURS_PER_DAY.cast_signed() * MILLIS_PER_HOUR);
            let used = rng.random_bool(0.8).then(|| now - rng.random_range(0..=age));
            insert.execute(params![
                KeyId::generate(&mut rng)?.as_str(),
                format!("key {number}"),
                secret.prefix().as_str(),
                secret.hash().as_bytes(),
                all_scopes[number % all_scopes.len()],
                now - age,
                used,
            ])?;
            if number % (count / sample.max(1)).max(1) == 0 && taken.len() < sample {
                taken.push(secret.expose().to_owned());
            }
        }
    }
    transaction.commit()?;
    Ok(taken)
}
