//! Requests as bytes.

use bytes::Bytes;

/// A request that is written exactly as it was built: nothing is added but the framing of the body.
#[derive(Debug, Clone)]
pub struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Length(Vec<u8>),
    Chunks(Vec<Vec<u8>>),
}

impl Request {
    /// `GET`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST`.
    pub fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    /// Any method. A `host` header is there already.
    pub fn new(method: &str, target: &str) -> Self {
        let headers = vec![("host".to_owned(), "localhost".to_owned())];
        Self { line: format!("{method} {target} HTTP/1.1"), headers, body: Body::None }
    }

    /// Adds a header; the order and spelling are kept.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// Adds Anthropic's key and version headers.
    #[must_use]
    pub fn anthropic(self, key: &str) -> Self {
        self.header("x-api-key", key).header("anthropic-version", "2023-06-01")
    }

    /// A JSON body with its length.
    #[must_use]
    pub fn json(self, body: impl Into<String>) -> Self {
        self.header("content-type", "application/json").body(body.into())
    }

    /// A body with its length.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Length(body.into());
        self
    }

    /// A body without a length, in these chunks.
    #[must_use]
    pub fn chunks<B: Into<Vec<u8>>>(mut self, chunks: impl IntoIterator<Item = B>) -> Self {
        self.body = Body::Chunks(chunks.into_iter().map(Into::into).collect());
        self
    }

    /// The head, up to and including the empty line.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.body {
            Body::None => {}
            Body::Length(body) => head.push_str(&format!("content-length: {}\r\n", body.len())),
            Body::Chunks(_) => head.push_str("transfer-encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The same over HTTP/2: the head, and the body if there is one.
    pub(super) fn over_http2(&self) -> (http::Request<()>, Option<Bytes>) {
        let mut line = self.line.split(' ');
        let (method, target) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
        let host = self.headers.iter().find(|(name, _)| name == "host").map_or("localhost", |(_, host)| host);
        let mut head = http::Request::builder().method(method).uri(format!("http://{host}{target}"));
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "host") {
            head = head.header(name, value);
        }
        let body = match &self.body {
            Body::None => None,
            Body::Length(body) => Some(Bytes::copy_from_slice(body)),
            Body::Chunks(chunks) => Some(chunks.concat().into()),
        };
        (head.body(()).expect("a request"), body)
    }

    /// The whole request.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        match &self.body {
            Body::None => {}
            Body::Length(body) => bytes.extend_from_slice(body),
            Body::Chunks(chunks) => {
                for chunk in chunks {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }
}
