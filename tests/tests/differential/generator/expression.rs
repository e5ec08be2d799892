//! Values, expressions and conditions.

use super::Generator;
use crate::differential::feature::Feature;
use crate::differential::schema::{Table, Type};

/// A column that an expression can name, as it is written there.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) text: String,
    pub(super) kind: Type,
}

/// The columns of a table, under the table's name or an alias; bare without one.
pub(super) fn scope_of(table: &Table, alias: Option<&str>) -> Vec<Named> {
    let named = |column: &crate::differential::schema::Column| {
        let text = alias.map_or(column.name.clone(), |alias| format!("{alias}.{}", column.name));
        Named { text, kind: column.kind }
    };
    table.columns.iter().map(named).collect()
}

const WORDS: &[&str] =
    &["", "a", "b", "ab", "Ab", "abc", "it''s", "ünï", "x y", "NULL", "10", "9", "a%", "a_b", "-", "zebra"];
const PATTERNS: &[&str] = &["a%", "%b", "%b%", "_", "a_%", "%", "", "%'' %", "ü%", "A%"];

impl Generator {
    /// A constant, as it can stand in VALUES.
    pub(super) fn value(&mut self, kind: Type) -> String {
        match kind {
            Type::Integer | Type::Bigint => {
                if self.dice.chance(75) {
                    self.dice.between(1, 15).to_string()
                } else {
                    self.dice.between(-3, 25).to_string()
                }
            }
            Type::Text => format!("'{}'", self.dice.pick(WORDS)),
            Type::Boolean => self.dice.pick(&["true", "false"]).to_string(),
            Type::Date => format!("'2024-{:02}-{:02}'", self.dice.between(1, 3), self.dice.between(1, 29)),
            Type::Numeric => {
                let (whole, part) = (self.dice.between(-5, 20), self.dice.between(0, 99));
                format!("{whole}.{part:02}")
            }
        }
    }

    /// A constant whose type is plain wherever it stands.
    pub(super) fn constant(&mut self, kind: Type) -> String {
        let value = self.value(kind);
        match kind {
            Type::Bigint => format!("CAST({value} AS bigint)"),
            Type::Date => format!("DATE {value}"),
            // Both servers then show it with two digits, also as a branch of CASE.
            Type::Numeric => format!("CAST({value} AS numeric(10,2))"),
            _ => value,
        }
    }

    fn column(&mut self, kind: Type, scope: &[Named]) -> Option<String> {
        let fitting: Vec<&Named> = scope.iter().filter(|named| named.kind == kind).collect();
        (!fitting.is_empty()).then(|| self.dice.pick(&fitting).text.clone())
    }

    /// A column of that type if there is one, otherwise a constant.
    pub(super) fn leaf(&mut self, kind: Type, scope: &[Named]) -> String {
        let column = if self.dice.chance(80) { self.column(kind, scope) } else { None };
        column.unwrap_or_else(|| self.constant(kind))
    }

    /// An expression of that type. None overflows with the values that there are.
    pub(super) fn expression(&mut self, kind: Type, scope: &[Named], depth: u32) -> String {
        if depth == 0 || self.dice.chance(35) {
            return self.leaf(kind, scope);
        }
        let depth = depth - 1;
        if self.dice.chance(30) {
            return self.branching(kind, scope, depth);
        }
        let mut part = |kind| self.expression(kind, scope, depth);
        match kind {
            Type::Integer => {
                let (a, b) = (part(Type::Integer), part(Type::Integer));
                let (date, other, text) = (part(Type::Date), part(Type::Date), part(Type::Text));
                let choices = [
                    format!("({a} + {b})"),
                    format!("({a} - {b})"),
                    format!("({a} * 2)"),
                    format!("({a} / 3)"),
                    format!("({a} % 4)"),
                    format!("abs({a})"),
                    format!("-({a})"),
                    format!("({date} - {other})"),
                    format!("length({text})"),
                ];
                self.dice.pick(&choices).clone()
            }
            Type::Bigint => {
                let (a, b) = (part(Type::Bigint), part(Type::Integer));
                let choices = [format!("({a} + {b})"), format!("({b} - {a})"), format!("CAST({b} AS bigint)")];
                self.dice.pick(&choices).clone()
            }
            Type::Text => {
                let (a, b, number) = (part(Type::Text), part(Type::Text), part(Type::Integer));
                let choices = [
                    format!("({a} || {b})"),
                    format!("upper({a})"),
                    format!("lower({a})"),
                    format!("substr({a}, 1, 2)"),
                    format!("replace({a}, 'a', 'o')"),
                    format!("CAST({number} AS text)"),
                    format!("trim({a})"),
                ];
                self.dice.pick(&choices).clone()
            }
            Type::Boolean => format!("({})", self.condition(scope, depth)),
            Type::Date => {
                let (a, days) = (part(Type::Date), self.dice.between(-20, 20));
                format!("({a} + {days})")
            }
            Type::Numeric => {
                let (a, b) = (part(Type::Numeric), part(Type::Numeric));
                let choices = [format!("({a} + {b})"), format!("({a} - {b})"), format!("abs({a})")];
                self.dice.pick(&choices).clone()
            }
        }
    }

