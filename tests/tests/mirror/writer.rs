//! Random queries, with every kind of value and clause.

use super::graph::NAMES;
use super::random::Random;

/// A type of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Float,
    Text,
    Boolean,
    Date,
}

const PERSON: &[(&str, Kind)] = &[
    ("id", Kind::Integer),
    ("name", Kind::Text),
    ("age", Kind::Integer),
    ("score", Kind::Float),
    ("active", Kind::Boolean),
    ("born", Kind::Date),
];
const CITY: &[(&str, Kind)] = &[("id", Kind::Integer), ("name", Kind::Text), ("size", Kind::Integer)];
const KNOWS: &[(&str, Kind)] = &[("id", Kind::Integer), ("since", Kind::Integer)];
const FOLLOWS: &[(&str, Kind)] = &[("id", Kind::Text), ("weight", Kind::Float)];
const LIVES: &[(&str, Kind)] = &[("id", Kind::Integer), ("since", Kind::Integer)];

/// A variable of the query.
#[derive(Debug, Clone)]
enum Variable {
    Node(String, &'static str),
    Relationship(String, &'static str),
    Walk(String),
    Value(String, Kind),
}

fn properties(label: &str) -> &'static [(&'static str, Kind)] {
    match label {
        "person" => PERSON,
        "city" => CITY,
        "knows" => KNOWS,
        "follows" => FOLLOWS,
        _ => LIVES,
    }
}

