//! The extended protocol: Parse, Bind, Describe, Execute and Close.

use arrow::datatypes::{Schema, SchemaRef};
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, CloseComplete, Parse, ParseComplete, PortalSuspended, TARGET_TYPE_BYTE_PORTAL,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::EmptyQueryResponse;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::types::ClientType;
use slipstream_sql::{Execution, Prepared, Session, Statement};

use crate::connection::{Connection, Failure};
use crate::decode;
use crate::encode::{Format, RowEncoder, column_types, expand_formats, row_description};
use crate::portal::{Portal, PortalState, Progress, RowCursor, complete_tag};
use crate::types::{DeclaredType, declared};

impl Connection {
    /// Answers one message of the extended protocol.
    pub(crate) async fn extended(&mut self, message: PgWireFrontendMessage) -> Result<(), Failure> {
        use PgWireFrontendMessage as Message;
        match message {
            Message::Parse(parse) => self.parse(parse).await?,
            Message::Bind(bind) => self.bind(bind)?,
            Message::Describe(describe) => self.describe(describe.target_type, &name(describe.name))?,
            Message::Execute(execute) => self.execute(&name(execute.name), execute.max_rows).await?,
            Message::Close(close) => self.close(close.target_type, &name(close.name))?,
            _ => return Err(Error::new(ErrorKind::ProtocolViolation, "unexpected message").into()),
        }
        Ok(())
    }

    async fn parse(&mut self, parse: Parse) -> Result<()> {
        let name = name(parse.name);
        if name.is_empty() {
            self.session.forget_statement("");
        }
        let statements = self.session.parse(&parse.query)?;
        let statement = match &statements[..] {
            [statement] => statement,
            _ => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Err(Error::new(ErrorKind::Syntax, message));
            }
        };
        let prepared = type_statement(&self.session, statement, &parse.type_oids).await?;
        self.session.keep_statement(&name, prepared)?;
        self.out.push(&ParseComplete::new());
        Ok(())
    }

    fn bind(&mut self, bind: Bind) -> Result<()> {
        let statement_name = name(bind.statement_name);
        let portal_name = name(bind.portal_name);
        let statement = self.session.statement(&statement_name)?;
        let is_cursor = self.session.cursor_fields(&portal_name).is_some();
        if !portal_name.is_empty() && (is_cursor || self.portals.contains_key(&portal_name)) {
            return Err(Error::new(ErrorKind::DuplicateCursor, format!("cursor \"{portal_name}\" already exists")));
        }
        let types = statement.parameter_types();
        let (given, required) = (bind.parameters.len(), types.len());
        let violation = |message: String| Error::new(ErrorKind::ProtocolViolation, message);
        let formats = expand_formats(&bind.parameter_format_codes, given)?.ok_or_else(|| {
            let codes = bind.parameter_format_codes.len();
            violation(format!("bind message has {codes} parameter formats but {given} parameters"))
        })?;
        if given != required {
            let message = format!(
                "bind message supplies {given} parameters, but prepared statement \"{statement_name}\" requires {required}"
            );
            return Err(violation(message));
        }
        let zone = self.session.output_style().time_zone;
        let values = types.iter().zip(&formats).zip(&bind.parameters).enumerate();
        let parameters = values
            .map(|(index, ((parameter, format), data))| {
                decode::parameter(index + 1, parameter, *format, zone, data.as_deref())
            })
            .collect::<Result<_>>()?;
        let columns = statement.fields().map_or(0, |fields| fields.fields().len());
        let codes = &bind.result_column_format_codes;
        let formats = expand_formats(codes, columns)?.ok_or_else(|| {
            violation(format!("bind message has {} result formats but query has {columns} columns", codes.len()))
        })?;
        self.portals.insert(portal_name, Portal { statement, parameters, formats, state: PortalState::Ready });
        self.out.push(&BindComplete::new());
        Ok(())
    }

    fn describe(&mut self, target: u8, name: &str) -> Result<()> {
        match target {
            TARGET_TYPE_BYTE_STATEMENT => {
                let statement = self.session.statement(name)?;
                let oids = statement.parameter_types().iter().map(ClientType::oid).collect();
                self.out.push(&ParameterDescription::new(oids));
                self.describe_rows(statement.fields(), None)
            }
            TARGET_TYPE_BYTE_PORTAL => match self.portals.get(name) {
                Some(portal) => {
                    let (statement, formats) = (portal.statement.clone(), portal.formats.clone());
                    self.describe_rows(statement.fields(), Some(&formats))
                }
                // A cursor that DECLARE has made is a portal as well.
                None => {
                    let fields = self.session.cursor_fields(name).ok_or_else(|| no_portal(name))?;
                    self.describe_rows(Some(&fields), None)
                }
            },
            _ => Err(bad_target("DESCRIBE", target)),
        }
    }

    /// Describes columns, in text where nothing has been said about formats.
    fn describe_rows(&mut self, fields: Option<&SchemaRef>, formats: Option<&[Format]>) -> Result<()> {
        match (fields, formats) {
            (Some(fields), Some(formats)) => self.out.push(&row_description(fields, formats)?),
            (Some(fields), None) => {
                let formats = vec![Format::Text; fields.fields().len()];
                self.out.push(&row_description(fields, &formats)?);
            }
            (None, _) => self.out.push(&NoData::new()),
        }
        Ok(())
    }

    /// Runs a portal up to `max_rows` rows; 0 is no limit.
    async fn execute(&mut self, name: &str, max_rows: i32) -> Result<(), Failure> {
        let limit = usize::try_from(max_rows).ok().filter(|limit| *limit > 0);
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        let outcome = match std::mem::replace(&mut portal.state, PortalState::Done) {
            PortalState::Ready => self.start(&mut portal, limit).await,
            PortalState::Open(cursor) => self.fetch(&mut portal, cursor, limit).await,
            PortalState::Exhausted(tag) => {
                portal.state = PortalState::Exhausted(tag);
                self.complete(complete_tag(tag, 0));
                Ok(())
            }
            PortalState::Done => {
                Err(Error::new(ErrorKind::UndefinedCursor, format!("portal \"{name}\" cannot be run")).into())
            }
        };
        self.portals.insert(name.to_string(), portal);
        outcome
    }

    async fn start(&mut self, portal: &mut Portal, limit: Option<usize>) -> Result<(), Failure> {
        // What is run before one Sync is one transaction. A statement that is alone there commits by itself.
        if !self.session.in_block() && !self.inbox.sync_follows().await {
            self.session.begin_implicit();
        }
        match self.session.execute(&portal.statement, std::mem::take(&mut portal.parameters)).await? {
            Execution::Rows { schema, stream, tag } => {
                expect_described(portal.statement.fields().map(AsRef::as_ref), &schema)?;
                let encoder = RowEncoder::new(&schema, &portal.formats, self.session.output_style())?;
                self.fetch(portal, RowCursor::new(stream, encoder, tag), limit).await?;
            }
            Execution::Done(tag) => self.complete(tag),
            Execution::Empty => self.out.push(&EmptyQueryResponse::new()),
            Execution::CopyIn(copy) => {
                let tag = self.copy_in(copy).await?;
                self.complete(tag);
            }
            Execution::CopyOut(copy) => {
                let tag = self.copy_out(copy).await?;
                self.complete(tag);
            }
        }
        Ok(())
    }

    async fn fetch(&mut self, portal: &mut Portal, mut cursor: RowCursor, limit: Option<usize>) -> Result<(), Failure> {
        match cursor.send(&mut self.out, limit).await? {
            Progress::Exhausted(tag) => {
                portal.state = PortalState::Exhausted(cursor.tag());
                self.complete(tag);
            }
            Progress::Suspended => {
                portal.state = PortalState::Open(cursor);
                self.out.push(&PortalSuspended::new());
            }
        }
        Ok(())
    }

    /// Forgets a statement or portal. One that does not exist is no error.
    fn close(&mut self, target: u8, name: &str) -> Result<()> {
        match target {
            TARGET_TYPE_BYTE_STATEMENT => self.session.forget_statement(name),
            TARGET_TYPE_BYTE_PORTAL => {
                self.portals.remove(name);
                self.session.close_cursor(name);
            }
            _ => return Err(bad_target("CLOSE", target)),
        }
        self.out.push(&CloseComplete::new());
        Ok(())
    }
}

