//! Checks what the tables hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};

use super::log::Head;
use super::{CheckReport, counted, name_of, text_of};
use crate::catalog::{Catalog, TableDefinition, TableId};
use crate::error::{Error, Result};
use crate::log::TableRedo;
use crate::snapshot::Snapshot;
use crate::store::key_index::{KeySet, hash_unique_keys};
use crate::store::{ScanRequest, StagedWrite, Store, TableVersion};
use crate::stream;
use crate::transaction::checks::as_types_of;
use crate::transaction::messages::key_text;
use crate::transaction::recovery::from_hex;
use crate::transaction::references::Reference;

/// Faults of one kind in one table that are told one by one.
const TOLD: usize = 5;

/// The keys of the rows of a table, by unique key.
type Keys = HashMap<(TableId, Vec<String>), KeySet>;

/// Checks every table at the version of the newest record.
pub(super) async fn check(snapshot: &Snapshot, head: &Head, report: &mut CheckReport) {
    let store = &snapshot.store;
    let mut readable = snapshot.versions.clone();
    for (id, version) in &snapshot.versions {
        let Some(table) = snapshot.catalog.tables.get(id) else {
            report.bad(format!("table {id}"), "is in the version map and not in the catalog");
            readable.remove(id);
            continue;
        };
        let redo = head.newest.redo.iter().find(|redo| redo.id == *id);
        match versions(store, table, *version, redo, &head.history).await {
            Ok(Standing { text: None, pending: false }) => {}
            Ok(Standing { text, pending }) => {
                if let Some(text) = text {
                    report.note(name_of(table), text);
                }
                if pending {
                    readable.remove(id);
                }
            }
            Err(error) => report.bad(name_of(table), text_of(&error)),
        }
    }
    for table in snapshot.catalog.tables.values().filter(|table| !snapshot.versions.contains_key(&table.id)) {
        report.bad(name_of(table), "is in the catalog and not in the version map");
    }
    contents(store, &snapshot.catalog, &readable, report).await;
}

/// What there is to say of a table's versions.
struct Standing {
    text: Option<String>,
    /// Its newest version is recorded and not made yet.
    pending: bool,
}

/// Compares the versions that a table has with those that the log names.
async fn versions(
    store: &Arc<Store>,
    table: &Arc<TableDefinition>,
    recorded: u64,
    redo: Option<&TableRedo>,
    history: &BTreeMap<TableId, Vec<u64>>,
) -> Result<Standing> {
    let present = store.versions(&table.directory).await?;
    let newest = present.last().copied().unwrap_or(0);
    if newest > recorded {
        let adopt = "`slipstream check --adopt` takes in what other programs made";
        let made = match newest - recorded {
            1 => format!("version {newest} is not of this database"),
            _ => format!("versions {} to {newest} are not of this database", recorded + 1),
        };
        return Err(Error::storage(format!("{made}, {adopt}")));
    }
    if newest < recorded {
        let Some(redo) = redo.filter(|redo| redo.version == recorded) else {
            return Err(Error::storage(format!("is at version {newest}, the newest commit says {recorded}")));
        };
        let write = StagedWrite::decode(Arc::clone(table), &from_hex(&redo.transaction)?)?;
        store.staged_files_are_there(&write).await?;
        let text = format!("version {recorded} is committed, and made when a server opens the database");
        return Ok(Standing { text: Some(text), pending: true });
    }
    let older = history.get(&table.id).into_iter().flatten();
    let gone: Vec<u64> = older.copied().filter(|version| present.binary_search(version).is_err()).collect();
    let text = match gone.as_slice() {
        [] => None,
        [one] => Some(format!("version {one} is gone, so commits with it cannot be read any more")),
        [first, .., last] => Some(format!(
            "{} versions from {first} to {last} are gone, so commits with them cannot be read any more",
            gone.len()
        )),
    };
    Ok(Standing { text, pending: false })
}

/// Reads every table whole at `versions`: schema, rows, NOT NULL, keys, references.
pub(super) async fn contents(
    store: &Arc<Store>,
    catalog: &Catalog,
    versions: &BTreeMap<TableId, u64>,
    report: &mut CheckReport,
) {
    let references: Vec<Reference> = match catalog.tables.keys().map(|id| catalog.references_from(*id)).collect() {
        Ok(references) => Vec::<Vec<Reference>>::into_iter(references).flatten().collect(),
        Err(error) => return report.bad("catalog", text_of(&error)),
    };
    let mut keys = Keys::new();
    let mut sound = Vec::new();
    for (id, version) in versions {
        let Some(table) = catalog.tables.get(id) else { continue };
        let referred = |columns: &[String]| references.iter().any(|to| to.to.id == *id && to.referenced == columns);
        match TableCheck::run(store, table, *version, &referred, &mut keys).await {
            Ok(check) if check.faults.is_empty() => sound.push((table, *version, check.rows)),
            Ok(check) => check.faults.iter().for_each(|fault| report.bad(name_of(table), fault.clone())),
            Err(error) => report.bad(name_of(table), text_of(&error)),
        }
    }
    for (table, version, rows) in sound {
        let mut faults = Vec::new();
        for reference in references.iter().filter(|reference| reference.from.id == table.id) {
            let Some(present) = keys.get(&(reference.to.id, reference.referenced.clone())) else {
                let why = format!(
                    "\"{}\" was not checked, since {} could not be read",
                    reference.name,
                    name_of(&reference.to)
                );
                report.note(name_of(table), why);
                continue;
            };
            match partners(store, reference, version, present).await {
                Ok(missing) => faults.extend(missing),
                Err(error) => faults.push(text_of(&error)),
            }
        }
        faults.iter().for_each(|fault| report.bad(name_of(table), fault.clone()));
        if faults.is_empty() {
            report.good(name_of(table), format!("{} at version {version}", counted(rows, "row")));
        }
    }
}

