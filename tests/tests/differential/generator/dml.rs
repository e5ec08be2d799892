//! Statements that change rows.

use super::Generator;
use super::expression::{Named, scope_of};
use crate::differential::feature::Feature;
use crate::differential::schema::{Column, Table, Type};
use crate::differential::{Alike, Step};

#[derive(Clone, Copy)]
enum Kind {
    Insert,
    InsertSelect,
    Update,
    UpdateFrom,
    Delete,
    DeleteUsing,
    Truncate,
    Merge,
    Copy,
}

impl Generator {
    /// A statement, and the table that it is about.
    pub(super) fn dml(&mut self) -> (Step, Table) {
        let table = self.table();
        let on = |feature, weight| if self.has(feature) { weight } else { 0 };
        let kinds = [
            (48, Kind::Insert),
            (on(Feature::InsertSelect, 6), Kind::InsertSelect),
            (18, Kind::Update),
            (on(Feature::UpdateFrom, 5), Kind::UpdateFrom),
            (8, Kind::Delete),
            (on(Feature::DeleteUsing, 3), Kind::DeleteUsing),
            (on(Feature::Truncate, 1), Kind::Truncate),
            (on(Feature::Merge, 5), Kind::Merge),
            (on(Feature::Copy, 4), Kind::Copy),
        ];
        let step = match self.dice.weighted(&kinds) {
            Kind::Insert => self.insert(&table),
            Kind::InsertSelect => self.insert_select(&table),
            Kind::Update => self.update(&table),
            Kind::UpdateFrom => self.update_from(&table),
            Kind::Delete => self.delete(&table),
            Kind::DeleteUsing => self.delete_using(&table),
            Kind::Truncate => self.truncate(&table),
            Kind::Merge => self.merge(&table),
            Kind::Copy => self.copy(&table),
        };
        (step, table)
    }

    /// Rows for a table that has none, with keys that differ.
    pub(super) fn fill(&mut self, name: &str) -> Step {
        let Some(table) = self.schema.tables.iter().find(|table| table.name == name).cloned() else {
            return self.dml().0;
        };
        let rows: Vec<String> = (1..=self.dice.between(3, 12))
            .map(|number| {
                let values: Vec<String> = table
                    .columns
                    .iter()
                    .map(|column| match column.kind {
                        Type::Integer | Type::Bigint if table.is_distinct(&column.name) => number.to_string(),
                        Type::Text if table.is_distinct(&column.name) => format!("'w{number}'"),
                        _ => self.input(column, &table),
                    })
                    .collect();
                format!("({})", values.join(", "))
            })
            .collect();
        Step { errors: Alike::Class, ..Step::new(format!("INSERT INTO {name} VALUES {}", rows.join(", "))) }
    }

    /// The columns that an INSERT names: all, or those that it has to and some more.
    fn target_columns(&mut self, table: &Table) -> Vec<Column> {
        if self.dice.chance(60) {
            return table.columns.clone();
        }
        let mut chosen = table.columns.clone();
        chosen.retain(|column| table.key.contains(&column.name) || self.dice.chance(70));
        chosen
    }

    /// A value for a column in VALUES.
    fn input(&mut self, column: &Column, table: &Table) -> String {
        if table.key.contains(&column.name) {
            return if self.dice.chance(98) { self.value(column.kind) } else { "NULL".to_string() };
        }
        let null = if column.not_null { 3 } else { 18 };
        match self.dice.between(0, 99) {
            chance if chance < null => "NULL".to_string(),
            chance if chance < null + 8 => "DEFAULT".to_string(),
            chance if chance < null + 14 => self.expression(column.kind, &[], 1),
            _ => self.value(column.kind),
        }
    }

