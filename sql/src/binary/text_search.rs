//! The binary forms of `tsvector` and `tsquery`.
//!
//! A vector is its number of lexemes, then each with its positions, whose two highest bits are the label. A query is its
//! nodes in prefix order, the right operand before the left one.

use bytes::{Buf, BufMut, BytesMut};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_text_search::query::{Node, Operand};
use slipstream_text_search::vector::{Position, Weight};
use slipstream_text_search::{TsQuery, TsVector};

use super::utf8;
use crate::error::from_text_search;

const LEXEME: u8 = 1;
const OPERATOR: u8 = 2;
const NOT: u8 = 1;
const AND: u8 = 2;
const OR: u8 = 3;
const PHRASE: u8 = 4;
/// Bits of a position that are the word's number.
const PLACE: u16 = (1 << 14) - 1;
/// In the order of their numbers.
const WEIGHTS: [Weight; 4] = [Weight::D, Weight::C, Weight::B, Weight::A];
/// How deep a query may nest.
const DEEPEST: usize = 500;

/// Writes a vector by its text form.
pub(super) fn append_vector(out: &mut BytesMut, text: &str) -> Result<()> {
    let vector = TsVector::parse(text).map_err(from_text_search)?;
    out.put_u32(vector.len() as u32);
    for (lexeme, positions) in vector.lexemes() {
        append_string(out, lexeme);
        out.put_u16(positions.len() as u16);
        for position in positions {
            out.put_u16((position.weight as u16) << 14 | position.place & PLACE);
        }
    }
    Ok(())
}

/// Writes a query by its text form.
pub(super) fn append_query(out: &mut BytesMut, text: &str) -> Result<()> {
    let query = TsQuery::parse(text).map_err(from_text_search)?;
    out.put_u32(query.nodes() as u32);
    if let Some(root) = query.root() {
        append_node(out, root);
    }
    Ok(())
}

fn append_node(out: &mut BytesMut, node: &Node) {
    let mut operator = |code: u8| {
        out.put_u8(OPERATOR);
        out.put_u8(code);
    };
    let (left, right) = match node {
        Node::Lexeme(operand) => {
            out.put_u8(LEXEME);
            out.put_u8(operand.weights.iter().map(|weight| 1 << *weight as u8).sum());
            out.put_u8(u8::from(operand.prefix));
            append_string(out, &operand.lexeme);
            return;
        }
        Node::Not(inner) => {
            operator(NOT);
            append_node(out, inner);
            return;
        }
        Node::And(left, right) => {
            operator(AND);
            (left, right)
        }
        Node::Or(left, right) => {
            operator(OR);
            (left, right)
        }
        Node::Phrase(left, right, distance) => {
            operator(PHRASE);
            out.put_u16(*distance);
            (left, right)
        }
    };
    append_node(out, right);
    append_node(out, left);
}

fn append_string(out: &mut BytesMut, text: &str) {
    out.put_slice(text.as_bytes());
    out.put_u8(0);
}

/// The text form of a vector's binary form.
pub(super) fn vector_text(data: &[u8]) -> Result<String> {
    let mut rest = data;
    let lexemes = rest.try_get_u32().map_err(malformed)?;
    let mut read = Vec::new();
    for _ in 0..lexemes {
        let lexeme = string(&mut rest)?.to_string();
        let positions = rest.try_get_u16().map_err(malformed)?;
        let mut places = Vec::new();
        for _ in 0..positions {
            let position = rest.try_get_u16().map_err(malformed)?;
            places.push(Position { place: position & PLACE, weight: WEIGHTS[usize::from(position >> 14)] });
        }
        read.push((lexeme, places));
    }
    if !rest.is_empty() {
        return Err(malformed(()));
    }
    TsVector::of_positions(read).map(|vector| vector.to_string()).map_err(from_text_search)
}

/// The text form of a query's binary form.
pub(super) fn query_text(data: &[u8]) -> Result<String> {
    let mut rest = data;
    let mut nodes = rest.try_get_u32().map_err(malformed)?;
    let root = match nodes {
        0 => None,
        _ => Some(node(&mut rest, &mut nodes, 0)?),
    };
    if !rest.is_empty() || nodes != 0 {
        return Err(malformed(()));
    }
    Ok(TsQuery::from(root).to_string())
}

fn node(rest: &mut &[u8], nodes: &mut u32, depth: usize) -> Result<Node> {
    if depth > DEEPEST {
        return Err(malformed(()));
    }
    *nodes = nodes.checked_sub(1).ok_or_else(|| malformed(()))?;
    let mut byte = || rest.try_get_u8().map_err(malformed);
    match byte()? {
        LEXEME => {
            let (mask, prefix) = (byte()?, byte()? != 0);
            let weights = WEIGHTS.into_iter().filter(|weight| mask & (1 << *weight as u8) != 0).collect();
            Ok(Node::Lexeme(Operand { lexeme: string(rest)?.to_string(), weights, prefix }))
        }
        OPERATOR => {
            let code = byte()?;
            if code == NOT {
                return Ok(Node::Not(Box::new(node(rest, nodes, depth + 1)?)));
            }
            let distance = if code == PHRASE { rest.try_get_u16().map_err(malformed)? } else { 0 };
            let right = Box::new(node(rest, nodes, depth + 1)?);
            let left = Box::new(node(rest, nodes, depth + 1)?);
            match code {
                AND => Ok(Node::And(left, right)),
                OR => Ok(Node::Or(left, right)),
                PHRASE => Ok(Node::Phrase(left, right, distance)),
                _ => Err(malformed(())),
            }
        }
        _ => Err(malformed(())),
    }
}

/// A text that ends with a zero.
fn string<'a>(rest: &mut &'a [u8]) -> Result<&'a str> {
    let end = rest.iter().position(|byte| *byte == 0).ok_or_else(|| malformed(()))?;
    let text = utf8(&rest[..end])?;
    *rest = &rest[end + 1..];
    Ok(text)
}

fn malformed<E>(_: E) -> Error {
    Error::new(ErrorKind::InvalidBinary, "incorrect binary data format")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What PostgreSQL 15 sends.
    #[test]
    fn forms_are_those_of_postgres() {
        let mut out = BytesMut::new();
        append_vector(&mut out, "'a' 'b':2A,3").expect("reads");
        assert_eq!(hex(&out), "000000026100000062000002c0020003");
        assert_eq!(vector_text(&out).expect("reads"), "'a' 'b':2A,3");
        let mut out = BytesMut::new();
        append_query(&mut out, "'a':*A & !'b' <2> 'c'").expect("reads");
        assert_eq!(hex(&out), "0000000602020204000201000063000201010000620001080161 00".replace(' ', ""));
        assert_eq!(query_text(&out).expect("reads"), "'a':*A & !'b' <2> 'c'");
        for data in [&b""[..], &[0, 0, 0, 1], &[0, 0, 0, 1, 3], &[0, 0, 0, 2, 1, 0, 0, b'a', 0], &[255; 9]] {
            assert!(vector_text(data).is_err() && query_text(data).is_err(), "{data:?}");
        }
    }
}
