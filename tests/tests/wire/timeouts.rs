//! Sessions that idle for longer than they may.

use slipstream_tests::RawClient;

use super::{error, kinds, server, values};

#[tokio::test]
async fn a_session_that_idles_in_a_block_is_ended_and_its_block_undone() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY)").answers().await;
    client.query("SET idle_in_transaction_session_timeout = '300ms'").answers().await;
    // Outside a block it may take its time.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(kinds(&client.query("BEGIN; INSERT INTO t VALUES (1)").answers().await), "CCZ");
    let last = client.until_ready().await;
    let told = "terminating connection due to idle-in-transaction timeout".to_string();
    assert_eq!(error(&last), ("25P03".to_string(), told));
    assert!(last[0].strings().contains(&"SFATAL".to_string()), "{last:?}");
    let mut other = RawClient::connect(server.address()).await;
    assert_eq!(values(&other.query("SELECT count(*) FROM t").answers().await), ["0"]);
}

#[tokio::test]
async fn a_failed_block_is_one_to_idle_in_as_well() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("SET idle_in_transaction_session_timeout = 300").answers().await;
    client.query("BEGIN; SELECT 1 / 0").answers().await;
    assert_eq!(error(&client.until_ready().await).0, "25P03");
}

#[tokio::test]
async fn a_session_that_idles_is_ended_where_it_says_so() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("SET idle_session_timeout = 300").answers().await;
    assert_eq!(error(&client.until_ready().await).0, "57P05");
}
