//! A whole request through a worker, from the client's socket to the provider's and back.
//!
//! One thread plays client and provider in turn, so that what is there to read is the same in every run, and allocates
//! nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bulkhead_model::Secret;
use tokio::sync::watch;

use super::rig::{Rig, secret};
use super::valgrind::rounds;
use crate::listener::{Crew, Drain, bind};
use crate::node::side_thread;

const KEYS: u64 = 10;
const EVENTS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "a workload: the fence runs it under valgrind"]
fn plain_requests() {
    Play::new(secret(3), false).rounds(Play::whole);
}

#[test]
#[ignore = "a workload: the fence runs it under valgrind"]
fn streams() {
    Play::new(secret(3), true).rounds(Play::stream);
}

#[test]
#[ignore = "a workload: the fence runs it under valgrind"]
fn bad_keys() {
    Play::new(secret(KEYS), false).rounds(Play::refused);
}

/// The gateway and both who talk to it.
struct Play {
    request: Vec<u8>,
    client: TcpStream,
    provider: TcpListener,
    connection: Option<TcpStream>,
    _rig: Rig,
    _stop: (watch::Sender<Drain>, watch::Sender<bool>),
}

impl Play {
    fn new(key: Secret, stream: bool) -> Self {
        let provider = TcpListener::bind("127.0.0.1:0").unwrap();
        let rig = Rig::new(KEYS, &format!("http://{}/v1", provider.local_addr().unwrap()));
        let (phase, drain) = watch::channel(Drain::No);
        let crew = Crew::start(vec![rig.worker.clone()], None, &drain).unwrap();
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bound = runtime.block_on(bind("127.0.0.1:0")).unwrap();
        let address = bound.address;
        side_thread("listener", async move { bound.accept(crew, stopped).await }).unwrap();
        let client = connect(address);
        let request = request(&key, stream);
        Self { request, client, provider, connection: None, _rig: rig, _stop: (phase, stop) }
    }

    fn rounds(mut self, round: fn(&mut Self)) {
        for _ in 0..rounds() {
            round(&mut self);
        }
    }

    /// The client asks, and the provider has heard it.
    fn ask(&mut self) -> &mut TcpStream {
        self.client.write_all(&self.request).unwrap();
        let accept = || told(self.provider.accept().unwrap().0);
        let connection = self.connection.get_or_insert_with(accept);
        // What the gateway adds to a body goes to its end.
        read_to(connection, "", b"}");
        connection
    }

    fn whole(&mut self) {
        self.ask().write_all(ANSWER).unwrap();
        read_to(&mut self.client, "200", b"}}");
    }

    /// A request with a key that nobody made, on a connection that stays open.
    fn refused(&mut self) {
        self.client.write_all(&self.request).unwrap();
        read_to(&mut self.client, "401", b"}}");
    }

    fn stream(&mut self) {
        self.ask().write_all(STREAM_HEAD).unwrap();
        for event in 0..EVENTS {
            let more = if event == 0 { FIRST_EVENT } else { EVENT };
            self.connection.as_mut().unwrap().write_all(more).unwrap();
            if event > 0 {
                read_to(&mut self.client, "200", b"\n\n\r\n");
            }
        }
        self.connection.as_mut().unwrap().write_all(STREAM_END).unwrap();
        read_to(&mut self.client, "200", b"\r\n0\r\n\r\n");
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    told(TcpStream::connect(address).unwrap())
}

fn told(socket: TcpStream) -> TcpStream {
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Reads until what was read ends like that. A head of an answer has to have this status.
fn read_to(socket: &mut TcpStream, status: &str, end: &[u8]) {
    let mut buffer = [0; 16 << 10];
    let mut len = 0;
    while !buffer[..len].ends_with(end) {
        let read = socket.read(&mut buffer[len..]).unwrap();
        let so_far = String::from_utf8_lossy(&buffer[..len]);
        assert!(read > 0, "the connection ended after {so_far}");
        len += read;
    }
    let text = std::str::from_utf8(&buffer[..len]).unwrap();
    let told = text.strip_prefix("HTTP/1.1 ");
    assert!(told.is_none_or(|told| told.starts_with(status)), "{text}");
}

/// 200 bytes of prompt, as clients of OpenAI's SDK send it.
fn request(key: &Secret, stream: bool) -> Vec<u8> {
    let prompt = "x".repeat(200);
    let stream = if stream { r#""stream":true,"# } else { "" };
    let model = super::rig::MODEL;
    let body =
        format!(r#"{{"model":"{model}",{stream}"messages":[{{"role":"user","content":"{prompt}"}}]}}"#);
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.example.com\r\naccept: application/json\r\n\
         content-type: application/json\r\nauthorization: Bearer {}\r\nuser-agent: OpenAI/Python 1.99.0\r\n\
         x-stainless-lang: python\r\nx-stainless-retry-count: 0\r\ncontent-length: {}\r\n\r\n{body}",
        key.expose(),
        body.len(),
    )
    .into_bytes()
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req-1\r\ndate: Sat, 21 Nov 2026 09:30:00 \
    GMT\r\ncontent-length: 417\r\n\r\n{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":17000000\
    00,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"cont\
    ent\":\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\
    \",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"service_tier\":\"default\",\"usage\":{\
    \"prompt_tokens\":60,\"completion_tokens\":25,\"total_tokens\":85}}";

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req-1\r\ndate: Sat, 21 No\
    v 2026 09:30:00 GMT\r\ntransfer-encoding: chunked\r\n\r\n";
const FIRST_EVENT: &[u8] = b"c9\r\ndata: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"g\
    pt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"fini\
    sh_reason\":null}]}\n\n\r\n";
const EVENT: &[u8] = b"bc\r\ndata: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"g\
    pt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"finish_reason\":null}\
    ]}\n\n\r\n";
const STREAM_END: &[u8] = b"17f\r\ndata: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"\
    gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\
    \":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini-2024-0\
    7-18\",\"choices\":[],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":20,\"total_tokens\":80}}\n\ndata\
    : [DONE]\n\n\r\n0\r\n\r\n";
