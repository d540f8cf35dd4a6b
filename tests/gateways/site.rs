//! A key service, a gateway and an upstream, and a client of each kind.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use ulkeys_domain::Limits;
use ulkeys_tests::{Child, Service, free_port};

use crate::gateway::{Gateway, Ports};
use crate::upstream::Upstream;

/// Where the clients are, apart from the gateway, which comes to the service and to the upstream from 127.0.0.1.
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Site {
    pub service: Service,
    pub upstream: Upstream,
    pub port: u16,
    http: reqwest::Client,
    gateway: Child,
    _folder: TempDir,
}

impl Site {
    /// With limits that no test reaches.
    pub async fn start(gateway: Gateway) -> Self {
        Self::start_with(gateway, Limits::uniform(u32::MAX)).await
    }

    pub async fn start_with(gateway: Gateway, limits: Limits) -> Self {
        let service = Service::start_with(limits).await.expect("a service");
        let upstream = Upstream::start().await;
        let port = free_port().expect("a free port");
        let folder = tempfile::tempdir().expect("temporary folder");
        let ports = Ports { gateway: port, service: service.address, upstream: upstream.address };
        let mut child = gateway.start(folder.path(), &ports);
        let http = reqwest::Client::builder().no_proxy().local_address(CLIENT).build().expect("a client");
        let start = Instant::now();
        loop {
            let answer = http.get(format!("http://127.0.0.1:{port}/api/models")).send().await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED) {
                break;
            }
            let ended = child.process().try_wait().expect("a state");
            let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "{gateway:?} does not answer: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(upstream.take().is_empty());
        Self { service, upstream, port, http, gateway: child, _folder: folder }
    }

    /// Where the gateway takes connections; its own to others do not.
    pub fn listens_on(&self) -> BTreeSet<SocketAddr> {
        let all = listeners::get_all().expect("a list").into_iter();
        let own = all.filter(|one| one.process.pid == self.gateway.pid()).map(|one| one.socket);
        own.filter(|address| std::net::TcpStream::connect(address).is_ok()).collect()
    }

    /// A request through the gateway, without a key.
    pub fn anonymous(&self, method: Method, target: &str) -> RequestBuilder {
        self.http.request(method, format!("http://127.0.0.1:{}{target}", self.port))
    }

    pub fn request(&self, key: &str, method: Method, target: &str) -> RequestBuilder {
        self.anonymous(method, target).bearer_auth(key)
    }

    /// Sends a request byte by byte as it is given, which no decent client would. The status, if there is an answer.
    pub async fn raw(&self, line: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        let close = [("Connection", "close")];
        let close = close.iter().filter(|_| !headers.iter().any(|(name, _)| *name == "Connection"));
        for (name, value) in headers.iter().chain(close) {
            request += &format!("{name}: {value}\r\n");
        }
        let exchange = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((CLIENT, 0).into())?;
            let mut stream = socket.connect(([127, 0, 0, 1], self.port).into()).await?;
            stream.write_all(format!("{request}\r\n").as_bytes()).await?;
            let mut answer = vec![0; 12];
            stream.read_exact(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("in time").ok()?;
        String::from_utf8(answer).ok()?.rsplit(' ').next()?.parse().ok()
    }
}
