//! The first bytes of a connection: encryption requests, cancel requests and the startup packet.
//!
//! These packets have no type byte. A client may ask for TLS and for GSSAPI encryption once each, and is told `N`: neither
//! is here yet. It must wait for that answer: bytes already sent behind the request could have been put there by somebody
//! in between, so they end the connection.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::FutureExt;
use pgwire::messages::startup::{GssEncRequest, NegotiateProtocolVersion, SecretKey, SslRequest, Startup};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::binary::utf8;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a client may take to introduce itself.
pub(crate) const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest packet accepted before a session exists, as in Postgres.
const MAX_PACKET: usize = 10_000;
/// Request code of a cancel request.
const CANCEL_REQUEST: i32 = 80_877_102;

/// The one superuser. Until there are roles, whoever comes over loopback is it.
const USER: &str = "postgres";
/// The one database.
const DATABASE: &str = "postgres";

/// What a new connection wants.
pub(crate) enum Greeting {
    /// A session.
    Session(StartupRequest),
    /// The end of what another session runs.
    Cancel(i32, SecretKey),
    /// Nothing: it went away.
    Gone,
}

/// A startup packet that has been accepted.
#[derive(Debug, PartialEq)]
pub(crate) struct StartupRequest {
    /// The user that the session acts as.
    pub(crate) user: String,
    /// The database, which exists.
    pub(crate) database: String,
    /// Settings for the session, in the order in which they apply.
    pub(crate) settings: Vec<(String, String)>,
    /// The answer to a client that asked for more than protocol 3.0.
    pub(crate) negotiate: Option<NegotiateProtocolVersion>,
}

/// Reads packets until the client says what it wants.
pub(crate) async fn greet(stream: &mut TcpStream) -> Result<Greeting> {
    let mut refused = [false; 2];
    loop {
        let Some(mut packet) = read_packet(stream).await? else {
            return Ok(Greeting::Gone);
        };
        let code = packet.get_i32();
        let encryption = match code {
            SslRequest::BODY_MAGIC_NUMBER => 0,
            GssEncRequest::BODY_MAGIC_NUMBER => 1,
            CANCEL_REQUEST if packet.len() >= 8 => {
                let process_id = packet.get_i32();
                return Ok(Greeting::Cancel(process_id, secret_key(packet)));
            }
            _ => return startup_request(code, packet).map(Greeting::Session),
        };
        if std::mem::replace(&mut refused[encryption], true) {
            return Err(Error::new(ErrorKind::ProtocolViolation, "encryption was already refused"));
        }
        refuse_encryption(stream).await?;
    }
}

fn secret_key(packet: Bytes) -> SecretKey {
    match <[u8; 4]>::try_from(&packet[..]) {
        Ok(bytes) => SecretKey::I32(i32::from_be_bytes(bytes)),
        Err(_) => SecretKey::Bytes(packet),
    }
}

async fn refuse_encryption(stream: &mut TcpStream) -> Result<()> {
    let early = stream.peek(&mut [0u8; 1]).now_or_never();
    if matches!(early, Some(Ok(count)) if count > 0) {
        return Err(Error::new(ErrorKind::ProtocolViolation, "received unencrypted data after encryption request"));
    }
    stream.write_all(b"N").await.map_err(lost)
}

fn lost(error: std::io::Error) -> Error {
    Error::new(ErrorKind::ProtocolViolation, format!("connection lost during startup: {error}"))
}

/// A packet without its length, or `None` at the end of the stream.
async fn read_packet(stream: &mut TcpStream) -> Result<Option<Bytes>> {
    let length = match stream.read_u32().await {
        Ok(length) => length as usize,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(lost(error)),
    };
    if !(8..=MAX_PACKET).contains(&length) {
        return Err(Error::new(ErrorKind::ProtocolViolation, "invalid length of startup packet"));
    }
    let mut packet = vec![0; length - 4];
    match stream.read_exact(&mut packet).await {
        Ok(_) => Ok(Some(packet.into())),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(lost(error)),
    }
}

/// Reads and judges a startup packet.
fn startup_request(version: i32, packet: Bytes) -> Result<StartupRequest> {
    let (major, minor) = (version >> 16, version & 0xffff);
    if major != i32::from(Startup::PG_PROTOCOL_LATEST) {
        let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
        return Err(Error::new(ErrorKind::NotSupported, message));
    }
    let mut parameters = parameters(&packet)?;
    let unknown_options: Vec<String> = parameters.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    parameters.retain(|name, _| !name.starts_with("_pq_."));
    let negotiate = (minor > 0 || !unknown_options.is_empty())
        .then(|| NegotiateProtocolVersion::new(Startup::PROTOCOL_VERSION_3_0, unknown_options));

    let user = parameters.remove("user").filter(|user| !user.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::InvalidAuthorization, "no PostgreSQL user name specified in startup packet")
    })?;
    let database = parameters.remove("database").filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    // A client that was told neither names the user of its operating system twice: it means whom and what there is.
    if database != DATABASE && database != user {
        return Err(Error::new(ErrorKind::UndefinedDatabase, format!("database \"{database}\" does not exist"))
            .with_hint("The only database is \"postgres\"."));
    }
    if parameters.remove("replication").is_some_and(|value| !matches!(value.as_str(), "" | "false" | "off" | "0")) {
        return Err(Error::not_supported("replication connections are not supported"));
    }
    let mut settings = parameters.remove("options").map(|text| options(&text)).transpose()?.unwrap_or_default();
    settings.extend(parameters);
    Ok(StartupRequest { user: USER.to_string(), database: DATABASE.to_string(), settings, negotiate })
}

