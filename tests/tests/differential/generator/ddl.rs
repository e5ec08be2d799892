//! Tables, views, and how they change.

use super::{Effect, Generator, Proposal};
use crate::differential::feature::Feature;
use crate::differential::schema::{Column, Constraint, ConstraintKind, Schema, TABLES, Table, Type, VIEWS, View};
use crate::differential::{Alike, Step};

impl Generator {
    pub(super) fn ddl(&mut self) -> Proposal {
        #[derive(Clone, Copy)]
        enum Kind {
            Create,
            Drop,
            Alter,
            View,
            DropView,
        }
        let on = |feature, weight| if self.has(feature) { weight } else { 0 };
        let kinds = [
            (if self.schema.tables.len() < TABLES.len() { 30 } else { 0 }, Kind::Create),
            (8, Kind::Drop),
            (on(Feature::Alter, 50), Kind::Alter),
            (on(Feature::Views, 12), Kind::View),
            (on(Feature::Views, 6), Kind::DropView),
        ];
        if self.schema.tables.is_empty() {
            return self.create_table();
        }
        match self.dice.weighted(&kinds) {
            Kind::Create => self.create_table(),
            Kind::Drop => self.drop_table(),
            Kind::Alter => self.alter_table(),
            Kind::View => self.create_view(),
            Kind::DropView => self.drop_view(),
        }
    }

    pub(super) fn create_table(&mut self) -> Proposal {
        let taken = |name: &&&str| self.schema.tables.iter().any(|table| table.name == **name);
        let Some(name) = TABLES.iter().find(|name| !taken(name)) else { return self.drop_table() };
        let mut table = Table { name: name.to_string(), columns: vec![], key: vec![], constraints: vec![] };
        let mut parts = self.key(&mut table);
        for number in 1..=self.dice.between(2, 4) {
            parts.push(self.column_definition(&mut table, format!("c{number}")));
        }
        if let [key, .., _] = table.key.as_slice()
            && !table.columns.is_empty()
        {
            let first = key.clone();
            parts.push(format!("PRIMARY KEY ({first}, {})", table.key[1]));
        }
        parts.extend(self.table_constraints(&mut table));
        let sql = format!("CREATE TABLE {name} ({})", parts.join(", "));
        let mut after = self.schema.clone();
        after.tables.push(table);
        Proposal::new(sql, Effect::Schema(after))
    }

    /// Adds the columns of the key, if it gets one, and says how they are declared.
    fn key(&mut self, table: &mut Table) -> Vec<String> {
        let mut add = |name: &str, kind: Type| {
            table.key.push(name.to_string());
            table.columns.push(Column { name: name.to_string(), kind, not_null: true, has_default: false });
        };
        let keyless = if self.has(Feature::Keyless) { 10 } else { 0 };
        match self.dice.weighted(&[(55, 0), (12, 1), (8, 2), (12, 3), (keyless, 4)]) {
            0 => add("id", Type::Integer),
            1 => add("id", Type::Bigint),
            2 => add("id", Type::Text),
            3 => {
                add("a", Type::Integer);
                add("b", Type::Text);
                return vec!["a integer".to_string(), "b text".to_string()];
            }
            _ => return vec![],
        }
        vec![format!("id {} PRIMARY KEY", table.columns[0].kind.name())]
    }

    /// Adds a column, and says how it is declared.
    fn column_definition(&mut self, table: &mut Table, name: String) -> String {
        let kind = *self.dice.pick(Type::ALL);
        let mut text = format!("{name} {}", kind.name());
        let (not_null, has_default) = (self.dice.chance(20), self.dice.chance(25));
        if not_null {
            text += " NOT NULL";
        }
        if has_default {
            text += &format!(" DEFAULT {}", self.value(kind));
        }
        let mut constraint = |suffix: &str, constraint: ConstraintKind| {
            let constraint_name = format!("{}_{name}_{suffix}", table.name);
            table.constraints.push(Constraint { name: constraint_name, columns: vec![name.clone()], kind: constraint });
        };
        if self.has(Feature::Unique) && kind != Type::Boolean && self.dice.chance(12) {
            text += " UNIQUE";
            constraint("key", ConstraintKind::Unique);
        }
        if self.has(Feature::Check) && self.dice.chance(12) {
            text += &format!(" CHECK ({})", self.check(&name, kind));
            constraint("check", ConstraintKind::Check);
        }
        if self.has(Feature::References)
            && self.dice.chance(30)
            && let Some((target, column)) = self.target(kind)
        {
            text += &format!(" REFERENCES {target} ({column}){}", self.on_delete());
            constraint("fkey", ConstraintKind::References(target, column));
        }
        table.columns.push(Column { name, kind, not_null, has_default });
        text
    }

