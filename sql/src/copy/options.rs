//! What a COPY statement asks for, checked as Postgres checks it.

use datafusion::sql::sqlparser::ast::{CopyLegacyCsvOption, CopyLegacyOption, CopyOption, Ident};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::shorthands::ALL_COLUMNS;

/// The form of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Tab-separated, with backslash escapes.
    Text,
    /// Comma-separated, with quotes.
    Csv,
    /// Each value in the binary form of its type.
    Binary,
}

/// Whether the first line names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// No header line.
    Absent,
    /// A header line, skipped when reading.
    Present,
    /// A header line that must name the columns, when reading.
    Match,
}

/// A choice of columns by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// These.
    Named(Vec<String>),
    /// Every column.
    All,
}

impl Columns {
    /// Whether a column is among them.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Columns::Named(names) => names.iter().any(|candidate| candidate == name),
            Columns::All => true,
        }
    }
}

/// The options of a COPY statement, with their defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// The form of the data.
    pub format: Format,
    /// Between fields.
    pub delimiter: u8,
    /// Stands for NULL.
    pub null: String,
    /// The first line.
    pub header: Header,
    /// Around CSV fields.
    pub quote: u8,
    /// Before a quote inside a CSV field.
    pub escape: u8,
    /// CSV output: quoted always.
    pub force_quote: Columns,
    /// CSV input: never NULL.
    pub force_not_null: Columns,
    /// CSV input: NULL also when quoted.
    pub force_null: Columns,
}

impl CopyOptions {
    /// The defaults of a format.
    pub fn new(format: Format) -> Self {
        let none = || Columns::Named(Vec::new());
        CopyOptions {
            format,
            delimiter: if format == Format::Csv { b',' } else { b'\t' },
            null: if format == Format::Csv { String::new() } else { "\\N".to_string() },
            header: Header::Absent,
            quote: b'"',
            escape: b'"',
            force_quote: none(),
            force_not_null: none(),
            force_null: none(),
        }
    }

    /// The options as the parser gives them: `WITH (...)` and the older spelling without parentheses.
    pub fn from_ast(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<Self> {
        let mut given = Given::default();
        for option in options {
            given.modern(option)?;
        }
        for option in legacy {
            given.legacy(option)?;
        }
        given.resolve()
    }
}

/// The options in the order of their discovery, before defaults.
#[derive(Default)]
struct Given {
    format: Option<Format>,
    delimiter: Option<char>,
    null: Option<String>,
    header: Option<bool>,
    quote: Option<char>,
    escape: Option<char>,
    force_quote: Option<Columns>,
    force_not_null: Option<Columns>,
    force_null: Option<Columns>,
}

impl Given {
    fn modern(&mut self, option: &CopyOption) -> Result<()> {
        match option {
            CopyOption::Format(name) => set(&mut self.format, format(&name.value)?),
            CopyOption::Delimiter(delimiter) => set(&mut self.delimiter, *delimiter),
            CopyOption::Null(null) => set(&mut self.null, null.clone()),
            CopyOption::Header(header) => set(&mut self.header, *header),
            CopyOption::Quote(quote) => set(&mut self.quote, *quote),
            CopyOption::Escape(escape) => set(&mut self.escape, *escape),
            CopyOption::ForceQuote(columns) => set(&mut self.force_quote, named(columns)),
            CopyOption::ForceNotNull(columns) => set(&mut self.force_not_null, named(columns)),
            CopyOption::ForceNull(columns) => set(&mut self.force_null, named(columns)),
            CopyOption::Encoding(encoding) => utf8_only(encoding),
            CopyOption::Freeze(false) => Ok(()),
            CopyOption::Freeze(true) => Err(Error::not_supported("COPY FREEZE is not supported")),
        }
    }

    fn legacy(&mut self, option: &CopyLegacyOption) -> Result<()> {
        match option {
            CopyLegacyOption::Binary => set(&mut self.format, format("binary")?),
            CopyLegacyOption::Delimiter(delimiter) => set(&mut self.delimiter, *delimiter),
            CopyLegacyOption::Null(null) => set(&mut self.null, null.clone()),
            CopyLegacyOption::Header => set(&mut self.header, true),
            CopyLegacyOption::Csv(options) => {
                set(&mut self.format, Format::Csv)?;
                options.iter().try_for_each(|option| self.legacy_csv(option))
            }
            other => Err(Error::not_supported(format!("COPY option {other} is not supported"))),
        }
    }

    fn legacy_csv(&mut self, option: &CopyLegacyCsvOption) -> Result<()> {
        match option {
            CopyLegacyCsvOption::Header => set(&mut self.header, true),
            CopyLegacyCsvOption::Quote(quote) => set(&mut self.quote, *quote),
            CopyLegacyCsvOption::Escape(escape) => set(&mut self.escape, *escape),
            CopyLegacyCsvOption::ForceQuote(columns) => set(&mut self.force_quote, named(columns)),
            CopyLegacyCsvOption::ForceNotNull(columns) => set(&mut self.force_not_null, named(columns)),
        }
    }

