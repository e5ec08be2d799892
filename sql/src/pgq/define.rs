//! A property graph, checked against the tables it is over.

use std::sync::Arc;

use slipstream_catalog::search_path::SearchPath;
use slipstream_engine::catalog::{
    Catalog, ColumnDefinition, EdgeTable, EndPoint, GraphDefinition, TableDefinition, VertexTable,
};
use slipstream_engine::graph::cover::{STANDING_TABLE, coverable, coverable_name, key_coverable};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::statement::{CreateGraph, EdgeElement, EndReference, Label, LabelClause, Name, Properties, VertexElement};

/// The definition of a graph, with the object id that `catalog` would give next and an identity of its own.
///
/// Errors: `42710` where the graph's or an element's name is taken or a label is given twice, `42P01`, `42703`, `42P16` and `42804` where tables, columns, keys
/// or types do not fit, `0A000` for what an index cannot hold.
pub fn define(create: &CreateGraph, catalog: &Catalog, path: &SearchPath) -> Result<GraphDefinition> {
    if catalog.graphs.contains_key(&create.name.text) {
        let message = format!("graph \"{}\" already exists", create.name.text);
        return Err(Error::new(ErrorKind::DuplicateObject, message).at(create.name.position));
    }
    check_names(create)?;
    let tables = Lookup { catalog, path };
    check_tables(create, &tables)?;
    let vertices = create.vertices.iter().map(|vertex| define_vertex(vertex, &tables)).collect::<Result<Vec<_>>>()?;
    let edges = create.edges.iter().map(|edge| define_edge(edge, create, &tables)).collect::<Result<Vec<_>>>()?;
    Ok(GraphDefinition {
        oid: catalog.reserve_oid(),
        id: Uuid::now_v7(),
        name: create.name.text.clone(),
        vertices,
        edges,
    })
}

impl VertexElement {
    /// Its name within the graph's definition.
    fn name(&self) -> &Name {
        self.alias.as_ref().unwrap_or(&self.table)
    }

    /// Its labels; `42710` for one that is given twice.
    fn labels(&self) -> Result<Vec<String>> {
        let mut labels: Vec<String> = Vec::with_capacity(self.labels.len());
        for clause in &self.labels {
            let label = match &clause.label {
                Label::None => continue,
                Label::Default => self.name(),
                Label::Named(label) => label,
            };
            if labels.contains(&label.text) {
                let message = format!("label \"{}\" is given twice", label.text);
                return Err(Error::new(ErrorKind::DuplicateObject, message).at(label.position));
            }
            labels.push(label.text.clone());
        }
        Ok(labels)
    }
}

fn elements(create: &CreateGraph) -> impl Iterator<Item = &VertexElement> {
    create.vertices.iter().chain(create.edges.iter().map(|edge| &edge.element))
}

/// Every table has one role.
fn check_tables(create: &CreateGraph, tables: &Lookup<'_>) -> Result<()> {
    let mut seen = Vec::new();
    for element in elements(create) {
        let Ok(table) = find_table(element, tables) else { continue };
        if seen.contains(&table.id) {
            let message = format!("table \"{}\" twice in one graph is not supported", element.table.text);
            return Err(Error::not_supported(message).at(element.table.position));
        }
        seen.push(table.id);
    }
    Ok(())
}

/// Every element has a name of its own, and one that the index can call its table: it does not see the case of letters.
fn check_names(create: &CreateGraph) -> Result<()> {
    let names: Vec<_> = elements(create).map(VertexElement::name).collect();
    for (at, name) in names.iter().enumerate() {
        let folded = name.text.to_lowercase();
        if names[..at].iter().any(|other| other.text.to_lowercase() == folded) {
            let message = format!("the name \"{}\" is used for two elements of the graph", name.text);
            return Err(Error::new(ErrorKind::DuplicateObject, message)
                .with_hint("Give one of them another name with AS.")
                .at(name.position));
        }
        if folded == STANDING_TABLE.to_lowercase() || folded.contains(['.', '`']) {
            return Err(Error::not_supported(format!("the name \"{}\" is not supported", name.text))
                .with_hint("Give it another with AS; its label may be the same, with LABEL.")
                .at(name.position));
        }
    }
    Ok(())
}

