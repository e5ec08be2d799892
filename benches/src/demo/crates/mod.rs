//! The crates that this project is built of, as a graph.
//!
//! `cargo metadata` gives every package of the resolved dependency graph (several versions of one crate are several
//! packages) and the edges between them; sizes and readme texts come from the sources in cargo's registry, where each
//! package's manifest says it is.

mod metadata;
mod source;

use std::collections::{BTreeSet, HashMap};

use self::metadata::{Metadata, Package};
use super::copy_text::Row;
use super::embedding::{Terms, embed};
use super::links::{Links, numbered};
use super::{Description, Example, Result, Table};

const CREATE_CRATE: &str = "CREATE TABLE crate (
  id bigint PRIMARY KEY, name text NOT NULL, version text NOT NULL, license text, description text,
  repository text, keywords text[], size_bytes bigint NOT NULL, readme text, embedding vector(128) NOT NULL)";
const CREATE_AUTHOR: &str = "CREATE TABLE author (id bigint PRIMARY KEY, name text NOT NULL)";
const CREATE_CATEGORY: &str = "CREATE TABLE category (id bigint PRIMARY KEY, name text NOT NULL)";
const CREATE_KEYWORD: &str = "CREATE TABLE keyword (id bigint PRIMARY KEY, name text NOT NULL)";
const CREATE_DEPENDS_ON: &str = "CREATE TABLE depends_on (
  id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL,
  kind text NOT NULL, is_optional boolean NOT NULL, requirement text, features text[] NOT NULL)";
const CREATE_WRITTEN_BY: &str =
    "CREATE TABLE written_by (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)";
const CREATE_IN_CATEGORY: &str =
    "CREATE TABLE in_category (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)";
const CREATE_HAS_KEYWORD: &str =
    "CREATE TABLE has_keyword (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)";

/// The graph over these tables, and what to ask it.
pub const DESCRIPTION: Description = Description {
    graph: "crates",
    create_graph: "CREATE PROPERTY GRAPH crates
  VERTEX TABLES (
    crate    KEY (id) LABEL crate    PROPERTIES (id, name, version, license, size_bytes),
    author   KEY (id) LABEL author   PROPERTIES (id, name),
    category KEY (id) LABEL category PROPERTIES (id, name),
    keyword  KEY (id) LABEL keyword  PROPERTIES (id, name))
  EDGE TABLES (
    depends_on  KEY (id) SOURCE KEY (src) REFERENCES crate (id) DESTINATION KEY (dst) REFERENCES crate (id)
                LABEL depends_on PROPERTIES (kind, is_optional),
    written_by  KEY (id) SOURCE KEY (src) REFERENCES crate (id) DESTINATION KEY (dst) REFERENCES author (id)
                LABEL written_by NO PROPERTIES,
    in_category KEY (id) SOURCE KEY (src) REFERENCES crate (id) DESTINATION KEY (dst) REFERENCES category (id)
                LABEL in_category NO PROPERTIES,
    has_keyword KEY (id) SOURCE KEY (src) REFERENCES crate (id) DESTINATION KEY (dst) REFERENCES keyword (id)
                LABEL has_keyword NO PROPERTIES)",
    examples: &[
        Example {
            question: "SQL: under which licences is this project built?",
            statement: "SELECT license, count(*) AS crates, round(sum(size_bytes) / 1000000.0, 1) AS megabytes
FROM crate GROUP BY license ORDER BY crates DESC, license LIMIT 8;",
        },
        Example {
            question: "Graph: what does the crate lance need directly, and for what?",
            statement: "SELECT * FROM cypher('crates', $$
  MATCH (a:crate {name: 'lance'})-[d:depends_on]->(b:crate)
  RETURN b.name AS name, b.version AS version, d.kind AS kind $$)
ORDER BY kind, name LIMIT 10;",
        },
        Example {
            question: "Vectors: which crates read most like arrow-json?",
            statement:
                "SELECT name, version, embedding <=> (SELECT embedding FROM crate WHERE name = 'arrow-json') AS distance
FROM crate ORDER BY distance LIMIT 6;",
        },
        Example {
            question: "All at once: nearest in meaning to arrow-json, within two dependency hops of lance, with licence and size",
            statement: "SELECT c.name, c.version, c.license, c.size_bytes
FROM cypher('crates', $$
  MATCH (a:crate {name: 'lance'})-[:depends_on*1..2]->(b:crate) RETURN DISTINCT b.id AS id $$) AS near
JOIN crate c ON c.id = near.id
ORDER BY c.embedding <=> (SELECT embedding FROM crate WHERE name = 'arrow-json') LIMIT 10;",
        },
        Example {
            question: "The same, as a plan: which store does what, at which version",
            statement: "EXPLAIN SELECT c.name, c.version, c.license, c.size_bytes
FROM cypher('crates', $$
  MATCH (a:crate {name: 'lance'})-[:depends_on*1..2]->(b:crate) RETURN DISTINCT b.id AS id $$) AS near
JOIN crate c ON c.id = near.id
ORDER BY c.embedding <=> (SELECT embedding FROM crate WHERE name = 'arrow-json') LIMIT 10;",
        },
    ],
};

/// Reads the dependency graph of the workspace that the current directory is in.
pub fn read() -> Result<Vec<Table>> {
    tables(metadata::read()?)
}

