//! Findings as lines of the Elastic Common Schema (<https://www.elastic.co/docs/reference/ecs>), for log pipelines.
//!
//! What the schema has a field for stands there; our own words stand under `whyrst`.

use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{ConnectionRow, Cost, Endpoint, Finding, Report};
use crate::time::Interval;
use crate::verdict::Harm;

/// The schema's version that the fields are taken from.
const ECS_VERSION: &str = "9.0.0";

/// Writes one line per finding: resets, then hang-ups; then one per connection, where they were asked for.
pub fn write_ecs(report: &Report, mut to: impl Write) -> io::Result<()> {
    let findings = report.findings().map(|finding| event(report, finding));
    let connections = report.connections.iter().flatten();
    for line in findings.chain(connections.map(|row| connection(report, row))) {
        serde_json::to_writer(&mut to, &line)?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

fn event(report: &Report, finding: &Finding) -> Value {
    let id = &finding.connection;
    let mut event = json!({
        "@timestamp": finding.at,
        "ecs": { "version": ECS_VERSION },
        "message": finding.explanation,
        "event": about(finding),
        "source": end(&id.client),
        "destination": end(&id.server),
        "client": end(&id.client),
        "server": end(&id.server),
        "network": network(finding),
        "related": { "ip": [id.client.addr, id.server.addr] },
        "whyrst": own(finding),
    });
    add_observer(&mut event, report, finding.capture);
    add_request(&mut event, finding);
    event
}

/// A connection; Zeek's words for it stand under `whyrst`.
fn connection(report: &Report, row: &ConnectionRow) -> Value {
    let nanos = (row.duration_s.max(0.0) * 1e9).round() as i64;
    let end_of = |endpoint, packets, bytes| {
        let mut end = end(endpoint);
        end["packets"] = json!(packets);
        end["bytes"] = json!(bytes);
        end
    };
    let client = end_of(&row.client, row.client_packets, row.client_bytes);
    let server = end_of(&row.server, row.server_packets, row.server_bytes);
    let mut own = json!({
        "stream": row.stream,
        "conn_state": row.conn_state,
        "history": row.history,
    });
    if let Some(finding) = &row.finding {
        own["finding"] = json!(finding);
    }
    let mut event = json!({
        "@timestamp": row.opened,
        "ecs": { "version": ECS_VERSION },
        "event": {
            "kind": "event",
            "category": ["network"],
            "type": ["connection", "info"],
            "module": "whyrst",
            "dataset": "whyrst.connection",
            "start": row.opened,
            "end": row.opened + Interval::from_nanos(nanos),
            "duration": nanos,
        },
        "source": client,
        "destination": server,
        "client": client,
        "server": server,
        "network": {
            "transport": "tcp",
            "type": family(&row.server),
            "packets": row.client_packets.saturating_add(row.server_packets),
            "bytes": row.client_bytes.saturating_add(row.server_bytes),
        },
        "related": { "ip": [row.client.addr, row.server.addr] },
        "whyrst": own,
    });
    add_observer(&mut event, report, row.capture);
    event
}

fn add_observer(event: &mut Value, report: &Report, capture: u16) {
    event["observer"] = json!({
        "vendor": "whyrst",
        "product": report.tool.name,
        "version": report.tool.version,
        "type": "sensor",
    });
    if let Some(capture) = report.captures.get(usize::from(capture)) {
        event["log"] = json!({ "file": { "path": capture.path } });
        if let Some(vantage) = &capture.vantage {
            event["observer"]["name"] = json!(vantage);
        }
    }
}

/// `event.*`: allowed values of kind, category, type and outcome are the schema's.
fn about(finding: &Finding) -> Value {
    let kind = if finding.harm == Harm::Refused {
        "denied"
    } else {
        "end"
    };
    let (outcome, severity) = match Cost::of(finding) {
        Cost::Nothing => ("success", 1),
        Cost::Unclear => ("unknown", 1),
        Cost::Refused => ("failure", 2),
        Cost::RequestLost | Cost::ResponseTruncated => ("failure", 3),
        Cost::OutcomeUnknown => ("unknown", 4),
    };
    json!({
        "kind": "event",
        "category": ["network"],
        "type": ["connection", kind],
        "module": "whyrst",
        "dataset": "whyrst.finding",
        "id": finding.id,
        "action": finding.cause,
        "outcome": outcome,
        "severity": severity,
        "reason": finding.explanation,
        "start": id_start(finding),
        "end": finding.last.unwrap_or(finding.at),
        "duration": (finding.at - finding.connection.opened).as_nanos().max(0),
    })
}

fn id_start(finding: &Finding) -> crate::Timestamp {
    finding.first.unwrap_or(finding.connection.opened)
}

fn end(endpoint: &Endpoint) -> Value {
    json!({ "address": endpoint.addr, "ip": endpoint.addr, "port": endpoint.port })
}

fn family(endpoint: &Endpoint) -> &'static str {
    match endpoint.addr {
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(_) => "ipv6",
    }
}

fn network(finding: &Finding) -> Value {
    let id = &finding.connection;
    let mut network = json!({
        "transport": "tcp",
        "type": family(&id.server),
        "community_id": id.community_id,
    });
    if let Some(request) = &finding.request
        && let Ok(Value::String(protocol)) = serde_json::to_value(request.protocol)
        && protocol != "unknown"
    {
        // `http/1.1` is `http` here; its version stands in `http.version`.
        let name = protocol.split('/').next().unwrap_or(&protocol);
        network["protocol"] = json!(name);
    }
    network
}

fn add_request(event: &mut Value, finding: &Finding) {
    let Some(request) = &finding.request else {
        return;
    };
    if let Some(name) = &request.server_name {
        event["tls"] = json!({ "client": { "server_name": name } });
    }
    let Ok(Value::String(protocol)) = serde_json::to_value(request.protocol) else {
        return;
    };
    let Some(version) = protocol.strip_prefix("http/") else {
        return;
    };
    event["http"] = json!({ "version": version });
    if let Some((method, path)) = request.summary.as_deref().and_then(|s| s.split_once(' ')) {
        event["http"]["request"] = json!({ "method": method });
        event["url"] = json!({ "path": path });
    }
}

/// What the schema has no field for, in the report's own words; what is not known is absent.
fn own(finding: &Finding) -> Value {
    let mut own = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|v| !v.is_null()) {
            own.insert(name.to_owned(), value);
        }
    };
    put("cause", Some(json!(finding.cause)));
    put("confidence", Some(json!(finding.confidence)));
    put("detail", Some(json!(finding.detail)));
    put("harm", Some(json!(finding.harm)));
    put("harm_unclear", finding.harm_unclear.then_some(json!(true)));
    put("sender", Some(json!(finding.sender)));
    put("claimed_sender", Some(json!(finding.claimed_sender)));
    put("form", Some(json!(finding.form)));
    put("effect", Some(json!(finding.effect)));
    put(
        "trigger",
        Some(json!(finding.trigger.as_ref().map(|t| t.kind))),
    );
    put("idle_kind", Some(json!(finding.idle.kind)));
    put(
        "idle_application_s",
        Some(json!(finding.idle.application_s)),
    );
    put("idle_wire_s", Some(json!(finding.idle.wire_s)));
    put(
        "retry_safe",
        Some(json!(finding.retry.as_ref().map(|r| r.safe))),
    );
    put("frame", Some(json!(finding.frame)));
    put("stream", Some(json!(finding.connection.stream)));
    put("packets", Some(json!(finding.packets)));
    put("connections", Some(json!(finding.connections)));
    put("wireshark_filter", Some(json!(finding.wireshark_filter)));
    Value::Object(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn lines_of(report: &Report) -> Vec<Value> {
        let mut bytes = Vec::new();
        write_ecs(report, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn lines() -> Vec<Value> {
        lines_of(&sample::report())
    }

    #[test]
    fn connections_come_after_the_findings() {
        let report = sample::with_connections();
        let lines = lines_of(&report);
        let rows = report.connections.as_ref().map_or(0, Vec::len);
        assert_eq!(lines.len(), 5 + rows);
        insta::assert_json_snapshot!(lines[5]);
    }

    #[test]
    fn a_line_per_finding_in_the_schemas_words() {
        let lines = lines();
        assert_eq!(lines.len(), 5);
        insta::assert_json_snapshot!(lines[0]);
    }

    #[test]
    fn what_is_not_known_is_absent() {
        fn has_null(value: &Value) -> bool {
            match value {
                Value::Null => true,
                Value::Array(all) => all.iter().any(has_null),
                Value::Object(all) => all.values().any(has_null),
                _ => false,
            }
        }
        assert!(!lines().iter().any(has_null));
    }

    /// The allowed values of ECS for `event.type` and `event.outcome` in the category `network`.
    #[test]
    fn closed_sets_are_kept() {
        for line in lines() {
            let kinds = line["event"]["type"].as_array().unwrap();
            assert!(
                kinds
                    .iter()
                    .all(|k| ["connection", "end", "denied"].contains(&k.as_str().unwrap()))
            );
            assert!(
                ["success", "failure", "unknown"]
                    .contains(&line["event"]["outcome"].as_str().unwrap())
            );
        }
    }
}
