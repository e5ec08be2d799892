//! One scenario against the server.
//!
//! All of it happens in a transaction that is rolled back: its tables, its graph, and what its queries do. So a scenario
//! costs no commit, and is answered by joins (the graph has changes of the transaction's own).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde_json::Value as Json;
use slipstream_graph_language::parse::parse;
use slipstream_graph_language::syntax::Query;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use crate::feature::{Scenario, Step};
use crate::schema::{GRAPH, Schema};
use crate::value::{HIDDEN, Value};

/// Why a scenario did not pass, in words that others share.
pub(crate) type Reason = String;

/// The named graphs, by name: the queries that make them.
pub(crate) type Graphs = BTreeMap<String, String>;

/// Runs a scenario.
pub(crate) async fn run(scenario: &Scenario, graphs: &Graphs, client: &Client) -> Result<(), Reason> {
    let result = run_in_block(scenario, graphs, client).await;
    client.batch_execute("ROLLBACK").await.map_err(|error| format!("rollback: {error}"))?;
    result
}

async fn run_in_block(scenario: &Scenario, graphs: &Graphs, client: &Client) -> Result<(), Reason> {
    let parameters = parameters(scenario)?;
    let queries = queries(scenario, graphs)?;
    let parsed: Vec<Query> = queries.iter().filter_map(|query| parse(query).ok()).collect();
    let schema = Schema::of(&parsed, &parameters);
    let statements = format!("BEGIN; {}", schema.statements());
    client.batch_execute(&statements).await.map_err(|error| format!("schema: {}", described(&error)))?;
    let mut state = State { client, schema: &schema, parameters: &parameters, graphs, before: None, outcome: None };
    for step in &scenario.steps {
        state.step(step).await?;
    }
    Ok(())
}

/// The texts of all queries of a scenario.
fn queries(scenario: &Scenario, graphs: &Graphs) -> Result<Vec<String>, Reason> {
    let mut queries = Vec::new();
    for step in &scenario.steps {
        if let Some(name) = named_graph(&step.text) {
            queries.push(graphs.get(name).ok_or_else(|| format!("no graph {name}"))?.clone());
        }
        queries.extend(step.document.clone());
    }
    Ok(queries)
}

/// `the NAME graph`
fn named_graph(text: &str) -> Option<&str> {
    text.strip_prefix("the ")?.strip_suffix(" graph")
}

fn parameters(scenario: &Scenario) -> Result<BTreeMap<String, Value>, Reason> {
    let steps = scenario.steps.iter().filter(|step| step.text == "parameters are:");
    let rows = steps.flat_map(|step| &step.table);
    rows.map(|row| Ok((row[0].clone(), Value::parse(&row[1]).map_err(|error| format!("runner: {error}"))?))).collect()
}

/// What a query gave.
struct Outcome {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// Every property of every element: by table and key, name and text.
type Elements = BTreeMap<(String, String), BTreeMap<String, String>>;

/// What the tables hold.
struct Content {
    nodes: Elements,
    relationships: Elements,
    labels: BTreeSet<String>,
}

struct State<'a> {
    client: &'a Client,
    schema: &'a Schema,
    parameters: &'a BTreeMap<String, Value>,
    graphs: &'a Graphs,
    /// What there was before the query.
    before: Option<Content>,
    outcome: Option<Result<Outcome, tokio_postgres::Error>>,
}