    fn insert(&mut self, table: &Table) -> Step {
        let columns = self.target_columns(table);
        let count = self.dice.weighted(&[(60, 1), (15, 2), (15, 4), (10, 8)]);
        let rows: Vec<String> = (0..count)
            .map(|_| {
                let values: Vec<String> = columns.iter().map(|column| self.input(column, table)).collect();
                format!("({})", values.join(", "))
            })
            .collect();
        let list = if columns.len() == table.columns.len() && self.dice.chance(50) {
            String::new()
        } else {
            format!(" ({})", names(&columns).join(", "))
        };
        // PostgreSQL sees no DEFAULT in an INSERT without columns.
        let conflict = self.on_conflict(table);
        let returning = self.returning(&scope_of(table, None));
        let alias = if conflict.contains("old.") { " AS old" } else { "" };
        let sql = if columns.is_empty() {
            format!("INSERT INTO {}{alias} DEFAULT VALUES{conflict}{returning}", table.name)
        } else {
            format!("INSERT INTO {}{alias}{list} VALUES {}{conflict}{returning}", table.name, rows.join(", "))
        };
        let single = count == 1 && conflict.is_empty();
        Step { errors: if single { Alike::Details } else { Alike::Class }, ..Step::new(sql) }
    }

    fn on_conflict(&mut self, table: &Table) -> String {
        if !self.has(Feature::OnConflict) || self.dice.chance(75) {
            return String::new();
        }
        let targets: Vec<String> = table.targets().into_iter().map(|column| column.name.clone()).collect();
        let target = match targets.as_slice() {
            [] if table.key.len() == 2 => format!("({})", table.key.join(", ")),
            [] => return " ON CONFLICT DO NOTHING".to_string(),
            targets => format!("({})", self.dice.pick(targets)),
        };
        let free: Vec<Column> = table.columns.iter().filter(|c| !table.is_distinct(&c.name)).cloned().collect();
        if free.is_empty() || self.dice.chance(35) {
            let target = if self.dice.chance(50) { format!(" {target}") } else { String::new() };
            return format!(" ON CONFLICT{target} DO NOTHING");
        }
        let mut scope = scope_of(table, Some("old"));
        scope.extend(scope_of(table, Some("excluded")));
        let chosen: Vec<Column> = self.dice.some(&free, 2).into_iter().cloned().collect();
        let assignments: Vec<String> = chosen
            .iter()
            .map(|column| format!("{} = {}", column.name, self.expression(column.kind, &scope, 1)))
            .collect();
        let filter = if self.dice.chance(25) { format!(" WHERE {}", self.condition(&scope, 1)) } else { String::new() };
        format!(" ON CONFLICT {target} DO UPDATE SET {}{filter}", assignments.join(", "))
    }

    fn returning(&mut self, scope: &[Named]) -> String {
        if !self.has(Feature::Returning) || self.dice.chance(75) {
            return String::new();
        }
        if self.dice.chance(40) {
            return " RETURNING *".to_string();
        }
        let chosen: Vec<Named> = self.dice.some(scope, 3).into_iter().cloned().collect();
        let mut list: Vec<String> = chosen.into_iter().map(|named| named.text).collect();
        if self.dice.chance(40) {
            let kind = *self.dice.pick(Type::ALL);
            list.push(format!("{} AS more", self.expression(kind, scope, 1)));
        }
        format!(" RETURNING {}", list.join(", "))
    }

    fn insert_select(&mut self, table: &Table) -> Step {
        let source = self.table();
        let scope = scope_of(&source, None);
        let moved = self.dice.between(10, 60);
        // Keys are made from the keys of the source, so that they meet only what is there.
        let expressions: Vec<String> = table
            .columns
            .iter()
            .map(|column| match source.single_key() {
                Some(key) if table.key.contains(&column.name) => match (key.kind, column.kind) {
                    (Type::Integer | Type::Bigint, Type::Integer) => format!("CAST({} + {moved} AS integer)", key.name),
                    (Type::Integer | Type::Bigint, Type::Bigint) => format!("{} + {moved}", key.name),
                    (_, Type::Text) => format!("'k' || {} || {moved}", key.name),
                    (_, kind) => self.expression(kind, &scope, 1),
                },
                _ => self.expression(column.kind, &scope, 1),
            })
            .collect();
        let filter = self.filter(&scope, 1);
        let returning = self.returning(&scope_of(table, None));
        let sql = format!(
            "INSERT INTO {} SELECT {} FROM {} WHERE {filter}{returning}",
            table.name,
            expressions.join(", "),
            source.name
        );
        Step { errors: Alike::Class, ..Step::new(sql) }
    }

