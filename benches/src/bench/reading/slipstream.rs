//! The side of Slipstream: a server process on loopback and one client with prepared statements.

use std::path::Path;
use std::time::Instant;

use futures::TryStreamExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::super::servers::Server;
use super::super::wire::copy;
use super::super::{Place, Result};
use super::Question;
use super::data::{DIMENSION, Data};
use super::report::Load;
use crate::demo::copy_text::Row;

pub(super) const CREATE_TABLES: &str = "
CREATE TABLE person (id bigint PRIMARY KEY, age integer NOT NULL);
CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL);
CREATE TABLE item (id bigint PRIMARY KEY, price double precision NOT NULL, embedding vector(64) NOT NULL);";

const CREATE_GRAPH: &str = "CREATE PROPERTY GRAPH social
  VERTEX TABLES (person KEY (id))
  EDGE TABLES (knows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id))";

/// A running server with the data, and the statements.
pub(super) struct Slipstream {
    server: Server,
    client: Client,
    statements: Vec<Statement>,
}

impl Slipstream {
    /// Starts a server on an empty folder, loads the data and prepares the statements. The text of the rows is made before
    /// the clock starts.
    pub(super) async fn load(place: &Place, folder: &Path, data: &Data) -> Result<(Self, Load)> {
        assert_eq!(DIMENSION, 64, "the table definition says so");
        let server = Server::slipstream(place, folder).await?;
        let client = server.connect().await?;
        client.batch_execute(CREATE_TABLES).await?;
        let mut load = Load { steps: Vec::new() };
        for (name, text) in [("person", persons(data)), ("knows", edges(data)), ("item", items(data))] {
            let started = Instant::now();
            copy(&client, name, text).await?;
            load.steps.push((name, started.elapsed()));
        }
        let started = Instant::now();
        client.batch_execute(CREATE_GRAPH).await?;
        load.steps.push(("graph", started.elapsed()));

        let mut statements = Vec::new();
        for question in Question::ALL {
            statements.push(client.prepare(text(question)).await?);
        }
        Ok((Slipstream { server, client, statements }, load))
    }

    /// The ids that answer a question, in ascending order.
    pub(super) async fn answer(&self, question: Question, data: &Data, key: i64) -> Result<Vec<i64>> {
        let statement = &self.statements[question as usize];
        let price = data.price_limit(key);
        let vector = vector_text(data.vector(key));
        let parameter: Option<&(dyn ToSql + Sync)> = match question {
            Question::SelectOne => None,
            Question::OneHop | Question::TwoHops => Some(&key),
            Question::FilteredScan => Some(&price),
            Question::Nearest | Question::Hybrid => Some(&vector),
        };
        let rows = self.client.query_raw(statement, parameter).await?;
        let mut ids: Vec<i64> = rows.and_then(async |row| row.try_get::<_, i64>(0)).try_collect().await?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Ends the server in order.
    pub(super) async fn stop(self) -> Result<()> {
        drop(self.client);
        self.server.stop().await
    }
}

fn text(question: Question) -> &'static str {
    match question {
        Question::SelectOne => "SELECT 1::bigint",
        Question::OneHop => {
            "SELECT id FROM cypher('social', $$ MATCH (a:person {id: $1})-[:knows]->(b:person) RETURN b.id AS id $$)"
        }
        Question::TwoHops => {
            "SELECT id FROM cypher('social', $$
               MATCH (a:person {id: $1})-[:knows]->(:person)-[:knows]->(b:person) RETURN b.id AS id $$)"
        }
        Question::FilteredScan => "SELECT id, price FROM item WHERE price < $1",
        Question::Nearest => "SELECT id FROM item ORDER BY embedding <-> $1::text::vector LIMIT 10",
        Question::Hybrid => {
            "SELECT (p.age / 10)::bigint * 1000000 + count(*)
             FROM (SELECT DISTINCT reached.id
                   FROM (SELECT id FROM item ORDER BY embedding <-> $1::text::vector LIMIT 20) AS near,
                     LATERAL cypher('social', $$ MATCH (a:person {id: $id})-[:knows]->(:person)-[:knows]->(b:person)
                       RETURN b.id AS id $$, jsonb_build_object('id', near.id)) AS reached) AS r
             JOIN person AS p USING (id) GROUP BY p.age / 10"
        }
    }
}

pub(super) fn persons(data: &Data) -> String {
    data.ages.iter().enumerate().map(|(index, age)| Row::new().plain(index + 1).plain(age).finish()).collect()
}

pub(super) fn edges(data: &Data) -> String {
    let row = |(index, edge): (usize, &(i64, i64))| Row::new().plain(index + 1).plain(edge.0).plain(edge.1).finish();
    data.edges.iter().enumerate().map(row).collect()
}

pub(super) fn items(data: &Data) -> String {
    let row = |id: i64| {
        let price = data.prices[id as usize - 1];
        Row::new().plain(id).plain(price).plain(vector_text(data.vector(id))).finish()
    };
    (1..=data.rows() as i64).map(row).collect()
}

/// pgvector's text form, exact.
pub(super) fn vector_text(parts: &[f32]) -> String {
    let parts: Vec<String> = parts.iter().map(f32::to_string).collect();
    format!("[{}]", parts.join(","))
}
