//! The tables that a scenario needs.
//!
//! openCypher's graphs have no schema, ours are tables. So the queries of a scenario are read first: every set of labels that
//! a query creates becomes a vertex table, every type between two of them an edge table, and every property that is named
//! anywhere a column of all of them, of the type of what is put into it, or jsonb where that is several or not known. A
//! property that nobody sets is NULL, which is a property that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use slipstream_graph_language::syntax::{
    Arithmetic, BinaryOperator, Clause, Direction, Expression, ExpressionKind, LabelExpression, LabelKind,
    MapProjectionItem, Match, NodePattern, PathPattern, Projection, Properties, Query, RelationshipPattern, RemoveItem,
    SetItem,
};

use crate::value::Value;

/// The name of the graph.
pub(crate) const GRAPH: &str = "tck";

/// What kind of values a property has.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// NULL, or nothing known.
    Nothing,
    Integer,
    Float,
    Text,
    Boolean,
    List(Box<Kind>),
    /// Anything.
    Any,
}

impl Kind {
    fn of(value: &Value) -> Kind {
        match value {
            Value::Null => Kind::Nothing,
            Value::Boolean(_) => Kind::Boolean,
            Value::Integer(_) => Kind::Integer,
            Value::Float(_) => Kind::Float,
            Value::String(_) => Kind::Text,
            Value::List(items) => Kind::List(Box::new(items.iter().map(Kind::of).fold(Kind::Nothing, Kind::or))),
            Value::Map(_) | Value::Node(..) | Value::Relationship(..) | Value::Path(..) => Kind::Any,
        }
    }

    fn or(self, other: Kind) -> Kind {
        match (self, other) {
            (Kind::Nothing, kind) | (kind, Kind::Nothing) => kind,
            (Kind::List(one), Kind::List(two)) => Kind::List(Box::new(one.or(*two))),
            (one, two) if one == two => one,
            _ => Kind::Any,
        }
    }

    fn sql(&self) -> String {
        match self {
            Kind::Integer => "bigint".to_string(),
            Kind::Float => "double precision".to_string(),
            Kind::Text => "text".to_string(),
            Kind::Boolean => "boolean".to_string(),
            Kind::List(item) if !matches!(**item, Kind::Any | Kind::Nothing | Kind::List(_)) => {
                format!("{}[]", item.sql())
            }
            Kind::List(_) | Kind::Any | Kind::Nothing => "jsonb".to_string(),
        }
    }
}

type Labels = BTreeSet<String>;

/// The tables of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    /// A vertex table for each set of labels.
    nodes: Vec<Labels>,
    /// An edge table for each type and the vertex tables that it leads from and to.
    edges: BTreeSet<(String, usize, usize)>,
    node_properties: BTreeMap<String, Kind>,
    edge_properties: BTreeMap<String, Kind>,
}

impl Schema {
    /// The schema that queries ask for.
    pub(crate) fn of(queries: &[Query], parameters: &BTreeMap<String, Value>) -> Schema {
        let mut schema = Schema { nodes: vec![Labels::new()], ..Schema::default() };
        // Twice: the type of a property may depend on that of one that is set later.
        for _ in 0..2 {
            for query in queries {
                Reader::new(&mut schema, parameters).query(query);
            }
        }
        // Labels and types that are looked for, and that nobody creates.
        let mut mentioned = Mentioned::default();
        queries.iter().for_each(|query| mentioned.query(query));
        for label in mentioned.labels {
            if !schema.nodes.iter().any(|labels| labels.contains(&label)) {
                schema.nodes.push(Labels::from([label]));
            }
        }
        for query in queries {
            let mut reader = Reader::new(&mut schema, parameters);
            reader.edges = true;
            reader.query(query);
        }
        for label in mentioned.types {
            if !schema.edges.iter().any(|(other, ..)| *other == label) {
                schema.edges.insert((label, 0, 0));
            }
        }
        schema
    }

