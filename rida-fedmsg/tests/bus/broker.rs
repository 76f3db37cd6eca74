//! A RabbitMQ of the tests' own, started once in this process: on loopback, in a temporary folder.

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rida_fedmsg::amqp::AmqpLink;
use rida_test_keeper::Home;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

use crate::programs::Program;
use crate::{authority, free_port};

/// How long it may take to start, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(180);

/// The broker. Who has it has it alone.
pub(crate) struct Broker {
    /// Ends it when this process does, however it does: its standard input ends then.
    program: Program,
    port: u16,
    tls_port: u16,
    home: Home,
    is_running: bool,
}

/// Returns the broker, running.
pub(crate) async fn broker() -> MutexGuard<'static, Broker> {
    static BROKER: OnceLock<Mutex<Broker>> = OnceLock::new();
    let mut broker = BROKER.get_or_init(|| Mutex::new(Broker::new())).lock().await;
    if !broker.is_running {
        broker.start().await;
        // Of whom the certificate tells who it is, and who may publish under one prefix only.
        broker.control("add_user rida no-password-login");
        broker.control("clear_password rida");
        broker.control("set_permissions rida ^rida ^(rida|amq\\.topic$) ^(rida|amq\\.topic$)");
        broker.control("set_topic_permissions rida amq.topic ^org\\.fedoraproject\\.stg\\. .*");
    }
    broker
}

impl Broker {
    fn new() -> Self {
        let home = Home::new();
        let (port, tls_port) = (free_port(), free_port());
        // Tests of the server use this, too, from their own package.
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../rida-fedmsg/tests/broker.sh");
        let mut command = Command::new(script);
        command.arg(home.path()).args([port, tls_port, free_port(), free_port()].map(|port| port.to_string()));
        command.arg(authority(""));
        Self { program: Program::start(&mut command), port, tls_port, home, is_running: false }
    }

    /// Starts it, on what an earlier run left.
    pub(crate) async fn start(&mut self) {
        self.order("start");
        let start = Instant::now();
        while !answers(self.port).await {
            assert!(start.elapsed() < START, "the broker does not start:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.is_running = true;
    }

    /// Ends it at once, as a crash of its machine would.
    pub(crate) fn kill(&mut self) {
        self.order("kill");
        self.is_running = false;
    }

    /// Has its own program do something.
    pub(crate) fn control(&mut self, words: &str) {
        self.order(&format!("control {words}"));
    }

    fn order(&mut self, order: &str) {
        self.program.say_line(order);
        self.program.line(|line| line == "done");
    }

    fn log(&mut self) -> String {
        let log = std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
        format!("{log}\n{}\nrun scripts/setup.sh test if RabbitMQ is not here", self.program.said())
    }

    /// Returns the address for the default user.
    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Returns how the default user connects.
    pub(crate) fn link(&self) -> AmqpLink {
        AmqpLink { url: self.url(), ..AmqpLink::default() }
    }

    /// Returns how one connects who is known by a certificate.
    pub(crate) fn tls_link(&self, certificate: &str, authority_file: &str) -> AmqpLink {
        AmqpLink {
            url: format!("amqps://localhost:{}/%2f?auth_mechanism=external", self.tls_port),
            authority: Some(authority(authority_file)),
            identity: Some((authority(&format!("{certificate}.crt")), authority(&format!("{certificate}.key")))),
        }
    }

    /// Returns the address with TLS as Python takes it.
    pub(crate) fn tls_url(&self) -> String {
        format!("amqps://localhost:{}/%2f", self.tls_port)
    }
}

/// Tells whether a broker speaks AMQP at a port.
async fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut byte = [0];
    let asked = async {
        stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
        stream.read_exact(&mut byte).await
    };
    // A method frame: what starts a connection.
    matches!(tokio::time::timeout(Duration::from_secs(5), asked).await, Ok(Ok(_))) && byte == [1]
}