    /// Assignments to columns that need not be distinct.
    fn assignments(&mut self, table: &Table, scope: &[Named]) -> Option<String> {
        let free: Vec<Column> = table.columns.iter().filter(|c| !table.is_distinct(&c.name)).cloned().collect();
        if free.is_empty() {
            return None;
        }
        let chosen: Vec<Column> = self.dice.some(&free, 3).into_iter().cloned().collect();
        let parts: Vec<String> = chosen
            .iter()
            .map(|column| match self.dice.between(0, 9) {
                0 if column.has_default || !column.not_null => format!("{} = DEFAULT", column.name),
                1 => format!("{} = NULL", column.name),
                2 | 3 => format!("{} = {}", column.name, self.value(column.kind)),
                _ => format!("{} = {}", column.name, self.expression(column.kind, scope, 2)),
            })
            .collect();
        Some(parts.join(", "))
    }

    fn update(&mut self, table: &Table) -> Step {
        let scope = scope_of(table, None);
        let returning = self.returning(&scope);
        // One row takes another key, or another value that must be distinct.
        if let Some(key) = table.single_key()
            && self.dice.chance(15)
        {
            let distinct: Vec<Column> =
                table.columns.iter().filter(|column| table.is_distinct(&column.name)).cloned().collect();
            let moved = self.dice.pick(&distinct).clone();
            let (old, new) = (self.value(key.kind), self.value(moved.kind));
            let sql = format!("UPDATE {} SET {} = {new} WHERE {} = {old}{returning}", table.name, moved.name, key.name);
            return Step { errors: Alike::Class, ..Step::new(sql) };
        }
        let Some(assignments) = self.assignments(table, &scope) else { return self.insert(table) };
        let filter = if self.dice.chance(88) { format!(" WHERE {}", self.narrow(table, None)) } else { String::new() };
        let sql = format!("UPDATE {} SET {assignments}{filter}{returning}", table.name);
        Step { errors: Alike::Class, ..Step::new(sql) }
    }

    /// An UPDATE from a table of which at most one row fits each of the target's.
    fn update_from(&mut self, table: &Table) -> Step {
        let source = self.table();
        let Some(key) = source.single_key() else { return self.update(table) };
        let fitting: Vec<&Column> = table.columns.iter().filter(|column| column.kind == key.kind).collect();
        if fitting.is_empty() {
            return self.update(table);
        }
        let through = self.dice.pick(&fitting).name.clone();
        let mut scope = scope_of(table, Some("d"));
        scope.extend(scope_of(&source, Some("s")));
        let Some(assignments) = self.assignments(table, &scope) else { return self.insert(table) };
        let filter = if self.dice.chance(50) { format!(" AND {}", self.filter(&scope, 1)) } else { String::new() };
        let returning = self.returning(&scope);
        let sql = format!(
            "UPDATE {} AS d SET {assignments} FROM {} AS s WHERE d.{through} = s.{}{filter}{returning}",
            table.name, source.name, key.name
        );
        Step { errors: Alike::Class, ..Step::new(sql) }
    }

    fn delete(&mut self, table: &Table) -> Step {
        let filter = self.narrow(table, None);
        let returning = self.returning(&scope_of(table, None));
        Step { errors: Alike::Class, ..Step::new(format!("DELETE FROM {} WHERE {filter}{returning}", table.name)) }
    }

    /// RETURNING names the table's own columns only: which of several matches it would show is nobody's promise.
    fn delete_using(&mut self, table: &Table) -> Step {
        let source = self.table();
        let own = scope_of(table, Some("d"));
        let mut scope = own.clone();
        scope.extend(scope_of(&source, Some("s")));
        let column = self.dice.pick(&source.columns).clone();
        let left = self.leaf(column.kind, &own);
        let (first, second) = (self.narrow(table, Some("d")), self.condition(&scope, 0));
        let filter = if self.dice.chance(50) { first } else { second };
        let mut returning = self.returning(&own);
        if returning == " RETURNING *" {
            returning = " RETURNING d.*".to_string();
        }
        let sql = format!(
            "DELETE FROM {} AS d USING {} AS s WHERE {left} = s.{} AND {filter}{returning}",
            table.name, source.name, column.name
        );
        Step { errors: Alike::Class, ..Step::new(sql) }
    }

