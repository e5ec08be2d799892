//! The demo: real data that every machine which can build this project has, loaded over the Postgres wire.
//!
//! Nothing is shipped and nothing is downloaded for it. There are two data sets:
//!
//! * [`crates`]: the packages this project is built of, their dependencies, authors, categories and keywords, as
//!   `cargo metadata` and the sources in cargo's registry tell them;
//! * [`apt`]: the packages that Debian offers to this machine, with their relations.
//!
//! Each becomes vertex tables, edge tables and one property graph over them. Texts get a vector by [`embedding`], which
//! needs no model. The steps, which [`load`] walks through:
//!
//! 1. the data set is read into memory, except that the text of its rows is made while it is sent;
//! 2. `CREATE TABLE` and `COPY ... FROM STDIN` for every table, vertices before edges;
//! 3. `CREATE PROPERTY GRAPH` last, so that its index is built once. A graph that is there marks a complete load: a load
//!    that was interrupted is started again from its first table.

pub mod apt;
pub mod copy_text;
pub mod crates;
pub mod embedding;
mod error;
mod links;
mod load;

use clap::ValueEnum;

pub use error::{Error, Result};
pub use load::{connect, load_unless_there};

/// The data sets by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DatasetName {
    /// The packages this project is built of.
    Crates,
    /// The packages that Debian offers to this machine.
    Apt,
}

/// What is known of a data set before it is read.
pub struct Description {
    /// The name of its property graph.
    pub graph: &'static str,
    /// `CREATE PROPERTY GRAPH`, run when all tables are loaded.
    pub create_graph: &'static str,
    /// Statements to try.
    pub examples: &'static [Example],
}

/// A question and the statement that answers it.
pub struct Example {
    /// The question, as a sentence.
    pub question: &'static str,
    /// The statement, with its semicolon.
    pub statement: &'static str,
}

/// One table with its rows.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its `CREATE TABLE`.
    pub create: &'static str,
    /// How many rows [`Table::rows`] gives.
    pub count: usize,
    /// The rows, each a line of COPY's text format, made one by one.
    pub rows: Box<dyn Iterator<Item = String> + Send>,
}

impl Table {
    /// A table whose rows are made from `items` by `row`.
    fn new<T, R>(name: &'static str, create: &'static str, items: Vec<T>, row: R) -> Self
    where
        T: Send + 'static,
        R: FnMut(T) -> String + Send + 'static,
    {
        Table { name, create, count: items.len(), rows: Box::new(items.into_iter().map(row)) }
    }
}

impl DatasetName {
    fn description(self) -> &'static Description {
        match self {
            DatasetName::Crates => &crates::DESCRIPTION,
            DatasetName::Apt => &apt::DESCRIPTION,
        }
    }

    /// Reads the data set; vertex tables come before the edge tables that refer to them.
    fn read(self) -> Result<Vec<Table>> {
        match self {
            DatasetName::Crates => crates::read(),
            DatasetName::Apt => apt::read(),
        }
    }
}

/// Prints the statements to try, ready to be pasted into psql.
pub fn print_examples(dataset: DatasetName, host: &str, port: u16) {
    println!("\nConnect with   psql -h {host} -p {port}   and try:\n");
    for example in dataset.description().examples {
        println!("-- {}\n{}\n", example.question, example.statement);
    }
}
