//! The simple protocol: a list of statements in one text, each run and answered before the next begins.
//!
//! Several statements are one transaction, unless they say otherwise themselves: an error undoes all of them. One alone is
//! left to commit by itself.

use pgwire::messages::response::EmptyQueryResponse;
use slipstream_engine::{Error, ErrorKind};
use slipstream_sql::{Execution, Statement};

use crate::connection::{Connection, Failure};
use crate::encode::{Format, RowEncoder, row_description};
use crate::portal::{Progress, RowCursor};

impl Connection {
    /// Runs the statements of `sql`; the first that fails ends the list.
    pub(crate) async fn simple_query(&mut self, sql: &str) -> Result<(), Failure> {
        // A simple query ends the unnamed statement and the unnamed portal.
        self.session.forget_statement("");
        self.portals.remove("");
        let mut statements = self.session.parse(sql)?;
        statements.retain(|statement| !statement.is_empty());
        let Some((last, before)) = statements.split_last() else {
            self.session.end_implicit().await?;
            self.out.push(&EmptyQueryResponse::new());
            return Ok(());
        };
        for statement in before {
            self.session.begin_implicit();
            let tag = self.run_statement(statement).await?;
            self.complete(tag);
        }
        if !before.is_empty() {
            self.session.begin_implicit();
        }
        let tag = self.run_statement(last).await?;
        // The last statement is done when its transaction is.
        self.session.end_implicit().await?;
        self.complete(tag);
        Ok(self.out.relieve().await?)
    }

    /// Runs a statement and gives its tag.
    async fn run_statement(&mut self, statement: &Statement) -> Result<String, Failure> {
        let prepared = self.session.prepare(statement, &[]).await?;
        if !prepared.parameter_types().is_empty() {
            return Err(Error::new(ErrorKind::UndefinedParameter, "there is no parameter $1").into());
        }
        match self.session.execute(&prepared, Vec::new()).await? {
            Execution::Rows { schema, stream, tag } => {
                let formats = vec![Format::Text; schema.fields().len()];
                let encoder = RowEncoder::new(&schema, &formats, self.session.output_style())?;
                self.out.push(&row_description(&schema, &formats)?);
                match RowCursor::new(stream, encoder, tag).send(&mut self.out, None).await? {
                    Progress::Exhausted(tag) => Ok(tag),
                    Progress::Suspended => Err(Error::internal("a result without a limit was suspended").into()),
                }
            }
            Execution::Done(tag) => Ok(tag),
            Execution::Empty => Err(Error::internal("an empty statement was run").into()),
            Execution::CopyIn(copy) => self.copy_in(copy).await,
            Execution::CopyOut(copy) => self.copy_out(copy).await,
        }
    }
}
