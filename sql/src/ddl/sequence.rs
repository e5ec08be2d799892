//! CREATE and ALTER SEQUENCE, and the options that IDENTITY columns give theirs.

use datafusion::sql::sqlparser::ast::{self, ObjectName};
use slipstream_engine::catalog::{CatalogEdit, Relation, SequenceDefinition, SequenceId, TableDefinition, TableId};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::Definition;
use super::names::{Place, already_exists, check_free, check_schema, is_taken, nextval, place};
use crate::planner::Planning;

/// What a statement says about a sequence.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SequenceOptions {
    pub(super) sql_type: Option<SqlType>,
    pub(super) start: Option<i64>,
    pub(super) increment: Option<i64>,
    /// MINVALUE, or NO MINVALUE.
    pub(super) min: Option<Option<i64>>,
    /// MAXVALUE, or NO MAXVALUE.
    pub(super) max: Option<Option<i64>>,
    pub(super) cycle: Option<bool>,
    /// RESTART, with a value or at the start.
    pub(super) restart: Option<Option<i64>>,
    /// OWNED BY a table's column, or NONE.
    pub(super) owned_by: Option<Option<ObjectName>>,
}

impl SequenceOptions {
    /// The options of an IDENTITY column.
    pub(super) fn of_identity(options: &[ast::SequenceOptions]) -> Result<Self> {
        let mut read = SequenceOptions::default();
        for option in options {
            match option {
                ast::SequenceOptions::IncrementBy(value, _) => read.increment = Some(number(value)?),
                ast::SequenceOptions::MinValue(value) => read.min = Some(value.as_ref().map(number).transpose()?),
                ast::SequenceOptions::MaxValue(value) => read.max = Some(value.as_ref().map(number).transpose()?),
                ast::SequenceOptions::StartWith(value, _) => read.start = Some(number(value)?),
                // Values are reserved in runs, whatever the size of the cache.
                ast::SequenceOptions::Cache(value) => drop(number(value)?),
                // The parser's flag says NO.
                ast::SequenceOptions::Cycle(no) => read.cycle = Some(!no),
            }
        }
        Ok(read)
    }

    /// A sequence to be made.
    pub(super) fn create(&self, place: Place, default_type: SqlType) -> Result<SequenceDefinition> {
        let sql_type = self.sql_type.clone().unwrap_or(default_type);
        let increment = self.increment.unwrap_or(1);
        let (min, max) = bounds(&sql_type, increment)?;
        let sequence = SequenceDefinition {
            id: SequenceId(Uuid::now_v7()),
            oid: 0,
            schema: place.schema,
            name: place.name,
            sql_type,
            start: 0,
            increment,
            min: self.min.flatten().unwrap_or(min),
            max: self.max.flatten().unwrap_or(max),
            cycle: self.cycle.unwrap_or(false),
            owned_by: None,
        };
        let start = if increment > 0 { sequence.min } else { sequence.max };
        checked(SequenceDefinition { start: self.start.unwrap_or(start), ..sequence })
    }

    /// The sequence with what the options change.
    fn alter(&self, known: &SequenceDefinition) -> Result<SequenceDefinition> {
        let sql_type = self.sql_type.clone().unwrap_or_else(|| known.sql_type.clone());
        let increment = self.increment.unwrap_or(known.increment);
        let (least, greatest) = bounds(&sql_type, increment)?;
        let (old_least, old_greatest) = bounds(&known.sql_type, known.increment)?;
        // A limit that came from the type goes with the type.
        let kept =
            |known: i64, old: i64, fresh: i64| if known == old && self.sql_type.is_some() { fresh } else { known };
        let min = match self.min {
            Some(given) => given.unwrap_or(least),
            None => kept(known.min, old_least, least),
        };
        let max = match self.max {
            Some(given) => given.unwrap_or(greatest),
            None => kept(known.max, old_greatest, greatest),
        };
        checked(SequenceDefinition {
            sql_type,
            increment,
            min,
            max,
            start: self.start.unwrap_or(known.start),
            cycle: self.cycle.unwrap_or(known.cycle),
            ..known.clone()
        })
    }
}

/// The number that an option gives.
pub(super) fn number(value: &ast::Expr) -> Result<i64> {
    let text = value.to_string();
    text.parse().map_err(|_| {
        Error::new(ErrorKind::NumericOutOfRange, format!("value \"{text}\" is out of range for type bigint"))
    })
}

/// The limits of a sequence that says none.
fn bounds(sql_type: &SqlType, increment: i64) -> Result<(i64, i64)> {
    let (least, greatest) = range(sql_type)?;
    Ok(if increment < 0 { (least, -1) } else { (1, greatest) })
}

