//! How long to wait for what.

use std::time::Duration;

use bulkhead_model::rows::{DeploymentRow, SettingsRow};

/// How long to wait for what (requirements R-110).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect.
    pub connect: Duration,
    /// From sending to the first byte of an answer that does not stream.
    pub first_byte: Duration,
    /// From sending to the first byte of a stream.
    pub stream_first_byte: Duration,
    /// From one byte to the next of an answer that does not stream.
    pub idle: Duration,
    /// From one byte to the next of a stream.
    pub stream_idle: Duration,
    /// From sending to the end of an answer that does not stream.
    pub total: Duration,
    /// From sending to the end of a stream.
    pub stream_total: Duration,
}

pub(crate) fn timeouts(row: &DeploymentRow, settings: &SettingsRow) -> Timeouts {
    let total = row.timeout.unwrap_or(settings.request_timeout);
    let of_stream = row.stream_timeout.or(row.timeout).or(settings.stream_timeout).unwrap_or(total);
    let idle = row.idle_timeout.or(settings.idle_timeout);
    let first_byte = row.first_byte_timeout.or(settings.first_byte_timeout);
    Timeouts {
        connect: row.connect_timeout.unwrap_or(settings.connect_timeout),
        first_byte: first_byte.unwrap_or(total),
        stream_first_byte: first_byte.unwrap_or(of_stream),
        idle: idle.unwrap_or(total),
        stream_idle: idle.unwrap_or(of_stream),
        total,
        stream_total: settings.request_timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::tests::deployment;

    #[test]
    fn each_time_is_the_deployments_else_the_settings_else_follows_from_another() {
        let secs = Duration::from_secs;
        let mut row = deployment("g", "gpt-4o", "openai");
        let mut settings = SettingsRow { request_timeout: secs(600), ..SettingsRow::default() };
        let plain = Timeouts {
            connect: secs(10),
            first_byte: secs(600),
            stream_first_byte: secs(600),
            idle: secs(600),
            stream_idle: secs(600),
            total: secs(600),
            stream_total: secs(600),
        };
        assert_eq!(timeouts(&row, &settings), plain);

        settings.stream_timeout = Some(secs(60));
        let streams = Timeouts { stream_first_byte: secs(60), stream_idle: secs(60), ..plain };
        assert_eq!(timeouts(&row, &settings), streams);

        settings.first_byte_timeout = Some(secs(20));
        settings.idle_timeout = Some(secs(30));
        let said = Timeouts {
            first_byte: secs(20),
            stream_first_byte: secs(20),
            idle: secs(30),
            stream_idle: secs(30),
            ..plain
        };
        assert_eq!(timeouts(&row, &settings), said);

        row.timeout = Some(secs(5));
        row.connect_timeout = Some(secs(1));
        row.first_byte_timeout = Some(secs(2));
        row.idle_timeout = Some(secs(3));
        let own = Timeouts {
            connect: secs(1),
            first_byte: secs(2),
            stream_first_byte: secs(2),
            idle: secs(3),
            stream_idle: secs(3),
            total: secs(5),
            stream_total: secs(600),
        };
        assert_eq!(timeouts(&row, &settings), own);
    }
}