fn define_vertex(vertex: &VertexElement, tables: &Lookup<'_>) -> Result<VertexTable> {
    let table = find_table(vertex, tables)?;
    let key = key(vertex, table)?;
    Ok(VertexTable {
        table: table.id,
        name: vertex.name().text.clone(),
        labels: vertex.labels()?,
        properties: covered(&vertex.labels, table, key, &[])?,
        key: vec![key.name.clone()],
    })
}

fn define_edge(edge: &EdgeElement, create: &CreateGraph, tables: &Lookup<'_>) -> Result<EdgeTable> {
    let element = &edge.element;
    let table = find_table(element, tables)?;
    let key = key(element, table)?;
    let source = end_point(&edge.source, table, create, tables)?;
    let destination = end_point(&edge.destination, table, create, tables)?;
    let ends: Vec<&String> = source.columns.iter().chain(&destination.columns).collect();
    Ok(EdgeTable {
        table: table.id,
        name: element.name().text.clone(),
        labels: element.labels()?,
        properties: covered(&element.labels, table, key, &ends)?,
        key: vec![key.name.clone()],
        source,
        destination,
        on_delete_cascade: edge.on_delete_cascade,
    })
}

fn end_point(
    reference: &EndReference,
    table: &TableDefinition,
    create: &CreateGraph,
    tables: &Lookup<'_>,
) -> Result<EndPoint> {
    let name = &reference.vertex;
    let vertex = create.vertices.iter().find(|vertex| vertex.name().text == name.text).ok_or_else(|| {
        Error::new(ErrorKind::UndefinedTable, format!("\"{}\" is not a vertex table of the graph", name.text))
            .at(name.position)
    })?;
    let vertex_table = find_table(vertex, tables)?;
    let key = key(vertex, vertex_table)?;
    if let Some(references) = &reference.references {
        same_columns(references, std::slice::from_ref(&key.name), || {
            Error::not_supported(format!(
                "an end point must refer to the key of \"{}\", which is \"{}\"",
                name.text, key.name
            ))
        })?;
    }
    let column = find_column(single(&reference.columns)?, table)?;
    if !same_type(&column.sql_type, &key.sql_type) {
        let message = format!(
            "column \"{}\" of \"{}\" is of type {}, but the key \"{}\" of \"{}\" is of type {}",
            column.name, table.name, column.sql_type, key.name, vertex_table.name, key.sql_type
        );
        return Err(Error::new(ErrorKind::DatatypeMismatch, message)
            .on_table(&table.name)
            .on_column(&column.name)
            .at(reference.columns[0].position));
    }
    Ok(EndPoint { columns: vec![column.name.clone()], vertex: vertex.name().text.clone() })
}

/// The key column of an element: the primary key of its table.
fn key<'a>(element: &VertexElement, table: &'a TableDefinition) -> Result<&'a ColumnDefinition> {
    if table.primary_key.is_empty() {
        let message = format!("table \"{}\" has no primary key, which an element of a graph needs", table.name);
        return Err(Error::new(ErrorKind::InvalidTableDefinition, message).at(element.table.position));
    }
    if let Some(columns) = &element.key {
        for column in columns {
            find_column(column, table)?;
        }
        same_columns(columns, &table.primary_key, || {
            Error::not_supported(format!(
                "a KEY that is not the primary key of table \"{}\" is not supported",
                table.name
            ))
        })?;
    }
    let [name] = table.primary_key.as_slice() else {
        let message = format!("table \"{}\" has a key of several columns, which a graph does not support", table.name);
        return Err(Error::not_supported(message)
            .with_hint("Give the table a primary key of one column.")
            .at(element.table.position));
    };
    let column = table.column(name)?;
    if !key_coverable(&column.sql_type) || !coverable_name(name) {
        let message = format!("\"{name}\" of type {} is not supported as the key of a graph element", column.sql_type);
        return Err(Error::not_supported(message).at(element.table.position));
    }
    Ok(column)
}

/// The columns that the index covers, in table order: the properties of all labels, and the key.
fn covered(
    labels: &[LabelClause],
    table: &TableDefinition,
    key: &ColumnDefinition,
    ends: &[&String],
) -> Result<Vec<String>> {
    let mut columns = vec![key];
    for clause in labels {
        for column in properties(&clause.properties, table, ends)? {
            // Two labels may each name one of two columns that the index cannot tell apart: the first stays.
            if !columns.iter().any(|other| other.name.to_lowercase() == column.name.to_lowercase()) {
                columns.push(column);
            }
        }
    }
    let is_covered = |column: &&ColumnDefinition| columns.iter().any(|other| other.name == column.name);
    Ok(table.columns.iter().filter(is_covered).map(|column| column.name.clone()).collect())
}