/// Types a statement and its parameters.
///
/// An object id says `numeric` or `vector` without precision or dimension. The statement usually knows better (the
/// column that the parameter goes to), so it is asked first; where its answer is another type, the fallback is declared.
async fn type_statement(session: &Session, statement: &Statement, oids: &[u32]) -> Result<Prepared> {
    let declared: Vec<DeclaredType> = oids.iter().map(|oid| declared(*oid)).collect::<Result<_>>()?;
    let exact: Vec<Option<ClientType>> = declared.iter().map(DeclaredType::exact).collect();
    if !declared.iter().any(|declared| matches!(declared, DeclaredType::Open(_))) {
        return session.prepare(statement, &exact).await;
    }
    let with_fallbacks: Vec<Option<ClientType>> = declared.iter().map(DeclaredType::fallback).collect();
    let prepared = match session.prepare(statement, &exact).await {
        Err(error) if error.kind() != ErrorKind::UndefinedParameter => return Err(error),
        Err(_) => return session.prepare(statement, &with_fallbacks).await,
        Ok(prepared) => prepared,
    };
    let found = prepared.parameter_types().iter().zip(&declared);
    if found.into_iter().all(|(found, declared)| declared.fits(found)) {
        return Ok(prepared);
    }
    session.prepare(statement, &with_fallbacks).await
}

/// The client decodes rows as they were described; a plan made again over changed tables must not differ.
fn expect_described(described: Option<&Schema>, found: &Schema) -> Result<()> {
    let oids =
        |schema: &Schema| -> Result<Vec<u32>> { Ok(column_types(schema)?.iter().map(ClientType::oid).collect()) };
    let described = described.map(oids).transpose()?.unwrap_or_default();
    if described == oids(found)? {
        return Ok(());
    }
    Err(Error::not_supported("cached plan must not change result type"))
}

fn no_portal(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedCursor, format!("portal \"{name}\" does not exist"))
}

fn bad_target(message: &str, target: u8) -> Error {
    Error::new(ErrorKind::ProtocolViolation, format!("invalid {message} message subtype {target}"))
}

/// A name as the wire has it: the empty string is the unnamed one.
fn name(name: Option<String>) -> String {
    name.unwrap_or_default()
}