    /// A column that a foreign key of this type can refer to.
    fn target(&mut self, kind: Type) -> Option<(String, String)> {
        let targets = self.schema.tables.iter().flat_map(|table| {
            let fitting = table.targets().into_iter().filter(|column| column.kind == kind);
            fitting.map(|column| (table.name.clone(), column.name.clone())).collect::<Vec<_>>()
        });
        let targets: Vec<(String, String)> = targets.collect();
        (!targets.is_empty()).then(|| self.dice.pick(&targets).clone())
    }

    fn on_delete(&mut self) -> &'static str {
        let actions: [&str; 5] = ["", "", " ON DELETE NO ACTION", " ON DELETE CASCADE", " ON DELETE SET NULL"];
        self.dice.pick::<&str>(&actions)
    }

    /// A condition on one column that most values fulfil.
    fn check(&mut self, column: &str, kind: Type) -> String {
        match kind {
            Type::Integer | Type::Bigint => format!("{column} >= 0"),
            Type::Text => format!("{column} <> 'zebra'"),
            Type::Boolean => format!("{column} IS NOT NULL"),
            Type::Date => format!("{column} > '2024-01-05'"),
            Type::Numeric => format!("{column} < 18"),
        }
    }

    /// Constraints over several columns.
    fn table_constraints(&mut self, table: &mut Table) -> Vec<String> {
        let mut parts = Vec::new();
        let pairs: Vec<(Column, Column)> = (1..table.columns.len())
            .map(|second| (table.columns[second - 1].clone(), table.columns[second].clone()))
            .filter(|(a, b)| a.kind == b.kind && a.kind != Type::Boolean)
            .collect();
        let Some((a, b)) = pairs.first() else { return parts };
        let columns = vec![a.name.clone(), b.name.clone()];
        if self.has(Feature::Check) && self.dice.chance(15) {
            let name = self.name("ordered_");
            parts.push(format!("CONSTRAINT {name} CHECK ({} <> {})", a.name, b.name));
            table.constraints.push(Constraint { name, columns: columns.clone(), kind: ConstraintKind::Check });
        }
        if self.has(Feature::Unique) && self.dice.chance(20) {
            let name = format!("{}_{}_{}_key", table.name, a.name, b.name);
            parts.push(format!("UNIQUE ({}, {})", a.name, b.name));
            table.constraints.push(Constraint { name, columns, kind: ConstraintKind::Unique });
        }
        parts
    }

    fn drop_table(&mut self) -> Proposal {
        let table = self.table();
        let mut after = self.schema.clone();
        after.tables.retain(|other| other.name != table.name);
        let clause = *self.dice.pick(&["", "", "IF EXISTS "]);
        Proposal::new(format!("DROP TABLE {clause}{}", table.name), Effect::Schema(after))
    }

    fn alter_table(&mut self) -> Proposal {
        let table = self.table();
        // What a view does with a changed table is a matter of its own.
        if self.schema.has_view_over(&table.name) {
            return self.drop_view();
        }
        let mut after = self.schema.clone();
        let change = match self.dice.between(0, 9) {
            0..=2 => self.add_column(after.table_mut(&table.name)),
            3 => drop_column(self, &table, &mut after),
            4 => rename_column(self, &table, &mut after),
            5 => rename_table(&table, &mut after),
            6 => self.alter_default(after.table_mut(&table.name)),
            7 => self.alter_null(&table, after.table_mut(&table.name)),
            8 => drop_constraint(self, &table, &mut after),
            _ => self.add_constraint(after.table_mut(&table.name)),
        };
        match change {
            Some(change) => {
                let proposal = Proposal::new(format!("ALTER TABLE {} {change}", table.name), Effect::Schema(after));
                Proposal { step: Step { errors: Alike::Class, ..proposal.step }, ..proposal }
            }
            None => self.create_table(),
        }
    }

    fn add_column(&mut self, table: &mut Table) -> Option<String> {
        let name = self.name("n");
        Some(format!("ADD COLUMN {}", self.column_definition(table, name)))
    }

    fn alter_default(&mut self, table: &mut Table) -> Option<String> {
        let index = self.dice.between(0, table.columns.len() as i64 - 1) as usize;
        let column = &mut table.columns[index];
        column.has_default = self.dice.chance(60);
        Some(if column.has_default {
            format!("ALTER COLUMN {} SET DEFAULT {}", column.name, self.value(column.kind))
        } else {
            format!("ALTER COLUMN {} DROP DEFAULT", column.name)
        })
    }

    fn alter_null(&mut self, before: &Table, table: &mut Table) -> Option<String> {
        let index = self.dice.between(0, table.columns.len() as i64 - 1) as usize;
        let column = &mut table.columns[index];
        if before.key.contains(&column.name) {
            return None;
        }
        column.not_null = self.dice.chance(50);
        let verb = if column.not_null { "SET" } else { "DROP" };
        Some(format!("ALTER COLUMN {} {verb} NOT NULL", column.name))
    }

    fn add_constraint(&mut self, table: &mut Table) -> Option<String> {
        let column = self.dice.pick(&table.columns).clone();
        let name = self.name("rule_");
        let columns = vec![column.name.clone()];
        let (kind, text) = match self.dice.between(0, 2) {
            0 if self.has(Feature::Unique) && column.kind != Type::Boolean => {
                (ConstraintKind::Unique, format!("UNIQUE ({})", column.name))
            }
            1 if self.has(Feature::Check) => {
                (ConstraintKind::Check, format!("CHECK ({})", self.check(&column.name, column.kind)))
            }
            2 if self.has(Feature::References) => {
                let (to, target) = self.target(column.kind)?;
                let text = format!("FOREIGN KEY ({}) REFERENCES {to} ({target}){}", column.name, self.on_delete());
                (ConstraintKind::References(to, target), text)
            }
            _ => return None,
        };
        table.constraints.push(Constraint { name: name.clone(), columns, kind });
        Some(format!("ADD CONSTRAINT {name} {text}"))
    }

    fn create_view(&mut self) -> Proposal {
        let taken = |name: &&&str| self.schema.views.iter().any(|view| view.name == **name);
        let Some(name) = VIEWS.iter().find(|name| !taken(name)) else { return self.drop_view() };
        let table = self.table();
        let columns: Vec<Column> = self.dice.some(&table.columns, 3).into_iter().cloned().collect();
        let list: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let filter = self.condition(&super::expression::scope_of(&table, None), 0);
        let sql = format!("CREATE VIEW {name} AS SELECT {} FROM {} WHERE {filter}", list.join(", "), table.name);
        let mut after = self.schema.clone();
        after.views.push(View { name: name.to_string(), over: table.name, columns });
        Proposal::new(sql, Effect::Schema(after))
    }

    fn drop_view(&mut self) -> Proposal {
        let name = *self.dice.pick(VIEWS);
        let mut after = self.schema.clone();
        after.views.retain(|view| view.name != name);
        let clause = *self.dice.pick(&["IF EXISTS ", "IF EXISTS ", ""]);
        Proposal::new(format!("DROP VIEW {clause}{name}"), Effect::Schema(after))
    }
}

