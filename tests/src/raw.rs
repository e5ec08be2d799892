//! A client that sends what it is told to, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A test that waits this long for an answer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Protocol 3.0.
const VERSION: i32 = 3 << 16;

/// A connection without any driver's conveniences. Messages are gathered and leave with [`RawClient::send`].
pub struct RawClient {
    stream: TcpStream,
    outgoing: BytesMut,
    /// Process id and secret for a cancel request.
    pub key: (i32, i32),
    /// What `ParameterStatus` has said.
    pub parameters: Vec<(String, String)>,
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Type byte.
    pub kind: u8,
    /// What follows the length.
    pub body: Bytes,
}

impl RawClient {
    /// A connection on which nothing has been said.
    ///
    /// # Panics
    /// When the server does not listen.
    pub async fn open(address: SocketAddr) -> RawClient {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        RawClient { stream, outgoing: BytesMut::new(), key: (0, 0), parameters: Vec::new() }
    }

    /// A connection that has been let in.
    ///
    /// # Panics
    /// When it is not let in.
    pub async fn connect(address: SocketAddr) -> RawClient {
        let mut client = Self::open(address).await;
        client.startup(VERSION, &[("user", "postgres")]).send().await;
        for message in client.until_ready().await {
            let mut body = message.body.clone();
            match message.kind {
                b'K' => client.key = (body.get_i32(), body.get_i32()),
                b'S' => {
                    let mut words = message.strings();
                    client.parameters.push((words.remove(0), words.remove(0)));
                }
                b'E' => panic!("not let in: {:?}", message.error()),
                _ => {}
            }
        }
        client
    }

    /// Adds bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.outgoing.extend_from_slice(bytes);
        self
    }

    /// Adds a packet without a type byte: a request code and what follows.
    pub fn packet(&mut self, code: i32, body: &[u8]) -> &mut Self {
        self.outgoing.put_i32(body.len() as i32 + 8);
        self.outgoing.put_i32(code);
        self.bytes(body)
    }

    /// Adds a startup packet.
    pub fn startup(&mut self, version: i32, parameters: &[(&str, &str)]) -> &mut Self {
        let mut body = Vec::new();
        for (name, value) in parameters {
            body.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
        }
        body.push(0);
        self.packet(version, &body)
    }

    /// Adds a message.
    pub fn message(&mut self, kind: u8, body: &[u8]) -> &mut Self {
        self.outgoing.put_u8(kind);
        self.outgoing.put_i32(body.len() as i32 + 4);
        self.bytes(body)
    }

    /// Adds a simple query.
    pub fn query(&mut self, sql: &str) -> &mut Self {
        self.message(b'Q', &[sql.as_bytes(), &[0]].concat())
    }

    /// Adds a `Parse`.
    pub fn parse(&mut self, name: &str, sql: &str, types: &[u32]) -> &mut Self {
        let mut body = [name.as_bytes(), &[0], sql.as_bytes(), &[0]].concat();
        body.put_u16(types.len() as u16);
        types.iter().for_each(|oid| body.put_u32(*oid));
        self.message(b'P', &body)
    }

    /// Adds a `Bind` whose parameters and results all have one format each (0 text, 1 binary).
    pub fn bind(
        &mut self,
        portal: &str,
        statement: &str,
        format: i16,
        parameters: &[Option<&[u8]>],
        result_format: i16,
    ) -> &mut Self {
        let mut body = [portal.as_bytes(), &[0], statement.as_bytes(), &[0]].concat();
        body.put_u16(1);
        body.put_i16(format);
        body.put_u16(parameters.len() as u16);
        for parameter in parameters {
            body.put_i32(parameter.map_or(-1, |value| value.len() as i32));
            body.extend_from_slice(parameter.unwrap_or_default());
        }
        body.put_u16(1);
        body.put_i16(result_format);
        self.message(b'B', &body)
    }

    /// Adds a `Describe` of a statement (`S`) or portal (`P`).
    pub fn describe(&mut self, target: u8, name: &str) -> &mut Self {
        self.message(b'D', &[&[target], name.as_bytes(), &[0]].concat())
    }

    /// Adds an `Execute`; 0 rows is no limit.
    pub fn execute(&mut self, portal: &str, rows: i32) -> &mut Self {
        self.message(b'E', &[portal.as_bytes(), &[0], &rows.to_be_bytes()].concat())
    }

    /// Adds a `Close`.
    pub fn close(&mut self, target: u8, name: &str) -> &mut Self {
        self.message(b'C', &[&[target], name.as_bytes(), &[0]].concat())
    }

    /// Adds a `Sync`.
    pub fn sync(&mut self) -> &mut Self {
        self.message(b'S', &[])
    }

    /// Sends what was added.
    ///
    /// # Panics
    /// When the connection is lost.
    pub async fn send(&mut self) {
        self.stream.write_all_buf(&mut self.outgoing).await.expect("the server reads");
    }

    /// One byte, as the answer to an encryption request is.
    ///
    /// # Panics
    /// When none comes.
    pub async fn read_byte(&mut self) -> u8 {
        tokio::time::timeout(PATIENCE, self.stream.read_u8()).await.expect("an answer in time").expect("an answer")
    }

    /// The next message, or `None` at the end of the connection.
    ///
    /// # Panics
    /// When none comes for a minute.
    pub async fn read(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.read_message()).await.expect("an answer in time")
    }

    async fn read_message(&mut self) -> Option<Message> {
        let kind = self.stream.read_u8().await.ok()?;
        let length = self.stream.read_i32().await.ok()?;
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Message { kind, body: body.into() })
    }

    /// The messages up to and with `ReadyForQuery`, or up to the end of the connection.
    pub async fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.read().await {
            let last = message.kind == b'Z';
            messages.push(message);
            if last {
                break;
            }
        }
        messages
    }

    /// Like [`RawClient::answers`], for a server that may die of it.
    ///
    /// # Errors
    /// What came before the connection was lost, or before `patience` was over.
    pub async fn try_answers(&mut self, patience: Duration) -> Result<Vec<Message>, Vec<Message>> {
        let mut messages = Vec::new();
        let exchange = async {
            self.stream.write_all_buf(&mut self.outgoing).await.ok()?;
            loop {
                let message = self.read_message().await?;
                let last = message.kind == b'Z';
                messages.push(message);
                if last {
                    return Some(());
                }
            }
        };
        match tokio::time::timeout(patience, exchange).await {
            Ok(Some(())) => Ok(messages),
            Ok(None) | Err(_) => Err(messages),
        }
    }

    /// Sends what was added and returns the answers up to `ReadyForQuery`.
    pub async fn answers(&mut self) -> Vec<Message> {
        self.send().await;
        self.until_ready().await
    }
}

