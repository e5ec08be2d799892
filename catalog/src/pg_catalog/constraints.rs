//! Constraints of tables of users, as `pg_constraint` and `information_schema` show them.

use slipstream_engine::catalog::{Catalog, ForeignKey, ReferentialAction, TableDefinition, UniqueConstraint};

use super::definitions::{display_name, quote_identifier};
use super::objects::{Object, Objects, constraint_oid, index_oid};

/// A constraint.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Object id.
    pub oid: u32,
    /// Name.
    pub name: String,
    /// What it asks for.
    pub kind: ConstraintKind,
    /// Numbers of the columns that it is about, from 1.
    pub columns: Vec<i16>,
}

/// What a constraint asks for.
#[derive(Debug, Clone)]
pub enum ConstraintKind {
    /// A primary key, by this index.
    PrimaryKey(u32),
    /// A key, by this index.
    Unique(u32),
    /// A condition.
    Check(String),
    /// A partner in another table.
    Foreign(Reference),
}

/// What a foreign key refers to.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Object id of the table.
    pub table: u32,
    /// Numbers of its columns.
    pub columns: Vec<i16>,
    /// The key that these columns are.
    pub index: u32,
    /// Name of that key's constraint.
    pub key: String,
    /// What happens when the partner goes.
    pub on_delete: ReferentialAction,
}

impl Constraint {
    /// The index that the constraint itself has.
    pub fn own_index(&self) -> Option<u32> {
        match self.kind {
            ConstraintKind::PrimaryKey(index) | ConstraintKind::Unique(index) => Some(index),
            ConstraintKind::Check(_) | ConstraintKind::Foreign(_) => None,
        }
    }

    /// Whether it is a primary key.
    pub fn is_primary(&self) -> bool {
        matches!(self.kind, ConstraintKind::PrimaryKey(_))
    }

    /// What a foreign key refers to.
    pub fn reference(&self) -> Option<&Reference> {
        match &self.kind {
            ConstraintKind::Foreign(reference) => Some(reference),
            _ => None,
        }
    }

    /// `pg_constraint.contype`.
    pub fn letter(&self) -> char {
        match self.kind {
            ConstraintKind::PrimaryKey(_) => 'p',
            ConstraintKind::Unique(_) => 'u',
            ConstraintKind::Check(_) => 'c',
            ConstraintKind::Foreign(_) => 'f',
        }
    }

    /// The standard's name of its kind.
    pub fn standard_name(&self) -> &'static str {
        match self.kind {
            ConstraintKind::PrimaryKey(_) => "PRIMARY KEY",
            ConstraintKind::Unique(_) => "UNIQUE",
            ConstraintKind::Check(_) => "CHECK",
            ConstraintKind::Foreign(_) => "FOREIGN KEY",
        }
    }
}

/// The constraints of a table. Keys come first.
pub(super) fn of_table(catalog: &Catalog, table: &TableDefinition) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    for (number, key) in table.unique_keys().into_iter().enumerate() {
        let index = index_oid(table.oid, number);
        let is_primary = number == 0 && !table.primary_key.is_empty();
        let kind = if is_primary { ConstraintKind::PrimaryKey(index) } else { ConstraintKind::Unique(index) };
        let UniqueConstraint { name, columns } = key;
        constraints.push((name, kind, numbers(table, &columns)));
    }
    for check in &table.checks {
        let mentioned = (1i16..).zip(&table.columns).filter(|(_, column)| mentions(&check.expression, &column.name));
        let columns = mentioned.map(|(number, _)| number).collect();
        constraints.push((check.name.clone(), ConstraintKind::Check(check.expression.clone()), columns));
    }
    for key in &table.foreign_keys {
        if let Some(reference) = reference(catalog, key) {
            constraints.push((key.name.clone(), ConstraintKind::Foreign(reference), numbers(table, &key.columns)));
        }
    }
    let numbered = constraints.into_iter().enumerate();
    numbered
        .map(|(number, (name, kind, columns))| Constraint {
            oid: constraint_oid(table.oid, number),
            name,
            kind,
            columns,
        })
        .collect()
}

fn numbers(table: &TableDefinition, columns: &[String]) -> Vec<i16> {
    let position = |name: &String| table.columns.iter().position(|column| &column.name == name);
    columns.iter().filter_map(position).map(|position| position as i16 + 1).collect()
}

fn reference(catalog: &Catalog, key: &ForeignKey) -> Option<Reference> {
    let table = catalog.tables.get(&key.table)?;
    let is_referenced = |unique: &UniqueConstraint| {
        unique.columns.len() == key.referenced.len() && unique.columns.iter().all(|c| key.referenced.contains(c))
    };
    let (number, unique) = table.unique_keys().into_iter().enumerate().find(|(_, unique)| is_referenced(unique))?;
    Some(Reference {
        table: table.oid,
        columns: numbers(table, &key.referenced),
        index: index_oid(table.oid, number),
        key: unique.name,
        on_delete: key.on_delete,
    })
}

/// Whether the text of an expression has a name in it, outside of strings.
fn mentions(expression: &str, name: &str) -> bool {
    let mut rest = expression.char_indices().peekable();
    while let Some((start, character)) = rest.next() {
        match character {
            '\'' => while rest.next().is_some_and(|(_, c)| c != '\'') {},
            '"' => {
                let from = start + 1;
                let end = expression[from..].find('"').map_or(expression.len(), |length| from + length);
                while rest.next_if(|(at, _)| *at <= end).is_some() {}
                if &expression[from..end] == name {
                    return true;
                }
            }
            first if first.is_alphabetic() || first == '_' => {
                let mut end = start + first.len_utf8();
                while let Some((at, c)) = rest.next_if(|(_, c)| c.is_alphanumeric() || *c == '_' || *c == '$') {
                    end = at + c.len_utf8();
                }
                if expression[start..end].to_lowercase() == name {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// A constraint as SQL text.
pub(super) fn definition(objects: &Objects, constraint: &Constraint, table: &Object) -> String {
    let columns = names(table, &constraint.columns);
    match &constraint.kind {
        ConstraintKind::PrimaryKey(_) => format!("PRIMARY KEY ({columns})"),
        ConstraintKind::Unique(_) => format!("UNIQUE ({columns})"),
        ConstraintKind::Check(expression) => format!("CHECK (({expression}))"),
        ConstraintKind::Foreign(reference) => {
            let Some(to) = objects.get(reference.table) else { return String::new() };
            let action = match reference.on_delete {
                ReferentialAction::NoAction => "",
                ReferentialAction::Cascade => " ON DELETE CASCADE",
                ReferentialAction::SetNull => " ON DELETE SET NULL",
            };
            let referenced = names(to, &reference.columns);
            format!("FOREIGN KEY ({columns}) REFERENCES {}({referenced}){action}", display_name(objects, to))
        }
    }
}

fn names(table: &Object, numbers: &[i16]) -> String {
    table.columns_at(numbers).map(|column| quote_identifier(&column.name)).collect::<Vec<_>>().join(", ")
}

/// The definition of the constraint with that id.
pub(super) fn text(objects: &Objects, oid: u32) -> Option<String> {
    let (constraint, table) = objects.constraints().find(|(constraint, _)| constraint.oid == oid)?;
    Some(definition(objects, constraint, table))
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn names_are_found_outside_of_strings() {
        assert!(mentions("a > 0 AND \"B c\" < 2", "a"));
        assert!(mentions("a > 0 AND \"B c\" < 2", "B c"));
        assert!(mentions("length(A) > 0", "a"));
        assert!(!mentions("ab > 0 AND c = 'a'", "a"));
    }
}
