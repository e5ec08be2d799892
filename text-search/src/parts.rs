//! What of a condition an index of words can look for.
//!
//! An index has every run of letters and digits of a text, in lower case and stemmed; all of them, whatever the text's
//! parser makes of them. What is said here of a query is true of every text that it matches.

use std::collections::BTreeSet;

use crate::config::{Config, LONGEST_LEXEME};
use crate::query::{Node, TsQuery};
use crate::search::{Node as SearchNode, Search, What};

/// What a text must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A word of the index, in the field of that number, or in any.
    Lexeme(String, Option<usize>),
    /// All of these.
    All(Vec<Part>),
    /// One of these.
    Any(Vec<Part>),
}

/// What every text has that a `tsquery` matches; `None` where that is nothing that an index knows.
pub fn of_tsquery(config: Config, query: &TsQuery) -> Option<Part> {
    of_node(config, query.root()?)
}

fn of_node(config: Config, node: &Node) -> Option<Part> {
    match node {
        Node::Lexeme(operand) if operand.prefix => None,
        Node::Lexeme(operand) => of_lexeme(config, &operand.lexeme),
        Node::Not(_) => None,
        Node::And(left, right) => both(of_node(config, left), of_node(config, right)),
        // A phrase may have NOT in it, which says nothing.
        Node::Phrase(left, right, _) => both(of_node(config, left), of_node(config, right)),
        Node::Or(left, right) => Some(Part::Any(vec![of_node(config, left)?, of_node(config, right)?])),
    }
}

fn both(left: Option<Part>, right: Option<Part>) -> Option<Part> {
    match (left, right) {
        (Some(left), Some(right)) => Some(Part::All(vec![left, right])),
        (left, right) => left.or(right),
    }
}

/// What every text has that has a lexeme.
fn of_lexeme(config: Config, lexeme: &str) -> Option<Part> {
    let (word, others) = match lexeme.split_once(|character: char| !character.is_alphanumeric()) {
        None => (lexeme, ""),
        Some(("", _)) => return None,
        Some((word, others)) => (word, others),
    };
    let whole = others.is_empty() && word.len() == lexeme.len();
    // Marks within words come from what is in lower case two characters.
    if !whole && lexeme.chars().any(|character| !character.is_alphanumeric() && !character.is_ascii()) {
        return None;
    }
    match config.language() {
        None => Some(Part::Lexeme(word.to_string(), None)),
        // Latin words are English there, and the index does not know.
        Some(lance_tokenizer::Language::Russian) if lexeme.is_ascii() => None,
        Some(_) if whole && !word.chars().any(char::is_numeric) => Some(Part::Lexeme(word.to_string(), None)),
        // A number, or the beginning of something like a host: nobody has stemmed it yet.
        Some(lance_tokenizer::Language::English) => {
            let stem = frostem::Stemmer::new(frostem::Algorithm::English).stem(word).into_owned();
            Some(Part::Lexeme(stem, None))
        }
        Some(_) => None,
    }
}

/// What every text has that a search matches; `None` where that is nothing that an index knows.
pub fn of_search(config: Config, search: &Search) -> Option<Part> {
    of_search_node(config, search, search.root.as_ref()?)
}

/// Terms of which a text has all or one, each once and none worth more than the others, so that an index can score by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The lexemes, by the numbers of the leaves.
    pub lexemes: Vec<String>,
    /// Whether a text must have all.
    pub all: bool,
}

/// The terms that a search of one column consists of; `None` where it is made of anything else, or where the index takes other
/// words for one of them.
pub fn terms(config: Config, search: &Search) -> Option<Terms> {
    let lexemes = search.leaves().iter().map(|leaf| match &leaf.what {
        What::Term(lexeme) if leaf.scores && leaf.boost == 1.0 => Some(lexeme.clone()),
        _ => None,
    });
    let lexemes = lexemes.collect::<Option<Vec<_>>>()?;
    let of_leaves = |nodes: &[SearchNode]| nodes.iter().all(|node| matches!(node, SearchNode::Leaf(_)));
    let all = match search.root.as_ref()? {
        SearchNode::Leaf(_) => true,
        SearchNode::All(nodes) if of_leaves(nodes) => true,
        SearchNode::Any(nodes) if of_leaves(nodes) => false,
        _ => return None,
    };
    let once: BTreeSet<&String> = lexemes.iter().collect();
    let known = once.len() == lexemes.len() && lexemes.iter().all(|lexeme| counts(config, lexeme));
    known.then_some(Terms { lexemes, all })
}

/// Whether an index knows how many texts have a lexeme: it takes no other words for it.
pub fn counts(config: Config, lexeme: &str) -> bool {
    of_run(config, lexeme) && config.lexer().is_of_no_stop_word(lexeme)
}

fn of_search_node(config: Config, search: &Search, node: &SearchNode) -> Option<Part> {
    match node {
        SearchNode::Not(_) => None,
        SearchNode::All(nodes) => nodes.iter().map(|node| of_search_node(config, search, node)).reduce(both).flatten(),
        SearchNode::Any(nodes) => {
            nodes.iter().map(|node| of_search_node(config, search, node)).collect::<Option<_>>().map(Part::Any)
        }
        SearchNode::Leaf(number) => of_leaf(config, search, *number),
    }
}

