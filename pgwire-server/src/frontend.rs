//! Messages from the client, read from a byte stream.
//!
//! The message types are pgwire's, but not its reader: that one reads past the end of a truncated body (a panic) and
//! replaces bytes that are not UTF-8, so that a value would arrive changed. Here a message is first cut out of the stream
//! by its length, and its body is read with a bound.

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::copy::{CopyData, CopyDone, CopyFail};
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Flush, Parse, Sync};
use pgwire::messages::simplequery::Query;
use pgwire::messages::terminate::Terminate;
use pgwire::messages::{PgWireFrontendMessage, copy, extendedquery, simplequery, startup, terminate};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::binary::utf8;
use tokio_util::codec::Decoder;

/// The longest message accepted: Postgres's own limit, one gigabyte less a byte.
const MAX_MESSAGE: usize = 0x3fff_ffff;

/// A message that could not be read.
#[derive(Debug)]
pub(crate) enum BadMessage {
    /// The body makes no sense; the next message can still be found.
    Body {
        /// Whether the message is a simple query, which is answered with `ReadyForQuery` at once.
        simple: bool,
        /// What is wrong with it.
        error: Error,
    },
    /// The stream itself makes no sense, or broke: the connection is over.
    Stream(Error),
}

impl From<std::io::Error> for BadMessage {
    fn from(error: std::io::Error) -> Self {
        BadMessage::Stream(Error::new(ErrorKind::ProtocolViolation, format!("connection lost: {error}")))
    }
}

/// Cuts a byte stream into frontend messages, after startup.
#[derive(Debug, Default)]
pub(crate) struct FrontendDecoder;

impl Decoder for FrontendDecoder {
    type Item = Result<PgWireFrontendMessage, BadMessage>;
    type Error = BadMessage;

    fn decode(&mut self, stream: &mut BytesMut) -> Result<Option<Self::Item>, BadMessage> {
        let Some((kind, length)) = header(stream)? else {
            return Ok(None);
        };
        if stream.len() < 1 + length {
            stream.reserve(1 + length - stream.len());
            return Ok(None);
        }
        let mut message = stream.split_to(1 + length).freeze();
        message.advance(5);
        let simple = kind == simplequery::MESSAGE_TYPE_BYTE_QUERY;
        Ok(Some(Body(message).read(kind).map_err(|error| BadMessage::Body { simple, error })))
    }
}

/// The type byte of the next message and its length, which counts itself.
fn header(stream: &BytesMut) -> Result<Option<(u8, usize)>, BadMessage> {
    let Some(header) = stream.get(..5) else {
        return Ok(None);
    };
    let kind = header[0];
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if !is_known(kind) {
        let message = format!("invalid frontend message type {kind}");
        return Err(BadMessage::Stream(Error::new(ErrorKind::ProtocolViolation, message)));
    }
    if !(4..=MAX_MESSAGE).contains(&length) {
        return Err(BadMessage::Stream(Error::new(ErrorKind::ProtocolViolation, "invalid message length")));
    }
    Ok(Some((kind, length)))
}

fn is_known(kind: u8) -> bool {
    matches!(
        kind,
        simplequery::MESSAGE_TYPE_BYTE_QUERY
            | extendedquery::MESSAGE_TYPE_BYTE_PARSE
            | extendedquery::MESSAGE_TYPE_BYTE_BIND
            | extendedquery::MESSAGE_TYPE_BYTE_DESCRIBE
            | extendedquery::MESSAGE_TYPE_BYTE_EXECUTE
            | extendedquery::MESSAGE_TYPE_BYTE_CLOSE
            | extendedquery::MESSAGE_TYPE_BYTE_FLUSH
            | extendedquery::MESSAGE_TYPE_BYTE_SYNC
            | copy::MESSAGE_TYPE_BYTE_COPY_DATA
            | copy::MESSAGE_TYPE_BYTE_COPY_DONE
            | copy::MESSAGE_TYPE_BYTE_COPY_FAIL
            | startup::MESSAGE_TYPE_BYTE_PASSWORD_MESSAGE_FAMILY
            | terminate::MESSAGE_TYPE_BYTE_TERMINATE
    )
}

/// The bytes of one message after its header.
struct Body(Bytes);

