//! Cypher that writes: CREATE, MERGE, SET, REMOVE, DELETE, in the transaction of the statement.
//!
//! The truth is in the tables, so what a clause writes is rows of the element tables, and what writes them is the same INSERT,
//! UPDATE and DELETE that SQL has ([`statement`]): with its types, defaults, constraints and conflicts. The graph index follows
//! the commit as it does any other.
//!
//! A query runs part by part over one transaction, the session's block or one of its own:
//!
//! 1. The clauses up to one that writes are answered by joins ([`super::join::lower_part`]), and all of their rows are kept, with
//!    the values that the clause needs. So nothing that a clause writes is seen by its own reading.
//! 2. The clause becomes statements over those rows, which the transaction takes ([`Writer::write`]). References are checked
//!    after each of them.
//! 3. What follows begins with the rows, in which an element is nothing but its key: what is asked of it is read again, and
//!    so is the graph, with the transaction's own changes.
//! 4. RETURN's rows take the place of the query in its statement; without RETURN there are none.
//!
//! MERGE ([`merge`]) looks for all rows at once, makes what is missing once for each different thing that is missing, and looks
//! again.
//!
//! A query by itself commits in the end, and runs again where somebody else was first. Rows are kept in memory.

mod merge;
mod statement;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use datafusion::scalar::ScalarValue;
use slipstream_engine::change::Changes;
use slipstream_engine::{Error, ErrorKind, ReadView, Result};
use slipstream_graph_language::bound::{BoundClause, BoundQuery, BoundSet, Made, Value, ValueKind, Written};

use self::statement::{Cell, Table};
use super::join::{self, ElementTable};
use super::table::CypherTable;
use crate::dml::gathering::Gathering;
use crate::dml::rows::Counts;
use crate::dml::sink::Destination;
use crate::error::{from_arrow, from_datafusion};
use crate::functions::at_statement;
use crate::planner::state::Engine;
use crate::session::Inner;
use crate::transaction::SharedWork;

/// What running a query that writes gives.
pub(crate) struct Outcome {
    /// The rows of RETURN.
    pub(crate) rows: MemTable,
    /// Rows of element tables that it has changed.
    pub(crate) counts: Counts,
}

/// Runs a query that writes in a transaction.
pub(crate) async fn run(
    session: &Arc<Inner>,
    engine: &Arc<Engine>,
    table: &CypherTable,
    values: &[ScalarValue],
    work: &SharedWork,
) -> Result<Outcome> {
    let parameters = table.parameters(values)?.into_iter().collect();
    let query = &table.query.bound;
    let mut writer =
        Writer { session, engine, table, query, parameters, work, rows: None, done: 0, counts: Counts::default() };
    for (at, clause) in query.clauses.iter().enumerate() {
        match clause {
            BoundClause::Create(made) => writer.create(at, made).await?,
            BoundClause::Merge(merge) => writer.merge(at, merge).await?,
            BoundClause::Set(sets) => {
                writer.read_to(at).await?;
                writer.set(sets).await?;
            }
            BoundClause::Delete { items, detach } => writer.delete(at, items, *detach).await?,
            BoundClause::Match(_) | BoundClause::Unwind { .. } | BoundClause::With(..) | BoundClause::Return(_) => {
                continue;
            }
        }
        writer.done = at + 1;
    }
    let schema = &table.query.schema;
    let rows = match query.clauses.last() {
        Some(BoundClause::Return(_)) => writer.returned(schema).await?,
        _ => MemTable::try_new(Arc::clone(schema), vec![Vec::new()]).map_err(from_datafusion)?,
    };
    Ok(Outcome { rows, counts: writer.counts })
}

/// What a transaction shows.
pub(crate) async fn view(work: &SharedWork) -> Result<ReadView> {
    match work.lock().await.as_mut() {
        Some(transaction) => transaction.view(&[]).await,
        None => Err(Error::internal("a query wrote in a transaction that has ended")),
    }
}

