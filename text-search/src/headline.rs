//! `ts_headline`: the part of a text that answers a query, with its words marked.
//!
//! The options are Postgres's. Which part is shown follows Postgres's idea, the shortest stretch that satisfies the query,
//! widened to a number of words; it need not be the same stretch where several are equally good.

use crate::config::Lexer;
use crate::error::{Error, ErrorKind, Result};
use crate::query::TsQuery;
use crate::search::{Search, lexeme};
use crate::token::tokens;
use crate::vector::TsVector;

/// How a headline looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// In front of a word of the query.
    pub start: String,
    /// Behind it.
    pub stop: String,
    /// Most words of a headline, or of a fragment.
    pub most_words: usize,
    /// Least words of a headline.
    pub least_words: usize,
    /// Words this short do not stand at the end.
    pub short_word: usize,
    /// The whole text.
    pub everything: bool,
    /// With more than 0, that many fragments.
    pub fragments: usize,
    /// Between fragments.
    pub delimiter: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            start: "<b>".into(),
            stop: "</b>".into(),
            most_words: 35,
            least_words: 15,
            short_word: 3,
            everything: false,
            fragments: 0,
            delimiter: " ... ".into(),
        }
    }
}

impl Options {
    /// Reads `StartSel=<em>, StopSel="</em>", MaxWords=10`.
    pub fn parse(text: &str) -> Result<Options> {
        let mut options = Options::default();
        for (name, value) in settings(text)? {
            let number = || {
                value.parse::<i64>().map_err(|_| {
                    let message = format!("invalid input syntax for type integer: \"{value}\"");
                    Error::new(ErrorKind::Syntax, message)
                })
            };
            let count = || number().map(|number| usize::try_from(number).unwrap_or(0));
            match name.to_ascii_lowercase().as_str() {
                "startsel" => options.start = value,
                "stopsel" => options.stop = value,
                "fragmentdelimiter" => options.delimiter = value,
                "maxwords" => options.most_words = count()?,
                "minwords" => options.least_words = count()?,
                "shortword" => options.short_word = count()?,
                "maxfragments" => options.fragments = count()?,
                "highlightall" => {
                    let value = value.to_ascii_lowercase();
                    options.everything = ["1", "on", "true", "t", "y", "yes"].contains(&value.as_str());
                }
                _ => {
                    let message = format!("unrecognized headline parameter: \"{name}\"");
                    return Err(Error::new(ErrorKind::InvalidParameter, message));
                }
            }
        }
        options.checked()
    }

    fn checked(self) -> Result<Options> {
        let problem = match () {
            () if self.everything => return Ok(self),
            () if self.least_words >= self.most_words => "MinWords should be less than MaxWords",
            () if self.least_words == 0 => "MinWords should be positive",
            () => return Ok(self),
        };
        Err(Error::new(ErrorKind::InvalidParameter, problem))
    }
}

/// The settings of a text, `name=value` with commas between them.
fn settings(text: &str) -> Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let wrong = || Error::new(ErrorKind::Syntax, format!("invalid parameter list format: \"{text}\""));
        let (name, after) = rest.split_once('=').ok_or_else(wrong)?;
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(wrong)?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        settings.push((name.trim().to_string(), value.to_string()));
        rest = after.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').ok_or_else(wrong)?.trim_start();
        }
    }
    Ok(settings)
}

/// A word of the text.
struct Word {
    start: usize,
    end: usize,
    lexemes: Vec<String>,
    wanted: bool,
}

/// The headline of a text for a query.
pub fn headline(lexer: &mut Lexer, text: &str, query: &TsQuery, options: &Options) -> String {
    let words = words(lexer, text, query);
    let shown = match () {
        () if options.everything || words.is_empty() => vec![(0, words.len())],
        () if options.fragments > 0 => fragments(&words, query, options),
        () => vec![stretch(&words, query, options)],
    };
    let mut out = String::with_capacity(text.len());
    for (at, (first, end)) in shown.iter().enumerate() {
        if at > 0 {
            out.push_str(&options.delimiter);
        }
        let whole = options.everything || words.is_empty();
        write(&mut out, text, &words[*first..*end], whole, options);
    }
    out
}

