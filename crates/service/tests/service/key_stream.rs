//! Tests of `GET /api/api-keys` without parameters, which sends all active keys piece by piece.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use ulkeys_store::SqliteStore;

use crate::common::{TestService, get_ok, text};

/// Starts a service with a database that contains this number of keys. The keys are older from row to row.
async fn start_with_many_keys(count: u32) -> TestService {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    drop(SqliteStore::open(&path).expect("database"));
    let database = rusqlite::Connection::open(&path).expect("opened");
    let insert = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT ?1)
        INSERT INTO keys (account_id, id, name, normalized_name, prefix, hash, scopes, created_at)
        SELECT 1, printf('key_%024x', n), 'key', 'key', printf('ul_%08x', n), randomblob(32), 'read', 1700000000000 - n
        FROM numbers";
    database.execute(insert, [count]).expect("inserted");
    drop(database);
    TestService::start_in(folder).await
}

/// Requests the list on a connection that receives little before the caller reads.
async fn request_list(service: &TestService, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let mut connection = socket.connect(service.address).await.expect("connected");
    let address = service.address;
    let request = format!(
        "GET /api/api-keys HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.expect("sent");
    connection
}

/// Splits a response with chunked transfer coding. Returns the chunks, and whether the last one ends the body.
fn split_chunks(response: &[u8]) -> (Vec<&[u8]>, bool) {
    let find = |bytes: &[u8], end: &[u8]| bytes.windows(end.len()).position(|window| window == end);
    let head = find(response, b"\r\n\r\n").expect("a head");
    assert!(response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&response[..head]));
    let (mut rest, mut chunks) = (&response[head + 4..], Vec::new());
    while let Some(line) = find(rest, b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a hexadecimal size");
        if size == 0 {
            return (chunks, true);
        }
        let Some(chunk) = rest.get(line + 2..line + 2 + size) else { break };
        chunks.push(chunk);
        rest = rest.get(line + 2 + size + 2..).unwrap_or_default();
    }
    (chunks, false)
}

#[tokio::test]
async fn list_of_many_keys_arrives_in_pieces_as_one_document() {
    for (count, pieces) in [(5_000, 6), (999, 1), (1_000, 2), (0, 1)] {
        let service = start_with_many_keys(count).await;
        let mut response = Vec::new();
        request_list(&service, &service.session).await.read_to_end(&mut response).await.expect("received");
        let (chunks, is_complete) = split_chunks(&response);
        assert_eq!((chunks.len(), is_complete), (pieces, true), "{count} keys");
        let body = chunks.concat();
        let list: Value = serde_json::from_slice(&body).expect("JSON");
        let ids: Vec<_> = list["keys"].as_array().expect("a list").iter().map(|key| text(&key["keyId"])).collect();
        let expected: Vec<_> = (1..=count).map(|number| format!("key_{number:024x}")).collect();
        assert!(ids == expected, "{count} keys, newest first");
        // The pages contain the same keys, with their recent requests.
        let mut keys: Vec<Value> = Vec::new();
        while keys.len() < count as usize {
            let page = get_ok(&service, &format!("/api/api-keys?limit=500&offset={}", keys.len())).await;
            keys.extend(page["keys"].as_array().expect("a list").iter().cloned());
        }
        for key in &mut keys {
            key.as_object_mut().expect("an object").remove("recentRequests");
        }
        assert!(list == json!({ "keys": keys, "total": count, "next": null }), "{count} keys");
    }
}

#[tokio::test]
async fn list_is_written_in_the_documented_order() {
    let service = start_with_many_keys(2).await;
    let body = service.app(Method::GET, "/api/api-keys").send().await.expect("answered").text().await.expect("text");
    let key = |number: u32| {
        format!(
            r#"{{"keyId":"key_{number:024x}","name":"key","keyPrefix":"ul_{number:08x}","scopes":["read"],"createdAt":"2023-11-14T22:13:19.{:03}Z","lastUsedAt":null,"adminUsedAt":null,"revokedAt":null,"replaces":null,"replacedBy":null,"attention":["neverUsed","old"]}}"#,
            1_000 - number
        )
    };
    assert_eq!(body, format!(r#"{{"keys":[{},{}],"total":2,"next":null}}"#, key(1), key(2)));
}

#[tokio::test]
async fn list_ends_early_once_the_caller_is_revoked() {
    // The list is larger than all buffers between the service and the client, so the service waits for the client.
    let service = start_with_many_keys(40_000).await;
    let (key_id, key) = service.create_key("reader", &["read"]).await;
    let mut connection = request_list(&service, &key).await;
    let mut response = vec![0; 4_096];
    connection.read_exact(&mut response).await.expect("the beginning");
    service.revoke_key(&key_id).await;
    // The service may reset the connection.
    let _ = connection.read_to_end(&mut response).await;
    let (chunks, is_complete) = split_chunks(&response);
    assert!(!is_complete && (1..41).contains(&chunks.len()), "{} chunks", chunks.len());
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::UNAUTHORIZED);
}
