//! CREATE, MERGE, SET, REMOVE and DELETE: which tables they write, and what.

use std::sync::Arc;

use slipstream_engine::catalog::{EdgeTable, TableDefinition, VertexTable};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::scope::{Binding, Element, Member, Path};
use crate::bound::{BoundClause, BoundItem, BoundMerge, BoundSet, Made, Value, ValueKind, Written};
use crate::lexer::Span;
use crate::syntax::{
    Create, Delete, Direction, Expression, ExpressionKind, LabelExpression, Match, Merge, Name, NodePattern,
    PathPattern, Properties, RelationshipPattern, Remove, RemoveItem, SetItem,
};

/// What a CREATE has made so far. Its variables come into scope when it is done: its values see the rows before it.
#[derive(Default)]
struct Making {
    made: Vec<Made>,
    /// Elements by name.
    named: Vec<(Name, Binding)>,
}

impl Binder<'_> {
    pub(super) fn create(&mut self, syntax: &Create) -> Result<BoundClause> {
        let mut making = Making::default();
        for path in &syntax.patterns {
            self.make_path(path, &mut making)?;
        }
        for (name, binding) in making.named {
            self.scope.introduce(&name, binding)?;
        }
        Ok(BoundClause::Create(making.made))
    }

    fn make_path(&mut self, path: &PathPattern, making: &mut Making) -> Result<()> {
        let alone = path.steps.is_empty();
        let mut left = self.make_node(&path.start, alone, making)?;
        let mut parts = vec![left.part()];
        for (relationship, node) in &path.steps {
            let right = self.make_node(node, false, making)?;
            let made = self.make_relationship(relationship, &left, &right, making)?;
            parts.extend([made.part(), right.part()]);
            left = right;
        }
        if let Some(name) = &path.variable {
            let length = i64::try_from(path.steps.len()).unwrap_or(i64::MAX);
            let length = Value::new(ValueKind::Length(length, Vec::new()), SqlType::BigInt);
            self.note_made(name, Binding::Path(Path { parts, length }), making)?;
        }
        Ok(())
    }

    /// The node of a pattern: one that is known by its name, or a new one.
    fn make_node(&mut self, syntax: &NodePattern, alone: bool, making: &mut Making) -> Result<Element> {
        if let Some(name) = &syntax.variable
            && let Some(known) = self.known_while_making(name, making)
        {
            let Binding::Node(element) = known else {
                return Err(super::types::mismatch(format!("variable \"{}\" is not a node", name.text), name.span));
            };
            if alone || syntax.labels.is_some() || syntax.properties.is_some() {
                return Err(already(name));
            }
            return Ok(element);
        }
        let vertex = self.vertex_to_make(syntax.labels.as_ref(), syntax.span)?.clone();
        let element = self.new_node(&vertex)?;
        let properties = self.made_properties(syntax.properties.as_ref(), &element)?;
        making.made.push(Made {
            variable: element.variable.clone(),
            written: syntax.variable.as_ref().map(|name| name.text.clone()),
            table: vertex.name.clone(),
            ends: None,
            properties,
        });
        if let Some(name) = &syntax.variable {
            self.note_made(name, Binding::Node(element.clone()), making)?;
        }
        Ok(element)
    }

    fn make_relationship(
        &mut self,
        syntax: &RelationshipPattern,
        left: &Element,
        right: &Element,
        making: &mut Making,
    ) -> Result<Element> {
        let (source, destination) = match syntax.direction {
            Direction::Left => (right, left),
            Direction::Right | Direction::Either => (left, right),
        };
        let edge = self.edge_to_make(syntax, source, destination)?.clone();
        let element = self.new_relationship(&edge, source, destination)?;
        let properties = self.made_properties(syntax.properties.as_ref(), &element)?;
        making.made.push(Made {
            variable: element.variable.clone(),
            written: syntax.variable.as_ref().map(|name| name.text.clone()),
            table: edge.name.clone(),
            ends: Some((source.variable.clone(), destination.variable.clone())),
            properties,
        });
        if let Some(name) = &syntax.variable {
            self.note_made(name, Binding::Relationship(element.clone()), making)?;
        }
        Ok(element)
    }

    fn known_while_making(&self, name: &Name, making: &Making) -> Option<Binding> {
        let made = making.named.iter().find(|(other, _)| other.text == name.text).map(|(_, binding)| binding);
        made.or_else(|| self.scope.get(&name.text)).cloned()
    }

    fn note_made(&self, name: &Name, binding: Binding, making: &mut Making) -> Result<()> {
        if self.known_while_making(name, making).is_some() {
            return Err(already(name));
        }
        making.named.push((name.clone(), binding));
        Ok(())
    }

    /// The vertex table whose labels are exactly those that are given.
    fn vertex_to_make(&self, labels: Option<&LabelExpression>, span: Span) -> Result<&VertexTable> {
        let names = labels.and_then(LabelExpression::conjunction).unwrap_or_default();
        let mut fitting = self.graph.vertices.iter().filter(|vertex| same_labels(&vertex.labels, &names));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Error::not_supported(format!(
                "{} is ambiguous: several vertex tables have exactly these labels",
                shown(&names)
            ))
            .at(span.position())),
            (None, _) => {
                let span = names.first().map_or(span, |name| name.span);
                let message = match names.as_slice() {
                    [] => "no vertex table is for nodes without labels".to_string(),
                    [label] => format!("label \"{}\" does not exist", label.text),
                    _ => format!("no vertex table has exactly the labels {}", shown(&names)),
                };
                let tables: Vec<String> = self.graph.vertices.iter().map(|vertex| vertex.labels.join(":")).collect();
                Err(Error::new(ErrorKind::UndefinedTable, message)
                    .with_hint(format!(
                        "A node is a row of the vertex table that has its labels. Those of graph \"{}\" are {}.",
                        self.graph.name,
                        tables
                            .iter()
                            .map(|labels| format!("({}{labels})", if labels.is_empty() { "" } else { ":" }))
                            .collect::<Vec<_>>()
                            .join(", ")
                    ))
                    .at(span.position()))
            }
        }
    }

    /// The edge table of a type between the tables of two nodes.
    fn edge_to_make(
        &self,
        syntax: &RelationshipPattern,
        source: &Element,
        destination: &Element,
    ) -> Result<&EdgeTable> {
        let names = syntax.types.as_ref().and_then(LabelExpression::conjunction).unwrap_or_default();
        let span = names.first().map_or(syntax.span, |name| name.span);
        let of_type: Vec<&EdgeTable> = self.graph.edges.iter().filter(|edge| has_label(&edge.labels, &names)).collect();
        if of_type.is_empty() {
            return Err(Error::new(
                ErrorKind::UndefinedTable,
                format!("relationship type {} does not exist", shown(&names)),
            )
            .at(span.position()));
        }
        let (from, to) = (element_table(source, span)?, element_table(destination, span)?);
        let mut fitting =
            of_type.into_iter().filter(|edge| edge.source.vertex == from && edge.destination.vertex == to);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Error::not_supported(format!(
                "relationship type {} is ambiguous between these nodes",
                shown(&names)
            ))
            .at(span.position())),
            (None, _) => Err(super::types::mismatch(
                format!("no edge table of type {} leads from \"{from}\" to \"{to}\"", shown(&names)),
                span,
            )),
        }
    }

    /// Properties of a new element: columns and values.
    fn made_properties(&mut self, properties: Option<&Properties>, element: &Element) -> Result<Vec<(String, Value)>> {
        if let Some(Properties::Parameter(name)) = properties {
            return Err(Error::not_supported("a parameter for all properties of an element is not supported")
                .with_hint(format!("Write each of them, as in {{name: ${}}}.", name.text))
                .at(name.span.position()));
        }
        let mut made: Vec<(String, Value)> = Vec::new();
        for (name, expression) in Properties::written(properties) {
            if made.iter().any(|(other, _)| *other == name.text) {
                return Err(Error::new(
                    ErrorKind::DuplicateColumn,
                    format!("property \"{}\" is given more than once", name.text),
                )
                .at(name.span.position()));
            }
            made.push((name.text.clone(), self.assigned(element, name, expression)?));
        }
        Ok(made)
    }

    /// The value that a property gets.
    fn assigned(&mut self, element: &Element, name: &Name, expression: &Expression) -> Result<Value> {
        let sql_type = self.property_type(element, name)?;
        let value = self.value(expression)?;
        let value = self.towards(value, Some(&sql_type), expression.span)?;
        Ok(if value.sql_type.is_none() { self.assume(value, &sql_type) } else { value })
    }

    /// The type of a property's column; `42703` where there is none.
    fn property_type(&mut self, element: &Element, name: &Name) -> Result<SqlType> {
        let noted = self.unindexed.take();
        let property = element.property(name, &mut self.unindexed);
        self.unindexed.0 = noted;
        let property = property?;
        let mut types = element.members.iter().filter_map(|member| member.table.get_column(&name.text));
        let Some(first) = types.next() else {
            // No table fits the element, so nothing is written.
            return Ok(property.sql_type.unwrap_or(SqlType::Text));
        };
        match types.find(|column| column.sql_type != first.sql_type) {
            None => Ok(first.sql_type.clone()),
            Some(other) => Err(Error::not_supported(format!(
                "writing property \"{}\", which is {} in one table and {} in another, is not supported",
                name.text, first.sql_type, other.sql_type
            ))
            .with_hint("Write a label in the pattern that only one table has.")
            .at(name.span.position())),
        }
    }

    pub(super) fn merge(&mut self, syntax: &Merge) -> Result<BoundClause> {
        if let (Some(name), true) = (&syntax.pattern.start.variable, syntax.pattern.steps.is_empty())
            && self.scope.get(&name.text).is_some()
        {
            return Err(already(name));
        }
        self.check_known_are_bare(&syntax.pattern)?;
        let before = self.scope.clone();
        let (pattern, values) = self.merge_values(&syntax.pattern)?;
        let searched = Match { span: syntax.span, optional: false, patterns: vec![pattern], filter: None };
        let noted = self.unindexed.take();
        let bound = self.match_clause(&searched, &mut Vec::new())?;
        self.unindexed.0 = noted;
        if bound.paths.iter().any(|path| path.tables().any(|tables| tables.len() != 1)) {
            return Err(several_tables(syntax.pattern.span));
        }
        let made = self.merge_made(&searched.patterns[0], &bound)?;
        self.scope = self.without_hidden();
        drop(before);
        let on_create = self.set_items(&syntax.on_create)?;
        let on_match = self.set_items(&syntax.on_match)?;
        Ok(BoundClause::Merge(Box::new(BoundMerge { values, pattern: bound, made, on_create, on_match })))
    }

    /// A node that is known already is named in MERGE without anything else.
    fn check_known_are_bare(&self, path: &PathPattern) -> Result<()> {
        for node in path.nodes() {
            if let Some(name) = &node.variable
                && self.scope.get(&name.text).is_some()
                && (node.labels.is_some() || node.properties.is_some())
            {
                return Err(already(name));
            }
        }
        for relationship in path.relationships() {
            if let Some(name) = relationship.variable.as_ref().filter(|name| self.scope.get(&name.text).is_some()) {
                return Err(already(name));
            }
        }
        Ok(())
    }

    /// The pattern with a variable in the place of every property's value, and the values of those. The names of the
    /// variables are none that a text can have.
    fn merge_values(&mut self, path: &PathPattern) -> Result<(PathPattern, Vec<BoundItem>)> {
        let mut path = path.clone();
        let mut values = Vec::new();
        let nodes = std::iter::once(&mut path.start.properties);
        let steps = path.steps.iter_mut();
        let rest = steps.flat_map(|(relationship, node)| [&mut relationship.properties, &mut node.properties]);
        for properties in nodes.chain(rest).flatten() {
            let Properties::Map(entries) = properties else { continue };
            for (name, expression) in entries {
                let value = self.value(expression)?;
                if matches!(value.kind, ValueKind::Null) {
                    return Err(null_property(name));
                }
                if value.sql_type.is_none() || matches!(value.kind, ValueKind::String(_) | ValueKind::Integer(_)) {
                    // What its type is, the property says.
                    continue;
                }
                let variable = self.fresh('v');
                let kind = ValueKind::Variable { name: variable.clone(), key: None };
                let hidden = Name { text: format!("{HIDDEN}{variable}"), span: expression.span };
                self.scope.introduce(&hidden, Binding::Value(Value { kind, sql_type: value.sql_type.clone() }))?;
                values.push(BoundItem::Value { value, variable });
                *expression = Expression::new(ExpressionKind::Variable(hidden.text), expression.span)?;
            }
        }
        Ok((path, values))
    }

    fn without_hidden(&self) -> super::scope::Scope {
        let mut scope = super::scope::Scope::default();
        for (name, binding) in self.scope.iter().filter(|(name, _)| !name.starts_with(HIDDEN)) {
            scope.set(name, binding.clone());
        }
        scope
    }

    /// What a MERGE makes where nothing is found: the elements that its pattern brings in.
    fn merge_made(&mut self, syntax: &PathPattern, bound: &crate::bound::BoundMatch) -> Result<Vec<Made>> {
        let [path] = bound.paths.as_slice() else { return Err(Error::internal("a MERGE of several paths")) };
        let mut made = Vec::new();
        let mut elements: Vec<(String, Element)> = Vec::new();
        let nodes = std::iter::once(&path.start).chain(path.steps.iter().map(|(_, node)| node));
        for (node, syntax) in nodes.zip(syntax.nodes()) {
            if elements.iter().any(|(variable, _)| *variable == node.variable) {
                continue;
            }
            let known = syntax.variable.as_ref().and_then(|name| self.scope.get(&name.text)).and_then(Binding::element);
            if let (false, Some(known)) = (node.introduced, known) {
                elements.push((node.variable.clone(), known.clone()));
                continue;
            }
            let vertex = self.vertex_to_make(syntax.labels.as_ref(), syntax.span)?.clone();
            let element = Element { variable: node.variable.clone(), ..self.new_node(&vertex)? };
            let properties = self.made_properties(syntax.properties.as_ref(), &element)?;
            let written = node.written.clone();
            let variable = node.variable.clone();
            made.push(Made { variable, written, table: vertex.name.clone(), ends: None, properties });
            elements.push((node.variable.clone(), element));
        }
        let find = |variable: &str| elements.iter().find(|(other, _)| other == variable).map(|(_, element)| element);
        let mut left = path.start.variable.as_str();
        let mut relationships = Vec::new();
        for ((relationship, node), (syntax, _)) in path.steps.iter().zip(&syntax.steps) {
            let (Some(one), Some(other)) = (find(left), find(&node.variable)) else {
                return Err(Error::internal("a relationship of MERGE without its nodes"));
            };
            relationships.push((relationship, syntax, one.clone(), other.clone()));
            left = &node.variable;
        }
        for (relationship, syntax, one, other) in relationships {
            let (source, destination) =
                if syntax.direction == Direction::Left { (&other, &one) } else { (&one, &other) };
            let edge = self.edge_to_make(syntax, source, destination)?.clone();
            let element = self.new_relationship(&edge, source, destination)?;
            let properties = self.made_properties(syntax.properties.as_ref(), &element)?;
            made.push(Made {
                variable: relationship.variable.clone(),
                written: relationship.written.clone(),
                table: edge.name.clone(),
                ends: Some((source.variable.clone(), destination.variable.clone())),
                properties,
            });
        }
        Ok(made)
    }

    /// SET's items, in order; those of one element that do not read each other together.
    pub(super) fn set_items(&mut self, items: &[SetItem]) -> Result<Vec<BoundSet>> {
        let mut sets = Vec::new();
        for item in items {
            match item {
                SetItem::Property { owner, name, value } => {
                    let element = self.written_element(owner)?;
                    let value = self.assigned(&element, name, value)?;
                    self.assign(&mut sets, &element, name.text.clone(), value, owner.span)?;
                }
                SetItem::Replace { variable, value } | SetItem::Add { variable, value } => {
                    let element = self.written_element(&named(variable)?)?;
                    let replace = matches!(item, SetItem::Replace { .. });
                    for (column, value) in self.map_assignments(&element, value, replace)? {
                        self.assign(&mut sets, &element, column, value, variable.span)?;
                    }
                }
                SetItem::Labels { variable, labels } => {
                    let element = self.written_element(&named(variable)?)?;
                    if !labels.iter().all(|label| self.element_has(&element, label)) {
                        return Err(other_table(variable));
                    }
                }
            }
        }
        Ok(sets)
    }

    pub(super) fn remove(&mut self, syntax: &Remove) -> Result<BoundClause> {
        let mut sets = Vec::new();
        for item in &syntax.items {
            match item {
                RemoveItem::Property { owner, name } => {
                    let element = self.written_element(owner)?;
                    let sql_type = self.property_type(&element, name)?;
                    let null = Value::new(ValueKind::Null, sql_type);
                    self.assign(&mut sets, &element, name.text.clone(), null, owner.span)?;
                }
                RemoveItem::Labels { variable, labels } => {
                    let element = self.written_element(&named(variable)?)?;
                    if labels.iter().any(|label| self.element_has(&element, label)) {
                        return Err(other_table(variable));
                    }
                }
            }
        }
        Ok(BoundClause::Set(sets))
    }

    /// What `n = map` and `n += map` set.
    fn map_assignments(&mut self, element: &Element, map: &Expression, replace: bool) -> Result<Vec<(String, Value)>> {
        let map = match &map.kind {
            ExpressionKind::Call { name, arguments, .. } if name.text.eq_ignore_ascii_case("properties") => {
                arguments.first().filter(|_| arguments.len() == 1).unwrap_or(map)
            }
            _ => map,
        };
        let mut assignments = Vec::new();
        if let ExpressionKind::Map(entries) = &map.kind {
            for (name, expression) in entries {
                assignments.push((name.text.clone(), self.assigned(element, name, expression)?));
            }
        } else if let Some(other) = self.get_element(map).cloned() {
            for name in self.own_properties(&other, map.span)? {
                let name = Name { text: name, span: map.span };
                let sql_type = self.property_type(element, &name)?;
                let value = other.property(&name, &mut self.unindexed)?;
                assignments.push((name.text.clone(), self.towards(value, Some(&sql_type), map.span)?));
            }
        } else {
            return Err(Error::not_supported(
                "SET from anything but a map that is written out, a node or a relationship is not supported",
            )
            .with_hint("Set the properties one by one.")
            .at(map.span.position()));
        }
        if replace {
            for column in self.own_properties(element, map.span)? {
                if !assignments.iter().any(|(other, _)| *other == column) {
                    let name = Name { text: column.clone(), span: map.span };
                    let sql_type = self.property_type(element, &name)?;
                    assignments.push((column, Value::new(ValueKind::Null, sql_type)));
                }
            }
        }
        Ok(assignments)
    }

    /// The columns of an element that are neither its key nor its ends.
    fn own_properties(&self, element: &Element, span: Span) -> Result<Vec<String>> {
        let table = element_table(element, span)?;
        let definition = element_definition(element, span)?;
        let held: Vec<&String> = match self.graph.get_edge(&table) {
            Some(edge) => edge.key.iter().chain(&edge.source.columns).chain(&edge.destination.columns).collect(),
            None => self.graph.get_vertex(&table).map(|vertex| vertex.key.iter().collect()).unwrap_or_default(),
        };
        let columns = definition.columns.iter().map(|column| &column.name);
        Ok(columns.filter(|column| !held.contains(column)).cloned().collect())
    }

    fn assign(
        &mut self,
        sets: &mut Vec<BoundSet>,
        element: &Element,
        column: String,
        value: Value,
        span: Span,
    ) -> Result<()> {
        let mut has_it = false;
        for (member, target) in element.members.iter().zip(self.each_written(element)) {
            if member.table.get_column(&column).is_some() {
                has_it = true;
                self.assign_in(sets, target, column.clone(), value.clone(), span)?;
            } else if !matches!(value.kind, ValueKind::Null) {
                return Err(Error::new(
                    ErrorKind::UndefinedColumn,
                    format!("table \"{}\", which the element may be from, has no property \"{column}\"", member.name),
                )
                .with_hint("Write a label in the pattern that only one table has.")
                .at(span.position()));
            }
        }
        match has_it || element.members.is_empty() {
            true => Ok(()),
            false => Err(Error::internal(format!("no table has property \"{column}\""))),
        }
    }

    /// An assignment in one of the tables that an element may be from.
    fn assign_in(
        &mut self,
        sets: &mut Vec<BoundSet>,
        target: Written,
        column: String,
        value: Value,
        span: Span,
    ) -> Result<()> {
        let key = |table: &str| match self.graph.get_edge(table) {
            Some(edge) => edge.key.contains(&column),
            None => self.graph.get_vertex(table).is_some_and(|vertex| vertex.key.contains(&column)),
        };
        if target.place.is_some() && key(&target.table) {
            return Err(several_tables(span));
        }
        if let Some(last) = sets.last_mut().filter(|last| last.target == target) {
            let own = |part: &Value| {
                matches!(&part.kind, ValueKind::Property { variable, column, .. }
                    if *variable == target.variable && last.assignments.iter().any(|(other, _)| other == column))
            };
            if !any_part(&value, &own) {
                last.assignments.retain(|(other, _)| *other != column);
                last.assignments.push((column, value));
                return Ok(());
            }
        }
        sets.push(BoundSet { target, assignments: vec![(column, value)] });
        Ok(())
    }

    /// The node or relationship that is written.
    fn written_element(&self, owner: &Expression) -> Result<Element> {
        let ExpressionKind::Variable(name) = &owner.kind else {
            return Err(Error::not_supported(
                "changing anything but a node or relationship by its name is not supported",
            )
            .at(owner.span.position()));
        };
        let binding = self.scope.binding(name, owner.span)?;
        let Some(element) = binding.element() else {
            return Err(super::types::mismatch(format!("\"{name}\" is not a node or relationship"), owner.span));
        };
        if self.deleted.contains(&element.variable) {
            return Err(Error::new(ErrorKind::UndefinedColumn, format!("\"{name}\" has been deleted"))
                .at(owner.span.position()));
        }
        Ok(element.clone())
    }

    pub(super) fn delete(&mut self, syntax: &Delete) -> Result<BoundClause> {
        let mut items: Vec<Written> = Vec::new();
        for item in &syntax.items {
            let ExpressionKind::Variable(name) = &item.kind else {
                let value = self.value(item)?;
                return Err(match value.sql_type {
                    Some(SqlType::Jsonb | SqlType::Json) | None => Error::not_supported(
                        "DELETE of anything but a node or relationship by its name is not supported",
                    ),
                    Some(_) => Error::new(ErrorKind::DatatypeMismatch, "DELETE needs nodes, relationships or paths"),
                }
                .at(item.span.position()));
            };
            match self.scope.binding(name, item.span)? {
                Binding::Node(element) | Binding::Relationship(element) => items.extend(self.each_written(element)),
                Binding::Walk(_) | Binding::Path(_) => {
                    return Err(Error::not_supported(
                        "DELETE of a path or variable-length relationship is not supported",
                    )
                    .with_hint("Delete its nodes and relationships by their names.")
                    .at(item.span.position()));
                }
                Binding::Value(_) => {
                    return Err(super::types::mismatch(format!("\"{name}\" is not a node or relationship"), item.span));
                }
            }
        }
        self.deleted.extend(items.iter().map(|item| item.variable.clone()));
        Ok(BoundClause::Delete { items, detach: syntax.detach })
    }

    /// An element in each of the tables that it may be from.
    fn each_written(&self, element: &Element) -> Vec<Written> {
        let several = element.only().is_none();
        let written = |member: &Member| {
            let vertex = self.graph.vertices.iter().position(|vertex| vertex.name == member.name);
            let place = vertex.or_else(|| self.graph.edges.iter().position(|edge| edge.name == member.name));
            Written {
                variable: element.variable.clone(),
                table: member.name.clone(),
                key: element.key_value(),
                place: place.filter(|_| several),
            }
        };
        element.members.iter().map(written).collect()
    }

    fn element_has(&self, element: &Element, label: &Name) -> bool {
        let has = |member: &Member| has_label(&member.labels, std::slice::from_ref(label));
        !element.members.is_empty() && element.members.iter().all(has)
    }

    /// A node of a table, under a new variable.
    fn new_node(&mut self, vertex: &VertexTable) -> Result<Element> {
        let members = vec![self.vertex_member(vertex)?];
        Ok(Element { variable: self.fresh('n'), members, optional: false, ends: Vec::new() })
    }

    /// A relationship of a table, under a new variable.
    fn new_relationship(&mut self, edge: &EdgeTable, source: &Element, destination: &Element) -> Result<Element> {
        let members = vec![self.edge_member(edge)?];
        let ends = super::pattern::ends(edge, source, destination, Direction::Right)?;
        Ok(Element { variable: self.fresh('r'), members, optional: false, ends })
    }
}