/// The words of a text because of which a search finds it, marked. With `HighlightAll` the whole text is shown, else the
/// stretch with the most of them.
pub fn highlight(lexer: &mut Lexer, text: &str, search: &Search, options: &Options) -> String {
    let words: Vec<Word> = run_ranges(text)
        .map(|(start, end)| {
            let lexeme = lexeme(lexer, &text[start..end]);
            let wanted = lexeme.as_ref().is_some_and(|lexeme| search.wants(lexeme));
            Word { start, end, lexemes: lexeme.into_iter().collect(), wanted }
        })
        .collect();
    let mut out = String::with_capacity(text.len());
    if options.everything || words.is_empty() {
        write(&mut out, text, &words, true, options);
        return out;
    }
    let hits: Vec<(usize, usize)> =
        words.iter().enumerate().filter(|(_, word)| word.wanted).map(|(at, _)| (at, at + 1)).collect();
    let count = |(first, end): &(usize, usize)| words[*first..*end].iter().filter(|word| word.wanted).count();
    let widened = hits.into_iter().map(|hit| widen(&words, hit, options));
    let best = widened.reduce(|best, other| if count(&other) > count(&best) { other } else { best });
    let (first, end) = best.unwrap_or((0, options.least_words.min(words.len())));
    write(&mut out, text, &words[first..end], false, options);
    out
}

/// Where the runs of letters and digits of a text lie.
fn run_ranges(text: &str) -> impl Iterator<Item = (usize, usize)> {
    crate::search::runs(text).map(move |run| {
        let start = run.as_ptr() as usize - text.as_ptr() as usize;
        (start, start + run.len())
    })
}

fn write(out: &mut String, text: &str, words: &[Word], whole: bool, options: &Options) {
    let mut at = match words.first() {
        Some(first) if !whole => first.start,
        _ => 0,
    };
    let end = match words.last() {
        Some(last) if !whole => last.end,
        _ => text.len(),
    };
    for word in words.iter().filter(|word| word.wanted) {
        out.push_str(&text[at..word.start]);
        out.push_str(&options.start);
        out.push_str(&text[word.start..word.end]);
        out.push_str(&options.stop);
        at = word.end;
    }
    out.push_str(&text[at..end]);
}

fn words(lexer: &mut Lexer, text: &str, query: &TsQuery) -> Vec<Word> {
    let wanted = query.wanted();
    let is_wanted = |lexeme: &str| {
        wanted.iter().any(|operand| match operand.prefix {
            true => lexeme.starts_with(operand.lexeme.as_str()),
            false => lexeme == operand.lexeme,
        })
    };
    let mut words: Vec<Word> = Vec::new();
    for token in tokens(text) {
        let lexeme = lexer.lexeme(token.kind, &text[token.range.clone()]);
        match words.last_mut().filter(|_| token.is_part) {
            Some(whole) => whole.lexemes.extend(lexeme),
            None => {
                let lexemes = lexeme.into_iter().collect();
                words.push(Word { start: token.range.start, end: token.range.end, lexemes, wanted: false });
            }
        }
    }
    for word in &mut words {
        word.wanted = word.lexemes.iter().any(|lexeme| is_wanted(lexeme));
    }
    words
}

/// The shortest stretches from each wanted word on that satisfy the query.
fn covers(words: &[Word], query: &TsQuery, most_words: usize) -> Vec<(usize, usize)> {
    let places: Vec<usize> = words.iter().enumerate().filter(|(_, word)| word.wanted).map(|(at, _)| at).collect();
    let mut covers: Vec<(usize, usize)> = Vec::new();
    for (from, first) in places.iter().enumerate() {
        // Words farther away than a headline is long cannot be shown together.
        let reach = places[from..].iter().take_while(|last| **last < first + most_words.max(1));
        let cover = reach.copied().find(|last| query.matches(&vector(&words[*first..=*last])));
        if let Some(last) = cover {
            // One that ends where the one before ends is the shorter of the two.
            if covers.last().is_some_and(|before| before.1 == last + 1) {
                covers.pop();
            }
            covers.push((*first, last + 1));
        }
    }
    covers
}

/// The lexemes of some words with their places.
fn vector(words: &[Word]) -> TsVector {
    let mut text = String::new();
    let mut place = 0;
    for word in words {
        if word.lexemes.is_empty() {
            place += 1;
        }
        for lexeme in &word.lexemes {
            place += 1;
            let _ = crate::vector::write_quoted(&mut text, lexeme);
            text.push_str(&format!(":{place} "));
        }
    }
    TsVector::parse(&text).unwrap_or_default()
}

