//! The side of PostgreSQL: the question of all kinds of data at once, with pgvector and a recursive query.

use std::path::Path;

use futures::TryStreamExt;
use tokio_postgres::{Client, Statement};

use super::super::servers::Server;
use super::super::wire::copy;
use super::super::{Place, Result};
use super::data::Data;
use super::slipstream::{CREATE_TABLES, edges, items, persons, vector_text};

const HYBRID: &str = "
WITH RECURSIVE near AS (SELECT id FROM item ORDER BY embedding <-> $1::text::vector LIMIT 20),
walk(id, hops) AS (
  SELECT id, 0 FROM near
  UNION ALL
  SELECT k.dst, w.hops + 1 FROM walk AS w JOIN knows AS k ON k.src = w.id WHERE w.hops < 2)
SELECT (p.age / 10)::bigint * 1000000 + count(*)
FROM (SELECT DISTINCT id FROM walk WHERE hops = 2) AS r JOIN person AS p USING (id) GROUP BY p.age / 10";

/// A running server with the data, and the statement.
pub(super) struct Postgres {
    server: Server,
    client: Client,
    statement: Statement,
}

impl Postgres {
    /// Loads the data and indexes what the question follows; `None` where there is no PostgreSQL.
    pub(super) async fn load(place: &Place, folder: &Path, data: &Data) -> Result<Option<Self>> {
        let Some(server) = Server::postgres(place, folder).await? else { return Ok(None) };
        let client = server.connect().await?;
        client.batch_execute("CREATE EXTENSION vector").await?;
        client.batch_execute(CREATE_TABLES).await?;
        for (name, text) in [("person", persons(data)), ("knows", edges(data)), ("item", items(data))] {
            copy(&client, name, text).await?;
        }
        client.batch_execute("CREATE INDEX ON knows (src); ANALYZE").await?;
        let statement = client.prepare(HYBRID).await?;
        Ok(Some(Postgres { server, client, statement }))
    }

    /// The answer, as [`super::Question::Hybrid`] has it.
    pub(super) async fn hybrid(&self, data: &Data, key: i64) -> Result<Vec<i64>> {
        let rows = self.client.query_raw(&self.statement, [vector_text(data.vector(key))]).await?;
        let mut answer: Vec<i64> = rows.and_then(async |row| row.try_get::<_, i64>(0)).try_collect().await?;
        answer.sort_unstable();
        Ok(answer)
    }

    /// Ends the server in order.
    pub(super) async fn stop(self) -> Result<()> {
        drop(self.client);
        self.server.stop().await
    }
}