impl State<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), Reason> {
        let text = step.text.as_str();
        if let Some(name) = named_graph(text) {
            return self.given(&self.graphs[name].clone()).await;
        }
        match (text, step.document.as_deref()) {
            ("any graph" | "an empty graph" | "parameters are:", _) => Ok(()),
            ("having executed:", Some(query)) => self.given(query).await,
            ("executing query:" | "executing control query:", Some(query)) => {
                self.before = Some(self.content().await?);
                self.outcome = Some(self.execute(query).await);
                if let Some(Err(_)) = &self.outcome {
                    self.batch("ROLLBACK TO before").await?;
                }
                Ok(())
            }
            ("no side effects", _) => self.side_effects(&[]).await,
            ("the side effects should be:", _) => self.side_effects(&step.table).await,
            _ if text.starts_with("there exists a procedure") => Err("procedures".to_string()),
            _ if text.starts_with("the result should be") => self.result(text, &step.table),
            _ => match raised(text) {
                Some(kind) => self.error(kind),
                None => Err(format!("runner: no such step: {text}")),
            },
        }
    }

    async fn batch(&self, sql: &str) -> Result<(), Reason> {
        self.client.batch_execute(sql).await.map_err(|error| described(&error))
    }

    async fn given(&self, query: &str) -> Result<(), Reason> {
        self.execute(query).await.map(|_| ()).map_err(|error| format!("given: {}", described(&error)))
    }

    async fn execute(&self, query: &str) -> Result<Outcome, tokio_postgres::Error> {
        self.client.batch_execute("SAVEPOINT before").await?;
        let statement = self.client.prepare(&self.statement(query)).await?;
        let rows = self.client.query(&statement, &[]).await?;
        let writes_only = parse(query).is_ok_and(|query| !returns(&query));
        let columns = match writes_only {
            true => Vec::new(),
            false => statement.columns().iter().map(|column| column.name().to_string()).collect(),
        };
        let rows = if writes_only { Vec::new() } else { rows.iter().map(values).collect() };
        Ok(Outcome { columns, rows })
    }

    /// The statement of SQL that runs a query.
    fn statement(&self, query: &str) -> String {
        let members: Vec<String> = self
            .parameters
            .iter()
            .map(|(name, value)| format!("{}: {}", Json::from(name.as_str()), json(value)))
            .collect();
        let parameters = match members.is_empty() {
            true => String::new(),
            false => format!(", '{{{}}}'", members.join(", ").replace('\'', "''")),
        };
        let columns = match parse(query) {
            Ok(query) if !returns(&query) => " AS (nothing agtype)",
            _ => "",
        };
        format!("SELECT * FROM cypher('{GRAPH}', $tck${query}$tck${parameters}){columns}")
    }

    fn result(&self, text: &str, table: &[Vec<String>]) -> Result<(), Reason> {
        let outcome = match &self.outcome {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => return Err(described(error)),
            None => return Err("runner: a result before a query".to_string()),
        };
        let Some((header, expected)) = table.split_first() else {
            return if outcome.rows.is_empty() {
                Ok(())
            } else {
                Err("wrong result: rows, and none expected".to_string())
            };
        };
        let any_order_in_lists = text.contains("ignoring element order for lists");
        let in_order = text.contains("in order");
        if outcome.columns.len() != header.len() {
            return Err("wrong result: other columns".to_string());
        }
        // What `*` brings has no order.
        let found = outcome.columns.iter().map(|name| header.iter().position(|expected| expected == name));
        let places: Vec<usize> = found.collect::<Option<_>>().unwrap_or_else(|| (0..header.len()).collect());
        let expected = expected
            .iter()
            .map(|row| places.iter().map(|place| Value::parse(&row[*place])).collect::<Result<Vec<Value>, _>>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("runner: {error}"))?;
        let same = |one: &Vec<Value>, two: &Vec<Value>| one.iter().zip(two).all(|(a, b)| a.is(b, any_order_in_lists));
        let mut left: Vec<&Vec<Value>> = expected.iter().collect();
        for row in &outcome.rows {
            let found = match in_order {
                true => left.first().is_some_and(|other| same(row, other)).then_some(0),
                false => left.iter().position(|other| same(row, other)),
            };
            match found {
                Some(at) => drop(left.remove(at)),
                None => return Err(format!("wrong result: {row:?} is not expected, {left:?} is")),
            }
        }
        if left.is_empty() { Ok(()) } else { Err(format!("wrong result: {left:?} is missing")) }
    }

    fn error(&self, kind: &str) -> Result<(), Reason> {
        let error = match &self.outcome {
            Some(Err(error)) => error,
            Some(Ok(_)) => return Err(format!("no error where a {kind} is expected")),
            None => return Err("runner: an error before a query".to_string()),
        };
        let code = error.code().map_or("", |code| code.code());
        let fits = match kind {
            // A number that is out of range is an error of its own kind in SQL, whenever it is noticed, and so is a missing value.
            "SyntaxError" => code.starts_with("42") || code == "22023",
            "SemanticError" => code.starts_with("42") || code == "23502",
            "ConstraintVerificationFailed" => code.starts_with("23"),
            "ParameterMissing" => code == "42P02",
            _ => code.starts_with("22") || code.starts_with("42"),
        };
        if fits { Ok(()) } else { Err(described(error)) }
    }

    async fn side_effects(&self, expected: &[Vec<String>]) -> Result<(), Reason> {
        if let Some(Err(error)) = &self.outcome
            && !expected.is_empty()
        {
            return Err(described(error));
        }
        let before = self.before.as_ref().ok_or("runner: effects before a query")?;
        let effects = before.effects(&self.content().await?);
        let expected: BTreeMap<String, usize> =
            expected.iter().filter_map(|row| Some((row[0].clone(), row[1].parse().ok()?))).collect();
        if effects == expected { Ok(()) } else { Err(format!("wrong side effects: {effects:?}, not {expected:?}")) }
    }

    async fn content(&self) -> Result<Content, Reason> {
        let (nodes, relationships) = self.schema.tables();
        let mut content = Content { nodes: Elements::new(), relationships: Elements::new(), labels: BTreeSet::new() };
        for (table, labels) in nodes {
            let rows = self.rows(&table).await?;
            if !rows.is_empty() {
                content.labels.extend(labels.iter().cloned());
            }
            content.nodes.extend(rows);
        }
        for table in relationships {
            content.relationships.extend(self.rows(&table).await?);
        }
        Ok(content)
    }

    async fn rows(&self, table: &str) -> Result<Elements, Reason> {
        let found =
            self.client.simple_query(&format!("SELECT * FROM {table}")).await.map_err(|error| described(&error))?;
        let mut rows = Elements::new();
        for message in found {
            if let SimpleQueryMessage::Row(row) = message {
                let key = row.get("tck_id").unwrap_or_default().to_string();
                let columns = row.columns().iter().map(|column| column.name());
                let properties = columns
                    .filter(|name| !HIDDEN.contains(name))
                    .filter_map(|name| Some((name.to_string(), row.get(name)?.to_string())));
                rows.insert((table.to_string(), key), properties.collect());
            }
        }
        Ok(rows)
    }
}

