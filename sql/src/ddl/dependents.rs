//! What depends on what, and what goes when something goes.
//!
//! [`Closure`] begins with what a statement drops and gathers what cannot be without it. Some of that goes by itself, as a
//! column's key does; for the rest the statement has to say CASCADE.

use std::collections::BTreeMap;
use std::sync::Arc;

use slipstream_engine::catalog::{Catalog, CatalogEdit, GraphDefinition, SequenceId, TableDefinition, TableId};
use slipstream_engine::{Error, ErrorKind, Result};

use super::names::{nextval, shown};
use crate::planner::Planning;

/// Something that can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    Table(TableId),
    View(u32),
    Sequence(SequenceId),
    Graph(String),
    Schema(String),
    /// A column of a table.
    Column(TableId, String),
    /// A primary key or UNIQUE constraint.
    Key(TableId, String),
    ForeignKey(TableId, String),
    /// The default of a column.
    Default(TableId, String),
}

/// Objects that go together.
pub(super) struct Closure<'a> {
    planning: &'a Planning<'a>,
    catalog: &'a Catalog,
    roots: usize,
    objects: Vec<Object>,
    /// Those that need CASCADE, with what they depend on.
    reported: Vec<(Object, Object)>,
}

impl<'a> Closure<'a> {
    /// Everything that goes with `roots`.
    pub(super) fn of(planning: &'a Planning<'a>, roots: Vec<Object>) -> Self {
        let catalog = &*planning.view.snapshot.catalog;
        let mut closure = Closure { planning, catalog, roots: roots.len(), objects: roots, reported: Vec::new() };
        let mut next = 0;
        while let Some(object) = closure.objects.get(next).cloned() {
            for (dependent, goes_along) in closure.dependents(&object) {
                if closure.has(&dependent) {
                    continue;
                }
                if !goes_along {
                    closure.reported.push((dependent.clone(), object.clone()));
                }
                closure.objects.push(dependent);
            }
            next += 1;
        }
        closure
    }

    /// Whether an object goes, by itself or with its table.
    fn has(&self, object: &Object) -> bool {
        let with_table = match object {
            Object::Column(table, _) | Object::Key(table, _) | Object::ForeignKey(table, _) => Some(*table),
            Object::Default(table, column) => {
                if self.objects.contains(&Object::Column(*table, column.clone())) {
                    return true;
                }
                Some(*table)
            }
            _ => None,
        };
        self.objects.contains(object) || with_table.is_some_and(|table| self.objects.contains(&Object::Table(table)))
    }

