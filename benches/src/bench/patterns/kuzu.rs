//! The side of bare Kuzu, in this process.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use kuzu::{Connection, Database, SystemConfig, Value};

use super::super::Result;
use super::data::Table;
use super::{Answer, Cell};

/// Memory for Kuzu's pages, in bytes.
const BUFFER_POOL: u64 = 1 << 30;

/// Reserved address space for Kuzu's files, in bytes.
const MAX_DATABASE: u64 = 1 << 36;

pub(super) struct Kuzu {
    // Connections borrow their database; a benchmark may leak the one it has.
    connection: &'static Connection<'static>,
}

impl Kuzu {
    pub(super) fn load(folder: &Path, tables: &[Table]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let config =
            SystemConfig::default().buffer_pool_size(BUFFER_POOL).max_db_size(MAX_DATABASE).auto_checkpoint(false);
        let database: &'static Database = Box::leak(Box::new(Database::new(folder.join("kuzu"), config)?));
        let connection: &'static Connection<'static> = Box::leak(Box::new(Connection::new(database)?));
        for table in tables {
            let properties: String =
                table.columns.iter().map(|(name, sql_type)| format!("{name} {}, ", kuzu_type(sql_type))).collect();
            connection.query(&match table.ends {
                None => format!("CREATE NODE TABLE {}(id INT64, {properties}PRIMARY KEY(id))", table.name),
                Some((from, to)) => format!("CREATE REL TABLE {}(FROM {from} TO {to})", table.name),
            })?;
            let mut text = String::new();
            for (index, row) in table.rows.iter().enumerate() {
                match table.ends {
                    None => writeln!(text, "{},{}", index + 1, row.join(","))?,
                    Some(_) => writeln!(text, "{}", row.join(","))?,
                }
            }
            let file = folder.join(format!("{}.csv", table.name));
            fs::write(&file, text)?;
            connection.query(&format!("COPY {} FROM '{}'", table.name, file.display()))?;
        }
        connection.query("CHECKPOINT")?;
        Ok(Kuzu { connection })
    }

    pub(super) fn answer(&self, cypher: &str) -> Result<Answer> {
        let rows = self.connection.query(cypher)?;
        rows.map(|row| row.into_iter().map(cell).collect()).collect()
    }
}

fn kuzu_type(sql_type: &str) -> &'static str {
    match sql_type {
        "text" => "STRING",
        "integer" => "INT32",
        _ => "INT64",
    }
}

fn cell(value: Value) -> Result<Cell> {
    match value {
        Value::Int64(number) => Ok(Cell::Number(number)),
        Value::Double(number) => Ok(Cell::mean(number)),
        Value::String(text) => Ok(Cell::Text(text)),
        other => Err(format!("not a cell: {other:?}").into()),
    }
}
