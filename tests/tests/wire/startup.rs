//! How connections begin, and who is not let in.

use slipstream_tests::{RawClient, TestServer};

use super::{error, kinds, server};

const VERSION_3_0: i32 = 3 << 16;
const VERSION_3_2: i32 = VERSION_3_0 + 2;
const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;

async fn refusal(server: &TestServer, version: i32, parameters: &[(&str, &str)]) -> String {
    let mut client = RawClient::open(server.address()).await;
    error(&client.startup(version, parameters).answers().await).0
}

#[tokio::test]
async fn encryption_is_declined_and_the_connection_goes_on() {
    let (server, _data) = server();
    let mut client = RawClient::open(server.address()).await;
    for request in [SSL_REQUEST, GSS_REQUEST] {
        client.packet(request, &[]).send().await;
        assert_eq!(client.read_byte().await, b'N');
    }
    let answers = client.startup(VERSION_3_0, &[("user", "postgres")]).answers().await;
    assert_eq!(kinds(&answers).trim_start_matches(['R', 'S']), "KZ");
}

#[tokio::test]
async fn bytes_behind_an_encryption_request_are_refused() {
    let (server, _data) = server();
    let mut client = RawClient::open(server.address()).await;
    let answers = client.packet(SSL_REQUEST, &[]).startup(VERSION_3_0, &[("user", "postgres")]).answers().await;
    assert_eq!(error(&answers).0, "08P01");
    assert_eq!(kinds(&answers), "E");
}

#[tokio::test]
async fn unknown_users_databases_and_protocols_are_refused() {
    let (server, _data) = server();
    assert_eq!(refusal(&server, VERSION_3_0, &[("user", "alice"), ("database", "other")]).await, "3D000");
    assert_eq!(refusal(&server, VERSION_3_0, &[]).await, "28000");
    assert_eq!(refusal(&server, VERSION_3_0, &[("user", "postgres"), ("database", "other")]).await, "3D000");
    assert_eq!(refusal(&server, 2 << 16, &[("user", "postgres")]).await, "0A000");
    let nonsense = [("user", "postgres"), ("no_such_setting", "1")];
    assert_eq!(refusal(&server, VERSION_3_0, &nonsense).await, "42704");
}

#[tokio::test]
async fn newer_minor_protocols_are_talked_down() {
    let (server, _data) = server();
    let mut client = RawClient::open(server.address()).await;
    let answers = client.startup(VERSION_3_2, &[("user", "postgres"), ("_pq_.wish", "1")]).answers().await;
    assert_eq!(answers[0].kind, b'v');
    assert_eq!(answers[0].body[..8], [VERSION_3_0.to_be_bytes(), 1i32.to_be_bytes()].concat());
    assert_eq!(answers.last().map(|message| message.kind), Some(b'Z'));
}

#[tokio::test]
async fn the_settings_that_drivers_need_are_reported() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let reported = |name: &str| {
        client.parameters.iter().find(|parameter| parameter.0 == name).map(|parameter| parameter.1.clone())
    };
    assert!(reported("server_version").expect("a version").starts_with("16."));
    for (name, value) in [
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("is_superuser", "on"),
    ] {
        assert_eq!(reported(name).as_deref(), Some(value), "{name}");
    }
    let answers = client.query("SET TimeZone = 'Europe/Berlin'").answers().await;
    assert_eq!(kinds(&answers), "SCZ");
    assert_eq!(answers[0].strings()[..2], ["TimeZone", "Europe/Berlin"]);
}

#[tokio::test]
async fn startup_settings_hold_in_the_session() {
    let (server, _data) = server();
    let client = server
        .try_connect("user=postgres dbname=postgres application_name=probe options='-c TimeZone=Asia/Tokyo'")
        .await
        .expect("a client is let in");
    let shown = client.query_one("SHOW TimeZone", &[]).await.expect("a setting");
    assert_eq!(shown.get::<_, &str>(0), "Asia/Tokyo");
    let shown = client.query_one("SHOW application_name", &[]).await.expect("a setting");
    assert_eq!(shown.get::<_, &str>(0), "probe");
}

#[tokio::test]
async fn one_connection_too_many_is_53300() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start_with(data.path(), &["--max-connections", "1"]);
    let first = RawClient::connect(server.address()).await;
    assert_eq!(refusal(&server, VERSION_3_0, &[("user", "postgres")]).await, "53300");
    drop(first);
    server.wait_for_log("session ends");
    RawClient::connect(server.address()).await;
}

#[tokio::test]
async fn other_machines_are_not_listened_to() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let log = TestServer::try_start(data.path(), &["--listen", "0.0.0.0:0"]).err().expect("a refusal");
    assert!(log.contains("only loopback addresses are allowed"), "{log}");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let (server, data) = server();
    let log = TestServer::try_start(data.path(), &[]).err().expect("a refusal");
    assert!(log.contains("another") || log.contains("lock"), "{log}");
    server.stop();
    TestServer::start(data.path());
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let answers = client.bytes(b"!\0\0\0\x04").answers().await;
    assert_eq!(error(&answers).0, "08P01");
    let mut stranger = RawClient::open(server.address()).await;
    stranger.bytes(b"GET / HTTP/1.1\r\n\r\n").send().await;
    stranger.until_ready().await;
    RawClient::connect(server.address()).await;
}