impl Content {
    /// What has changed since, as the feature files count it.
    fn effects(&self, after: &Content) -> BTreeMap<String, usize> {
        let missing = |one: &Elements, two: &Elements| one.keys().filter(|key| !two.contains_key(*key)).count();
        let properties = |content: &Content| -> BTreeSet<((String, String), String, String)> {
            let elements = content.nodes.iter().chain(&content.relationships);
            elements
                .flat_map(|(key, properties)| {
                    properties.iter().map(|(name, text)| (key.clone(), name.clone(), text.clone()))
                })
                .collect()
        };
        let (old, new) = (properties(self), properties(after));
        let counts = [
            ("+nodes", missing(&after.nodes, &self.nodes)),
            ("-nodes", missing(&self.nodes, &after.nodes)),
            ("+relationships", missing(&after.relationships, &self.relationships)),
            ("-relationships", missing(&self.relationships, &after.relationships)),
            ("+properties", new.difference(&old).count()),
            ("-properties", old.difference(&new).count()),
            ("+labels", after.labels.difference(&self.labels).count()),
            ("-labels", self.labels.difference(&after.labels).count()),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_string(), count)).collect()
    }
}

/// The kind of `a SyntaxError should be raised at compile time: ...`.
fn raised(text: &str) -> Option<&str> {
    let (kind, rest) = text.trim_start_matches("a ").trim_start_matches("an ").split_once(' ')?;
    rest.starts_with("should be raised").then_some(kind)
}

fn returns(query: &Query) -> bool {
    use slipstream_graph_language::syntax::Clause;
    query.parts.iter().any(|part| matches!(part.clauses.last(), Some(Clause::Return(_))))
}

/// An error as others would have it: code and message, without what differs from one scenario to the next.
fn described(error: &tokio_postgres::Error) -> Reason {
    match error.as_db_error() {
        Some(error) => format!("{} {}", error.code().code(), error.message()),
        None => error.to_string(),
    }
}

/// A value as JSON.
fn json(value: &Value) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::String(text) => Json::from(text.as_str()).to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Value::Map(members) => {
            let members = members.iter().map(|(name, value)| format!("{}: {}", Json::from(name.as_str()), json(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Node(..) | Value::Relationship(..) | Value::Path(..) => "null".to_string(),
    }
}

fn values(row: &Row) -> Vec<Value> {
    (0..row.len()).map(|at| cell(row, at)).collect()
}

fn cell(row: &Row, at: usize) -> Value {
    fn get<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Option<T> {
        row.try_get::<_, Option<T>>(at).ok().flatten()
    }
    fn list<'r, T: FromSql<'r>>(row: &'r Row, at: usize, value: impl Fn(T) -> Value) -> Option<Value> {
        let items: Vec<Option<T>> = get(row, at)?;
        Some(Value::List(items.into_iter().map(|item| item.map_or(Value::Null, &value)).collect()))
    }
    let value = match *row.columns()[at].type_() {
        Type::BOOL => get(row, at).map(Value::Boolean),
        Type::INT2 => get::<i16>(row, at).map(|value| Value::Integer(value.into())),
        Type::INT4 => get::<i32>(row, at).map(|value| Value::Integer(value.into())),
        Type::INT8 => get(row, at).map(Value::Integer),
        Type::FLOAT4 => get::<f32>(row, at).map(|value| Value::Float(value.into())),
        Type::FLOAT8 => get(row, at).map(Value::Float),
        Type::TEXT | Type::VARCHAR => get(row, at).map(Value::String),
        Type::DATE => get::<NaiveDate>(row, at).map(|date| Value::String(date.to_string())),
        Type::TIME => get::<NaiveTime>(row, at).map(|time| Value::String(of_time(time))),
        Type::TIMESTAMP => get::<NaiveDateTime>(row, at)
            .map(|stamp| Value::String(format!("{}T{}", stamp.date(), of_time(stamp.time())))),
        Type::JSON | Type::JSONB => get::<Json>(row, at).map(|json| Value::of_json(&json)),
        Type::INT8_ARRAY => list(row, at, Value::Integer),
        Type::FLOAT8_ARRAY => list(row, at, Value::Float),
        Type::TEXT_ARRAY => list(row, at, Value::String),
        Type::BOOL_ARRAY => list(row, at, Value::Boolean),
        Type::JSONB_ARRAY | Type::JSON_ARRAY => list(row, at, |json: Json| Value::of_json(&json)),
        ref other => Some(Value::String(format!("a value of type {other}"))),
    };
    value.unwrap_or(Value::Null)
}

/// A time as openCypher writes it: without seconds that are none.
fn of_time(time: NaiveTime) -> String {
    match (time.second(), time.nanosecond()) {
        (0, 0) => time.format("%H:%M").to_string(),
        _ => time.format("%H:%M:%S%.f").to_string(),
    }
}
