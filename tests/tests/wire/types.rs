//! Every type in both formats, both ways.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use slipstream_tests::{RawClient, error_of};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::server;

/// A type and values of it in text, as the server writes them.
const VALUES: &[(&str, &[&str])] = &[
    ("boolean", &["t", "f"]),
    ("smallint", &["0", "-32768", "32767"]),
    ("integer", &["0", "-2147483648", "2147483647"]),
    ("bigint", &["0", "-9223372036854775808", "9223372036854775807"]),
    ("real", &["0", "1.5", "-3.4028235e+38", "NaN", "Infinity"]),
    ("double precision", &["0", "0.1", "1e+300", "-Infinity", "NaN"]),
    ("numeric(12,3)", &["0.000", "1.500", "-123456789.123", "10000.000", "0.001"]),
    ("numeric(38,10)", &["1234567890123456789012345678.0123456789"]),
    ("text", &["", "plain", "häßlich 漢字 🙂", "with 'quotes' and \\ and\ttab"]),
    ("varchar(5)", &["", "abcde"]),
    ("bytea", &["\\x", "\\x00ff10"]),
    ("uuid", &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("date", &["2000-01-01", "1969-12-31", "2024-02-29", "0001-01-01"]),
    ("time", &["00:00:00", "23:59:59.999999"]),
    ("timestamp", &["2000-01-01 00:00:00", "1969-12-31 23:59:59.999999", "2024-02-29 12:34:56.7"]),
    ("timestamptz", &["2000-01-01 00:00:00+00", "2024-02-29 12:34:56.789+00"]),
    ("interval", &["00:00:00", "1 year 2 mons 3 days 04:05:06.789", "-1 days", "-00:00:01"]),
    ("json", &["{\"b\":1,  \"a\":[null]}", "1"]),
    ("jsonb", &["{\"a\": [null], \"b\": 1}", "\"x\""]),
    ("integer[]", &["{}", "{1,NULL,-3}"]),
    ("text[]", &["{a,\"b c\",NULL,\"\"}"]),
    ("double precision[]", &["{0.5,-1}"]),
    ("uuid[]", &["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"]),
    ("vector(3)", &["[1,-2.5,0.125]"]),
];

/// The value that a one-value statement returns, and its type's object id.
async fn value(client: &mut RawClient) -> (Vec<u8>, u32) {
    let answers = client.describe(b'P', "").execute("", 0).sync().answers().await;
    if let Some(error) = answers.iter().find(|message| message.kind == b'E') {
        panic!("{:?}", error.error());
    }
    let description = answers.iter().find(|message| message.kind == b'T').expect("a description");
    let row = answers.iter().find(|message| message.kind == b'D').expect("a row");
    let value = row.row()[0].clone().expect("a value");
    (value.to_vec(), description.columns()[0].1)
}

#[tokio::test]
async fn every_value_survives_text_and_binary_both_ways() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    for (name, values) in VALUES {
        for text in *values {
            let label = format!("{name} {text:?}");
            let literal = format!("SELECT '{}'::{name}", text.replace('\'', "''"));
            client.parse("", &literal, &[]).bind("", "", 0, &[], 0);
            let (shown, oid) = value(&mut client).await;
            assert_eq!(String::from_utf8_lossy(&shown), *text, "{label}, written as text");
            client.parse("", &literal, &[]).bind("", "", 0, &[], 1);
            let (binary, _) = value(&mut client).await;
            let echo = format!("SELECT $1::{name}");
            client.parse("", &echo, &[oid]).bind("", "", 1, &[Some(&binary)], 0);
            let (shown, _) = value(&mut client).await;
            assert_eq!(String::from_utf8_lossy(&shown), *text, "{label}, read as binary");
            client.parse("", &echo, &[oid]).bind("", "", 0, &[Some(text.as_bytes())], 1);
            let (again, _) = value(&mut client).await;
            assert_eq!(again, binary, "{label}, read as text and written as binary");
        }
    }
}

