//! The extended protocol: Parse, Bind, Describe, Execute and Close.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::scalar::ScalarValue;
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, CloseComplete, Parse, ParseComplete, PortalSuspended, TARGET_TYPE_BYTE_PORTAL,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::EmptyQueryResponse;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::{Execution, Prepared, Session, Statement, from_datafusion};

use crate::connection::{Connection, Failure};
use crate::encode::{Format, RowEncoder, column_types, expand_formats, row_description};
use crate::portal::{Parameter, Portal, PortalState, PreparedStatement, Progress, RowCursor, complete_tag};
use crate::types::DeclaredType;
use crate::{decode, types};

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
            self.statements.remove("");
        } else if self.statements.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(ErrorKind::DuplicateStatement, message));
        }
        let mut statements = self.session.parse(&parse.query)?;
        statements.retain(|statement| !statement.is_empty());
        let statement = match &statements[..] {
            [] => PreparedStatement { prepared: None, parameters: Vec::new() },
            [statement] => type_statement(&self.session, statement, &parse.type_oids).await?,
            _ => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Err(Error::new(ErrorKind::Syntax, message));
            }
        };
        self.statements.insert(name, Arc::new(statement));
        self.out.push(&ParseComplete::new());
        Ok(())
    }

    fn bind(&mut self, bind: Bind) -> Result<()> {
        let statement_name = name(bind.statement_name);
        let portal_name = name(bind.portal_name);
        let statement = Arc::clone(self.statement(&statement_name)?);
        if !portal_name.is_empty() && self.portals.contains_key(&portal_name) {
            return Err(Error::new(ErrorKind::DuplicateObject, format!("cursor \"{portal_name}\" already exists")));
        }
        let (given, required) = (bind.parameters.len(), statement.parameters.len());
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
        let values = statement.parameters.iter().zip(&formats).zip(&bind.parameters).enumerate();
        let parameters = values
            .map(|(index, ((parameter, format), data))| parameter.decode(index + 1, *format, data.as_deref()))
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
                let statement = Arc::clone(self.statement(name)?);
                let oids = statement.parameters.iter().map(|parameter| parameter.oid).collect();
                self.out.push(&ParameterDescription::new(oids));
                let columns = statement.fields().map_or(0, |fields| fields.fields().len());
                self.describe_rows(statement.fields(), &vec![Format::Text; columns])
            }
            TARGET_TYPE_BYTE_PORTAL => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                let (statement, formats) = (Arc::clone(&portal.statement), portal.formats.clone());
                self.describe_rows(statement.fields(), &formats)
            }
            _ => Err(bad_target("DESCRIBE", target)),
        }
    }

    fn describe_rows(&mut self, fields: Option<&Schema>, formats: &[Format]) -> Result<()> {
        match fields {
            Some(fields) => self.out.push(&row_description(fields, formats)?),
            None => self.out.push(&NoData::new()),
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
        let Some(prepared) = &portal.statement.prepared else {
            self.out.push(&EmptyQueryResponse::new());
            return Ok(());
        };
        // What is run before one Sync is one transaction. A statement that is alone there commits by itself.
        if !self.session.in_block() && !self.inbox.sync_follows().await {
            self.session.begin_implicit();
        }
        match self.session.execute(prepared, std::mem::take(&mut portal.parameters)).await? {
            Execution::Rows { schema, stream, tag } => {
                expect_described(portal.statement.fields(), &schema)?;
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
            TARGET_TYPE_BYTE_STATEMENT => drop(self.statements.remove(name)),
            TARGET_TYPE_BYTE_PORTAL => drop(self.portals.remove(name)),
            _ => return Err(bad_target("CLOSE", target)),
        }
        self.out.push(&CloseComplete::new());
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<&Arc<PreparedStatement>> {
        self.statements.get(name).ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_string(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            Error::new(ErrorKind::UndefinedStatement, message)
        })
    }
}

impl PreparedStatement {
    fn fields(&self) -> Option<&Schema> {
        self.prepared.as_ref().and_then(|prepared| prepared.fields()).map(AsRef::as_ref)
    }
}

impl Parameter {
    /// Decodes the bytes of this parameter, and brings them into the statement's type where the client declared another.
    fn decode(&self, number: usize, format: Format, data: Option<&[u8]>) -> Result<ScalarValue> {
        let value = decode::parameter(number, &self.wire_type, format, data)?;
        if self.wire_type == self.statement_type {
            return Ok(value);
        }
        value.cast_to(&self.statement_type.arrow_type()).map_err(from_datafusion)
    }
}

/// Types a statement and its parameters.
///
/// An object id says `numeric` or `vector` without precision or dimension. The statement usually knows better (the
/// column that the parameter goes to), so it is asked first; where its answer is another type, the fallback is declared.
async fn type_statement(session: &Session, statement: &Statement, oids: &[u32]) -> Result<PreparedStatement> {
    let declared: Vec<DeclaredType> = oids.iter().map(|oid| types::declared(*oid)).collect::<Result<_>>()?;
    let exact: Vec<Option<SqlType>> = declared
        .iter()
        .map(|declared| match declared {
            DeclaredType::Exact(sql_type) => Some(sql_type.clone()),
            DeclaredType::Open { .. } | DeclaredType::Unspecified => None,
        })
        .collect();
    let has_open = declared.iter().any(|declared| matches!(declared, DeclaredType::Open { .. }));
    let mut prepared = match session.prepare(statement, &exact).await {
        Err(error) if has_open && error.kind() != ErrorKind::UndefinedParameter => return Err(error),
        Err(_) if has_open => session.prepare(statement, &with_fallbacks(&declared, &exact)).await?,
        prepared => prepared?,
    };
    let fits = |(oid, found): (&u32, &SqlType)| types::oid(found) == *oid;
    let open = oids.iter().zip(prepared.parameter_types()).zip(&declared);
    if open.into_iter().any(|(pair, declared)| matches!(declared, DeclaredType::Open { .. }) && !fits(pair)) {
        prepared = session.prepare(statement, &with_fallbacks(&declared, &exact)).await?;
    }
    Ok(PreparedStatement { parameters: parameters(&prepared, oids, &exact), prepared: Some(prepared) })
}

/// What the wire has to know of each parameter: the client's own declaration goes before what the statement found.
fn parameters(prepared: &Prepared, oids: &[u32], exact: &[Option<SqlType>]) -> Vec<Parameter> {
    let parameters = prepared.parameter_types().iter().enumerate();
    parameters
        .map(|(index, statement_type)| Parameter {
            oid: match oids.get(index) {
                None | Some(0) => types::oid(statement_type),
                Some(oid) => *oid,
            },
            wire_type: exact.get(index).cloned().flatten().unwrap_or_else(|| statement_type.clone()),
            statement_type: statement_type.clone(),
        })
        .collect()
}

fn with_fallbacks(declared: &[DeclaredType], exact: &[Option<SqlType>]) -> Vec<Option<SqlType>> {
    let pairs = declared.iter().zip(exact);
    pairs
        .map(|(declared, exact)| match declared {
            DeclaredType::Open { fallback } => fallback.clone(),
            DeclaredType::Exact(_) | DeclaredType::Unspecified => exact.clone(),
        })
        .collect()
}

/// The client decodes rows as they were described; a plan made again over changed tables must not differ.
fn expect_described(described: Option<&Schema>, found: &Schema) -> Result<()> {
    let oids = |schema: &Schema| -> Result<Vec<u32>> { Ok(column_types(schema)?.iter().map(types::oid).collect()) };
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