/// A query on its way through its clauses.
struct Writer<'a> {
    session: &'a Arc<Inner>,
    engine: &'a Arc<Engine>,
    table: &'a CypherTable,
    query: &'a BoundQuery,
    parameters: HashMap<String, ScalarValue>,
    work: &'a SharedWork,
    /// The rows after the clauses that are done; none before the first.
    rows: Option<RecordBatch>,
    /// How many clauses are done.
    done: usize,
    counts: Counts,
}

impl Writer<'_> {
    /// What the transaction shows.
    async fn view(&self) -> Result<ReadView> {
        view(self.work).await
    }

    /// The rows after the clauses before `to`, and values over them.
    async fn read(&self, to: usize, values: &[&Value]) -> Result<(RecordBatch, Vec<ArrayRef>)> {
        let view = self.view().await?;
        let plan = self.with_ground(&view, |ground, start| join::lower_part(self.query, ground, start, to, values))?;
        let rows = self.run(plan).await?;
        let kept = rows.num_columns() - values.len();
        let columns = rows.columns()[kept..].to_vec();
        let rows = rows.project(&(0..kept).collect::<Vec<_>>()).map_err(from_arrow)?;
        Ok((rows, columns))
    }

    /// Goes on to the rows before a clause.
    async fn read_to(&mut self, to: usize) -> Result<()> {
        let (rows, _) = self.read(to, &[]).await?;
        self.rows = Some(rows);
        self.done = to;
        Ok(())
    }

    async fn returned(&self, schema: &SchemaRef) -> Result<MemTable> {
        let view = self.view().await?;
        let plan = self.with_ground(&view, |ground, start| join::lower_rest(self.query, ground, start))?;
        let rows = self.run(plan).await?;
        let rows = RecordBatch::try_new(Arc::clone(schema), rows.columns().to_vec()).map_err(from_arrow)?;
        MemTable::try_new(Arc::clone(schema), vec![vec![rows]]).map_err(from_datafusion)
    }

    fn with_ground(
        &self,
        view: &ReadView,
        lower: impl FnOnce(&join::Ground<'_>, Option<join::Start<'_>>) -> Result<LogicalPlan>,
    ) -> Result<LogicalPlan> {
        let tables = self.session.tables(view);
        let graph = &self.table.graph;
        let mut elements = HashMap::new();
        for id in join::tables(self.query, graph)? {
            let (definition, rows) = tables.by_id(id)?;
            elements.insert(id, ElementTable { definition, rows });
        }
        let functions = &self.engine.session;
        let ground = join::Ground { graph, tables: &elements, parameters: &self.parameters, functions };
        let start = match &self.rows {
            Some(rows) => Some(join::Start { rows: scan_of(rows)?, clauses: self.done, conditions: &[] }),
            None => None,
        };
        lower(&ground, start)
    }

    /// All rows of a plan.
    async fn run(&self, plan: LogicalPlan) -> Result<RecordBatch> {
        let plan = at_statement(plan, self.session.statement_started())
            .and_then(|plan| self.engine.optimize(plan, self.session.now()))
            .map_err(from_datafusion)?;
        let plan = self.engine.physical(&plan).await?;
        let schema = plan.schema();
        let batches = collect(plan, Arc::clone(&self.engine.task)).await.map_err(from_datafusion)?;
        concat_batches(&schema, &batches).map_err(from_arrow)
    }

    async fn create(&mut self, at: usize, made: &[Made]) -> Result<()> {
        let values: Vec<&Value> = made.iter().flat_map(Made::values).collect();
        let (rows, columns) = self.read(at, &values).await?;
        self.rows = Some(self.insert_all(made, rows, columns).await?);
        Ok(())
    }

    /// Adds elements for each row, whose values are in these columns one after the other, and puts their keys beside the rows.
    async fn insert_all(
        &mut self,
        made: &[Made],
        mut rows: RecordBatch,
        columns: Vec<ArrayRef>,
    ) -> Result<RecordBatch> {
        for group in grouped(made, columns) {
            for (one, key) in group.iter().zip(self.insert(&group, &rows).await?) {
                let name = join::element_key(&one.made.variable, key.0.name());
                rows = with_column(&rows, (key.0.with_name(name), key.1))?;
            }
        }
        Ok(rows)
    }

    /// Adds the elements of a group, one of each for each row, and gives the keys of each.
    async fn insert(&mut self, group: &[Given<'_>], rows: &RecordBatch) -> Result<Vec<(Field, ArrayRef)>> {
        let Some(Given { made: first, .. }) = group.first() else { return Ok(Vec::new()) };
        let table = Table::of(&self.table.graph, &first.table, &self.view().await?)?;
        let mut cells = Vec::new();
        if let Some((from, to)) = table.ends() {
            for (column, is_source) in [(from, true), (to, false)] {
                if first.properties.iter().any(|(given, _)| given == column) {
                    return Err(Error::new(
                        ErrorKind::DuplicateColumn,
                        format!("property \"{column}\" is an end of the relationship and cannot be given"),
                    )
                    .on_column(column));
                }
                let ends = group.iter().filter_map(|one| one.made.ends.as_ref());
                let keys = ends.map(|(source, destination)| key_of(rows, if is_source { source } else { destination }));
                cells.push(Cell { column: column.to_string(), values: joined(keys.collect::<Result<_>>()?)? });
            }
        }
        for (at, (column, value)) in first.properties.iter().enumerate() {
            let values = group.iter().map(|one| typed(value, &one.values[at])).collect();
            cells.push(Cell { column: column.clone(), values: joined(values)? });
        }
        let (each, field) = (rows.num_rows(), table.key_field());
        if each == 0 {
            let keys = arrow::array::new_empty_array(field.data_type());
            return Ok(group.iter().map(|_| (field.clone(), Arc::clone(&keys))).collect());
        }
        let sql = table.insert(&cells, each * group.len())?;
        let keys = self.write(&sql, cells).await?;
        if keys.num_rows() != each * group.len() {
            return Err(Error::internal("an INSERT did not return what it inserted"));
        }
        let field = keys.schema().field(0).clone().with_name(table.key());
        Ok((0..group.len()).map(|at| (field.clone(), keys.column(0).slice(at * each, each))).collect())
    }

    async fn set(&mut self, sets: &[BoundSet]) -> Result<()> {
        for set in sets {
            self.set_one(set, None).await?;
        }
        Ok(())
    }

    /// Sets properties of the elements of all rows, or of those that are chosen.
    async fn set_one(&mut self, set: &BoundSet, chosen: Option<&[u32]>) -> Result<()> {
        let values: Vec<&Value> = set.values().collect();
        let (rows, mut columns) = self.read(self.done, &values).await?;
        let key_field = match set.target.place {
            Some(place) => {
                // Elements of other tables have no key here.
                let (field, keys) = join::keys_from(place, &columns[0])?;
                columns[0] = keys;
                field
            }
            None => typed(values[0], &columns[0]).0,
        };
        let keys = Arc::clone(&columns[0]);
        let last = last_of_each(&columns, chosen, set)?;
        self.rows = Some(rows);
        if last.is_empty() {
            return Ok(());
        }
        let table = Table::of(&self.table.graph, &set.target.table, &self.view().await?)?;
        let mut cells = Vec::with_capacity(columns.len());
        let names =
            std::iter::once(statement::KEY.to_string()).chain(set.assignments.iter().map(|(name, _)| name.clone()));
        for ((name, value), array) in names.zip(&values).zip(&columns) {
            let array = take(array, &last, None).map_err(from_arrow)?;
            cells.push(Cell { column: name, values: typed(value, &array) });
        }
        cells[0].values.0 = key_field;
        let sql = table.update(&cells[1..], set.target.place.is_some());
        self.write(&sql, cells).await?;
        if let Some(at) = set.assignments.iter().position(|(column, _)| column == table.key()) {
            self.rename(&set.target, &keys, &columns[at + 1], &table)?;
        }
        Ok(())
    }

    /// Puts new keys into the rows.
    fn rename(&mut self, target: &Written, old: &ArrayRef, new: &ArrayRef, table: &Table) -> Result<()> {
        let Some(rows) = &self.rows else { return Ok(()) };
        let name = join::element_key(&target.variable, table.key());
        let Ok(at) = rows.schema().index_of(&name) else { return Ok(()) };
        let mut columns = rows.columns().to_vec();
        let missing = arrow::compute::is_null(old).map_err(from_arrow)?;
        let new = arrow::compute::cast(new, columns[at].data_type()).map_err(from_arrow)?;
        columns[at] = arrow::compute::kernels::zip::zip(&missing, &columns[at], &new).map_err(from_arrow)?;
        self.rows = Some(RecordBatch::try_new(rows.schema(), columns).map_err(from_arrow)?);
        Ok(())
    }

    async fn delete(&mut self, at: usize, items: &[Written], detach: bool) -> Result<()> {
        let keys: Vec<&Value> = items.iter().map(|item| &item.key).collect();
        let (rows, columns) = self.read(at, &keys).await?;
        self.rows = Some(rows);
        let view = self.view().await?;
        let graph = Arc::clone(&self.table.graph);
        let of = |name: &str| Table::of(&graph, name, &view);
        let mut nodes = Vec::new();
        let mut statements = Vec::new();
        for ((item, key), values) in items.iter().zip(&keys).zip(&columns) {
            let values = match item.place {
                Some(place) => join::keys_from(place, values)?,
                None => typed(key, values),
            };
            let cells = vec![Cell { column: statement::KEY.to_string(), values }];
            let table = of(&item.table)?;
            if table.ends().is_some() {
                statements.push((table.delete(table.key(), item.place.is_some()), cells));
                continue;
            }
            if detach {
                for edge in &graph.edges {
                    let (source, destination) =
                        (edge.source.vertex == item.table, edge.destination.vertex == item.table);
                    let table = of(&edge.name)?;
                    let Some((from, to)) = table.ends() else { continue };
                    for (_, column) in [(source, from), (destination, to)].into_iter().filter(|(is_end, _)| *is_end) {
                        statements.push((table.delete(column, item.place.is_some()), cells.clone()));
                    }
                }
            }
            nodes.push((table.delete(table.key(), item.place.is_some()), cells));
        }
        // Relationships go before the nodes that they need.
        statements.extend(nodes);
        for (sql, cells) in statements {
            self.write(&sql, cells).await?;
        }
        Ok(())
    }

    /// Runs a statement over rows of its own, and gives what it returns. The transaction takes its changes.
    async fn write(&mut self, sql: &str, cells: Vec<Cell>) -> Result<RecordBatch> {
        let view = self.view().await?;
        let rows = statement::rows_of(cells)?;
        let planned = statement::plan(self.session, self.engine, &view, sql, rows).await?;
        let destination =
            Destination { database: Arc::clone(self.session.database()), view: view.clone(), bulk: false };
        let gathering = Gathering::new(destination, &self.engine.task);
        let schema = planned.schema();
        let task = gathering.task(&self.engine.task);
        let batches = collect(Arc::clone(&planned), Arc::clone(&task)).await.map_err(from_datafusion)?;
        crate::dml::WriteExec::finish(&planned, &task).await?;
        let (changes, counts): (Changes, Counts) = gathering.finish();
        match self.work.lock().await.as_mut() {
            Some(transaction) => transaction.apply(changes).await?,
            None => return Err(Error::internal("a query wrote in a transaction that has ended")),
        }
        self.counts.add(counts);
        concat_batches(&schema, &batches).map_err(from_arrow)
    }
}

