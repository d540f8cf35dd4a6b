//! Contract tests for lists of keys: pages, sort orders, searches, and counts.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use strum::VariantArray as _;
use ulkeys_domain::{
    Actor, AttentionThresholds, KeyId, KeyName, KeyRecord, KeySort, KeyStatus, Scope, Scopes, Secret, SortBy, Timestamp,
};
use ulkeys_store::{AuditContext, KeyCounts, KeyPage, KeyQuery};

use crate::fixture::KeyFixture;

const DAY: i64 = 24 * 3_600_000;
/// The current day in these tests, in days since the Unix epoch.
const TODAY: i64 = 1_000;

fn day(day: i64) -> Timestamp {
    Timestamp::from_millis(day * DAY).expect("in range")
}

fn audit() -> AuditContext {
    AuditContext { actor: Actor::Session, peer: std::net::Ipv4Addr::LOCALHOST.into(), user_agent: "".into() }
}

fn thresholds() -> AttentionThresholds {
    AttentionThresholds::at(day(TODAY), 90)
}

fn query(text: &str, sort: &str) -> KeyQuery {
    KeyQuery {
        status: KeyStatus::All,
        thresholds: thresholds(),
        text: text.to_owned(),
        name: None,
        sort: KeySort::parse(sort).expect("valid sort order"),
        after: None,
        offset: 0,
        limit: 100,
    }
}

/// Inserts a key created on day `created`, after applying `change` to its record.
async fn insert(store: &KeyFixture, name: &str, created: i64, change: impl FnOnce(&mut KeyRecord)) -> KeyRecord {
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let id = KeyId::generate(&mut SysRng).expect("randomness");
    let name = KeyName::parse(name).expect("valid");
    let scopes = Scopes::new([Scope::Models]).expect("not empty");
    let mut record = KeyRecord::new(id, name, secret.prefix(), scopes, day(created));
    change(&mut record);
    store.insert(record.clone(), secret.hash(), audit()).await.expect("inserted");
    record
}

/// Returns the keys on a page, and the number of matching keys on all pages.
async fn list(store: &KeyFixture, query: KeyQuery) -> (Vec<KeyRecord>, u64) {
    let KeyPage { keys, total, .. } = store.list(query).await.expect("read");
    (keys, total)
}

async fn names(store: &KeyFixture, query: KeyQuery) -> Vec<String> {
    let (keys, total) = list(store, query).await;
    assert_eq!(keys.len() as u64, total, "all keys are on one page");
    keys.iter().map(|key| key.name.as_str().to_owned()).collect()
}

async fn list_pages_have_no_gap_and_no_overlap(store: &KeyFixture) {
    // All keys are tied in every sort order.
    let mut made = Vec::new();
    for number in 0..23 {
        made.push(insert(store, ["twin", "Twin", "TWÏN"][number % 3], 7, |_| {}).await);
    }
    for &by in SortBy::VARIANTS {
        for descending in [false, true] {
            let sort = KeySort { by, descending };
            let mut expected = made.clone();
            if descending {
                expected.reverse();
            }
            for limit in [1, 5, 23, 100] {
                let mut seen = Vec::new();
                loop {
                    let offset = seen.len() as u64;
                    let (keys, total) = list(store, KeyQuery { sort, offset, limit, ..query("", "name") }).await;
                    assert_eq!(total, 23);
                    assert!(keys.len() <= limit as usize);
                    if keys.is_empty() {
                        break;
                    }
                    seen.extend(keys);
                }
                assert_eq!(seen, expected, "{sort}, {limit} per page");
            }
        }
    }
    for offset in [23, 24, u64::MAX] {
        assert_eq!(list(store, KeyQuery { offset, ..query("", "name") }).await, (vec![], 23));
    }
}

