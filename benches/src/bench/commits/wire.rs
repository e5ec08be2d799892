//! Writers over the wire: Slipstream and PostgreSQL, with the same statements.

use tokio_postgres::{Client, Statement};

use super::super::Result;
use super::super::servers::Server;
use super::super::wire::copy;
use super::writer::{Writer, Writers};
use super::{VERTICES, Work, ends};

/// A session with its prepared statement.
pub(super) struct Session {
    client: Client,
    insert: Statement,
    work: Work,
}

impl Writer for Session {
    async fn commit(&mut self, id: i64) -> Result<()> {
        let (source, destination) = ends(id);
        match self.work {
            Work::Row => self.client.execute(&self.insert, &[&id, &"a note of some length", &(id % 1000)]).await?,
            Work::Edge => self.client.execute(&self.insert, &[&id, &source, &destination]).await?,
        };
        Ok(())
    }
}

/// Makes the tables of all works, with the vertices in them.
pub(super) async fn create(server: &Server, graph: bool) -> Result<()> {
    let client = server.connect().await?;
    let references = if graph { "" } else { " REFERENCES account (id)" };
    client
        .batch_execute(&format!(
            "CREATE TABLE entry (id bigint PRIMARY KEY, note text NOT NULL, amount bigint NOT NULL);
             CREATE TABLE account (id bigint PRIMARY KEY, owner text NOT NULL);
             CREATE TABLE transfer (id bigint PRIMARY KEY, src bigint NOT NULL{references}, dst bigint NOT NULL{references})"
        ))
        .await?;
    let accounts: String = (1..=VERTICES).map(|id| format!("{id}\towner {id}\n")).collect();
    copy(&client, "account", accounts).await?;
    if graph {
        let create = "CREATE PROPERTY GRAPH bank VERTEX TABLES (account KEY (id)) EDGE TABLES (transfer KEY (id)
            SOURCE KEY (src) REFERENCES account (id) DESTINATION KEY (dst) REFERENCES account (id))";
        client.batch_execute(create).await?;
    }
    Ok(())
}

/// As many sessions as there are clients at the most.
pub(super) async fn writers(server: &Server, work: Work, clients: usize) -> Result<Writers<Session>> {
    let text = match work {
        Work::Row => "INSERT INTO entry (id, note, amount) VALUES ($1, $2, $3)",
        Work::Edge => "INSERT INTO transfer (id, src, dst) VALUES ($1, $2, $3)",
    };
    let mut sessions = Vec::new();
    for _ in 0..clients {
        let client = server.connect().await?;
        let insert = client.prepare(text).await?;
        sessions.push(Session { client, insert, work });
    }
    Ok(Writers::new(sessions))
}