fn range(sql_type: &SqlType) -> Result<(i64, i64)> {
    Ok(match sql_type {
        SqlType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        SqlType::Integer => (i32::MIN.into(), i32::MAX.into()),
        SqlType::BigInt => (i64::MIN, i64::MAX),
        _ => return Err(invalid("sequence type must be smallint, integer, or bigint".to_string())),
    })
}

fn checked(sequence: SequenceDefinition) -> Result<SequenceDefinition> {
    let SequenceDefinition { start, increment, min, max, sql_type, .. } = &sequence;
    if *increment == 0 {
        return Err(invalid("INCREMENT must not be zero".to_string()));
    }
    let (least, greatest) = range(sql_type)?;
    for (what, value) in [("MAXVALUE", max), ("MINVALUE", min)] {
        if !(least..=greatest).contains(value) {
            return Err(invalid(format!("{what} ({value}) is out of range for sequence data type {sql_type}")));
        }
    }
    if min >= max {
        return Err(invalid(format!("MINVALUE ({min}) must be less than MAXVALUE ({max})")));
    }
    if start < min {
        return Err(invalid(format!("START value ({start}) cannot be less than MINVALUE ({min})")));
    }
    if start > max {
        return Err(invalid(format!("START value ({start}) cannot be greater than MAXVALUE ({max})")));
    }
    Ok(sequence)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidParameter, message)
}

/// CREATE SEQUENCE.
pub(super) fn create_sequence(
    planning: &Planning<'_>,
    name: &ObjectName,
    if_not_exists: bool,
    options: &SequenceOptions,
) -> Result<Definition> {
    let place = place(planning, name)?;
    if is_taken(&planning.view.snapshot.catalog, &place) {
        if if_not_exists {
            let notice = format!("relation \"{}\" already exists, skipping", place.name);
            return Ok(Definition::passed_over("CREATE SEQUENCE", notice));
        }
        return Err(already_exists(&place.name));
    }
    let mut sequence = options.create(place, SqlType::BigInt)?;
    sequence.oid = planning.view.snapshot.catalog.reserve_oid();
    if let Some(owner) = &options.owned_by {
        sequence.owned_by = owner.as_ref().map(|owner| owner_of(planning, owner, &sequence)).transpose()?;
    }
    Ok(Definition::new("CREATE SEQUENCE", vec![CatalogEdit::CreateSequence(sequence)]))
}

/// The column that OWNED BY names.
fn owner_of(planning: &Planning<'_>, owner: &ObjectName, sequence: &SequenceDefinition) -> Result<(TableId, String)> {
    let mut table = owner.0.clone();
    let column = table.pop().and_then(|part| part.as_ident().cloned());
    let (Some(column), false) = (column, table.is_empty()) else {
        return Err(Error::new(ErrorKind::Syntax, "invalid OWNED BY option")
            .with_hint("Specify OWNED BY table.column or OWNED BY NONE."));
    };
    let table = planning.tables.written(&ObjectName(table))?;
    if table.schema != sequence.schema {
        let message = "sequence must be in same schema as table it is linked to";
        return Err(Error::new(ErrorKind::ObjectState, message));
    }
    let column = table.column(&crate::dml::normalize(&column))?;
    Ok((table.id, column.name.clone()))
}