/// An element that is made, and the values of its properties.
struct Given<'a> {
    made: &'a Made,
    values: Vec<ArrayRef>,
}

/// Elements that one statement can add: of one table, with the same properties, of the same types. Nodes come before relationships.
fn grouped(made: &[Made], columns: Vec<ArrayRef>) -> Vec<Vec<Given<'_>>> {
    let mut columns = columns.into_iter();
    let mut groups: Vec<Vec<Given<'_>>> = Vec::new();
    let alike = |one: &Given<'_>, other: &Given<'_>| {
        let names = |given: &Given<'_>| given.made.properties.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let types = |given: &Given<'_>| given.made.values().map(|value| value.sql_type.clone()).collect::<Vec<_>>();
        let arrays = |given: &Given<'_>| given.values.iter().map(|array| array.data_type().clone()).collect::<Vec<_>>();
        one.made.table == other.made.table
            && names(one) == names(other)
            && types(one) == types(other)
            && arrays(one) == arrays(other)
    };
    for made in made {
        let given = Given { made, values: columns.by_ref().take(made.properties.len()).collect() };
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| alike(first, &given))) {
            Some(group) => group.push(given),
            None => groups.push(vec![given]),
        }
    }
    groups.sort_by_key(|group| group.first().is_some_and(|first| first.made.ends.is_some()));
    groups
}

