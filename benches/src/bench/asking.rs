//! The same statement asked by several clients at a time.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio_postgres::{Client, Statement};

use super::Result;
use super::servers::Server;

/// A client with its statement prepared, which has one parameter and gives ids.
pub(super) struct Session {
    client: Client,
    statement: Statement,
}

impl Session {
    /// A client that has run `setting` first.
    pub(super) async fn open(server: &Server, setting: &str, statement: &str) -> Result<Session> {
        let client = server.connect().await?;
        client.batch_execute(setting).await?;
        let statement = client.prepare(statement).await?;
        Ok(Session { client, statement })
    }

    /// The ids that a question finds.
    pub(super) async fn ask(&self, question: &str) -> Result<Vec<usize>> {
        let rows = self.client.query(&self.statement, &[&question]).await?;
        rows.iter().map(|row| Ok(usize::try_from(row.try_get::<_, i64>(0)?)?)).collect()
    }
}

/// How long each question took, of several clients that ask so many each, and all of them together.
pub(super) async fn ask_all(
    sessions: &[Session],
    questions: &[String],
    rounds: usize,
) -> Result<(Vec<Duration>, Duration)> {
    for session in sessions {
        session.ask(&questions[0]).await?;
    }
    let started = Instant::now();
    let asked = sessions.iter().enumerate().map(|(number, session)| async move {
        let mut times = Vec::with_capacity(rounds);
        for round in 0..rounds {
            let question = &questions[(round + number * 17) % questions.len()];
            let started = Instant::now();
            session.ask(question).await?;
            times.push(started.elapsed());
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(times)
    });
    let times = try_join_all(asked).await?.into_iter().flatten().collect();
    Ok((times, started.elapsed()))
}
