//! Queries.

use super::Generator;
use super::expression::{Named, scope_of};
use crate::differential::Step;
use crate::differential::feature::Feature;
use crate::differential::schema::{Table, Type};

/// A FROM clause and what it offers.
struct Source {
    text: String,
    scope: Vec<Named>,
}

impl Generator {
    pub(super) fn query(&mut self) -> Step {
        #[derive(Clone, Copy)]
        enum Kind {
            Rows,
            Plain,
            Groups,
            Union,
            With,
            Windows,
            Locks,
        }
        let on = |feature, weight| if self.has(feature) { weight } else { 0 };
        let kinds = [
            (30, Kind::Rows),
            (40, Kind::Plain),
            (on(Feature::Aggregates, 25), Kind::Groups),
            (on(Feature::Unions, 8), Kind::Union),
            (on(Feature::With, 6), Kind::With),
            (on(Feature::Windows, 5), Kind::Windows),
            (on(Feature::Locks, 4), Kind::Locks),
        ];
        match self.dice.weighted(&kinds) {
            Kind::Rows => self.rows(),
            Kind::Plain => {
                let source = self.source();
                Step::new(self.plain(&source))
            }
            Kind::Groups => self.groups(),
            Kind::Union => self.union(),
            Kind::With => self.with(),
            Kind::Windows => self.windows(),
            Kind::Locks => self.locks(),
        }
    }

    /// A query of one table in an order that leaves nothing open, mostly with a LIMIT.
    fn rows(&mut self) -> Step {
        let table = self.table();
        if table.key.is_empty() {
            return Step::new(format!("SELECT * FROM {} WHERE {}", table.name, self.narrow(&table, None)));
        }
        let scope = scope_of(&table, None);
        let mut order: Vec<String> = Vec::new();
        if self.dice.chance(60) {
            let column = self.dice.pick(&scope).text.clone();
            let direction = self.dice.pick(&["", " DESC", " ASC NULLS FIRST", " DESC NULLS LAST"]);
            order.push(format!("{column}{direction}"));
        }
        order.extend(table.key.iter().cloned());
        let filter = if self.dice.chance(60) { format!(" WHERE {}", self.narrow(&table, None)) } else { String::new() };
        let limit = match self.dice.between(0, 3) {
            0 => String::new(),
            1 => format!(" LIMIT {}", self.dice.between(0, 5)),
            2 => format!(" LIMIT {} OFFSET {}", self.dice.between(1, 5), self.dice.between(0, 5)),
            _ => format!(" OFFSET {} FETCH FIRST 3 ROWS ONLY", self.dice.between(0, 3)),
        };
        let list = self.list_of(&scope, true);
        let sql = format!("SELECT {list} FROM {}{filter} ORDER BY {}{limit}", table.name, order.join(", "));
        Step { ordered: true, ..Step::new(sql) }
    }

    /// What a query returns: everything, columns, or expressions, all of them with names or only some.
    fn list_of(&mut self, scope: &[Named], all_named: bool) -> String {
        if self.dice.chance(25) {
            return "*".to_string();
        }
        let mut list: Vec<String> = self.dice.some(scope, 3).into_iter().map(|named| named.text.clone()).collect();
        for number in 0..self.dice.between(0, 2) {
            let kind = *self.dice.pick(Type::ALL);
            let expression = self.expression(kind, scope, 2);
            list.push(if all_named || self.dice.chance(80) {
                format!("{expression} AS e{number}")
            } else {
                expression
            });
        }
        list.join(", ")
    }

    fn plain(&mut self, source: &Source) -> String {
        let distinct = if self.dice.chance(12) { "DISTINCT " } else { "" };
        let list = self.list_of(&source.scope, false);
        let filter =
            if self.dice.chance(75) { format!(" WHERE {}", self.filter(&source.scope, 2)) } else { String::new() };
        format!("SELECT {distinct}{list} FROM {}{filter}", source.text)
    }

    fn source(&mut self) -> Source {
        #[derive(Clone, Copy)]
        enum Kind {
            Table,
            View,
            Join,
            Subquery,
        }
        let views = if self.schema.views.is_empty() { 0 } else { 25 };
        let on = |feature, weight| if self.has(feature) { weight } else { 0 };
        let kinds = [
            (40, Kind::Table),
            (views, Kind::View),
            (on(Feature::Joins, 35), Kind::Join),
            (on(Feature::Subqueries, 10), Kind::Subquery),
        ];
        match self.dice.weighted(&kinds) {
            Kind::Table => {
                let table = self.table();
                Source { scope: scope_of(&table, None), text: table.name }
            }
            Kind::View => {
                let view = self.dice.pick(&self.schema.views).clone();
                let scope = view.columns.iter().map(|column| Named { text: column.name.clone(), kind: column.kind });
                Source { scope: scope.collect(), text: view.name }
            }
            Kind::Join => self.join(),
            Kind::Subquery => {
                let table = self.table();
                let filter = self.condition(&scope_of(&table, None), 1);
                let text = format!("(SELECT * FROM {} WHERE {filter}) AS q", table.name);
                Source { scope: scope_of(&table, Some("q")), text }
            }
        }
    }

