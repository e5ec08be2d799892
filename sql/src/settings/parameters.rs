//! The declared settings and what values each allows.

use std::time::Duration;

use slipstream_engine::{Error, ErrorKind, Result};

use crate::text::TimeZone;

/// One setting.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) allowed: Allowed,
    pub(super) description: &'static str,
}

/// The values that a setting takes.
#[derive(Debug)]
pub(super) enum Allowed {
    /// None but its own: a fact about the server.
    Fixed,
    /// Any text.
    Text,
    /// Any text, which is not shown.
    Secret,
    /// `on` and `off` in all their spellings.
    Bool,
    /// A number in a range.
    Integer(i64, i64),
    /// Milliseconds, or a number with a unit.
    Duration,
    /// These, in any case; shown as written here.
    OneOf(&'static [&'static str]),
    /// Postgres knows others, here it is these.
    Only(&'static [&'static str]),
    /// UTF-8, in any of the spellings that Postgres reads: letters and digits count, and nothing else.
    Utf8,
    /// A time zone.
    TimeZone,
}

const fn parameter(
    name: &'static str,
    default: &'static str,
    allowed: Allowed,
    description: &'static str,
) -> Parameter {
    Parameter { name, default, allowed, description }
}

const ISOLATION: Allowed = Allowed::OneOf(&["read uncommitted", "read committed", "repeatable read"]);

