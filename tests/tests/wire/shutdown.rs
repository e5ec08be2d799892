//! How a server ends.

use std::time::{Duration, Instant};

use slipstream_tests::{RawClient, TestServer};

use super::{error, server, values};

#[tokio::test]
async fn sigterm_loses_nothing_and_tells_its_clients() {
    let (server, data) = server();
    let mut writer = RawClient::connect(server.address()).await;
    let setup = "CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t SELECT * FROM generate_series(1, 100)";
    writer.query(setup).answers().await;
    server.stop();
    assert_eq!(error(&writer.until_ready().await).0, "57P01");
    let server = TestServer::start(data.path());
    let mut reader = RawClient::connect(server.address()).await;
    assert_eq!(values(&reader.query("SELECT count(*) FROM t").answers().await), ["100"]);
}

#[tokio::test]
async fn sigint_stops_a_running_statement() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let long = "SELECT count(*) FROM generate_series(1, 1000000000000) AS s(i) WHERE i % 7 = 8";
    client.query(long).send().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = Instant::now();
    server.send_signal("INT");
    let log = server.stop();
    assert!(asked.elapsed() < Duration::from_secs(15), "stopping took {:?}", asked.elapsed());
    assert!(log.contains("stopped"), "{log}");
    assert_eq!(error(&client.until_ready().await).0, "57P01");
}