    /// The statements that make the tables and the graph.
    pub(crate) fn statements(&self) -> String {
        let mut sql = "CREATE SEQUENCE ids;\n".to_string();
        for at in 0..self.nodes.len() {
            table(&mut sql, &format!("n{at}"), "", &self.node_properties);
        }
        for at in 0..self.edges.len() {
            let ends = ", \"tck_source\" bigint NOT NULL, \"tck_destination\" bigint NOT NULL";
            table(&mut sql, &format!("e{at}"), ends, &self.edge_properties);
        }
        let _ = write!(sql, "CREATE PROPERTY GRAPH {GRAPH} VERTEX TABLES (");
        for (at, labels) in self.nodes.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let labels: Vec<String> = labels.iter().map(|label| format!("LABEL {}", quoted(label))).collect();
            let labels = if labels.is_empty() { "NO LABEL".to_string() } else { labels.join(" ") };
            let _ = write!(sql, "{comma}n{at} KEY (\"tck_id\") {labels}");
        }
        sql.push(')');
        for (at, (label, from, to)) in self.edges.iter().enumerate() {
            let before = if at > 0 { ", " } else { " EDGE TABLES (" };
            let _ = write!(
                sql,
                "{before}e{at} KEY (\"tck_id\") SOURCE KEY (\"tck_source\") REFERENCES n{from} (\"tck_id\") \
                 DESTINATION KEY (\"tck_destination\") REFERENCES n{to} (\"tck_id\") LABEL {}",
                quoted(label)
            );
        }
        sql.push_str(if self.edges.is_empty() { ";" } else { ");" });
        sql
    }

    /// The vertex tables with their labels, and the edge tables.
    pub(crate) fn tables(&self) -> (Vec<(String, &Labels)>, Vec<String>) {
        let nodes = self.nodes.iter().enumerate().map(|(at, labels)| (format!("n{at}"), labels)).collect();
        (nodes, (0..self.edges.len()).map(|at| format!("e{at}")).collect())
    }

    /// The vertex table with exactly these labels.
    fn table(&mut self, labels: &Labels) -> usize {
        match self.nodes.iter().position(|other| other == labels) {
            Some(at) => at,
            None => {
                self.nodes.push(labels.clone());
                self.nodes.len() - 1
            }
        }
    }

    /// The vertex tables that have all of these labels.
    fn tables_with(&self, labels: &Labels) -> BTreeSet<usize> {
        (0..self.nodes.len()).filter(|at| labels.is_subset(&self.nodes[*at])).collect()
    }
}

fn table(sql: &mut String, name: &str, ends: &str, properties: &BTreeMap<String, Kind>) {
    let _ = write!(sql, "CREATE TABLE {name} (\"tck_id\" bigint PRIMARY KEY DEFAULT nextval('ids'){ends}");
    for (property, kind) in properties {
        let _ = write!(sql, ", {} {}", quoted(property), kind.sql());
    }
    sql.push_str(");\n");
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a variable of a query is.
#[derive(Debug, Clone)]
enum Variable {
    /// A node of one of these vertex tables.
    Node(BTreeSet<usize>),
    Relationship,
    Value(Kind),
}

/// Reads a query for what it creates and sets.
struct Reader<'a> {
    schema: &'a mut Schema,
    parameters: &'a BTreeMap<String, Value>,
    variables: BTreeMap<String, Variable>,
    /// Whether edge tables are added: when all vertex tables are known.
    edges: bool,
}

impl<'a> Reader<'a> {
    fn new(schema: &'a mut Schema, parameters: &'a BTreeMap<String, Value>) -> Self {
        Reader { schema, parameters, variables: BTreeMap::new(), edges: false }
    }

    fn query(&mut self, query: &Query) {
        for clause in query.parts.iter().flat_map(|part| &part.clauses) {
            // The variables of a pattern are there in its own conditions; those that WITH makes are not.
            let first = matches!(clause, Clause::Match(_) | Clause::Create(_) | Clause::Merge(_));
            if first {
                self.clause(clause);
            }
            clause.expressions().into_iter().for_each(|expression| self.properties_of(expression));
            if !first {
                self.clause(clause);
            }
        }
    }

