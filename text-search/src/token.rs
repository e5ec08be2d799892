//! A text taken apart into tokens: words, numbers, hosts, paths.
//!
//! A token never begins or ends inside a run of letters and digits. So whatever an index that only knows such runs finds,
//! it finds every token's runs.

mod address;
mod markup;
mod number;

use std::ops::Range;

/// What a token is, as far as dictionaries care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Letters only.
    Word,
    /// Letters and digits.
    NumWord,
    /// Words joined by hyphens, as a whole; its parts follow as tokens of their own.
    Compound,
    /// The same, with digits in a part.
    NumCompound,
    /// A number: `42`, `-5`, `3.14`, `1e-5`, a version as `1.2.3`.
    Number,
    /// `user@example.com`
    Email,
    /// `example.com/path`, as a whole; host and path follow.
    Url,
    /// `example.com`
    Host,
    /// The path of a URL.
    UrlPath,
    /// `/etc/passwd`, `and/or`, `v1.0`
    File,
}

impl Kind {
    /// Whether a stemmer has a say; everything else is kept as it is, in lower case.
    pub fn is_word(self) -> bool {
        matches!(self, Kind::Word | Kind::Compound)
    }
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// Whether it repeats a part of the token before it that is a whole.
    pub is_part: bool,
}

/// The tokens of a text in its order; what lies between them means nothing.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { text, at: 0, after_compound: false, tokens: Vec::new() };
    while scanner.at < text.len() {
        scanner.step();
    }
    scanner.tokens
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The token before was a compound: a hyphen and a number behind it are no negative number.
    after_compound: bool,
    tokens: Vec<Token>,
}

impl<'a> Scanner<'a> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return };
        let taken = match first {
            '<' => markup::tag(rest),
            '&' => markup::entity(rest),
            '+' | '-' => self.signed(rest),
            '/' | '.' | '~' => self.path(rest),
            first if first.is_alphanumeric() => Some(self.word_or_more(rest)),
            _ => None,
        };
        self.at += taken.unwrap_or_else(|| first.len_utf8());
    }

    fn push(&mut self, kind: Kind, from: usize, length: usize, is_part: bool) {
        let start = self.at + from;
        self.tokens.push(Token { kind, range: start..start + length, is_part });
        self.after_compound = kind == Kind::Compound || kind == Kind::NumCompound || (is_part && self.after_compound);
    }

    fn signed(&mut self, rest: &str) -> Option<usize> {
        if self.after_compound {
            self.after_compound = false;
            return None;
        }
        let length = number::number(&rest[1..])? + 1;
        self.push(Kind::Number, 0, length, false);
        Some(length)
    }

    /// Paths that begin with a slash anywhere; with a dot or a tilde only at the beginning, as in Postgres.
    fn path(&mut self, rest: &str) -> Option<usize> {
        if !rest.starts_with('/') && self.at > 0 {
            return None;
        }
        let length = address::path(rest)?;
        self.push(Kind::File, 0, length, false);
        Some(length)
    }

    /// What begins with a letter or a digit; gives the bytes taken.
    fn word_or_more(&mut self, rest: &'a str) -> usize {
        if let Some(length) = address::protocol(rest) {
            return length;
        }
        if let Some(length) = address::email(rest) {
            self.push(Kind::Email, 0, length, false);
            return length;
        }
        if let Some(host) = address::host(rest) {
            return self.host_or_url(rest, host);
        }
        if let Some(length) = number::version(rest).or_else(|| number::number(rest)) {
            // `1/2` is a path.
            if let Some(path) = address::file(rest).filter(|_| rest[length..].starts_with('/')) {
                self.push(Kind::File, 0, path, false);
                return path;
            }
            self.push(Kind::Number, 0, length, false);
            return length;
        }
        if let Some(length) = address::file(rest) {
            self.push(Kind::File, 0, length, false);
            return length;
        }
        self.words(rest)
    }

    fn host_or_url(&mut self, rest: &str, host: usize) -> usize {
        let path = address::url_path(&rest[host..]);
        if path > 0 {
            self.push(Kind::Url, 0, host + path, false);
            self.push(Kind::Host, 0, host, true);
            self.push(Kind::UrlPath, host, path, true);
        } else {
            self.push(Kind::Host, 0, host, false);
        }
        host + path
    }

    /// A word, or several joined by hyphens.
    fn words(&mut self, rest: &str) -> usize {
        let first = run(rest);
        let mut parts: Vec<Range<usize>> = std::iter::once(0..first).collect();
        let mut end = first;
        if !is_digits(&rest[..first]) {
            while rest[end..].starts_with('-') {
                let length = run(&rest[end + 1..]);
                let part = end + 1..end + 1 + length;
                if length == 0 || is_digits(&rest[part.clone()]) {
                    break;
                }
                end = part.end;
                parts.push(part);
            }
        }
        let has_digits = |text: &str| text.chars().any(char::is_numeric);
        let kind = |text: &str| if has_digits(text) { Kind::NumWord } else { Kind::Word };
        if parts.len() == 1 {
            self.push(kind(&rest[..first]), 0, first, false);
            return first;
        }
        let whole = if has_digits(&rest[..end]) { Kind::NumCompound } else { Kind::Compound };
        self.push(whole, 0, end, false);
        for part in parts {
            self.push(kind(&rest[part.clone()]), part.start, part.len(), true);
        }
        end
    }
}