/// Writes one query.
pub(super) struct Writer<'a> {
    random: &'a mut Random,
    scope: Vec<Variable>,
    names: usize,
    /// Relationships so far, a variable-length one as several: more make too many rows.
    size: usize,
    /// Whether there are parameters `$a`, the key of a person, and `$b`, a number.
    of_rows: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(random: &'a mut Random) -> Self {
        Writer { random, scope: Vec::new(), names: 0, size: 0, of_rows: false }
    }

    /// Writes a query that begins with the person whose key is `$a`.
    pub(super) fn of_rows(random: &'a mut Random) -> Self {
        Writer { random, scope: Vec::new(), names: 0, size: 0, of_rows: true }
    }

    pub(super) fn query(mut self) -> String {
        let mut clauses = Vec::new();
        if self.of_rows {
            clauses.push(self.led());
        } else if self.random.percent(10) {
            clauses.push(self.unwind());
        }
        if !self.of_rows || self.random.percent(30) {
            clauses.push(self.pattern("MATCH"));
        }
        for _ in 0..self.random.below(3) {
            let clause = match self.random.below(10) {
                0..3 => self.pattern("MATCH"),
                3..7 => self.pattern("OPTIONAL MATCH"),
                7 => self.unwind(),
                _ => self.with(),
            };
            clauses.push(clause);
        }
        clauses.push(self.returning());
        clauses.join(" ")
    }

    /// A pattern that begins with a key.
    fn led(&mut self) -> String {
        let name = self.fresh();
        self.scope.push(Variable::Node(name.clone(), "person"));
        let mut text = format!("MATCH ({name}:person {{id: $a}})");
        for _ in 0..self.random.below(3) {
            let (left, right) = *self.random.pick(&[("-", "->"), ("<-", "-"), ("-", "-")]);
            let label = if self.random.percent(60) { "knows" } else { "follows" };
            let relationship = self.relationship(label);
            text.push_str(&format!("{left}[{relationship}]{right}{}", self.node("person")));
        }
        let condition = if self.random.percent(50) { format!(" WHERE {}", self.condition(2)) } else { String::new() };
        text + &condition
    }

    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("x{}", self.names)
    }

    fn unwind(&mut self) -> String {
        let name = self.fresh();
        self.scope.push(Variable::Value(name.clone(), Kind::Integer));
        let list = *self.random.pick(&["[1, 2]", "[3, NULL, 1]", "[0]"]);
        format!("UNWIND {list} AS {name}")
    }

    fn pattern(&mut self, keyword: &str) -> String {
        let mut paths = vec![self.path()];
        if self.random.percent(20) {
            paths.push(self.path());
        }
        let condition = if self.random.percent(50) { format!(" WHERE {}", self.condition(2)) } else { String::new() };
        format!("{keyword} {}{condition}", paths.join(", "))
    }

    fn path(&mut self) -> String {
        let mut label = if self.random.percent(80) { "person" } else { "city" };
        let mut text = self.node(label);
        let most = 4_usize.saturating_sub(self.size);
        let steps = if most == 0 { 0 } else { self.random.below(most.min(3) + 1) };
        for _ in 0..steps {
            let (edge, next) = match (label, self.random.below(10)) {
                ("person", 0..5) => ("knows", "person"),
                ("person", 5..8) => ("follows", "person"),
                ("person", _) => ("lives", "city"),
                _ => ("lives", "person"),
            };
            let direction = match (edge, label) {
                ("lives", "person") => 0,
                ("lives", _) => 1,
                _ => self.random.below(3),
            };
            let direction = if self.random.percent(15) { 2 } else { direction };
            let relationship = self.relationship(edge);
            let (left, right) = [("-", "->"), ("<-", "-"), ("-", "-")][direction];
            text.push_str(&format!("{left}[{relationship}]{right}{}", self.node(next)));
            label = next;
        }
        text
    }

    fn node(&mut self, label: &'static str) -> String {
        let known: Vec<String> = self
            .scope
            .iter()
            .filter_map(|variable| match variable {
                Variable::Node(name, other) if *other == label => Some(name.clone()),
                _ => None,
            })
            .collect();
        if !known.is_empty() && self.random.percent(35) {
            return format!("({})", self.random.pick(&known));
        }
        let inline = match self.random.below(12) {
            0 => format!(" {{id: {}}}", self.random.below(4)),
            1 => " {name: 'Ann'}".to_string(),
            _ => String::new(),
        };
        if self.random.percent(30) {
            return format!("(:{label}{inline})");
        }
        let name = self.fresh();
        self.scope.push(Variable::Node(name.clone(), label));
        format!("({name}:{label}{inline})")
    }

    fn relationship(&mut self, label: &'static str) -> String {
        self.size += 1;
        let name = self.random.percent(60).then(|| self.fresh());
        let written = name.clone().unwrap_or_default();
        if label != "lives" && self.size < 4 && self.random.percent(20) {
            self.size += 1;
            if let Some(name) = name {
                self.scope.push(Variable::Walk(name));
            }
            let length = *self.random.pick(&["1..2", "1..3", "2", "2..3", "0..2"]);
            return format!("{written}:{label}*{length}");
        }
        if let Some(name) = name {
            self.scope.push(Variable::Relationship(name, label));
        }
        format!("{written}:{label}")
    }

    /// A value of a kind, if something has one.
    fn value(&mut self, kind: Kind) -> Option<String> {
        let mut found = Vec::new();
        for variable in &self.scope {
            match variable {
                Variable::Node(name, label) | Variable::Relationship(name, label) => {
                    let fitting = properties(label).iter().filter(|(_, other)| *other == kind);
                    found.extend(fitting.map(|(property, _)| format!("{name}.{property}")));
                }
                Variable::Walk(name) if kind == Kind::Integer => found.push(format!("length({name})")),
                Variable::Value(name, other) if *other == kind => found.push(name.clone()),
                Variable::Walk(_) | Variable::Value(..) => {}
            }
        }
        if found.is_empty() { None } else { Some(self.random.pick(&found).clone()) }
    }

    fn constant(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Integer if self.of_rows && self.random.percent(30) => "$b".to_string(),
            Kind::Integer => self.random.below(6).to_string(),
            Kind::Float => format!("{}.25", self.random.below(3)),
            Kind::Text => format!("'{}'", self.random.pick(&NAMES)),
            Kind::Boolean => self.random.percent(50).to_string(),
            Kind::Date => format!("date('2000-01-0{}')", 1 + self.random.below(4)),
        }
    }

    fn kind(&mut self) -> Kind {
        *self.random.pick(&[Kind::Integer, Kind::Integer, Kind::Text, Kind::Float, Kind::Boolean, Kind::Date])
    }

    /// Something with a value of some kind.
    fn any(&mut self) -> (String, Kind) {
        loop {
            let kind = self.kind();
            if let Some(value) = self.value(kind) {
                return (value, kind);
            }
            if self.scope.is_empty() {
                return ("1".to_string(), Kind::Integer);
            }
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth > 0 && self.random.percent(35) {
            let (left, right) = (self.condition(depth - 1), self.condition(depth - 1));
            return match self.random.below(4) {
                0 => format!("({left} AND {right})"),
                1 => format!("({left} OR {right})"),
                2 => format!("({left} XOR {right})"),
                _ => format!("NOT ({left})"),
            };
        }
        if self.random.percent(10)
            && let Some(comparison) = self.elements_compared()
        {
            return comparison;
        }
        let (value, kind) = self.any();
        let other = match self.random.percent(40).then(|| self.value(kind)).flatten() {
            Some(other) => other,
            None => self.constant(kind),
        };
        match (self.random.below(10), kind) {
            (0, _) => format!("{value} IS NULL"),
            (1, _) => format!("{value} IS NOT NULL"),
            (2, _) => {
                let more = self.constant(kind);
                let items = if self.random.percent(30) { format!("{more}, NULL") } else { format!("{other}, {more}") };
                format!("{value} IN [{items}]")
            }
            (3, Kind::Text) => format!("{value} STARTS WITH {other}"),
            (4, Kind::Text) => format!("{value} ENDS WITH {other}"),
            (5, Kind::Text) => format!("{value} CONTAINS {other}"),
            (3, Kind::Integer) => format!("{value} + 1 > {other} * 2"),
            (4, Kind::Integer | Kind::Float) => format!("coalesce({value}, 2) >= {other}"),
            (5, Kind::Integer) => format!("CASE WHEN {value} > 2 THEN {other} = 1 ELSE {value} IS NULL END"),
            (3, Kind::Boolean) => value,
            _ => {
                let operator = *self.random.pick(&["=", "<>", "<", "<=", ">", ">="]);
                format!("{value} {operator} {other}")
            }
        }
    }

    fn elements_compared(&mut self) -> Option<String> {
        let people: Vec<String> = self
            .scope
            .iter()
            .filter_map(|variable| match variable {
                Variable::Node(name, "person") => Some(name.clone()),
                _ => None,
            })
            .collect();
        if people.len() < 2 {
            return None;
        }
        let (left, right) = (self.random.pick(&people).clone(), self.random.pick(&people).clone());
        Some(format!("{left} {} {right}", self.random.pick(&["=", "<>"])))
    }

    fn with(&mut self) -> String {
        let nodes: Vec<Variable> =
            self.scope.iter().filter(|variable| matches!(variable, Variable::Node(..))).cloned().collect();
        let mut items = Vec::new();
        let mut scope = Vec::new();
        for node in nodes {
            if self.random.percent(60)
                && let Variable::Node(name, _) = &node
            {
                items.push(name.clone());
                scope.push(node);
            }
        }
        let name = self.fresh();
        match self.random.below(3) {
            0 => {
                items.push(format!("count(*) AS {name}"));
                scope.push(Variable::Value(name, Kind::Integer));
            }
            1 => {
                let (value, kind) = self.any();
                items.push(format!("{value} AS {name}"));
                scope.push(Variable::Value(name, kind));
            }
            _ => {
                let (value, kind) = self.any();
                let function = if kind == Kind::Boolean { "min" } else { "max" };
                items.push(format!("{function}({value}) AS {name}"));
                scope.push(Variable::Value(name, kind));
            }
        }
        self.scope = scope;
        let distinct = if self.random.percent(20) { "DISTINCT " } else { "" };
        let filter = if self.random.percent(30) { format!(" WHERE {}", self.condition(1)) } else { String::new() };
        format!("WITH {distinct}{}{filter}", items.join(", "))
    }

    fn returning(&mut self) -> String {
        let mut items = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            items.push(self.any().0);
        }
        if self.random.percent(35) {
            for _ in 0..1 + self.random.below(2) {
                items.push(self.aggregate());
            }
        }
        let distinct = if self.random.percent(20) { "DISTINCT " } else { "" };
        let names: Vec<String> = (0..items.len()).map(|at| format!("c{at}")).collect();
        let items: Vec<String> = items.iter().zip(&names).map(|(item, name)| format!("{item} AS {name}")).collect();
        let mut text = format!("RETURN {distinct}{}", items.join(", "));
        if self.random.percent(20) && !text.contains("collect(") {
            // Ordered by everything, so that which rows are within the limit is certain.
            let order: Vec<String> = names
                .iter()
                .map(|name| if self.random.percent(30) { format!("{name} DESC") } else { name.clone() })
                .collect();
            text.push_str(&format!(" ORDER BY {}", order.join(", ")));
            if self.random.percent(40) {
                text.push_str(&format!(" SKIP {}", self.random.below(3)));
            }
            text.push_str(&format!(" LIMIT {}", 1 + self.random.below(5)));
        }
        text
    }

    fn aggregate(&mut self) -> String {
        let (value, kind) = self.any();
        let distinct = if self.random.percent(30) { "DISTINCT " } else { "" };
        match (self.random.below(6), kind) {
            (0, _) => "count(*)".to_string(),
            (1, _) => format!("count({distinct}{value})"),
            (2, _) => format!("collect({distinct}{value})"),
            (3, Kind::Integer | Kind::Float) => format!("sum({distinct}{value})"),
            (4, Kind::Integer | Kind::Float) => format!("avg({distinct}{value})"),
            (5, Kind::Integer) => format!("sum({value}) + 1"),
            (3, _) => format!("min({value})"),
            _ => format!("max({value})"),
        }
    }
}