/// The sequence of that name; `None` where there need not be one.
pub(super) fn find(
    planning: &Planning<'_>,
    name: &ObjectName,
    if_exists: bool,
) -> Result<Result<SequenceDefinition, String>> {
    match planning.tables.relation(name)? {
        Some(Relation::Sequence(sequence)) => Ok(Ok(sequence.as_ref().clone())),
        Some(_) => {
            let (_, name) = planning.tables.split(name)?;
            Err(Error::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a sequence")))
        }
        None => {
            let (_, name) = planning.tables.split(name)?;
            if if_exists {
                return Ok(Err(format!("relation \"{name}\" does not exist, skipping")));
            }
            Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist")).on_table(name))
        }
    }
}

/// ALTER SEQUENCE with options.
pub(super) fn alter_sequence(
    planning: &Planning<'_>,
    name: &ObjectName,
    if_exists: bool,
    options: &SequenceOptions,
) -> Result<Definition> {
    let known = match find(planning, name, if_exists)? {
        Ok(known) => known,
        Err(notice) => return Ok(Definition::passed_over("ALTER SEQUENCE", notice)),
    };
    let mut sequence = options.alter(&known)?;
    if let Some(owner) = &options.owned_by {
        refuse_identity(planning, &known)?;
        sequence.owned_by = owner.as_ref().map(|owner| owner_of(planning, owner, &sequence)).transpose()?;
    }
    let mut definition = Definition::new("ALTER SEQUENCE", Vec::new());
    if let Some(restart) = options.restart {
        let value = restart.unwrap_or(sequence.start);
        if value < sequence.min {
            return Err(invalid(format!("RESTART value ({value}) cannot be less than MINVALUE ({})", sequence.min)));
        }
        if value > sequence.max {
            return Err(invalid(format!("RESTART value ({value}) cannot be greater than MAXVALUE ({})", sequence.max)));
        }
        definition.restarts.push((sequence.clone(), value));
    }
    if sequence != known {
        definition.changes.catalog.push(CatalogEdit::AlterSequence(sequence));
    }
    Ok(definition)
}

/// ALTER SEQUENCE ... RENAME TO, SET SCHEMA: defaults that draw from it follow.
pub(super) fn move_sequence(
    planning: &Planning<'_>,
    name: &ObjectName,
    if_exists: bool,
    schema: Option<&str>,
    new_name: Option<&str>,
) -> Result<Definition> {
    let known = match find(planning, name, if_exists)? {
        Ok(known) => known,
        Err(notice) => return Ok(Definition::passed_over("ALTER SEQUENCE", notice)),
    };
    let catalog = &planning.view.snapshot.catalog;
    if let Some(schema) = schema {
        check_schema(catalog, schema)?;
        if known.owned_by.is_some() {
            let message = "cannot move an owned sequence into another schema";
            return Err(Error::not_supported(message).with_hint("It moves with the table that owns it."));
        }
    }
    let place = Place {
        schema: schema.unwrap_or(&known.schema).to_string(),
        name: new_name.unwrap_or(&known.name).to_string(),
    };
    check_free(catalog, &place)?;
    let moved = SequenceDefinition { schema: place.schema, name: place.name, ..known.clone() };
    let mut edits = follow(planning, &known, &moved, None);
    edits.insert(0, CatalogEdit::AlterSequence(moved));
    Ok(Definition::new("ALTER SEQUENCE", edits))
}

/// Edits of the tables, but for one, whose defaults draw from a sequence that gets another name.
pub(super) fn follow(
    planning: &Planning<'_>,
    known: &SequenceDefinition,
    moved: &SequenceDefinition,
    but: Option<TableId>,
) -> Vec<CatalogEdit> {
    let tables = planning.view.snapshot.catalog.tables.values().filter(|table| Some(table.id) != but);
    tables.filter_map(|table| redirected(table, known, moved)).map(CatalogEdit::AlterTable).collect()
}

/// A table whose defaults draw from a sequence under its new name; `None` where none does.
pub(super) fn redirected(
    table: &TableDefinition,
    known: &SequenceDefinition,
    moved: &SequenceDefinition,
) -> Option<TableDefinition> {
    let (old, new) = (nextval(&known.schema, &known.name), nextval(&moved.schema, &moved.name));
    let mut table = table.clone();
    let mut changed = false;
    for default in table.columns.iter_mut().filter_map(|column| column.default.as_mut()) {
        if default.contains(&old) {
            *default = default.replace(&old, &new);
            changed = true;
        }
    }
    changed.then_some(table)
}

/// An identity column's sequence is the column's for good.
fn refuse_identity(planning: &Planning<'_>, sequence: &SequenceDefinition) -> Result<()> {
    let Some((table, column)) = &sequence.owned_by else { return Ok(()) };
    let table = planning.view.snapshot.catalog.tables.get(table);
    let is_identity = table.and_then(|table| table.get_column(column)).is_some_and(|column| column.identity.is_some());
    match is_identity {
        true => Err(Error::not_supported("cannot change ownership of identity sequence")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(options: SequenceOptions) -> Result<SequenceDefinition> {
        options.create(Place { schema: "public".into(), name: "s".into() }, SqlType::BigInt)
    }

    #[test]
    fn limits_follow_type_and_direction() {
        let up = created(SequenceOptions { sql_type: Some(SqlType::SmallInt), ..Default::default() }).unwrap();
        assert_eq!((up.start, up.min, up.max), (1, 1, 32_767));
        let down = created(SequenceOptions { increment: Some(-2), ..Default::default() }).unwrap();
        assert_eq!((down.start, down.min, down.max), (-1, i64::MIN, -1));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let cases = [
            SequenceOptions { increment: Some(0), ..Default::default() },
            SequenceOptions { min: Some(Some(5)), max: Some(Some(5)), ..Default::default() },
            SequenceOptions { start: Some(0), ..Default::default() },
            SequenceOptions { sql_type: Some(SqlType::SmallInt), max: Some(Some(40_000)), ..Default::default() },
            SequenceOptions { sql_type: Some(SqlType::Text), ..Default::default() },
        ];
        for options in cases {
            assert_eq!(created(options.clone()).unwrap_err().kind(), ErrorKind::InvalidParameter, "{options:?}");
        }
    }
}
