//! The packages that Debian (or Ubuntu) offers to this machine, as a graph.
//!
//! `apt-cache dumpavail` prints the lists that apt keeps, whatever they are compressed with: one paragraph for each package.
//! Sections and maintainers become vertices; the relations Pre-Depends, Depends, Recommends and Suggests become edges between
//! packages, see [`relations`].

mod control;
mod relations;

use std::collections::HashSet;
use std::process::Command;

use self::control::Paragraph;
use self::relations::{Packages, Relation};
use super::copy_text::Row;
use super::embedding::{Terms, embed};
use super::links::{Links, numbered};
use super::{Description, Error, Example, Result, Table};

const CREATE_PACKAGE: &str = "CREATE TABLE package (
  id bigint PRIMARY KEY, name text NOT NULL, version text NOT NULL, section text, maintainer text,
  installed_bytes bigint, download_bytes bigint, homepage text, description text, embedding vector(128) NOT NULL)";
const CREATE_SECTION: &str = "CREATE TABLE section (id bigint PRIMARY KEY, name text NOT NULL)";
const CREATE_MAINTAINER: &str = "CREATE TABLE maintainer (id bigint PRIMARY KEY, name text NOT NULL)";
const CREATE_NEEDS: &str = "CREATE TABLE needs (
  id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL, kind text NOT NULL, choice integer NOT NULL)";
const CREATE_IN_SECTION: &str =
    "CREATE TABLE in_section (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)";
const CREATE_MAINTAINED_BY: &str =
    "CREATE TABLE maintained_by (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)";

/// The graph over these tables, and what to ask it.
pub const DESCRIPTION: Description = Description {
    graph: "packages",
    create_graph: "CREATE PROPERTY GRAPH packages
  VERTEX TABLES (
    package    KEY (id) LABEL package    PROPERTIES (id, name, version, installed_bytes),
    section    KEY (id) LABEL section    PROPERTIES (id, name),
    maintainer KEY (id) LABEL maintainer PROPERTIES (id, name))
  EDGE TABLES (
    needs         KEY (id) SOURCE KEY (src) REFERENCES package (id) DESTINATION KEY (dst) REFERENCES package (id)
                  LABEL needs PROPERTIES (kind, choice),
    in_section    KEY (id) SOURCE KEY (src) REFERENCES package (id) DESTINATION KEY (dst) REFERENCES section (id)
                  LABEL in_section NO PROPERTIES,
    maintained_by KEY (id) SOURCE KEY (src) REFERENCES package (id) DESTINATION KEY (dst) REFERENCES maintainer (id)
                  LABEL maintained_by NO PROPERTIES)",
    examples: &[
        Example {
            question: "SQL: which sections are the largest?",
            statement:
                "SELECT section, count(*) AS packages, round(sum(installed_bytes) / 1000000000.0, 1) AS gigabytes
FROM package GROUP BY section ORDER BY gigabytes DESC LIMIT 8;",
        },
        Example {
            question: "Graph: what does git need directly, and how strongly?",
            statement: "SELECT * FROM cypher('packages', $$
  MATCH (a:package {name: 'git'})-[n:needs]->(b:package)
  RETURN b.name AS name, n.kind AS kind, n.choice AS choice $$)
ORDER BY kind, choice, name LIMIT 12;",
        },
        Example {
            question: "Vectors: which packages read most like sqlite3?",
            statement: "SELECT name, section, description,
  embedding <=> (SELECT embedding FROM package WHERE name = 'sqlite3') AS distance
FROM package ORDER BY distance LIMIT 6;",
        },
        Example {
            question: "All at once: nearest in meaning to sqlite3, within two hops of git, with section and size",
            statement: "SELECT p.name, p.section, p.installed_bytes
FROM cypher('packages', $$
  MATCH (a:package {name: 'git'})-[:needs*1..2]->(b:package) RETURN DISTINCT b.id AS id $$) AS near
JOIN package p ON p.id = near.id
ORDER BY p.embedding <=> (SELECT embedding FROM package WHERE name = 'sqlite3') LIMIT 10;",
        },
        Example {
            question: "The same, as a plan: which store does what, at which version",
            statement: "EXPLAIN SELECT p.name, p.section, p.installed_bytes
FROM cypher('packages', $$
  MATCH (a:package {name: 'git'})-[:needs*1..2]->(b:package) RETURN DISTINCT b.id AS id $$) AS near
JOIN package p ON p.id = near.id
ORDER BY p.embedding <=> (SELECT embedding FROM package WHERE name = 'sqlite3') LIMIT 10;",
        },
    ],
};

/// Reads the package lists of this machine.
pub fn read() -> Result<Vec<Table>> {
    const COMMAND: &str = "apt-cache dumpavail";
    let failed = |reason: String| Error::Command { command: COMMAND.to_string(), reason };
    let output = Command::new("apt-cache")
        .arg("dumpavail")
        .output()
        .map_err(|error| failed(format!("{error}; this data set needs Debian or Ubuntu")))?;
    let list = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_string()));
    }
    if !list.contains("Package:") {
        return Err(failed("it lists no package; `apt-get update` fetches the lists".to_string()));
    }
    Ok(tables(&list))
}