    /// Fills in the defaults and checks that the options go together.
    fn resolve(self) -> Result<CopyOptions> {
        let mut options = CopyOptions::new(self.format.unwrap_or(Format::Text));
        if options.format == Format::Binary {
            let text_only = [
                ("DELIMITER", self.delimiter.is_some()),
                ("NULL", self.null.is_some()),
                ("HEADER", self.header == Some(true)),
            ];
            if let Some((name, _)) = text_only.iter().find(|(_, given)| *given) {
                return Err(Error::new(ErrorKind::Syntax, format!("cannot specify {name} in BINARY mode")));
            }
        }
        if options.format != Format::Csv {
            let csv_only = [
                ("QUOTE", self.quote.is_some()),
                ("ESCAPE", self.escape.is_some()),
                ("FORCE_QUOTE", self.force_quote.is_some()),
                ("FORCE_NOT_NULL", self.force_not_null.is_some()),
                ("FORCE_NULL", self.force_null.is_some()),
            ];
            if let Some((name, _)) = csv_only.iter().find(|(_, given)| *given) {
                return Err(Error::not_supported(format!("COPY {name} requires CSV mode")));
            }
        }
        if let Some(delimiter) = self.delimiter {
            options.delimiter = single_byte("delimiter", delimiter)?;
        }
        if let Some(quote) = self.quote {
            options.quote = single_byte("quote", quote)?;
            options.escape = options.quote;
        }
        if let Some(escape) = self.escape {
            options.escape = single_byte("escape", escape)?;
        }
        options.null = self.null.unwrap_or(options.null);
        options.header = if self.header == Some(true) { Header::Present } else { Header::Absent };
        options.force_quote = self.force_quote.unwrap_or(options.force_quote);
        options.force_not_null = self.force_not_null.unwrap_or(options.force_not_null);
        options.force_null = self.force_null.unwrap_or(options.force_null);
        options.check()?;
        Ok(options)
    }
}

impl CopyOptions {
    fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(ErrorKind::InvalidParameter, message));
        if matches!(self.delimiter, b'\n' | b'\r') {
            return refuse("COPY delimiter cannot be newline or carriage return");
        }
        if self.null.contains(['\n', '\r']) {
            return refuse("COPY null representation cannot use newline or carriage return");
        }
        if self.format == Format::Text
            && (self.delimiter.is_ascii_alphanumeric() || matches!(self.delimiter, b'\\' | b'.'))
        {
            return refuse(&format!("COPY delimiter cannot be \"{}\"", char::from(self.delimiter)));
        }
        if self.format == Format::Csv && self.delimiter == self.quote {
            return refuse("COPY delimiter and quote must be different");
        }
        if self.null.as_bytes().contains(&self.delimiter) {
            return refuse("COPY delimiter character must not appear in the NULL specification");
        }
        if self.format == Format::Csv && self.null.as_bytes().contains(&self.quote) {
            return refuse("CSV quote character must not appear in the NULL specification");
        }
        Ok(())
    }
}

fn set<T>(option: &mut Option<T>, value: T) -> Result<()> {
    if option.is_some() {
        return Err(Error::new(ErrorKind::Syntax, "conflicting or redundant options"));
    }
    *option = Some(value);
    Ok(())
}

fn format(name: &str) -> Result<Format> {
    match name.to_ascii_lowercase().as_str() {
        "text" => Ok(Format::Text),
        "csv" => Ok(Format::Csv),
        "binary" => Ok(Format::Binary),
        _ => Err(Error::new(ErrorKind::InvalidParameter, format!("COPY format \"{name}\" not recognized"))),
    }
}

fn named(columns: &[Ident]) -> Columns {
    if matches!(columns, [all] if all.quote_style.is_some() && all.value == ALL_COLUMNS) {
        return Columns::All;
    }
    let name = |column: &Ident| match column.quote_style {
        Some(_) => column.value.clone(),
        None => column.value.to_lowercase(),
    };
    Columns::Named(columns.iter().map(name).collect())
}

fn utf8_only(encoding: &str) -> Result<()> {
    match encoding.to_ascii_lowercase().as_str() {
        "utf8" | "utf-8" | "unicode" => Ok(()),
        _ => Err(Error::not_supported(format!("COPY encoding \"{encoding}\" is not supported"))),
    }
}

fn single_byte(what: &str, character: char) -> Result<u8> {
    u8::try_from(character).ok().filter(u8::is_ascii).ok_or_else(|| {
        Error::new(ErrorKind::InvalidParameter, format!("COPY {what} must be a single one-byte character"))
    })
}