    /// What is there for every type.
    fn branching(&mut self, kind: Type, scope: &[Named], depth: u32) -> String {
        let (a, b) = (self.expression(kind, scope, depth), self.expression(kind, scope, depth));
        match self.dice.between(0, 3) {
            0 => format!("COALESCE({a}, {b})"),
            1 => format!("NULLIF({a}, {b})"),
            2 => format!("CASE WHEN {} THEN {a} ELSE {b} END", self.condition(scope, depth)),
            _ => format!("CASE WHEN {} THEN {a} END", self.condition(scope, depth)),
        }
    }

    /// A condition, with three values.
    pub(super) fn condition(&mut self, scope: &[Named], depth: u32) -> String {
        if depth > 0 && self.dice.chance(35) {
            let (a, b) = (self.condition(scope, depth - 1), self.condition(scope, depth - 1));
            return match self.dice.between(0, 2) {
                0 => format!("({a} AND {b})"),
                1 => format!("({a} OR {b})"),
                _ => format!("NOT ({a})"),
            };
        }
        if depth > 0 && self.has(Feature::Nested) && self.dice.chance(8) && !self.schema.tables.is_empty() {
            return self.subquery_condition(scope);
        }
        let kinds: Vec<Type> = scope.iter().map(|named| named.kind).collect();
        let kind = if kinds.is_empty() { Type::Integer } else { *self.dice.pick(&kinds) };
        let a = self.expression(kind, scope, depth.min(1));
        let (b, c) = (self.leaf(kind, scope), self.constant(kind));
        match self.dice.between(0, 9) {
            0 => format!("{a} IS NULL"),
            1 => format!("{a} IS NOT NULL"),
            2 if self.has(Feature::Bare) => format!("{a} IS DISTINCT FROM {b}"),
            2 => format!("({a} IS DISTINCT FROM {b})"),
            3 => format!("{a} IN ({b}, {c})"),
            4 if kind == Type::Text => format!("{a} LIKE '{}'", self.dice.pick(PATTERNS)),
            5 if kind == Type::Boolean => format!("({a}) IS TRUE"),
            6 => format!("{a} BETWEEN {b} AND {c}"),
            _ => format!("{a} {} {b}", self.dice.pick(&["=", "=", "<>", "<", "<=", ">", ">="])),
        }
    }

    /// A WHERE clause's condition: one that may have a subquery for a part.
    pub(super) fn filter(&mut self, scope: &[Named], depth: u32) -> String {
        let condition = self.condition(scope, depth);
        if self.has(Feature::Subqueries) && self.dice.chance(12) {
            return format!("{} AND {}", self.condition(scope, 0), self.subquery_condition(scope));
        }
        condition
    }

    /// A condition that finds a row or a few: a comparison of a key with a constant, mostly.
    pub(super) fn narrow(&mut self, table: &Table, alias: Option<&str>) -> String {
        let scope = scope_of(table, alias);
        match table.single_key() {
            Some(key) if self.dice.chance(60) => {
                let name = alias.map_or(key.name.clone(), |alias| format!("{alias}.{}", key.name));
                if self.dice.chance(70) {
                    format!("{name} = {}", self.value(key.kind))
                } else {
                    format!("{name} IN ({}, {}, {})", self.value(key.kind), self.value(key.kind), self.value(key.kind))
                }
            }
            _ => self.condition(&scope, 1),
        }
    }

    fn subquery_condition(&mut self, scope: &[Named]) -> String {
        let table = self.table();
        let inner = scope_of(&table, Some("sub"));
        let column = self.dice.pick(&inner).clone();
        let outer = self.leaf(column.kind, scope);
        let filter = self.condition(&inner, 0);
        match self.dice.between(0, 3) {
            0 => format!("{outer} IN (SELECT {} FROM {} AS sub WHERE {filter})", column.text, table.name),
            1 => format!("EXISTS (SELECT 1 FROM {} AS sub WHERE {} = {outer})", table.name, column.text),
            2 => {
                format!("NOT EXISTS (SELECT 1 FROM {} AS sub WHERE {} = {outer} AND {filter})", table.name, column.text)
            }
            _ => format!("{outer} NOT IN (SELECT {} FROM {} AS sub WHERE {filter})", column.text, table.name),
        }
    }
}
