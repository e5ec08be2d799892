//! A commit record: one JSON object, immutable, complete in itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::catalog::{SequenceId, TableId};
use crate::error::{Error, Result};

/// The format version of records that this code writes and the newest that it reads.
pub const RECORD_FORMAT: u32 = 1;

/// One commit. The newest record alone is the whole snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// Format version.
    pub format: u32,
    /// Place in the log, from 1 without gaps.
    pub seq: u64,
    /// Transaction id (UUIDv7).
    pub tx_id: Uuid,
    /// max(now, last + 1 us): never goes back.
    pub timestamp: DateTime<Utc>,
    /// The writer that made it; a new writer takes a higher one.
    pub epoch: u64,
    /// The complete version map.
    pub tables: Vec<TableEntry>,
    /// Name of the catalog record in force.
    pub catalog: String,
    /// What made it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The transactions that it commits together, in order, where they are more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Uuid>,
    /// How far every sequence has counted that has given a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<SequenceEntry>,
    /// The staged Lance transactions of this commit: what recovery repeats where a table is still below its version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redo: Vec<TableRedo>,
}

/// A table's place in the version map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Name, for people; the id counts.
    pub table: String,
    /// Identity.
    pub id: TableId,
    /// Lance version.
    pub version: u64,
}

/// How far a sequence has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceEntry {
    /// Identity.
    pub id: SequenceId,
    /// No value up to this one (down to it, where the sequence counts down) is given again.
    pub last: i64,
    /// Whether `last` itself counts as given.
    pub called: bool,
}

/// A staged Lance transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRedo {
    /// The table.
    pub id: TableId,
    /// Directory of its dataset below `tables/`.
    pub directory: String,
    /// The version that it makes.
    pub version: u64,
    /// Its Lance transaction, as Lance's protobuf message, hexadecimal.
    pub transaction: String,
}

impl CommitRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal(format!("cannot encode a commit record: {error}")))
    }

    /// Reads a record; a newer format or damaged bytes are [`crate::ErrorKind::Storage`].
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self> {
        decode_versioned(name, bytes, "commit record", RECORD_FORMAT)
    }
}

/// Reads a JSON record that carries `format`, refusing newer formats before anything else of it is looked at.
pub(crate) fn decode_versioned<T: serde::de::DeserializeOwned>(
    name: &str,
    bytes: &[u8],
    what: &str,
    newest: u32,
) -> Result<T> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let damaged = |error: serde_json::Error| {
        Error::storage(format!("{what} \"{name}\" is damaged"))
            .with_detail(error.to_string())
            .with_hint("Restore the file from a backup; it is never rewritten in normal operation.")
    };
    let Format { format } = serde_json::from_slice(bytes).map_err(damaged)?;
    if format > newest {
        return Err(Error::storage(format!(
            "{what} \"{name}\" has format {format}, this server reads formats up to {newest}"
        ))
        .with_hint("Use the newer server that wrote it."));
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn sample() -> CommitRecord {
        CommitRecord {
            format: 1,
            seq: 7,
            tx_id: Uuid::from_u128(1),
            timestamp: DateTime::from_timestamp(1_700_000_000, 5_000).expect("a valid time"),
            epoch: 2,
            tables: vec![TableEntry { table: "t".into(), id: TableId(Uuid::from_u128(2)), version: 3 }],
            catalog: "00000000000000000002-x.json".into(),
            notes: None,
            members: vec![],
            sequences: vec![],
            redo: vec![TableRedo {
                id: TableId(Uuid::from_u128(2)),
                directory: "t-2.lance".into(),
                version: 3,
                transaction: "00ff".into(),
            }],
        }
    }

    #[test]
    fn the_bytes_of_a_record_are_fixed() {
        let expected = concat!(
            r#"{"format":1,"seq":7,"tx_id":"00000000-0000-0000-0000-000000000001","#,
            r#""timestamp":"2023-11-14T22:13:20.000005Z","epoch":2,"#,
            r#""tables":[{"table":"t","id":"00000000-0000-0000-0000-000000000002","version":3}],"#,
            r#""catalog":"00000000000000000002-x.json","#,
            r#""redo":[{"id":"00000000-0000-0000-0000-000000000002","directory":"t-2.lance","version":3,"transaction":"00ff"}]}"#
        );
        assert_eq!(String::from_utf8(sample().encode().unwrap()).unwrap(), expected);
        assert_eq!(CommitRecord::decode("x", expected.as_bytes()).unwrap(), sample());
    }

    #[test]
    fn the_bytes_of_members_and_sequences_are_fixed() {
        let mut record = sample();
        record.members = vec![Uuid::from_u128(1), Uuid::from_u128(4)];
        record.sequences = vec![SequenceEntry { id: SequenceId(Uuid::from_u128(5)), last: -33, called: true }];
        record.redo.clear();
        let expected = concat!(
            r#"{"format":1,"seq":7,"tx_id":"00000000-0000-0000-0000-000000000001","#,
            r#""timestamp":"2023-11-14T22:13:20.000005Z","epoch":2,"#,
            r#""tables":[{"table":"t","id":"00000000-0000-0000-0000-000000000002","version":3}],"#,
            r#""catalog":"00000000000000000002-x.json","#,
            r#""members":["00000000-0000-0000-0000-000000000001","00000000-0000-0000-0000-000000000004"],"#,
            r#""sequences":[{"id":"00000000-0000-0000-0000-000000000005","last":-33,"called":true}]}"#
        );
        assert_eq!(String::from_utf8(record.encode().unwrap()).unwrap(), expected);
        assert_eq!(CommitRecord::decode("x", expected.as_bytes()).unwrap(), record);
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let mut newer = sample();
        newer.format = 2;
        let error = CommitRecord::decode("r", &newer.encode().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.message().contains("format 2"), "{error}");
    }
}
