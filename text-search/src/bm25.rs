//! BM25: what a match is worth, by how often a text has what is looked for, how long the text is, and how rare it is in all
//! texts.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::search::{Search, Words};

/// How soon more of the same adds no more.
const SATURATION: f64 = 1.2;
/// How much the length of a text matters.
const LENGTH: f64 = 0.75;

/// What is known of all texts together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Corpus {
    /// For each field, how many texts have words in it, and how many words those are in all.
    fields: Vec<(u64, u64)>,
    /// For each leaf of a search and each field, how many texts have it there.
    texts: Vec<Vec<u64>>,
}

impl Corpus {
    /// What is known from elsewhere: for each field, how many texts have words and how many words those are; for each leaf of a
    /// search and each field, how many texts have it there.
    pub fn of(fields: Vec<(u64, u64)>, texts: Vec<Vec<u64>>) -> Corpus {
        Corpus { fields, texts }
    }

    /// For each field, how many texts have words in it, and how many words those are in all.
    pub fn fields(&self) -> &[(u64, u64)] {
        &self.fields
    }

    /// How many texts have a leaf of a search in a field.
    pub fn having(&self, leaf: usize, field: usize) -> u64 {
        self.texts.get(leaf).and_then(|texts| texts.get(field)).copied().unwrap_or_default()
    }

    /// Adds a text.
    pub fn add(&mut self, search: &Search, fields: &[Option<Words>]) {
        self.fields.resize(fields.len(), (0, 0));
        self.texts.resize(search.leaves().len(), vec![0; fields.len()]);
        for (sums, words) in self.fields.iter_mut().zip(fields) {
            // An index knows nothing of texts without words.
            if let Some(words) = words.as_ref().filter(|words| words.length > 0) {
                *sums = (sums.0 + 1, sums.1 + words.length as u64);
            }
        }
        for (texts, frequencies) in self.texts.iter_mut().zip(search.frequencies(fields)) {
            for (count, frequency) in texts.iter_mut().zip(frequencies) {
                *count += u64::from(frequency > 0);
            }
        }
    }

    /// The same of some leaves alone, and of no lengths.
    #[must_use]
    pub fn only_leaves(mut self, leaves: &[usize]) -> Corpus {
        self.fields.fill((0, 0));
        let others = self.texts.iter_mut().enumerate().filter(|(leaf, _)| !leaves.contains(leaf));
        others.for_each(|(_, texts)| texts.fill(0));
        self
    }

    /// Adds what is known of other texts.
    pub fn merge(&mut self, other: &Corpus) {
        self.fields.resize(self.fields.len().max(other.fields.len()), (0, 0));
        for (sums, others) in self.fields.iter_mut().zip(&other.fields) {
            *sums = (sums.0 + others.0, sums.1 + others.1);
        }
        self.texts.resize(self.texts.len().max(other.texts.len()), Vec::new());
        for (texts, others) in self.texts.iter_mut().zip(&other.texts) {
            texts.resize(texts.len().max(others.len()), 0);
            texts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
    }

    /// The score of a text; 0 for one that has nothing of what is looked for.
    pub fn score(&self, search: &Search, fields: &[Option<Words>]) -> f32 {
        let mut score = 0.0;
        for (number, (leaf, frequencies)) in search.leaves().iter().zip(search.frequencies(fields)).enumerate() {
            for (at, (words, frequency)) in fields.iter().zip(frequencies).enumerate() {
                if let (true, Some(words), true) = (leaf.scores, words, frequency > 0) {
                    score += f64::from(leaf.boost) * self.worth(number, at, words.length, frequency);
                }
            }
        }
        score as f32
    }

    fn worth(&self, leaf: usize, field: usize, length: usize, frequency: usize) -> f64 {
        let (texts, words) = self.fields.get(field).copied().unwrap_or_default();
        let (texts, having) = (texts.max(1) as f64, self.having(leaf, field) as f64);
        let rarity = (1.0 + (texts - having + 0.5).max(0.0) / (having + 0.5)).ln();
        let average = (words as f64 / texts).max(f64::MIN_POSITIVE);
        let frequency = frequency as f64;
        let length = SATURATION * (1.0 - LENGTH + LENGTH * length as f64 / average);
        rarity * frequency * (SATURATION + 1.0) / (frequency + length)
    }
}

/// The text form, which travels between the operators of a plan.
impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fields.len())?;
        self.fields.iter().try_for_each(|(texts, words)| write!(f, " {texts} {words}"))?;
        self.texts.iter().flatten().try_for_each(|count| write!(f, " {count}"))
    }
}

impl FromStr for Corpus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Corpus, Error> {
        let wrong = || Error::new(ErrorKind::Syntax, "invalid statistics of a search");
        let numbers = text.split_ascii_whitespace().map(str::parse::<u64>).collect::<Result<Vec<_>, _>>();
        let numbers = numbers.map_err(|_| wrong())?;
        let (count, rest) = numbers.split_first().ok_or_else(wrong)?;
        let count = usize::try_from(*count).map_err(|_| wrong())?;
        let (fields, texts) = rest.split_at_checked(count.saturating_mul(2)).ok_or_else(wrong)?;
        let fields = fields.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        let texts = if count == 0 { Vec::new() } else { texts.chunks(count).map(<[u64]>::to_vec).collect() };
        Ok(Corpus { fields, texts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn rare_words_and_short_texts_are_worth_more() {
        let mut english = Config::ENGLISH.lexer();
        let search = Search::parse("cat dog -cow", &mut english, &["body"]).expect("reads");
        let texts = ["cat", "dog", "dog and a long story about it", "a dog, a cat", "none of them", "cow"];
        let texts = texts.map(|text| [Some(Words::of(&mut english, text))]);
        let (mut corpus, mut other) = (Corpus::default(), Corpus::default());
        texts[..3].iter().for_each(|text| corpus.add(&search, text));
        texts[3..].iter().for_each(|text| other.add(&search, text));
        corpus.merge(&other);
        assert_eq!(corpus.to_string(), "1 6 17 2 3 1");
        assert_eq!(corpus.to_string().parse().as_ref(), Ok(&corpus));
        let scores = texts.map(|text| corpus.score(&search, &text));
        assert!(scores[0] > scores[1], "a rarer word");
        assert!(scores[1] > scores[2], "a shorter text");
        assert_eq!((scores[4], scores[5]), (0.0, 0.0));
        // ln(1 + (6 - 2 + 0.5) / (2 + 0.5)) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / (17 / 6)))
        assert!((scores[0] - 1.400_3).abs() < 1e-3, "{}", scores[0]);
    }
}
