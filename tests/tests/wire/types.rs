//! Every type in both formats, both ways.

use slipstream_tests::RawClient;

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