/// Columns of one type, one after the other.
fn joined(columns: Vec<(Field, ArrayRef)>) -> Result<(Field, ArrayRef)> {
    let Some((field, _)) = columns.first() else { return Err(Error::internal("no columns to put together")) };
    let arrays: Vec<&dyn Array> = columns.iter().map(|(_, array)| array.as_ref()).collect();
    let all = arrow::compute::concat(&arrays).map_err(from_arrow)?;
    Ok((field.clone(), all))
}

/// The last row of each element that a SET changes. One that comes several times with different values is an error where
/// its values depend on what it was: each row would have to see what the row before has made of it.
fn last_of_each(columns: &[ArrayRef], chosen: Option<&[u32]>, set: &BoundSet) -> Result<UInt32Array> {
    let converter = |columns: &[ArrayRef]| {
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        RowConverter::new(fields).and_then(|converter| converter.convert_columns(columns)).map_err(from_arrow)
    };
    let keys = converter(&columns[..1])?;
    let values = converter(&columns[1..])?;
    let all: Vec<u32> = match chosen {
        Some(chosen) => chosen.to_vec(),
        None => (0..u32::try_from(columns[0].len()).map_err(|_| Error::internal("too many rows"))?).collect(),
    };
    let mut last = HashMap::new();
    let mut order: Vec<u32> = Vec::new();
    for row in all {
        let at = row as usize;
        if columns[0].is_null(at) {
            continue;
        }
        if let Some(place) = last.get(&keys.row(at)) {
            let before: u32 = order[*place];
            if values.row(before as usize) != values.row(at) && reads_itself(set) {
                return Err(Error::new(
                    ErrorKind::Cardinality,
                    "SET cannot change the same element a second time by what it was",
                )
                .with_hint("Make the rows one for each element, with WITH and an aggregate."));
            }
            order[*place] = row;
        } else {
            last.insert(keys.row(at), order.len());
            order.push(row);
        }
    }
    Ok(UInt32Array::from(order))
}

