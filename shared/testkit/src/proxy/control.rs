//! The control socket: a line in, a line out.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::Control;
use super::mode::Mode;

/// Serves control connections.
pub(crate) async fn serve(listener: TcpListener, control: Control) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, control.clone()));
        }
    }
}

async fn converse(mut stream: TcpStream, control: Control) {
    let (reads, mut writes) = stream.split();
    let mut lines = BufReader::new(reads).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = answer(&control, line.trim());
        if writes.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(control: &Control, line: &str) -> String {
    match line {
        "stats" => control.stats().json().to_string(),
        "mode" => control.mode().to_string(),
        "reset-connections" => {
            control.reset_connections();
            "ok".to_owned()
        }
        line => match line.parse::<Mode>() {
            Ok(mode) => {
                control.set(mode);
                "ok".to_owned()
            }
            Err(error) => format!("error: {error}; or stats, mode, reset-connections"),
        },
    }
}
