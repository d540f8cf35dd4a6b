//! Tests of the client library in `crates/client` against a real service.

use rand::rngs::SysRng;
use ulkeys_api::{CreateKey, KeyCounts, RevocationOutcome};
use ulkeys_client::{ApiClient, ApiClientError, KeyQuery};
use ulkeys_domain::{ActivityKind, AttentionReason, KeyId, KeySort, KeyStatus};

use crate::common::{days_ago, start_with_keys};

#[tokio::test]
async fn client_reads_pages_keys_and_activity() {
    let service = start_with_keys(&[
        ("Zürich", 40, |_| {}),
        ("Berlin", 2, |record| record.last_used_at = Some(days_ago(1))),
        ("gone", 3, |record| record.revoked_at = Some(days_ago(1))),
    ])
    .await;
    let client = ApiClient::new(&format!("http://{}", service.address), &service.session).expect("a client");
    let query = KeyQuery { limit: 1, ..KeyQuery::default() };
    let first = client.list_key_page(&query, 90).await.expect("answered");
    assert_eq!((first.keys[0].key.name.as_str(), first.total, first.next.as_deref()), ("Berlin", 2, Some("1")));
    let second = client.list_key_page(&KeyQuery { offset: 1, ..query.clone() }, 90).await.expect("answered");
    assert_eq!((second.keys[0].key.name.as_str(), second.total, second.next), ("Zürich", 2, None));
    assert_eq!(second.keys[0].key.attention, [AttentionReason::NeverUsed]);

    let names = async |query: KeyQuery, days| {
        let page = client.list_key_page(&query, days).await.expect("answered");
        page.keys.into_iter().map(|listed| listed.key.name).collect::<Vec<_>>()
    };
    let all = KeyQuery { status: KeyStatus::All, limit: 500, ..KeyQuery::default() };
    let sort = KeySort::parse("-name").expect("valid sort order");
    assert_eq!(names(KeyQuery { sort, ..all.clone() }, 90).await, ["Zürich", "gone", "Berlin"]);
    assert_eq!(names(KeyQuery { text: "zur & read".into(), ..all.clone() }, 90).await, [""; 0]);
    assert_eq!(names(KeyQuery { text: "zur read".into(), ..all.clone() }, 90).await, ["Zürich"]);
    assert_eq!(names(KeyQuery { name: Some("gone".into()), ..all.clone() }, 90).await, ["gone"]);
    assert_eq!(names(KeyQuery { status: KeyStatus::Revoked, ..all.clone() }, 90).await, ["gone"]);
    let attention = KeyQuery { status: KeyStatus::Attention, ..all.clone() };
    assert_eq!(names(attention.clone(), 90).await, ["Zürich"]);
    assert_eq!(names(attention, 2).await, ["Berlin", "Zürich"]);
    assert_eq!(client.count_keys(90).await.expect("answered"), KeyCounts { active: 2, attention: 1, revoked: 1 });
    assert_eq!(client.count_keys(2).await.expect("answered"), KeyCounts { active: 2, attention: 2, revoked: 1 });
    assert_eq!(client.list_keys().await.expect("answered").total, 2);

    let old = client.get_key(&first.keys[0].key.key_id, 2).await.expect("answered");
    assert_eq!((old.name.as_str(), old.attention), ("Berlin", vec![AttentionReason::Old]));
    let new = CreateKey { name: "new".into(), scopes: vec!["read".into()], replaces: Some(old.key_id) };
    let new = client.create_key(&new, 90).await.expect("created").info;
    assert_eq!(new.replaces, Some(old.key_id));
    assert_eq!(client.get_key(&old.key_id, 90).await.expect("answered").replaced_by, Some(new.key_id));

    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    let named = client.get_keys(&[new.key_id, unknown, old.key_id], 2).await.expect("answered");
    let named: Vec<_> = named.keys.iter().map(|listed| listed.key.name.as_str()).collect();
    assert_eq!(named, ["new", "Berlin"]);

    let created =
        client.list_activity(Some(&new.key_id), Some(ActivityKind::Created), None, 50).await.expect("answered");
    assert_eq!(created.entries.len(), 1);
    let renamed = client.list_activity(None, Some(ActivityKind::Renamed), None, 50).await.expect("answered");
    assert!(renamed.entries.is_empty());

    let rejected = client.list_key_page(&KeyQuery { limit: 0, ..all }, 90).await.expect_err("no page");
    let ApiClientError::Rejected(body) = rejected else { panic!("{rejected}") };
    assert!(body.error.starts_with("limit:"), "{}", body.error);
    assert!(matches!(client.get_key(&unknown, 90).await, Err(ApiClientError::Rejected(_))));
    let revoked = client.revoke_keys(&[old.key_id, unknown]).await.expect("answered").keys;
    let outcomes: Vec<_> = revoked.iter().map(|key| (key.key_id, key.outcome)).collect();
    assert_eq!(outcomes, [(old.key_id, RevocationOutcome::Revoked), (unknown, RevocationOutcome::NotFound)]);
}
