//! Vectors from text without a model: hashed TF-IDF, then a seeded sparse random projection.
//!
//! Two texts come out near one another (by cosine distance, `<=>`) when they share words that few other texts have. The
//! method, in order:
//!
//! 1. *Terms.* A text is cut into lowercase words (URLs dropped, a plural's final `s` too), each of which is a term. A term is
//!    known by a 64-bit hash only (FNV-1a), so there is no vocabulary.
//! 2. *Weights.* A document is a list of fields, each with a weight: a name says more than a readme. A term's frequency is the
//!    sum of the weights of its occurrences, damped to `1 + ln(tf)` above one (`tf` itself below).
//! 3. *Inverse document frequency.* `ln((1 + n) / (1 + df)) + 1` over the documents of the data set, with `df` counted in
//!    2^18 buckets of the hash; a collision makes a term a little less rare than it is. A term that one document alone has
//!    likens it to no other and would be noise after the projection, so it is left out (unless there are no others).
//! 4. *Projection.* Every term has eight entries of `+-1/sqrt(8)`, one in each block of sixteen of the 128 dimensions; place
//!    and sign are bits of the term's hash mixed with a fixed seed. This is the sparse Johnson-Lindenstrauss transform of Kane
//!    and Nelson ("Sparser Johnson-Lindenstrauss Transforms", 2014, block construction): it keeps angles to within about
//!    `1/sqrt(128)`, so unrelated texts have a similarity of 0 +- 0.09.
//! 5. *Length.* The sum is scaled to length one.
//!
//! The result depends on the texts alone: the same documents give the same vectors on every machine.

use std::collections::{HashMap, HashSet};

/// The number of dimensions of every vector.
pub const DIMENSIONS: usize = 128;

const BLOCK: usize = 16;
const ENTRIES_PER_TERM: usize = DIMENSIONS / BLOCK;
const BUCKETS: usize = 1 << 18;
const SEED: u64 = 0x511b_57ea_0000_0001;

/// What a document says: its fields with their weights.
pub type Fields<'a> = [(f32, &'a str)];

/// A document's terms with their damped frequencies: all that is kept of its text.
pub struct Terms(Vec<(u64, f32)>);

impl Terms {
    /// The terms of a document.
    pub fn of(fields: &Fields<'_>) -> Self {
        let mut frequencies: HashMap<u64, f32> = HashMap::new();
        for (weight, text) in fields {
            each_term(text, |term| *frequencies.entry(term).or_default() += weight);
        }
        let mut terms: Vec<_> = frequencies.into_iter().map(|(term, frequency)| (term, damp(frequency))).collect();
        // A fixed order makes the sums, which are floating point, the same in every run.
        terms.sort_unstable_by_key(|(term, _)| *term);
        Terms(terms)
    }
}

/// The vectors of all documents of a data set, in their order.
pub fn embed(documents: &[Terms]) -> Vec<Vec<f32>> {
    let rarity = Rarity::of(documents);
    documents.iter().map(|terms| project(terms, &rarity)).collect()
}

/// In how many documents the terms of each bucket occur.
struct Rarity {
    documents: f32,
    frequencies: Vec<u32>,
}

impl Rarity {
    fn of(documents: &[Terms]) -> Self {
        let mut frequencies = vec![0; BUCKETS];
        let mut seen = HashSet::new();
        for terms in documents {
            seen.clear();
            seen.extend(terms.0.iter().map(|(term, _)| bucket(*term)));
            for bucket in &seen {
                frequencies[*bucket] += 1;
            }
        }
        Rarity { documents: documents.len() as f32, frequencies }
    }

    fn inverse_document_frequency(&self, term: u64) -> f32 {
        let frequency = self.frequencies[bucket(term)] as f32;
        ((1.0 + self.documents) / (1.0 + frequency)).ln() + 1.0
    }

    fn is_shared(&self, term: u64) -> bool {
        self.frequencies[bucket(term)] > 1
    }
}

fn bucket(term: u64) -> usize {
    (term % BUCKETS as u64) as usize
}

fn damp(frequency: f32) -> f32 {
    if frequency > 1.0 { 1.0 + frequency.ln() } else { frequency }
}

