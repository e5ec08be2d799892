//! The listener: who is let in, how many, and how it all ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use slipstream_engine::database::Database;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::{Session, SessionOptions};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::cancel::Sessions;
use crate::connection::Connection;
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::report::{Severity, error_response};
use crate::startup::{Greeting, STARTUP_TIMEOUT, StartupRequest, greet};

/// How long a shutdown waits for sessions to end by themselves.
const GRACE: Duration = Duration::from_secs(10);
/// How often running statements are cancelled during that time; one may just have begun.
const CANCEL_EVERY: Duration = Duration::from_millis(100);

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The most sessions at a time.
    pub max_connections: usize,
}

/// A server that listens and has not begun to answer.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    shared: Arc<Shared>,
}

/// What all connections of a server share.
struct Shared {
    database: Arc<Database>,
    sessions: Arc<Sessions>,
    places: Semaphore,
    shutdown: CancellationToken,
}

impl Server {
    /// An error for an address that other machines can reach.
    pub fn may_listen(address: SocketAddr) -> Result<()> {
        if address.ip().is_loopback() {
            return Ok(());
        }
        let message = format!("cannot listen on {address}: only loopback addresses are allowed");
        Err(Error::new(ErrorKind::InvalidParameter, message)
            .with_hint("There are no passwords and no TLS yet. Use an SSH tunnel to reach the server from elsewhere."))
    }

    /// Listens on the configured address, which must be a loopback one: whoever can connect is the superuser.
    pub async fn bind(config: ServerConfig, database: Arc<Database>) -> Result<Server> {
        Server::may_listen(config.listen)?;
        let refused = |error: std::io::Error| {
            Error::new(ErrorKind::CannotConnectNow, format!("cannot listen on {}: {error}", config.listen))
        };
        let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
        let local_addr = listener.local_addr().map_err(refused)?;
        let shared = Shared {
            database,
            sessions: Arc::default(),
            places: Semaphore::new(config.max_connections),
            shutdown: CancellationToken::new(),
        };
        Ok(Server { listener, local_addr, shared: Arc::new(shared) })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves clients until `shutdown` resolves; then takes no more, cancels what runs, and returns when all sessions have
    /// ended. The database stays open.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let shared = Arc::clone(&self.shared);
                        let span = tracing::info_span!("connection", %peer);
                        connections.spawn(async move { shared.serve(stream).await }.instrument(span));
                    }
                    Err(error) => {
                        // Mostly too many open files: waiting lets connections end, spinning would not.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(CANCEL_EVERY).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        self.shared.wind_up(connections).await;
    }
}

impl Shared {
    /// Ends all connections: in order within the grace period; what is stuck after that is left to the end of the process.
    async fn wind_up(&self, mut connections: JoinSet<()>) {
        tracing::info!(connections = connections.len(), "shutting down");
        self.shutdown.cancel();
        let deadline = tokio::time::Instant::now() + GRACE;
        while !connections.is_empty() && tokio::time::Instant::now() < deadline {
            self.sessions.cancel_all();
            let all_gone = async { while connections.join_next().await.is_some() {} };
            // A timeout only means that it is time to cancel again.
            let _ = tokio::time::timeout(CANCEL_EVERY, all_gone).await;
        }
        if !connections.is_empty() {
            tracing::warn!(connections = connections.len(), "leaving connections that did not end");
            connections.abort_all();
        }
    }

    /// Serves one connection from its first byte to its last.
    async fn serve(&self, mut stream: TcpStream) {
        let greeting = tokio::select! {
            () = self.shutdown.cancelled() => return,
            greeting = tokio::time::timeout(STARTUP_TIMEOUT, greet(&mut stream)) => greeting,
        };
        let outcome = match greeting {
            Ok(Ok(Greeting::Session(startup))) => self.serve_session(stream, startup).await,
            Ok(Ok(Greeting::Cancel(process_id, secret))) => {
                self.sessions.cancel(process_id, &secret);
                Ok(())
            }
            Ok(Ok(Greeting::Gone)) => Ok(()),
            Ok(Err(error)) => refuse(stream, &error).await,
            Err(_) => {
                tracing::debug!("a client said nothing for too long");
                Ok(())
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "connection lost");
        }
    }

    async fn serve_session(&self, stream: TcpStream, startup: StartupRequest) -> std::io::Result<()> {
        let Ok(_place) = self.places.try_acquire() else {
            return refuse(stream, &Error::new(ErrorKind::TooManyConnections, "sorry, too many clients already")).await;
        };
        // Answers leave in whole buffers; waiting for more to send would only add the client's acknowledgement delay.
        stream.set_nodelay(true)?;
        let registration = self.sessions.register();
        let setting = |name: &str| startup.settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let options = SessionOptions {
            user: startup.user.clone(),
            database: startup.database.clone(),
            application_name: setting("application_name").unwrap_or_default(),
            process_id: registration.process_id(),
        };
        let session = Arc::new(Session::new(Arc::clone(&self.database), options));
        registration.set_session(&session);
        let (reading, writing) = stream.into_split();
        let inbox = Inbox::open(reading, Arc::clone(&session));
        tracing::debug!(process_id = registration.process_id(), "session begins");
        let connection = Connection::new(session, inbox, Outbox::new(writing), self.shutdown.clone());
        let outcome = connection.run(&startup, &registration).await;
        tracing::debug!(process_id = registration.process_id(), "session ends");
        outcome
    }
}

/// Tells a client that it is not let in.
async fn refuse(mut stream: TcpStream, error: &Error) -> std::io::Result<()> {
    tracing::info!(%error, "connection refused");
    let mut out = Outbox::new(&mut stream);
    out.push(&error_response(error, Severity::Fatal));
    out.flush().await?;
    stream.shutdown().await
}
