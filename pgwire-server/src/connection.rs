//! One client's session: the loop that takes its messages in order and answers them.
//!
//! 1. [`Connection::run`] applies the settings of the startup packet and greets the client;
//! 2. it takes one message after another: simple queries go to `simple.rs`, the
//!    extended protocol to `extended.rs`, COPY's data is taken inside the statement that asked for it (`copy.rs`);
//! 3. an error in the extended protocol skips what follows up to `Sync`, an error in a simple query ends that query; either
//!    fails the transaction, and `Sync` or the end of the query commits what no `BEGIN` has begun;
//! 4. a panic ends this connection with `XX000` and no other.
//!
//! Answers gather in the [`Outbox`] and are written when the client is due to read: at `ReadyForQuery`, `Flush`, an error,
//! and when much has gathered.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::response::{CommandComplete, ReadyForQuery, TransactionStatus as WireStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData};
use slipstream_engine::{Error, ErrorKind};
use slipstream_sql::{Session, TransactionStatus};
use tokio::net::tcp::OwnedWriteHalf;
use tokio_util::sync::CancellationToken;

use crate::cancel::Registration;
use crate::frontend::BadMessage;
use crate::inbox::{Inbox, Incoming};
use crate::outbox::Outbox;
use crate::parameters::ReportedParameters;
use crate::portal::Portal;
use crate::report::{Severity, error_response, notice_response, warning_response};
use crate::startup::StartupRequest;

/// A connection whose client has been let in.
pub(crate) struct Connection {
    pub(crate) session: Arc<Session>,
    pub(crate) inbox: Inbox,
    pub(crate) out: Outbox<OwnedWriteHalf>,
    pub(crate) portals: HashMap<String, Portal>,
    reported: ReportedParameters,
    shutdown: CancellationToken,
    skip_to_sync: bool,
    /// Whether `ReadyForQuery` was the last thing said.
    idle: bool,
}

/// Why a message could not be answered as it asks.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The statement failed; the client is told.
    Statement(Error),
    /// The client cannot be told anything any more.
    Connection(std::io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Statement(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Connection(error)
    }
}

impl Connection {
    /// A connection that reads from `inbox` and writes to `out`, until `shutdown`.
    pub(crate) fn new(
        session: Arc<Session>,
        inbox: Inbox,
        out: Outbox<OwnedWriteHalf>,
        shutdown: CancellationToken,
    ) -> Connection {
        Connection {
            session,
            inbox,
            out,
            portals: HashMap::new(),
            reported: ReportedParameters::default(),
            shutdown,
            skip_to_sync: false,
            idle: false,
        }
    }