fn project(terms: &Terms, rarity: &Rarity) -> Vec<f32> {
    let any_shared = terms.0.iter().any(|(term, _)| rarity.is_shared(*term));
    let mut vector = vec![0.0_f32; DIMENSIONS];
    for (term, frequency) in &terms.0 {
        if rarity.is_shared(*term) || !any_shared {
            add_projection(&mut vector, *term, frequency * rarity.inverse_document_frequency(*term));
        }
    }
    normalise(&mut vector);
    vector
}

/// Adds the term's eight entries: four bits choose the place in a block, one the sign.
fn add_projection(vector: &mut [f32], term: u64, weight: f32) {
    let entry = weight / (ENTRIES_PER_TERM as f32).sqrt();
    let mut bits = mix(term ^ SEED);
    for block in vector.chunks_exact_mut(BLOCK) {
        let sign = if bits & 16 == 0 { 1.0 } else { -1.0 };
        block[(bits % BLOCK as u64) as usize] += sign * entry;
        bits >>= 5;
    }
}

/// Scales to length one. A text without any term has no direction; it gets the first axis, because a zero vector has no
/// cosine distance to anything.
fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|part| part * part).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|part| *part /= length);
    } else {
        vector[0] = 1.0;
    }
}

/// Calls `found` with each word of the text.
fn each_term(text: &str, found: impl FnMut(u64)) {
    text.split_whitespace()
        .filter_map(without_url)
        .flat_map(|token| token.split(|character: char| !character.is_alphanumeric()))
        .filter_map(hash_word)
        .for_each(found);
}

/// What stands before a URL in a token: markdown writes `[text](https://...)`.
fn without_url(token: &str) -> Option<&str> {
    match token.find("://") {
        Some(end) => token[..end].rsplit_once(['(', '<', '"']).map(|(before, _scheme)| before),
        None => Some(token),
    }
}

/// FNV-1a over the lowercase word without a plural's `s`; `None` for what is too short to mean anything.
fn hash_word(word: &str) -> Option<u64> {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    word.chars().nth(1)?;
    let lowercase = word.to_lowercase();
    let stem = match lowercase.strip_suffix('s') {
        Some(stem) if stem.len() > 3 && !stem.ends_with('s') => stem,
        _ => &lowercase,
    };
    Some(stem.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
}

/// The finaliser of SplitMix64: every bit of the result depends on every bit of the argument.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 5] = [
        "A columnar file format for analytics, with fast random access to nested columns",
        "Columnar file format for analytics: random access to columns, and nested data",
        "An asynchronous runtime: schedules tasks, timers and sockets over an event loop",
        "Parser combinators for the command line arguments of a program",
        "Elliptic curve signatures in constant time",
    ];

    fn vectors(texts: &[&str]) -> Vec<Vec<f32>> {
        embed(&texts.iter().map(|text| Terms::of(&[(1.0, *text)])).collect::<Vec<_>>())
    }

    fn similarity(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn the_same_text_has_the_same_vector() {
        assert_eq!(vectors(&TEXTS), vectors(&TEXTS));
        let twice = vectors(&[TEXTS[0], TEXTS[2], TEXTS[0]]);
        assert_eq!(twice[0], twice[2]);
    }

    #[test]
    fn near_duplicates_are_nearer_than_unrelated_texts() {
        let vectors = vectors(&TEXTS);
        let related = similarity(&vectors[0], &vectors[1]);
        assert!(related > 0.5, "{related}");
        for unrelated in &vectors[2..] {
            assert!(similarity(&vectors[0], unrelated) < related - 0.2);
        }
    }

    #[test]
    fn vectors_have_length_one() {
        for vector in vectors(&["", "x", TEXTS[3]]) {
            assert_eq!(vector.len(), DIMENSIONS);
            assert!((similarity(&vector, &vector) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_weightier_field_pulls_harder() {
        let of = |weight| {
            let documents = [
                Terms::of(&[(weight, "columnar"), (1.0, "socket timer")]),
                Terms::of(&[(1.0, "columnar")]),
                Terms::of(&[(1.0, "socket timer")]),
            ];
            let vectors = embed(&documents);
            similarity(&vectors[0], &vectors[1])
        };
        assert!(of(6.0) > of(1.0));
    }

    #[test]
    fn case_plural_and_urls_make_no_difference() {
        let vectors = vectors(&["Lance tables", "lance table", "[lance](https://example.org/some/where) table"]);
        assert_eq!(vectors[0], vectors[1]);
        assert_eq!(vectors[0], vectors[2]);
    }
}
