//! The servers that are measured, each a process of its own on loopback and on an empty folder.

mod postgres;
mod slipstream;
mod syncs;

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio_postgres::Client;

pub(super) use syncs::SyncCounter;

use super::{Place, Result};
use crate::demo;

/// How often a new server is asked whether it is there.
const INTERVAL: Duration = Duration::from_millis(50);
/// After how many of those it is given up.
const ATTEMPTS: usize = 400;

/// A running server. It ends with this.
pub(super) struct Server {
    process: Child,
    port: u16,
    stop: &'static str,
}

impl Server {
    /// Slipstream with its default durability, `full`.
    pub(super) async fn slipstream(place: &Place, folder: &Path) -> Result<Server> {
        let port = free_port()?;
        Server::answering(slipstream::start(&place.server, folder, port)?, port, "TERM").await
    }

    /// PostgreSQL with its default settings, which sync every commit; `None` where it is not installed.
    pub(super) async fn postgres(place: &Place, folder: &Path) -> Result<Option<Server>> {
        let Some(installation) = &place.postgres else { return Ok(None) };
        let port = free_port()?;
        let process = postgres::start(installation, folder, port).await?;
        Server::answering(process, port, "INT").await.map(Some)
    }

    async fn answering(process: Child, port: u16, stop: &'static str) -> Result<Server> {
        let mut server = Server { process, port, stop };
        for _ in 0..ATTEMPTS {
            if server.connect().await.is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.process.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Err("the server does not answer".into())
    }

    /// A new session.
    pub(super) async fn connect(&self) -> Result<Client> {
        Ok(demo::connect("127.0.0.1", self.port).await?)
    }

    /// The process that accepts connections; it may have children.
    pub(super) fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends the server in order.
    pub(super) async fn stop(mut self) -> Result<()> {
        if let Some(id) = self.process.id() {
            Command::new("kill").args(["-s", self.stop, &id.to_string()]).status().await?;
        }
        self.process.wait().await?;
        Ok(())
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
