//! A gateway as a child process, with its file of `docs/gateways`.

use std::fs::{File, read_to_string};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use ulkeys_tests::{Child, tools};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    Nginx,
    Caddy,
    Traefik,
}

/// What the files call :8080, :8576 and :8000.
pub struct Ports {
    pub gateway: u16,
    pub service: SocketAddr,
    pub upstream: SocketAddr,
}

/// What a person has around the file that is copied into `conf.d`. One process, which ends with the test.
const AROUND_NGINX: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include conf.d/*.conf;
}
";

impl Gateway {
    /// Starts it in a folder of its own.
    pub fn start(self, folder: &Path, ports: &Ports) -> Child {
        let mut command = match self {
            Self::Nginx => {
                std::fs::create_dir(folder.join("conf.d")).expect("a folder");
                copy("nginx.conf", &folder.join("conf.d/ul-keys.conf"), ports);
                std::fs::write(folder.join("main.conf"), AROUND_NGINX).expect("written");
                let mut command = Command::new(tools().join("gateways/usr/sbin/nginx"));
                command.arg("-p").arg(folder).args(["-e", "stderr", "-c", "main.conf"]);
                command
            }
            Self::Caddy => {
                copy("Caddyfile", &folder.join("Caddyfile"), ports);
                let mut command = Command::new(tools().join("gateways/usr/bin/caddy"));
                command.args(["run", "--config", "Caddyfile"]).env("HOME", folder).env_remove("XDG_CONFIG_HOME");
                command
            }
            Self::Traefik => {
                copy("traefik.yml", &folder.join("traefik.yml"), ports);
                copy("traefik-ul-keys.yml", &folder.join("traefik-ul-keys.yml"), ports);
                let mut command = Command::new(tools().join("traefik/bin/traefik"));
                command.arg("--configFile=traefik.yml");
                command
            }
        };
        let log = File::create(folder.join("log")).expect("a file");
        command.current_dir(folder).stdout(log.try_clone().expect("a file")).stderr(log);
        Child::spawn(&mut command).expect("the gateway starts")
    }
}

/// The file as it is, but for the three ports.
fn copy(name: &str, to: &Path, ports: &Ports) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateways").join(name);
    let text = read_to_string(file).expect("a file of docs/gateways");
    let text = text
        .replace(":8080", &format!(":{}", ports.gateway))
        .replace(":8576", &format!(":{}", ports.service.port()))
        .replace(":8000", &format!(":{}", ports.upstream.port()));
    std::fs::write(to, text).expect("written");
}
