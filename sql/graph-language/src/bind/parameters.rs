//! Parameters and their types: as they are used, else as they were declared.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::types::Class;
use crate::CypherParameter;
use crate::lexer::Span;

/// Words that the index's language reserves; it cannot name a parameter so.
const RESERVED_BY_INDEX: &[&str] = &[
    "all",
    "and",
    "any",
    "asc",
    "ascending",
    "case",
    "cast",
    "column",
    "create",
    "dbtype",
    "default",
    "desc",
    "descending",
    "distinct",
    "else",
    "end",
    "ends",
    "exists",
    "false",
    "for",
    "glob",
    "group",
    "headers",
    "hint",
    "in",
    "index",
    "install",
    "join",
    "macro",
    "multi_join",
    "none",
    "not",
    "null",
    "on",
    "only",
    "optional",
    "options",
    "or",
    "order",
    "primary",
    "profile",
    "property",
    "shortest",
    "single",
    "sorted",
    "starts",
    "table",
    "then",
    "trail",
    "true",
    "union",
    "unwind",
    "when",
    "where",
    "with",
    "wshortest",
    "xor",
];

/// The parameters that a query names.
#[derive(Debug)]
pub(super) struct Parameters {
    declared: Vec<CypherParameter>,
    used: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    span: Span,
    /// The type that its use asks for.
    sql_type: Option<SqlType>,
}

impl Parameters {
    pub(super) fn new(declared: &[CypherParameter]) -> Parameters {
        Parameters { declared: declared.to_vec(), used: Vec::new() }
    }

    /// Notes that `name` is used at `span`. The type is what is known of it so far.
    pub(super) fn reference(&mut self, name: &str, span: Span) -> Result<Option<SqlType>> {
        if RESERVED_BY_INDEX.iter().any(|word| word.eq_ignore_ascii_case(name)) || !name.is_ascii() {
            return Err(Error::not_supported(format!("a parameter with the name \"{name}\" is not supported"))
                .with_hint("Give it another name.")
                .at(span.position()));
        }
        if !self.used.iter().any(|slot| slot.name == name) {
            self.used.push(Slot { name: name.to_string(), span, sql_type: None });
        }
        Ok(self.used_type(name).or_else(|| self.declared_type(name)))
    }

    /// Says that a use asks for `sql_type`. The first use decides.
    pub(super) fn resolve(&mut self, name: &str, sql_type: &SqlType) {
        let sql_type = unbounded(sql_type);
        if let Some(slot) = self.used.iter_mut().find(|slot| slot.name == name) {
            slot.sql_type.get_or_insert(sql_type);
        }
    }

    /// Whether `name` can still become a `target`: no use has decided, and its declared type (a JSON value's, say) reads as one.
    pub(super) fn can_become(&self, name: &str, target: &SqlType) -> bool {
        if self.used_type(name).is_some() {
            return false;
        }
        self.declared_type(name).is_none_or(|declared| reads_as(&declared, target))
    }

    /// All parameters with their types, in order of first use; `42P02` for one whose type nothing says.
    pub(super) fn finish(&self) -> Result<Vec<CypherParameter>> {
        self.used
            .iter()
            .map(|slot| {
                let sql_type = slot.sql_type.clone().or_else(|| self.declared_type(&slot.name)).ok_or_else(|| {
                    Error::new(
                        ErrorKind::UndefinedParameter,
                        format!("could not determine data type of parameter ${}", slot.name),
                    )
                    .at(slot.span.position())
                })?;
                Ok(CypherParameter { name: slot.name.clone(), sql_type })
            })
            .collect()
    }

    fn used_type(&self, name: &str) -> Option<SqlType> {
        self.used.iter().find(|slot| slot.name == name)?.sql_type.clone()
    }

    fn declared_type(&self, name: &str) -> Option<SqlType> {
        self.declared.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.sql_type.clone())
    }
}

/// The type without a length limit: a parameter longer than its column is no match, not an error.
fn unbounded(sql_type: &SqlType) -> SqlType {
    match sql_type {
        SqlType::Varchar(_) => SqlType::Text,
        SqlType::Array(item) => SqlType::Array(Box::new(unbounded(item))),
        _ => sql_type.clone(),
    }
}

fn reads_as(declared: &SqlType, target: &SqlType) -> bool {
    match (declared, target) {
        (SqlType::Array(declared), SqlType::Array(target)) => reads_as(declared, target),
        _ => match Class::of(declared) {
            Class::Text => !matches!(Class::of(target), Class::List | Class::Dynamic),
            Class::Integer => matches!(Class::of(target), Class::Integer | Class::Float),
            Class::Numeric => matches!(Class::of(target), Class::Integer | Class::Float | Class::Numeric),
            class => class == Class::of(target),
        },
    }
}
