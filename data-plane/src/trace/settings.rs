//! What OpenTelemetry's variables say.

use bulkhead_config::Problem;
use bulkhead_config::flag::problem;
use http::{HeaderName, HeaderValue};

use super::sampler::Sampler;
use crate::flags::Peer;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";

/// Where spans go, which ones, and whose they are.
pub(crate) struct Settings {
    /// Its prefix is the whole path.
    pub(super) collector: Peer,
    /// They may hold a credential: sensitive.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) service: String,
    pub(super) sampler: Sampler,
}

impl Settings {
    /// Reads the variables; `None` where no endpoint is set.
    pub(crate) fn read<'e>(env: impl Fn(&str) -> Option<&'e str>) -> Result<Option<Self>, Problem> {
        let set = |name: &str| env(name).map(str::trim).filter(|text| !text.is_empty());
        if set("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let collector = match (set(TRACES_ENDPOINT), set(ENDPOINT)) {
            (Some(whole), _) => Peer::parse(TRACES_ENDPOINT, whole)?,
            (None, Some(base)) => {
                let mut peer = Peer::parse(ENDPOINT, base)?;
                peer.prefix.push_str("/v1/traces");
                peer
            }
            (None, None) => return Ok(None),
        };
        if let Some(other) = set(PROTOCOL).filter(|protocol| *protocol != "http/protobuf") {
            let what = format!("'{other}' is not spoken here");
            return Err(problem(PROTOCOL, what, "http/protobuf, with the collector's port for it (4318)"));
        }
        let sampler = Sampler::read(set(SAMPLER), set("OTEL_TRACES_SAMPLER_ARG")).ok_or_else(|| {
            problem(
                SAMPLER,
                "this sampler, or its argument, is not known",
                "parentbased_always_on, or parentbased_traceidratio with OTEL_TRACES_SAMPLER_ARG from 0 to 1",
            )
        })?;
        let service = set("OTEL_SERVICE_NAME").unwrap_or("bulkhead-data-plane").to_owned();
        Ok(Some(Self { collector, headers: headers(set(HEADERS).unwrap_or_default())?, service, sampler }))
    }
}

/// `name=value` with commas between; values may be percent-encoded. What is wrong is not quoted.
fn headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
    let wrong = || problem(HEADERS, "this is not a list of headers", "name=value,name=value");
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
            let name = name.trim().parse::<HeaderName>().map_err(|_| wrong())?;
            let mut value = HeaderValue::from_bytes(&decoded(value.trim())).map_err(|_| wrong())?;
            value.set_sensitive(true);
            Ok((name, value))
        })
        .collect()
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = (byte == b'%').then(|| after.first_chunk::<2>()).flatten();
        let code = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &'static str)]) -> Result<Option<Settings>, Problem> {
        Settings::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| *text))
    }

    #[test]
    fn the_variables_say_where_to_and_with_which_headers() {
        assert!(read(&[(HEADERS, "a=b")]).unwrap().is_none(), "no endpoint");
        assert!(read(&[(ENDPOINT, "http://c:4318"), ("OTEL_SDK_DISABLED", "true")]).unwrap().is_none());
        let settings = read(&[(ENDPOINT, "http://c:4318/x/"), (HEADERS, "authorization=Basic%20abc, b=%zz")]);
        let settings = settings.unwrap().unwrap();
        assert_eq!((settings.collector.target.port, &*settings.collector.prefix), (4318, "/x/v1/traces"));
        let values: Vec<_> = settings.headers.iter().map(|(_, value)| value.as_bytes()).collect();
        assert_eq!(values, [&b"Basic abc"[..], b"%zz"]);
        let whole = read(&[(TRACES_ENDPOINT, "https://c/api/traces")]).unwrap().unwrap();
        assert_eq!(&*whole.collector.prefix, "/api/traces");
    }

    #[test]
    fn what_is_wrong_is_said_and_not_quoted() {
        let endpoint = (ENDPOINT, "http://c:4318");
        for (variables, named) in [
            (&[(ENDPOINT, "c:4318")][..], ENDPOINT),
            (&[endpoint, (PROTOCOL, "grpc")], "4318"),
            (&[endpoint, (SAMPLER, "mine")], SAMPLER),
            (&[endpoint, (HEADERS, "hush")], HEADERS),
        ] {
            let problem = read(variables).err().unwrap().to_string();
            assert!(problem.contains(named) && !problem.contains("hush"), "{problem}");
        }
    }
}