fn reads_itself(set: &BoundSet) -> bool {
    fn reads(value: &Value, variable: &str) -> bool {
        match &value.kind {
            ValueKind::Property { variable: other, .. } => other == variable,
            _ => value.children().into_iter().any(|child| reads(child, variable)),
        }
    }
    set.assignments.iter().any(|(_, value)| reads(value, &set.target.variable))
}

/// A value's column, with its SQL type.
fn typed(value: &Value, array: &ArrayRef) -> (Field, ArrayRef) {
    let field = match &value.sql_type {
        Some(sql_type) => sql_type.field("", true),
        None => Field::new("", array.data_type().clone(), true),
    };
    (field.with_data_type(array.data_type().clone()), Arc::clone(array))
}

/// The keys of an element in the rows.
fn key_of(rows: &RecordBatch, variable: &str) -> Result<(Field, ArrayRef)> {
    let prefix = format!("{variable}.");
    let schema = rows.schema();
    let found = schema.fields().iter().position(|field| field.name().starts_with(&prefix));
    let at = found.ok_or_else(|| Error::internal(format!("rows do not hold the key of {variable}")))?;
    Ok((schema.field(at).clone(), Arc::clone(rows.column(at))))
}

fn with_column(rows: &RecordBatch, (field, column): (Field, ArrayRef)) -> Result<RecordBatch> {
    let schema = rows.schema();
    let fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).chain([field]).collect();
    let columns = rows.columns().iter().cloned().chain([column]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(from_arrow)
}

/// Rows that a plan begins with.
fn scan_of(rows: &RecordBatch) -> Result<LogicalPlan> {
    let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).map_err(from_datafusion)?;
    join::index_rows(provider_as_source(Arc::new(table)))
}
