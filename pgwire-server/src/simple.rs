//! The simple protocol: a list of statements in one text, each run and answered before the next begins.

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
        self.statements.remove("");
        self.portals.remove("");
        let statements = self.session.parse(sql)?;
        if statements.iter().all(Statement::is_empty) {
            self.out.push(&EmptyQueryResponse::new());
            return Ok(());
        }
        for statement in statements.iter().filter(|statement| !statement.is_empty()) {
            self.run_statement(statement).await?;
        }
        Ok(())
    }

    async fn run_statement(&mut self, statement: &Statement) -> Result<(), Failure> {
        let prepared = self.session.prepare(statement, &[]).await?;
        if !prepared.parameter_types().is_empty() {
            return Err(Error::new(ErrorKind::UndefinedParameter, "there is no parameter $1").into());
        }
        match self.session.execute(&prepared, Vec::new()).await? {
            Execution::Rows { schema, stream, tag } => {
                let formats = vec![Format::Text; schema.fields().len()];
                let encoder = RowEncoder::new(&schema, &formats, self.session.output_style())?;
                self.out.push(&row_description(&schema, &formats)?);
                let progress = RowCursor::new(stream, encoder, tag).send(&mut self.out, None).await?;
                if let Progress::Exhausted(tag) = progress {
                    self.complete(tag);
                }
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
        Ok(self.out.relieve().await?)
    }
}