fn tables(list: &str) -> Vec<Table> {
    let paragraphs = paragraphs(list);
    let relations = Packages::new(&paragraphs).relations(&paragraphs);
    let sections = links(&paragraphs, |paragraph| paragraph.get("Section"));
    let maintainers = links(&paragraphs, maintainer);

    let [section, in_section] = sections.into_tables(("section", CREATE_SECTION), ("in_section", CREATE_IN_SECTION));
    let [maintainer, maintained_by] =
        maintainers.into_tables(("maintainer", CREATE_MAINTAINER), ("maintained_by", CREATE_MAINTAINED_BY));
    let packages = Table::new("package", CREATE_PACKAGE, packages(&paragraphs), Package::into_row);
    let needs = Table::new("needs", CREATE_NEEDS, numbered(relations), relation_row);
    vec![packages, section, maintainer, needs, in_section, maintained_by]
}

fn links<'a>(paragraphs: &[Paragraph<'a>], name_of: impl Fn(&Paragraph<'a>) -> Option<&'a str>) -> Links {
    Links::new(&paragraphs.iter().map(|paragraph| name_of(paragraph).into_iter().collect()).collect::<Vec<_>>())
}

/// The paragraphs of the list, the first of each package name, in the order of the names. A package's id is its place here.
fn paragraphs(list: &str) -> Vec<Paragraph<'_>> {
    let mut seen = HashSet::new();
    let mut paragraphs: Vec<Paragraph<'_>> = control::paragraphs(list)
        .filter(|paragraph| paragraph.get("Package").is_some_and(|name| seen.insert(name.to_string())))
        .collect();
    paragraphs.sort_by(|a, b| name(a).cmp(name(b)));
    paragraphs
}

fn name<'a>(paragraph: &Paragraph<'a>) -> &'a str {
    paragraph.get("Package").unwrap_or_default()
}

/// The maintainer's name; addresses are not needed here.
fn maintainer<'a>(paragraph: &Paragraph<'a>) -> Option<&'a str> {
    let maintainer = paragraph.get("Maintainer")?;
    Some(maintainer.split_once('<').map_or(maintainer, |(name, _address)| name).trim().trim_matches('"'))
}

/// A row of `package`.
struct Package {
    id: usize,
    name: String,
    version: String,
    section: Option<String>,
    maintainer: Option<String>,
    installed_bytes: Option<u64>,
    download_bytes: Option<u64>,
    homepage: Option<String>,
    description: Option<String>,
    embedding: Vec<f32>,
}

fn packages(paragraphs: &[Paragraph<'_>]) -> Vec<Package> {
    let terms: Vec<Terms> = paragraphs.iter().map(terms).collect();
    paragraphs
        .iter()
        .zip(embed(&terms))
        .enumerate()
        .map(|(index, (paragraph, embedding))| {
            let text = |field| paragraph.get(field).map(str::to_string);
            let number = |field| paragraph.get(field).and_then(|digits| digits.parse::<u64>().ok());
            Package {
                id: index + 1,
                name: name(paragraph).to_string(),
                version: text("Version").unwrap_or_default(),
                section: text("Section"),
                maintainer: maintainer(paragraph).map(str::to_string),
                // The field counts kibibytes.
                installed_bytes: number("Installed-Size").map(|kibibytes| kibibytes * 1024),
                download_bytes: number("Size"),
                homepage: text("Homepage"),
                description: description(paragraph).map(str::to_string),
                embedding,
            }
        })
        .collect()
}

/// Some archives keep the long text in a translated field.
fn description<'a>(paragraph: &Paragraph<'a>) -> Option<&'a str> {
    paragraph.get("Description").or_else(|| paragraph.get("Description-en"))
}

fn terms(paragraph: &Paragraph<'_>) -> Terms {
    let text = |field| paragraph.get(field).unwrap_or_default();
    Terms::of(&[
        (2.0, name(paragraph)),
        (2.0, description(paragraph).unwrap_or_default()),
        (1.0, text("Tag")),
        (0.5, text("Section")),
        (0.5, text("Source")),
    ])
}

impl Package {
    fn into_row(self) -> String {
        Row::new()
            .plain(self.id)
            .text(&self.name)
            .text(&self.version)
            .nullable_text(self.section.as_deref())
            .nullable_text(self.maintainer.as_deref())
            .nullable_plain(self.installed_bytes)
            .nullable_plain(self.download_bytes)
            .nullable_text(self.homepage.as_deref())
            .nullable_text(self.description.as_deref())
            .vector(&self.embedding)
            .finish()
    }
}

fn relation_row((id, relation): (usize, Relation)) -> String {
    Row::new().plain(id).plain(relation.from).plain(relation.to).text(relation.kind).plain(relation.choice).finish()
}

#[cfg(test)]
mod tests;
