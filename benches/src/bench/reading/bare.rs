//! The side of the bare libraries: Lance and Kuzu in this process, without a server, a log or a plan of ours.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, AsArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchIterator,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::TryStreamExt;
use kuzu::{Connection, Database, PreparedStatement, SystemConfig, Value};
use lance::Dataset;

use super::super::Result;
use super::data::{DIMENSION, Data};
use super::report::Load;
use super::{DECADE, Question};

/// Memory for Kuzu's pages, in bytes.
const BUFFER_POOL: u64 = 1 << 30;

/// Reserved address space for Kuzu's files, in bytes.
const MAX_DATABASE: u64 = 1 << 36;

/// Both stores with the data, and Kuzu's prepared statements.
pub(super) struct Bare {
    items: Dataset,
    // Connections borrow their database, and statements their connection; a benchmark may leak the one of each it has.
    connection: &'static Connection<'static>,
    one_hop: RefCell<PreparedStatement>,
    two_hops: RefCell<PreparedStatement>,
}

impl Bare {
    /// Writes the rows with Lance, then copies persons and edges into Kuzu from files that are made before the clock starts.
    pub(super) async fn load(folder: &Path, data: &Data) -> Result<(Self, Load)> {
        fs::create_dir_all(folder)?;
        let (persons_csv, edges_csv) = write_csv(folder, data)?;
        let mut load = Load { steps: Vec::new() };
        let mut items = None;
        for (name, batch) in [("person", persons(data)?), ("knows", edges(data)?), ("item", self::items(data)?)] {
            let started = Instant::now();
            items = Some(write(folder, name, batch).await?);
            load.steps.push((name, started.elapsed()));
        }

        let started = Instant::now();
        let config =
            SystemConfig::default().buffer_pool_size(BUFFER_POOL).max_db_size(MAX_DATABASE).auto_checkpoint(false);
        let database: &'static Database = Box::leak(Box::new(Database::new(folder.join("kuzu"), config)?));
        let connection: &'static Connection<'static> = Box::leak(Box::new(Connection::new(database)?));
        connection.query("CREATE NODE TABLE person(id INT64, age INT32, PRIMARY KEY(id))")?;
        connection.query("CREATE REL TABLE knows(FROM person TO person, id INT64)")?;
        connection.query(&format!("COPY person FROM '{persons_csv}'"))?;
        connection.query(&format!("COPY knows FROM '{edges_csv}'"))?;
        connection.query("CHECKPOINT")?;
        load.steps.push(("graph", started.elapsed()));

        let one_hop = connection.prepare("MATCH (a:person {id: $id})-[:knows]->(b:person) RETURN b.id")?;
        let two_hops =
            connection.prepare("MATCH (a:person {id: $id})-[:knows]->(:person)-[:knows]->(b:person) RETURN b.id")?;
        let items = items.ok_or("no dataset was written")?;
        Ok((Bare { items, connection, one_hop: one_hop.into(), two_hops: two_hops.into() }, load))
    }

    /// The ids that answer a question, in ascending order.
    pub(super) async fn answer(&self, question: Question, data: &Data, key: i64) -> Result<Vec<i64>> {
        let mut ids = match question {
            Question::SelectOne => vec![1],
            Question::OneHop => self.hops(&self.one_hop, key)?,
            Question::TwoHops => self.hops(&self.two_hops, key)?,
            Question::FilteredScan => self.cheaper_than(data.price_limit(key)).await?,
            Question::Nearest => self.nearest(data.vector(key), 10).await?,
            Question::Hybrid => self.hybrid(data, key).await?,
        };
        ids.sort_unstable();
        Ok(ids)
    }

    fn hops(&self, statement: &RefCell<PreparedStatement>, key: i64) -> Result<Vec<i64>> {
        let rows = self.connection.execute(&mut statement.borrow_mut(), vec![("id", Value::Int64(key))])?;
        rows.map(|row| match row.first() {
            Some(Value::Int64(id)) => Ok(*id),
            other => Err(format!("not an id: {other:?}").into()),
        })
        .collect()
    }

