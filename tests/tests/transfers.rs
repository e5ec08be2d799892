//! Money does not come or go: SIGKILL under transfers between accounts that are also vertices.
//!
//! Several clients move money. Each transfer is one transaction over two tables and a graph: it takes from one account, gives to
//! another, and inserts an edge between the two. A conflict (`40001`) is tried again, an account that would go below nothing
//! (`23514`) is left alone. The server is killed in the midst of that, often again while it recovers, and then:
//!
//! * the sum of all balances is what it was, and every balance is what its transfers make of it;
//! * every acknowledged transfer is there, once; of those in flight each is there as a whole or not at all;
//! * the graph says what the tables say, through its index and without it;
//! * `slipstream check` finds nothing.
//!
//! `SLIPSTREAM_SEED` chooses accounts, amounts and moments, `SLIPSTREAM_ROUNDS` how many times the server is killed. What the
//! operating system does in between is its own, so a seed replays the plan, not the interleaving.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slipstream_tests::{TestServer, check_data};
use tokio_postgres::Client;

/// Rounds of `make test`.
const ROUNDS: u64 = 10;
const CLIENTS: usize = 6;
const ACCOUNTS: i64 = 20;
/// How long a round waits for transfers at most.
const PATIENCE: Duration = Duration::from_secs(20);
/// What every account begins with.
const START: i64 = 100;

const SETUP: &str = "
    CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
    CREATE TABLE transfer (id bigint PRIMARY KEY, source bigint NOT NULL, target bigint NOT NULL, amount bigint NOT NULL);
    CREATE PROPERTY GRAPH bank
      VERTEX TABLES (account KEY (id) LABEL account PROPERTIES (id, balance))
      EDGE TABLES (transfer KEY (id) SOURCE KEY (source) REFERENCES account (id)
                   DESTINATION KEY (target) REFERENCES account (id) LABEL transfer PROPERTIES (id, amount));
";

/// What the clients know together.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<BTreeSet<i64>>,
    /// Sent COMMIT and got no answer.
    unknown: Mutex<BTreeSet<i64>>,
    next: AtomicI64,
    conflicts: AtomicU64,
}

