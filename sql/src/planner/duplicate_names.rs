//! No two tables of one FROM may have the same name (`42712`).
//!
//! DataFusion would take both, and call their columns ambiguous.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ObjectName, Select, Statement, TableAlias, TableFactor, TableWithJoins, Visit, Visitor,
};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::dml::normalize;

/// Refuses a statement one of whose FROMs has two tables of a name.
pub(crate) fn check(statement: &Statement) -> Result<()> {
    struct Names;
    impl Visitor for Names {
        type Break = Error;
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
            match duplicate(&select.from) {
                Some(name) => ControlFlow::Break(Error::new(
                    ErrorKind::DuplicateAlias,
                    format!("table name \"{name}\" specified more than once"),
                )),
                None => ControlFlow::Continue(()),
            }
        }
    }
    match statement.visit(&mut Names) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// What a table is called, and where it is, if it is one without an alias.
#[derive(Clone, PartialEq)]
struct Name {
    name: String,
    place: Option<Vec<String>>,
}

fn duplicate(from: &[TableWithJoins]) -> Option<String> {
    let mut names = Vec::new();
    from.iter().for_each(|table| add(table, &mut names));
    let clash = |a: &Name, b: &Name| {
        // Tables of one name in two schemas are told apart by those.
        a.name == b.name && (a.place.is_none() || b.place.is_none() || a.place == b.place)
    };
    let mut known = names.iter().enumerate();
    known.find(|(at, name)| names[..*at].iter().any(|other| clash(other, name))).map(|(_, name)| name.name.clone())
}

fn add(table: &TableWithJoins, names: &mut Vec<Name>) {
    add_factor(&table.relation, names);
    table.joins.iter().for_each(|join| add_factor(&join.relation, names));
}

fn add_factor(factor: &TableFactor, names: &mut Vec<Name>) {
    match factor {
        TableFactor::Table { name, alias, .. } => names.extend(called(alias.as_ref()).or_else(|| table(name))),
        TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. } => {
            names.extend(called(alias.as_ref()));
        }
        TableFactor::NestedJoin { table_with_joins, alias } => match called(alias.as_ref()) {
            Some(name) => names.push(name),
            None => add(table_with_joins, names),
        },
        _ => {}
    }
}

fn called(alias: Option<&TableAlias>) -> Option<Name> {
    alias.map(|alias| Name { name: normalize(&alias.name), place: None })
}

fn table(name: &ObjectName) -> Option<Name> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(normalize).collect();
    Some(Name { name: parts.last()?.clone(), place: Some(parts) })
}