/// Keys that are created and revoked during a walk neither hide other keys nor repeat them.
async fn list_walk_visits_each_key_once_while_keys_change(store: &KeyFixture) {
    for sort in ["name", "-name", "createdAt", "-createdAt"] {
        let mut expected = Vec::new();
        for number in 0..11 {
            // Some keys are tied in both sort orders.
            expected
                .push(insert(store, ["twin", "Twin", "other"][number % 3], 7 + (number as i64) / 4, |_| {}).await.id);
        }
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let query = KeyQuery { status: KeyStatus::Active, after, limit: 2, ..query("", sort) };
            let page = store.list(query).await.expect("read");
            assert!(page.total >= 11, "the total includes the keys before the position");
            seen.extend(page.keys.iter().map(|key| key.id));
            // The last key of the page leaves the list, and another one appears before the position.
            store.revoke(&page.keys.last().expect("a key").id, day(30), audit()).await.expect("revoked");
            let (name, created) = if sort.starts_with('-') { ("zzz", 900) } else { ("aaa", 1) };
            insert(store, name, created, |_| {}).await;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        seen.retain(|id| expected.contains(id));
        let visited = seen.len();
        seen.sort();
        seen.dedup();
        expected.sort();
        assert_eq!((seen, visited), (expected, 11), "{sort}");
        for key in store.list(KeyQuery { limit: 1_000, ..query("", "name") }).await.expect("read").keys {
            store.revoke(&key.id, day(31), audit()).await.expect("revoked");
        }
    }
}

async fn list_has_a_position_only_where_values_do_not_change(store: &KeyFixture) {
    for name in ["a", "b", "c"] {
        insert(store, name, 1, |_| {}).await;
    }
    for &by in SortBy::VARIANTS {
        let of = async |limit, offset| {
            let sort = KeySort { by, descending: false };
            store.list(KeyQuery { sort, limit, offset, ..query("", "name") }).await.expect("read").next
        };
        let has_position = matches!(by, SortBy::Name | SortBy::CreatedAt);
        assert_eq!(of(2, 0).await.is_some(), has_position, "{by:?}");
        assert_eq!((of(3, 0).await, of(2, 1).await), (None, None), "{by:?}: no key follows");
    }
}

/// A name that is changed between two pages does not change the position.
async fn list_walk_continues_after_rename_of_last_key(store: &KeyFixture) {
    for name in ["a", "b", "c", "d"] {
        insert(store, name, 1, |_| {}).await;
    }
    let page = store.list(KeyQuery { limit: 2, ..query("", "name") }).await.expect("read");
    let name = KeyName::parse("zzz").expect("valid");
    store.rename(&page.keys[1].id, name, day(2), audit()).await.expect("renamed");
    let rest = store.list(KeyQuery { after: page.next, ..query("", "name") }).await.expect("read");
    let rest: Vec<_> = rest.keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(rest, ["c", "d", "zzz"], "a renamed key is visited again where it stands now");
}

async fn list_sorts_by_each_column_in_both_directions(store: &KeyFixture) {
    let scoped = |scopes: &[Scope]| Scopes::new(scopes.iter().copied()).expect("not empty");
    let (train, read, both) =
        (scoped(&[Scope::Training]), scoped(&[Scope::Read]), scoped(&[Scope::Training, Scope::Read]));
    for (name, created, used, revoked, scopes) in [
        ("beta", 3, None, None, train),
        ("Älpha", 5, Some(20), Some(31), both),
        ("Gamma", 1, Some(10), None, read),
        ("alpine", 2, None, Some(30), train),
        ("δ", 4, Some(30), None, both),
    ] {
        insert(store, name, created, |record| {
            record.last_used_at = used.map(day);
            record.revoked_at = revoked.map(day);
            record.scopes = scopes;
        })
        .await;
    }
    for (sort, expected) in [
        ("name", ["Älpha", "alpine", "beta", "Gamma", "δ"]),
        ("createdAt", ["Gamma", "alpine", "beta", "δ", "Älpha"]),
        // Unused keys come first, in order of insertion.
        ("lastUsedAt", ["beta", "alpine", "Gamma", "Älpha", "δ"]),
        ("revokedAt", ["beta", "Gamma", "δ", "alpine", "Älpha"]),
        ("scopes", ["Gamma", "beta", "alpine", "Älpha", "δ"]),
    ] {
        assert_eq!(names(store, query("", sort)).await, expected, "{sort}");
        let reversed: Vec<_> = expected.into_iter().rev().collect();
        assert_eq!(names(store, query("", &format!("-{sort}"))).await, reversed, "-{sort}");
    }
}