impl Message {
    /// The C strings of the body.
    pub fn strings(&self) -> Vec<String> {
        let words = self.body.split(|byte| *byte == 0);
        words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// The SQLSTATE and message of an `ErrorResponse`.
    ///
    /// # Panics
    /// When it is another message.
    pub fn error(&self) -> (String, String) {
        assert_eq!(self.kind, b'E', "not an error: {self:?}");
        (self.field('C').unwrap_or_default(), self.field('M').unwrap_or_default())
    }

    /// A field of an `ErrorResponse` or `NoticeResponse` by its letter.
    pub fn field(&self, letter: char) -> Option<String> {
        self.strings().into_iter().find_map(|word| word.strip_prefix(letter).map(str::to_string))
    }

    /// The transaction status that a `ReadyForQuery` tells: `I`, `T` or `E`.
    ///
    /// # Panics
    /// When it is another message.
    pub fn status(&self) -> char {
        assert_eq!(self.kind, b'Z', "not ready: {self:?}");
        char::from(self.body[0])
    }

    /// The values of a `DataRow`.
    ///
    /// # Panics
    /// When it is another message.
    pub fn row(&self) -> Vec<Option<Bytes>> {
        assert_eq!(self.kind, b'D', "not a row: {self:?}");
        let mut body = self.body.clone();
        let count = body.get_u16();
        (0..count)
            .map(|_| {
                let length = body.get_i32();
                (length >= 0).then(|| body.split_to(length as usize))
            })
            .collect()
    }

    /// Name, type, size and modifier of each column of a `RowDescription`.
    ///
    /// # Panics
    /// When it is another message.
    pub fn columns(&self) -> Vec<(String, u32, i16, i32)> {
        assert_eq!(self.kind, b'T', "not a description: {self:?}");
        let mut body = self.body.clone();
        let count = body.get_u16();
        (0..count)
            .map(|_| {
                let end = body.iter().position(|byte| *byte == 0).expect("a name ends");
                let name = String::from_utf8_lossy(&body.split_to(end)).into_owned();
                body.advance(1 + 4 + 2);
                let column = (name, body.get_u32(), body.get_i16(), body.get_i32());
                body.advance(2);
                column
            })
            .collect()
    }
}
