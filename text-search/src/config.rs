//! Text search configurations: from tokens to lexemes.

use std::fmt;
use std::str::FromStr;

use frostem::{Algorithm, Stemmer};
use lance_tokenizer::Language;

use crate::error::{Error, ErrorKind};
use crate::stop_words::StopWords;
use crate::token::{Kind, tokens};

/// The longest lexeme, in bytes.
pub const LONGEST_LEXEME: usize = 2046;

/// What makes lexemes of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Config {
    /// Lower case, nothing else.
    Simple,
    /// A language's stop words and stems.
    Language(Language),
}

/// The configurations that there are, by their names.
const NAMES: [(&str, Config); 19] = [
    ("simple", Config::Simple),
    ("arabic", Config::Language(Language::Arabic)),
    ("danish", Config::Language(Language::Danish)),
    ("dutch", Config::Language(Language::Dutch)),
    ("english", Config::Language(Language::English)),
    ("finnish", Config::Language(Language::Finnish)),
    ("french", Config::Language(Language::French)),
    ("german", Config::Language(Language::German)),
    ("greek", Config::Language(Language::Greek)),
    ("hungarian", Config::Language(Language::Hungarian)),
    ("italian", Config::Language(Language::Italian)),
    ("norwegian", Config::Language(Language::Norwegian)),
    ("portuguese", Config::Language(Language::Portuguese)),
    ("romanian", Config::Language(Language::Romanian)),
    ("russian", Config::Language(Language::Russian)),
    ("spanish", Config::Language(Language::Spanish)),
    ("swedish", Config::Language(Language::Swedish)),
    ("tamil", Config::Language(Language::Tamil)),
    ("turkish", Config::Language(Language::Turkish)),
];

impl Config {
    /// English, which is the default.
    pub const ENGLISH: Config = Config::Language(Language::English);

    /// Every configuration.
    pub fn all() -> impl Iterator<Item = Config> {
        NAMES.into_iter().map(|(_, config)| config)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.into_iter().find(|(_, config)| *config == self).map_or("simple", |(name, _)| name)
    }

    /// The language, if it has one.
    pub fn language(self) -> Option<Language> {
        match self {
            Config::Simple => None,
            Config::Language(language) => Some(language),
        }
    }

    /// What makes the lexemes of several texts.
    pub fn lexer(self) -> Lexer {
        let language = self.language();
        Lexer {
            stemmer: language.map(|language| Stemmer::new(algorithm(language))),
            // Words in Latin letters among Russian ones are English.
            ascii: (language == Some(Language::Russian)).then(|| Stemmer::new(Algorithm::English)),
            stop_words: StopWords::of(language),
            ascii_stop_words: StopWords::of((language == Some(Language::Russian)).then_some(Language::English)),
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Config {
    type Err = Error;

    /// The configuration of a name, which may be qualified with `pg_catalog`.
    fn from_str(name: &str) -> Result<Config, Error> {
        let plain = name.trim().to_ascii_lowercase();
        let plain = plain.strip_prefix("pg_catalog.").unwrap_or(&plain);
        NAMES.into_iter().find(|(known, _)| *known == plain).map(|(_, config)| config).ok_or_else(|| {
            let message = format!("text search configuration \"{name}\" does not exist");
            Error::new(ErrorKind::UndefinedConfig, message)
        })
    }
}

fn algorithm(language: Language) -> Algorithm {
    match language {
        Language::Arabic => Algorithm::Arabic,
        Language::Danish => Algorithm::Danish,
        Language::Dutch => Algorithm::Dutch,
        Language::English => Algorithm::English,
        Language::Finnish => Algorithm::Finnish,
        Language::French => Algorithm::French,
        Language::German => Algorithm::German,
        Language::Greek => Algorithm::Greek,
        Language::Hungarian => Algorithm::Hungarian,
        Language::Italian => Algorithm::Italian,
        Language::Norwegian => Algorithm::Norwegian,
        Language::Portuguese => Algorithm::Portuguese,
        Language::Romanian => Algorithm::Romanian,
        Language::Russian => Algorithm::Russian,
        Language::Spanish => Algorithm::Spanish,
        Language::Swedish => Algorithm::Swedish,
        Language::Tamil => Algorithm::Tamil,
        Language::Turkish => Algorithm::Turkish,
    }
}

/// A lexeme of a text, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lexeme {
    /// The word, as it is compared.
    pub text: String,
    /// Its place among the words of the text, from 1; stop words count.
    pub position: usize,
}

/// Makes lexemes of texts.
pub struct Lexer {
    stemmer: Option<Stemmer>,
    ascii: Option<Stemmer>,
    stop_words: StopWords,
    ascii_stop_words: StopWords,
}

impl Lexer {
    /// The lexemes of a text, in its order.
    pub fn lexemes(&mut self, text: &str) -> Vec<Lexeme> {
        let mut position = 0;
        let mut lexemes = Vec::new();
        for token in tokens(text) {
            let word = &text[token.range];
            if word.len() > LONGEST_LEXEME {
                continue;
            }
            position += 1;
            if let Some(text) = self.lexeme(token.kind, word) {
                lexemes.push(Lexeme { text, position });
            }
        }
        lexemes
    }

    /// Whether only words that are no stop words become this lexeme. An index that keeps stop words, stemmed, then has it for
    /// exactly the texts that have it.
    pub(crate) fn is_of_no_stop_word(&self, lexeme: &str) -> bool {
        let stems_to = |stop_word: &&str| match &self.stemmer {
            Some(stemmer) => stemmer.stem(stop_word) == lexeme,
            None => **stop_word == *lexeme,
        };
        self.ascii.is_none() && self.stop_words.all().is_some_and(|words| !words.iter().any(stems_to))
    }

    /// The lexeme of a token; `None` for a stop word.
    pub fn lexeme(&mut self, kind: Kind, word: &str) -> Option<String> {
        let lower = lower_case(word);
        if !kind.is_word() {
            return Some(lower);
        }
        let (stemmer, stop_words) = match (&self.ascii, lower.is_ascii()) {
            (Some(ascii), true) => (Some(ascii), &mut self.ascii_stop_words),
            _ => (self.stemmer.as_ref(), &mut self.stop_words),
        };
        if stop_words.contains(&lower) {
            return None;
        }
        Some(stemmer.map_or(lower.clone(), |stemmer| stemmer.stem(&lower).into_owned()))
    }
}

/// A text in lower case, letter by letter, as Lance does it.
pub(crate) fn lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexemes(config: Config, text: &str) -> String {
        let lexemes = config.lexer().lexemes(text);
        lexemes.iter().map(|lexeme| format!("{}:{}", lexeme.text, lexeme.position)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_become_lexemes() {
        assert_eq!(lexemes(Config::ENGLISH, "The Fat Rats ate 12 CATS-and-dogs"), {
            "fat:2 rat:3 ate:4 12:5 cats-and-dog:6 cat:7 dog:9"
        });
        assert_eq!(lexemes(Config::Simple, "The Rats"), "the:1 rats:2");
        let german = "german".parse::<Config>().expect("known");
        assert_eq!(lexemes(german, "Die Häuser und Katzen"), "haus:2 katz:4");
        let russian = "pg_catalog.russian".parse::<Config>().expect("known");
        assert_eq!(lexemes(russian, "и книги the books"), "книг:2 book:4");
    }

    #[test]
    fn every_configuration_has_a_name() {
        for config in Config::all() {
            assert_eq!(config.name().parse::<Config>().as_ref(), Ok(&config));
        }
        assert_eq!("klingon".parse::<Config>().expect_err("unknown").kind, ErrorKind::UndefinedConfig);
    }
}