    fn clause(&mut self, clause: &Clause) {
        match clause {
            Clause::Match(Match { patterns, .. }) => {
                patterns.iter().for_each(|pattern| self.pattern(pattern, Use::Match));
            }
            Clause::Create(create) => create.patterns.iter().for_each(|pattern| self.pattern(pattern, Use::Create)),
            Clause::Merge(merge) => {
                self.pattern(&merge.pattern, Use::Create);
                merge.on_create.iter().chain(&merge.on_match).for_each(|item| self.set(item));
            }
            Clause::Set(set) => set.items.iter().for_each(|item| self.set(item)),
            Clause::Remove(remove) => {
                for item in &remove.items {
                    if let RemoveItem::Property { owner, name } = item {
                        self.property(owner, &name.text, Kind::Nothing);
                    }
                }
            }
            Clause::Unwind(unwind) => {
                let kind = match self.kind(&unwind.list) {
                    Kind::List(item) => *item,
                    _ => Kind::Any,
                };
                self.variables.insert(unwind.variable.text.clone(), Variable::Value(kind));
            }
            Clause::With(projection, _) | Clause::Return(projection) => self.projection(projection),
            Clause::Delete(_) => {}
        }
    }

    fn projection(&mut self, projection: &Projection) {
        let named: Vec<(String, Variable)> = projection
            .items
            .iter()
            .filter_map(|item| {
                let name = item.alias.as_ref()?.text.clone();
                let variable = match &item.expression.kind {
                    ExpressionKind::Variable(other) => self.variables.get(other).cloned(),
                    _ => None,
                };
                Some((name, variable.unwrap_or_else(|| Variable::Value(self.kind(&item.expression)))))
            })
            .collect();
        self.variables.extend(named);
    }

    fn pattern(&mut self, pattern: &PathPattern, how: Use) {
        let mut from = self.node(&pattern.start, how);
        for (relationship, node) in &pattern.steps {
            let to = self.node(node, how);
            self.relationship(relationship, &from, &to, how);
            from = to;
        }
    }

    fn node(&mut self, node: &NodePattern, how: Use) -> BTreeSet<usize> {
        for (name, value) in self.entries(node.properties.as_ref()) {
            merge(&mut self.schema.node_properties, &name, value);
        }
        let name = node.variable.as_ref().map(|name| name.text.clone());
        if let Some(Variable::Node(tables)) = name.as_ref().and_then(|name| self.variables.get(name)) {
            return tables.clone();
        }
        let labels: Labels = node.labels.as_ref().map(labels).unwrap_or_default();
        let tables = match how {
            Use::Create => BTreeSet::from([self.schema.table(&labels)]),
            Use::Match => self.schema.tables_with(&labels),
        };
        if let Some(name) = name {
            self.variables.insert(name, Variable::Node(tables.clone()));
        }
        tables
    }

    fn relationship(
        &mut self,
        relationship: &RelationshipPattern,
        left: &BTreeSet<usize>,
        right: &BTreeSet<usize>,
        how: Use,
    ) {
        for (name, value) in self.entries(relationship.properties.as_ref()) {
            merge(&mut self.schema.edge_properties, &name, value);
        }
        if let Some(name) = &relationship.variable {
            self.variables.insert(name.text.clone(), Variable::Relationship);
        }
        if how == Use::Match || !self.edges {
            return;
        }
        let (from, to) = if relationship.direction == Direction::Left { (right, left) } else { (left, right) };
        for label in relationship.types.as_ref().map(labels).unwrap_or_default() {
            for from in from {
                self.schema.edges.extend(to.iter().map(|to| (label.clone(), *from, *to)));
            }
        }
    }

    /// The names and kinds of a pattern's properties.
    fn entries(&self, properties: Option<&Properties>) -> Vec<(String, Kind)> {
        match properties {
            Some(Properties::Map(entries)) => {
                entries.iter().map(|(name, value)| (name.text.clone(), self.kind(value))).collect()
            }
            Some(Properties::Parameter(name)) => self.members(self.parameters.get(&name.text)),
            None => Vec::new(),
        }
    }

    fn members(&self, value: Option<&Value>) -> Vec<(String, Kind)> {
        match value {
            Some(Value::Map(members)) => members.iter().map(|(name, value)| (name.clone(), Kind::of(value))).collect(),
            _ => Vec::new(),
        }
    }

