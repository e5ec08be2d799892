//! Relations between packages: `Depends: libc6 (>= 2.34), default-mta | mail-transport-agent, python3:any`.
//!
//! Commas separate what is needed, bars separate the choices that satisfy one need. Every choice that names a package of the
//! list becomes an edge, with its place among the choices (1 is preferred). A name that only other packages *provide* stands
//! for the first of them by name, so that a need does not fan out to every mail server there is. A name that nothing in the
//! list has is left out.

use std::collections::{BTreeSet, HashMap};

use super::control::Paragraph;

/// The fields that say that a package needs another, with the edge's kind.
const KINDS: [(&str, &str); 4] =
    [("Pre-Depends", "pre-depends"), ("Depends", "depends"), ("Recommends", "recommends"), ("Suggests", "suggests")];

/// An edge of `needs`, without its id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) kind: &'static str,
    pub(super) choice: usize,
}

/// Package ids by real and by provided name.
pub(super) struct Packages<'a> {
    real: HashMap<&'a str, usize>,
    provided: HashMap<&'a str, usize>,
}

impl<'a> Packages<'a> {
    /// From paragraphs in the order of the packages' names; ids count from one.
    pub(super) fn new(paragraphs: &[Paragraph<'a>]) -> Self {
        let mut packages = Packages { real: HashMap::new(), provided: HashMap::new() };
        for (index, paragraph) in paragraphs.iter().enumerate() {
            let id = index + 1;
            packages.real.insert(super::name(paragraph), id);
            for provided in paragraph.get("Provides").into_iter().flat_map(|list| list.split(',')) {
                packages.provided.entry(bare_name(provided)).or_insert(id);
            }
        }
        packages
    }

    fn id(&self, name: &str) -> Option<usize> {
        self.real.get(name).or_else(|| self.provided.get(name)).copied()
    }

    /// All edges. A package that needs another twice in one way (two version bounds) has one edge to it.
    pub(super) fn relations(&self, paragraphs: &[Paragraph<'_>]) -> Vec<Relation> {
        let mut relations = Vec::new();
        for (index, paragraph) in paragraphs.iter().enumerate() {
            for (field, kind) in KINDS {
                self.relations_of(index + 1, kind, paragraph.get(field).unwrap_or_default(), &mut relations);
            }
        }
        relations
    }

    fn relations_of(&self, from: usize, kind: &'static str, needs: &str, relations: &mut Vec<Relation>) {
        let mut seen = BTreeSet::new();
        for need in needs.split(',') {
            for (index, choice) in need.split('|').enumerate() {
                if let Some(to) = self.id(bare_name(choice))
                    && to != from
                    && seen.insert(to)
                {
                    relations.push(Relation { from, to, kind, choice: index + 1 });
                }
            }
        }
    }
}

/// The name of `name:arch (>= version) [restriction]`.
fn bare_name(relation: &str) -> &str {
    let relation = relation.trim();
    relation.split([' ', '(', '[', ':', '\n']).next().unwrap_or(relation)
}