/// What every text has that has a leaf of a search; `None` where that is nothing that an index knows.
pub fn of_leaf(config: Config, search: &Search, number: usize) -> Option<Part> {
    let leaf = search.leaves.get(number)?;
    let of = |lexeme: &str| of_run(config, lexeme).then(|| Part::Lexeme(lexeme.to_string(), leaf.field));
    match &leaf.what {
        What::Term(lexeme) => of(lexeme),
        What::Phrase(lexemes, _) => lexemes.iter().map(|(lexeme, _)| of(lexeme)).reduce(both).flatten(),
        What::Fuzzy(..) | What::Prefix(_) => None,
    }
}

/// Whether the index makes a lexeme of a run of letters and digits as it was made here.
fn of_run(config: Config, lexeme: &str) -> bool {
    let is_other = config.language() == Some(lance_tokenizer::Language::Russian) && lexeme.is_ascii();
    !is_other && lexeme.len() <= LONGEST_LEXEME
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::runs;
    use crate::to_query::to_tsquery;
    use crate::vector::TsVector;
    use crate::websearch::websearch;

    /// Whether an index that knows the runs of a text would offer it.
    fn offers(config: Config, text: &str, part: &Part) -> bool {
        match part {
            Part::Lexeme(lexeme, _) => {
                let algorithm = frostem::Stemmer::new(frostem::Algorithm::English);
                let lower = |run: &str| crate::config::lower_case(run);
                runs(text).any(|run| match config {
                    Config::Simple => lower(run) == *lexeme,
                    Config::Language(_) => algorithm.stem(&lower(run)) == *lexeme,
                })
            }
            Part::All(parts) => parts.iter().all(|part| offers(config, text, part)),
            Part::Any(parts) => parts.iter().any(|part| offers(config, text, part)),
        }
    }

    #[test]
    fn an_index_scores_terms_alone() {
        let of = |text: &str| {
            let search = Search::parse(text, &mut Config::ENGLISH.lexer(), &["t"]).expect("reads");
            terms(Config::ENGLISH, &search).map(|terms| (terms.lexemes.join(" "), terms.all))
        };
        assert_eq!(of("cats"), Some(("cat".to_string(), true)));
        assert_eq!(of("cats dogs"), Some(("cat dog".to_string(), false)));
        assert_eq!(of("cats AND dogs"), Some(("cat dog".to_string(), true)));
        // A phrase, a prefix, a word that must not be there, one that counts more, the same twice.
        for text in ["\"cats dogs\"", "cat*", "cats -dogs", "cats^2 dogs", "cats cat", "(cats dogs) AND cows"] {
            assert_eq!(of(text), None, "{text}");
        }
        // The stem of a stop word: "ours".
        assert_eq!(of("our cats").map(|(lexemes, _)| lexemes), Some("cat".to_string()));
        assert!(!Config::ENGLISH.lexer().is_of_no_stop_word("our"));
    }

    /// Words of every kind and class, one behind the other in every order, as texts and as queries.
    #[test]
    fn whatever_matches_is_offered() {
        let words = [
            "Universities",
            "univers",
            "generously",
            "abc123",
            "3.14",
            "-5",
            "foo-bars",
            "example.com/a/Running",
            "and/or",
            "user@Example.com",
            "U.S.A.",
            "v1.0",
            "don't",
            "\u{130}stanbul",
            "nai\u{308}ve",
            "naïve",
            "Straße",
            "ΣΊΣΥΦΟΣ",
            "книги",
            "日本語",
            "ひらがな",
            "हिन्दी",
            "ﬁne",
            "①x",
            "x²",
            "ǅ",
            "\u{1f44d}ok",
            "a\u{200d}b",
            "Ⅷ",
            "the",
            "K\u{212a}",
            "10km",
            "١٢٣",
        ];
        for config in [Config::ENGLISH, Config::Simple] {
            let mut lexer = config.lexer();
            for a in words {
                for b in words {
                    let text = format!("{a}, {b}; {a}-{b}/{b}");
                    let vector = TsVector::of_text(&mut lexer, &text).expect("short");
                    let search = Search::parse(&format!("\"{a}\" AND \"{b}\""), &mut lexer, &["t"]).expect("quoted");
                    let own = vector.lexemes().map(|(lexeme, _)| format!("'{}'", lexeme.replace('\'', "''")));
                    let own = TsQuery::parse(&own.collect::<Vec<_>>().join(" & ")).expect("lexemes");
                    let quoted = to_tsquery(
                        &mut lexer,
                        &format!("'{}' & '{b}'", a.replace('\'', "''")).replace("don't'", "don''t'"),
                    );
                    for query in [websearch(&mut lexer, &format!("{a} {b}")), own].into_iter().chain(quoted) {
                        if let (true, Some(part)) = (query.matches(&vector), of_tsquery(config, &query)) {
                            assert!(offers(config, &text, &part), "{config} {text}: {query} wants {part:?}");
                        }
                    }
                    let fields = [Some(crate::search::Words::of(&mut lexer, &text))];
                    if let (true, Some(part)) = (search.holds(&search.frequencies(&fields)), of_search(config, &search))
                    {
                        assert!(offers(config, &text, &part), "{config} {text}: {part:?}");
                    }
                }
            }
        }
    }
}