async fn list_filters_by_status(store: &KeyFixture) {
    let well = insert(store, "well", TODAY, |_| {}).await;
    let old = insert(store, "old", TODAY - 91, |record| record.last_used_at = Some(day(TODAY))).await;
    insert(store, "gone", TODAY - 400, |record| record.revoked_at = Some(day(TODAY - 1))).await;
    let of = async |status| names(store, KeyQuery { status, ..query("", "createdAt") }).await;
    assert_eq!(of(KeyStatus::All).await, ["gone", "old", "well"]);
    assert_eq!(of(KeyStatus::Active).await, ["old", "well"]);
    assert_eq!(of(KeyStatus::Attention).await, ["old"]);
    assert_eq!(of(KeyStatus::Revoked).await, ["gone"]);
    assert_eq!(store.count_keys(thresholds()).await.expect("read"), KeyCounts { active: 2, attention: 1, revoked: 1 });

    // A search matches only keys that also match the other filters.
    for &status in KeyStatus::VARIANTS {
        let found = names(store, KeyQuery { status, ..query("OLD models", "name") }).await;
        assert_eq!(found.is_empty(), status == KeyStatus::Revoked, "{status:?}");
    }
    let patient = AttentionThresholds::at(day(TODAY), 92);
    assert_eq!(store.count_keys(patient).await.expect("read").attention, 0);
    let attention = KeyQuery { status: KeyStatus::Attention, thresholds: patient, ..query("", "name") };
    assert_eq!(list(store, attention).await, (vec![], 0));

    store.revoke(&old.id, day(TODAY), audit()).await.expect("revoked");
    assert_eq!(store.count_keys(thresholds()).await.expect("read"), KeyCounts { active: 1, attention: 0, revoked: 2 });
    let active = list(store, KeyQuery { status: KeyStatus::Active, ..query("", "name") }).await;
    assert_eq!(active, (vec![well], 1));
}

async fn list_finds_keys_by_words(store: &KeyFixture) {
    insert(store, "Müller's trainer 100%", 1, |_| {}).await;
    insert(store, "muller_backup \"x\" \\", 2, |_| {}).await;
    let scopes = Scopes::new([Scope::Training, Scope::Admin]).expect("not empty");
    let third = insert(store, "Обучение GPU １", 3, |record| record.scopes = scopes).await;
    let (one, two, three) = ("Müller's trainer 100%", "muller_backup \"x\" \\", "Обучение GPU １");
    for (text, expected) in [
        ("", &[one, two, three][..]),
        (" \t\u{3000} ", &[one, two, three]),
        ("MULLER", &[one, two]),
        ("Mu\u{308}LLER", &[one, two]),
        ("обуч", &[three]),
        ("gpu 1", &[three]),
        ("trainer muller", &[one]),
        ("  100%   er's ", &[one]),
        ("muller gpu", &[]),
        ("models", &[one, two]),
        ("Training", &[three]),
        ("adm training", &[three]),
        // SQL wildcards and quotes in a search word are matched literally.
        ("%", &[one]),
        ("r_", &[two]),
        ("l_r", &[]),
        ("'", &[one]),
        ("\"", &[two]),
        ("\\", &[two]),
        ("' OR 1=1 --", &[]),
        ("*", &[]),
        ("?1", &[]),
        ("nobody", &[]),
    ] {
        assert_eq!(names(store, query(text, "createdAt")).await, expected, "{text:?}");
    }
    let prefix = third.prefix.as_str();
    assert_eq!(names(store, query(prefix, "name")).await, [three]);
    assert_eq!(names(store, query(&prefix.to_uppercase(), "name")).await, [three]);
    assert_eq!(names(store, query(&prefix[3..], "name")).await, [three]);
    assert_eq!(names(store, query("ul_", "createdAt")).await, [one, two, three]);
    let id = third.id.as_str();
    assert_eq!(names(store, query(id, "name")).await, [three]);
    assert_eq!(names(store, query(&id[..27], "name")).await, [""; 0], "only a complete identifier matches");

    // Search words after the eighth are ignored.
    assert_eq!(names(store, query("gpu gpu gpu gpu gpu gpu gpu gpu nobody", "name")).await, [three]);
    assert_eq!(names(store, query("gpu gpu gpu gpu gpu gpu gpu nobody", "name")).await, [""; 0]);

    // After a rename, a search finds the new name and no longer finds the old one.
    let name = KeyName::parse("Überflüssig").expect("valid");
    store.rename(&third.id, name, day(4), audit()).await.expect("renamed");
    assert_eq!(names(store, query("uberflussig", "name")).await, ["Überflüssig"]);
    assert_eq!(names(store, query("gpu", "name")).await, [""; 0]);
}