fn properties<'a>(
    properties: &Properties,
    table: &'a TableDefinition,
    ends: &[&String],
) -> Result<Vec<&'a ColumnDefinition>> {
    match properties {
        Properties::None => Ok(Vec::new()),
        Properties::Listed(names) => listed(names, table),
        Properties::All { except } => {
            for name in except {
                find_column(name, table)?;
            }
            let wanted = |column: &&ColumnDefinition| {
                // The index has the end points anyway.
                covers(column) && !except.iter().any(|name| name.text == column.name) && !ends.contains(&&column.name)
            };
            Ok(table.columns.iter().filter(wanted).collect())
        }
    }
}

fn listed<'a>(names: &[Name], table: &'a TableDefinition) -> Result<Vec<&'a ColumnDefinition>> {
    let mut columns: Vec<&ColumnDefinition> = Vec::with_capacity(names.len());
    for name in names {
        let column = find_column(name, table)?;
        if !covers(column) {
            let message =
                format!("property \"{}\" of type {} cannot be in the graph index", column.name, column.sql_type);
            return Err(Error::not_supported(message)
                .with_hint("Leave it out of PROPERTIES, and join the pattern with the table.")
                .on_table(&table.name)
                .on_column(&column.name)
                .at(name.position));
        }
        if columns.iter().any(|other| other.name.to_lowercase() == column.name.to_lowercase()) {
            let message = format!("property \"{}\" is specified more than once", column.name);
            return Err(Error::new(ErrorKind::DuplicateColumn, message).at(name.position));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn covers(column: &ColumnDefinition) -> bool {
    coverable(&column.sql_type) && coverable_name(&column.name)
}

/// Where tables are found.
struct Lookup<'a> {
    catalog: &'a Catalog,
    path: &'a SearchPath,
}

fn find_table<'a>(element: &VertexElement, tables: &Lookup<'a>) -> Result<&'a Arc<TableDefinition>> {
    let name = &element.table;
    let found = match &element.schema {
        Some(schema) if !tables.catalog.has_schema(&schema.text) => {
            let message = format!("schema \"{}\" does not exist", schema.text);
            return Err(Error::new(ErrorKind::UndefinedSchema, message).at(schema.position));
        }
        Some(schema) => tables.catalog.get_table_in(&schema.text, &name.text),
        None => tables.path.schemas().iter().find_map(|schema| tables.catalog.get_table_in(schema, &name.text)),
    };
    found.ok_or_else(|| {
        let message = format!("table \"{}\" does not exist", name.text);
        Error::new(ErrorKind::UndefinedTable, message).on_table(&name.text).at(name.position)
    })
}

fn find_column<'a>(name: &Name, table: &'a TableDefinition) -> Result<&'a ColumnDefinition> {
    table.column(&name.text).map_err(|error| error.at(name.position))
}

fn single(columns: &[Name]) -> Result<&Name> {
    match columns {
        [column] => Ok(column),
        _ => {
            let position = columns.get(1).map_or(1, |column| column.position);
            Err(Error::not_supported("an end point of several columns is not supported").at(position))
        }
    }
}

/// Checks that the names are those of `columns`, in any order.
fn same_columns(names: &[Name], columns: &[String], error: impl FnOnce() -> Error) -> Result<()> {
    let same = names.len() == columns.len() && names.iter().all(|name| columns.contains(&name.text));
    if same { Ok(()) } else { Err(error().at(names.first().map_or(1, |name| name.position))) }
}