fn tables(metadata: Metadata) -> Result<Vec<Table>> {
    let Metadata { mut packages, resolve } = metadata;
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));

    let authors =
        links(&packages, |package| package.authors.iter().map(|author| name_without_address(author)).collect());
    let categories = links(&packages, |package| package.categories.iter().map(String::as_str).collect());
    let keywords = links(&packages, |package| package.keywords.iter().map(String::as_str).collect());
    let dependencies = dependencies(&packages, &resolve);
    let crates = crates(packages)?;

    let [author, written_by] = authors.into_tables(("author", CREATE_AUTHOR), ("written_by", CREATE_WRITTEN_BY));
    let [category, in_category] =
        categories.into_tables(("category", CREATE_CATEGORY), ("in_category", CREATE_IN_CATEGORY));
    let [keyword, has_keyword] = keywords.into_tables(("keyword", CREATE_KEYWORD), ("has_keyword", CREATE_HAS_KEYWORD));
    let crates = Table::new("crate", CREATE_CRATE, crates, Crate::into_row);
    let depends_on = Table::new("depends_on", CREATE_DEPENDS_ON, numbered(dependencies), Dependency::into_row);
    Ok(vec![crates, author, category, keyword, depends_on, written_by, in_category, has_keyword])
}

fn links<'a>(packages: &'a [Package], names_of: impl Fn(&'a Package) -> BTreeSet<&'a str>) -> Links {
    Links::new(&packages.iter().map(names_of).collect::<Vec<_>>())
}

/// A package with what its sources and the whole set add to it.
struct Crate {
    id: usize,
    package: Package,
    readme: Option<String>,
    size_bytes: u64,
    embedding: Vec<f32>,
}

fn crates(packages: Vec<Package>) -> Result<Vec<Crate>> {
    let mut readmes = Vec::with_capacity(packages.len());
    let mut sizes = Vec::with_capacity(packages.len());
    let mut terms = Vec::with_capacity(packages.len());
    for package in &packages {
        let readme = source::readme(package)?;
        terms.push(Terms::of(&[
            (4.0, &package.name),
            (3.0, &package.keywords.join(" ")),
            (2.0, package.description.as_deref().unwrap_or_default()),
            (1.0, readme.as_deref().unwrap_or_default()),
        ]));
        readmes.push(readme);
        sizes.push(source::size(package)?);
    }
    let embeddings = embed(&terms);
    let parts = packages.into_iter().zip(readmes).zip(sizes).zip(embeddings).enumerate();
    Ok(parts
        .map(|(index, (((package, readme), size_bytes), embedding))| Crate {
            id: index + 1,
            package,
            readme,
            size_bytes,
            embedding,
        })
        .collect())
}

impl Crate {
    fn into_row(self) -> String {
        let package = &self.package;
        Row::new()
            .plain(self.id)
            .text(&package.name)
            .text(&package.version)
            .nullable_text(package.license.as_deref())
            .nullable_text(package.description.as_deref().map(str::trim))
            .nullable_text(package.repository.as_deref())
            .text_array(&package.keywords)
            .plain(self.size_bytes)
            .nullable_text(self.readme.as_deref())
            .vector(&self.embedding)
            .finish()
    }
}

/// An edge of `depends_on`, without its id.
struct Dependency {
    from: usize,
    to: usize,
    kind: &'static str,
    optional: bool,
    requirement: String,
    features: Vec<String>,
}

impl Dependency {
    fn into_row((id, edge): (usize, Dependency)) -> String {
        Row::new()
            .plain(id)
            .plain(edge.from)
            .plain(edge.to)
            .text(edge.kind)
            .plain(edge.optional)
            .text(&edge.requirement)
            .text_array(&edge.features)
            .finish()
    }
}

/// The resolved edges: one for each pair of packages and kind, whatever the number of targets it is declared for.
fn dependencies(packages: &[Package], resolve: &metadata::Resolve) -> Vec<Dependency> {
    let positions: HashMap<&str, usize> =
        packages.iter().enumerate().map(|(index, package)| (package.id.as_str(), index)).collect();
    let mut edges = Vec::new();
    for node in &resolve.nodes {
        let from = positions[node.id.as_str()];
        for dependency in &node.deps {
            let to = positions[dependency.pkg.as_str()];
            let kinds: BTreeSet<&'static str> = dependency.dep_kinds.iter().map(|kind| kind.name()).collect();
            edges.extend(kinds.into_iter().map(|kind| edge(packages, from, to, kind)));
        }
    }
    edges.sort_by_key(|edge| (edge.from, edge.to, edge.kind));
    edges
}

/// An edge with what the manifest of `from` declares for it: the features of all its declarations together.
fn edge(packages: &[Package], from: usize, to: usize, kind: &'static str) -> Dependency {
    let declared: Vec<_> = packages[from]
        .dependencies
        .iter()
        .filter(|declared| declared.name == packages[to].name && declared.kind_name() == kind)
        .collect();
    let features: BTreeSet<&String> = declared.iter().flat_map(|declared| &declared.features).collect();
    Dependency {
        from: from + 1,
        to: to + 1,
        kind,
        optional: !declared.is_empty() && declared.iter().all(|declared| declared.optional),
        requirement: declared.first().map(|declared| declared.req.clone()).unwrap_or_default(),
        features: features.into_iter().cloned().collect(),
    }
}

/// `Jane Doe <jane@example.org>` as `Jane Doe`: addresses are not needed here.
fn name_without_address(author: &str) -> &str {
    match author.split_once('<') {
        Some((name, _)) if !name.trim().is_empty() => name.trim(),
        _ => author.trim_matches(['<', '>', ' ']),
    }
}

#[cfg(test)]
mod tests;
