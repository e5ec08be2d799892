//! Vertices with numbers, and edges as pairs of them.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::{cast, concat, sort_to_indices, take};
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::hash_utils::RandomState;
use datafusion::error::Result as PlanResult;
use slipstream_engine::{Error, ErrorKind};

/// The key of a vertex that an argument names.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The vertex tables to look in, by position; all, where none are named.
    pub tables: Option<Vec<usize>>,
    /// The keys, of the type of the vertices' keys. A NULL names nothing.
    pub keys: ArrayRef,
}

/// The vertices of one table.
#[derive(Debug)]
pub(super) struct VertexTable {
    /// Its name in the graph.
    name: String,
    /// The number of its first vertex.
    first: u32,
    numbers: Numbers,
}

/// The vertices and edges that an algorithm works on. Numbers of vertices follow the order of their tables and, within one,
/// of their keys.
#[derive(Debug)]
pub(super) struct Network {
    tables: Vec<VertexTable>,
    /// Keys of vertices, by number.
    keys: ArrayRef,
    /// Where edges start and end.
    pub(super) edges: Vec<(u32, u32)>,
    /// Their weights, where they have some.
    pub(super) weights: Option<Vec<f64>>,
}

impl Network {
    /// Vertices by the names of their tables, without edges.
    pub(super) fn of(tables: Vec<(String, Vec<ArrayRef>)>, key_type: &DataType) -> PlanResult<Self> {
        let mut network =
            Network { tables: Vec::new(), keys: new_empty_array(key_type), edges: Vec::new(), weights: None };
        let mut keys: Vec<ArrayRef> = Vec::new();
        let mut first = 0;
        for (name, pieces) in tables {
            let sorted = sorted(&pieces, key_type)?;
            let numbers = Numbers::of(&sorted, first)?;
            network.tables.push(VertexTable { name, first, numbers });
            first = u32::try_from(sorted.len()).ok().and_then(|count| first.checked_add(count)).ok_or_else(|| {
                Error::new(ErrorKind::TooComplex, "a graph algorithm cannot have more than four billion vertices")
            })?;
            keys.push(sorted);
        }
        network.keys = joined(&keys, key_type)?;
        Ok(network)
    }

    /// How many vertices there are.
    pub(super) fn vertices(&self) -> usize {
        self.keys.len()
    }

    /// Keys of vertices, by number.
    pub(super) fn keys(&self) -> &ArrayRef {
        &self.keys
    }

    /// Adds edges between two tables. One without an end is left out.
    pub(super) fn add(
        &mut self,
        (source, destination): (usize, usize),
        ends: (&ArrayRef, &ArrayRef),
        weights: Option<&ArrayRef>,
    ) -> PlanResult<()> {
        let sources = self.tables[source].numbers.find(ends.0)?;
        let destinations = self.tables[destination].numbers.find(ends.1)?;
        let weights = weights.map(checked_weights).transpose()?;
        for (row, ends) in sources.into_iter().zip(destinations).enumerate() {
            let (Some(source), Some(destination)) = ends else { continue };
            self.edges.push((source, destination));
            if let Some(weights) = weights {
                self.weights.get_or_insert_default().push(weights[row]);
            }
        }
        Ok(())
    }

    /// The numbers of the vertices that have these keys, each once, in order.
    pub(super) fn find(&self, wanted: &Keys) -> PlanResult<Vec<u32>> {
        let searched: Vec<&VertexTable> = match &wanted.tables {
            Some(tables) => tables.iter().filter_map(|at| self.tables.get(*at)).collect(),
            None => self.tables.iter().collect(),
        };
        let mut found: Vec<Option<u32>> = vec![None; wanted.keys.len()];
        for table in &searched {
            for (known, number) in found.iter_mut().zip(table.numbers.find(&wanted.keys)?) {
                if known.is_some() && number.is_some() {
                    return Err(ambiguous(&searched).into());
                }
                *known = known.or(number);
            }
        }
        let mut found: Vec<u32> = found.into_iter().flatten().collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The name of a vertex's table.
    pub(super) fn table(&self, vertex: u32) -> &str {
        let table = self.tables.partition_point(|table| table.first <= vertex).saturating_sub(1);
        self.tables.get(table).map_or("", |table| &table.name)
    }
}

fn ambiguous(tables: &[&VertexTable]) -> Error {
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    Error::new(ErrorKind::InvalidParameter, "vertices of several tables have this key")
        .with_hint(format!("Say which is meant with label => '...': {}.", names.join(", ")))
}

/// Weights that an algorithm can work with.
fn checked_weights(weights: &ArrayRef) -> PlanResult<&[f64]> {
    let refuse = |message: &str| Error::new(ErrorKind::InvalidParameter, message);
    if weights.null_count() > 0 {
        return Err(refuse("weights of edges must not be null").into());
    }
    let weights: &[f64] = weights.as_primitive::<arrow::datatypes::Float64Type>().values();
    match weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0) {
        true => Ok(weights),
        false => Err(refuse("weights of edges must be finite and not negative").into()),
    }
}

fn joined(pieces: &[ArrayRef], key_type: &DataType) -> PlanResult<ArrayRef> {
    if pieces.is_empty() {
        return Ok(new_empty_array(key_type));
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref() as &dyn Array).collect();
    Ok(concat(&pieces)?)
}

fn sorted(pieces: &[ArrayRef], key_type: &DataType) -> PlanResult<ArrayRef> {
    let keys = joined(pieces, key_type)?;
    let order = sort_to_indices(&keys, None, None)?;
    Ok(take(&keys, &order, None)?)
}

/// Numbers by key.
#[derive(Debug)]
enum Numbers {
    Integers(HashMap<i64, u32, RandomState>),
    Others(RowConverter, HashMap<Box<[u8]>, u32, RandomState>),
}

/// What a vertex costs beside its key in the columns: its number by key.
pub(super) const NUMBER_BYTES: usize = 48;

impl Numbers {
    /// Of keys that all differ; the first has the number `first`.
    fn of(keys: &ArrayRef, first: u32) -> PlanResult<Numbers> {
        if keys.data_type().is_signed_integer() {
            let keys = cast(keys, &DataType::Int64)?;
            let keys = keys.as_primitive::<Int64Type>().values().iter().copied();
            return Ok(Numbers::Integers(keys.zip(first..).collect()));
        }
        let converter = RowConverter::new(vec![SortField::new(keys.data_type().clone())])?;
        let rows = converter.convert_columns(std::slice::from_ref(keys))?;
        let numbers = rows.iter().map(|row| Box::from(row.as_ref())).zip(first..).collect();
        Ok(Numbers::Others(converter, numbers))
    }

    fn find(&self, keys: &ArrayRef) -> PlanResult<Vec<Option<u32>>> {
        match self {
            Numbers::Integers(numbers) => {
                let keys = cast(keys, &DataType::Int64)?;
                let keys = keys.as_primitive::<Int64Type>();
                Ok(keys.iter().map(|key| numbers.get(&key?).copied()).collect())
            }
            Numbers::Others(converter, numbers) => {
                let rows = converter.convert_columns(std::slice::from_ref(keys))?;
                Ok((0..keys.len())
                    .map(|at| keys.is_valid(at).then(|| numbers.get(rows.row(at).as_ref()).copied()).flatten())
                    .collect())
            }
        }
    }
}