/// Names and values, as C strings up to an empty name.
fn parameters(packet: &[u8]) -> Result<BTreeMap<String, String>> {
    let layout =
        || Error::new(ErrorKind::ProtocolViolation, "invalid startup packet layout: expected terminator as last byte");
    let body = packet.strip_suffix(&[0]).ok_or_else(layout)?;
    if body.is_empty() {
        return Ok(BTreeMap::new());
    }
    let body = body.strip_suffix(&[0]).ok_or_else(layout)?;
    let words: Vec<&str> = body.split(|byte| *byte == 0).map(utf8).collect::<Result<_>>()?;
    if !words.len().is_multiple_of(2) {
        return Err(layout());
    }
    Ok(words.chunks(2).map(|pair| (pair[0].to_string(), pair[1].to_string())).collect())
}

/// Reads the command line in `options` (`PGOPTIONS`): `-c name=value` or `--name=value`, a backslash quotes.
fn options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = words(text).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => setting.to_string(),
            None => match word.strip_prefix("-c") {
                Some("") => words.next().unwrap_or_default(),
                Some(setting) => setting.to_string(),
                None => String::new(),
            },
        };
        let (name, value) = setting.split_once('=').ok_or_else(|| {
            Error::new(
                ErrorKind::ProtocolViolation,
                format!("invalid command-line argument for server process: {word}"),
            )
        })?;
        settings.push((name.replace('-', "_"), value.to_string()));
    }
    Ok(settings)
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words.last_mut().into_iter().for_each(|word| word.extend(characters.next())),
            space if space.is_whitespace() => words.push(String::new()),
            other => words.last_mut().into_iter().for_each(|word| word.push(other)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const V3: i32 = Startup::PROTOCOL_VERSION_3_0;

    fn request(version: i32, packet: &'static [u8]) -> Result<StartupRequest> {
        startup_request(version, Bytes::from_static(packet))
    }

    #[test]
    fn the_database_defaults_to_the_user() {
        let request = request(V3, b"user\0postgres\0application_name\0psql\0\0").unwrap();
        assert_eq!(request.database, "postgres");
        assert_eq!(request.settings, [("application_name".to_string(), "psql".to_string())]);
        assert_eq!(request.negotiate, None);
    }

    #[test]
    fn who_names_nothing_is_the_superuser_in_the_only_database() {
        let request = request(V3, b"user\0alice\0database\0alice\0\0").unwrap();
        assert_eq!((request.user.as_str(), request.database.as_str()), ("postgres", "postgres"));
    }

    #[test]
    fn strangers_are_told_what_is_wrong() {
        let kind = |packet| request(V3, packet).unwrap_err().kind();
        assert_eq!(kind(b"\0"), ErrorKind::InvalidAuthorization);
        assert_eq!(kind(b"user\0postgres\0database\0other\0\0"), ErrorKind::UndefinedDatabase);
        assert_eq!(kind(b"user\0postgres\0replication\0true\0\0"), ErrorKind::NotSupported);
        assert_eq!(kind(b"user\0postgres"), ErrorKind::ProtocolViolation);
        assert_eq!(request(2 << 16, b"\0").unwrap_err().kind(), ErrorKind::NotSupported);
    }

    #[test]
    fn newer_protocols_are_talked_down_to_3_0() {
        let request = request(V3 + 2, b"user\0postgres\0_pq_.wish\0yes\0\0").unwrap();
        let answer = request.negotiate.unwrap();
        assert_eq!(answer.newest_minor_protocol, V3);
        assert_eq!(answer.unsupported_options, ["_pq_.wish"]);
        assert!(request.settings.is_empty());
    }

    #[test]
    fn options_are_read_as_a_command_line() {
        let setting = |name: &str, value: &str| (name.to_string(), value.to_string());
        let read = options("-c TimeZone=Asia/Tokyo --statement-timeout=5 -cDateStyle=ISO,\\ MDY").unwrap();
        let expected =
            [setting("TimeZone", "Asia/Tokyo"), setting("statement_timeout", "5"), setting("DateStyle", "ISO, MDY")];
        assert_eq!(read, expected);
        assert!(options("-x").is_err());
    }
}
