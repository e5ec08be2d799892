//! What a query gives by the index and by joins.

use tokio_postgres::{Client, SimpleQueryMessage};

/// Rows beyond which a query says nothing more.
const MOST_ROWS: usize = 200_000;

pub(crate) enum Comparison {
    Same,
    /// The index does not answer this query.
    Refused,
    Different(String),
}

pub(crate) async fn compare(client: &Client, sql: &str) -> Comparison {
    let index = rows(client, "index", sql).await;
    if let Err(code) = &index
        && code.starts_with("0A000")
    {
        return Comparison::Refused;
    }
    let joins = rows(client, "join", sql).await;
    match (index, joins) {
        (Ok(index), Ok(joins)) if index == joins => Comparison::Same,
        (Ok(index), Ok(_)) if index.len() > MOST_ROWS => Comparison::Refused,
        (Err(index), Err(joins)) if index[..5] == joins[..5] => Comparison::Same,
        (index, joins) => Comparison::Different(difference(index, joins)),
    }
}

pub(super) fn difference(index: Result<Vec<String>, String>, joins: Result<Vec<String>, String>) -> String {
    let (Ok(mut index), Ok(mut joins)) = (index.clone(), joins.clone()) else {
        let shown = |rows: Result<Vec<String>, String>| match rows {
            Ok(rows) => format!("{} rows", rows.len()),
            Err(error) => error,
        };
        return format!("  index: {}\n  joins: {}", shown(index), shown(joins));
    };
    let counts = (index.len(), joins.len());
    joins.retain(|row| match index.iter().position(|other| other == row) {
        Some(at) => {
            index.remove(at);
            false
        }
        None => true,
    });
    index.truncate(5);
    joins.truncate(5);
    format!("  index: {} rows, alone with {index:?}\n  joins: {} rows, alone with {joins:?}", counts.0, counts.1)
}

/// The rows as sorted text, or the error with its code first.
pub(super) async fn rows(client: &Client, strategy: &str, sql: &str) -> Result<Vec<String>, String> {
    client.batch_execute(&format!("SET slipstream.graph_strategy = '{strategy}'")).await.expect("a setting");
    let messages = client.simple_query(sql).await.map_err(|error| match error.as_db_error() {
        Some(report) => format!("{} {}", report.code().code(), report.message()),
        None => format!("lost {error}"),
    })?;
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            let values: Vec<String> = (0..row.len()).map(|column| shown(row.get(column))).collect();
            rows.push(values.join(" | "));
        }
    }
    rows.sort();
    Ok(rows)
}

/// A value; the elements of a list have no order.
fn shown(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_string(),
        Some(list) if list.starts_with('{') => {
            let mut items: Vec<&str> = list.trim_matches(['{', '}']).split(',').collect();
            items.sort_unstable();
            format!("{{{}}}", items.join(","))
        }
        Some(text) => text.to_string(),
    }
}
