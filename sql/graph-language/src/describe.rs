//! A bound query in a line, for EXPLAIN: its patterns in the user's names, with the labels that were inferred.

use super::bound::{BoundClause, BoundQuery};
use super::lower::path_text;
use super::syntax::SearchKind;

/// The patterns of a query.
pub(super) fn describe(query: &BoundQuery) -> String {
    let mut words = Vec::new();
    for clause in query.parts().flatten() {
        let BoundClause::Match(pattern) = clause else { continue };
        if pattern.optional {
            words.push("OPTIONAL".to_string());
        }
        let paths: Vec<String> = pattern
            .paths
            .iter()
            .map(|path| {
                path_text(
                    path,
                    |node| format!("{}:{}", node.written.as_deref().unwrap_or_default(), node.tables.join("|")),
                    |relationship| {
                        let name = relationship.written.as_deref().unwrap_or_default();
                        let length = match (relationship.search, relationship.length) {
                            (Some(SearchKind::Shortest), Some((_, upper))) => format!("* SHORTEST ..{upper}"),
                            (Some(SearchKind::AllShortest), Some((_, upper))) => format!("* ALL SHORTEST ..{upper}"),
                            (None, Some((lower, u32::MAX))) => format!("*{lower}.."),
                            (None, Some((lower, upper))) => format!("*{lower}..{upper}"),
                            (_, None) => String::new(),
                        };
                        format!("{name}:{}{length}", relationship.tables.join("|"))
                    },
                )
            })
            .collect();
        words.push(format!("MATCH {}", paths.join(", ")));
    }
    if words.is_empty() { "no pattern".to_string() } else { words.join(" ") }
}
