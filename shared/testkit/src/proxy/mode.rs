//! What a fault proxy does to its traffic, and how it is written in a line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What happens to connections and bytes. A mode holds for connections that are open already, too; whatever it counts
/// is counted from the moment it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing.
    #[default]
    Pass,
    /// The first bytes that come back after a request wait so long; those behind them follow at once.
    Delay(Duration),
    /// Each response waits `step` longer than the one before it, up to `max`.
    Ramp {
        /// What is added for each response.
        step: Duration,
        /// The longest wait.
        max: Duration,
    },
    /// Connections are accepted and read, nothing goes either way. What was held back (up to a megabyte in each
    /// direction) goes on when the mode is left, as it does when a network loses packets for a while.
    Blackhole,
    /// New connections are not accepted and the backlog is full, so that connecting hangs.
    StopAccepting,
    /// New connections are refused. Open ones stay; see `reset_connections`.
    Refuse,
    /// Both sides are reset when so many bytes have gone in this direction on a connection.
    ResetAfter {
        /// Which bytes are counted.
        direction: Direction,
        /// How many go through.
        bytes: u64,
    },
    /// After so many bytes, the receiver of this direction sees the end (FIN); the other direction goes on.
    HalfClose {
        /// Which direction ends.
        direction: Direction,
        /// How many bytes go through before.
        bytes: u64,
    },
    /// A connection that was idle for so long is forgotten: it stays open on both sides, and nothing ever comes
    /// through again.
    IdleForget(Duration),
    /// So many bytes a second, in each direction of each connection.
    Bandwidth(u64),
    /// The response byte at this offset is changed, once on each connection.
    Corrupt {
        /// Bytes that go through before it.
        offset: u64,
    },
    /// Each k-th new connection is reset as soon as it is accepted.
    CutEvery(u64),
}

/// A way through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Response => "response",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => write!(f, "pass"),
            Self::Delay(time) => write!(f, "delay {}", time.as_millis()),
            Self::Ramp { step, max } => write!(f, "ramp {} {}", step.as_millis(), max.as_millis()),
            Self::Blackhole => write!(f, "blackhole"),
            Self::StopAccepting => write!(f, "stop-accepting"),
            Self::Refuse => write!(f, "refuse"),
            Self::ResetAfter { direction, bytes } => write!(f, "rst-after {bytes} {direction}"),
            Self::HalfClose { direction, bytes } => write!(f, "half-close {bytes} {direction}"),
            Self::IdleForget(time) => write!(f, "idle-forget {}", time.as_millis()),
            Self::Bandwidth(bytes) => write!(f, "bandwidth {bytes}"),
            Self::Corrupt { offset } => write!(f, "corrupt {offset}"),
            Self::CutEvery(k) => write!(f, "cut-every {k}"),
        }
    }
}

/// A line that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no mode: write one of pass, delay MS, ramp STEP_MS [MAX_MS], blackhole, stop-accepting, refuse, \
     rst-after BYTES [request|response], half-close [BYTES] [request|response], idle-forget MS, bandwidth BYTES, \
     corrupt OFFSET, cut-every K"
)]
pub struct NoMode;

impl FromStr for Mode {
    type Err = NoMode;

    fn from_str(line: &str) -> Result<Self, NoMode> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["pass"] => Ok(Self::Pass),
            ["delay", ms] => Ok(Self::Delay(millis(ms)?)),
            ["ramp", step] => Ok(Self::Ramp { step: millis(step)?, max: Duration::MAX }),
            ["ramp", step, max] => Ok(Self::Ramp { step: millis(step)?, max: millis(max)? }),
            ["blackhole"] => Ok(Self::Blackhole),
            ["stop-accepting"] => Ok(Self::StopAccepting),
            ["refuse"] => Ok(Self::Refuse),
            ["rst-after", bytes, rest @ ..] => {
                Ok(Self::ResetAfter { bytes: number(bytes)?, direction: direction(rest)? })
            }
            ["half-close", rest @ ..] => match rest {
                [bytes, rest @ ..] if number(bytes).is_ok() => {
                    Ok(Self::HalfClose { bytes: number(bytes)?, direction: direction(rest)? })
                }
                _ => Ok(Self::HalfClose { bytes: 0, direction: direction(rest)? }),
            },
            ["idle-forget", ms] => Ok(Self::IdleForget(millis(ms)?)),
            ["bandwidth", bytes] => Ok(Self::Bandwidth(number(bytes)?.max(1))),
            ["corrupt", offset] => Ok(Self::Corrupt { offset: number(offset)? }),
            ["cut-every", k] => Ok(Self::CutEvery(number(k)?.max(1))),
            _ => Err(NoMode),
        }
    }
}

fn number(word: &str) -> Result<u64, NoMode> {
    word.parse().map_err(|_| NoMode)
}

fn millis(word: &str) -> Result<Duration, NoMode> {
    number(word).map(Duration::from_millis)
}

fn direction(words: &[&str]) -> Result<Direction, NoMode> {
    match words {
        [] | ["response"] => Ok(Direction::Response),
        ["request"] => Ok(Direction::Request),
        _ => Err(NoMode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_and_read_alike() {
        for line in [
            "pass",
            "delay 250",
            "ramp 10 500",
            "blackhole",
            "stop-accepting",
            "refuse",
            "rst-after 100 request",
            "half-close 0 response",
            "idle-forget 300",
            "bandwidth 1000",
            "corrupt 7",
            "cut-every 3",
        ] {
            assert_eq!(line.parse::<Mode>().map(|mode| mode.to_string()), Ok(line.to_owned()));
        }
        assert_eq!(
            "half-close request".parse(),
            Ok(Mode::HalfClose { direction: Direction::Request, bytes: 0 })
        );
        for line in ["", "delay", "delay x", "rst-after 1 up", "pass now"] {
            assert_eq!(line.parse::<Mode>(), Err(NoMode), "{line}");
        }
    }
}