/// How a try at a transfer ended.
enum Try {
    Done,
    Again,
    Refused,
    Lost,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigkill_under_transfers_keeps_the_sum() {
    let seed = number("SLIPSTREAM_SEED").unwrap_or(1);
    let rounds = number("SLIPSTREAM_ROUNDS").unwrap_or(ROUNDS);
    println!("seed {seed}, {rounds} rounds");
    let mut chance = StdRng::seed_from_u64(seed);
    let data = tempfile::tempdir().expect("a temporary folder");
    set_up(data.path()).await;
    let ledger = Arc::new(Ledger::default());
    for round in 0..rounds {
        for _ in 0..chance.random_range(0..3) {
            TestServer::kill_while_starting(data.path(), Duration::from_millis(chance.random_range(0..600)));
        }
        let server = TestServer::start(data.path());
        assert_books_balance(&server.connect().await, &ledger, &format!("seed {seed}, round {round}")).await;
        transfer_until_killed(server, &ledger, &mut chance).await;
        // The check takes the folder as the kill has left it.
        if round % 4 == 3 {
            check_data(data.path());
        }
    }
    finish(data.path(), &ledger, seed, rounds).await;
}

async fn set_up(data: &Path) {
    let server = TestServer::start(data);
    let client = server.connect().await;
    client.batch_execute(SETUP).await.expect("tables and a graph");
    let insert = format!("INSERT INTO account SELECT i, {START} FROM generate_series(1, {ACCOUNTS}) AS s(i)");
    client.batch_execute(&insert).await.expect("accounts");
    server.stop();
}

/// The last look: with the index, after a stop in order, and with the index thrown away.
async fn finish(data: &Path, ledger: &Ledger, seed: u64, rounds: u64) {
    let server = TestServer::start(data);
    assert_books_balance(&server.connect().await, ledger, &format!("seed {seed}, after the last round")).await;
    server.stop();

    std::fs::remove_dir_all(data.join("graph")).expect("the graph folder can be deleted");
    let server = TestServer::start(data);
    assert_books_balance(&server.connect().await, ledger, "without the index's files").await;
    let done = ledger.acknowledged.lock().expect("nobody panics with it").len();
    let conflicts = ledger.conflicts.load(Ordering::Relaxed);
    println!("{done} transfers acknowledged, {conflicts} conflicts tried again");
    assert!(done as u64 > rounds, "hardly a transfer was made: {done}");
}

/// Lets the clients work until the server is gone, which it is after a while.
async fn transfer_until_killed(server: TestServer, ledger: &Arc<Ledger>, chance: &mut StdRng) {
    let mut workers = Vec::new();
    for _ in 0..CLIENTS {
        let (client, ledger) = (server.connect().await, Arc::clone(ledger));
        let seed = chance.random();
        workers.push(tokio::spawn(transfer_until_lost(client, ledger, seed)));
    }
    wait_for(ledger, chance.random_range(0..8)).await;
    tokio::time::sleep(Duration::from_millis(chance.random_range(0..250))).await;
    server.kill();
    for worker in workers {
        worker.await.expect("a worker notices that the server is gone");
    }
}

/// Waits until that many more transfers are acknowledged, but not for ever.
async fn wait_for(ledger: &Ledger, more: usize) {
    let count = || ledger.acknowledged.lock().expect("nobody panics with it").len();
    let (before, start) = (count(), Instant::now());
    while count() < before + more && start.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn transfer_until_lost(client: Client, ledger: Arc<Ledger>, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    loop {
        let id = ledger.next.fetch_add(1, Ordering::Relaxed);
        let source = chance.random_range(1..=ACCOUNTS);
        // Another one, and now and then the busiest.
        let target = if source != 1 && chance.random_bool(0.2) { 1 } else { source % ACCOUNTS + 1 };
        let amount = chance.random_range(1..=30);
        loop {
            match transfer(&client, &ledger, id, source, target, amount).await {
                Try::Done | Try::Refused => break,
                Try::Again => ledger.conflicts.fetch_add(1, Ordering::Relaxed),
                Try::Lost => return,
            };
        }
    }
}

/// One try. Statements go one by one, as an application sends them.
async fn transfer(client: &Client, ledger: &Ledger, id: i64, source: i64, target: i64, amount: i64) -> Try {
    let statements = [
        "BEGIN".to_string(),
        format!("UPDATE account SET balance = balance - {amount} WHERE id = {source}"),
        format!("UPDATE account SET balance = balance + {amount} WHERE id = {target}"),
        format!("INSERT INTO transfer VALUES ({id}, {source}, {target}, {amount})"),
    ];
    for statement in &statements {
        if let Err(error) = client.batch_execute(statement).await {
            return end(client, &error).await;
        }
    }
    match client.batch_execute("COMMIT").await {
        Ok(()) => {
            ledger.acknowledged.lock().expect("nobody panics with it").insert(id);
            Try::Done
        }
        Err(error) if error.as_db_error().is_none() => {
            ledger.unknown.lock().expect("nobody panics with it").insert(id);
            Try::Lost
        }
        Err(error) => end(client, &error).await,
    }
}

/// What an error means for the transfer; the block is over then.
async fn end(client: &Client, error: &tokio_postgres::Error) -> Try {
    let Some(report) = error.as_db_error() else { return Try::Lost };
    let outcome = match report.code().code() {
        "40001" => Try::Again,
        "23514" => Try::Refused,
        // A server that is told to go says so.
        "57P01" => return Try::Lost,
        code => panic!("a transfer fails with {code}: {}", report.message()),
    };
    if client.batch_execute("ROLLBACK").await.is_err() { Try::Lost } else { outcome }
}

async fn assert_books_balance(client: &Client, ledger: &Ledger, context: &str) {
    let found = transfers(client).await;
    let acknowledged = ledger.acknowledged.lock().expect("nobody panics with it").clone();
    let mut unknown = ledger.unknown.lock().expect("nobody panics with it").clone();
    let lost: Vec<&i64> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "{context}: acknowledged and gone: {lost:?}");
    let extra: Vec<&i64> = found.iter().filter(|id| !acknowledged.contains(id) && !unknown.contains(id)).collect();
    assert!(extra.is_empty(), "{context}: nobody has committed {extra:?}");
    // What was in flight is decided by now.
    unknown.retain(|id| found.contains(id));
    ledger.acknowledged.lock().expect("nobody panics with it").append(&mut unknown);
    ledger.unknown.lock().expect("nobody panics with it").clear();

    let sum = number_of(client, "SELECT sum(balance)::bigint FROM account").await;
    assert_eq!(sum, START * ACCOUNTS, "{context}: the sum of the balances");
    let wrong = format!(
        "SELECT count(*) FROM account WHERE balance <> {START}
           + COALESCE((SELECT sum(amount) FROM transfer WHERE target = account.id), 0)
           - COALESCE((SELECT sum(amount) FROM transfer WHERE source = account.id), 0)"
    );
    assert_eq!(number_of(client, &wrong).await, 0, "{context}: balances that their transfers do not make");
    let vertices = "SELECT s::bigint FROM cypher('bank', $$ MATCH (a:account) RETURN sum(a.balance) AS s $$) AS g";
    assert_eq!(number_of(client, vertices).await, sum, "{context}: the sum of the vertices' balances");
    let unlike = "SELECT count(*) FROM account FULL JOIN
        cypher('bank', $$ MATCH (a:account) RETURN a.id AS id, a.balance AS balance $$) AS g ON g.id = account.id
        WHERE g.balance IS DISTINCT FROM account.balance";
    assert_eq!(number_of(client, unlike).await, 0, "{context}: vertices that are not as their rows");
    let unlike = "SELECT count(*) FROM transfer FULL JOIN
        cypher('bank', $$ MATCH (a:account)-[t:transfer]->(b:account)
                          RETURN t.id AS id, a.id AS source, b.id AS target, t.amount AS amount $$) AS g ON g.id = transfer.id
        WHERE (g.source, g.target, g.amount) IS DISTINCT FROM (transfer.source, transfer.target, transfer.amount)";
    assert_eq!(number_of(client, unlike).await, 0, "{context}: edges that are not as their rows");
}

/// The transfers that are there, each once.
async fn transfers(client: &Client) -> BTreeSet<i64> {
    let rows = client.query("SELECT id FROM transfer", &[]).await.expect("the transfers");
    let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let found: BTreeSet<i64> = ids.iter().copied().collect();
    assert_eq!(found.len(), ids.len(), "a transfer is there twice");
    found
}

async fn number_of(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}