    fn truncate(&mut self, table: &Table) -> Step {
        let all: Vec<&str> = self.schema.tables.iter().map(|table| table.name.as_str()).collect();
        let sql = match self.dice.between(0, 5) {
            0 => format!("TRUNCATE {}", all.join(", ")),
            1 => format!("TRUNCATE TABLE {} CASCADE", table.name),
            _ => format!("TRUNCATE {}", table.name),
        };
        Step::new(sql)
    }

    /// A MERGE in which at most one row of the source fits each of the target's.
    fn merge(&mut self, table: &Table) -> Step {
        let source = self.table();
        let (Some(target_key), Some(key)) = (table.single_key(), source.single_key()) else {
            return self.update(table);
        };
        if target_key.kind != key.kind {
            return self.update(table);
        }
        let mut scope = scope_of(table, Some("d"));
        scope.extend(scope_of(&source, Some("s")));
        let mut clauses = Vec::new();
        let and = |generator: &mut Generator, scope: &[Named]| {
            let condition = generator.condition(scope, 0);
            if generator.dice.chance(40) { format!(" AND {condition}") } else { String::new() }
        };
        if self.dice.chance(30) {
            clauses.push(format!(
                "WHEN MATCHED AND {} THEN {}",
                self.condition(&scope, 0),
                self.dice.pick(&["DELETE", "DO NOTHING"])
            ));
        }
        if self.dice.chance(80)
            && let Some(assignments) = self.assignments(table, &scope)
        {
            let and = and(self, &scope);
            clauses.push(format!("WHEN MATCHED{and} THEN UPDATE SET {assignments}"));
        }
        if clauses.is_empty() || self.dice.chance(60) {
            let own = scope_of(&source, Some("s"));
            let values: Vec<String> = table
                .columns
                .iter()
                .map(|column| {
                    if table.key.contains(&column.name) {
                        format!("s.{}", key.name)
                    } else {
                        self.expression(column.kind, &own, 1)
                    }
                })
                .collect();
            let and = and(self, &own);
            let list = names(&table.columns).join(", ");
            clauses.push(format!("WHEN NOT MATCHED{and} THEN INSERT ({list}) VALUES ({})", values.join(", ")));
        }
        let sql = format!(
            "MERGE INTO {} AS d USING {} AS s ON d.{} = s.{} {}",
            table.name,
            source.name,
            target_key.name,
            key.name,
            clauses.join(" ")
        );
        Step { errors: Alike::Class, ..Step::new(sql) }
    }

    fn copy(&mut self, table: &Table) -> Step {
        let columns = self.target_columns(table);
        if columns.is_empty() {
            return Step::new(format!("COPY {} TO STDOUT", table.name));
        }
        let list = names(&columns).join(", ");
        if self.dice.chance(30) {
            return Step::new(format!("COPY {} ({list}) TO STDOUT", table.name));
        }
        let mut lines = String::new();
        for _ in 0..self.dice.between(0, 6) {
            let values: Vec<String> = columns
                .iter()
                .map(|column| {
                    let null = !column.not_null && self.dice.chance(15);
                    if null { "\\N".to_string() } else { self.value(column.kind).trim_matches('\'').replace("''", "'") }
                })
                .collect();
            lines += &format!("{}\n", values.join("\t"));
        }
        if self.has(Feature::Mistakes) && self.dice.chance(5) {
            lines += "too few\n";
        }
        let sql = format!("COPY {} ({list}) FROM STDIN", table.name);
        Step { input: Some(lines), errors: Alike::Class, ..Step::new(sql) }
    }
}

fn names(columns: &[Column]) -> Vec<&str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}