#[tokio::test]
async fn every_value_survives_a_table() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    for (index, (name, values)) in VALUES.iter().enumerate() {
        let table = format!("t{index}");
        client.query(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, v {name})")).answers().await;
        client.parse("", &format!("INSERT INTO {table} VALUES ($1, $2)"), &[20, 0]);
        let rows = values.iter().map(|text| Some(text.as_bytes())).chain([None]);
        for (id, value) in rows.enumerate() {
            client.bind("", "", 0, &[Some(id.to_string().as_bytes()), value], 0).execute("", 0);
        }
        let answers = client.sync().answers().await;
        if let Some(error) = answers.iter().find(|message| message.kind == b'E') {
            panic!("{name}: {:?}", error.error());
        }
        let answers = client.query(&format!("SELECT v FROM {table} ORDER BY id")).answers().await;
        let read = super::values(&answers);
        let expected: Vec<&str> = values.iter().copied().chain(["NULL"]).collect();
        assert_eq!(read, expected, "{name}");
    }
}

#[tokio::test]
async fn binary_values_are_what_drivers_expect() {
    let (server, _data) = server();
    let client = server.connect().await;
    let sql = "SELECT true, 7::smallint, -7, 7::bigint, 1.5::real, 2.5::double precision, 'text', '\\x00ff'::bytea,
               ARRAY[1, 2], NULL::integer";
    let row = client.query_one(sql, &[]).await.expect("a row");
    assert!(row.get::<_, bool>(0));
    assert_eq!(row.get::<_, i16>(1), 7);
    assert_eq!(row.get::<_, i32>(2), -7);
    assert_eq!(row.get::<_, i64>(3), 7);
    assert_eq!(row.get::<_, f32>(4), 1.5);
    assert_eq!(row.get::<_, f64>(5), 2.5);
    assert_eq!(row.get::<_, &str>(6), "text");
    assert_eq!(row.get::<_, &[u8]>(7), [0, 255]);
    assert_eq!(row.get::<_, Vec<i32>>(8), [1, 2]);
    assert_eq!(row.get::<_, Option<i32>>(9), None);
}

#[tokio::test]
async fn parameters_take_the_type_of_their_place() {
    let (server, _data) = server();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, name text, score double precision)").await.expect("t");
    let insert = "INSERT INTO t VALUES ($1, $2, $3)";
    assert_eq!(client.execute(insert, &[&1i64, &"one", &0.5f64]).await.expect("a row"), 1);
    assert_eq!(client.execute(insert, &[&2i64, &None::<&str>, &None::<f64>]).await.expect("a row"), 1);
    let row = client.query_one("SELECT name, score FROM t WHERE id = $1", &[&1i64]).await.expect("a row");
    assert_eq!((row.get::<_, &str>(0), row.get::<_, f64>(1)), ("one", 0.5));
    let rows = client.query("SELECT id FROM t WHERE name IS NULL AND id > $1 LIMIT $2", &[&1i64, &5i64]).await;
    assert_eq!(rows.expect("rows").len(), 1);
}

/// A `vector` as pgvector's clients read and write it: a type that is known by its name alone.
#[derive(Debug, PartialEq)]
struct Vector(Vec<f32>);

impl<'a> FromSql<'a> for Vector {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let floats = raw[4..].chunks_exact(4).map(|bytes| f32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        Ok(Vector(floats.collect()))
    }

    fn accepts(sql_type: &Type) -> bool {
        sql_type.name() == "vector" && sql_type.schema() == "public"
    }
}

impl ToSql for Vector {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u16(self.0.len() as u16);
        out.put_u16(0);
        self.0.iter().for_each(|value| out.put_f32(*value));
        Ok(IsNull::No)
    }

    fn accepts(sql_type: &Type) -> bool {
        <Vector as FromSql>::accepts(sql_type)
    }

    to_sql_checked!();
}