/// Drops a column that nothing else needs.
fn drop_column(generator: &mut Generator, table: &Table, after: &mut Schema) -> Option<String> {
    let free: Vec<&Column> = table.columns.iter().filter(|column| !table.constrains(&column.name)).collect();
    if free.is_empty() || table.columns.len() < 3 {
        return None;
    }
    let name = generator.dice.pick(&free).name.clone();
    after.table_mut(&table.name).columns.retain(|column| column.name != name);
    Some(format!("DROP COLUMN {name}"))
}

fn rename_column(generator: &mut Generator, table: &Table, after: &mut Schema) -> Option<String> {
    let old = generator.dice.pick(&table.columns).name.clone();
    let new = generator.name("r");
    for other in &mut after.tables {
        let is_table = other.name == table.name;
        for constraint in &mut other.constraints {
            if is_table {
                constraint.columns.iter_mut().filter(|name| **name == old).for_each(|name| name.clone_from(&new));
            }
            if let ConstraintKind::References(to, column) = &mut constraint.kind
                && *to == table.name
                && *column == old
            {
                column.clone_from(&new);
            }
        }
        if is_table {
            other.key.iter_mut().filter(|name| **name == old).for_each(|name| name.clone_from(&new));
            other
                .columns
                .iter_mut()
                .filter(|column| column.name == old)
                .for_each(|column| column.name.clone_from(&new));
        }
    }
    Some(format!("RENAME COLUMN {old} TO {new}"))
}

fn rename_table(table: &Table, after: &mut Schema) -> Option<String> {
    let taken = |name: &&&str| after.tables.iter().any(|table| table.name == **name);
    let new = TABLES.iter().find(|name| !taken(name))?.to_string();
    for constraint in after.tables.iter_mut().flat_map(|table| &mut table.constraints) {
        if let ConstraintKind::References(to, _) = &mut constraint.kind
            && *to == table.name
        {
            to.clone_from(&new);
        }
    }
    after.table_mut(&table.name).name.clone_from(&new);
    Some(format!("RENAME TO {new}"))
}

fn drop_constraint(generator: &mut Generator, table: &Table, after: &mut Schema) -> Option<String> {
    if table.constraints.is_empty() {
        return None;
    }
    let constraint = generator.dice.pick(&table.constraints).clone();
    after.table_mut(&table.name).constraints.retain(|other| other.name != constraint.name);
    Some(format!("DROP CONSTRAINT {}", constraint.name))
}