    /// Names that go of one kind and one table.
    pub(super) fn of_table<'b>(
        &'b self,
        table: TableId,
        name: impl Fn(&'b Object) -> Option<(TableId, &'b String)>,
    ) -> Vec<&'b String> {
        self.objects.iter().filter_map(name).filter(|(owner, _)| *owner == table).map(|(_, name)| name).collect()
    }

    /// What needs the object; with each, whether it goes without being asked.
    fn dependents(&self, object: &Object) -> Vec<(Object, bool)> {
        let mut found = Vec::new();
        match object {
            Object::Table(id) => self.of_whole_table(*id, &mut found),
            Object::Column(id, column) => self.of_column(*id, column, &mut found),
            Object::Key(id, name) => self.of_key(*id, name, &mut found),
            Object::View(oid) => found.extend(self.views_of(*oid)),
            Object::Graph(name) => {
                let oid = self.catalog.graphs.get(name).map(|graph| graph.oid);
                found.extend(oid.into_iter().flat_map(|oid| self.views_of(oid)));
            }
            Object::Sequence(id) => self.of_sequence(*id, &mut found),
            Object::Schema(name) => self.of_schema(name, &mut found),
            Object::ForeignKey(..) | Object::Default(..) => {}
        }
        found
    }

    fn of_whole_table(&self, id: TableId, found: &mut Vec<(Object, bool)>) {
        let Some(table) = self.catalog.tables.get(&id) else { return };
        found.extend(self.catalog.graphs_of(id).map(|graph| (Object::Graph(graph.name.clone()), false)));
        for other in self.catalog.tables.values().filter(|other| other.id != id) {
            let keys = other.foreign_keys.iter().filter(|key| key.table == id);
            found.extend(keys.map(|key| (Object::ForeignKey(other.id, key.name.clone()), false)));
        }
        found.extend(self.views_of(table.oid));
        let owned = self.catalog.sequences.values().filter(|sequence| owner(&sequence.owned_by) == Some(id));
        found.extend(owned.map(|sequence| (Object::Sequence(sequence.id), true)));
    }

    fn of_column(&self, id: TableId, column: &String, found: &mut Vec<(Object, bool)>) {
        let Some(table) = self.catalog.tables.get(&id) else { return };
        let graphs = self.catalog.graphs_of(id).filter(|graph| covers(graph, id, column));
        found.extend(graphs.map(|graph| (Object::Graph(graph.name.clone()), false)));
        let views = self.catalog.views.values().filter(|view| view.uses(table.oid, column));
        found.extend(views.map(|view| (Object::View(view.oid), false)));
        let keys = table.unique_keys().into_iter().filter(|key| key.columns.contains(column));
        found.extend(keys.map(|key| (Object::Key(id, key.name), true)));
        let foreign = table.foreign_keys.iter().filter(|key| key.columns.contains(column));
        found.extend(foreign.map(|key| (Object::ForeignKey(id, key.name.clone()), true)));
        let owned = self.catalog.sequences.values().filter(|sequence| {
            sequence.owned_by.as_ref().is_some_and(|(owner, owned)| *owner == id && owned == column)
        });
        found.extend(owned.map(|sequence| (Object::Sequence(sequence.id), true)));
    }

    fn of_key(&self, id: TableId, name: &str, found: &mut Vec<(Object, bool)>) {
        let Some(table) = self.catalog.tables.get(&id) else { return };
        let keys = table.unique_keys();
        let Some(key) = keys.iter().find(|key| key.name == name) else { return };
        for other in self.catalog.tables.values() {
            let refers = |columns: &Vec<String>| same(columns, &key.columns);
            let stands_alone = keys.iter().filter(|other| same(&other.columns, &key.columns)).count() == 1;
            let references = other.foreign_keys.iter().filter(|key| key.table == id && refers(&key.referenced));
            found.extend(
                references.filter(|_| stands_alone).map(|key| (Object::ForeignKey(other.id, key.name.clone()), false)),
            );
        }
        if name == table.primary_key_name() {
            found.extend(self.catalog.graphs_of(id).map(|graph| (Object::Graph(graph.name.clone()), false)));
        }
    }

    fn of_sequence(&self, id: SequenceId, found: &mut Vec<(Object, bool)>) {
        let Some(sequence) = self.catalog.sequences.get(&id) else { return };
        let draws = nextval(&sequence.schema, &sequence.name);
        for table in self.catalog.tables.values() {
            let columns =
                table.columns.iter().filter(|column| column.default.as_ref().is_some_and(|d| d.contains(&draws)));
            found.extend(columns.map(|column| (Object::Default(table.id, column.name.clone()), false)));
        }
        found.extend(self.views_of(sequence.oid));
    }

    fn of_schema(&self, name: &str, found: &mut Vec<(Object, bool)>) {
        let tables = self.catalog.tables.values().filter(|table| table.schema == name);
        found.extend(tables.map(|table| (Object::Table(table.id), false)));
        let views = self.catalog.views.values().filter(|view| view.schema == name);
        found.extend(views.map(|view| (Object::View(view.oid), false)));
        // An owned sequence goes with its table, which is in the same schema.
        let sequences = self.catalog.sequences.values().filter(|s| s.schema == name && s.owned_by.is_none());
        found.extend(sequences.map(|sequence| (Object::Sequence(sequence.id), false)));
    }

    fn views_of(&self, oid: u32) -> impl Iterator<Item = (Object, bool)> + '_ {
        let views = self.catalog.views.values().filter(move |view| view.depends_on.contains(&oid));
        views.map(|view| (Object::View(view.oid), false))
    }

    /// `2BP01` where something needs CASCADE and the statement does not say it; the notices of a cascade otherwise.
    pub(super) fn check(&self, cascade: bool) -> Result<Vec<String>> {
        if self.reported.is_empty() {
            return Ok(Vec::new());
        }
        if cascade {
            let notices = self.reported.iter().map(|(object, _)| format!("drop cascades to {}", self.describe(object)));
            return Ok(notices.collect());
        }
        let what = match self.roots {
            1 => self.describe(&self.objects[0]),
            _ => "desired object(s)".to_string(),
        };
        let verb = if self.roots == 1 { "it" } else { "them" };
        let lines: Vec<_> = self
            .reported
            .iter()
            .map(|(object, on)| format!("{} depends on {}", self.describe(object), self.describe(on)))
            .collect();
        let message = format!("cannot drop {what} because other objects depend on {verb}");
        Err(Error::new(ErrorKind::DependentObjects, message)
            .with_detail(lines.join("\n"))
            .with_hint("Use DROP ... CASCADE to drop the dependent objects too."))
    }

    fn describe(&self, object: &Object) -> String {
        let table_name = |id: &TableId| {
            let table = self.catalog.tables.get(id);
            table.map_or_else(String::new, |table| shown(self.planning, &table.schema, &table.name))
        };
        match object {
            Object::Table(id) => format!("table {}", table_name(id)),
            Object::View(oid) => {
                let view = self.catalog.views.get(oid);
                view.map_or_else(String::new, |v| format!("view {}", shown(self.planning, &v.schema, &v.name)))
            }
            Object::Sequence(id) => {
                let sequence = self.catalog.sequences.get(id);
                sequence.map_or_else(String::new, |s| format!("sequence {}", shown(self.planning, &s.schema, &s.name)))
            }
            Object::Graph(name) => format!("property graph {name}"),
            Object::Schema(name) => format!("schema {name}"),
            Object::Column(table, column) => format!("column {column} of table {}", table_name(table)),
            Object::Key(table, name) | Object::ForeignKey(table, name) => {
                format!("constraint {name} on table {}", table_name(table))
            }
            Object::Default(table, column) => {
                format!("default value for column {column} of table {}", table_name(table))
            }
        }
    }

    /// The edits that let everything go, but for what happens inside the table `but`.
    pub(super) fn edits(&self, but: Option<TableId>) -> Vec<CatalogEdit> {
        let mut edits = self.view_edits();
        edits.extend(self.objects.iter().filter_map(|object| match object {
            Object::Graph(name) => Some(CatalogEdit::DropGraph(name.clone())),
            _ => None,
        }));
        edits.extend(self.table_edits(but));
        for object in &self.objects {
            if let Object::Sequence(id) = object
                && !self.goes_with_its_table(*id)
            {
                edits.push(CatalogEdit::DropSequence(*id));
            }
        }
        edits.extend(self.objects.iter().filter_map(|object| match object {
            Object::Schema(name) => Some(CatalogEdit::DropSchema(name.clone())),
            _ => None,
        }));
        edits
    }

    fn goes_with_its_table(&self, id: SequenceId) -> bool {
        let table = self.catalog.sequences.get(&id).and_then(|sequence| owner(&sequence.owned_by));
        table.is_some_and(|table| self.objects.contains(&Object::Table(table)))
    }

    /// Views go before those that they read.
    fn view_edits(&self) -> Vec<CatalogEdit> {
        let mut left: Vec<u32> =
            self.objects.iter().filter_map(|o| if let Object::View(v) = o { Some(*v) } else { None }).collect();
        let mut edits = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let needed = |oid: &u32| {
                left.iter().any(|other| self.catalog.views.get(other).is_some_and(|view| view.depends_on.contains(oid)))
            };
            let position = left.iter().position(|oid| !needed(oid)).unwrap_or(0);
            edits.push(CatalogEdit::DropView(left.remove(position)));
        }
        edits
    }

    /// Constraints and defaults are taken off the tables that stay; then tables go, those first that refer to others.
    fn table_edits(&self, but: Option<TableId>) -> Vec<CatalogEdit> {
        let mut altered: BTreeMap<TableId, TableDefinition> = BTreeMap::new();
        let alter = |id: TableId, change: &dyn Fn(&mut TableDefinition), altered: &mut BTreeMap<_, _>| {
            let Some(known) = self.catalog.tables.get(&id).filter(|_| Some(id) != but) else { return };
            change(altered.entry(id).or_insert_with(|| known.as_ref().clone()));
        };
        for object in &self.objects {
            match object {
                Object::ForeignKey(id, name) => {
                    alter(*id, &|table| table.foreign_keys.retain(|key| key.name != *name), &mut altered);
                }
                Object::Default(id, column) => alter(*id, &|table| drop_default(table, column), &mut altered),
                _ => {}
            }
        }
        let mut left: Vec<&Arc<TableDefinition>> = self
            .objects
            .iter()
            .filter_map(|object| if let Object::Table(id) = object { self.catalog.tables.get(id) } else { None })
            .collect();
        let mut drops = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let needed = |table: &TableDefinition| {
                left.iter()
                    .any(|other| other.id != table.id && other.foreign_keys.iter().any(|key| key.table == table.id))
            };
            match left.iter().position(|table| !needed(table)) {
                Some(position) => drops.push(CatalogEdit::DropTable(left.remove(position).id)),
                // Tables that refer to each other let go first.
                None => {
                    for table in &left {
                        altered
                            .insert(table.id, TableDefinition { foreign_keys: Vec::new(), ..table.as_ref().clone() });
                    }
                    drops.extend(left.drain(..).map(|table| CatalogEdit::DropTable(table.id)));
                }
            }
        }
        altered.into_values().map(CatalogEdit::AlterTable).chain(drops).collect()
    }
}

/// A column without its default: one that drew from a sequence takes NULL from then on.
pub(super) fn drop_default(table: &mut TableDefinition, column: &str) {
    for known in table.columns.iter_mut().filter(|known| known.name == column) {
        known.default = None;
        known.identity = None;
    }
}

/// Whether a graph needs a column of a table.
pub(super) fn covers(graph: &GraphDefinition, table: TableId, column: &String) -> bool {
    let vertex = graph.vertices.iter().filter(|vertex| vertex.table == table);
    let edge = graph.edges.iter().filter(|edge| edge.table == table);
    vertex.clone().any(|vertex| vertex.key.contains(column) || vertex.properties.contains(column))
        || edge.clone().any(|edge| {
            edge.key.contains(column)
                || edge.properties.contains(column)
                || edge.source.columns.contains(column)
                || edge.destination.columns.contains(column)
        })
}

fn owner(owned_by: &Option<(TableId, String)>) -> Option<TableId> {
    owned_by.as_ref().map(|(table, _)| *table)
}

fn same(left: &[String], right: &[String]) -> bool {
    left.len() == right.len() && left.iter().all(|column| right.contains(column))
}