/// All settings, by name.
pub(super) const PARAMETERS: &[Parameter] = &[
    parameter("application_name", "", Allowed::Text, "The name that the client gives itself."),
    parameter("bytea_output", "hex", Allowed::Only(&["hex"]), "How bytea is written as text."),
    parameter("client_encoding", "UTF8", Allowed::Utf8, "The encoding of all text."),
    parameter(
        "client_min_messages",
        "notice",
        Allowed::OneOf(&[
            "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "notice", "warning", "error",
        ]),
        "The least level of messages that the client wants.",
    ),
    parameter(
        "DateStyle",
        "ISO, MDY",
        Allowed::Only(&["ISO, MDY", "ISO", "ISO,MDY"]),
        "How dates are written and read.",
    ),
    parameter("deadlock_timeout", "1s", Allowed::Duration, "How long to wait for a lock. No statement takes one."),
    parameter("default_table_access_method", "heap", Allowed::Only(&["heap"]), "How new tables are kept."),
    parameter(
        "default_transaction_deferrable",
        "off",
        Allowed::Bool,
        "Whether transactions may wait for a snapshot that is safe to read. Every snapshot is, so none waits.",
    ),
    parameter(
        "default_transaction_isolation",
        "read committed",
        ISOLATION,
        "The isolation that transactions ask for. All get snapshot isolation, which is stronger than each of these.",
    ),
    parameter("default_transaction_read_only", "off", Allowed::Bool, "Whether statements may write."),
    parameter(
        "durability",
        "full",
        Allowed::Fixed,
        "full: a commit survives a power cut. relaxed: the operating system writes it when it likes.",
    ),
    parameter(
        "extra_float_digits",
        "1",
        Allowed::Integer(1, 3),
        "Floating-point numbers are written with as many digits as they need to read back the same.",
    ),
    parameter(
        "hnsw.ef_search",
        "40",
        Allowed::Integer(1, 1000),
        "Candidates that the search of an hnsw index keeps, at least. It keeps as many as rows are wanted in any case.",
    ),
    parameter(
        "hnsw.iterative_scan",
        "off",
        Allowed::OneOf(&["off", "relaxed_order", "strict_order"]),
        "Whether a search with conditions goes on until it has as many rows as are wanted. It always does, in strict order.",
    ),
    parameter(
        "hnsw.max_scan_tuples",
        "20000",
        Allowed::Integer(1, i32::MAX as i64),
        "Rows after which an iterative scan ends. A search here ends when it has found what is wanted.",
    ),
    parameter(
        "hnsw.scan_mem_multiplier",
        "1",
        Allowed::Text,
        "Memory of an iterative scan. A search here needs none that grows.",
    ),
    parameter(
        "idle_in_transaction_session_timeout",
        "0",
        Allowed::Duration,
        "How long a session may idle in a transaction block before it is ended; 0 for as long as it likes.",
    ),
    parameter(
        "idle_session_timeout",
        "0",
        Allowed::Duration,
        "How long a session may idle outside a transaction block before it is ended; 0 for as long as it likes.",
    ),
    parameter("in_hot_standby", "off", Allowed::Fixed, "Whether this server is a replica."),
    parameter("integer_datetimes", "on", Allowed::Fixed, "Dates and times are whole microseconds."),
    parameter("IntervalStyle", "postgres", Allowed::Only(&["postgres"]), "How intervals are written."),
    parameter("is_superuser", "on", Allowed::Fixed, "Whether the user may do everything."),
    parameter(
        "ivfflat.iterative_scan",
        "off",
        Allowed::OneOf(&["off", "relaxed_order"]),
        "Whether a search with conditions goes on until it has as many rows as are wanted. It always does, in strict order.",
    ),
    parameter(
        "ivfflat.max_probes",
        "32768",
        Allowed::Integer(1, 32_768),
        "Clusters after which an iterative scan ends. A search here ends when it has found what is wanted.",
    ),
    parameter(
        "ivfflat.probes",
        "1",
        Allowed::Integer(1, 32_768),
        "Clusters that the search of an index of clusters looks at, at least. With 1 the search finds out how many it needs.",
    ),
    parameter("jit", "off", Allowed::Only(&["off"]), "Expressions are not compiled."),
    parameter("lc_collate", "C", Allowed::Fixed, "Text is ordered by its bytes."),
    parameter("lc_ctype", "C.UTF-8", Allowed::Fixed, "What counts as a letter."),
    parameter("lock_timeout", "0", Allowed::Duration, "How long to wait for a lock. No statement takes one."),
    parameter("max_identifier_length", "63", Allowed::Fixed, "Bytes of a name that count."),
    parameter("max_index_keys", "32", Allowed::Fixed, "Columns of a key that metadata can show."),
    parameter("row_security", "on", Allowed::Bool, "Whether row security applies. No table has any."),
    parameter(
        "search_path",
        "\"$user\", public",
        Allowed::Text,
        "The schemas in which names without one are looked up, and made in the first of them.",
    ),
    parameter("server_encoding", "UTF8", Allowed::Fixed, "The encoding of stored text."),
    parameter(
        "server_version",
        concat!("16.6 (Slipstream ", env!("CARGO_PKG_VERSION"), ")"),
        Allowed::Fixed,
        "The version of Postgres whose protocol and SQL this server follows.",
    ),
    parameter("server_version_num", "160006", Allowed::Fixed, "The same as a number."),
    parameter("session_authorization", "postgres", Allowed::Fixed, "The user of the session."),
    parameter(
        "slipstream.as_of",
        "",
        Allowed::Text,
        "The version that is read instead of the newest one: the number of a commit, a time, or the name of a snapshot.",
    ),
    parameter(
        "slipstream.embed_base_url",
        "http://localhost:11434/v1",
        Allowed::Text,
        "Where the embedding service is that embed() asks; \"/embeddings\" is put behind it.",
    ),
    parameter(
        "slipstream.embed_dimensions",
        "384",
        Allowed::Integer(1, 16_000),
        "How many dimensions the vectors of embed() have.",
    ),
    parameter(
        "slipstream.embed_key",
        "",
        Allowed::Secret,
        "The key that the embedding service wants, if it wants one.",
    ),
    parameter(
        "slipstream.embed_model",
        "snowflake-arctic-embed:xs",
        Allowed::Text,
        "The model that makes vectors of text.",
    ),
    parameter(
        "slipstream.embed_timeout",
        "30s",
        Allowed::Duration,
        "How long one request to the embedding service may take.",
    ),
    parameter("slipstream.graph", "", Allowed::Text, "The graph that a bare Cypher statement reads."),
    parameter(
        "slipstream.graph_strategy",
        "auto",
        Allowed::OneOf(&["auto", "index", "join"]),
        "How graph patterns are answered: by the graph index, by joins, or by the index where it can and else by joins.",
    ),
    parameter("standard_conforming_strings", "on", Allowed::Only(&["on"]), "A backslash in a string is a backslash."),
    parameter("statement_timeout", "0", Allowed::Duration, "How long a statement may run; 0 for as long as it takes."),
    parameter("synchronous_commit", "on", Allowed::Only(&["on"]), "COMMIT answers when the transaction is durable."),
    parameter("TimeZone", "UTC", Allowed::TimeZone, "The zone in which timestamptz is shown and read."),
    parameter(
        "transaction_deferrable",
        "off",
        Allowed::Bool,
        "Whether the open transaction may wait for a snapshot that is safe to read. It need not.",
    ),
    parameter(
        "transaction_isolation",
        "read committed",
        ISOLATION,
        "The isolation of the open transaction. It gets snapshot isolation, which is stronger.",
    ),
    parameter("transaction_read_only", "off", Allowed::Bool, "Whether the open transaction may write."),
];

