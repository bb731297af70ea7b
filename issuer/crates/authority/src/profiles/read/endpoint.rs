//! One endpoint of a profile.

use std::str::FromStr;

use moneyer_identity::ProviderName;
use moneyer_identity::grant::{
    Access, AddressRange, EndpointRule, Enforcement, HostPattern, Method, PathPattern, Protocol,
    QueryRule, RequestRule, TlsMode,
};
use serde_json::Value;

use super::fields::{Fields, Reading, text_of};
use crate::profiles::profile::{Endpoint, MAXIMUM_PORTS};

/// Most rules of a kind at an endpoint.
const MAXIMUM_RULES: usize = 64;

/// Most ranges of addresses of an endpoint.
const MAXIMUM_RANGES: usize = 32;

/// Most values of a parameter of the query in a rule, and most parameters.
const MAXIMUM_QUERY_VALUES: usize = 16;

const KNOWN: [&str; 13] = [
    "host",
    "port",
    "ports",
    "path",
    "protocol",
    "tls",
    "enforcement",
    "access",
    "rules",
    "deny_rules",
    "allowed_ips",
    "allow_uninspected_credentials",
    "redact_echo",
];

pub(super) fn read(
    reading: &Reading,
    value: &Value,
    path: String,
    uninspected: bool,
) -> Option<Endpoint> {
    let fields = Fields::of(reading, value, path, &KNOWN);
    let host = fields.required::<HostPattern>("host");
    let ports = read_ports(&fields);
    let of_path = fields.parsed::<PathPattern>("path");
    let protocol = read_word::<Protocol>(
        &fields,
        "protocol",
        "must be rest, websocket, graphql, mcp, json-rpc, sql or tcp",
    );
    let tls = match fields.text("tls") {
        Some("skip") => TlsMode::Skip,
        _ => TlsMode::Terminate,
    };
    let enforcement = read_word::<Enforcement>(&fields, "enforcement", "must be enforce or audit");
    let access = read_word::<Access>(&fields, "access", "must be read-only, read-write or full");
    let allow = read_allowed(&fields);
    let deny = fields.items("deny_rules", MAXIMUM_RULES).into_iter();
    let deny = deny.filter_map(|(path, value)| read_rule(reading, value, path)).collect();
    let allowed_ips = fields.all::<AddressRange>("allowed_ips", MAXIMUM_RANGES);
    let allow_uninspected = fields.flag("allow_uninspected_credentials") || uninspected;
    let rule = EndpointRule {
        provider: ProviderName::parse("profile").ok()?,
        host: host?,
        port: 0,
        path: of_path.unwrap_or_else(PathPattern::every),
        protocol: protocol.unwrap_or_default(),
        access,
        allow,
        deny,
        enforcement: enforcement.unwrap_or_default(),
        tls,
        allowed_ips,
        allow_uninspected,
        redact_echo: fields.flag("redact_echo"),
    };
    if rule.protocol.is_http() && rule.access.is_none() && fields.value("rules").is_none() {
        fields.error("access", "or rules are required where requests are looked at");
    }
    if rule.redact_echo && (!rule.is_inspected() || rule.protocol == Protocol::Websocket) {
        fields.error(
            "redact_echo",
            "is for endpoints whose answers are looked at: no WebSocket, and tls not skip",
        );
    }
    Some(Endpoint { ports, rule })
}

/// `ports` where there are any, else `port`; zeros are none.
fn read_ports(fields: &Fields<'_>) -> Vec<u16> {
    let mut ports = Vec::new();
    let mut take = |path: String, value: Option<i64>| match value.map(u16::try_from) {
        Some(Ok(0)) => {}
        Some(Ok(port)) if ports.contains(&port) => {}
        Some(Ok(port)) => ports.push(port),
        _ => fields.reading().error(path, "must be a port from 1 to 65535"),
    };
    let items = fields.items("ports", MAXIMUM_PORTS);
    let alone = items.is_empty().then(|| fields.number("port")).flatten();
    for (path, value) in items {
        take(path, value.as_i64());
    }
    if let Some(port) = alone {
        take(fields.path_of("port"), Some(port));
    }
    if ports.is_empty() && fields.value("ports").is_none() && alone.is_none_or(|port| port == 0) {
        fields.error("port", "is required");
    }
    ports
}

/// A word of a closed list, with dashes or underscores.
fn read_word<T: FromStr>(fields: &Fields<'_>, name: &str, words: &str) -> Option<T> {
    let word = fields.text(name)?.replace('_', "-");
    let read = word.parse().ok();
    if read.is_none() {
        fields.error(name, words);
    }
    read
}

fn read_allowed(fields: &Fields<'_>) -> Vec<RequestRule> {
    let items = fields.items("rules", MAXIMUM_RULES).into_iter();
    let read = |(path, value)| {
        let rule = Fields::of(fields.reading(), value, path, &["allow"]);
        let Some(allow) = rule.value("allow") else {
            rule.error("allow", "is required");
            return None;
        };
        read_rule(fields.reading(), allow, rule.path_of("allow"))
    };
    items.filter_map(read).collect()
}

fn read_rule(reading: &Reading, value: &Value, path: String) -> Option<RequestRule> {
    let fields = Fields::of(reading, value, path, &["method", "path", "query"]);
    let any = matches!(fields.text("method"), None | Some("*"));
    let method = if any { None } else { Some(fields.parsed::<Method>("method")?) };
    let of_path = match fields.text("path") {
        None => PathPattern::every(),
        Some(_) => fields.parsed::<PathPattern>("path")?,
    };
    let query = read_query(&fields);
    Some(RequestRule { method, path: of_path, query })
}

/// `name: value`, `name: [values]` or `name: {any: [values]}`.
fn read_query(fields: &Fields<'_>) -> Vec<QueryRule> {
    let Some(value) = fields.value("query") else { return Vec::new() };
    let Some(parameters) = value.as_object() else {
        fields.error("query", "must be an object with the parameters' names");
        return Vec::new();
    };
    if parameters.len() > MAXIMUM_QUERY_VALUES {
        fields.error("query", format!("has more than {MAXIMUM_QUERY_VALUES} parameters"));
    }
    let path = fields.path_of("query");
    let names: Vec<_> = parameters.keys().map(String::as_str).collect();
    let query = Fields::of(fields.reading(), value, path, &names);
    let read = |(name, value): (&String, &Value)| {
        let values = match value {
            Value::String(text) => vec![text.clone()],
            Value::Object(_) => {
                let any = Fields::of(fields.reading(), value, query.path_of(name), &["any"]);
                any.all::<String>("any", MAXIMUM_QUERY_VALUES)
            }
            Value::Array(_) => query.all::<String>(name, MAXIMUM_QUERY_VALUES),
            _ => text_of(fields.reading(), value, || query.path_of(name))
                .into_iter()
                .map(str::to_owned)
                .collect(),
        };
        if values.is_empty() {
            query.error(name, "must name at least one value");
        }
        QueryRule { name: name.clone(), values }
    };
    parameters.iter().take(MAXIMUM_QUERY_VALUES).map(read).collect()
}
