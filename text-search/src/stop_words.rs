//! Stop words.
//!
//! English has the words that Postgres leaves out. For the other languages they are those of Lance's tokenizer, Snowball's own as
//! Postgres's are; a language for which Postgres has none has none here either.

use lance_tokenizer::{Language, RawTokenizer, StopWordFilter, TextAnalyzer};

/// Sorted.
static ENGLISH: [&str; 127] = [
    "a",
    "about",
    "above",
    "after",
    "again",
    "against",
    "all",
    "am",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "because",
    "been",
    "before",
    "being",
    "below",
    "between",
    "both",
    "but",
    "by",
    "can",
    "did",
    "do",
    "does",
    "doing",
    "don",
    "down",
    "during",
    "each",
    "few",
    "for",
    "from",
    "further",
    "had",
    "has",
    "have",
    "having",
    "he",
    "her",
    "here",
    "hers",
    "herself",
    "him",
    "himself",
    "his",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "itself",
    "just",
    "me",
    "more",
    "most",
    "my",
    "myself",
    "no",
    "nor",
    "not",
    "now",
    "of",
    "off",
    "on",
    "once",
    "only",
    "or",
    "other",
    "our",
    "ours",
    "ourselves",
    "out",
    "over",
    "own",
    "s",
    "same",
    "she",
    "should",
    "so",
    "some",
    "such",
    "t",
    "than",
    "that",
    "the",
    "their",
    "theirs",
    "them",
    "themselves",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "through",
    "to",
    "too",
    "under",
    "until",
    "up",
    "very",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "who",
    "whom",
    "why",
    "will",
    "with",
    "you",
    "your",
    "yours",
    "yourself",
    "yourselves",
];

/// The stop words of a language.
pub(crate) enum StopWords {
    /// None.
    None,
    /// English ones.
    English,
    /// Those of another language: a filter that lets through what is none.
    Other(Box<TextAnalyzer>),
}

impl StopWords {
    /// The stop words of a language.
    pub(crate) fn of(language: Option<Language>) -> StopWords {
        use Language::{Arabic, English, Greek, Romanian, Tamil};
        match language {
            None | Some(Arabic | Greek | Romanian | Tamil) => StopWords::None,
            Some(English) => StopWords::English,
            Some(language) => match StopWordFilter::new(language) {
                Some(filter) => {
                    let analyzer = TextAnalyzer::builder(RawTokenizer::default()).filter(filter).build();
                    StopWords::Other(Box::new(analyzer))
                }
                None => StopWords::None,
            },
        }
    }

    /// All of them; `None` where they can only be asked for one by one.
    pub(crate) fn all(&self) -> Option<&'static [&'static str]> {
        match self {
            StopWords::None => Some(&[]),
            StopWords::English => Some(&ENGLISH),
            StopWords::Other(_) => None,
        }
    }

    /// Whether a word, in lower case, is one of them.
    pub(crate) fn contains(&mut self, word: &str) -> bool {
        match self {
            StopWords::None => false,
            StopWords::English => ENGLISH.binary_search(&word).is_ok(),
            StopWords::Other(filter) => !filter.token_stream(word).advance(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_are_found() {
        assert!(ENGLISH.is_sorted());
        let mut english = StopWords::of(Some(Language::English));
        assert!(english.contains("the") && english.contains("yourselves") && !english.contains("cat"));
        let mut german = StopWords::of(Some(Language::German));
        assert!(german.contains("und") && !german.contains("katze"));
        assert!(!StopWords::of(None).contains("the"));
    }
}
