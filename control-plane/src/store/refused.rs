//! Whether anybody listens where the database should be. A pool tries those who refuse again and again, for as long as a
//! connection may take; whoever asks should hear at once.

use std::future::pending;
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

/// A connection that is there, or can be made, takes less.
const SOON: Duration = Duration::from_millis(50);

/// Returns when it is known that nobody listens, else never.
pub(super) async fn refused(options: &PgConnectOptions) -> sqlx::Error {
    sleep(SOON).await;
    match knock(options).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => sqlx::Error::Io(error),
        _ => pending().await,
    }
}

async fn knock(options: &PgConnectOptions) -> io::Result<()> {
    let (host, port) = (options.get_host(), options.get_port());
    let dir = options.get_socket().map(|dir| dir.as_path());
    match dir.or_else(|| host.starts_with('/').then(|| Path::new(host))) {
        Some(dir) => UnixStream::connect(dir.join(format!(".s.PGSQL.{port}"))).await.map(drop),
        None => TcpStream::connect((host, port)).await.map(drop),
    }
}