    async fn cheaper_than(&self, price: f64) -> Result<Vec<i64>> {
        let mut scan = self.items.scan();
        scan.project(&["id", "price"])?.filter(&format!("price < {price:?}"))?;
        let batches: Vec<RecordBatch> = scan.try_into_stream().await?.try_collect().await?;
        Ok(ids(&batches))
    }

    /// Two libraries and the code between them.
    async fn hybrid(&self, data: &Data, key: i64) -> Result<Vec<i64>> {
        let mut reached = BTreeSet::new();
        for id in self.nearest(data.vector(key), 20).await? {
            reached.extend(self.hops(&self.two_hops, id)?);
        }
        let mut decades = BTreeMap::<i64, i64>::new();
        for id in reached {
            *decades.entry(i64::from(data.ages[id as usize - 1] / 10)).or_default() += 1;
        }
        Ok(decades.into_iter().map(|(decade, persons)| decade * DECADE + persons).collect())
    }

    async fn nearest(&self, vector: &[f32], count: usize) -> Result<Vec<i64>> {
        let mut scan = self.items.scan();
        scan.project(&["id"])?.nearest("embedding", &Float32Array::from(vector.to_vec()), count)?;
        let batches: Vec<RecordBatch> = scan.try_into_stream().await?.try_collect().await?;
        Ok(ids(&batches))
    }
}

fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().iter().copied()).collect()
}

async fn write(folder: &Path, name: &str, batch: RecordBatch) -> Result<Dataset> {
    let path = folder.join(format!("{name}.lance"));
    let schema = batch.schema();
    let reader = RecordBatchIterator::new([Ok(batch)], schema);
    Ok(Dataset::write(reader, path.to_string_lossy().as_ref(), None).await?)
}

fn persons(data: &Data) -> Result<RecordBatch> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=data.rows() as i64));
    let ages: ArrayRef = Arc::new(Int32Array::from(data.ages.clone()));
    Ok(RecordBatch::try_from_iter([("id", ids), ("age", ages)])?)
}

fn edges(data: &Data) -> Result<RecordBatch> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=data.edges.len() as i64));
    let from: ArrayRef = Arc::new(Int64Array::from_iter_values(data.edges.iter().map(|edge| edge.0)));
    let to: ArrayRef = Arc::new(Int64Array::from_iter_values(data.edges.iter().map(|edge| edge.1)));
    Ok(RecordBatch::try_from_iter([("id", ids), ("src", from), ("dst", to)])?)
}

fn items(data: &Data) -> Result<RecordBatch> {
    let part = Arc::new(Field::new("item", DataType::Float32, true));
    let parts: ArrayRef = Arc::new(Float32Array::from(data.vectors.clone()));
    let vectors = FixedSizeListArray::try_new(part.clone(), DIMENSION as i32, parts, None)?;
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("price", DataType::Float64, false),
        Field::new("embedding", DataType::FixedSizeList(part, DIMENSION as i32), false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(1..=data.rows() as i64)),
        Arc::new(Float64Array::from(data.prices.clone())),
        Arc::new(vectors),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

/// The files that Kuzu copies, with the order of columns that it wants: ends first, then properties.
fn write_csv(folder: &Path, data: &Data) -> Result<(String, String)> {
    let (mut persons, mut edges) = (String::new(), String::new());
    for (index, age) in data.ages.iter().enumerate() {
        writeln!(persons, "{},{age}", index + 1)?;
    }
    for (index, (from, to)) in data.edges.iter().enumerate() {
        writeln!(edges, "{from},{to},{}", index + 1)?;
    }
    let write = |name: &str, text: String| -> Result<String> {
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    Ok((write("person.csv", persons)?, write("knows.csv", edges)?))
}
