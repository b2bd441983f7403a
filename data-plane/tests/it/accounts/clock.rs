//! A machine whose clock is not AWS's.

use std::time::{Duration, SystemTime};

use super::*;

/// The time in an `x-amz-date`.
fn signed_at(asked: &Asked) -> SystemTime {
    let date = header(asked, "x-amz-date").unwrap();
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &date).unwrap();
    date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().into()
}

/// AWS, whose clock is ahead by so much: it refuses what is signed over five minutes before or after, in AWS's words.
async fn ahead(by: Duration, says: &'static str, dated: bool) -> Upstream {
    Upstream::start(move |asked| {
        let now = SystemTime::now() + by;
        let (signed, far) = (signed_at(asked), Duration::from_secs(300));
        if signed + far >= now && signed <= now + far {
            return converse(asked);
        }
        let body = json!({"message": says}).to_string();
        let date = httpdate::fmt_http_date(now);
        let mut headers =
            vec![("x-amzn-errortype", "InvalidSignatureException:http://internal.amazon.com/x")];
        headers.extend(dated.then_some(("date", date.as_str())));
        vec![Step::Send(answer("403 Forbidden", &headers, &body))]
    })
    .await
}

const EXPIRED: &str = "Signature expired: 20260101T000000Z is now earlier than 20260101T015500Z";

#[tokio::test]
async fn what_was_signed_by_a_wrong_clock_is_signed_again_by_awss() {
    let upstream = ahead(Duration::from_secs(7200), EXPIRED, true).await;
    let gateway = Gateway::with(with_keys(bedrock(&upstream)).text()).start().await;
    for _ in 0..3 {
        let answer = gateway.post("/model/claude/converse", MASTER, prompt("Hi").to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-litellm-attempted-retries"), Some("0"));
    }
    let asked = upstream.asked();
    assert_eq!(asked.len(), 4, "the first one twice, and the clock is known then");
    asked.iter().for_each(|asked| assert_signed(asked, STATIC));
    let records = gateway.usage_of(3).await;
    assert!(records.iter().all(|record| record["status"] == "success"), "{records:?}");
}

/// The signature is wrong for another reason, or nobody says what time it is, or it is not believed.
#[tokio::test]
async fn what_is_not_about_the_time_is_refused_as_it_was() {
    let two_hours = Duration::from_secs(7200);
    for (by, says, dated) in [
        (two_hours, "The request signature we calculated does not match the signature you provided.", true),
        (two_hours, EXPIRED, false),
        (two_hours * 24, EXPIRED, true),
    ] {
        let upstream = ahead(by, says, dated).await;
        let gateway = Gateway::with(with_keys(bedrock(&upstream)).text()).start().await;
        let answer = gateway.post("/model/claude/converse", MASTER, prompt("Hi").to_string()).await;
        assert_eq!((answer.status, upstream.asked().len()), (502, 1), "{says}: {}", answer.text());
    }
}