    fn set(&mut self, item: &SetItem) {
        match item {
            SetItem::Property { owner, name, value } => {
                let kind = self.kind(value);
                self.property(owner, &name.text, kind);
            }
            SetItem::Replace { variable, value } | SetItem::Add { variable, value } => {
                let entries = match &value.kind {
                    ExpressionKind::Map(entries) => {
                        entries.iter().map(|(name, value)| (name.text.clone(), self.kind(value))).collect()
                    }
                    ExpressionKind::Parameter(name) => self.members(self.parameters.get(name)),
                    _ => Vec::new(),
                };
                for (name, kind) in entries {
                    self.property_of(&variable.text, &name, kind);
                }
            }
            SetItem::Labels { .. } => {}
        }
    }

    fn property(&mut self, owner: &Expression, name: &str, kind: Kind) {
        match &owner.kind {
            ExpressionKind::Variable(variable) => self.property_of(variable, name, kind),
            _ => self.property_of("", name, kind),
        }
    }

    fn property_of(&mut self, variable: &str, name: &str, kind: Kind) {
        let known = self.variables.get(variable);
        if !matches!(known, Some(Variable::Relationship)) {
            merge(&mut self.schema.node_properties, name, kind.clone());
        }
        if !matches!(known, Some(Variable::Node(_))) {
            merge(&mut self.schema.edge_properties, name, kind);
        }
    }

    /// Properties that an expression reads.
    fn properties_of(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::Property(owner, name) => self.property(owner, &name.text, Kind::Nothing),
            ExpressionKind::MapProjection { variable, items } => {
                for item in items {
                    if let MapProjectionItem::Property(name) = item {
                        self.property_of(&variable.text, &name.text, Kind::Nothing);
                    }
                }
            }
            ExpressionKind::Pattern(pattern) | ExpressionKind::PatternComprehension { pattern, .. } => {
                self.pattern(pattern, Use::Match);
            }
            ExpressionKind::Exists(query) | ExpressionKind::Count(query) => {
                for clause in query.parts.iter().flat_map(|part| &part.clauses) {
                    self.clause(clause);
                }
            }
            _ => {}
        }
        for child in expression.kind.children() {
            self.properties_of(child);
        }
    }

    fn kind(&self, expression: &Expression) -> Kind {
        match &expression.kind {
            ExpressionKind::Null => Kind::Nothing,
            ExpressionKind::Boolean(_) => Kind::Boolean,
            ExpressionKind::Integer(_) => Kind::Integer,
            ExpressionKind::Float(_) => Kind::Float,
            ExpressionKind::String(_) => Kind::Text,
            ExpressionKind::Negate(operand) => self.kind(operand),
            ExpressionKind::List(items) => {
                Kind::List(Box::new(items.iter().map(|item| self.kind(item)).fold(Kind::Nothing, Kind::or)))
            }
            ExpressionKind::Parameter(name) => self.parameters.get(name).map_or(Kind::Any, Kind::of),
            ExpressionKind::Variable(name) => match self.variables.get(name) {
                Some(Variable::Value(kind)) => kind.clone(),
                _ => Kind::Any,
            },
            ExpressionKind::Property(_, name) => {
                let known = |properties: &BTreeMap<String, Kind>| properties.get(&name.text).cloned();
                let node = known(&self.schema.node_properties).unwrap_or(Kind::Nothing);
                node.or(known(&self.schema.edge_properties).unwrap_or(Kind::Nothing))
            }
            ExpressionKind::Binary(BinaryOperator::Arithmetic(operator), left, right) => {
                match (self.kind(left), self.kind(right), operator) {
                    (Kind::Text, _, Arithmetic::Add) | (_, Kind::Text, Arithmetic::Add) => Kind::Text,
                    (Kind::List(one), Kind::List(two), Arithmetic::Add) => Kind::List(Box::new(one.or(*two))),
                    (Kind::List(one), other, Arithmetic::Add) | (other, Kind::List(one), Arithmetic::Add) => {
                        Kind::List(Box::new(one.or(other)))
                    }
                    (Kind::Float, _, _) | (_, Kind::Float, _) => Kind::Float,
                    (Kind::Integer, Kind::Integer, _) => Kind::Integer,
                    _ => Kind::Any,
                }
            }
            ExpressionKind::Call { name, .. } => match name.text.to_lowercase().as_str() {
                "range" => Kind::List(Box::new(Kind::Integer)),
                "tostring" | "toupper" | "tolower" => Kind::Text,
                "tointeger" | "size" | "length" | "count" => Kind::Integer,
                _ => Kind::Any,
            },
            ExpressionKind::CountRows => Kind::Integer,
            _ => Kind::Any,
        }
    }
}

