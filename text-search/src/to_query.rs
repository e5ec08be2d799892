//! Queries made of text by a configuration: `to_tsquery`, `plainto_tsquery`, `phraseto_tsquery`.

use crate::config::Lexer;
use crate::error::Result;
use crate::query::{Node, Operand, TsQuery};
use crate::query_text::{Part, parse};
use crate::vector::Weight;

/// How the words of one operand hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joint {
    /// All of them.
    And,
    /// One behind the other.
    Phrase,
}

/// `to_tsquery`: operators as in a `tsquery`, operands go through the configuration; one that is several words becomes a
/// phrase.
pub fn to_tsquery(lexer: &mut Lexer, text: &str) -> Result<TsQuery> {
    let part =
        parse(text, &mut |operand| Ok(words(lexer, &operand.lexeme, &operand.weights, operand.prefix, Joint::Phrase)))?;
    Ok(part.and_then(Part::into_node).into())
}

/// `plainto_tsquery`: all the words of a text.
pub fn plain(lexer: &mut Lexer, text: &str) -> TsQuery {
    words(lexer, text, &[], false, Joint::And).into_node().into()
}

/// `phraseto_tsquery`: the words of a text, one behind the other.
pub fn phrase(lexer: &mut Lexer, text: &str) -> TsQuery {
    words(lexer, text, &[], false, Joint::Phrase).into_node().into()
}

/// The words of an operand; where a stop word was between two of them it is kept until distances are put right.
pub(crate) fn words(lexer: &mut Lexer, text: &str, weights: &[Weight], prefix: bool, joint: Joint) -> Part {
    let mut whole: Option<Part> = None;
    let mut place = 0;
    for lexeme in lexer.lexemes(text) {
        let gap = if whole.is_some() { lexeme.position.saturating_sub(place + 1) } else { 0 };
        place = lexeme.position;
        let operand = Operand { lexeme: lexeme.text, weights: weights.to_vec(), prefix };
        let stops = std::iter::repeat_with(|| Part::Stop).take(gap);
        for part in stops.chain([Part::Node(Node::Lexeme(operand))]) {
            whole = Some(match (whole, joint) {
                (None, _) => part,
                (Some(before), Joint::And) => Part::And(Box::new(before), Box::new(part)),
                (Some(before), Joint::Phrase) => Part::Phrase(Box::new(before), Box::new(part), 1),
            });
        }
    }
    whole.unwrap_or(Part::Stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// What PostgreSQL 15 says.
    #[test]
    fn queries_are_those_of_postgres() {
        let mut english = Config::ENGLISH.lexer();
        for (text, expected) in [
            ("the & fat & rats", "'fat' & 'rat'"),
            ("'the fat rats' | cat:*B", "'fat' <-> 'rat' | 'cat':*B"),
            ("foo-bar", "'foo-bar' <-> 'foo' <-> 'bar'"),
            ("'cat' <-> the <-> hat", "'cat' <2> 'hat'"),
            ("the <-> cat", "'cat'"),
            ("!the & cat", "'cat'"),
            ("(cat <-> the) <-> hat", "'cat' <2> 'hat'"),
            ("cat & (the | a)", "'cat'"),
            ("the", ""),
        ] {
            assert_eq!(to_tsquery(&mut english, text).expect(text).to_string(), expected, "{text}");
        }
        assert_eq!(plain(&mut english, "The Fat & Rats: foo-bar").to_string(), {
            "'fat' & 'rat' & 'foo-bar' & 'foo' & 'bar'"
        });
        assert_eq!(phrase(&mut english, "The Cat in the Hat").to_string(), "'cat' <3> 'hat'");
        assert_eq!(phrase(&mut english, " ").to_string(), "");
    }
}