impl Parameter {
    /// The value in the form in which it is shown, or why it is not allowed.
    pub(super) fn check(&self, value: &str) -> Result<String> {
        self.check_settable()?;
        match self.allowed {
            Allowed::Fixed | Allowed::Text | Allowed::Secret => Ok(value.to_string()),
            Allowed::Bool => boolean(value).map(str::to_string).ok_or_else(|| {
                Error::new(ErrorKind::InvalidParameter, format!("parameter \"{}\" requires a Boolean value", self.name))
            }),
            Allowed::Integer(from, to) => match value.trim().parse::<i64>() {
                Ok(number) if (from..=to).contains(&number) => Ok(number.to_string()),
                Ok(_) => Err(Error::not_supported(format!(
                    "{} is honoured between {from} and {to}, not at {value}",
                    self.name
                ))),
                Err(_) => Err(self.invalid(value)),
            },
            Allowed::Duration => duration(value).map(shown).map_err(|()| self.invalid(value)),
            Allowed::OneOf(values) => match find(values, value) {
                Some(found) => Ok(found.to_string()),
                None if value.eq_ignore_ascii_case("serializable") => Err(serializable()),
                None => Err(self.invalid(value).with_hint(format!("Available values: {}.", values.join(", ")))),
            },
            Allowed::Only(values) => match find(values, value).or_else(|| find(values, boolean(value)?)) {
                Some(_) => Ok(self.default.to_string()),
                None => Err(Error::not_supported(format!("{} is always {}", self.name, self.default))),
            },
            Allowed::Utf8 => {
                let spelling: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
                match find(&["utf8", "unicode"], &spelling) {
                    Some(_) => Ok(self.default.to_string()),
                    None => Err(Error::not_supported(format!("{} is always {}", self.name, self.default))),
                }
            }
            Allowed::TimeZone => TimeZone::named(value).map(|_| value.to_string()),
        }
    }

    /// Refuses to change a fact.
    pub(super) fn check_settable(&self) -> Result<()> {
        match self.allowed {
            Allowed::Fixed => {
                Err(Error::new(ErrorKind::InvalidParameter, format!("parameter \"{}\" cannot be changed", self.name)))
            }
            _ => Ok(()),
        }
    }

    /// As `pg_settings.vartype` has it.
    pub(super) fn kind(&self) -> &'static str {
        match self.allowed {
            Allowed::Bool => "bool",
            Allowed::Integer(..) | Allowed::Duration => "integer",
            Allowed::OneOf(_) => "enum",
            Allowed::Fixed | Allowed::Text | Allowed::Secret | Allowed::Only(_) | Allowed::Utf8 | Allowed::TimeZone => {
                "string"
            }
        }
    }

    /// A value as everybody may see it.
    pub(super) fn shown<'a>(&self, value: &'a str) -> &'a str {
        match self.allowed {
            Allowed::Secret if !value.is_empty() => "********",
            _ => value,
        }
    }

    fn invalid(&self, value: &str) -> Error {
        Error::new(ErrorKind::InvalidParameter, format!("invalid value for parameter \"{}\": \"{value}\"", self.name))
    }
}

/// What an asker of SERIALIZABLE is told.
fn serializable() -> Error {
    Error::not_supported("isolation level serializable is not supported yet")
        .with_hint("Every transaction gets snapshot isolation, which REPEATABLE READ asks for.")
}

fn find(values: &[&'static str], value: &str) -> Option<&'static str> {
    values.iter().copied().find(|candidate| candidate.eq_ignore_ascii_case(value.trim()))
}

fn boolean(value: &str) -> Option<&'static str> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some("on"),
        "off" | "false" | "no" | "0" | "f" | "n" => Some("off"),
        _ => None,
    }
}

/// Reads milliseconds, or a number with one of Postgres's units.
pub(crate) fn duration(value: &str) -> Result<Duration, ()> {
    let value = value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let number: u64 = value[..digits].parse().map_err(drop)?;
    let milliseconds = match value[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(()),
    };
    number.checked_mul(milliseconds).filter(|total| *total <= i32::MAX as u64).map(Duration::from_millis).ok_or(())
}

/// The largest unit that needs no fraction, as SHOW prints it.
fn shown(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    match units.iter().find(|(size, _)| milliseconds != 0 && milliseconds.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", milliseconds / size),
        None => "0".to_string(),
    }
}