/// A headline in one piece.
fn stretch(words: &[Word], query: &TsQuery, options: &Options) -> (usize, usize) {
    let covers = covers(words, query, options.most_words);
    let hits = |(first, end): &(usize, usize)| words[*first..*end].iter().filter(|word| word.wanted).count();
    let widened = covers.iter().map(|cover| widen(words, *cover, options));
    // The first of those with the most hits.
    let best = widened.reduce(|best, other| if hits(&other) > hits(&best) { other } else { best });
    best.unwrap_or((0, options.least_words.min(words.len())))
}

/// Makes a cover as long as a headline should be: to the right first, and to the left where the text ends.
fn widen(words: &[Word], (first, end): (usize, usize), options: &Options) -> (usize, usize) {
    let (mut first, mut end) = (first, end);
    let is_good_end = |word: &Word| word.wanted || word.end - word.start > options.short_word;
    let long_enough = |first: usize, end: usize| end - first >= options.least_words;
    while end < words.len() && end - first < options.most_words {
        if long_enough(first, end) && is_good_end(&words[end - 1]) {
            break;
        }
        end += 1;
    }
    while first > 0 && end - first < options.most_words {
        if long_enough(first, end) && is_good_end(&words[first]) {
            break;
        }
        first -= 1;
    }
    (first, end)
}

/// A headline of several pieces, in the order of the text.
fn fragments(words: &[Word], query: &TsQuery, options: &Options) -> Vec<(usize, usize)> {
    let mut fragments: Vec<(usize, usize)> = Vec::new();
    for (first, end) in covers(words, query, options.most_words) {
        if fragments.len() == options.fragments {
            break;
        }
        let before = fragments.last().map_or(0, |before| before.1);
        if first < before {
            continue;
        }
        let spare = options.most_words.saturating_sub(end - first);
        let first = first.saturating_sub(spare / 2).max(before);
        let end = (end + spare.div_ceil(2)).min(words.len());
        fragments.push((first, end));
    }
    if fragments.is_empty() {
        fragments.push((0, options.least_words.min(words.len())));
    }
    fragments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::to_query::to_tsquery;

    fn shown(text: &str, query: &str, options: &str) -> String {
        let mut english = Config::ENGLISH.lexer();
        let query = to_tsquery(&mut english, query).expect(query);
        headline(&mut english, text, &query, &Options::parse(options).expect(options))
    }

    #[test]
    fn words_of_the_query_are_marked() {
        assert_eq!(shown("The fat cats sat.", "cat", ""), "The fat <b>cats</b> sat");
        assert_eq!(
            shown("The fat cats sat.", "cat", "HighlightAll=true, StartSel=[, StopSel=]"),
            "The fat [cats] sat."
        );
        assert_eq!(shown("", "cat", ""), "");
        assert_eq!(shown("no such thing", "cat & dog", "MinWords=1,MaxWords=2"), "no");
        let text = format!("{}the dog and the cat {}", "word ".repeat(50), "more ".repeat(50));
        let short = shown(&text, "cat & dog", "MaxWords=8, MinWords=6, ShortWord=0");
        assert_eq!(short, "<b>dog</b> and the <b>cat</b> more more");
        let many = shown(&text, "cat | dog", "MaxFragments=2, MaxWords=4, MinWords=1, FragmentDelimiter=\" | \"");
        assert_eq!(many.matches("<b>").count(), 2, "{many}");
    }

    #[test]
    fn words_of_a_search_are_marked() {
        let mut english = Config::ENGLISH.lexer();
        let search = Search::parse("cats -dog \"quick fox\"~3", &mut english, &["body"]).expect("reads");
        let text = "A cat, a dog; the quick brown fox.";
        let shown = |options: &str| {
            let options = Options::parse(options).expect(options);
            highlight(&mut Config::ENGLISH.lexer(), text, &search, &options)
        };
        assert_eq!(shown("HighlightAll=true"), "A <b>cat</b>, a dog; the <b>quick</b> brown <b>fox</b>.");
        assert_eq!(shown("MinWords=3, MaxWords=4"), "<b>quick</b> brown <b>fox</b>");
    }

    #[test]
    fn options_are_checked() {
        for options in ["MaxWords", "MaxWords=x", "Colour=red", "MinWords=9,MaxWords=9", "MinWords=0", "StartSel=\"x"] {
            assert!(Options::parse(options).is_err(), "{options}");
        }
    }
}
