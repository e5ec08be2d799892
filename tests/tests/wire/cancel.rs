//! Statements that are not wanted any more.

use std::time::{Duration, Instant};

use slipstream_tests::{RawClient, TestServer};
use tokio_postgres::NoTls;

use super::{error, server, values};

/// Runs for hours if nobody stops it.
const LONG: &str = "SELECT count(*) FROM generate_series(1, 1000000000000) AS s(i) WHERE i % 7 = 8";

/// Sends a statement and waits until its result is described, but not its rows.
async fn begin(server: &TestServer) -> RawClient {
    let mut client = RawClient::connect(server.address()).await;
    client.query(LONG).send().await;
    assert_eq!(client.read().await.map(|message| message.kind), Some(b'T'));
    client
}

async fn request_cancel(server: &TestServer, process_id: i32, secret: i32) {
    let mut request = RawClient::open(server.address()).await;
    let body = [process_id.to_be_bytes(), secret.to_be_bytes()].concat();
    request.packet(80_877_102, &body).send().await;
    assert_eq!(request.read().await, None, "a cancel request has no answer");
}

#[tokio::test]
async fn a_cancel_request_ends_the_statement_and_not_the_session() {
    let (server, _data) = server();
    let mut client = begin(&server).await;
    let (process_id, secret) = client.key;
    let asked = Instant::now();
    request_cancel(&server, process_id, secret).await;
    assert_eq!(error(&client.until_ready().await).0, "57014");
    assert!(asked.elapsed() < Duration::from_secs(10), "cancelling took {:?}", asked.elapsed());
    assert_eq!(values(&client.query("SELECT 1").answers().await), ["1"]);
    // With nothing running a request is late, and must not hit the next statement.
    request_cancel(&server, process_id, secret).await;
    assert_eq!(values(&client.query("SELECT 2").answers().await), ["2"]);
}

#[tokio::test]
async fn a_wrong_secret_cancels_nothing() {
    let (server, _data) = server();
    let mut client = begin(&server).await;
    let (process_id, secret) = client.key;
    request_cancel(&server, process_id, secret.wrapping_add(1)).await;
    let unanswered = tokio::time::timeout(Duration::from_secs(1), client.read()).await;
    assert!(unanswered.is_err(), "the statement ended: {unanswered:?}");
    request_cancel(&server, process_id, secret).await;
    assert_eq!(error(&client.until_ready().await).0, "57014");
}

#[tokio::test]
async fn a_vanished_client_stops_its_statement() {
    let (server, _data) = server();
    drop(begin(&server).await);
    server.wait_for_log("kind=Cancelled");
}

#[tokio::test]
async fn drivers_can_cancel() {
    let (server, _data) = server();
    let client = server.connect().await;
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel_query(NoTls).await.expect("a cancel request is taken");
    };
    let (outcome, ()) = tokio::join!(client.query(LONG, &[]), cancel);
    let error = outcome.expect_err("a cancelled statement");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"));
}
