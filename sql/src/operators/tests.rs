//! Statements through DataFusion with everything registered: what they give, of which type, and how they fail.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::config::Dialect;
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind};

use super::reassociate;
use crate::functions;
use crate::text::{OutputStyle, TextColumn, TextEncoder};

/// The columns of the table `t`: name, type, and the text forms of its three rows.
const COLUMNS: [(&str, &str, [Option<&str>; 3]); 16] = [
    ("id", "bigint", [Some("1"), Some("2"), Some("3")]),
    ("small", "smallint", [Some("10"), Some("32767"), None]),
    ("int", "integer", [Some("7"), Some("2147483647"), Some("-2147483648")]),
    ("big", "bigint", [Some("1"), Some("9223372036854775807"), Some("-9223372036854775808")]),
    ("float", "double precision", [Some("2.5"), Some("1e308"), Some("NaN")]),
    ("single", "real", [Some("0.1"), Some("3.5"), None]),
    ("price", "numeric(10,2)", [Some("9.99"), Some("100.00"), None]),
    ("exact", "numeric(38,10)", [Some("1.5"), Some("0.0000000001"), None]),
    ("name", "text", [Some("ann"), Some("bob"), None]),
    ("code", "character varying(5)", [Some("a"), Some("bb"), None]),
    ("key", "uuid", [Some("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), Some("b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), None]),
    ("day", "date", [Some("2024-01-31"), Some("2024-02-29"), None]),
    ("at", "timestamp without time zone", [Some("2024-01-31 10:00"), Some("2024-02-01 12:30"), None]),
    ("tz", "timestamp with time zone", [Some("2024-01-31 10:00+00"), Some("2024-02-01 12:30+00"), None]),
    ("doc", "jsonb", [Some("{\"a\": 1}"), Some("[]"), None]),
    ("v", "vector(3)", [Some("[1,2,3]"), Some("[3,2,1]"), None]),
];

fn table() -> MemTable {
    let columns = COLUMNS.map(|(name, sql_type, values)| {
        let sql_type: SqlType = sql_type.parse().expect("a type");
        let mut column = TextColumn::new(&sql_type, values.len());
        for value in values {
            match value {
                Some(text) => column.append(text).expect(text),
                None => column.append_null(),
            }
        }
        (sql_type.field(name, true), column.finish())
    });
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).expect("equal lengths");
    MemTable::try_new(schema, vec![vec![batch]]).expect("one schema")
}

fn context() -> SessionContext {
    let config = functions::configure(SessionConfig::new().with_target_partitions(2));
    let builder = SessionStateBuilder::new().with_config(config).with_default_features();
    let context = SessionContext::new_with_state(functions::register(builder).build());
    context.register_table("t", Arc::new(table())).expect("a new table");
    context
}

async fn plan(context: &SessionContext, sql: &str) -> PlanResult<LogicalPlan> {
    let state = context.state();
    let mut statement = state.sql_to_statement(sql, &Dialect::PostgreSQL)?;
    if let Statement::Statement(statement) = &mut statement {
        reassociate(statement.as_mut());
    }
    state.statement_to_plan(statement).await
}

/// The rows of a query in text form, values separated by `|`, and the types of its columns.
async fn query(sql: &str) -> PlanResult<(Vec<String>, Vec<String>)> {
    let context = context();
    let plan = plan(&context, sql).await?;
    let frame = context.execute_logical_plan(plan).await?;
    let batches = frame.collect().await?;
    let mut rows = Vec::new();
    let mut types = Vec::new();
    for batch in &batches {
        let schema = batch.schema();
        let sql_types: Vec<SqlType> =
            schema.fields().iter().map(|field| SqlType::of_field(field).expect("a SQL type")).collect();
        types = sql_types.iter().map(SqlType::to_string).collect();
        let encoders: Vec<TextEncoder> = sql_types
            .iter()
            .zip(batch.columns())
            .map(|(sql_type, array)| TextEncoder::new(sql_type, array, &OutputStyle::default()).expect("encodes"))
            .collect();
        for row in 0..batch.num_rows() {
            let values = encoders.iter().map(|encoder| {
                let mut text = String::new();
                match encoder.is_null(row) {
                    true => text.push_str("NULL"),
                    false => encoder.append(row, &mut text),
                }
                text
            });
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    Ok((rows, types))
}

/// The error of ours inside a DataFusion error.
fn ours(error: &DataFusionError) -> Option<Error> {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(error) => Some(error.clone()),
            None => inner.downcast_ref::<DataFusionError>().and_then(ours),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => ours(inner),
        DataFusionError::Shared(inner) => ours(inner),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
                Some(error) => Some(error.clone()),
                None => inner.downcast_ref::<DataFusionError>().and_then(ours),
            },
            _ => None,
        },
        DataFusionError::Collection(errors) => errors.iter().find_map(ours),
        _ => None,
    }
}