    fn join(&mut self) -> Source {
        let first = self.table();
        let mut text = format!("{} AS x", first.name);
        let mut scope = scope_of(&first, Some("x"));
        let aliases = if self.dice.chance(25) { &["y", "z"][..] } else { &["y"][..] };
        for alias in aliases {
            let other = self.table();
            let own = scope_of(&other, Some(alias));
            let column = self.dice.pick(&own).clone();
            let fitting: Vec<&Named> = scope.iter().filter(|named| named.kind == column.kind).collect();
            if fitting.is_empty() {
                text += &format!(" CROSS JOIN {} AS {alias}", other.name);
                scope.extend(own);
                continue;
            }
            let left = self.dice.pick(&fitting).text.clone();
            scope.extend(own);
            let kind = *self.dice.pick(&["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            text += &format!(" {kind} {} AS {alias} ON {left} = {}", other.name, column.text);
            // PostgreSQL has no full join on anything but equality.
            if kind != "FULL JOIN" && self.dice.chance(20) {
                text += &format!(" AND {}", self.condition(&scope, 0));
            }
        }
        Source { text, scope }
    }

    fn aggregate(&mut self, scope: &[Named]) -> String {
        let named = self.dice.pick(scope).clone();
        let text = named.text;
        let choices: &[&str] = match named.kind {
            Type::Integer | Type::Bigint | Type::Numeric => &["count", "sum", "min", "max", "sum", "count distinct"],
            Type::Boolean => &["count", "bool_and", "bool_or"],
            Type::Text | Type::Date => &["count", "min", "max", "count distinct"],
        };
        match *self.dice.pick(choices) {
            "count distinct" => format!("count(DISTINCT {text})"),
            function if self.dice.chance(12) => {
                format!("{function}({text}) FILTER (WHERE {})", self.condition(scope, 0))
            }
            function => format!("{function}({text})"),
        }
    }

    fn groups(&mut self) -> Step {
        let source = self.source();
        let mut aggregates = vec!["count(*)".to_string()];
        for _ in 0..self.dice.between(1, 3) {
            aggregates.push(self.aggregate(&source.scope));
        }
        let filter =
            if self.dice.chance(40) { format!(" WHERE {}", self.filter(&source.scope, 1)) } else { String::new() };
        if self.dice.chance(35) {
            return Step::new(format!("SELECT {} FROM {}{filter}", aggregates.join(", "), source.text));
        }
        let keys: Vec<String> = self.dice.some(&source.scope, 2).into_iter().map(|named| named.text.clone()).collect();
        let having = if self.dice.chance(30) { " HAVING count(*) > 1" } else { "" };
        let order: Vec<String> = (1..=keys.len()).map(|position| position.to_string()).collect();
        let sql = format!(
            "SELECT {}, {} FROM {}{filter} GROUP BY {}{having} ORDER BY {}",
            keys.join(", "),
            aggregates.join(", "),
            source.text,
            keys.join(", "),
            order.join(", ")
        );
        Step { ordered: true, ..Step::new(sql) }
    }

    fn union(&mut self) -> Step {
        let kinds: Vec<Type> = (0..self.dice.between(1, 3)).map(|_| *self.dice.pick(Type::ALL)).collect();
        let mut branch = || {
            let table = self.table();
            let scope = scope_of(&table, None);
            // A calculated value keeps no number of digits, on which the branches would have to agree.
            let list: Vec<String> = kinds.iter().map(|kind| self.leaf(*kind, &scope)).collect();
            format!("SELECT {} FROM {} WHERE {}", list.join(", "), table.name, self.condition(&scope, 1))
        };
        let (first, second) = (branch(), branch());
        let operator = self.dice.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"]);
        Step::new(format!("{first} {operator} {second}"))
    }

    fn with(&mut self) -> Step {
        let table = self.table();
        let filter = self.condition(&scope_of(&table, None), 1);
        let scope = scope_of(&table, Some("w"));
        let source = Source { text: "w".to_string(), scope };
        let rest = self.plain(&source);
        Step::new(format!("WITH w AS (SELECT * FROM {} WHERE {filter}) {rest}", table.name))
    }

    fn windows(&mut self) -> Step {
        let table = self.table();
        if table.key.is_empty() {
            return self.groups();
        }
        let scope = scope_of(&table, None);
        let (part, key) = (self.dice.pick(&scope).text.clone(), table.key.join(", "));
        let aggregate = self.dice.pick(&["count(*)", "row_number()", "rank()", "dense_rank()"]);
        let value = self.leaf(Type::Integer, &scope);
        let sql = format!(
            "SELECT {key}, {aggregate} OVER (PARTITION BY {part} ORDER BY {key}) AS n, \
             sum({value}) OVER (ORDER BY {key}) AS s, lag({value}) OVER (ORDER BY {key}) AS l FROM {}",
            table.name
        );
        Step::new(sql)
    }

    fn locks(&mut self) -> Step {
        let table: Table = self.table();
        let filter = self.narrow(&table, None);
        let mode = self.dice.pick(&["FOR UPDATE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR KEY SHARE"]);
        Step::new(format!("SELECT * FROM {} WHERE {filter} {mode}", table.name))
    }
}