async fn list_finds_and_sorts_names_without_case_and_accents(store: &KeyFixture) {
    for name in ["Straße-GPU", "strasse-2", "Østfold", "osaka", "Łódź", "lotus", "ser\u{AD}ver", "\u{200F}server 2"]
    {
        insert(store, name, 1, |_| {}).await;
    }
    for (text, expected) in [
        ("strasse", &["strasse-2", "Straße-GPU"][..]),
        ("STRAẞE", &["strasse-2", "Straße-GPU"]),
        ("ostfold", &["Østfold"]),
        ("Lodz", &["Łódź"]),
        ("server", &["ser\u{AD}ver", "\u{200F}server 2"]),
        ("ser\u{200B}ver", &["ser\u{AD}ver", "\u{200F}server 2"]),
    ] {
        assert_eq!(names(store, query(text, "name")).await, expected, "{text:?}");
    }
    let sorted = ["Łódź", "lotus", "osaka", "Østfold", "ser\u{AD}ver", "\u{200F}server 2", "strasse-2", "Straße-GPU"];
    assert_eq!(names(store, query("", "name")).await, sorted);
}

async fn list_by_name_matches_exactly(store: &KeyFixture) {
    for name in ["trainer", "Trainer", "trainer 2", "träiner"] {
        insert(store, name, 1, |_| {}).await;
    }
    insert(store, "trainer", 2, |record| record.revoked_at = Some(day(3))).await;
    let named = async |name: &str, status| {
        let name = Some(KeyName::parse(name).expect("valid"));
        names(store, KeyQuery { name, status, ..query("", "createdAt") }).await
    };
    assert_eq!(named("trainer", KeyStatus::All).await, ["trainer", "trainer"]);
    assert_eq!(named("trainer", KeyStatus::Active).await, ["trainer"]);
    assert_eq!(named(" Trainer ", KeyStatus::Active).await, ["Trainer"]);
    assert_eq!(named("traine", KeyStatus::All).await, [""; 0]);
    assert_eq!(named("%", KeyStatus::All).await, [""; 0]);
}

async fn list_page_holds_all_fields_of_its_keys(store: &KeyFixture) {
    let old = insert(store, "old", 1, |record| {
        record.last_used_at = Some(day(5));
        record.admin_used_at = Some(day(4));
    })
    .await;
    let new = insert(store, "new", 2, |record| record.replaces = Some(old.id)).await;
    let (keys, _) = list(store, query("", "createdAt")).await;
    assert_eq!(keys, [KeyRecord { replaced_by: Some(new.id), ..old }, new]);
}