impl Body {
    fn read(mut self, kind: u8) -> Result<PgWireFrontendMessage> {
        use PgWireFrontendMessage as Message;
        let message = match kind {
            simplequery::MESSAGE_TYPE_BYTE_QUERY => Message::Query(Query::new(self.string()?)),
            extendedquery::MESSAGE_TYPE_BYTE_PARSE => Message::Parse(self.parse()?),
            extendedquery::MESSAGE_TYPE_BYTE_BIND => Message::Bind(self.bind()?),
            extendedquery::MESSAGE_TYPE_BYTE_DESCRIBE => {
                Message::Describe(Describe::new(self.u8()?, Some(self.string()?)))
            }
            extendedquery::MESSAGE_TYPE_BYTE_EXECUTE => {
                Message::Execute(Execute::new(Some(self.string()?), self.u32()? as i32))
            }
            extendedquery::MESSAGE_TYPE_BYTE_CLOSE => Message::Close(Close::new(self.u8()?, Some(self.string()?))),
            extendedquery::MESSAGE_TYPE_BYTE_FLUSH => Message::Flush(Flush::new()),
            extendedquery::MESSAGE_TYPE_BYTE_SYNC => Message::Sync(Sync::new()),
            copy::MESSAGE_TYPE_BYTE_COPY_DATA => Message::CopyData(CopyData::new(std::mem::take(&mut self.0))),
            copy::MESSAGE_TYPE_BYTE_COPY_DONE => Message::CopyDone(CopyDone::new()),
            copy::MESSAGE_TYPE_BYTE_COPY_FAIL => Message::CopyFail(CopyFail::new(self.string()?)),
            terminate::MESSAGE_TYPE_BYTE_TERMINATE => Message::Terminate(Terminate::new()),
            _ => return Err(Error::new(ErrorKind::ProtocolViolation, "unexpected password message")),
        };
        if self.0.is_empty() { Ok(message) } else { Err(invalid_format()) }
    }

    fn parse(&mut self) -> Result<Parse> {
        let name = self.string()?;
        let query = self.string()?;
        let count = self.u16()?;
        let types = (0..count).map(|_| self.u32()).collect::<Result<_>>()?;
        Ok(Parse::new(Some(name), query, types))
    }

    fn bind(&mut self) -> Result<Bind> {
        let portal = self.string()?;
        let statement = self.string()?;
        let parameter_formats = self.formats()?;
        let count = self.u16()?;
        let parameters = (0..count).map(|_| self.value()).collect::<Result<_>>()?;
        let result_formats = self.formats()?;
        Ok(Bind::new(Some(portal), Some(statement), parameter_formats, parameters, result_formats))
    }

    fn formats(&mut self) -> Result<Vec<i16>> {
        let count = self.u16()?;
        (0..count).map(|_| Ok(self.u16()? as i16)).collect()
    }

    /// A length and as many bytes; -1 is NULL.
    fn value(&mut self) -> Result<Option<Bytes>> {
        let length = self.u32()? as i32;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| invalid_format())?;
        Ok(Some(self.take(length)?))
    }

    fn string(&mut self) -> Result<String> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| Error::new(ErrorKind::ProtocolViolation, "invalid string in message"))?;
        let bytes = self.take(end)?;
        self.0.advance(1);
        Ok(utf8(&bytes)?.to_string())
    }

    fn take(&mut self, length: usize) -> Result<Bytes> {
        if self.0.len() < length {
            return Err(Error::new(ErrorKind::ProtocolViolation, "insufficient data left in message"));
        }
        Ok(self.0.split_to(length))
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?.get_u8())
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(self.take(2)?.get_u16())
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(self.take(4)?.get_u32())
    }
}

fn invalid_format() -> Error {
    Error::new(ErrorKind::ProtocolViolation, "invalid message format")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Option<Result<PgWireFrontendMessage, BadMessage>>, BadMessage> {
        FrontendDecoder.decode(&mut BytesMut::from(bytes))
    }

    #[test]
    fn a_message_is_read_when_all_of_it_is_there() {
        assert!(matches!(decode(b"Q\0\0\0\x0dselect 1"), Ok(None)));
        match decode(b"Q\0\0\0\x0dselect 1\0") {
            Ok(Some(Ok(PgWireFrontendMessage::Query(query)))) => assert_eq!(query.query, "select 1"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_truncated_body_is_an_error_and_not_a_panic() {
        for body in
            [&b"B\0\0\0\x06\0\0"[..], b"P\0\0\0\x07a\0b", b"B\0\0\0\x0e\0\0\0\0\0\x01\0\0\x00\xff", b"E\0\0\0\x05\0"]
        {
            assert!(matches!(decode(body), Ok(Some(Err(BadMessage::Body { .. })))), "{body:?}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_and_the_stream_goes_on() {
        let mut stream = BytesMut::from(&b"Q\0\0\0\x06\xff\0S\0\0\0\x04"[..]);
        match FrontendDecoder.decode(&mut stream) {
            Ok(Some(Err(BadMessage::Body { error, .. }))) => assert_eq!(error.kind(), ErrorKind::InvalidEncoding),
            other => panic!("{other:?}"),
        }
        assert!(matches!(FrontendDecoder.decode(&mut stream), Ok(Some(Ok(PgWireFrontendMessage::Sync(_))))));
    }

    #[test]
    fn a_length_or_type_out_of_range_ends_the_stream() {
        assert!(matches!(decode(b"Q\0\0\0\x03"), Err(BadMessage::Stream(_))));
        assert!(matches!(decode(b"Q\xff\xff\xff\xff"), Err(BadMessage::Stream(_))));
        assert!(matches!(decode(b"!\0\0\0\x04"), Err(BadMessage::Stream(_))));
    }
}
