//! The two servers, with one connection to each.

use std::net::SocketAddr;
use std::time::Duration;

use slipstream_tests::{Postgres, RawClient, TestServer};
use tempfile::TempDir;

use super::outcome::Outcome;
use super::schema::{TABLES, VIEWS};
use super::{Mismatch, Step};

/// A server that takes longer over one statement on a few rows hangs.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Sides {
    postgres: (Postgres, RawClient),
    slipstream: Slipstream,
}

struct Slipstream {
    server: TestServer,
    client: RawClient,
    _data: TempDir,
}

impl Sides {
    pub(super) async fn start() -> Sides {
        let postgres = Postgres::start();
        let client = RawClient::connect(postgres.address()).await;
        Sides { postgres: (postgres, client), slipstream: Slipstream::start().await }
    }

    /// Gives a step to both; PostgreSQL's answer comes first.
    pub(super) async fn run(&mut self, step: &Step) -> (Outcome, Outcome) {
        let expected = run(&mut self.postgres.1, step).await;
        assert!(expected.status.is_some(), "PostgreSQL is gone after {step:?}");
        (expected, run(&mut self.slipstream.client, step).await)
    }

    /// Runs a history from nothing up to where the two part, if they do.
    pub(super) async fn replay(&mut self, history: &[Step]) -> Option<Mismatch> {
        self.reset().await;
        for (index, step) in history.iter().enumerate() {
            let (expected, found) = self.run(step).await;
            if !found.agrees(&expected, step) {
                return Some(Mismatch { history: history[..=index].to_vec(), expected, found });
            }
        }
        None
    }

    /// Leaves nothing behind, in a new session on either side.
    pub(super) async fn reset(&mut self) {
        self.postgres.1 = RawClient::connect(self.postgres.0.address()).await;
        assert!(clean(&mut self.postgres.1).await, "PostgreSQL keeps tables");
        if !self.slipstream.is_clean().await {
            self.slipstream = Slipstream::start().await;
        }
    }
}

impl Slipstream {
    async fn start() -> Slipstream {
        let data = tempfile::tempdir().expect("a temporary folder");
        let server = TestServer::start(data.path());
        let client = RawClient::connect(server.address()).await;
        Slipstream { server, client, _data: data }
    }

    /// Whether everything could be dropped; a server that has been hurt is better replaced.
    async fn is_clean(&mut self) -> bool {
        let probe = run(&mut self.client, &Step::new("ROLLBACK")).await;
        if probe.status != Some('I') {
            return false;
        }
        let address: SocketAddr = self.server.address();
        self.client = RawClient::connect(address).await;
        clean(&mut self.client).await
    }
}

/// Drops all tables and views; those that others refer to only go after these, and those that refer to each other together.
async fn clean(client: &mut RawClient) -> bool {
    for _ in 0..TABLES.len() {
        let mut left = false;
        let views = VIEWS.iter().map(|name| format!("DROP VIEW IF EXISTS {name}"));
        let tables = TABLES.iter().map(|name| format!("DROP TABLE IF EXISTS {name}"));
        for statement in views.chain(tables) {
            left |= run(client, &Step::new(statement)).await.error.is_some_and(|error| error.code == "2BP01");
        }
        let together = Step::new(format!("DROP TABLE IF EXISTS {}", TABLES.join(", ")));
        if !left || run(client, &together).await.error.is_none() {
            return true;
        }
    }
    false
}

async fn run(client: &mut RawClient, step: &Step) -> Outcome {
    if step.extended {
        client.parse("", &step.sql, &[]).bind("", "", 0, &[], 0).describe(b'P', "").execute("", 0).sync();
    } else {
        client.query(&step.sql);
    }
    if let Some(input) = &step.input {
        client.message(b'd', input.as_bytes()).message(b'c', &[]);
    }
    Outcome::read(&client.try_answers(PATIENCE).await.unwrap_or_else(|messages| messages))
}