/// The SQL conditions must agree with [`AttentionThresholds::reasons`] for all kinds of keys.
async fn list_and_counts_agree_with_attention_thresholds(store: &KeyFixture) {
    let mut rng = StdRng::seed_from_u64(20_261_122);
    let mut made = Vec::new();
    for number in 0..600 {
        // The creation day is close to the day of a threshold, or random.
        let created = TODAY - [29, 30, 31, 89, 90, 91, rng.random_range(0..200)][rng.random_range(0..7)];
        let used =
            [None, Some(TODAY - 89), Some(TODAY - 90), Some(TODAY - 91), Some(rng.random_range(created..=TODAY))];
        let used = used[rng.random_range(0..5)];
        let admin_used = [None, Some(TODAY - 29), Some(TODAY - 30), Some(TODAY - 31)][rng.random_range(0..4)];
        let scopes: Vec<_> =
            Scope::VARIANTS.iter().copied().filter(|_| rng.random_bool(0.3)).chain([Scope::Read]).collect();
        let revoked = rng.random_bool(0.3).then(|| rng.random_range(created..=TODAY));
        let shift = rng.random_range(-1..=1);
        let name = format!("key {}", number % 50);
        let record = insert(store, &name, created, |record| {
            // The key was created at the start of the day, or one millisecond earlier or later.
            record.created_at = Timestamp::from_millis(record.created_at.as_millis() + shift).expect("in range");
            record.last_used_at = used.map(day);
            record.admin_used_at = admin_used.map(day);
            record.revoked_at = revoked.map(day);
            record.scopes = Scopes::new(scopes).expect("not empty");
        });
        made.push(record.await);
    }
    let mut kinds = BTreeMap::new();
    for days in [1, 30, 90, 91, 120, 3_650] {
        let thresholds = AttentionThresholds::at(day(TODAY), days);
        let of = |status: KeyStatus| {
            let fits = move |key: &&KeyRecord| match status {
                KeyStatus::All => true,
                KeyStatus::Active => key.revoked_at.is_none(),
                KeyStatus::Revoked => key.revoked_at.is_some(),
                KeyStatus::Attention => !thresholds.reasons(key).is_empty(),
            };
            made.iter().filter(fits)
        };
        for key in &made {
            *kinds.entry(format!("{:?}", thresholds.reasons(key))).or_insert(0) += 1;
        }
        let count = |status| of(status).count() as u64;
        let expected = KeyCounts {
            active: count(KeyStatus::Active),
            attention: count(KeyStatus::Attention),
            revoked: count(KeyStatus::Revoked),
        };
        assert_eq!(store.count_keys(thresholds).await.expect("read"), expected, "{days} days");
        for &status in KeyStatus::VARIANTS {
            // This sort is stable: keys with equal values stay in order of insertion.
            let mut by_age: Vec<_> = of(status).cloned().collect();
            by_age.sort_by_key(|key| key.created_at);
            let wanted = KeyQuery { status, thresholds, limit: 1_000, ..query("", "createdAt") };
            assert_eq!(list(store, wanted).await, (by_age, count(status)), "{status:?}, {days} days");

            let mut by_use: Vec<_> = of(status).rev().filter(|key| key.name.as_str().contains('7')).cloned().collect();
            by_use.sort_by_key(|key| Reverse(key.last_used_at));
            let wanted = KeyQuery { status, thresholds, limit: 1_000, ..query("7", "-lastUsedAt") };
            // The search also finds keys whose identifier or prefix contains a seven. Drop these keys.
            let (mut found, _) = list(store, wanted).await;
            found.retain(|key| key.name.as_str().contains('7'));
            assert_eq!(found, by_use, "{status:?}, {days} days");
        }
    }
    assert_eq!(kinds.len(), 8, "expected each reason, alone and combined with age, and no reason: {kinds:?}");
}

async fn list_treats_future_use_as_none(store: &KeyFixture) {
    for (name, used) in [("ahead", Some(TODAY + 100)), ("never", None), ("used", Some(TODAY - 1))] {
        insert(store, name, TODAY - 40, |key| key.last_used_at = used.map(day)).await;
    }
    assert_eq!(names(store, query("", "-lastUsedAt")).await, ["used", "never", "ahead"]);
    assert_eq!(names(store, query("", "lastUsedAt")).await, ["ahead", "never", "used"]);
    let attention = KeyQuery { status: KeyStatus::Attention, ..query("", "name") };
    assert_eq!(names(store, attention).await, ["ahead", "never"]);
    assert_eq!(store.count_keys(thresholds()).await.expect("read").attention, 2);
}

contract_cases! {
    sqlite = sqlite_keys, memory = memory_keys;
    [
        list_pages_have_no_gap_and_no_overlap,
        list_walk_visits_each_key_once_while_keys_change,
        list_has_a_position_only_where_values_do_not_change,
        list_walk_continues_after_rename_of_last_key,
        list_sorts_by_each_column_in_both_directions,
        list_filters_by_status,
        list_finds_keys_by_words,
        list_finds_and_sorts_names_without_case_and_accents,
        list_by_name_matches_exactly,
        list_page_holds_all_fields_of_its_keys,
        list_and_counts_agree_with_attention_thresholds,
        list_treats_future_use_as_none,
    ]
}
