//! PostgreSQL, by its own tools: this crate speaks no SQL dialect to it but through `psql`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bulkhead_testkit::free_port;

use super::process::{command, signal};

/// A server of a test's own, to be killed and frozen.
pub(crate) struct Server {
    dir: PathBuf,
    port: u16,
}

static SERVERS: AtomicU32 = AtomicU32::new(0);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs a command to its end; what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.trim().to_owned()
}

impl Server {
    pub(crate) fn start() -> Self {
        let name = format!("fleet-{}-{}", std::process::id(), SERVERS.fetch_add(1, Ordering::Relaxed));
        let find = "source scripts/lib.sh; postgres_dir \"$0\"";
        let dir = run(Command::new("bash").current_dir(root()).args(["-c", find, &name]));
        let server = Self { dir: dir.into(), port: free_port() };
        server.launch();
        server
    }

    fn script(&self, verb: &str) -> Command {
        let mut command = Command::new(root().join("scripts/postgres"));
        // What the server inherits stays open for as long as it runs.
        command.arg(verb).arg(&self.dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        command
    }

    /// Starts it, or starts it again.
    pub(crate) fn launch(&self) {
        assert!(self.script("start").arg(self.port.to_string()).status().unwrap().success(), "PostgreSQL");
    }

    /// Ends it at once, connections or not.
    pub(crate) fn stop(&self) {
        assert!(self.script("stop").status().unwrap().success(), "PostgreSQL");
    }

    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// To the server and then to all that it has forked.
    fn signal(&self, name: &str) {
        let file = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap();
        let server: u32 = file.lines().next().unwrap().trim().parse().unwrap();
        signal(server, name);
        // Some may end meanwhile.
        for child in children_of(server) {
            let mut kill = Command::new("kill");
            let _ = kill.arg(format!("-{name}")).arg(child.to_string()).stderr(Stdio::null()).status();
        }
    }

    /// Lets this role in by its password only, from now on.
    pub(crate) fn ask_for_password(&self, role: &str) {
        let file = self.dir.join("data/pg_hba.conf");
        let others = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("host all {role} 127.0.0.1/32 scram-sha-256\n{others}")).unwrap();
        psql(&format!("{}/postgres", self.url()), "select pg_reload_conf()");
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://bulkhead@{}", self.addr())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.dir.join("data/postmaster.pid").exists() {
            self.thaw();
        }
        let _ = self.script("stop").status();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent_of = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold anything.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    pids.filter(|pid| parent_of(pid) == Some(parent)).collect()
}

/// A database with the schema, dropped with its owner.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// On the server that `scripts/with-postgres` started.
    pub(crate) fn shared() -> Self {
        let server = std::env::var("BULKHEAD_TEST_POSTGRES")
            .expect("no PostgreSQL: run `make test`, or scripts/with-postgres cargo nextest run");
        Self::on(&server)
    }

    /// On a server of one's own.
    pub(crate) fn on(server: &str) -> Self {
        let name = format!("fleet_{}_{}", std::process::id(), SERVERS.fetch_add(1, Ordering::Relaxed));
        let database = Self { server: server.to_owned(), name };
        database.create();
        run(&mut database.control_plane(&["migrate"]));
        database
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// The same by way of a proxy.
    pub(crate) fn url_through(&self, proxy: SocketAddr) -> String {
        format!("postgres://bulkhead@{proxy}/{}", self.name)
    }

    /// A command of the control plane on this database.
    pub(crate) fn control_plane(&self, args: &[&str]) -> Command {
        let mut command = command("control-plane");
        command.args(args).env("DATABASE_URL", self.url());
        command
    }

    pub(crate) fn join_token(&self) -> String {
        run(&mut self.control_plane(&["token", "create", "--group", "test"]))
    }

    pub(crate) fn execute(&self, statement: &str) {
        psql(&self.url(), statement);
    }

    /// Lets nobody write into a table for so long; they may read.
    pub(crate) fn lock(&self, table: &str, time: Duration) -> JoinHandle<()> {
        let seconds = time.as_secs_f64();
        let statement =
            format!("begin; lock table {table} in share row exclusive mode; select pg_sleep({seconds})");
        let url = self.url();
        std::thread::spawn(move || psql(&url, &statement))
    }

    /// The rows that a query gives, as text; null is empty.
    pub(crate) fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let mut psql = tool("psql");
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-F",
            "\t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.url(),
            "-c",
            query,
        ]);
        let output = run(&mut psql);
        output.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Writes a backup.
    pub(crate) fn dump(&self, file: &Path) {
        run(tool("pg_dump").arg("--dbname").arg(self.url()).arg("--file").arg(file));
    }

    /// Replaces what there is by a backup, whoever is connected.
    pub(crate) fn restore(&self, file: &Path) {
        self.drop_it();
        self.create();
        let mut psql = tool("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "--dbname", &self.url()]);
        run(psql.stdin(File::open(file).unwrap()));
    }

    fn create(&self) {
        psql(&format!("{}/postgres", self.server), &format!("create database {}", self.name));
    }

    fn drop_it(&self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        psql(&format!("{}/postgres", self.server), &statement);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.drop_it();
        }
    }
}

fn psql(url: &str, statement: &str) {
    run(tool("psql").args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement]));
}

/// A program of PostgreSQL, of the newest version there is.
fn tool(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists());
    Command::new(found.max().unwrap_or_else(|| name.into()))
}