fn merge(properties: &mut BTreeMap<String, Kind>, name: &str, kind: Kind) {
    let known = properties.remove(name).unwrap_or(Kind::Nothing);
    properties.insert(name.to_string(), known.or(kind));
}

/// Whether a pattern is looked for, or made where it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Match,
    Create,
}

/// All labels in an expression over labels.
fn labels(expression: &LabelExpression) -> Labels {
    match &expression.kind {
        LabelKind::Label(label) => Labels::from([label.clone()]),
        LabelKind::Any => Labels::new(),
        LabelKind::Not(part) => labels(part),
        LabelKind::And(parts) | LabelKind::Or(parts) => parts.iter().flat_map(labels).collect(),
    }
}

/// The labels and types that queries name.
#[derive(Default)]
struct Mentioned {
    labels: BTreeSet<String>,
    types: BTreeSet<String>,
}

impl Mentioned {
    fn query(&mut self, query: &Query) {
        for clause in query.parts.iter().flat_map(|part| &part.clauses) {
            match clause {
                Clause::Match(clause) => clause.patterns.iter().for_each(|pattern| self.pattern(pattern)),
                Clause::Create(clause) => clause.patterns.iter().for_each(|pattern| self.pattern(pattern)),
                Clause::Merge(clause) => self.pattern(&clause.pattern),
                _ => {}
            }
            clause.expressions().into_iter().for_each(|expression| self.expression(expression));
        }
    }

    fn pattern(&mut self, pattern: &PathPattern) {
        self.labels.extend(pattern.nodes().filter_map(|node| node.labels.as_ref()).flat_map(labels));
        let types = pattern.relationships().filter_map(|relationship| relationship.types.as_ref());
        self.types.extend(types.flat_map(labels));
    }

    fn expression(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::Pattern(pattern) | ExpressionKind::PatternComprehension { pattern, .. } => {
                self.pattern(pattern);
            }
            ExpressionKind::Exists(query) | ExpressionKind::Count(query) => self.query(query),
            ExpressionKind::HasLabels(_, expression) => self.labels.extend(labels(expression)),
            _ => {}
        }
        expression.kind.children().into_iter().for_each(|child| self.expression(child));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use slipstream_graph_language::parse::parse;

    use super::{Kind, Schema};

    #[test]
    fn tables_are_those_that_queries_create_and_name() {
        let setup = parse("CREATE (a:A {x: 1})-[:T {w: 'a'}]->(:B:C {x: 2}), ({l: [1, 2]})").unwrap();
        let query = parse(
            "MATCH (n:D)-[r:S]->(m) WHERE n.y = 1 AND r.z = 2 WITH n, m UNWIND ['q'] AS q SET n.s = q RETURN m.x",
        )
        .unwrap();
        let schema = Schema::of(&[setup, query], &BTreeMap::new());
        let labels: Vec<String> =
            schema.nodes.iter().map(|labels| labels.iter().cloned().collect::<Vec<_>>().join(":")).collect();
        assert_eq!(labels, ["", "A", "B:C", "D"]);
        let edges: Vec<_> = schema.edges.iter().cloned().collect();
        assert_eq!(edges, [("S".to_string(), 0, 0), ("T".to_string(), 1, 2)]);
        assert_eq!(schema.node_properties["x"], Kind::Integer);
        assert_eq!(schema.node_properties["l"].sql(), "bigint[]");
        assert_eq!(schema.node_properties["s"], Kind::Text);
        assert_eq!(schema.node_properties["y"].sql(), "jsonb");
        assert!(schema.edge_properties.contains_key("z") && !schema.edge_properties.contains_key("x"));
        assert_eq!(schema.edge_properties["w"], Kind::Text);
    }

    #[test]
    fn values_of_several_kinds_are_json() {
        let query = parse("CREATE ({x: 1}), ({x: 'a'})").unwrap();
        assert_eq!(Schema::of(&[query], &BTreeMap::new()).node_properties["x"].sql(), "jsonb");
    }
}