/// Begins the names of variables that no text has.
const HIDDEN: char = '\u{0}';

/// The name of the only table that an element can be from.
fn element_table(element: &Element, span: Span) -> Result<String> {
    only_member(element, span).map(|member| member.name.clone())
}

/// The only table that an element can be from.
fn element_definition(element: &Element, span: Span) -> Result<Arc<TableDefinition>> {
    only_member(element, span).map(|member| Arc::clone(&member.table))
}

fn only_member(element: &Element, span: Span) -> Result<&Member> {
    element.only().ok_or_else(|| several_tables(span))
}

fn several_tables(span: Span) -> Error {
    Error::not_supported("writing an element that may be from several tables is not supported")
        .with_hint("Write a label in the pattern that only one table has.")
        .at(span.position())
}

/// Whether some part of a value fulfils a condition.
fn any_part(value: &Value, condition: &impl Fn(&Value) -> bool) -> bool {
    condition(value) || value.children().into_iter().any(|child| any_part(child, condition))
}

fn named(variable: &Name) -> Result<Expression> {
    Expression::new(ExpressionKind::Variable(variable.text.clone()), variable.span)
}

fn already(name: &Name) -> Error {
    Error::new(ErrorKind::DuplicateObject, format!("variable \"{}\" already exists", name.text))
        .at(name.span.position())
}

fn null_property(name: &Name) -> Error {
    Error::new(ErrorKind::NotNullViolation, format!("MERGE cannot use null for property \"{}\"", name.text))
        .at(name.span.position())
}

fn other_table(variable: &Name) -> Error {
    Error::not_supported(format!("changing the labels of \"{}\" is not supported", variable.text))
        .with_detail("A node has the labels of its table, and would become a row of another one.")
        .at(variable.span.position())
}

fn shown(names: &[Name]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.text)).collect();
    quoted.join(", ")
}

/// Whether a table's labels are exactly those that are written; a label in another case is the same where no table has
/// that very one.
fn same_labels(labels: &[String], names: &[Name]) -> bool {
    let mut distinct: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    labels.len() == distinct.len() && has_label(labels, names)
}

fn has_label(labels: &[String], names: &[Name]) -> bool {
    names.iter().all(|name| labels.iter().any(|label| label.to_lowercase() == name.text.to_lowercase()))
}