/// One table, read once from end to end.
#[derive(Default)]
struct TableCheck {
    rows: usize,
    faults: Vec<String>,
}

impl TableCheck {
    async fn run(
        store: &Arc<Store>,
        table: &Arc<TableDefinition>,
        version: u64,
        referred: &dyn Fn(&[String]) -> bool,
        keys: &mut Keys,
    ) -> Result<Self> {
        let open = open(store, table, version).await?;
        let mut check = TableCheck { rows: 0, faults: open.differences_from_catalog() };
        if !check.faults.is_empty() {
            return Ok(check);
        }
        let mut unique: Vec<_> = table.unique_keys().into_iter().map(|key| (key, KeySet::default(), 0_usize)).collect();
        let mut nulls: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rows = open.read(&ScanRequest::default()).await?;
        while let Some(batch) = stream::next(&mut rows).await? {
            check.rows += batch.num_rows();
            for (column, values) in table.columns.iter().zip(batch.columns()) {
                if column.not_null || table.primary_key.contains(&column.name) {
                    *nulls.entry(&column.name).or_default() += values.logical_null_count();
                }
            }
            for (key, seen, duplicates) in &mut unique {
                let values = pick(&batch, &key.columns)?;
                for (row, hash) in hash_unique_keys(&values)?.into_iter().enumerate() {
                    if hash.is_some_and(|hash| seen.insert(hash, ()).is_some()) {
                        *duplicates += 1;
                        if *duplicates <= TOLD {
                            let (columns, text) = (key.columns.join(", "), key_text(&values, row));
                            check.faults.push(format!("key ({columns})=({text}) of \"{}\" is there twice", key.name));
                        }
                    }
                }
            }
        }
        let recorded = open.row_count();
        if recorded != check.rows {
            check.faults.push(format!("has {}, its manifest says {recorded}", counted(check.rows, "row")));
        }
        for (column, nulls) in nulls.into_iter().filter(|(_, nulls)| *nulls > 0) {
            check.faults.push(format!("column \"{column}\" is NULL in {}", counted(nulls, "row")));
        }
        for (key, seen, duplicates) in unique {
            if duplicates > TOLD {
                check.faults.push(format!("\"{}\" has {} more", key.name, counted(duplicates - TOLD, "duplicate key")));
            }
            if referred(&key.columns) {
                keys.insert((table.id, key.columns), seen);
            }
        }
        Ok(check)
    }
}

/// Rows whose partner is not among the keys that are `present`, in words.
async fn partners(store: &Arc<Store>, reference: &Reference, version: u64, present: &KeySet) -> Result<Vec<String>> {
    let table = open(store, &reference.from, version).await?;
    let request = ScanRequest { columns: Some(distinct(&reference.columns)), ..ScanRequest::default() };
    let (mut missing, mut told) = (0, Vec::new());
    let mut rows = table.read(&request).await?;
    while let Some(batch) = stream::next(&mut rows).await? {
        let values = pick(&batch, &reference.columns)?;
        let compared = as_types_of(&values, &reference.to, &reference.referenced)?;
        for (row, hash) in hash_unique_keys(&compared)?.into_iter().enumerate() {
            let fine = match hash {
                Some(hash) => present.contains_key(&hash),
                None => reference.edge.is_none(),
            };
            if !fine {
                missing += 1;
                if missing <= TOLD {
                    let (columns, text) = (reference.columns.join(", "), key_text(&values, row));
                    let there = name_of(&reference.to);
                    told.push(format!("({columns})=({text}) of \"{}\" is not in {there}", reference.name));
                }
            }
        }
    }
    if missing > TOLD {
        told.push(format!("\"{}\" has {} more", reference.name, counted(missing - TOLD, "row without its partner")));
    }
    Ok(told)
}

/// Opens a table so that a NULL where none may be is read and told, rather than being an error.
async fn open(store: &Arc<Store>, table: &Arc<TableDefinition>, version: u64) -> Result<Arc<TableVersion>> {
    let mut lenient = table.as_ref().clone();
    lenient.columns.iter_mut().for_each(|column| column.not_null = false);
    store.open(&Arc::new(lenient), version).await
}

fn pick(batch: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>> {
    let missing = |name: &String| Error::internal(format!("rows lack column \"{name}\""));
    names.iter().map(|name| batch.column_by_name(name).cloned().ok_or_else(|| missing(name))).collect()
}

fn distinct(names: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name.clone());
        }
    }
    distinct
}
