//! Who this is on AWS, for others: a signed request to AWS that they send themselves.

use std::time::SystemTime;

use serde_json::json;

use crate::aws::{self, Request, Scope};
use crate::machine::Machine;
use crate::unavailable::Unavailable;

/// Google's files name it so.
const URL: &str = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";

/// The subject token of Google's federation with AWS.
pub(crate) async fn signed(
    machine: &Machine,
    audience: &str,
    url: Option<&str>,
) -> Result<String, Unavailable> {
    let region = machine.environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]).ok_or_else(|| {
        Unavailable::until_changed("Google's federation with AWS needs the variable AWS_REGION, as us-east-1")
    })?;
    let keys = aws::ambient(machine, region).await?;
    let url = url.unwrap_or(URL).replace("{region}", region);
    let target = [("x-goog-cloud-target-resource", audience)];
    let request = Request { method: "POST", url: &url, headers: &target, body_hash: aws::NO_BODY };
    let wrong = |why: String| Unavailable::until_changed(format!("regional_cred_verification_url: {why}"));
    let signed = aws::sign(&request, &keys, Scope { region, service: "sts" }, SystemTime::now());
    let signed = signed.map_err(|error| wrong(error.to_string()))?;
    let host: http::Uri = url.parse().map_err(|_| wrong("it is no address".to_owned()))?;
    let host = host.host().unwrap_or_default();
    let headers =
        signed.iter().map(|(name, value)| (*name, value.as_str())).chain(target).chain([("host", host)]);
    let headers: Vec<_> = headers.map(|(key, value)| json!({"key": key, "value": value})).collect();
    let document = json!({"url": url, "method": "POST", "headers": headers}).to_string();
    Ok(form_urlencoded::byte_serialize(document.as_bytes()).collect())
}
