//! Names that many rows share (authors, sections, ...), made a vertex table and an edge table.

use std::collections::{BTreeMap, BTreeSet};

use super::Table;
use super::copy_text::Row;

/// Each name once, and which row has which name. Ids count from one, in the order of the names and of the rows.
pub(super) struct Links {
    names: Vec<String>,
    edges: Vec<(usize, usize)>,
}

impl Links {
    /// From the names that each row has.
    pub(super) fn new(names_of_rows: &[BTreeSet<&str>]) -> Self {
        let names: BTreeSet<&str> = names_of_rows.iter().flatten().copied().collect();
        let ids: BTreeMap<&str, usize> = names.iter().enumerate().map(|(index, name)| (*name, index + 1)).collect();
        let edges = names_of_rows
            .iter()
            .enumerate()
            .flat_map(|(index, names)| names.iter().map(move |name| (index + 1, *name)))
            .map(|(row, name)| (row, ids[name]))
            .collect();
        Links { names: names.into_iter().map(str::to_string).collect(), edges }
    }

    /// The vertex table (`id`, `name`) and the edge table (`id`, `src`, `dst`).
    pub(super) fn into_tables(
        self,
        vertices: (&'static str, &'static str),
        edges: (&'static str, &'static str),
    ) -> [Table; 2] {
        [
            Table::new(vertices.0, vertices.1, numbered(self.names), |(id, name)| {
                Row::new().plain(id).text(&name).finish()
            }),
            Table::new(edges.0, edges.1, numbered(self.edges), |(id, (from, to))| {
                Row::new().plain(id).plain(from).plain(to).finish()
            }),
        ]
    }
}

/// Items with the ids of their rows, which count from one.
pub(super) fn numbered<T>(items: Vec<T>) -> Vec<(usize, T)> {
    items.into_iter().enumerate().map(|(index, item)| (index + 1, item)).collect()
}