/// Whether a column can hold the keys of another.
fn same_type(left: &SqlType, right: &SqlType) -> bool {
    let text = |sql_type: &SqlType| matches!(sql_type, SqlType::Text | SqlType::Varchar(_));
    left == right || (text(left) && text(right))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;
    use slipstream_engine::catalog::TableId;

    use super::super::{Statement, is_statement, parse};
    use super::*;

    fn statement(sql: &str) -> Result<Statement> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().unwrap();
        assert!(is_statement(&tokens), "{sql}");
        parse(sql, &tokens)
    }

    fn table(number: u128, name: &str, columns: &[(&str, SqlType)], key: &[&str]) -> Arc<TableDefinition> {
        let columns = columns.iter().map(|(name, sql_type)| ColumnDefinition {
            name: (*name).to_string(),
            sql_type: sql_type.clone(),
            not_null: false,
            default: None,
            identity: None,
            generated: None,
        });
        let key = key.iter().map(|column| (*column).to_string()).collect();
        let table = TableDefinition::new(name, columns.collect(), key);
        Arc::new(TableDefinition { id: TableId(Uuid::from_u128(number)), oid: 1, ..table })
    }

    fn catalog() -> Catalog {
        let big = SqlType::BigInt;
        let person = [
            ("id", big.clone()),
            ("name", SqlType::Text),
            ("Name", SqlType::Text),
            ("face", SqlType::Vector(3)),
            ("rowid", SqlType::Text),
        ];
        let knows = [("id", big.clone()), ("src", big.clone()), ("dst", big.clone()), ("since", SqlType::Date)];
        let tables = [
            table(1, "person", &person, &["id"]),
            table(2, "knows", &knows, &["id"]),
            table(3, "pair", &[("a", big.clone()), ("b", big.clone())], &["a", "b"]),
            table(4, "heap", &[("a", big.clone())], &[]),
            table(5, "badge", &[("id", SqlType::Double)], &["id"]),
            table(6, "wrong", &[("id", big.clone()), ("src", SqlType::Text), ("dst", big)], &["id"]),
        ];
        let tables: BTreeMap<_, _> = tables.into_iter().map(|table| (table.id, table)).collect();
        Catalog { tables, ..Catalog::default() }
    }

    fn defined(sql: &str) -> Result<GraphDefinition> {
        match statement(sql)? {
            Statement::Create(create) => define(&create, &catalog(), &SearchPath::default()),
            Statement::Drop(_) => panic!("{sql}"),
        }
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_string()).collect()
    }

    const EDGES: &str =
        "EDGE TABLES (knows SOURCE KEY (src) REFERENCES person DESTINATION KEY (dst) REFERENCES person (id)";

    #[test]
    fn a_graph_covers_what_it_can_unless_told_otherwise() {
        let graph = defined(&format!(
            "CREATE PROPERTY GRAPH IF NOT EXISTS public.social VERTEX TABLES (person KEY (id) LABEL \"Human\") {EDGES} \
             ON DELETE CASCADE)"
        ))
        .unwrap();
        assert_eq!(graph.name, "social");
        assert!(graph.oid >= Catalog::default().next_oid);
        assert_eq!(
            (graph.vertices[0].name.as_str(), &graph.vertices[0].labels),
            ("person", &vec!["Human".to_string()])
        );
        assert_eq!(graph.vertices[0].properties, ["id", "name"]);
        let edge = &graph.edges[0];
        assert_eq!(
            (edge.name.as_str(), edge.labels[0].as_str(), edge.source.vertex.as_str()),
            ("knows", "knows", "person")
        );
        assert_eq!((&edge.source.columns[0], &edge.destination.columns[0]), (&"src".to_string(), &"dst".to_string()));
        assert_eq!(edge.properties, ["id", "since"]);
        assert!(edge.on_delete_cascade);
    }

    #[test]
    fn properties_may_be_listed_or_left_out() {
        for (properties, expected) in [
            ("PROPERTIES (name)", &["id", "name"][..]),
            ("NO PROPERTIES", &["id"]),
            ("PROPERTIES ARE ALL COLUMNS EXCEPT (name)", &["id", "Name"]),
        ] {
            let graph = defined(&format!("CREATE PROPERTY GRAPH g VERTEX TABLES (person {properties})")).unwrap();
            assert_eq!(graph.vertices[0].properties, expected, "{properties}");
        }
    }

    #[test]
    fn an_element_has_any_number_of_labels() {
        for (clauses, labels, properties) in [
            ("", &["p"][..], &["id", "name"][..]),
            ("DEFAULT LABEL", &["p"], &["id", "name"]),
            ("LABEL person PROPERTIES (id, name) LABEL human NO PROPERTIES", &["person", "human"], &["id", "name"]),
            ("LABEL a NO PROPERTIES DEFAULT LABEL PROPERTIES (\"Name\")", &["a", "p"], &["id", "Name"]),
            ("LABEL a LABEL \"A\" NO PROPERTIES", &["a", "A"], &["id", "name"]),
            ("NO LABEL", &[], &["id", "name"]),
            ("NO LABEL NO PROPERTIES", &[], &["id"]),
        ] {
            let graph = defined(&format!("CREATE PROPERTY GRAPH g VERTEX TABLES (person AS p {clauses})")).unwrap();
            let vertex = &graph.vertices[0];
            assert_eq!((vertex.name.as_str(), vertex.labels.as_slice()), ("p", &strings(labels)[..]));
            assert_eq!(vertex.properties, properties, "{clauses}");
        }
    }

    #[test]
    fn a_graph_is_dropped_by_name() {
        let drop = statement("drop property graph if exists G cascade").unwrap();
        let name = Name { text: "g".to_string(), position: 31 };
        assert_eq!(drop, Statement::Drop(super::super::DropGraph { name, if_exists: true, cascade: true }));
    }

    #[test]
    fn what_does_not_fit_is_refused_at_its_place() {
        use ErrorKind::{
            DatatypeMismatch, DuplicateColumn, DuplicateObject, InvalidTableDefinition, NotSupported, Syntax,
            UndefinedColumn, UndefinedSchema, UndefinedTable,
        };
        let vertices = |rest: &str| format!("CREATE PROPERTY GRAPH g VERTEX TABLES ({rest})");
        let edges = |rest: &str| format!("CREATE PROPERTY GRAPH g VERTEX TABLES (person) EDGE TABLES ({rest})");
        let cases = [
            (Syntax, "CREATE PROPERTY GRAPH".to_string(), ""),
            (Syntax, vertices("person KEY id"), "id)"),
            (Syntax, vertices("person) x"), "x"),
            (Syntax, edges("knows"), ")"),
            (Syntax, vertices("person ON DELETE CASCADE"), "ON"),
            (NotSupported, "ALTER PROPERTY GRAPH g".to_string(), "ALTER"),
            (UndefinedSchema, vertices("other.person"), "other"),
            (UndefinedTable, vertices("persons"), "persons"),
            (
                UndefinedTable,
                edges("knows SOURCE KEY (src) REFERENCES city DESTINATION KEY (dst) REFERENCES person"),
                "city",
            ),
            (UndefinedColumn, vertices("person PROPERTIES (age)"), "age"),
            (
                UndefinedColumn,
                edges("knows SOURCE KEY (s) REFERENCES person DESTINATION KEY (dst) REFERENCES person"),
                "s)",
            ),
            (NotSupported, vertices("person KEY (name)"), "name"),
            (NotSupported, vertices("pair"), "pair"),
            (NotSupported, vertices("badge"), "badge"),
            (NotSupported, vertices("person PROPERTIES (face)"), "face"),
            (NotSupported, vertices("person PROPERTIES (rowid)"), "rowid"),
            (NotSupported, vertices("person PROPERTIES (name AS n)"), "AS n"),
            (DuplicateObject, vertices("person LABEL a LABEL a"), "a)"),
            (DuplicateObject, vertices("person DEFAULT LABEL LABEL person"), "person)"),
            (Syntax, vertices("person NO LABEL LABEL a"), "LABEL a"),
            (Syntax, vertices("person LABEL a NO LABEL"), "NO LABEL"),
            (Syntax, vertices("person PROPERTIES (id) LABEL a"), "LABEL a"),
            (Syntax, vertices("person LABEL a NO PROPERTIES NO PROPERTIES"), "NO PROPERTIES"),
            (NotSupported, vertices("person, person AS p"), "person AS p"),
            (NotSupported, vertices("person AS \"a.b\""), "\"a.b\""),
            (NotSupported, vertices("person AS systemmetadata"), "systemmetadata"),
            (NotSupported, edges("knows SOURCE person DESTINATION person"), "person DEST"),
            (DuplicateColumn, vertices("person PROPERTIES (name, \"Name\")"), "\"Name\""),
            (
                DuplicateObject,
                edges("knows AS \"Person\" SOURCE KEY (src) REFERENCES person DESTINATION KEY (dst) REFERENCES person"),
                "\"Person\"",
            ),
            (InvalidTableDefinition, vertices("heap"), "heap"),
            (
                DatatypeMismatch,
                edges("wrong SOURCE KEY (src) REFERENCES person DESTINATION KEY (dst) REFERENCES person"),
                "src",
            ),
        ];
        for (kind, sql, place) in cases {
            let error = defined(&sql).expect_err(&sql);
            assert_eq!(error.kind(), kind, "{sql}: {error}");
            let at = if place.is_empty() { sql.len() } else { sql.rfind(place).unwrap() };
            assert_eq!(error.position(), Some(at + 1), "{sql}: {error}");
        }
    }
}