#[tokio::test]
async fn drivers_find_vector_by_its_name() {
    let (server, _data) = server();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, e vector(3))").await.expect("a table");
    let (one, two) = (Vector(vec![1.0, 2.0, 3.0]), Vector(vec![0.5, 0.0, -1.0]));
    let insert = client.prepare("INSERT INTO t VALUES ($1, $2)").await.expect("a statement");
    assert_eq!(insert.params()[1].name(), "vector");
    client.execute(&insert, &[&1i64, &one]).await.expect("a row");
    client.execute(&insert, &[&2i64, &two]).await.expect("a row");
    let row = client.query_one("SELECT e FROM t ORDER BY e <-> $1 LIMIT 1", &[&one]).await.expect("a row");
    assert_eq!(row.get::<_, Vector>(0), one);
    // Nothing says how many dimensions these have, until they come.
    for vector in [Vector(vec![1.5; 2]), Vector(vec![2.5; 5])] {
        let row = client.query_one("SELECT $1::vector", &[&vector]).await.expect("a row");
        assert_eq!(row.get::<_, Vector>(0), vector);
    }
    let row = client.query_one("SELECT $1::vector", &[&None::<Vector>]).await.expect("a row");
    assert_eq!(row.get::<_, Option<Vector>>(0), None);
    let row = client.query_one("SELECT $1::vector <-> $2::vector", &[&one, &one]).await.expect("a row");
    assert_eq!(row.get::<_, f64>(0), 0.0);
    let error = client.query_one("SELECT $1::vector <-> $2::vector", &[&one, &Vector(vec![1.0])]).await;
    assert_eq!(error_of(&error.expect_err("other dimensions")).code().code(), "22000");
}

#[tokio::test]
async fn the_catalogs_have_their_own_types() {
    let (server, _data) = server();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)").await.expect("a table");
    let sql = "SELECT c.oid, c.relname, c.relkind, i.indkey, c.oid::bigint, 7::oid, 'x'::name
               FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid WHERE c.relname = $1 AND c.relnamespace = $2";
    let statement = client.prepare(sql).await.expect("a statement");
    assert_eq!(statement.params(), [Type::NAME, Type::OID]);
    let types: Vec<_> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    assert_eq!(types, [Type::OID, Type::NAME, Type::CHAR, Type::INT2_VECTOR, Type::INT8, Type::OID, Type::NAME]);
    let row = client.query_one(&statement, &[&"t", &2200u32]).await.expect("a row");
    assert_eq!(i64::from(row.get::<_, u32>(0)), row.get::<_, i64>(4));
    assert_eq!((row.get::<_, &str>(1), row.get::<_, i8>(2)), ("t", b'r' as i8));
    assert_eq!(row.get::<_, Vec<i16>>(3), [1]);
    assert_eq!((row.get::<_, u32>(5), row.get::<_, &str>(6)), (7, "x"));
    let rows = client.simple_query("SELECT indkey FROM pg_index WHERE indkey IS NOT NULL").await.expect("rows");
    let shown = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(shown, Some("1"));
    let rows = client.query("SELECT typname FROM pg_type WHERE oid = ANY($1) ORDER BY 1", &[&vec![20u32, 16388]]).await;
    let names: Vec<String> = rows.expect("rows").iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["int8", "vector"]);
}

#[tokio::test]
async fn an_array_is_compared_element_by_element() {
    let (server, _data) = server();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, n numeric(10,2))").await.expect("a table");
    client.batch_execute("INSERT INTO t VALUES (1, 1.01), (2, 2), (3, NULL)").await.expect("rows");
    let ids = async |sql: &str, list: &(dyn ToSql + Sync)| -> Vec<i64> {
        client.query(sql, &[list]).await.expect(sql).iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(ids("SELECT id FROM t WHERE id = ANY($1) ORDER BY 1", &vec![3i64, 1, 9]).await, [1, 3]);
    assert_eq!(ids("SELECT id FROM t WHERE id = ANY($1)", &Vec::<i64>::new()).await, [0i64; 0]);
    assert_eq!(ids("SELECT id FROM t WHERE id <> ALL($1) ORDER BY 1", &vec![1i64]).await, [2, 3]);
    assert_eq!(ids("SELECT id FROM t WHERE NOT id = ANY($1)", &vec![Some(1i64), None]).await, [0i64; 0]);
    assert_eq!(ids("SELECT id FROM t WHERE id = ANY($1::int[])", &vec![2i32]).await, [2]);
}
