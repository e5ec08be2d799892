//! `slipstream`: what this database has that Postgres has no table for. [`RELATIONS`] is its documentation.
//!
//! These tables read the snapshot of the statement and, for what is not in a snapshot (the log, where the graph indexes
//! stand), the running database. What costs a look into the store, such as row counts, is found only where the column is
//! asked for.

mod commits;
mod graph_elements;
mod graphs;
mod snapshots;
mod tables;

use std::sync::{Arc, LazyLock};

use datafusion::catalog::SchemaProvider;
use slipstream_engine::Database;
use slipstream_engine::snapshot::Snapshot;

use crate::metadata::{Kind, MetadataSchema, Relation, RowSource};

/// Name of the schema.
pub const NAME: &str = "slipstream";

/// Object id of the schema.
pub const OID: u32 = 14_000;

/// The tables of the schema.
pub static RELATIONS: LazyLock<Vec<Relation>> = LazyLock::new(|| {
    vec![
        Relation::new(
            "tables",
            OID + 1,
            Kind::View,
            "Tables at this snapshot, with the place and version of their Lance datasets.",
            "name name! -- name in the schema public
         oid oid! -- as in pg_class
         id uuid! -- identity: a table made again under the same name has another
         version int8! -- version of the Lance dataset that this snapshot reads
         rows int8! -- number of rows, counted when the column is asked for
         directory text! -- directory of the Lance dataset below tables/
         primary_key text[]! -- columns of the primary key, in key order",
        ),
        Relation::new(
            "graphs",
            OID + 2,
            Kind::View,
            "Property graphs at this snapshot, and how far their indexes are.",
            "name name! -- name of the graph
         oid oid! -- object id
         labels text[]! -- labels of vertices, then of edges, each once
         vertex_tables text[]! -- tables whose rows are vertices
         edge_tables text[]! -- tables whose rows are edges
         index_seq int8 -- the commit that the index stands at; NULL where there is no index yet
         state text! -- ready: at this snapshot; behind: older, or newer; building: there is none yet",
        ),
        Relation::new(
            "commits",
            OID + 3,
            Kind::View,
            "Commits, the newest first.",
            "seq int8! -- place in the log, from 1
         tx_id uuid! -- transaction id
         timestamp timestamptz! -- when it was decided; never goes back
         epoch int8! -- which opening of the database wrote it
         tables json! -- the version of every table from this commit on: [{\"table\": ..., \"version\": ...}]
         notes text -- what made it",
        ),
        Relation::new(
            "graph_elements",
            OID + 4,
            Kind::View,
            "The vertex and edge tables of property graphs.",
            "graph name! -- name of the graph
         name name! -- the element's name in the graph
         kind text! -- vertex or edge
         table_name text! -- the table whose rows are its elements
         labels text[]! -- its labels
         properties text[]! -- the columns that the index covers
         source name -- name of the vertex element where edges start
         destination name -- name of the vertex element where they end",
        ),
        Relation::new(
            "snapshots",
            OID + 10,
            Kind::View,
            "Named snapshots: versions that stay readable until their name is dropped.",
            "name name! -- the name, for VERSION AS OF and slipstream.as_of
         seq int8! -- the commit that it is
         timestamp timestamptz! -- the time of that commit
         created timestamptz! -- when it was given the name",
        ),
    ]
});

/// The schema `slipstream` over one snapshot of a running database.
pub fn schema(database: &Arc<Database>, snapshot: &Arc<Snapshot>) -> Arc<dyn SchemaProvider> {
    let (database, snapshot) = (Arc::clone(database), Arc::clone(snapshot));
    Arc::new(MetadataSchema::new(NAME, relations(), move |table| {
        let source: Arc<dyn RowSource> = match table {
            "tables" => Arc::new(tables::Tables::new(&snapshot)),
            "graphs" => Arc::new(graphs::Graphs::new(&database, &snapshot)),
            "graph_elements" => Arc::new(graph_elements::GraphElements::new(&snapshot)),
            "snapshots" => Arc::new(snapshots::Snapshots::new(&snapshot)),
            "commits" => Arc::new(commits::Commits::new(&database, &snapshot)),
            _ => return None,
        };
        Some(source)
    }))
}

/// All relations of the schema.
pub fn relations() -> impl Iterator<Item = &'static Relation> {
    RELATIONS.iter()
}
