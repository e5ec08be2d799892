//! The side of Slipstream: a server process on loopback, and a client for each way to answer a pattern.

use std::path::Path;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Statement};

use super::super::servers::Server;
use super::super::wire::copy;
use super::super::{Place, Result};
use super::data::Table;
use super::questions::QUESTIONS;
use super::{Answer, Cell};

pub(super) struct Slipstream {
    server: Server,
    ways: Vec<Way>,
}

/// A client that has its patterns answered in one way.
struct Way {
    client: Client,
    statements: Vec<Statement>,
}

impl Slipstream {
    /// Starts a server on an empty folder, loads the tables, and prepares the questions for each of these strategies.
    pub(super) async fn load(place: &Place, folder: &Path, tables: &[Table], strategies: &[&str]) -> Result<Self> {
        let server = Server::slipstream(place, folder).await?;
        let client = server.connect().await?;
        for table in tables {
            let columns: String =
                table.columns.iter().map(|(name, sql_type)| format!(", {name} {sql_type} NOT NULL")).collect();
            client.batch_execute(&format!("CREATE TABLE {} (id bigint PRIMARY KEY{columns})", table.name)).await?;
            copy(&client, table.name, table.copy_text()).await?;
        }
        client.batch_execute(&graph(tables)).await?;
        let mut ways = Vec::new();
        for strategy in strategies {
            let client = server.connect().await?;
            client.batch_execute(&format!("SET slipstream.graph_strategy = '{strategy}'")).await?;
            let mut statements = Vec::new();
            for question in &QUESTIONS {
                let text = format!("SELECT * FROM cypher('social', $$ {} $$)", question.cypher);
                statements.push(client.prepare(&text).await?);
            }
            ways.push(Way { client, statements });
        }
        Ok(Slipstream { server, ways })
    }

    /// The rows that answer a question, by a strategy.
    pub(super) async fn answer(&self, way: usize, question: usize) -> Result<Answer> {
        let way = &self.ways[way];
        let rows = way.client.query(&way.statements[question], &[]).await?;
        rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect()).collect()
    }

    /// How long a round trip takes: `SELECT 1`.
    pub(super) async fn round_trip(&self) -> Result<()> {
        self.ways[0].client.query_one("SELECT 1", &[]).await?;
        Ok(())
    }

    /// Ends the server in order.
    pub(super) async fn stop(self) -> Result<()> {
        drop(self.ways);
        self.server.stop().await
    }
}

fn graph(tables: &[Table]) -> String {
    let (mut vertices, mut edges) = (Vec::new(), Vec::new());
    for table in tables {
        match table.ends {
            None => vertices.push(format!("{} KEY (id)", table.name)),
            Some((from, to)) => edges.push(format!(
                "{} KEY (id) SOURCE KEY (src) REFERENCES {from} (id) DESTINATION KEY (dst) REFERENCES {to} (id)",
                table.name
            )),
        }
    }
    format!("CREATE PROPERTY GRAPH social VERTEX TABLES ({}) EDGE TABLES ({})", vertices.join(", "), edges.join(", "))
}

fn cell(row: &Row, at: usize) -> Result<Cell> {
    Ok(match *row.columns()[at].type_() {
        Type::FLOAT8 => Cell::mean(row.try_get(at)?),
        Type::TEXT => Cell::Text(row.try_get(at)?),
        _ => Cell::Number(row.try_get(at)?),
    })
}
