//! AWS's SDK on this crate's network.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use tokio::time::timeout;

use crate::network::Network;

/// Where the SDK does not set its own limits, as it does for metadata services.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// What the SDK sends by.
pub(super) fn http_client(network: &Network) -> SharedHttpClient {
    let network = network.clone();
    http_client_fn(move |settings, _| {
        SharedHttpConnector::new(Connector { network: network.clone(), longest: longest(settings) })
    })
}

fn longest(settings: &HttpConnectorSettings) -> Duration {
    let connect = settings.connect_timeout().unwrap_or_default();
    settings.read_timeout().map_or(LONGEST_ANSWER, |read| connect + read)
}

struct Connector {
    network: Network,
    longest: Duration,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (network, longest) = (self.network.clone(), self.longest);
        HttpConnectorFuture::new(async move {
            let answer = network.send(outgoing(request).map_err(ConnectorError::user)?);
            match timeout(longest, answer).await {
                Ok(Ok(answer)) => incoming(answer).map_err(|error| ConnectorError::other(error, None)),
                Ok(Err(trouble)) => Err(ConnectorError::io(trouble.into())),
                Err(elapsed) => Err(ConnectorError::timeout(elapsed.into())),
            }
        })
    }
}

fn outgoing(request: HttpRequest) -> Result<reqwest::Request, Box<dyn Error + Send + Sync>> {
    let body = request.body().bytes().ok_or("the SDK sends a stream")?.to_vec();
    let request = request.try_into_http1x()?.map(|_| body);
    Ok(request.try_into()?)
}

fn incoming(answer: crate::network::Answer) -> Result<HttpResponse, Box<dyn Error + Send + Sync>> {
    let mut response = http::Response::new(SdkBody::from(answer.body));
    *response.status_mut() = http::StatusCode::from_u16(answer.status)?;
    *response.headers_mut() = answer.headers;
    Ok(response.try_into()?)
}
