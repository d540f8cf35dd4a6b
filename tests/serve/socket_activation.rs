//! Sockets that systemd opens for the service.

use std::process::Command;

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use ulkeys_tests::{HeadlessService, cli_binary, free_address};

use crate::{create_key, new_data_folder, request_with_key};

/// Returns a command that opens a socket as systemd does, and starts the service at the first connection.
fn activate(address: &str) -> Command {
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--listen", address]);
    command.args(["UL_KEYS_DATA_DIR", "NOTIFY_SOCKET", "XDG_RUNTIME_DIR"].iter().flat_map(|name| ["--setenv", *name]));
    command.arg(cli_binary()).arg("serve");
    command
}

#[tokio::test]
async fn service_serves_on_socket_of_systemd() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    let address = free_address()?;
    let mut command = activate(&address);
    // The first connection waits until the service has started.
    let first = tokio::spawn({
        let url = format!("http://{address}/healthz");
        async move {
            let client = reqwest::Client::builder().no_proxy().build()?;
            loop {
                match client.get(&url).send().await {
                    Ok(response) => return Ok::<_, anyhow::Error>(response.status()),
                    // The socket does not exist yet.
                    Err(error) if error.is_connect() => tokio::task::yield_now().await,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    });
    let service = HeadlessService::start_with(&data, &mut command).await?;
    ensure!(first.await?? == StatusCode::OK, "the first connection is not served");
    ensure!(service.url == format!("http://{address}"), "{}", service.url);
    let (_, key) = create_key(&service.client, "activated").await?;
    ensure!(request_with_key(&service.url, &key).await?.status() == StatusCode::OK);
    Ok(())
}

/// A unit that listens on all addresses would send keys over the network unencrypted.
#[tokio::test]
async fn socket_that_accepts_other_computers_is_rejected() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    let port = free_address()?.split_once(':').expect("an address with a port").1.to_owned();
    let mut command = activate(&format!("0.0.0.0:{port}"));
    let connecting = tokio::spawn(async move {
        while tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    let error = HeadlessService::start_with(&data, &mut command).await.err().expect("it does not start");
    connecting.abort();
    ensure!(format!("{error:#}").contains("must be a loopback address"), "{error:#}");
    Ok(())
}
