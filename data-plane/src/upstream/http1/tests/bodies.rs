//! Bodies: framing, ends, and what breaks them.

use proptest::prelude::*;
use tokio::net::{TcpListener, TcpStream};

use super::super::framing::{Chunks, Framing};
use super::super::{LARGE, READ};
use super::*;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_anywhere_is_broken_and_what_came_is_its_beginning() {
    let bodies = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "abcde"),
        (CHUNKED, "3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n"),
    ];
    for (head, body) in bodies {
        for end in 0..body.len() {
            let text = [head.as_bytes(), &body.as_bytes()[..end]].concat();
            let outcome = answered(Method::POST, [&*text], true).await.unwrap();
            assert_eq!(outcome.end, End::Broken, "{}", text.escape_ascii());
            assert!(b"abcde".starts_with(&outcome.body));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_is_none_breaks_the_answer_after_what_was_good() {
    let long = format!("2;{}\r\nde\r\n0\r\n\r\n", "x".repeat(16 << 10));
    let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(5 << 10));
    let chunks = [
        "\r\nde",
        "2\nde\r\n0\r\n\r\n",
        "2\r\nde0\r\n\r\n",
        "2\r\ndef\r\n0\r\n\r\n",
        "2\r\nde\n0\r\n\r\n",
        "2\r\rde",
        "2 x\r\nde\r\n",
        " 2\r\nde\r\n",
        "-2\r\nde\r\n",
        "0x2\r\nde\r\n",
        "2;a\nde\r\n",
        "0\r\n\n",
        "0\r\na: b\n\r\n",
        "0\r\n\rx",
        "10000000000000000\r\nde\r\n",
        "ffffffffffffffff1\r\nde\r\n",
        "00000000000000002\r\nde\r\n",
        &long,
        &trailers,
    ];
    for chunk in chunks {
        let pieces = [CHUNKED, "3\r\nabc\r\n", chunk].map(str::as_bytes);
        let outcome = answered(Method::POST, pieces, false).await.unwrap();
        assert_eq!(outcome, got(200, "abc", End::Broken), "{chunk:.40?}");
        // With the head in one read, too.
        let outcome = said(pieces.concat()).await.unwrap();
        assert_eq!(outcome.end, End::Broken, "{chunk:.40?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_more_than_the_answer_is_not_used_again() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
        format!("{CHUNKED}2\r\n{{}}\r\n0\r\n\r\n"),
    ];
    for answer in answers {
        let more = format!("{answer}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(said(&answer).await.unwrap(), got(200, "{}", End::Usable));
        for split in 1..more.len() {
            let (first, second) = more.split_at(split);
            let pieces = [first, second].map(str::as_bytes);
            let (mut connection, mut peer) = pair(64 << 10);
            let (answer, ()) = tokio::join!(connection.send(ask()), async {
                hear(&mut peer, BODY).await;
                for piece in pieces {
                    peer.write_all(piece).await.unwrap();
                }
            });
            assert_eq!(read(&mut connection, answer.unwrap()).await, got(200, "{}", End::Used));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_closes_or_speaks_is_not_used_again() {
    for word in [&b""[..], b"\r\n"] {
        let (mut connection, mut peer) = pair(64 << 10);
        assert!(usable(&mut connection).await);
        peer.write_all(word).await.unwrap();
        drop(peer);
        assert!(!usable(&mut connection).await);
    }
}

/// Sends an answer through a real socket as fast as it goes.
async fn flood(text: Vec<u8>) -> (Got, Vec<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    let mut connection = Connection::new(Wire::plain(socket));
    let flood = tokio::spawn(async move {
        peer.read_exact(&mut [0; 20]).await.unwrap();
        peer.write_all(&text).await.unwrap();
        peer
    });
    let answer = connection.send(ask()).await.unwrap();
    let (mut body, mut sizes) = (Vec::new(), Vec::new());
    while let Some(chunk) =
        timeout(PATIENCE, std::future::poll_fn(|cx| connection.poll_chunk(cx))).await.expect("no end")
    {
        let chunk = chunk.unwrap();
        sizes.push(chunk.len());
        body.extend_from_slice(&chunk);
        // Slower than the peer.
        tokio::task::yield_now().await;
    }
    let end = if usable(&mut connection).await { End::Usable } else { End::Used };
    drop(flood.await.unwrap());
    (Got { status: answer.status(), body, end }, sizes)
}

#[tokio::test]
async fn much_data_is_read_in_large_pieces_and_little_of_it_is_not() {
    let body: Vec<u8> = (0..8 << 20).map(|n: u32| n.to_le_bytes()[(n % 3) as usize]).collect();
    let length = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    let size = format!("{CHUNKED}{:x}\r\n", body.len()).into_bytes();
    for text in [[&length, &*body].concat(), [&size, &*body, b"\r\n0\r\n\r\n"].concat()] {
        let (got, sizes) = flood(text).await;
        assert!(got.body == body, "{} bytes of {}", got.body.len(), body.len());
        assert_eq!((got.status, got.end), (StatusCode::OK, End::Usable));
        assert_eq!(*sizes.iter().max().unwrap(), LARGE);
    }
    let small = body[..READ].chunks(64).map(|chunk| [b"40\r\n", chunk, b"\r\n"].concat());
    let (got, sizes) =
        flood([CHUNKED.as_bytes(), &small.collect::<Vec<_>>().concat(), b"0\r\n\r\n"].concat()).await;
    assert!(got.body == body[..READ] && got.end == End::Usable);
    assert!(sizes.len() < READ / 64 / 4, "chunks that are there together are given out together: {sizes:?}");
}

/// A body in chunks, as one may write them.
fn chunked() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let chunk =
        (prop::collection::vec(any::<u8>(), 1..40), "0{0,4}", "[ \t]{0,2}(;[a-z\"=]{0,5})?", any::<bool>());
    let trailer = "[a-z]{1,5}: [a-z]{0,9}";
    (prop::collection::vec(chunk, 0..12), prop::collection::vec(trailer, 0..3)).prop_map(
        |(chunks, trailers)| {
            let (mut body, mut text) = (Vec::new(), Vec::new());
            for (data, zeros, extension, upper) in chunks {
                let size = if upper { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
                text.extend_from_slice(format!("{zeros}{size}{extension}\r\n").as_bytes());
                text.extend_from_slice(&data);
                text.extend_from_slice(b"\r\n");
                body.extend_from_slice(&data);
            }
            text.extend_from_slice(b"0\r\n");
            for trailer in trailers {
                text.extend_from_slice(format!("{trailer}\r\n").as_bytes());
            }
            text.extend_from_slice(b"\r\n");
            (body, text)
        },
    )
}

/// Reads bytes that come in pieces of these sizes, over and over.
fn read_in_pieces(text: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, usize), Http1Error> {
    let mut framing = Framing::Chunked(Chunks::default());
    let (mut body, mut at) = (Vec::new(), 0);
    for size in sizes.iter().cycle() {
        if framing.is_over() || at == text.len() {
            break;
        }
        let mut piece = text[at..text.len().min(at + size)].to_vec();
        let found = framing.find(&mut piece)?;
        body.extend_from_slice(&piece[found.data]);
        at += found.taken;
    }
    assert!(framing.is_over() || at == text.len());
    Ok((body, at))
}

proptest! {
    #[test]
    fn however_a_body_is_chunked_and_cut_it_is_the_same(
        (body, mut text) in chunked(),
        sizes in prop::collection::vec(1..50usize, 1..8),
    ) {
        let len = text.len();
        text.extend_from_slice(b"HTTP/1.1");
        prop_assert_eq!(read_in_pieces(&text, &sizes).unwrap(), (body, len));
    }

    #[test]
    fn bytes_by_chance_are_read_the_same_however_they_are_cut(
        (_, mut text) in chunked(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        sizes in prop::collection::vec(1..50usize, 1..8),
    ) {
        for (place, byte) in noise {
            let place = place.index(text.len());
            text[place] = byte;
        }
        let whole = read_in_pieces(&text, &[text.len()]);
        let parts = read_in_pieces(&text, &sizes);
        prop_assert_eq!(whole.is_ok(), parts.is_ok());
        if let (Ok(whole), Ok(parts)) = (whole, parts) {
            prop_assert_eq!(whole, parts);
        }
    }
}