    /// Greets the client and answers its messages until it leaves or the server shuts down.
    pub(crate) async fn run(mut self, startup: &StartupRequest, registration: &Registration) -> std::io::Result<()> {
        let set = |(name, value): &(String, String)| self.session.set(name, value);
        if let Err(error) = startup.settings.iter().try_for_each(set) {
            return self.fatal(error).await;
        }
        self.welcome(startup, registration).await?;
        loop {
            let message = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return self.fatal(shutting_down()).await,
                message = self.inbox.next() => message,
                error = too_idle(&self.session), if self.idle => return self.fatal(error).await,
            };
            self.idle = false;
            let Some(message) = message else {
                return Ok(());
            };
            match AssertUnwindSafe(self.receive(message)).catch_unwind().await {
                Ok(Ok(ControlFlow::Continue(()))) => {}
                Ok(Ok(ControlFlow::Break(()))) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                // The panic hook has logged what happened and where.
                Err(_) => return self.fatal(Error::internal("the server hit an internal error in this session")).await,
            }
        }
    }

    async fn welcome(&mut self, startup: &StartupRequest, registration: &Registration) -> std::io::Result<()> {
        if let Some(negotiate) = &startup.negotiate {
            self.out.push(negotiate);
        }
        self.out.push(&Authentication::Ok);
        self.report_parameters();
        self.out.push(&BackendKeyData::new(registration.process_id(), registration.secret().clone()));
        self.ready().await
    }

    /// Answers one message.
    async fn receive(&mut self, message: Incoming) -> std::io::Result<ControlFlow<()>> {
        use PgWireFrontendMessage as Message;
        let message = match message {
            Ok(message) => message,
            Err(BadMessage::Stream(error)) => {
                self.fatal(error).await?;
                return Ok(ControlFlow::Break(()));
            }
            Err(BadMessage::Body { simple, error }) => {
                self.answer(simple, Err(error.into())).await?;
                return Ok(ControlFlow::Continue(()));
            }
        };
        match message {
            Message::Terminate(_) => return Ok(ControlFlow::Break(())),
            Message::Sync(_) => self.sync().await?,
            _ if self.skip_to_sync => {}
            Message::Flush(_) => self.out.flush().await?,
            Message::Query(query) => {
                let outcome = self.simple_query(&query.query).await;
                self.answer(true, outcome).await?;
            }
            // What a client still sends after its COPY has failed.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => {}
            message => {
                let outcome = self.extended(message).await;
                self.answer(false, outcome).await?;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reports how a message went, and ends it as its protocol does.
    async fn answer(&mut self, simple: bool, outcome: Result<(), Failure>) -> std::io::Result<()> {
        match outcome {
            Ok(()) => {}
            Err(Failure::Connection(error)) => return Err(error),
            // The end of the server has stopped the statement; the loop ends the session.
            Err(Failure::Statement(error)) if self.shutdown.is_cancelled() && error.kind() == ErrorKind::Cancelled => {
                return Ok(());
            }
            Err(Failure::Statement(error)) => {
                // Also where no statement came so far: a message that makes no sense fails a transaction block, too.
                self.session.fail();
                self.error(&error);
                if !simple {
                    self.skip_to_sync = true;
                    self.out.flush().await?;
                }
            }
        }
        if simple { self.ready().await } else { self.out.relieve().await }
    }

    async fn sync(&mut self) -> std::io::Result<()> {
        self.skip_to_sync = false;
        if let Err(error) = self.session.end_implicit().await {
            self.error(&error);
        }
        self.ready().await
    }

    /// `ReadyForQuery`: the client may speak. Portals end with their transaction.
    async fn ready(&mut self) -> std::io::Result<()> {
        let status = match self.session.transaction_status() {
            TransactionStatus::Idle => WireStatus::Idle,
            TransactionStatus::Active => WireStatus::Transaction,
            TransactionStatus::Failed => WireStatus::Error,
        };
        if status == WireStatus::Idle {
            self.portals.clear();
        }
        self.idle = true;
        // What failed may have taken settings back with it.
        self.report_parameters();
        self.out.push(&ReadyForQuery::new(status));
        self.out.flush().await
    }

    /// The end of a statement, with what it had to say and the settings that it changed.
    pub(crate) fn complete(&mut self, tag: String) {
        self.notices();
        self.report_parameters();
        self.out.push(&CommandComplete::new(tag));
    }

    fn report_parameters(&mut self) {
        for status in self.reported.changes(&self.session) {
            self.out.push(&status);
        }
    }

    /// Warnings and notices, as far as the client wants them.
    fn notices(&mut self) {
        let (warnings, notices) = (self.session.take_warnings(), self.session.take_notices());
        if warnings.is_empty() && notices.is_empty() {
            return;
        }
        let least = self.session.parameter_status("client_min_messages").unwrap_or_default();
        if least != "error" {
            warnings.iter().for_each(|warning| self.out.push(&warning_response(warning)));
        }
        if least != "error" && least != "warning" {
            notices.iter().for_each(|notice| self.out.push(&notice_response(notice)));
        }
    }

    fn error(&mut self, error: &Error) {
        self.notices();
        match error.kind() {
            ErrorKind::Internal => tracing::error!(%error, "a statement failed with an internal error"),
            kind => tracing::debug!(?kind, %error, "a statement failed"),
        }
        self.out.push(&error_response(error, Severity::Error));
    }

    /// Tells the client why the connection ends. That it may not hear is no error of ours.
    async fn fatal(&mut self, error: Error) -> std::io::Result<()> {
        self.out.push(&error_response(&error, Severity::Fatal));
        self.out.flush().await
    }
}

fn shutting_down() -> Error {
    Error::new(ErrorKind::ShuttingDown, "terminating connection due to administrator command")
}

/// Resolves when a session that idles has done so for longer than its settings allow.
async fn too_idle(session: &Session) -> Error {
    match session.idle_limit() {
        Some((limit, error)) => {
            tokio::time::sleep(limit).await;
            error
        }
        None => std::future::pending().await,
    }
}