/// Runs queries of one row and one column: `(sql, text, type)`.
async fn check(cases: &[(&str, &str, &str)]) {
    let mut failures = Vec::new();
    for (sql, text, sql_type) in cases {
        match query(sql).await {
            Ok((rows, types)) if rows == [*text] && types == [*sql_type] => {}
            Ok((rows, types)) => failures.push(format!("{sql}: {rows:?} {types:?}, not {text} {sql_type}")),
            Err(error) => failures.push(format!("{sql}: {error}")),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Runs queries that fail: `(sql, kind, message)`.
async fn check_errors(cases: &[(&str, ErrorKind, &str)]) {
    let mut failures = Vec::new();
    for (sql, kind, message) in cases {
        match query(sql).await {
            Ok((rows, _)) => failures.push(format!("{sql}: {rows:?}")),
            Err(error) => match ours(&error) {
                Some(error) if error.kind() == *kind && error.message() == *message => {}
                Some(error) => failures.push(format!("{sql}: {:?} {error}", error.kind())),
                None => failures.push(format!("{sql}: {error:?}")),
            },
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[tokio::test]
async fn literals_have_postgres_types() {
    check(&[
        ("SELECT 1", "1", "integer"),
        ("SELECT -2147483648", "-2147483648", "integer"),
        ("SELECT 2147483648", "2147483648", "bigint"),
        ("SELECT 9223372036854775808", "9223372036854775808", "numeric(20,0)"),
        ("SELECT 1.50", "1.50", "numeric(3,2)"),
        ("SELECT 1e3 + 0.5", "1000.5", "numeric(38,1)"),
        ("SELECT 'a'", "a", "text"),
        ("SELECT x + 1 FROM (SELECT 1 AS x) AS s", "2", "integer"),
        ("SELECT x + 1 FROM (VALUES (1), (2)) AS s(x) WHERE x = 2", "3", "integer"),
        ("SELECT count(*) FROM (SELECT 1 AS x UNION ALL SELECT 2) AS s WHERE x > 1", "1", "bigint"),
        ("SELECT x + 1 FROM (SELECT 1 AS x UNION ALL SELECT 5) AS s WHERE x > 1", "6", "integer"),
        ("SELECT ARRAY[1,2]", "{1,2}", "integer[]"),
        ("SELECT max(x) FROM (VALUES (1), (3000000000), (1 + 1), (NULL)) AS s(x)", "3000000000", "bigint"),
        ("SELECT max(x) FROM (VALUES (10), (1.5), (2 * 1.5)) AS s(x)", "10.0", "numeric(38,1)"),
        ("SELECT x FROM (VALUES ('[1,2]'::vector(2)), (NULL)) AS s(x) LIMIT 1", "[1,2]", "vector(2)"),
        ("SELECT x FROM (VALUES ('{}'::jsonb), (NULL)) AS s(x) LIMIT 1", "{}", "jsonb"),
        ("SELECT pg_typeof(1.5)", "numeric", "text"),
    ])
    .await;
}

#[tokio::test]
async fn integers_are_checked_and_keep_their_width() {
    check(&[
        ("SELECT 1 + 1", "2", "integer"),
        ("SELECT 7 / 2", "3", "integer"),
        ("SELECT -7 / 2", "-3", "integer"),
        ("SELECT -7 % 3", "-1", "integer"),
        ("SELECT int + small FROM t WHERE id = 1", "17", "integer"),
        ("SELECT int * big FROM t WHERE id = 1", "7", "bigint"),
        ("SELECT small + small FROM t WHERE id = 1", "20", "smallint"),
        ("SELECT -int FROM t WHERE id = 1", "-7", "integer"),
        ("SELECT abs(-int) FROM t WHERE id = 1", "7", "integer"),
        ("SELECT small + 1 FROM t WHERE id = 3", "NULL", "integer"),
        ("SELECT 2147483647 + 1::bigint", "2147483648", "bigint"),
    ])
    .await;
    use ErrorKind::{DivisionByZero, NumericOutOfRange};
    check_errors(&[
        ("SELECT 2147483647 + 1", NumericOutOfRange, "integer out of range"),
        ("SELECT int + 1 FROM t", NumericOutOfRange, "integer out of range"),
        ("SELECT small + small FROM t", NumericOutOfRange, "smallint out of range"),
        ("SELECT big * 2 FROM t", NumericOutOfRange, "bigint out of range"),
        ("SELECT int - 1 FROM t", NumericOutOfRange, "integer out of range"),
        ("SELECT -int FROM t", NumericOutOfRange, "integer out of range"),
        ("SELECT abs(int) FROM t", NumericOutOfRange, "integer out of range"),
        ("SELECT 1 / 0", DivisionByZero, "division by zero"),
        ("SELECT int % (id - 1)::int FROM t", DivisionByZero, "division by zero"),
        ("SELECT 1 FROM t WHERE int + 1 > 0", NumericOutOfRange, "integer out of range"),
    ])
    .await;
}

#[tokio::test]
async fn numeric_is_exact_and_floats_are_doubles() {
    check(&[
        ("SELECT 0.1 + 0.2", "0.3", "numeric(38,1)"),
        ("SELECT 1.0 / 3", "0.3333333333333333", "numeric(38,16)"),
        ("SELECT 2 / 3.0", "0.6666666666666667", "numeric(38,16)"),
        ("SELECT 1.5 * 2.25", "3.375", "numeric(38,3)"),
        ("SELECT price * 2 FROM t WHERE id = 1", "19.98", "numeric(38,2)"),
        ("SELECT 7.5 % 2", "1.5", "numeric(38,1)"),
        ("SELECT float * 2 FROM t WHERE id = 1", "5", "double precision"),
        ("SELECT float + 0.5 FROM t WHERE id = 1", "3", "double precision"),
        ("SELECT single + single FROM t WHERE id = 2", "7", "real"),
        ("SELECT single + 1 FROM t WHERE id = 2", "4.5", "double precision"),
        ("SELECT float + 1 FROM t WHERE id = 3", "NaN", "double precision"),
        ("SELECT id FROM t WHERE price = 9.990", "1", "bigint"),
        ("SELECT count(*) FROM t WHERE price = 9.994", "0", "bigint"),
        ("SELECT count(*) FROM t WHERE price = '9.994'", "0", "bigint"),
        ("SELECT id FROM t WHERE float = 2.5", "1", "bigint"),
        ("SELECT count(*) FROM t WHERE single = 0.1", "0", "bigint"),
        ("SELECT id FROM t WHERE single = 0.1::real", "1", "bigint"),
        ("SELECT id FROM t WHERE float = 'NaN'", "3", "bigint"),
        (
            "SELECT x FROM (VALUES ('-0'::float8), (1)) AS s(x) WHERE x = 0 AND x >= 0 AND NOT x < 0 AND 0 = x",
            "-0",
            "double precision",
        ),
        ("SELECT count(*) FROM t WHERE id = 1.5", "0", "bigint"),
        ("SELECT round(2.5)", "3", "numeric(38,0)"),
        ("SELECT round(1.245, 2)", "1.25", "numeric(38,2)"),
        ("SELECT round(2.5::float8)", "2", "double precision"),
        ("SELECT round(price) FROM t WHERE id = 1", "10", "numeric(38,0)"),
        ("SELECT sqrt(4)", "2", "double precision"),
        ("SELECT power(2, 10)", "1024", "double precision"),
    ])
    .await;
    use ErrorKind::{DivisionByZero, NumericOutOfRange};
    check_errors(&[
        ("SELECT float * 10 FROM t", NumericOutOfRange, "value out of range: overflow"),
        ("SELECT float / 0 FROM t", DivisionByZero, "division by zero"),
        ("SELECT 1.5 / 0", DivisionByZero, "division by zero"),
        ("SELECT 99999999999999999999999999999999999999 + 1", NumericOutOfRange, "value overflows numeric format"),
    ])
    .await;
}

#[tokio::test]
async fn literals_take_the_type_of_the_column() {
    check(&[
        ("SELECT id FROM t WHERE key = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "1", "bigint"),
        ("SELECT id FROM t WHERE key IN ('b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')", "2", "bigint"),
        ("SELECT id FROM t WHERE day = '2024-02-29'", "2", "bigint"),
        ("SELECT id FROM t WHERE day BETWEEN '2024-02-01' AND '2024-12-31'", "2", "bigint"),
        ("SELECT id FROM t WHERE at > '2024-02-01'", "2", "bigint"),
        ("SELECT id FROM t WHERE tz < '2024-02-01 00:00:00+01'", "1", "bigint"),
        ("SELECT id FROM t WHERE at = tz AND id = 1", "1", "bigint"),
        ("SELECT id FROM t WHERE at > day AND id = 1", "1", "bigint"),
        ("SELECT id FROM t WHERE id = '2'", "2", "bigint"),
        ("SELECT id FROM t WHERE small = 10", "1", "bigint"),
        ("SELECT id FROM t WHERE code = 'a long text' OR code = 'bb'", "2", "bigint"),
        ("SELECT id FROM t WHERE name || id = 'bob2'", "2", "bigint"),
        ("SELECT coalesce(day, '2000-01-01') FROM t WHERE id = 3", "2000-01-01", "date"),
        ("SELECT CASE WHEN id = 1 THEN day ELSE '2000-01-01' END FROM t WHERE id = 2", "2000-01-01", "date"),
        ("SELECT CASE id WHEN 2 THEN 'two' ELSE 'other' END FROM t WHERE id = 2", "two", "text"),
        ("SELECT greatest(1, NULL, 3)", "3", "integer"),
        ("SELECT concat('a', NULL, 1.50, true)", "a1.50true", "text"),
    ])
    .await;
    use ErrorKind::{DatatypeMismatch, DatetimeOverflow, InvalidText, UndefinedFunction};
    check_errors(&[
        ("SELECT coalesce(day, name) FROM t", DatatypeMismatch, "COALESCE types date and text cannot be matched"),
        ("SELECT coalesce(id, 'x') FROM t", InvalidText, "invalid input syntax for type bigint: \"x\""),
        ("SELECT 1 FROM t WHERE id = 'x'", InvalidText, "invalid input syntax for type bigint: \"x\""),
        ("SELECT 1 FROM t WHERE key = 'x'", InvalidText, "invalid input syntax for type uuid: \"x\""),
        (
            "SELECT 1 FROM t WHERE day = '2024-02-30'",
            DatetimeOverflow,
            "date/time field value out of range: \"2024-02-30\"",
        ),
        ("SELECT 1 FROM t WHERE id = name", UndefinedFunction, "operator does not exist: bigint = text"),
        ("SELECT name + 1 FROM t", UndefinedFunction, "operator does not exist: text + integer"),
    ])
    .await;
}

#[tokio::test]
async fn casts_are_postgres_casts() {
    check(&[
        ("SELECT '42'::int", "42", "integer"),
        ("SELECT CAST('1.005' AS numeric(10,2))", "1.01", "numeric(10,2)"),
        ("SELECT 2.5::int", "3", "integer"),
        ("SELECT 2.5::float8::int", "2", "integer"),
        ("SELECT float::int FROM t WHERE id = 1", "2", "integer"),
        ("SELECT name::varchar(2) FROM t WHERE id = 1", "an", "character varying(2)"),
        ("SELECT 'abc'::varchar(2)", "ab", "character varying(2)"),
        ("SELECT true::int", "1", "integer"),
        ("SELECT true::text", "true", "text"),
        ("SELECT float::text FROM t WHERE id = 2", "1e+308", "text"),
        ("SELECT at::text FROM t WHERE id = 1", "2024-01-31 10:00:00", "text"),
        ("SELECT at::date FROM t WHERE id = 1", "2024-01-31", "date"),
        ("SELECT day::timestamp FROM t WHERE id = 1", "2024-01-31 00:00:00", "timestamp without time zone"),
        ("SELECT DATE '2024-01-31'", "2024-01-31", "date"),
        ("SELECT TIMESTAMP '2024-01-31 10:00'", "2024-01-31 10:00:00", "timestamp without time zone"),
        ("SELECT '{\"b\":1,\"a\":2}'::jsonb", "{\"a\": 2, \"b\": 1}", "jsonb"),
        ("SELECT '{1,2}'::int[]", "{1,2}", "integer[]"),
        ("SELECT '1 day 2 hours'::interval", "1 day 02:00:00", "interval"),
        ("SELECT '[1,2,3]'::vector(3)", "[1,2,3]", "vector(3)"),
        ("SELECT '[1,2]'::vector", "[1,2]", "vector(2)"),
        ("SELECT v::text FROM t WHERE id = 1", "[1,2,3]", "text"),
        ("SELECT v::real[] FROM t WHERE id = 1", "{1,2,3}", "real[]"),
        ("SELECT key::text FROM t WHERE id = 1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "text"),
        ("SELECT int::bigint FROM t WHERE id = 1", "7", "bigint"),
        ("SELECT id::int + 1 FROM t WHERE id = 1", "2", "integer"),
        ("SELECT NULL::int", "NULL", "integer"),
        ("SELECT doc::text FROM t WHERE id = 1", "{\"a\": 1}", "text"),
        ("SELECT '3'::numeric", "3", "numeric(38,10)"),
    ])
    .await;
    use ErrorKind::{DataException, DatatypeMismatch, InvalidText, NumericOutOfRange};
    check_errors(&[
        ("SELECT 'abc'::int", InvalidText, "invalid input syntax for type integer: \"abc\""),
        ("SELECT name::int FROM t", InvalidText, "invalid input syntax for type integer: \"ann\""),
        ("SELECT big::int FROM t", NumericOutOfRange, "integer out of range"),
        ("SELECT float::int FROM t", NumericOutOfRange, "integer out of range"),
        ("SELECT 70000::smallint", NumericOutOfRange, "smallint out of range"),
        ("SELECT true::date", DatatypeMismatch, "cannot cast type boolean to date"),
        ("SELECT '[1,2]'::vector(3)", DataException, "expected 3 dimensions, not 2"),
    ])
    .await;
}

#[tokio::test]
async fn the_session_s_time_zone_is_honoured() {
    let context = context();
    context.state_ref().write().config_mut().options_mut().execution.time_zone = Some("Europe/Berlin".to_string());
    for (sql, expected) in [
        ("SELECT '2024-07-01 12:00'::timestamptz = '2024-07-01 10:00Z'", "true"),
        ("SELECT tz = '2024-01-31 11:00' FROM t WHERE id = 1", "true"),
        ("SELECT tz::text = '2024-01-31 11:00:00+01' FROM t WHERE id = 1", "true"),
        ("SELECT tz > at FROM t WHERE id = 1", "true"),
    ] {
        let frame = context.execute_logical_plan(plan(&context, sql).await.expect(sql)).await.expect(sql);
        let batches = frame.collect().await.expect(sql);
        let shown = arrow::util::display::array_value_to_string(batches[0].column(0), 0).expect(sql);
        assert_eq!(shown, expected, "{sql}");
    }
}

#[tokio::test]
async fn dates_and_intervals_add_up() {
    check(&[
        ("SELECT day + 1 FROM t WHERE id = 1", "2024-02-01", "date"),
        ("SELECT day - 31 FROM t WHERE id = 1", "2023-12-31", "date"),
        ("SELECT day - '2024-01-01' FROM t WHERE id = 1", "30", "integer"),
        ("SELECT day + interval '1 hour' FROM t WHERE id = 1", "2024-01-31 01:00:00", "timestamp without time zone"),
        ("SELECT at + interval '1 month' FROM t WHERE id = 1", "2024-02-29 10:00:00", "timestamp without time zone"),
        ("SELECT at + '1 day' FROM t WHERE id = 1", "2024-02-01 10:00:00", "timestamp without time zone"),
        ("SELECT at - '2024-01-30 09:00' FROM t WHERE id = 1", "1 day 01:00:00", "interval"),
        ("SELECT tz - interval '10 hours' FROM t WHERE id = 1", "2024-01-31 00:00:00+00", "timestamp with time zone"),
        ("SELECT interval '1 day' * 2", "2 days", "interval"),
        ("SELECT interval '1 month' > interval '29 days'", "t", "boolean"),
        ("SELECT interval '24 hours' = interval '1 day'", "t", "boolean"),
        ("SELECT id FROM t WHERE at - '2024-01-01' > interval '31 days'", "2", "bigint"),
        (
            "SELECT tz AT TIME ZONE 'Europe/Berlin' FROM t WHERE id = 1",
            "2024-01-31 11:00:00",
            "timestamp without time zone",
        ),
        (
            "SELECT at AT TIME ZONE 'Europe/Berlin' FROM t WHERE id = 1",
            "2024-01-31 09:00:00+00",
            "timestamp with time zone",
        ),
        ("SELECT now() > '2020-01-01'", "t", "boolean"),
        ("SELECT pg_typeof(now())", "timestamp with time zone", "text"),
        ("SELECT now() = current_timestamp", "t", "boolean"),
        ("SELECT date_trunc('day', at) FROM t WHERE id = 1", "2024-01-31 00:00:00", "timestamp without time zone"),
    ])
    .await;
}

#[tokio::test]
async fn distances_are_those_of_pgvector() {
    check(&[
        ("SELECT v <-> '[1,2,5]' FROM t WHERE id = 1", "2", "double precision"),
        ("SELECT v <=> '[2,4,6]' FROM t WHERE id = 1", "0", "double precision"),
        ("SELECT v <#> '[1,1,1]' FROM t WHERE id = 1", "-6", "double precision"),
        ("SELECT '[1,2,5]' <-> v FROM t WHERE id = 1", "2", "double precision"),
        ("SELECT v <-> '[1,2,5]'::vector FROM t WHERE id = 1", "2", "double precision"),
        ("SELECT v <-> ARRAY[1,2,5]::vector(3) FROM t WHERE id = 1", "2", "double precision"),
        ("SELECT l2_distance(v, '[1,2,5]') FROM t WHERE id = 1", "2", "double precision"),
        ("SELECT inner_product(v, v) FROM t WHERE id = 1", "14", "double precision"),
        ("SELECT l1_distance('[1,2]', '[3,4]')", "4", "double precision"),
        ("SELECT v <=> '[0,0,0]' FROM t WHERE id = 1", "NaN", "double precision"),
        ("SELECT v <-> v FROM t WHERE id = 3", "NULL", "double precision"),
        ("SELECT vector_dims(v) FROM t WHERE id = 1", "3", "integer"),
        ("SELECT id FROM t WHERE v IS NOT NULL ORDER BY v <-> '[3,2,1]' LIMIT 1", "2", "bigint"),
        ("SELECT id FROM t WHERE 0.01 > v <=> '[1,2,3]'", "1", "bigint"),
        ("SELECT id FROM t WHERE v <=> '[1,2,3]' BETWEEN -1 AND 0.01", "1", "bigint"),
    ])
    .await;
    use ErrorKind::{DataException, UndefinedFunction};
    check_errors(&[
        ("SELECT v <-> '[1,2]' FROM t", DataException, "different vector dimensions 3 and 2"),
        ("SELECT v <-> '[1,2]'::vector(2) FROM t", DataException, "different vector dimensions 3 and 2"),
        ("SELECT 1 <=> 2", UndefinedFunction, "operator does not exist: integer <=> integer"),
        ("SELECT name -> 'a' FROM t", UndefinedFunction, "operator -> takes JSON on its left side"),
    ])
    .await;
}

#[tokio::test]
async fn aggregates_are_exact() {
    check(&[
        ("SELECT count(*) FROM t", "3", "bigint"),
        ("SELECT sum(int) FROM t", "6", "bigint"),
        ("SELECT sum(big) FROM t", "0", "numeric(38,0)"),
        ("SELECT sum(big) FROM t WHERE big > 0", "9223372036854775808", "numeric(38,0)"),
        ("SELECT sum(price) FROM t", "109.99", "numeric(38,2)"),
        ("SELECT avg(id) FROM t", "2", "numeric(38,16)"),
        ("SELECT avg(x) FROM (VALUES (1), (2), (2)) AS s(x)", "1.6666666666666667", "numeric(38,16)"),
        ("SELECT sum(x) FROM (VALUES (1), (2), (2)) AS s(x)", "5", "bigint"),
        ("SELECT sum(DISTINCT x) FROM (VALUES (1), (2), (2)) AS s(x)", "3", "bigint"),
        ("SELECT sum(DISTINCT x) + sum(x) + count(DISTINCT x) FROM (VALUES (1), (2), (2)) AS s(x)", "10", "bigint"),
        ("SELECT sum(float) FROM t WHERE id = 1", "2.5", "double precision"),
        ("SELECT sum(id) FROM t WHERE id > 5", "NULL", "numeric(38,0)"),
        ("SELECT sum(int) FROM t WHERE id < 3 GROUP BY id ORDER BY 1 LIMIT 1", "7", "bigint"),
        ("SELECT sum(id) OVER (ORDER BY id ROWS 1 PRECEDING) FROM t ORDER BY id DESC LIMIT 1", "5", "numeric(38,0)"),
        ("SELECT lag(id, 2) OVER (ORDER BY id) FROM t ORDER BY id DESC LIMIT 1", "1", "bigint"),
        ("SELECT string_agg(name, ',' ORDER BY name) FROM t", "ann,bob", "text"),
        ("SELECT bool_and(id > 0) FROM t", "t", "boolean"),
        ("SELECT max(day) FROM t", "2024-02-29", "date"),
    ])
    .await;
}

#[tokio::test]
async fn plans_keep_their_shape() {
    check(&[
        ("SELECT id + 1 FROM t GROUP BY id + 1 HAVING id + 1 = 2", "2", "bigint"),
        ("SELECT id % 2 AS odd FROM t GROUP BY odd ORDER BY odd LIMIT 1", "0", "bigint"),
        ("SELECT id FROM t ORDER BY id + 0 DESC LIMIT 1", "3", "bigint"),
        (
            "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT sum(x) FROM n",
            "15",
            "numeric(38,0)",
        ),
        ("SELECT (SELECT max(u.small + 1) FROM t AS u WHERE u.id = t.id) FROM t WHERE id = 1", "11", "integer"),
        ("SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM t AS u WHERE u.id = t.id + 1)", "2", "bigint"),
        ("SELECT count(*) FROM t WHERE id IN (SELECT int FROM t AS u WHERE int = 7)", "0", "bigint"),
        ("SELECT a.id FROM t AS a JOIN t AS b ON a.id = b.id + 1 WHERE b.name = 'bob'", "3", "bigint"),
        ("SELECT count(*) FROM t LIMIT 1", "3", "bigint"),
        ("SELECT count(*) FROM t WHERE id IN (SELECT abs(1) AS x UNION ALL VALUES (2))", "2", "bigint"),
        (
            "SELECT count(*) FROM t WHERE name IN (SELECT concat('a', 'nn') UNION ALL VALUES ('bob'::name))",
            "2",
            "bigint",
        ),
        ("SELECT x FROM generate_series(1, 3) AS s(x) WHERE x > 2", "3", "bigint"),
        ("SELECT substr('abcdef', 2, 3)", "bcd", "text"),
        ("SELECT length(gen_random_uuid()::text)", "36", "integer"),
        ("SELECT extract(year FROM day) = 2024 FROM t WHERE id = 1", "t", "boolean"),
    ])
    .await;
    let context = context();
    let plan = plan(&context, "SELECT name FROM t WHERE small = 10 AND id = 5").await.expect("plans");
    let optimized = context.state().optimize(&plan).expect("optimizes").display_indent().to_string();
    assert!(optimized.contains("t.small = Int16(10) AND t.id = Int64(5)"), "{optimized}");
}

#[tokio::test]
async fn an_unknown_column_keeps_its_place_in_the_text() {
    let context = context();
    for sql in ["SELECT 1 FROM t WHERE nosuch = 1", "SELECT 1 FROM t WHERE nosuch <-> '[1]' < 1"] {
        let error = plan(&context, sql).await.expect_err(sql);
        assert!(ours(&error).is_none() && error.to_string().contains("No field named nosuch"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn parameters_take_the_type_they_meet() {
    let context = context();
    for (sql, expected) in [
        ("SELECT 1 FROM t WHERE key = $1", "uuid"),
        ("SELECT 1 FROM t WHERE v <-> $1 < 1", "vector(3)"),
        ("SELECT 1 FROM t WHERE v <-> $1::vector < 1", "vector(3)"),
        ("SELECT $1::int", "integer"),
        ("SELECT int + $1 FROM t", "integer"),
        ("SELECT 1 FROM t WHERE at > $1", "timestamp without time zone"),
        ("SELECT 1 FROM t WHERE id IN ($1)", "bigint"),
        ("SELECT coalesce(day, $1) FROM t", "date"),
    ] {
        let plan = plan(&context, sql).await.expect(sql);
        let rule = super::PostgresTyping;
        let plan =
            datafusion::optimizer::AnalyzerRule::analyze(&rule, plan, context.state().config_options()).expect(sql);
        let fields = plan.get_parameter_fields().expect(sql);
        let field = fields["$1"].clone().expect(sql);
        assert_eq!(SqlType::of_field(&field).map(|found| found.to_string()).as_deref(), Some(expected), "{sql}");
    }
}
