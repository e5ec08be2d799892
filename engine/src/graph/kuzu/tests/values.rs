//! Every covered type, both ways in, comes back as it was.

use arrow::array::{
    BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int16Array, Int32Array, TimestampMicrosecondArray,
};
use datafusion::scalar::ScalarValue;

use super::*;
use crate::graph::memory::MemoryIndex;

fn everything() -> IndexSchema {
    let types = [
        SqlType::Boolean,
        SqlType::SmallInt,
        SqlType::Integer,
        SqlType::BigInt,
        SqlType::Real,
        SqlType::Double,
        SqlType::Text,
        SqlType::Varchar(20),
        SqlType::Uuid,
        SqlType::Date,
        SqlType::Timestamp,
        SqlType::TimestampTz,
    ];
    let properties: Vec<_> =
        types.into_iter().enumerate().map(|(position, sql_type)| property(&format!("p{position}"), sql_type)).collect();
    IndexSchema {
        nodes: vec![NodeSchema {
            element: "thing".to_string(),
            key: property("id", SqlType::Integer),
            properties: properties.clone(),
        }],
        relationships: vec![RelationshipSchema {
            element: "next".to_string(),
            from: "thing".to_string(),
            to: "thing".to_string(),
            key: property("id", SqlType::Uuid),
            properties,
        }],
    }
}

const TEXTS: [&str; 8] = [
    "",
    "NULL",
    "it's \"quoted\", and \\back\\slashed",
    "two\nlines\r\n\tand a tab",
    "naïve 日本語 🦀 \u{200d}",
    "`$p0` {brace} [bracket] <tag>",
    "  spaces  ",
    "a string that is too long to be kept inside the twelve bytes that short strings have",
];

/// Values at both ends of a range.
fn far(cell: i64, low: i64, high: i64) -> i64 {
    if cell % 2 == 0 { low + cell } else { high - cell }
}

/// A row for each text, and one of nothing but NULL.
fn property_columns() -> Vec<ArrayRef> {
    let rows = TEXTS.len();
    let cell = |row: usize| (row < rows).then_some(row as i64);
    let all = || (0..=rows).map(cell);
    let uuids = all().map(|cell| {
        cell.map(|cell| *uuid::Uuid::from_u128((u128::MAX - 100) * (cell % 2) as u128 + cell as u128).as_bytes())
    });
    let uuids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids, 16).unwrap();
    let doubles = [0.1, -0.0, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, 1.0 / 3.0, -1e-300];
    let micros = |row: i64| {
        [0, 1, -1, 1_700_000_000_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999][row as usize % 6]
    };
    let texts = || (0..=rows).map(|row| TEXTS.get(row).copied());
    vec![
        Arc::new(all().map(|cell| cell.map(|cell| cell % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(
            all()
                .map(|cell| cell.map(|cell| far(cell, i16::MIN.into(), i16::MAX.into()) as i16))
                .collect::<Int16Array>(),
        ),
        Arc::new(
            all()
                .map(|cell| cell.map(|cell| far(cell, i32::MIN.into(), i32::MAX.into()) as i32))
                .collect::<Int32Array>(),
        ),
        Arc::new(all().map(|cell| cell.map(|cell| far(cell, i64::MIN, i64::MAX))).collect::<Int64Array>()),
        Arc::new(all().map(|cell| cell.map(|cell| 0.1 * cell as f32)).collect::<Float32Array>()),
        Arc::new(all().map(|cell| cell.map(|cell| doubles[cell as usize])).collect::<Float64Array>()),
        Arc::new(texts().collect::<StringArray>()),
        Arc::new(
            texts().map(|text| text.map(|text| text.chars().take(20).collect::<String>())).collect::<StringArray>(),
        ),
        Arc::new(uuids),
        Arc::new(all().map(|cell| cell.map(|cell| -719_162 + cell as i32 * 40_000)).collect::<Date32Array>()),
        Arc::new(all().map(|cell| cell.map(micros)).collect::<TimestampMicrosecondArray>()),
        Arc::new(all().map(|cell| cell.map(micros)).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
    ]
}

fn things() -> RecordBatch {
    let ids = Int32Array::from_iter_values(0..=TEXTS.len() as i32);
    batch(std::iter::once(Arc::new(ids) as ArrayRef).chain(property_columns()).collect())
}

fn nexts() -> RecordBatch {
    let last = TEXTS.len() as i32;
    let sources = Arc::new(Int32Array::from_iter_values(0..=last)) as ArrayRef;
    let destinations = Arc::new(Int32Array::from_iter_values((0..=last).map(|row| (row * 5) % (last + 1)))) as ArrayRef;
    let keys = (0..=last).map(|row| *uuid::Uuid::from_u128(row as u128 * 1_000_003).as_bytes());
    let keys = Arc::new(FixedSizeBinaryArray::try_from_iter(keys).unwrap()) as ArrayRef;
    batch([sources, destinations, keys].into_iter().chain(property_columns()).collect())
}

async fn twin() -> Dump {
    let twin = MemoryIndex::new(everything()).unwrap();
    twin.rebuild(source(vec![("thing", things())], vec![("next", nexts())]), standing(1)).await.unwrap();
    twin.dump()
}

#[tokio::test]
async fn every_type_survives_the_bulk_path() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path(), everything(), options()).await.unwrap();
    index.rebuild(source(vec![("thing", things())], vec![("next", nexts())]), standing(1)).await.unwrap();
    assert_eq!(dump(index.as_ref()).await, twin().await);
    index.close().await;
    let index = open(directory.path(), everything(), options()).await.unwrap();
    assert_eq!(dump(index.as_ref()).await, twin().await);
    index.close().await;
}

#[tokio::test]
async fn slices_survive_the_bulk_path() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path(), everything(), options()).await.unwrap();
    let all = things();
    let slices = vec![all.slice(0, 1), all.slice(1, 3), all.slice(4, all.num_rows() - 4)];
    let nodes = vec![("thing".to_string(), stream_of(slices))];
    let relationships = vec![("next".to_string(), stream_of(vec![nexts().slice(0, 4), nexts().slice(4, 5)]))];
    index.rebuild(RebuildSource { nodes, relationships }, standing(1)).await.unwrap();
    assert_eq!(dump(index.as_ref()).await, twin().await);
    index.close().await;
}