/// The length of the letters and digits at the beginning.
fn run(text: &str) -> usize {
    text.find(|character: char| !character.is_alphanumeric()).unwrap_or(text.len())
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether no run of letters and digits goes on behind a token of this length.
fn ends_at(text: &str, length: usize) -> bool {
    !text[length..].chars().next().is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| &text[token.range]).collect()
    }

    /// What PostgreSQL 15 says.
    #[test]
    fn tokens_are_those_of_postgres() {
        for (text, expected) in [
            ("The quick, brown fox", "The quick brown fox"),
            ("foo-bar", "foo-bar foo bar"),
            ("foo-2x-bar", "foo-2x-bar foo 2x bar"),
            ("foo-01", "foo -01"),
            ("a-b-1", "a-b a b 1"),
            ("5-3", "5 -3"),
            ("12-ab-cd", "12 ab-cd ab cd"),
            ("foo_bar", "foo bar"),
            ("don't", "don t"),
            ("1e5 1.5e-3 3.14 1.2.3.4", "1e5 1.5e-3 3.14 1.2.3.4"),
            ("-5 +5 --5 -.5", "-5 +5 -5 5"),
            ("12:30 1,000.50 50km 5%", "12 30 1 000.50 50km 5"),
            ("example.com", "example.com"),
            ("foo.com2", "foo.com2"),
            ("end.Next end.next.", "end.Next end.next"),
            ("http://example.com/a/b.html?x=1", "example.com/a/b.html?x=1 example.com /a/b.html?x=1"),
            ("www.a.org:8080/p", "www.a.org:8080/p www.a.org:8080 /p"),
            ("user.name@example.com a@b.c", "user.name@example.com a b.c"),
            ("and/or e.g. U.S.A. v1.0-rc1", "and/or e.g U.S.A v1.0-rc1"),
            ("foo.txt/ foo/bar/ a//b", "foo.txt foo/bar a /b"),
            ("1/2 1.x x.1", "1/2 1 x x.1"),
            ("<b class=\"x>y\">bold</b> &amp; <3", "bold 3"),
            ("ab.cd-ef ab.c-d", "ab.cd ef ab.c-d"),
            ("日本語 naïve-café", "日本語 naïve-café naïve café"),
            ("👍ok", "ok"),
        ] {
            assert_eq!(words(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn tokens_lie_in_their_text() {
        let text = "a\u{301}b \u{0}\u{fffd} -\u{661}\u{662} ٣.٤ x.\u{e9}y /\u{e9} a.bc\u{e9} 1.5\u{e9} <\u{e9}> &\u{e9}; a@b.cd\u{e9}";
        for token in tokens(text) {
            assert!(text.get(token.range.clone()).is_some_and(|token| !token.is_empty()), "{token:?}");
            assert!(ends_at(text, token.range.end) || token.kind == Kind::UrlPath, "{token:?}");
        }
    }
}