#[tokio::test]
async fn every_type_survives_row_by_row() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path(), everything(), options()).await.unwrap();
    index.rebuild(source(Vec::new(), Vec::new()), standing(1)).await.unwrap();
    let changes = vec![
        Change::PutNodes { element: "thing".to_string(), rows: things() },
        Change::CreateRelationships { element: "next".to_string(), rows: nexts() },
    ];
    commit(index.as_ref(), changes, 2).await;
    assert_eq!(dump(index.as_ref()).await, twin().await);
    index.close().await;
}

#[tokio::test]
async fn keys_of_every_key_type_are_found() {
    let keys: Vec<(SqlType, ArrayRef)> = vec![
        (SqlType::SmallInt, Arc::new(Int16Array::from(vec![-1, 7]))),
        (SqlType::Integer, Arc::new(Int32Array::from(vec![-1, 7]))),
        (SqlType::BigInt, Arc::new(Int64Array::from(vec![i64::MIN, 7]))),
        (SqlType::Text, Arc::new(StringArray::from(vec!["", "a key that is longer than twelve bytes"]))),
        (SqlType::Varchar(9), Arc::new(StringArray::from(vec!["ä`'\"", "b"]))),
        (SqlType::Uuid, Arc::new(FixedSizeBinaryArray::try_from_iter([[0_u8; 16], [255; 16]].into_iter()).unwrap())),
        (SqlType::Date, Arc::new(Date32Array::from(vec![-1, 20_000]))),
        (SqlType::Timestamp, Arc::new(TimestampMicrosecondArray::from(vec![-1, 1_700_000_000_000_001]))),
    ];
    for (sql_type, column) in keys {
        let directory = tempfile::tempdir().unwrap();
        let element = "a node".to_string();
        let schema = IndexSchema {
            nodes: vec![NodeSchema {
                element: element.clone(),
                key: property("the `key`", sql_type.clone()),
                properties: vec![property("mark", SqlType::Integer)],
            }],
            relationships: Vec::new(),
        };
        let index = open(directory.path(), schema, options()).await.unwrap();
        let marks = |marks: [i32; 2]| batch(vec![Arc::clone(&column), Arc::new(Int32Array::from(marks.to_vec()))]);
        index.rebuild(source(vec![(&element, marks([1, 2]))], Vec::new()), standing(1)).await.unwrap();
        commit(index.as_ref(), vec![Change::PutNodes { element: element.clone(), rows: marks([3, 4]) }], 2).await;
        commit(index.as_ref(), vec![Change::DeleteNodes { element, keys: column.slice(0, 1) }], 3).await;

        let reader = index.begin_read().await.unwrap().unwrap();
        let mut lookup = query(
            "MATCH (n:`a node` {`the ``key```: $k}) RETURN n.`the ``key```, n.mark",
            &[("key", sql_type.arrow_type()), ("mark", DataType::Int32)],
        );
        for (row, found) in [(0, 0), (1, 1)] {
            lookup.parameters = vec![("k".to_string(), ScalarValue::try_from_array(&column, row).unwrap())];
            let batches = rows(reader.as_ref(), &lookup).await.unwrap();
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), found, "{sql_type}");
        }
        drop(reader);
        index.close().await;
    }
}
